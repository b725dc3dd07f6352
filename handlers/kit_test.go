package handlers_test

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
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/internal/vectors"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/verify"
)

var providers = []payack.Provider{payack.Ptop, payack.PTS, payack.Payatom}

// The throwaway keys that the vectors are made with.
const (
	ptopKeyText    = "46bc3a213874d10ccef585932385ce2b"
	payatomKeyText = "68e6d7a89981a0c7335f2a7f07ff3e20"
)

var ptsKey = sync.OnceValues(func() (vectors.Key, error) {
	f, err := vectors.Load("pts")
	if err != nil {
		return vectors.Key{}, err
	}
	return f.Keys["rsa1024"], nil
})

func ptsKeyOf(t testing.TB) vectors.Key {
	t.Helper()
	k, err := ptsKey()
	require.NoError(t, err)
	return k
}

// merchant is a receiver's configuration as far as the tests change it, the
// same for all providers.
type merchant struct {
	options  middleware.Options
	callback func(ctx context.Context, ev payack.Event) error
	// tenant, when set, finds the tenant of a request; the keys are the same
	// for each, unless otherKey names the key of a tenant.
	tenant   func(ctx context.Context, r *http.Request) (string, error)
	otherKey map[string]string
	confirm  func(ctx context.Context, ev payack.Event) (*payack.Confirmation, error)
	// expect is Payatom's; without it, and without confirm, the callback is
	// said to compare itself.
	expect        func(ctx context.Context, ev *payack.PayatomEvent) (payack.Expectation, error)
	olderSpelling bool
	body          verify.Body
}

func (m merchant) handler(t testing.TB, p payack.Provider) http.Handler {
	t.Helper()
	h, err := m.build(t, p)
	require.NoError(t, err)
	return h
}

func (m merchant) build(t testing.TB, p payack.Provider) (http.Handler, error) {
	t.Helper()
	if m.callback == nil {
		m.callback = func(context.Context, payack.Event) error { return nil }
	}
	if m.options.Logger == nil {
		m.options.Logger = slog.New(slog.DiscardHandler)
	}
	switch p {
	case payack.Ptop:
		c := middleware.PtopConfig{Body: m.body, ConfirmInCallback: m.confirm == nil, Options: m.options}
		if m.confirm != nil {
			c.Confirm = func(ctx context.Context, ev *payack.PtopEvent) (*payack.Confirmation, error) {
				return m.confirm(ctx, ev)
			}
		}
		if m.tenant == nil {
			c.SigningKeys = payack.Secrets(ptopKeyText)
		} else {
			c.KeyFunc = func(ctx context.Context, r *http.Request) (*verify.PtopKeys, error) {
				name, err := m.tenant(ctx, r)
				if err != nil {
					return nil, err
				}
				return verify.NewPtopKeys(name, payack.NewSecret(m.keyOf(name, ptopKeyText)))
			}
		}
		return handlers.NewPtop(c, func(ctx context.Context, ev *payack.PtopEvent) error { return m.callback(ctx, ev) })
	case payack.PTS:
		key := ptsKeyOf(t)
		c := middleware.PTSConfig{Options: m.options}
		if m.confirm != nil {
			c.Confirm = func(ctx context.Context, ev *payack.PTSEvent) (*payack.Confirmation, error) {
				return m.confirm(ctx, ev)
			}
		}
		if m.tenant == nil {
			c.Safecode, c.PublicKeys = payack.NewSecret(key.Safecode), []string{key.PublicPEM}
		} else {
			c.KeyFunc = func(ctx context.Context, r *http.Request) (*verify.PTSKeys, error) {
				name, err := m.tenant(ctx, r)
				if err != nil {
					return nil, err
				}
				return verify.NewPTSKeys(verify.PTSKeyConfig{
					Tenant: name, Safecode: payack.NewSecret(m.keyOf(name, key.Safecode)), PublicKeys: []string{key.PublicPEM},
				})
			}
		}
		return handlers.NewPTS(c, func(ctx context.Context, ev *payack.PTSEvent) error { return m.callback(ctx, ev) })
	}
	c := middleware.PayatomConfig{
		Body: m.body, Expect: m.expect, ExpectInCallback: m.expect == nil && m.confirm == nil,
		OlderSpelling: m.olderSpelling, Options: m.options,
	}
	if m.confirm != nil {
		c.Confirm = func(ctx context.Context, ev *payack.PayatomEvent) (*payack.Confirmation, error) {
			return m.confirm(ctx, ev)
		}
	}
	if m.tenant == nil {
		c.SecretKeys = payack.Secrets(payatomKeyText)
	} else {
		c.KeyFunc = func(ctx context.Context, r *http.Request) (*verify.PayatomKeys, error) {
			name, err := m.tenant(ctx, r)
			if err != nil {
				return nil, err
			}
			return verify.NewPayatomKeys(name, payack.NewSecret(m.keyOf(name, payatomKeyText)))
		}
	}
	return handlers.NewPayatom(c, func(ctx context.Context, ev *payack.PayatomEvent) error { return m.callback(ctx, ev) })
}

func (m merchant) keyOf(tenant, usual string) string {
	if other, found := m.otherKey[tenant]; found {
		return other
	}
	return usual
}

// message is a request to be made, as often as wanted.
type message struct {
	method, target string
	header         http.Header
	body           string
}

func (m message) request() *http.Request {
	r := httptest.NewRequest(m.method, m.target, strings.NewReader(m.body))
	r.Header = m.header.Clone()
	return r
}

func (m message) to(target string) message {
	m.target = target
	return m
}

func (m message) with(name string, values ...string) message {
	m.header = m.header.Clone()
	if m.header[name] = values; len(values) == 0 {
		delete(m.header, name)
	}
	return m
}

func (m message) replace(old, text string) message {
	m.body = strings.Replace(m.body, old, text, 1)
	return m
}

// answer is what a sender gets.
type answer struct {
	status int
	header http.Header
	body   string
}

func send(h http.Handler, m message) answer {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, m.request())
	res := w.Result()
	b, _ := io.ReadAll(res.Body) // of a recorder: in memory
	return answer{res.StatusCode, res.Header, string(b)}
}

// genuine returns a paid callback as the provider sends it.
func genuine(t testing.TB, p payack.Provider) message {
	t.Helper()
	switch p {
	case payack.Ptop:
		return ptopMessage(t, `{"success":true,"transaction_id":"T1","order_id":"ORD1","message":"Payment done"}`)
	case payack.PTS:
		return ptsMessage(t, nil, nil)
	}
	return payatomMessage(t, `"ORD1"`, `"500"`, `"Approved"`, "ORD1500Approved")
}

func ptopMessage(t testing.TB, body string) message {
	t.Helper()
	signed, err := verify.SignPtopCallback(payack.NewSecret(ptopKeyText), payack.SchemeHeader, verify.PtopLast, body)
	require.NoError(t, err)
	h := http.Header(signed.Header)
	h.Set("Content-Type", signed.ContentType)
	return message{http.MethodPost, "/callback", h, signed.Body}
}

var ptsNames = []string{"user_id", "order_id", "transaction_id", "channel", "submit_currency", "submit_amount",
	"accept_currency", "accept_amount", "exchange_rate", "status", "timestamp"}

// ptsMessage returns a flat callback. literals replace members by the JSON
// given, texts replace what is signed for them.
func ptsMessage(t testing.TB, literals, texts map[string]string) message {
	t.Helper()
	key := ptsKeyOf(t)
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
	for _, name := range ptsNames {
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
	return message{http.MethodPost, "/callback", http.Header{"Content-Type": {"application/json"}}, "{" + body.String() + `"sign":"` + sign + `"}`}
}

// payatomMessage returns a webhook with these JSON literals and a hash of this
// text.
func payatomMessage(t testing.TB, orderID, amount, status, signed string) message {
	t.Helper()
	signer, err := verify.NewPayatomSigner(payack.NewSecret(payatomKeyText))
	require.NoError(t, err)
	return message{http.MethodPost, "/callback", http.Header{"Content-Type": {"application/json"}},
		`{"order_id":` + orderID + `,"requested_amount":"500","status":` + status + `,"received_amount":` + amount +
			`,"bank_ref":"838498153464","sender_upi":"user@bank","ref_code":"b73ea664","refund_info":[],"post_hash":"` +
			signer.PostHash("", "", signed) + `"}`}
}

// watch keeps what an observer and a log are told.
type watch struct {
	mu   sync.Mutex
	seen []payack.Observation
	log  bytes.Buffer
}

func (w *watch) Observe(_ context.Context, o *payack.Observation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, *o)
}

func (w *watch) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

func (w *watch) options() middleware.Options {
	return middleware.Options{Observer: w, Logger: slog.New(slog.NewJSONHandler(w, nil))}
}

// last is the newest observation.
func (w *watch) last(t testing.TB) payack.Observation {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NotEmpty(t, w.seen)
	return w.seen[len(w.seen)-1]
}

func (w *watch) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.seen)
}

// lines returns the log, parsed.
func (w *watch) lines(t testing.TB) []map[string]any {
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
