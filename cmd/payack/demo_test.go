package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/payacktest/gateway"
)

// demo plays all rows. With -serve, it then keeps its receiver running.
func TestDemo(t *testing.T) {
	p := startProcess(t, "demo", "-serve")
	var all strings.Builder
	for line := ""; !strings.HasPrefix(line, "all "); {
		line = p.readLine()
		require.LessOrEqual(t, len(line), 100, line)
		all.WriteString(line + "\n")
	}
	require.Regexp(t, `(?m)^all [0-9]+ rows are as expected$`, all.String())
	require.NotContains(t, all.String(), "DIFFERS")
	require.Contains(t, all.String(), "the receiver gets SIGKILL")
	for _, provider := range []string{"ptop", "pts", "payatom"} {
		for _, row := range []string{
			"genuine .* accepted$", "redelivered .* duplicate$", "tampered signature", "tampered body", "spliced", "oversized", "unsigned",
			"flooding: the first", "flooding: the next", "genuine, from another client",
			"genuine .* accepted; then failed \\(callback\\)$", "settled by the application .* 3 of 3 acknowledged, once each$",
			"a payment that is paid .* accepted$",
			"a pending one says paid .* accepted; then failed \\(unreachable\\)$",
			"a (cancelled|failed|declined) one says paid .* accepted; then rejected \\(unconfirmed\\)$",
		} {
			require.Regexp(t, `(?m)^`+provider+` +`+row, all.String())
		}
	}
	require.Empty(t, p.readLine())
	var shown strings.Builder
	for line := p.readLine(); line != ""; line = p.readLine() {
		shown.WriteString(line + "\n")
	}
	page := regexp.MustCompile(`(?m)^inspector is at (http://\S+/\?token=\S+) `).FindStringSubmatch(shown.String())
	require.Len(t, page, 2, shown.String())
	signed := getPage(t, page[1], nil)
	require.Equal(t, http.StatusSeeOther, signed.StatusCode)
	l := &listener{process: p, kept: true}
	calls := regexp.MustCompile(`(?m)^(\w+) +receives at (http://[^;]+)/\w+; try\n  payack (send .*)$`).FindAllStringSubmatch(shown.String(), -1)
	require.Len(t, calls, 3, shown.String())
	for _, m := range calls {
		l.url = m[2]
		status, _, stderr := call(t.Context(), strings.Fields(m[3])...)
		require.Equal(t, exitDone, status, stderr)
		for n := 0; n < 2; { // the lines of the request and of its attempt
			if line := l.line(); line.Attempt < 2 { // the spliced event is retried meanwhile
				require.Equal(t, m[1]+" accepted", line.verdict())
				n++
			}
		}
	}
	for range 5 { // more lines than the channel demoReceiver.came holds
		resp, _ := l.do("POST", "/ptop", bare(jsonType, "{}"))
		require.Equal(t, 403, resp.StatusCode)
		for line := l.line(); line.verdict() != "ptop rejected signature"; line = l.line() {
			require.Greater(t, line.Attempt, 1)
		}
	}
	folder := filepath.Dir(regexp.MustCompile(`-config (\S+)`).FindStringSubmatch(shown.String())[1])
	p.signal(syscall.SIGINT)
	require.Equal(t, exitDone, p.status(), p.stderr.String())
	require.NoDirExists(t, folder, "keys are not left behind")
}

// demoReceiverOf starts a receiver like the demonstration's.
func demoReceiverOf(t *testing.T, members map[string]any) *demoReceiver {
	t.Helper()
	t.Setenv(asCommand, "1")
	r, err := startDemoReceiver(filepath.Join(t.TempDir(), "receiver"), members)
	require.NoError(t, err)
	t.Cleanup(r.stop)
	return r
}

// The payments of the fake gateways are played against a receiver that confirms
// callbacks. They are also played against a receiver that doesn't, and so
// accepts every false callback.
func TestDemoGateways(t *testing.T) {
	for name, asks := range map[string]bool{"confirms": true, "does not": false} {
		t.Run(name, func(t *testing.T) {
			g, err := startDemoGateways()
			require.NoError(t, err)
			defer g.close()
			requests := 6 // each payment is created and asked about
			if !asks {
				requests = 3
				with(g.members, object{
					"ptop.confirm": nil, "ptop.insecure_no_confirm": true, "pts.confirm": nil,
					"payatom.confirm": nil, "payatom.insecure_no_expectation": true,
				})
			}
			var table bytes.Buffer
			err = playAll(t.Context(), &table, scene{"%s", demoReceiverOf(t, g.members), g.rows()})
			if asks {
				require.NoError(t, err, table.String())
			} else {
				require.EqualError(t, err, "6 of 9 rows differ from what is expected; the table marks them")
				require.Equal(t, 3, strings.Count(table.String(), "then failed (unreachable)"), "as is expected")
				require.Equal(t, 3, strings.Count(table.String(), "then rejected (unconfirmed)"))
				require.Equal(t, 6, strings.Count(table.String(), "DIFFERS: expected"))
			}
			for _, gw := range g.all {
				all := gw.fake.(interface {
					Requests() []gateway.Request
				}).Requests()
				require.Len(t, all, requests, gw.provider)
				for _, request := range all {
					require.Empty(t, request.Refusal)
				}
			}
		})
	}
}

// The demonstration ends with an error if its gateway does not answer.
func TestDemoGatewayThatDoesNotAnswer(t *testing.T) {
	g, err := startDemoGateways()
	require.NoError(t, err)
	defer g.close()
	r := demoReceiverOf(t, g.members)
	g.all[0].Close()
	err = playAll(t.Context(), io.Discard, scene{"%s", r, g.rows()})
	require.ErrorIs(t, err, client.ErrUnreachable)
}

// A row that differs is reported, whichever column differs.
func TestDemoRowThatDiffers(t *testing.T) {
	app, err := startDemoApplication()
	require.NoError(t, err)
	defer app.Close()
	keys, err := newDemoKeys(app)
	require.NoError(t, err)
	r := demoReceiverOf(t, keys.members)
	for name, spoil := range map[string]func(*row){
		"status":  func(x *row) { x.want.Status = 201 },
		"body":    func(x *row) { x.want.Body = "OK" },
		"type":    func(x *row) { x.want.ContentType = "text/plain" },
		"outcome": func(x *row) { x.door.outcome = payack.OutcomeDuplicate },
		"reason":  func(x *row) { x.door.reasons = []payack.Reason{payack.ReasonSpliced, payack.ReasonBusy} },
		"desk":    func(x *row) { x.desk = fate{payack.OutcomeFailed, []payack.Reason{payack.ReasonCallback}} },
		"settled": nil,
	} {
		t.Run(name, func(t *testing.T) {
			rows, err := keys.rows(app)
			require.NoError(t, err)
			first := rows[0]
			if spoil == nil {
				first = rows[len(rows)-1]
			} else {
				spoil(&first)
			}
			var table bytes.Buffer
			err = playAll(t.Context(), &table, scene{"%s", r, []row{first, rows[1]}})
			if name == "settled" { // no genuine callback came before, so rows[1] is no redelivery, and differs as well
				require.EqualError(t, err, "2 of 2 rows differ from what is expected; the table marks them")
				return
			}
			require.EqualError(t, err, "1 of 2 rows differ from what is expected; the table marks them")
			require.Equal(t, 1, strings.Count(table.String(), "DIFFERS: expected"))
			if name == "reason" {
				require.Contains(t, table.String(), "accepted (spliced or busy)")
			}
		})
	}
}

// The demonstration reports events that the application lost, and events that it
// received without an acknowledgement.
func TestDemoLosesNothing(t *testing.T) {
	app, err := startDemoApplication()
	require.NoError(t, err)
	defer app.Close()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	app.settled["one"], app.settled["two"] = payack.PTS, payack.Ptop
	require.Equal(t, "1 of 1 acknowledged, once each", app.has(ended, payack.PTS, []string{"one"}))
	require.Equal(t, "1 of 2 acknowledged, once each", app.has(ended, payack.PTS, []string{"one", "lost"}))
	require.Equal(t, "0 of 0 acknowledged, once each, and 1 others", app.has(ended, payack.PTS, nil))
	res, err := http.Post(app.URL, jsonType, strings.NewReader(`{"provider":"pts"}`))
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, http.StatusUnauthorized, res.StatusCode, "it isn't signed")
	require.Equal(t, "1 of 1 acknowledged, once each, and 1 others", app.has(ended, payack.PTS, []string{"one"}))
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{
		{"demo", "-h"}, {"listen", "-h"}, {"listen", "--help"}, {"send", "-h"}, {"send", "--h"}, {"send", "pts", "-help"}, {"inspect", "-h"}, {"inspect", "pts", "x", "-h"}, {"replay", "-h"}, {"inbox", "-h"}, {"inbox", "list", "-h"},
	} {
		status, stdout, stderr := call(context.Background(), args...)
		require.Equal(t, exitDone, status, args)
		require.Empty(t, stderr)
		require.Contains(t, stdout, "usage: payack "+args[0])
		require.Contains(t, stdout, "example: payack "+args[0])
	}
	for _, args := range [][]string{{"-h"}, {"--help"}, {"help"}} {
		status, stdout, _ := call(context.Background(), args...)
		require.Equal(t, exitDone, status)
		for _, c := range commands {
			require.Contains(t, stdout, "payack "+c.name)
		}
	}
	for _, args := range [][]string{{}, {"lisen"}, {"inspect", "pts"}, {"inspect"}, {"replay"}, {"demo", "now"}, {"demo", "-port", "1"}, {"listen"}, {"listen", "-x"}} {
		status, stdout, stderr := call(context.Background(), args...)
		require.Equal(t, exitUsage, status, args)
		require.Empty(t, stdout)
		require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
	}
}
