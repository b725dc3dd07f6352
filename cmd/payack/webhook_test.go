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
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/internal/testserver"
)

// Real callbacks are forwarded to the example shops in other languages.
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
			s := &shop{
				command: tt.interpreter.Command(t), args: tt.args, folder: filepath.Join(examples, name),
				settled: filepath.Join(t.TempDir(), "settled"), orders: writeFile(t, "orders.json", shopOrders),
			}
			testShop(t, s)
		})
	}
}

// shopOrders are the payments that the shops expect.
const shopOrders = `{
	"PTS1": {"provider": "pts", "amount": "100.5", "currency": "PHP"},
	"PTS2": {"provider": "pts", "amount": "100.50", "currency": "PHP"},
	"PTS3": {"provider": "pts", "amount": "200", "currency": "PHP"},
	"PTS4": {"provider": "pts", "amount": "100.50", "currency": "USD"},
	"ORD1000001": {"provider": "payatom", "amount": "500"},
	"PTOP1": {"provider": "ptop", "amount": "12.00", "currency": "USD"}
}`

// shop is an example that runs in a process of its own.
type shop struct {
	command, folder, settled, orders string
	args                             func(address string) []string

	url string
	log buffer
}

// start starts the shop and returns a function that stops it. full means that no
// file can be written.
func (s *shop) start(t *testing.T, full bool) (stop func()) {
	t.Helper()
	free, err := testserver.FreePort()
	require.NoError(t, err)
	port := strconv.Itoa(free)
	address := "127.0.0.1:" + port
	args := append([]string{s.command}, s.args(address)...)
	if full { // makes writes fail; without the trap, a signal would end the process
		args = append([]string{"sh", "-c", `trap '' XFSZ; ulimit -f 0; exec "$@"`, "sh"}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.folder, &s.log, &s.log
	cmd.Env = append(os.Environ(), "PAYACK_WEBHOOK_SECRET="+testWebhook, "PORT="+port, "SETTLED="+s.settled, "ORDERS="+s.orders, "PYTHONDONTWRITEBYTECODE=1")
	require.NoError(t, cmd.Start())
	s.url = "http://" + address + "/payments"
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Cleanup(stop)
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, testTimeout, 10*time.Millisecond, &s.log)
	return stop
}

// credited returns what the shop has settled, by order.
func (s *shop) credited(t *testing.T) map[string]string {
	t.Helper()
	got := map[string]string{}
	files, err := os.ReadDir(s.settled)
	if !errors.Is(err, os.ErrNotExist) {
		require.NoError(t, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(s.settled, f.Name()))
		require.NoError(t, err)
		got[f.Name()] = string(text)
	}
	return got
}

// post posts a signed body; change may tamper with its headers. The status is 0
// if there is no answer.
func (s *shop) post(t *testing.T, id, body string, at time.Time, change func(http.Header)) int {
	t.Helper()
	signer, err := standardwebhooks.NewWebhook(testWebhook)
	require.NoError(t, err)
	signature, err := signer.Sign(id, at, []byte(body))
	require.NoError(t, err)
	r, err := http.NewRequest(http.MethodPost, s.url, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("webhook-id", id)
	r.Header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	r.Header.Set("webhook-signature", signature)
	change(r.Header)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}

func testShop(t *testing.T, s *shop) {
	t.Helper()
	nothing := func(http.Header) {}
	event := func(provider, members string) string {
		return `{"provider":"` + provider + `","event":{` + members + `}}`
	}
	pts := func(order, amount, currency, status string) string {
		return event("pts", fmt.Sprintf(`"order_id":%q,"status":%q,"accept_amount":%q,"accept_currency":%q`, order, status, amount, currency))
	}
	stop := s.start(t, true)
	require.NotEqual(t, 2, s.post(t, "evt_1", pts("PTS1", "100.50", "PHP", "2000"), time.Now(), nothing)/100, "the disk is full")
	require.Empty(t, s.credited(t), "and nothing is left that makes the next attempt look done")
	stop()

	stop = s.start(t, false)
	c := with(keptConfig(t), object{"forward": object{"url": s.url, "secret": testWebhook}})
	l := startListener(t, c)
	for _, tt := range []struct{ provider, order, member, status string }{
		{"pts", "PTS1", "status", "2000"}, {"pts", "PTS2", "status", "1000"}, {"pts", "PTS3", "status", "2000"}, {"pts", "PTS4", "status", "2000"},
		{"pts", "WITHDRAWAL1", "status", "2000"}, {"payatom", "ORD1000001", "status", "Late Approved"}, {"ptop", "PTOP1", "success", "true"},
		{"ptop", "PTS2", "success", "true"}, {"ptop", "PTOP2", "success", "true"},
	} {
		l.do("POST", "/"+tt.provider, built(t, testSender(t, c, tt.provider), tamperNothing, assignment{"transaction_id", "T" + tt.order + tt.provider},
			assignment{"order_id", tt.order}, assignment{tt.member, tt.status}))
		_, attempt := l.both()
		require.Equal(t, tt.provider+" accepted", attempt.verdict(), attempt.Detail)
	}
	want := map[string]string{"PTS1": "100.5 PHP\n", "ORD1000001": "500\n", "PTOP1": "12.00 USD\n"}
	require.Equal(t, want, s.credited(t), &s.log)
	l.end()

	for name, body := range map[string]string{
		"another attempt":              pts("PTS1", "100.50", "PHP", "2000"),
		"another order's amount":       pts("PTS2", "100.51", "PHP", "2000"),
		"no order of the shop's":       pts("W1", "100.50", "PHP", "2000"),
		"no number":                    pts("PTS2", "1e2", "PHP", "2000"),
		"no amount":                    event("pts", `"order_id":"PTS2","status":"2000","accept_amount":"","accept_currency":"PHP"`),
		"an amount not compared":       event("payatom", `"order_id":"ORD1000001","status":"Approved","received_amount":"5"`),
		"nobody's order":               event("payatom", `"order_id":"ORD9","status":"Approved","received_amount":"500"`),
		"of whom there is no function": event("other", `"order_id":"PTS2"`),
		"by another provider":          event("ptop", `"order_id":"PTS2","success":true`),
	} {
		require.Equal(t, 204, s.post(t, "evt_9", body, time.Now(), nothing), name)
		require.Equal(t, want, s.credited(t), name)
	}
	body := pts("PTS2", "0100.5000", "PHP", "2000")
	for name, status := range map[string]int{
		"too old":            s.post(t, "evt_9", body, time.Now().Add(-time.Hour), nothing),
		"from the future":    s.post(t, "evt_9", body, time.Now().Add(time.Hour), nothing),
		"another body":       s.post(t, "evt_9", body, time.Now(), func(h http.Header) { h.Set("webhook-id", "evt_8") }),
		"without signature":  s.post(t, "evt_9", body, time.Now(), func(h http.Header) { h.Del("webhook-signature") }),
		"a wrong signature":  s.post(t, "evt_9", body, time.Now(), func(h http.Header) { h.Set("webhook-signature", "v1,AAAA") }),
		"without timestamp":  s.post(t, "evt_9", body, time.Now(), func(h http.Header) { h.Del("webhook-timestamp") }),
		"an odd timestamp":   s.post(t, "evt_9", body, time.Now(), func(h http.Header) { h.Set("webhook-timestamp", "x") }),
		"of another version": s.post(t, "evt_9", body, time.Now(), func(h http.Header) { h.Set("webhook-signature", "v2"+h.Get("webhook-signature")[2:]) }),
	} {
		require.Equal(t, 401, status, name)
	}
	require.Equal(t, want, s.credited(t))
	two := func(h http.Header) { h.Set("webhook-signature", "v1,AAAA v1a,x "+h.Get("webhook-signature")) }
	require.Equal(t, 204, s.post(t, "evt_9", body, time.Now(), two), "one of several, as while a secret changes")
	require.Equal(t, "100.50 PHP\n", s.credited(t)["PTS2"])
	stop()
}
