package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/internal/testserver"
)

// testWebhook is the secret of Standard Webhooks' own vector.
const testWebhook = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// applicationOf is a shop's application.
type applicationOf struct {
	url    string
	server *httptest.Server

	mu     sync.Mutex
	posted []posted
	answer func(w http.ResponseWriter, n int)
}

// posted is the content of one request.
type posted struct {
	header http.Header
	body   string
}

func (a *applicationOf) serve(t *testing.T, answer func(w http.ResponseWriter, n int)) {
	a.answers(answer)
	a.server = httptest.NewServer(a)
	t.Cleanup(a.server.Close)
	a.url = a.server.URL + "/payments?token=hunter2"
}

// ServeHTTP answers the nth request, counted from 1.
func (a *applicationOf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	a.posted = append(a.posted, posted{r.Header, string(body)})
	n, answer := len(a.posted), a.answer
	a.mu.Unlock()
	answer(w, n)
}

func (a *applicationOf) answers(answer func(w http.ResponseWriter, n int)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = answer
}

func (a *applicationOf) calls() []posted {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.posted
}

// The signed line is posted again with the same id until the application answers
// 2xx.
func TestForward(t *testing.T) {
	var app applicationOf
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer elsewhere.Close()
	details := []string{
		"forward.url answered 500; an answer 2xx settles the event",
		"forward.url answered 307; an answer 2xx settles the event",
		"forward.url gave no whole answer: unexpected EOF",
		"forward.url gave no whole answer: EOF",
	}
	app.serve(t, func(w http.ResponseWriter, n int) {
		switch n {
		case 1:
			http.Error(w, "hunter2", http.StatusInternalServerError)
		case 2:
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(http.StatusTemporaryRedirect)
		case 3: // 200, then the connection breaks
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("half"))
		case 4: // no answer at all
			panic(http.ErrAbortHandler)
		default:
			w.WriteHeader(http.StatusAccepted)
		}
	})
	c := with(keptConfig(t), object{"forward": object{"url": app.url, "secret": testWebhook}})
	l := startListener(t, c)
	cb := built(t, testSender(t, c, "pts"), tamperNothing)
	_, body := l.do("POST", "/pts", cb)
	require.Equal(t, "SUCCESS", body)
	var attempts []logged
	for len(attempts) <= len(details) {
		if line := l.line(); line.Attempt > 0 {
			attempts = append(attempts, line)
		}
	}
	verifier, err := standardwebhooks.NewWebhook(testWebhook)
	require.NoError(t, err)
	calls := app.calls()
	require.Len(t, calls, len(details)+1)
	for i, call := range calls {
		line := attempts[i]
		require.Equal(t, i+1, line.Attempt)
		if i < len(details) {
			require.Equal(t, "pts failed callback", line.verdict())
			require.Equal(t, details[i], line.Detail)
		} else {
			require.Equal(t, "pts accepted", line.verdict())
		}
		require.NoError(t, verifier.Verify([]byte(call.body), call.header))
		sum := sha256.Sum256([]byte(line.EventID))
		require.Equal(t, "evt_"+hex.EncodeToString(sum[:]), call.header.Get("webhook-id"))
		require.Equal(t, "application/json", call.header.Get("Content-Type"))
		require.False(t, strings.HasSuffix(call.body, "\n"))
		var event logged
		require.NoError(t, json.Unmarshal([]byte(call.body), &event))
		require.Equal(t, "pts accepted", event.verdict())
		require.Equal(t, line.EventID, event.EventID)
		require.Equal(t, i+1, event.Attempt)
		require.JSONEq(t, string(line.Event), string(event.Event))
	}
	_, _, line := l.post("/pts", cb)
	require.Equal(t, "pts duplicate", line.verdict())
	l.end()
	require.NotContains(t, l.stderr.String(), "hunter2")
	require.NotContains(t, l.stderr.String(), testWebhook)
}

// If the application doesn't answer in time, the attempt is given up and retried.
func TestForwardTimeout(t *testing.T) {
	var app applicationOf
	hang := make(chan struct{})
	app.serve(t, func(http.ResponseWriter, int) { <-hang })
	t.Cleanup(func() { close(hang) })
	c := with(keptConfig(t), object{"forward": object{"url": app.url, "secret": testWebhook, "timeout": "100ms"}})
	l := startListener(t, c)
	l.do("POST", "/pts", built(t, testSender(t, c, "pts"), tamperNothing))
	_, attempt := l.both()
	require.Equal(t, "pts failed callback", attempt.verdict())
	require.Equal(t, "forward.url did not answer within forward.timeout", attempt.Detail)
	l.signal(syscall.SIGTERM)
	require.Equal(t, exitDone, l.status(), l.stderr.String())

	app.answers(func(http.ResponseWriter, int) {})
	l = startListener(t, with(c, object{"forward.timeout": nil}))
	require.Equal(t, "pts accepted", l.line().verdict())
	l.end()
}

// Events are forwarded even if nobody reads standard output.
func TestForwardWithoutReader(t *testing.T) {
	var app applicationOf
	app.serve(t, func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusOK) })
	c := with(keptConfig(t), object{"forward": object{"url": app.url, "secret": testWebhook}})
	l := startListener(t, c)
	require.NoError(t, l.pipe.Close())
	for i, provider := range []string{"pts", "payatom", "ptop"} {
		l.do("POST", "/"+provider, built(t, testSender(t, c, provider), tamperNothing))
		require.Eventually(t, func() bool { return len(app.calls()) == i+1 }, testTimeout, 5*time.Millisecond)
	}
	l.signal(syscall.SIGTERM)
	require.Equal(t, exitDone, l.status(), l.stderr.String())
}

// A running attempt ends before the process stops, and is not repeated.
func TestShutdownEndsAttempts(t *testing.T) {
	var app applicationOf
	stopping, goOn := context.WithCancel(t.Context())
	app.serve(t, func(w http.ResponseWriter, _ int) {
		<-stopping.Done()
		w.WriteHeader(http.StatusOK)
	})
	c := with(keptConfig(t), object{"forward": object{"url": app.url, "secret": testWebhook}})
	l := startListener(t, c)
	l.do("POST", "/pts", built(t, testSender(t, c, "pts"), tamperNothing))
	require.Eventually(t, func() bool { return len(app.calls()) == 1 }, testTimeout, 5*time.Millisecond)
	l.signal(syscall.SIGTERM)
	l.letsNobodyIn()
	goOn()
	require.Equal(t, exitDone, l.status(), l.stderr.String())
	_, attempt := l.both()
	require.Equal(t, "pts accepted", attempt.verdict())

	status, stdout, stderr := inboxOf(configFile(t, c), "list")
	require.Equal(t, exitDone, status, stderr)
	require.Equal(t, "no event is pending, running or dead\n", stdout, "it is done")
	require.Len(t, app.calls(), 1)
}

// Nothing is posted to an application with an unknown certificate, and nothing is
// lost until the certificate is known.
func TestForwardRefusesCertificates(t *testing.T) {
	var app applicationOf
	app.answers(func(http.ResponseWriter, int) {})
	server := httptest.NewUnstartedServer(&app)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	c := with(keptConfig(t), object{"forward": object{"url": server.URL, "secret": testWebhook}})
	l := startListener(t, c)
	l.do("POST", "/pts", built(t, testSender(t, c, "pts"), tamperNothing))
	for attempt := 0; attempt < 2; {
		if line := l.line(); line.Attempt > 0 {
			attempt++
			require.Equal(t, "pts failed callback", line.verdict())
			require.Equal(t, attempt, line.Attempt)
			require.Contains(t, line.Detail, "certificate")
		}
	}
	l.signal(syscall.SIGTERM)
	require.Equal(t, exitDone, l.status())
	require.Empty(t, app.calls())

	t.Setenv("SSL_CERT_FILE", writeFile(t, "certificate.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))))
	l = startListener(t, c)
	require.Equal(t, "pts accepted", l.line().verdict())
	require.Len(t, app.calls(), 1)
	l.end()
}

// Events for an application that is down are forwarded once it is up.
func TestForwardToOneThatIsDown(t *testing.T) {
	port, err := testserver.FreePort()
	require.NoError(t, err)
	address := fmt.Sprint("127.0.0.1:", port)
	var app applicationOf
	c := with(keptConfig(t), object{"forward": object{"url": "http://" + address + "/payments?token=hunter2", "secret": testWebhook}})
	l := startListener(t, c)
	for _, order := range []string{"ORD-1", "ORD-2", "ORD-3"} {
		_, body := l.do("POST", "/pts", built(t, testSender(t, c, "pts"), tamperNothing, assignment{"order_id", order}))
		require.Equal(t, "SUCCESS", body)
	}
	for attempts := map[string]int{}; len(attempts) < 3 || slices.Max(slices.Collect(maps.Values(attempts))) < 3; {
		line := l.line()
		attempts[line.EventID] = line.Attempt
		if line.Attempt > 0 {
			require.Equal(t, "pts failed callback", line.verdict())
			require.Contains(t, line.Detail, "refused")
		}
	}
	app.answers(func(http.ResponseWriter, int) {})
	up, err := net.Listen("tcp", address)
	require.NoError(t, err)
	server := &httptest.Server{Listener: up, Config: &http.Server{Handler: &app}}
	server.Start()
	defer server.Close()
	settled := map[string]bool{}
	for len(settled) < 3 {
		if line := l.line(); line.verdict() == "pts accepted" && line.Attempt > 0 {
			settled[line.EventID] = true
		}
	}
	require.Len(t, app.calls(), 3)
	l.end()
}

// Without TLS, no connection goes to a public address, even if a name resolves to
// one.
func TestForwardStaysNear(t *testing.T) {
	for address, ok := range map[string]bool{
		"127.0.0.1:80": true, "[::1]:80": true, "10.1.2.3:80": true, "192.168.0.1:80": true, "172.16.0.1:80": true, "[fd00::1]:80": true,
		"192.0.2.1:80": false, "[2001:db8::1]:80": false, "169.254.169.254:80": false, "0.0.0.0:80": false, "[::ffff:192.0.2.1]:80": false, "[::ffff:127.0.0.1]:80": true,
	} {
		require.Equal(t, ok, onlyNear("tcp", address, nil) == nil, address)
	}
	var app applicationOf
	app.serve(t, func(http.ResponseWriter, int) {})
	_, port, _ := net.SplitHostPort(app.server.Listener.Addr().String())
	for host, ok := range map[string]bool{"localhost": true, "0.0.0.0": false} { // 0.0.0.0 reaches the same server, but is no loopback address
		f := &forward{URL: "http://localhost:" + port + "/", Secret: testWebhook}
		require.NoError(t, f.complete())
		f.url.Host = host + ":" + port // like a name that resolves to another address
		w, err := newForwarder(f)
		require.NoError(t, err)
		res, err := w.client.Post(f.url.String(), "application/json", nil)
		if ok {
			require.NoError(t, err)
			res.Body.Close()
		} else {
			require.EqualError(t, forwardFailed(t.Context(), err), "http is for loopback and private addresses only, and the name of forward.url stands for another; use https")
		}
	}
	require.Len(t, app.calls(), 1)
}

// The signature equals the one in Standard Webhooks' own example.
func TestForwardVector(t *testing.T) {
	f := &forward{URL: "http://127.0.0.1/", Secret: testWebhook}
	require.NoError(t, f.complete())
	w, err := newForwarder(f)
	require.NoError(t, err)
	signature, err := w.signer.Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	require.NoError(t, err)
	require.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", signature)
}

// A configuration is refused if forwarding could not work with it, or would be
// unsafe.
func TestForwardConfigurations(t *testing.T) {
	good := object{"url": "https://shop.example/payments", "secret": testWebhook}
	require.Equal(t, 10*time.Second, parsed(t, with(keptConfig(t), object{"forward": good})).Forward.timeout)
	for name, tt := range map[string]struct {
		changes     object
		member, fix string
	}{
		"no database":        {object{"database": "", "retry": nil, "forward": good}, "forward", "it needs a database"},
		"no URL":             {object{"forward": object{"secret": testWebhook}}, "forward.url", "give the application's"},
		"another scheme":     {object{"forward": with(object{"secret": testWebhook}, object{"url": "ftp://127.0.0.1/hunter2"})}, "forward.url", "give the application's"},
		"public http":        {object{"forward": object{"url": "http://192.0.2.1/hunter2", "secret": testWebhook}}, "forward.url", "use https"},
		"no secret":          {object{"forward": object{"url": "https://shop.example"}}, "forward.secret", "openssl rand"},
		"secret no base64":   {object{"forward": object{"url": "https://shop.example", "secret": "whsec_hunter2!"}}, "forward.secret", "openssl rand"},
		"secret too short":   {object{"forward": object{"url": "https://shop.example", "secret": "whsec_aHVudGVyMg=="}}, "forward.secret", "24 to 64 bytes"},
		"secret bare":        {object{"forward": object{"url": "https://shop.example", "secret": strings.TrimPrefix(testWebhook, "whsec_")}}, "forward.secret", "whsec_"},
		"timeout no time":    {object{"forward": object{"url": "https://shop.example", "secret": testWebhook, "timeout": "10"}}, "forward.timeout", "like 5s"},
		"timeout too long":   {object{"forward": object{"url": "https://shop.example", "secret": testWebhook, "timeout": "1h"}}, "forward.timeout", "at most 5m"},
		"unknown member":     {object{"forward": object{"urls": "x"}}, "forward.urls", "the nearest is url"},
		"string for forward": {object{"forward": "https://shop.example"}, "forward", "write an object"},
	} {
		t.Run(name, func(t *testing.T) {
			file := configFile(t, with(keptConfig(t), tt.changes))
			refused(t, file, tt.member, tt.fix)
			_, _, stderr := call(context.Background(), "listen", "-config", file)
			require.NotContains(t, stderr, "aHVudGVyMg")
		})
	}
}
