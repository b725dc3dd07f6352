package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/payacktest/gateway"
)

func TestDemo(t *testing.T) {
	p := startProcess(t, "demo")
	var all strings.Builder
	for {
		line := p.readLine()
		all.WriteString(line + "\n")
		if strings.HasPrefix(line, "all ") {
			require.Regexp(t, `^all [0-9]+ rows are as expected$`, line)
			break
		}
	}
	require.Equal(t, exitDone, p.status(), p.stderr.String())
	require.Empty(t, p.stderr.String())
	require.NotContains(t, all.String(), "DIFFERS")
	for _, provider := range []string{"ptop", "pts", "payatom"} {
		for _, what := range []string{"genuine", "redelivered", "tampered signature", "tampered body", "spliced", "oversized", "unsigned", "flooding: the first", "flooding: the next", "genuine, from another address"} {
			require.Regexp(t, `(?m)^`+provider+` +`+what, all.String())
		}
		for _, row := range []string{
			"created, paid, called back .* accepted",
			"created, called back as paid: a lie, it is pending .* failed \\(unreachable\\)",
			"created, (cancelled|failed|declined), called back as paid: a lie .* rejected \\(unconfirmed\\)",
		} {
			require.Regexp(t, `(?m)^`+provider+` +`+row, all.String())
		}
	}
}

// TestDemoGateways plays the payments at a receiver that confirms, and at one
// that doesn't, which falls for every lie.
func TestDemoGateways(t *testing.T) {
	for name, asks := range map[string]bool{"confirms": true, "does not": false} {
		t.Run(name, func(t *testing.T) {
			g, err := startDemoGateways()
			require.NoError(t, err)
			defer g.close()
			requests := 6 // each payment is created and asked about
			if !asks {
				requests = 3
				ptopOf(g.config).Confirm, ptopOf(g.config).InsecureNoConfirm = nil, true
				g.config.sections[payack.PTS].(*ptsConfig).Confirm = nil
				g.config.sections[payack.Payatom].(*payatomConfig).Confirm = nil
			}
			r, err := startDemoReceiver(context.Background(), g.config)
			require.NoError(t, err)
			defer r.stop()
			var table bytes.Buffer
			err = playAll(context.Background(), &table, scene{"%s %d", r, g.rows()})
			if asks {
				require.NoError(t, err, table.String())
			} else {
				require.EqualError(t, err, "6 of 9 rows differ from what is expected; the table marks them")
				require.Equal(t, 3, strings.Count(table.String(), "DIFFERS: expected failed (unreachable)"))
				require.Equal(t, 3, strings.Count(table.String(), "DIFFERS: expected rejected (unconfirmed)"))
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

// TestDemoGatewayAway ends a demonstration whose gateway does not answer.
func TestDemoGatewayAway(t *testing.T) {
	g, err := startDemoGateways()
	require.NoError(t, err)
	defer g.close()
	r, err := startDemoReceiver(context.Background(), g.config)
	require.NoError(t, err)
	defer r.stop()
	g.all[0].Close()
	err = playAll(context.Background(), io.Discard, scene{"%s %d", r, g.rows()})
	require.ErrorIs(t, err, client.ErrUnreachable)
}

// TestDemoServes posts more than a pipe of one line holds.
func TestDemoServes(t *testing.T) {
	p := startProcess(t, "demo", "-serve")
	l := &listener{process: p}
	for l.url == "" {
		if rest, found := strings.CutPrefix(p.readLine(), "serving at "); found {
			l.url = strings.TrimSuffix(rest, " until interrupted")
		}
	}
	for range 5 {
		resp, _, line := l.post("/ptop", bare(jsonType, "{}"))
		require.Equal(t, 403, resp.StatusCode)
		require.Equal(t, "ptop rejected signature", line.verdict())
	}
	p.signal(syscall.SIGINT)
	require.Equal(t, exitDone, p.status(), p.stderr.String())
}

// TestDemoRowThatDiffers spoils what is expected, in every column.
func TestDemoRowThatDiffers(t *testing.T) {
	keys, err := newDemoKeys()
	require.NoError(t, err)
	rows, err := keys.rows()
	require.NoError(t, err)
	for name, spoil := range map[string]func(*row){
		"status":  func(x *row) { x.want.Status = 201 },
		"body":    func(x *row) { x.want.Body = "OK" },
		"outcome": func(x *row) { x.outcome = payack.OutcomeDuplicate },
		"reason":  func(x *row) { x.reasons = []payack.Reason{payack.ReasonSpliced, payack.ReasonBusy} },
	} {
		t.Run(name, func(t *testing.T) {
			r, err := startDemoReceiver(context.Background(), keys.config)
			require.NoError(t, err)
			defer r.stop()
			first := rows[0]
			spoil(&first)
			var table bytes.Buffer
			err = playAll(context.Background(), &table, scene{"%s %d", r, []row{first}}, scene{"%s %d", r, rows[1:2]})
			require.EqualError(t, err, "1 of 2 rows differ from what is expected; the table marks them")
			require.Equal(t, 1, strings.Count(table.String(), "DIFFERS: expected "))
			if name == "reason" {
				require.Contains(t, table.String(), "DIFFERS: expected accepted (spliced or busy)")
			}
		})
	}
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
