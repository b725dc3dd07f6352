package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/internal/testserver"
)

// TestShops forwards real callbacks to the examples of shops in other languages.
func TestShops(t *testing.T) {
	examples, err := filepath.Abs("../../examples/webhook")
	require.NoError(t, err)
	if _, err := os.Stat(examples); errors.Is(err, os.ErrNotExist) {
		t.Skip("the examples are not here: this is the command's module alone")
	}
	library, err := filepath.Abs("../../examples/webhook/node/node_modules/standardwebhooks")
	require.NoError(t, err)
	node := testserver.Node.That(fmt.Sprintf("require(%q)", library), "node, and npm ci in examples/webhook/node")
	for name, tt := range map[string]struct {
		interpreter testserver.Interpreter
		args        func(address string) []string
	}{
		"node":   {node, func(string) []string { return []string{"shop.js"} }},
		"python": {testserver.Python, func(string) []string { return []string{"shop.py"} }},
		"php":    {testserver.PHP, func(address string) []string { return []string{"-S", address, "shop.php"} }},
	} {
		t.Run(name, func(t *testing.T) {
			free, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			address := free.Addr().String()
			free.Close()
			_, port, _ := net.SplitHostPort(address)
			settled := filepath.Join(t.TempDir(), "settled")
			var log buffer
			shop := exec.Command(tt.interpreter.Command(t), tt.args(address)...)
			shop.Dir, shop.Stdout, shop.Stderr = filepath.Join(examples, name), &log, &log
			shop.Env = append(os.Environ(), "PAYACK_WEBHOOK_SECRET="+testWebhook, "PORT="+port, "SETTLED="+settled)
			require.NoError(t, shop.Start())
			t.Cleanup(func() {
				_ = shop.Process.Kill()
				_ = shop.Wait()
			})
			testShop(t, "http://"+address+"/payments", settled, &log)
		})
	}
}

func testShop(t *testing.T, url, settled string, log *buffer) {
	t.Helper()
	// It may not listen yet: then it is tried again.
	c := with(keptConfig(t), object{"forward": object{"url": url, "secret": testWebhook}})
	l := startListener(t, c)
	ids := map[string]string{} // by provider
	for provider, status := range map[string]string{"pts": "2000", "payatom": "Late Approved", "ptop": "true", "pts pending": "1000"} {
		name, _, _ := strings.Cut(provider, " ")
		member := map[string]string{"ptop": "success"}[name]
		if member == "" {
			member = "status"
		}
		l.do("POST", "/"+name, built(t, testSender(t, c, name), tamperNothing, assignment{"order_id", "ORD1000001"}, assignment{member, status}))
		for {
			line := l.line()
			if line.Attempt > 0 && line.Outcome == "accepted" {
				ids[provider] = webhookID(line.EventID)
				break
			}
			require.NotEqual(t, "rejected", line.Outcome, line.Detail)
		}
	}
	read := func() map[string]string {
		got := map[string]string{}
		files, err := os.ReadDir(settled)
		require.NoError(t, err)
		for _, f := range files {
			text, err := os.ReadFile(filepath.Join(settled, f.Name()))
			require.NoError(t, err)
			got[f.Name()] = string(text)
		}
		return got
	}
	want := map[string]string{
		ids["pts"]: "ORD1000001 100.50 PHP\n", ids["payatom"]: "ORD1000001 500\n", ids["ptop"]: "ORD1000001 paid\n",
	}
	require.Equal(t, want, read(), log)
	l.end()

	signer, err := standardwebhooks.NewWebhook(testWebhook)
	require.NoError(t, err)
	body := `{"provider":"pts","event":{"order_id":"ORD9","status":"2000","accept_amount":"1","accept_currency":"PHP"}}`
	post := func(id, body string, at time.Time, change func(http.Header)) int {
		signature, err := signer.Sign(id, at, []byte(body))
		require.NoError(t, err)
		r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("webhook-id", id)
		r.Header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
		r.Header.Set("webhook-signature", signature)
		change(r.Header)
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		res.Body.Close()
		return res.StatusCode
	}
	nothing := func(http.Header) {}
	require.Equal(t, 204, post(ids["pts"], body, time.Now(), nothing), "another attempt for what is settled")
	for name, status := range map[string]int{
		"too old":            post("evt_9", body, time.Now().Add(-time.Hour), nothing),
		"from the future":    post("evt_9", body, time.Now().Add(time.Hour), nothing),
		"another body":       post("evt_9", body, time.Now(), func(h http.Header) { h.Set("webhook-id", "evt_8") }),
		"without signature":  post("evt_9", body, time.Now(), func(h http.Header) { h.Del("webhook-signature") }),
		"a wrong signature":  post("evt_9", body, time.Now(), func(h http.Header) { h.Set("webhook-signature", "v1,AAAA") }),
		"without timestamp":  post("evt_9", body, time.Now(), func(h http.Header) { h.Del("webhook-timestamp") }),
		"an odd timestamp":   post("evt_9", body, time.Now(), func(h http.Header) { h.Set("webhook-timestamp", "x") }),
		"of another version": post("evt_9", body, time.Now(), func(h http.Header) { h.Set("webhook-signature", "v2"+h.Get("webhook-signature")[2:]) }),
	} {
		require.Equal(t, 401, status, name)
	}
	require.Equal(t, want, read())
	two := func(h http.Header) { h.Set("webhook-signature", "v1,AAAA v1a,x "+h.Get("webhook-signature")) }
	require.Equal(t, 204, post("evt_9", body, time.Now(), two), "one of several, as while a secret changes")
	require.Equal(t, "ORD9 1 PHP\n", read()["evt_9"])
}
