package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/documents"
	"github.com/payack/payack/payacktest/gateway"
)

// listenCall is how the pages of the documentation call payack listen.
var listenCall = []string{"listen", "-config", "payack.json"}

// reader runs the commands of these pages in a folder.
type reader struct {
	t       *testing.T
	config  object
	url     string // the URL of listen
	ordered string // ORDER=TRANSACTION_ID of an order of ptop
}

func startReader(t *testing.T) *reader {
	folder := t.TempDir()
	t.Chdir(folder)
	fails := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	t.Cleanup(fails.Close)
	s := &reader{t: t, config: with(testConfig(), object{
		"database": "payack.db", "record": "refused", "retry.first": "1h",
		"forward.url": fails.URL, "forward.secret": testWebhook,
	})}
	private, public := testPair()
	for _, p := range []payack.Provider{payack.PTS, payack.Ptop} {
		gw, err := registry[p].demo.gateway(gateway.Options{Retries: -1})
		require.NoError(t, err)
		t.Cleanup(gw.Close)
		require.NoError(t, gw.create(t.Context(), "ORD-1", "http://127.0.0.1:1/lost"))
		require.NoError(t, gw.Pay("ORD-1"))
		s.config[string(p)] = object(gw.section)
		s.ordered = handleOf(t, gw, "ORD-1")
	}
	keys := s.config["pts"].(object)["public_keys"].([]string)
	with(s.config, object{"pts.public_keys": append([]string{public}, keys...)}) // the first key belongs to pts.pem
	copyFile := func(from, to string) {
		text, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(folder, to), text, 0o600))
	}
	copyFile(configFile(t, s.config), "payack.json")
	require.NoError(t, os.WriteFile("pts.pem", []byte(private), 0o600))

	p := startProcessIn(t, folder, listenCall...)
	s.url = listening(p, true).url
	for i := range 20 { // so that the inbox has rows with the IDs that the pages name
		cb := built(t, testSender(t, s.config, "pts"), tamperNothing, assignment{"order_id", "ORD-N" + string(rune('A'+i))}, assignment{"status", "1000"})
		res, err := cb.Post(t.Context(), nil, s.url+"/pts")
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, res.StatusCode)
	}
	return s
}

// run runs a command of a page. Only addresses and placeholders are replaced.
func (s *reader) run(c documents.Command, args []string) {
	t := s.t
	for _, p := range []string{"ptop", "pts", "payatom"} {
		if strings.Contains(strings.Join(args, " "), p) {
			dump, err := built(t, testSender(t, s.config, p), tamperNothing).Dump("/" + p)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile("recorded.json", dump, 0o600))
			break
		}
	}
	want := exitDone
	args = append([]string(nil), args...)
	for i, arg := range args {
		arg = strings.Replace(arg, "http://127.0.0.1:8080", s.url, 1)
		arg = strings.Replace(arg, "/callbacks/", "/", 1) // the README mounts receivers at other paths
		if arg == "ORD-1=TRANSACTION_ID" {
			arg = s.ordered
		}
		if arg == "-tamper" {
			want = exitFailed // the delivery is refused
		}
		args[i] = arg
	}
	if args[0] == "listen" {
		require.Equal(t, listenCall, args, "%v: another call than the one that is running", c)
		return
	}
	var status int
	var stdout, stderr string
	require.Eventually(t, func() bool {
		status, stdout, stderr = call(context.Background(), args...)
		return status != exitFailed || want == exitFailed // repeat the call while an attempt holds the row of the inbox
	}, 30*time.Second, 100*time.Millisecond, "%v: payack %s", c, strings.Join(args, " "))
	require.Equal(t, want, status, "%v: payack %s: %s%s", c, strings.Join(args, " "), stdout, stderr)
}
