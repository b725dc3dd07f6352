package redisstore_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/store/redisstore"
	"github.com/payack/payack/verify"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Throwaway keys.
const (
	safecode  = "8b998abba49ae33a194cb9677b13ecbe"
	secretKey = "68e6d7a89981a0c7335f2a7f07ff3e20"
)

var keyPair = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// elsewhere is a store that behaves as if it were in another process. It has a
// home of its own, because receivers of one process whose stores have the same
// home exclude each other before they ask Redis.
type elsewhere struct {
	*redisstore.Store
	home string
}

var processes atomic.Int64

// newElsewhere returns a store with a shared prefix and a home of its own.
func newElsewhere(t *testing.T, opts *redis.Options, prefix string) elsewhere {
	t.Helper()
	return elsewhere{newPatient(t, opts, redisstore.Config{Prefix: prefix}), fmt.Sprint("process ", processes.Add(1))}
}

// Home implements [payack.Store].
func (e elsewhere) Home() string { return e.home }

// replica imitates a process of the merchant's: a receiver and a store of its
// own, on the shared Redis.
type replica struct {
	handler http.Handler
	mu      sync.Mutex
	log     bytes.Buffer
}

func (r *replica) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(p)
}

func (r *replica) lines() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

func (r *replica) options(s payack.Store) middleware.Options {
	return middleware.Options{Store: s, Logger: slog.New(slog.NewJSONHandler(r, nil))}
}

// send sends a callback, and returns the body of the answer.
func (r *replica) send(body string) string {
	req := httptest.NewRequest(http.MethodPost, "/callback", strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, req)
	return w.Body.String()
}

func ptsReplica(t *testing.T, s payack.Store, fn func(context.Context, *payack.PTSEvent) error) *replica {
	t.Helper()
	key, err := keyPair()
	require.NoError(t, err)
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	require.NoError(t, err)
	r := &replica{}
	receiver, err := middleware.NewPTS(middleware.PTSConfig{
		Safecode:   payack.NewSecret(safecode),
		PublicKeys: []string{string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))},
		Options:    r.options(s),
	})
	require.NoError(t, err)
	r.handler, err = middleware.Handle(receiver, fn)
	require.NoError(t, err)
	return r
}

// ptsCallback returns the signed callback of a paid transaction.
func ptsCallback(t *testing.T, transaction, amount string) string {
	t.Helper()
	key, err := keyPair()
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	signer, err := verify.NewPTSSigner(verify.PTSSignerConfig{
		Safecode:   payack.NewSecret(safecode),
		PrivateKey: payack.NewSecret(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))),
	})
	require.NoError(t, err)
	members := map[string]string{
		"user_id": "277", "order_id": "20240001", "transaction_id": transaction, "channel": "QRPH",
		"submit_currency": "PHP", "submit_amount": amount, "accept_currency": "PHP", "accept_amount": amount,
		"exchange_rate": "1", "status": "2000", "timestamp": "1731000000",
	}
	sign, err := signer.Sign(verify.PTSCallback, members)
	require.NoError(t, err)
	var body strings.Builder
	for name, value := range members {
		fmt.Fprintf(&body, "%q:%q,", name, value)
	}
	return "{" + body.String() + `"sign":"` + sign + `"}`
}

func TestReplicasCallOnce(t *testing.T) {
	opts := anyServer(t)
	prefix := freshPrefix()
	var called atomic.Int64
	fn := func(context.Context, *payack.PTSEvent) error {
		called.Add(1)
		time.Sleep(5 * time.Millisecond) // so that the other deliveries find the event claimed
		return nil
	}
	var replicas []*replica
	for range 2 {
		replicas = append(replicas, ptsReplica(t, newElsewhere(t, opts, prefix), fn))
	}
	const events, copies = 20, 4
	for n := range events {
		body := ptsCallback(t, fmt.Sprint(n), "100.50")
		answers := make(chan string, 2*copies)
		start := make(chan struct{})
		var wg sync.WaitGroup
		for i := range 2 * copies {
			wg.Go(func() {
				<-start
				answers <- replicas[i%2].send(body)
			})
		}
		close(start)
		wg.Wait()
		close(answers)
		accepted := 0
		for a := range answers {
			if a == "SUCCESS" {
				accepted++
			} else {
				assert.Equal(t, "FAILED", a)
			}
		}
		assert.Positive(t, accepted)
		require.EqualValues(t, n+1, called.Load(), "once for each event")
		for _, r := range replicas {
			assert.Equal(t, "SUCCESS", r.send(body), "accepted before, on either replica")
		}
		require.EqualValues(t, n+1, called.Load())
	}
	logs := replicas[0].lines() + replicas[1].lines()
	assert.Equal(t, events, strings.Count(logs, `"outcome":"accepted"`))
	assert.NotContains(t, logs, `"level":"ERROR"`)
	// It was Redis that excluded the other replica, and not a lock within this
	// process.
	assert.Contains(t, logs, "the same event is being processed elsewhere")
}

func TestCallbackThatFailsIsCalledOnTheOtherReplica(t *testing.T) {
	opts := anyServer(t)
	prefix := freshPrefix()
	var called atomic.Int64
	failing := ptsReplica(t, newElsewhere(t, opts, prefix), func(context.Context, *payack.PTSEvent) error {
		called.Add(1)
		return errors.New("the database is away")
	})
	panicking := ptsReplica(t, newElsewhere(t, opts, prefix), func(context.Context, *payack.PTSEvent) error {
		called.Add(1)
		panic("no")
	})
	working := ptsReplica(t, newElsewhere(t, opts, prefix), func(context.Context, *payack.PTSEvent) error {
		called.Add(1)
		return nil
	})
	body := ptsCallback(t, "1", "100.50")
	assert.Equal(t, "FAILED", failing.send(body))
	assert.Equal(t, "FAILED", panicking.send(body))
	assert.Equal(t, "SUCCESS", working.send(body))
	assert.Equal(t, "SUCCESS", failing.send(body))
	assert.EqualValues(t, 3, called.Load())
}

// A replica dies while its function runs. The event is free again when the lease
// has ended.
func TestCrashedReplica(t *testing.T) {
	opts := anyServer(t)
	s := newPatient(t, opts, redisstore.Config{})
	var called atomic.Int64
	r := ptsReplica(t, s, func(context.Context, *payack.PTSEvent) error {
		called.Add(1)
		return nil
	})
	// A dead process leaves its claim behind.
	body := ptsCallback(t, "1", "100.50")
	ev := eventOf(t, body)
	c, err := s.Claim(context.Background(), ev.ID(), ev.Fingerprint(), time.Minute)
	require.NoError(t, err)
	require.Equal(t, payack.ClaimGranted, c.State)

	assert.Equal(t, "FAILED", r.send(body))
	assert.Zero(t, called.Load())
	assert.Contains(t, r.lines(), `"reason":"busy"`)
	require.NoError(t, s.Advance(2*time.Minute))
	assert.Equal(t, "SUCCESS", r.send(body))
	assert.EqualValues(t, 1, called.Load())
}

// eventOf lets a receiver verify a callback, and returns its event.
func eventOf(t *testing.T, body string) *payack.PTSEvent {
	t.Helper()
	var got *payack.PTSEvent
	r := ptsReplica(t, nil, func(_ context.Context, ev *payack.PTSEvent) error {
		got = ev
		return nil
	})
	require.Equal(t, "SUCCESS", r.send(body))
	return got
}

func TestConflictOnTheOtherReplicaIsAnError(t *testing.T) {
	opts := anyServer(t)
	prefix := freshPrefix()
	var called atomic.Int64
	fn := func(context.Context, *payack.PTSEvent) error {
		called.Add(1)
		return nil
	}
	a := ptsReplica(t, newElsewhere(t, opts, prefix), fn)
	b := ptsReplica(t, newElsewhere(t, opts, prefix), fn)
	assert.Equal(t, "SUCCESS", a.send(ptsCallback(t, "1", "100.50")))
	assert.Equal(t, "FAILED", b.send(ptsCallback(t, "1", "999.00")))
	assert.EqualValues(t, 1, called.Load())
	assert.Contains(t, b.lines(), `"level":"ERROR"`)
	assert.Contains(t, b.lines(), `"reason":"conflict"`)
}

func TestStoreDown(t *testing.T) {
	server := ownServer(t)
	prefix := freshPrefix()
	s := newStore(t, &redis.Options{Addr: server.Addr}, redisstore.Config{Prefix: prefix, Timeout: shortTimeout})
	var called atomic.Int64
	pts := ptsReplica(t, s, func(context.Context, *payack.PTSEvent) error {
		called.Add(1)
		return nil
	})
	payatom := payatomReplica(t, s, func(context.Context, *payack.PayatomEvent) error {
		called.Add(1)
		return nil
	})
	callbacks := func() {
		t.Helper()
		start := time.Now()
		assert.Equal(t, "FAILED", pts.send(ptsCallback(t, "1", "100.50")))
		assert.Equal(t, `{"hash_status":"HashMatched","acknowledge":"no"}`, payatom.send(payatomWebhook(t, "ORD1", "500", "")))
		assert.Less(t, time.Since(start), 2*patience)
		assert.Zero(t, called.Load(), "not called")
	}
	goOn := pause(t, server)
	callbacks()
	goOn()
	server.Kill()
	callbacks()
	for _, r := range []*replica{pts, payatom} {
		assert.Equal(t, 2, strings.Count(r.lines(), `"reason":"store"`))
		assert.Contains(t, r.lines(), `"level":"ERROR"`)
	}

	restart(t, server)
	connect(t, s)
	require.Eventually(t, func() bool { return pts.send(ptsCallback(t, "1", "100.50")) == "SUCCESS" }, 20*time.Second, 10*time.Millisecond)
	assert.EqualValues(t, 1, called.Load())
}

// Redis fails while the function runs. The function has succeeded, so the
// provider gets the answer for success, and the failure of Redis is logged.
func TestStoreGoesDownInTheMiddle(t *testing.T) {
	server := ownServer(t)
	s := newPatient(t, &redis.Options{Addr: server.Addr}, redisstore.Config{})
	r := ptsReplica(t, s, func(context.Context, *payack.PTSEvent) error {
		server.Kill()
		return nil
	})
	assert.Equal(t, "SUCCESS", r.send(ptsCallback(t, "1", "100.50")))
	assert.Contains(t, r.lines(), `"level":"ERROR"`)
	assert.Contains(t, r.lines(), "could not be recorded as done")
}

func payatomReplica(t *testing.T, s payack.Store, fn func(context.Context, *payack.PayatomEvent) error) *replica {
	t.Helper()
	r := &replica{}
	receiver, err := middleware.NewPayatom(middleware.PayatomConfig{
		SecretKeys: payack.Secrets(secretKey),
		// ORD1 and ORD15 both exist, and any amount is accepted. So only the
		// remembered hashes can refuse a webhook.
		Expect: func(_ context.Context, ev *payack.PayatomEvent) (payack.Expectation, error) {
			return payack.Expectation{Found: ev.OrderID == "ORD1" || ev.OrderID == "ORD15"}, nil
		},
		Match:   func(_, _ payack.Amount) bool { return true },
		Options: r.options(s),
	})
	require.NoError(t, err)
	r.handler, err = middleware.Handle(receiver, fn)
	require.NoError(t, err)
	return r
}

// payatomWebhook returns an approved webhook, with a new hash if none is given.
func payatomWebhook(t *testing.T, orderID, amount, hash string) string {
	t.Helper()
	if hash == "" {
		signer, err := verify.NewPayatomSigner(payack.NewSecret(secretKey))
		require.NoError(t, err)
		hash = signer.PostHash(orderID, amount, "Approved")
	}
	return `{"order_id":"` + orderID + `","requested_amount":"500","received_amount":"` + amount +
		`","status":"Approved","bank_ref":"838498153464","refund_info":[],"post_hash":"` + hash + `"}`
}

func TestReplicasShareTheMemoryOfHashes(t *testing.T) {
	opts := anyServer(t)
	prefix := freshPrefix()
	var mu sync.Mutex
	var orders []string
	fn := func(_ context.Context, ev *payack.PayatomEvent) error {
		mu.Lock()
		defer mu.Unlock()
		orders = append(orders, ev.OrderID+" "+ev.ReceivedAmount.String())
		return nil
	}
	a := payatomReplica(t, newElsewhere(t, opts, prefix), fn)
	b := payatomReplica(t, newElsewhere(t, opts, prefix), fn)
	const yes, no = `{"hash_status":"HashMatched","acknowledge":"yes"}`, `{"hash_status":"HashMatched","acknowledge":"no"}`

	signer, err := verify.NewPayatomSigner(payack.NewSecret(secretKey))
	require.NoError(t, err)
	// The signed text joins the order id and the amount: ORD1 with 51.5 gives
	// the same text as ORD15 with 1.5.
	hash := signer.PostHash("ORD1", "51.5", "Approved")
	assert.Equal(t, yes, a.send(payatomWebhook(t, "ORD1", "51.5", hash)))
	assert.Equal(t, no, b.send(payatomWebhook(t, "ORD15", "1.5", hash)), "the same hash")
	assert.Equal(t, no, b.send(payatomWebhook(t, "ORD15", "1.5", "")), "another hash of the same text")
	assert.Equal(t, 2, strings.Count(b.lines(), `"reason":"spliced"`))
	assert.Contains(t, b.lines(), `"level":"ERROR"`)
	assert.Equal(t, yes, b.send(payatomWebhook(t, "ORD1", "51.5", hash)), "the genuine one again, on the other replica")
	assert.Equal(t, []string{"ORD1 51.5"}, orders)
}
