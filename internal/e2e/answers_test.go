package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/ratelimit"
)

// scriptedStore is a store with given answers.
type scriptedStore struct {
	look      payack.ClaimState
	lookErr   error
	claim     payack.ClaimState
	claimErr  error
	commitErr error
}

func (s *scriptedStore) Claim(context.Context, string, string, time.Duration) (payack.Claim, error) {
	return payack.Claim{State: s.claim, Token: "1"}, s.claimErr
}
func (s *scriptedStore) Lookup(context.Context, string, string) (payack.ClaimState, error) {
	return s.look, s.lookErr
}
func (s *scriptedStore) Home() string                                  { return "" }
func (s *scriptedStore) Commit(context.Context, string, string) error  { return s.commitErr }
func (s *scriptedStore) Release(context.Context, string, string) error { return nil }

// emptyBucket is a limiter that refuses everything.
type emptyBucket struct{}

func (emptyBucket) Allow(context.Context, string) (ratelimit.Decision, error) {
	return ratelimit.Decision{Limit: 1, RetryAfter: 1500 * time.Millisecond, ResetAfter: 2 * time.Second, Window: time.Second}, nil
}

func (b emptyBucket) Peek(ctx context.Context, key string) (ratelimit.Decision, error) {
	return b.Allow(ctx, key)
}

var errMerchant = errors.New("the merchant's own error")

// consumed is middleware that reads the body before the receiver.
func consumed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		next.ServeHTTP(w, r)
	})
}

// broken is middleware under which reading the body ends with an error.
func broken(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, 10), failingReader{}))
		next.ServeHTTP(w, r)
	})
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

// invalid returns a callback that verifies and breaks a rule of its provider.
func invalid(t testing.TB, p payack.Provider) Message {
	switch p {
	case payack.Ptop:
		return PtopMessage(t, `{"success":true,"transaction_id":"","order_id":"ORD1"}`)
	case payack.PTS:
		return PTSMessage(t, map[string]string{"accept_amount": "1e99"}, nil)
	case payack.Payatom:
		return PayatomMessage(t, `"ORD1"`, `"0500"`, `"Approved"`, "ORD10500Approved")
	}
	t.Fatalf("there is no invalid callback of %s", p)
	return Message{}
}

func tenantOf(name string, err error) func(context.Context, *http.Request) (string, error) {
	return func(context.Context, *http.Request) (string, error) { return name, err }
}

func TestAnswers(t *testing.T) {
	ptop, pts, payatom := payack.Ptop, payack.PTS, payack.Payatom
	type change = func(t testing.TB, p payack.Provider, m Message) Message
	swap := func(old, text string) change {
		return func(_ testing.TB, _ payack.Provider, m Message) Message { return m.Replace(old, text) }
	}
	header := func(name string, values ...string) change {
		return func(_ testing.TB, _ payack.Provider, m Message) Message { return m.With(name, values...) }
	}
	for _, tc := range []struct {
		name    string
		only    []payack.Provider
		set     func(m *Merchant)
		wrap    func(http.Handler) http.Handler
		before  change // a delivery to send first, if any
		change  change
		outcome payack.Outcome
		reason  payack.Reason
		is      error
		level   string
		called  int
	}{
		{name: "accepted", outcome: payack.OutcomeAccepted, level: "INFO", called: 1},
		{name: "confirmed", set: func(m *Merchant) {
			m.Confirm = Confirming(&payack.Confirmation{Paid: true}, nil)
		}, outcome: payack.OutcomeAccepted, level: "INFO", called: 1},
		{name: "duplicate", before: swap("", ""), outcome: payack.OutcomeDuplicate, level: "INFO", called: 1},
		{name: "not recorded as done", set: func(m *Merchant) {
			m.Options.Store = &scriptedStore{claim: payack.ClaimGranted, commitErr: errMerchant}
		}, outcome: payack.OutcomeAccepted, is: errMerchant, level: "ERROR", called: 1},

		{name: "callback", set: func(m *Merchant) {
			m.Callback = func(context.Context, payack.Event) error { return errMerchant }
		}, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback, is: errMerchant, level: "ERROR", called: 1},
		{name: "panic", set: func(m *Merchant) {
			m.Callback = func(context.Context, payack.Event) error { panic("a slip") }
		}, outcome: payack.OutcomeFailed, reason: payack.ReasonPanic, level: "ERROR", called: 1},
		{name: "deadline", set: func(m *Merchant) {
			m.Callback = func(ctx context.Context, _ payack.Event) error {
				<-ctx.Done()
				return fmt.Errorf("settling: %w", ctx.Err())
			}
		}, outcome: payack.OutcomeFailed, reason: payack.ReasonDeadline, is: context.DeadlineExceeded, level: "ERROR", called: 1},
		{name: "busy", set: func(m *Merchant) { m.Options.Store = &scriptedStore{claim: payack.ClaimBusy} },
			outcome: payack.OutcomeFailed, reason: payack.ReasonBusy, is: payack.ErrBusy, level: "WARN"},
		{name: "conflict", set: func(m *Merchant) { m.Options.Store = &scriptedStore{claim: payack.ClaimConflict} },
			outcome: payack.OutcomeRejected, reason: payack.ReasonConflict, is: payack.ErrConflict, level: "ERROR"},
		{name: "unreachable", set: func(m *Merchant) { m.Confirm = Confirming(nil, errMerchant) },
			outcome: payack.OutcomeFailed, reason: payack.ReasonUnreachable, is: errMerchant, level: "ERROR"},
		{name: "no confirmation and no error", set: func(m *Merchant) { m.Confirm = Confirming(nil, nil) },
			outcome: payack.OutcomeFailed, reason: payack.ReasonUnreachable, level: "ERROR"},
		{name: "a confirmation that says unpaid", set: func(m *Merchant) { m.Confirm = Confirming(&payack.Confirmation{}, nil) },
			outcome: payack.OutcomeFailed, reason: payack.ReasonUnreachable, level: "ERROR"},
		{name: "keys", set: func(m *Merchant) { m.Tenant = tenantOf("", errMerchant) },
			outcome: payack.OutcomeFailed, reason: payack.ReasonKeys, is: errMerchant, level: "ERROR"},
		{name: "keys without a tenant", set: func(m *Merchant) { m.Tenant = tenantOf("", nil) },
			outcome: payack.OutcomeFailed, reason: payack.ReasonKeys, level: "ERROR"},
		{name: "conflict, found before anybody is asked", set: func(m *Merchant) {
			m.Options.Store = &scriptedStore{look: payack.ClaimConflict}
			m.Confirm = Confirming(nil, errors.New("nobody is to be asked"))
		}, outcome: payack.OutcomeRejected, reason: payack.ReasonConflict, is: payack.ErrConflict, level: "ERROR"},
		{name: "busy, found before anybody is asked", set: func(m *Merchant) {
			m.Options.Store = &scriptedStore{look: payack.ClaimBusy}
			m.Confirm = Confirming(nil, errors.New("nobody is to be asked"))
		}, outcome: payack.OutcomeFailed, reason: payack.ReasonBusy, is: payack.ErrBusy, level: "WARN"},
		{name: "store, when it is only looked into", set: func(m *Merchant) {
			m.Options.Store = &scriptedStore{lookErr: errMerchant}
			m.Confirm = Confirming(nil, errors.New("nobody is to be asked"))
		}, outcome: payack.OutcomeFailed, reason: payack.ReasonStore, is: errMerchant, level: "ERROR"},
		{name: "unexpected by the callback", set: func(m *Merchant) {
			m.Callback = func(context.Context, payack.Event) error { return fmt.Errorf("ORD1: %w", payack.ErrUnexpected) }
		}, outcome: payack.OutcomeRejected, reason: payack.ReasonUnexpected, is: payack.ErrUnexpected, level: "ERROR", called: 1},
		{name: "store", set: func(m *Merchant) { m.Options.Store = &scriptedStore{claimErr: errMerchant} },
			outcome: payack.OutcomeFailed, reason: payack.ReasonStore, is: errMerchant, level: "ERROR"},
		{name: "expectation", only: []payack.Provider{payatom}, set: func(m *Merchant) { m.Expect = Expecting(nil, errMerchant) },
			outcome: payack.OutcomeFailed, reason: payack.ReasonExpectation, is: errMerchant, level: "ERROR"},
		{name: "body consumed", wrap: consumed, outcome: payack.OutcomeFailed, reason: payack.ReasonBodyConsumed, level: "ERROR"},
		{name: "body read", wrap: broken, outcome: payack.OutcomeFailed, reason: payack.ReasonBodyRead, level: "WARN"},

		{name: "signature in the header", only: []payack.Provider{ptop}, change: header("X-Signature", strings.Repeat("0", 64)),
			outcome: payack.OutcomeRejected, reason: payack.ReasonSignature, is: payack.ErrSignature, level: "WARN"},
		{name: "signature", only: []payack.Provider{pts}, change: swap(`"status":"2000"`, `"status":"3000"`),
			outcome: payack.OutcomeRejected, reason: payack.ReasonSignature, is: payack.ErrSignature, level: "WARN"},
		{name: "hash", only: []payack.Provider{payatom}, change: swap(`"received_amount":"500"`, `"received_amount":"900"`),
			outcome: payack.OutcomeRejected, reason: payack.ReasonSignature, is: payack.ErrSignature, level: "WARN"},
		{name: "envelope", only: []payack.Provider{pts}, change: func(_ testing.TB, _ payack.Provider, m Message) Message {
			m.Body = "AAAAAAAAAAAAAAAAAAAAAA=="
			return m.With("Content-Type", "text/plain")
		}, outcome: payack.OutcomeRejected, reason: payack.ReasonEnvelope, is: payack.ErrEnvelope, level: "WARN"},
		{name: "hash of other bytes", only: []payack.Provider{payatom}, change: swap(`"post_hash":"`, `"post_hash":"AAAA`),
			outcome: payack.OutcomeRejected, reason: payack.ReasonEnvelope, is: payack.ErrEnvelope, level: "WARN"},
		{name: "malformed", change: func(_ testing.TB, _ payack.Provider, m Message) Message {
			m.Body = `{"order_id":`
			return m
		}, outcome: payack.OutcomeRejected, reason: payack.ReasonMalformed, is: payack.ErrMalformed, level: "WARN"},
		{name: "empty body", change: func(_ testing.TB, _ payack.Provider, m Message) Message {
			m.Body = ""
			return m
		}, outcome: payack.OutcomeRejected, reason: payack.ReasonMalformed, is: payack.ErrMalformed, level: "WARN"},
		{name: "invalid", change: func(t testing.TB, p payack.Provider, _ Message) Message { return invalid(t, p) },
			outcome: payack.OutcomeRejected, reason: payack.ReasonInvalid, is: payack.ErrInvalid, level: "WARN"},
		{name: "a rule of the merchant's", set: func(m *Merchant) {
			m.Options.Validate = map[string]string{"OrderID": "eq=none-such"}
		}, outcome: payack.OutcomeRejected, reason: payack.ReasonInvalid, is: payack.ErrInvalid, level: "WARN"},
		{name: "unknown tenant", set: func(m *Merchant) { m.Tenant = tenantOf("", fmt.Errorf("shop 7: %w", payack.ErrUnknownTenant)) },
			outcome: payack.OutcomeRejected, reason: payack.ReasonUnknownTenant, is: payack.ErrUnknownTenant, level: "WARN"},
		{name: "spliced", only: []payack.Provider{payatom},
			set:    func(m *Merchant) { m.Expect = Expecting(map[string]string{"ORD1": "500", "ORD": "1500"}, nil) },
			before: swap("", ""), change: func(_ testing.TB, _ payack.Provider, m Message) Message {
				return m.Replace(`"ORD1"`, `"ORD"`).Replace(`"received_amount":"500"`, `"received_amount":"1500"`)
			}, outcome: payack.OutcomeRejected, reason: payack.ReasonSpliced, is: payack.ErrSpliced, level: "ERROR", called: 1},
		{name: "no such order", only: []payack.Provider{payatom}, set: func(m *Merchant) { m.Expect = Expecting(nil, nil) },
			outcome: payack.OutcomeRejected, reason: payack.ReasonUnexpected, is: payack.ErrUnexpected, level: "ERROR"},
		{name: "another amount", only: []payack.Provider{payatom}, set: func(m *Merchant) { m.Expect = Expecting(map[string]string{"ORD1": "501"}, nil) },
			outcome: payack.OutcomeRejected, reason: payack.ReasonUnexpected, is: payack.ErrUnexpected, level: "ERROR"},
		{name: "unconfirmed", set: func(m *Merchant) {
			m.Confirm = Confirming(nil, fmt.Errorf("status 2: %w", payack.ErrUnconfirmed))
		}, outcome: payack.OutcomeRejected, reason: payack.ReasonUnconfirmed, is: payack.ErrUnconfirmed, level: "ERROR"},

		{name: "method", change: func(_ testing.TB, _ payack.Provider, m Message) Message {
			m.Method = http.MethodPut
			return m
		}, outcome: payack.OutcomeRefused, reason: payack.ReasonMethod, is: payack.ErrRefused, level: "WARN"},
		{name: "content type", change: header("Content-Type", "text/html"),
			outcome: payack.OutcomeRefused, reason: payack.ReasonContentType, is: payack.ErrRefused, level: "WARN"},
		{name: "content encoding", change: header("Content-Encoding", "gzip"),
			outcome: payack.OutcomeRefused, reason: payack.ReasonContentEncoding, is: payack.ErrRefused, level: "WARN"},
		{name: "too large", change: func(_ testing.TB, _ payack.Provider, m Message) Message {
			m.Body += strings.Repeat(" ", middleware.DefaultMaxBody)
			return m
		}, outcome: payack.OutcomeRefused, reason: payack.ReasonTooLarge, is: payack.ErrTooLarge, level: "WARN"},
		{name: "address", set: func(m *Merchant) {
			m.Options.AllowedAddresses = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
		}, outcome: payack.OutcomeRefused, reason: payack.ReasonAddress, is: payack.ErrRefused, level: "WARN"},
		{name: "rate", set: func(m *Merchant) { m.Options.Limiter = emptyBucket{} },
			outcome: payack.OutcomeRefused, reason: payack.ReasonRate, is: payack.ErrRefused, level: "WARN"},
	} {
		for _, p := range providers.All {
			if tc.only != nil && !slices.Contains(tc.only, p) {
				continue
			}
			// inBubble runs under a fake clock, so that a deadline takes no time.
			inBubble := func(t *testing.T) {
				w := &Watch{}
				m := Merchant{Options: w.Options()}
				if tc.set != nil {
					tc.set(&m)
				}
				called := 0
				fn := m.Callback
				m.Callback = func(ctx context.Context, ev payack.Event) error {
					called++
					if fn == nil {
						return nil
					}
					return fn(ctx, ev)
				}
				h := m.Handler(t, p)
				if tc.wrap != nil {
					h = tc.wrap(h)
				}
				sent := 1
				if tc.before != nil {
					AssertContract(t, p, payack.OutcomeAccepted, "", Send(h, tc.before(t, p, Genuine(t, p))))
					sent++
				}
				callback := Genuine(t, p)
				if tc.change != nil {
					callback = tc.change(t, p, callback)
				}
				got := Send(h, callback)

				AssertContract(t, p, tc.outcome, tc.reason, got)
				assert.Equal(t, tc.called, called)
				require.Equal(t, sent, w.Count(), "one observation for each delivery")
				o := w.Last(t)
				assert.Equal(t, tc.outcome, o.Outcome)
				assert.Equal(t, tc.reason, o.Reason)
				assert.Equal(t, got.Status, o.Status)
				// The observation of a delivery that verified has an event, even an invalid one.
				assert.Equal(t, verified(tc.reason), o.Delivery.Event != nil)
				assert.Equal(t, verified(tc.reason), o.EventID != "")
				if tc.reason != "" {
					assert.Equal(t, ClosedSet[tc.reason], tc.outcome)
					var e *payack.Error
					require.ErrorAs(t, o.Err, &e)
					assert.Equal(t, p, e.Provider)
					assert.Equal(t, o.EventID, e.EventID)
				}
				if tc.is != nil {
					require.ErrorIs(t, o.Err, tc.is)
				}
				assert.Equal(t, tc.reason == payack.ReasonPanic, o.Stack != "")
				switch tc.reason {
				case payack.ReasonTooLarge:
					assert.Equal(t, []string{"close"}, got.Header["Connection"])
				case payack.ReasonRate:
					assert.Equal(t, []string{"2"}, got.Header["Retry-After"])
				}

				lines := w.Lines(t)
				line := lines[len(lines)-1]
				assert.Equal(t, "payack: callback "+string(tc.outcome), line["msg"])
				assert.Equal(t, tc.level, line["level"])
				assert.Equal(t, string(tc.outcome), line["outcome"])
				assert.Equal(t, string(p), line["provider"])
				if tc.reason == "" {
					assert.NotContains(t, line, "reason")
				} else {
					assert.Equal(t, string(tc.reason), line["reason"])
				}
			}
			t.Run(tc.name+"/"+string(p), func(t *testing.T) { synctest.Test(t, inBubble) })
		}
	}
}

// verified reports whether a delivery that ends for this reason has an event.
func verified(reason payack.Reason) bool {
	switch reason {
	case payack.ReasonKeys, payack.ReasonBodyConsumed, payack.ReasonBodyRead:
		return false
	}
	return ClosedSet[reason] != payack.OutcomeRefused && (ClosedSet[reason] != payack.OutcomeRejected || slices.Contains(
		[]payack.Reason{payack.ReasonInvalid, payack.ReasonSpliced, payack.ReasonUnexpected, payack.ReasonUnconfirmed, payack.ReasonConflict}, reason))
}

func TestPayatomsOlderSpelling(t *testing.T) {
	w := &Watch{}
	fail := false
	h := Merchant{Options: w.Options(), OlderSpelling: true, Callback: func(context.Context, payack.Event) error {
		if fail {
			return errMerchant
		}
		return nil
	}}.Handler(t, payack.Payatom)
	good := Genuine(t, payack.Payatom)
	other := PayatomMessage(t, `"ORD2"`, `"500"`, `"Approved"`, "ORD2500Approved")
	assert.Equal(t, `{"hash_status":"Hash Matched","acknowledge":"yes"}`, Send(h, good).Body)
	assert.Equal(t, `{"hash_status":"Hash Matched","acknowledge":"yes"}`, Send(h, good).Body)
	assert.Equal(t, `{"hash_status":"Hash Mismatch","acknowledge":"no"}`, Send(h, good.Replace("ORD1", "ORD9")).Body)
	fail = true
	assert.Equal(t, `{"hash_status":"Hash Matched","acknowledge":"no"}`, Send(h, other).Body)
	assert.Equal(t, `{"hash_status":"Hash Matched","acknowledge":"no"}`, Send(h, invalid(t, payack.Payatom)).Body)
	refused := good
	refused.Method = http.MethodGet
	assert.Equal(t, `{"hash_status":"Hash Mismatch","acknowledge":"no"}`, Send(h, refused).Body)
}

// For a provider whose messages are decrypted, the answer to a callback that does not
// verify must not reveal which step failed.
func TestAnswersDoNotRevealTheStepThatFailed(t *testing.T) {
	for _, p := range []payack.Provider{payack.PTS, payack.Payatom} {
		t.Run(string(p), func(t *testing.T) {
			w := &Watch{}
			h := Merchant{Options: w.Options(), Tenant: func(_ context.Context, r *http.Request) (string, error) {
				if r.URL.Path == "/none" {
					return "", payack.ErrUnknownTenant
				}
				return "shop", nil
			}}.Handler(t, p)
			good := Genuine(t, p)
			hostile := map[string]Message{
				"unknown tenant": good.To("/none"),
				"no JSON":        {good.Method, good.Target, good.Header, "}"},
				"no members":     {good.Method, good.Target, good.Header, "{}"},
				"empty":          {good.Method, good.Target, good.Header, ""},
				"a name twice":   good.Replace("{", `{"order_id":"X",`),
			}
			if p == payack.PTS {
				text := good.With("Content-Type", "text/plain")
				text.Body = "!"
				hostile["no base64"] = text
				text.Body = "AAAAAAAAAAAAAAAAAAAAAA=="
				hostile["bad padding"] = text
				text.Body = "AAAA"
				hostile["no block"] = text
				text.Body = SealPTS(t, "}")
				hostile["sealed, no JSON"] = text
				text.Body = SealPTS(t, good.Replace("2000", "3000").Body)
				hostile["sealed, tampered"] = text
				hostile["tampered"] = good.Replace("2000", "3000")
				hostile["verified, invalid"] = invalid(t, p)
			} else {
				hostile["bad MAC"] = good.Replace(`"post_hash":"`, `"post_hash":"AAAA`)
				hostile["tampered"] = good.Replace("ORD1", "ORD9")
			}
			want := Send(h, hostile["tampered"])
			reasons := map[payack.Reason]bool{}
			for name, m := range hostile {
				got := Send(h, m)
				assert.Equal(t, want, got, name)
				o := w.Last(t)
				assert.Equal(t, payack.OutcomeRejected, o.Outcome, name)
				reasons[o.Reason] = true
			}
			apart := map[payack.Reason]bool{
				payack.ReasonUnknownTenant: true, payack.ReasonMalformed: true, payack.ReasonEnvelope: true, payack.ReasonSignature: true,
			}
			if p == payack.PTS { // PTS gets the same answer for every failure
				apart[payack.ReasonInvalid] = true
			}
			assert.Equal(t, apart, reasons, "the log must tell them apart")
		})
	}
}
