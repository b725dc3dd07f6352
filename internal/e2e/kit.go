// Package e2e is what the tests over several packages share: throwaway keys,
// genuine messages of each provider, receivers of all of them behind one
// configuration, the answers that are promised, and a watch over log and
// observer. Only tests import it. Its own tests send over the whole way of a
// request, and so does package field below it with cases that are data.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/internal/vectors"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/verify"
)

// Providers are all of them, in the order of the documents.
var Providers = []payack.Provider{payack.Ptop, payack.PTS, payack.Payatom}

// The throwaway keys that the vectors are made with.
const (
	PtopKey    = "46bc3a213874d10ccef585932385ce2b"
	PayatomKey = "68e6d7a89981a0c7335f2a7f07ff3e20"
)

var loadPTSKey = sync.OnceValues(func() (vectors.Key, error) {
	f, err := vectors.Load("pts")
	if err != nil {
		return vectors.Key{}, err
	}
	return f.Keys["rsa1024"], nil
})

// PTSKey returns the key pair and the codes of PTS that genuine callbacks are made
// with.
func PTSKey(t testing.TB) vectors.Key {
	t.Helper()
	k, err := loadPTSKey()
	require.NoError(t, err)
	return k
}

// Merchant is a receiver's configuration as far as the tests change it, the
// same for all providers.
type Merchant struct {
	Options  middleware.Options
	Callback func(ctx context.Context, ev payack.Event) error
	// Tenant, when set, finds the tenant of a request; the keys are the same
	// for each, unless OtherKey names the key of a tenant.
	Tenant   func(ctx context.Context, r *http.Request) (string, error)
	OtherKey map[string]string
	Confirm  func(ctx context.Context, ev payack.Event) (*payack.Confirmation, error)
	// Expect is Payatom's; without it, and without Confirm, the callback is
	// said to compare itself.
	Expect        func(ctx context.Context, ev *payack.PayatomEvent) (payack.Expectation, error)
	OlderSpelling bool
	Body          verify.Body
}

// Handler returns a receiver of the provider.
func (m Merchant) Handler(t testing.TB, p payack.Provider) http.Handler {
	t.Helper()
	h, err := m.Build(t, p)
	require.NoError(t, err)
	return h
}

// Build returns a receiver of the provider, or why it can't be made.
func (m Merchant) Build(t testing.TB, p payack.Provider) (http.Handler, error) {
	t.Helper()
	if m.Callback == nil {
		m.Callback = func(context.Context, payack.Event) error { return nil }
	}
	if m.Options.Logger == nil {
		m.Options.Logger = slog.New(slog.DiscardHandler)
	}
	switch p {
	case payack.Ptop:
		c := middleware.PtopConfig{Body: m.Body, ConfirmInCallback: m.Confirm == nil, Options: m.Options}
		if m.Confirm != nil {
			c.Confirm = func(ctx context.Context, ev *payack.PtopEvent) (*payack.Confirmation, error) {
				return m.Confirm(ctx, ev)
			}
		}
		if m.Tenant == nil {
			c.SigningKeys = payack.Secrets(PtopKey)
		} else {
			c.KeyFunc = func(ctx context.Context, r *http.Request) (*verify.PtopKeys, error) {
				name, err := m.Tenant(ctx, r)
				if err != nil {
					return nil, err
				}
				return verify.NewPtopKeys(name, payack.NewSecret(m.keyOf(name, PtopKey)))
			}
		}
		return handlers.NewPtop(c, func(ctx context.Context, ev *payack.PtopEvent) error { return m.Callback(ctx, ev) })
	case payack.PTS:
		key := PTSKey(t)
		c := middleware.PTSConfig{Options: m.Options}
		if m.Confirm != nil {
			c.Confirm = func(ctx context.Context, ev *payack.PTSEvent) (*payack.Confirmation, error) {
				return m.Confirm(ctx, ev)
			}
		}
		if m.Tenant == nil {
			c.Safecode, c.PublicKeys = payack.NewSecret(key.Safecode), []string{key.PublicPEM}
		} else {
			c.KeyFunc = func(ctx context.Context, r *http.Request) (*verify.PTSKeys, error) {
				name, err := m.Tenant(ctx, r)
				if err != nil {
					return nil, err
				}
				return verify.NewPTSKeys(verify.PTSKeyConfig{
					Tenant: name, Safecode: payack.NewSecret(m.keyOf(name, key.Safecode)), PublicKeys: []string{key.PublicPEM},
				})
			}
		}
		return handlers.NewPTS(c, func(ctx context.Context, ev *payack.PTSEvent) error { return m.Callback(ctx, ev) })
	}
	c := middleware.PayatomConfig{
		Body: m.Body, Expect: m.Expect, ExpectInCallback: m.Expect == nil && m.Confirm == nil,
		OlderSpelling: m.OlderSpelling, Options: m.Options,
	}
	if m.Confirm != nil {
		c.Confirm = func(ctx context.Context, ev *payack.PayatomEvent) (*payack.Confirmation, error) {
			return m.Confirm(ctx, ev)
		}
	}
	if m.Tenant == nil {
		c.SecretKeys = payack.Secrets(PayatomKey)
	} else {
		c.KeyFunc = func(ctx context.Context, r *http.Request) (*verify.PayatomKeys, error) {
			name, err := m.Tenant(ctx, r)
			if err != nil {
				return nil, err
			}
			return verify.NewPayatomKeys(name, payack.NewSecret(m.keyOf(name, PayatomKey)))
		}
	}
	return handlers.NewPayatom(c, func(ctx context.Context, ev *payack.PayatomEvent) error { return m.Callback(ctx, ev) })
}

func (m Merchant) keyOf(tenant, usual string) string {
	if other, found := m.OtherKey[tenant]; found {
		return other
	}
	return usual
}

// Message is a request to be made, as often as wanted.
type Message struct {
	Method, Target string
	Header         http.Header
	Body           string
}

// Request returns a fresh request.
func (m Message) Request() *http.Request {
	r := httptest.NewRequest(m.Method, m.Target, strings.NewReader(m.Body))
	r.Header = m.Header.Clone()
	return r
}

// To returns the message for another URL.
func (m Message) To(target string) Message {
	m.Target = target
	return m
}

// With returns the message with these values of a header, or without it.
func (m Message) With(name string, values ...string) Message {
	m.Header = m.Header.Clone()
	if m.Header[name] = values; len(values) == 0 {
		delete(m.Header, name)
	}
	return m
}

// Replace returns the message with the first old of its body replaced.
func (m Message) Replace(old, text string) Message {
	m.Body = strings.Replace(m.Body, old, text, 1)
	return m
}

// Answer is what a sender gets.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Send delivers a message and returns the answer.
func Send(h http.Handler, m Message) Answer {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, m.Request())
	res := w.Result()
	b, _ := io.ReadAll(res.Body) // of a recorder: in memory
	return Answer{res.StatusCode, res.Header, string(b)}
}

// Server delivers over real connections, to one receiver after the other.
type Server struct {
	http    *httptest.Server
	handler atomic.Pointer[http.Handler]
}

// NewServer starts a server that ends with the test.
func NewServer(t testing.TB) *Server {
	t.Helper()
	s := &Server{}
	s.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.handler.Load()).ServeHTTP(w, r) }))
	t.Cleanup(s.http.Close)
	return s
}

// Send delivers a message to h and returns the answer, once the observer was
// told. Its target is a path on this server.
func (s *Server) Send(t testing.TB, h http.Handler, m Message) Answer {
	t.Helper()
	done := make(chan struct{}) // the observer is told after the answer was sent
	var signalling http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		h.ServeHTTP(w, r)
	})
	s.handler.Store(&signalling)
	r, err := http.NewRequest(m.Method, s.http.URL+m.Target, strings.NewReader(m.Body))
	require.NoError(t, err)
	r.Header = m.Header
	res, err := s.http.Client().Do(r)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	<-done
	return Answer{res.StatusCode, res.Header, string(b)}
}

// Genuine returns a paid callback as the provider sends it.
func Genuine(t testing.TB, p payack.Provider) Message {
	t.Helper()
	switch p {
	case payack.Ptop:
		return PtopMessage(t, `{"success":true,"transaction_id":"T1","order_id":"ORD1","message":"Payment done"}`)
	case payack.PTS:
		return PTSMessage(t, nil, nil)
	}
	return PayatomMessage(t, `"ORD1"`, `"500"`, `"Approved"`, "ORD1500Approved")
}

// PtopMessage returns a callback with its signature in the header.
func PtopMessage(t testing.TB, body string) Message {
	t.Helper()
	signed, err := verify.SignPtopCallback(payack.NewSecret(PtopKey), payack.SchemeHeader, verify.PtopLast, body)
	require.NoError(t, err)
	h := http.Header(signed.Header)
	h.Set("Content-Type", signed.ContentType)
	return Message{http.MethodPost, "/callback", h, signed.Body}
}

// PTSNames are the signed members of a callback, in the order of the documents.
var PTSNames = []string{"user_id", "order_id", "transaction_id", "channel", "submit_currency", "submit_amount",
	"accept_currency", "accept_amount", "exchange_rate", "status", "timestamp"}

// PTSMessage returns a flat callback. literals replace members by the JSON
// given, texts replace what is signed for them.
func PTSMessage(t testing.TB, literals, texts map[string]string) Message {
	t.Helper()
	key := PTSKey(t)
	signer, err := verify.NewPTSSigner(verify.PTSSignerConfig{Safecode: payack.NewSecret(key.Safecode), PrivateKey: payack.NewSecret(key.PrivatePEM)})
	require.NoError(t, err)
	members := map[string]string{
		"user_id": `"277"`, "order_id": `"20240001"`, "transaction_id": `"7001"`, "channel": `"QRPH"`,
		"submit_currency": `"PHP"`, "submit_amount": "100.50", "accept_currency": `"PHP"`, "accept_amount": "100.50",
		"exchange_rate": "1", "status": `"2000"`, "timestamp": "1731000000",
	}
	for name, literal := range literals {
		members[name] = literal
	}
	signed := map[string]string{}
	var body strings.Builder
	for _, name := range PTSNames {
		body.WriteString(`"` + name + `":` + members[name] + ",")
		signed[name] = members[name]
		var s string
		if json.Unmarshal([]byte(members[name]), &s) == nil {
			signed[name] = s
		}
		if text, found := texts[name]; found {
			signed[name] = text
		}
	}
	sign, err := signer.Sign(verify.PTSCallback, signed)
	require.NoError(t, err)
	return Message{http.MethodPost, "/callback", http.Header{"Content-Type": {"application/json"}}, "{" + body.String() + `"sign":"` + sign + `"}`}
}

// PayatomMessage returns a webhook with these JSON literals and a hash of this
// text.
func PayatomMessage(t testing.TB, orderID, amount, status, signed string) Message {
	t.Helper()
	signer, err := verify.NewPayatomSigner(payack.NewSecret(PayatomKey))
	require.NoError(t, err)
	return Message{http.MethodPost, "/callback", http.Header{"Content-Type": {"application/json"}},
		`{"order_id":` + orderID + `,"requested_amount":"500","status":` + status + `,"received_amount":` + amount +
			`,"bank_ref":"838498153464","sender_upi":"user@bank","ref_code":"b73ea664","refund_info":[],"post_hash":"` +
			signer.PostHash("", "", signed) + `"}`}
}

// Watch keeps what an observer and a log are told.
type Watch struct {
	mu   sync.Mutex
	seen []payack.Observation
	log  bytes.Buffer
}

// Observe implements [payack.Observer].
func (w *Watch) Observe(_ context.Context, o *payack.Observation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, *o)
}

// Write keeps a line of the log.
func (w *Watch) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

// Options returns options that tell the watch.
func (w *Watch) Options() middleware.Options {
	return middleware.Options{Observer: w, Logger: slog.New(slog.NewJSONHandler(w, nil))}
}

// Last is the newest observation.
func (w *Watch) Last(t testing.TB) payack.Observation {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NotEmpty(t, w.seen)
	return w.seen[len(w.seen)-1]
}

// Count returns how many deliveries were observed.
func (w *Watch) Count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.seen)
}

// Lines returns the log, parsed.
func (w *Watch) Lines(t testing.TB) []map[string]any {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []map[string]any
	for _, line := range strings.Split(strings.TrimSpace(w.log.String()), "\n") {
		if line == "" {
			continue
		}
		var fields map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &fields), line)
		out = append(out, fields)
	}
	return out
}

// SealPTS returns the envelope of a text.
func SealPTS(t testing.TB, plain string) string {
	t.Helper()
	e, err := envelope.NewPTS(payack.NewSecret(PTSKey(t).Safecode), envelope.PTSRaw)
	require.NoError(t, err)
	return string(e.Seal([]byte(plain)))
}

// Calls is a callback that counts its events.
type Calls struct{ Events []payack.Event }

// Take keeps the event and accepts it.
func (c *Calls) Take(_ context.Context, ev payack.Event) error {
	c.Events = append(c.Events, ev)
	return nil
}

// Expecting is an Expect hook over these orders and their amounts.
func Expecting(orders map[string]string, err error) func(context.Context, *payack.PayatomEvent) (payack.Expectation, error) {
	return func(_ context.Context, ev *payack.PayatomEvent) (payack.Expectation, error) {
		amount, found := orders[ev.OrderID]
		return payack.Expectation{Found: found, Amount: payack.NewAmount(amount)}, err
	}
}

// Confirming is a Confirm hook that always answers this.
func Confirming(c *payack.Confirmation, err error) func(context.Context, payack.Event) (*payack.Confirmation, error) {
	return func(context.Context, payack.Event) (*payack.Confirmation, error) { return c, err }
}

// SignedAmounts are the amounts of an event that are signed, by their names on
// the wire.
func SignedAmounts(ev payack.Event) map[string]payack.Amount {
	switch ev := ev.(type) {
	case *payack.PTSEvent:
		return map[string]payack.Amount{"submit_amount": ev.SubmitAmount, "accept_amount": ev.AcceptAmount, "exchange_rate": ev.ExchangeRate}
	case *payack.PayatomEvent:
		return map[string]payack.Amount{"received_amount": ev.ReceivedAmount}
	}
	return nil
}
