package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/payacktest/gateway"
)

// asked is a gateway's answer.
type asked struct {
	status int
	header http.Header
	body   string
}

// member returns a member of the answer. In path, dots separate the names of
// nested members.
func (a asked) member(t testing.TB, path string) any {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal([]byte(a.body), &v), a.body)
	for _, name := range strings.Split(path, ".") {
		m, ok := v.(map[string]any)
		require.True(t, ok, "%s in %s", path, a.body)
		v = m[name]
	}
	return v
}

var plainClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func tryAsk(method, url string, header http.Header, body []byte) (asked, error) {
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return asked{}, err
	}
	req.Header = header.Clone()
	res, err := plainClient.Do(req)
	if err != nil {
		return asked{}, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return asked{res.StatusCode, res.Header, string(text)}, err
}

func ask(t testing.TB, method, url string, header http.Header, body []byte) asked {
	t.Helper()
	a, err := tryAsk(method, url, header, body)
	require.NoError(t, err)
	return a
}

func jsonHeader() http.Header { return http.Header{"Content-Type": {"application/json"}} }

// fields are a request's members; a value is JSON.
type fields map[string]string

func (f fields) with(name, value string) fields {
	out := fields{}
	for k, v := range f {
		out[k] = v
	}
	if out[name] = value; value == "" {
		delete(out, name)
	}
	return out
}

func (f fields) json() []byte {
	var parts []string
	for name, value := range f {
		parts = append(parts, `"`+name+`":`+value)
	}
	return []byte("{" + strings.Join(parts, ",") + "}")
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// shop is a merchant's server. Its function answer answers the n-th callback.
type shop struct {
	*httptest.Server
	mu     sync.Mutex
	answer func(w http.ResponseWriter, r *http.Request, n int)
	bodies []string
}

func newShop(t testing.TB, answer func(w http.ResponseWriter, r *http.Request, n int)) *shop {
	s := &shop{answer: answer}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.bodies = append(s.bodies, string(body))
		n := len(s.bodies)
		s.mu.Unlock()
		answer(w, r, n)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *shop) got() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.bodies...)
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

var (
	quiet = slog.New(slog.DiscardHandler)
	fast  = gateway.Options{RetryDelay: time.Millisecond}
	once  = gateway.Options{Retries: -1}
)

// seen keeps what a merchant's function was called with.
type seen[E any] struct {
	mu   sync.Mutex
	list []E
}

func (s *seen[E]) add(_ context.Context, ev E) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, ev)
	return nil
}

func (s *seen[E]) all() []E {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]E(nil), s.list...)
}

func newPtop(t testing.TB, c gateway.PtopConfig) *gateway.Ptop {
	t.Helper()
	gw, err := gateway.NewPtop(c)
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	return gw
}

// settled waits until the number of goroutines is back where it was.
func settled(t testing.TB, before int) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before {
		buf := make([]byte, 1<<16)
		t.Fatalf("%d goroutines, %d before:\n%s", n, before, buf[:runtime.Stack(buf, true)])
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	release := make(chan struct{})
	s := newShop(t, func(_ http.ResponseWriter, r *http.Request, _ int) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	before := runtime.NumGoroutine()

	gw, err := gateway.NewPtop(gateway.PtopConfig{})
	require.NoError(t, err)
	ptopCreate(t, gw, "order-1", s.URL)
	require.NoError(t, gw.Pay("order-1"))
	require.Eventually(t, func() bool { return len(s.got()) == 1 }, 30*time.Second, time.Millisecond)
	require.NoError(t, gw.SetFaults(gateway.Faults{Delay: time.Hour}))
	answered := make(chan error, 1)
	go func() {
		_, err := tryAsk("POST", gw.URL+"/api/v3/payment-check", jsonHeader(), nil)
		answered <- err
	}()
	require.Eventually(t, func() bool { return len(gw.Requests()) == 2 }, 30*time.Second, time.Millisecond)

	gw.Close()
	gw.Close()
	require.Error(t, <-answered)
	d := gw.Deliveries("order-1")
	require.Len(t, d, 1)
	assert.True(t, d[0].Done)
	assert.False(t, d[0].Acknowledged)
	require.NoError(t, gw.Wait(within(t)))

	_, err = gw.Deliver(within(t), "order-1")
	require.ErrorIs(t, err, gateway.ErrClosed)
	_, err = gw.Redeliver(within(t), d[0])
	require.ErrorIs(t, err, gateway.ErrClosed)
	require.ErrorIs(t, gw.SetFaults(gateway.Faults{}), gateway.ErrClosed)
	_, err = tryAsk("POST", gw.URL+"/api/v3/payment-check", jsonHeader(), nil)
	require.Error(t, err)
	settled(t, before)
}

func TestFaults(t *testing.T) {
	gw := newPtop(t, gateway.PtopConfig{})
	url, header := gw.URL+"/api/v3/payment", jsonHeader()

	t.Run("down", func(t *testing.T) {
		require.NoError(t, gw.SetFaults(gateway.Faults{Status: 502}))
		a := ask(t, "POST", url, header, ptopOrder(gw, "down", "https://shop.test/").json())
		assert.Equal(t, 502, a.status)
		assert.Equal(t, "text/html; charset=utf-8", a.header.Get("Content-Type"))
		assert.Contains(t, a.body, "<h1>502 Bad Gateway</h1>")
		_, found := gw.Payment("down")
		assert.False(t, found)
	})
	t.Run("refused", func(t *testing.T) {
		require.NoError(t, gw.SetFaults(gateway.Faults{Refuse: true}))
		require.NoError(t, gw.SetFaults(gateway.Faults{Refuse: true}))
		_, err := tryAsk("POST", url, header, nil)
		require.ErrorContains(t, err, "connection refused")
		require.NoError(t, gw.SetFaults(gateway.Faults{}))
		assert.Equal(t, 200, ask(t, "POST", url, header, ptopOrder(gw, "refused", "https://shop.test/").json()).status)
	})
	t.Run("refusal", func(t *testing.T) {
		require.NoError(t, gw.SetFaults(gateway.Faults{Refusal: "maintenance"}))
		a := ask(t, "POST", url, header, ptopOrder(gw, "refusal", "https://shop.test/").json())
		assert.Equal(t, 500, a.status)
		assert.JSONEq(t, `{"success":false,"message":"maintenance"}`, a.body)
	})
	t.Run("slow", func(t *testing.T) {
		require.NoError(t, gw.SetFaults(gateway.Faults{Delay: 100 * time.Millisecond}))
		start := time.Now()
		assert.Equal(t, 200, ask(t, "POST", url, header, ptopOrder(gw, "slow", "https://shop.test/").json()).status)
		assert.GreaterOrEqual(t, time.Since(start), 100*time.Millisecond)
	})
	t.Run("cut", func(t *testing.T) {
		require.NoError(t, gw.SetFaults(gateway.Faults{Cut: true}))
		_, err := tryAsk("POST", url, header, ptopOrder(gw, "cut", "https://shop.test/").json())
		require.Error(t, err)
		_, found := gw.Payment("cut")
		assert.True(t, found, "it was processed")
	})
	t.Run("truncated", func(t *testing.T) {
		require.NoError(t, gw.SetFaults(gateway.Faults{Truncate: true}))
		a, err := tryAsk("POST", url, header, ptopOrder(gw, "truncated", "https://shop.test/").json())
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		assert.NotEmpty(t, a.body)
	})
	require.NoError(t, gw.SetFaults(gateway.Faults{}))
	require.ErrorContains(t, gw.SetFaults(gateway.Faults{Status: 99}), "no status of a failure")

	a := ask(t, "POST", url, header, bytes.Repeat([]byte(" "), 64<<10+1))
	assert.Equal(t, http.StatusRequestEntityTooLarge, a.status)
	last := gw.Requests()
	assert.Equal(t, "the body is too large or breaks off", last[len(last)-1].Refusal)
}

func TestRetries(t *testing.T) {
	t.Run("until acknowledged", func(t *testing.T) {
		s := newShop(t, func(w http.ResponseWriter, _ *http.Request, n int) {
			if n < 3 {
				w.WriteHeader(503)
			}
			_, _ = io.WriteString(w, "attempt")
		})
		gw := newPtop(t, gateway.PtopConfig{Options: fast})
		ptopCreate(t, gw, "order-1", s.URL)
		require.NoError(t, gw.Pay("order-1"))
		require.NoError(t, gw.Wait(within(t)))
		d := gw.Deliveries("order-1")
		require.Len(t, d, 1)
		assert.True(t, d[0].Acknowledged)
		assert.Equal(t, "true", d[0].Says)
		require.Len(t, d[0].Attempts, 3)
		assert.Equal(t, []int{503, 503, 200}, statuses(d[0]))
		assert.Equal(t, "attempt", d[0].Attempts[2].Body)
		for _, body := range s.got() {
			assert.Equal(t, string(d[0].Body), body)
		}
	})
	t.Run("three, with growing pauses", func(t *testing.T) {
		s := newShop(t, func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(500) })
		gw := newPtop(t, gateway.PtopConfig{Options: gateway.Options{RetryDelay: 20 * time.Millisecond}})
		ptopCreate(t, gw, "order-1", s.URL)
		d, err := gw.Deliver(within(t), "order-1")
		require.NoError(t, err)
		require.Len(t, d.Attempts, 4)
		assert.False(t, d.Acknowledged)
		assert.True(t, d.Done)
		for i, pause := range []time.Duration{20, 40, 80} {
			assert.GreaterOrEqual(t, d.Attempts[i+1].At.Sub(d.Attempts[i].At), pause*time.Millisecond)
		}
	})
	t.Run("a redirect, a late answer and a dead server are none", func(t *testing.T) {
		s := newShop(t, func(w http.ResponseWriter, r *http.Request, _ int) {
			if r.URL.Path == "/redirect" {
				http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
				return
			}
			<-r.Context().Done()
		})
		deliver := func(url string, timeout time.Duration) gateway.Delivery {
			o := gateway.Options{Retries: 1, RetryDelay: time.Millisecond, AnswerTimeout: timeout}
			gw := newPtop(t, gateway.PtopConfig{Options: o})
			ptopCreate(t, gw, "order-1", url)
			d, err := gw.Deliver(within(t), "order-1")
			require.NoError(t, err)
			require.Len(t, d.Attempts, 2)
			return d
		}
		assert.Equal(t, []int{307, 307}, statuses(deliver(s.URL+"/redirect", 0)))
		assert.Len(t, s.got(), 2, "no redirect is followed")

		d := deliver(s.URL, 50*time.Millisecond)
		assert.Equal(t, []int{0, 0}, statuses(d))
		assert.ErrorIs(t, d.Attempts[0].Err, context.DeadlineExceeded)

		s.Close()
		assert.ErrorContains(t, deliver(s.URL, 0).Attempts[0].Err, "connection refused")
	})
	t.Run("the context ends it", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		s := newShop(t, func(_ http.ResponseWriter, r *http.Request, _ int) {
			cancel() // not before there is an attempt
			<-r.Context().Done()
		})
		gw := newPtop(t, gateway.PtopConfig{})
		ptopCreate(t, gw, "order-1", s.URL)
		d, err := gw.Deliver(ctx, "order-1")
		require.ErrorIs(t, err, context.Canceled)
		assert.Len(t, d.Attempts, 1)

		require.NoError(t, gw.Pay("order-1"))
		require.ErrorIs(t, gw.Wait(ctx), context.Canceled)
	})
}

func statuses(d gateway.Delivery) []int {
	var out []int
	for _, a := range d.Attempts {
		out = append(out, a.Status)
	}
	return out
}

// Callbacks of one payment follow each other, even when the first is answered
// slowly; a Redeliver does not wait.
func TestOrderOfCallbacks(t *testing.T) {
	release, first := make(chan struct{}), make(chan struct{})
	s := newShop(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n == 1 {
			close(first)
			<-release
		}
		_, _ = io.WriteString(w, "SUCCESS")
	})
	gw := newPTS(t, gateway.PTSConfig{})
	m := ptsMerchant{gw}
	m.create(t, "order-1", s.URL)
	require.NoError(t, gw.Process("order-1"))
	<-first
	require.NoError(t, gw.Pay("order-1"))
	d := gw.Deliveries("order-1")
	require.Len(t, d, 2)
	assert.Empty(t, d[1].Attempts)
	again, err := gw.Redeliver(within(t), d[0])
	require.NoError(t, err)
	assert.True(t, again.Acknowledged)
	assert.Equal(t, d[0].Body, again.Body)
	close(release)
	require.NoError(t, gw.Wait(within(t)))
	got := s.got()
	require.Len(t, got, 3)
	assert.Equal(t, got[0], got[1])
	assert.Contains(t, got[2], `"status":"2000"`)
}

func TestConcurrently(t *testing.T) {
	s := newShop(t, func(http.ResponseWriter, *http.Request, int) {})
	gw := newPtop(t, gateway.PtopConfig{Options: fast})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			id := "order-" + string(rune('a'+i))
			for range 3 { // the first creates the payment, the others repeat its order_id
				_, _ = tryAsk("POST", gw.URL+"/api/v3/payment", jsonHeader(), ptopOrder(gw, id, s.URL).json())
			}
			assert.NoError(t, gw.Pay(id))
			assert.Error(t, gw.Cancel(id))
			_, _ = gw.Deliver(context.Background(), id)
			assert.NoError(t, gw.SetFaults(gateway.Faults{Delay: time.Millisecond}))
			_ = gw.Requests()
			_ = gw.Deliveries(id)
			assert.NoError(t, gw.Wait(context.Background()))
			assert.Len(t, gw.Deliveries(id), 2)
		})
	}
	wg.Wait()
	assert.Len(t, s.got(), 16)
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := gateway.NewPtop(gateway.PtopConfig{Options: gateway.Options{RetryDelay: -1}})
	require.ErrorContains(t, err, "RetryDelay")
	_, err = gateway.NewPTS(gateway.PTSConfig{Options: gateway.Options{AnswerTimeout: -1}})
	require.ErrorContains(t, err, "AnswerTimeout")
	_, err = gateway.NewPayatom(gateway.PayatomConfig{Options: gateway.Options{AnswerTimeout: -1}})
	require.ErrorContains(t, err, "AnswerTimeout")
}
