package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/store/memstore"
)

// betweenCalls is a store that runs one hook before Commit and one after Release.
type betweenCalls struct {
	payack.Store
	beforeCommit func() error
	afterRelease func()
}

func (s *betweenCalls) Commit(ctx context.Context, id, token string) error {
	if s.beforeCommit != nil {
		if err := s.beforeCommit(); err != nil {
			return err
		}
	}
	return s.Store.Commit(ctx, id, token)
}

func (s *betweenCalls) Release(ctx context.Context, id, token string) error {
	err := s.Store.Release(ctx, id, token)
	if s.afterRelease != nil {
		s.afterRelease()
	}
	return err
}

func payatomHandler(t *testing.T, c middleware.PayatomConfig, fn func(context.Context, *payack.PayatomEvent) error) http.Handler {
	t.Helper()
	c.SecretKeys = payack.Secrets(payatomKey)
	if c.Logger == nil {
		c.Logger = quiet
	}
	rc, err := middleware.NewPayatom(c)
	require.NoError(t, err)
	h, err := middleware.Handle(rc, fn)
	require.NoError(t, err)
	return h
}

// The callback refuses a forged webhook, and its claims are released one by one. At
// no moment may the genuine webhook be taken for the forgery.
func TestGenuineEventWhileAForgeryIsReleased(t *testing.T) {
	store := &betweenCalls{Store: memstore.New(0)}
	w := newWatch()
	o := w.options()
	o.Store = store
	h := payatomHandler(t, middleware.PayatomConfig{ExpectInCallback: true, Options: o}, func(_ context.Context, ev *payack.PayatomEvent) error {
		if ev.OrderID != "user-11" {
			return errors.New("no such order")
		}
		return nil
	})
	inside := false
	store.afterRelease = func() {
		if inside {
			return
		}
		inside = true
		serve(h, payatomRequest(t, "user-11", "500", "Approved"))
		require.NotEqual(t, payack.OutcomeRejected, w.last(t).Outcome)
		inside = false
	}
	serve(h, payatomRequest(t, "user-1", "1500", "Approved"))
	require.GreaterOrEqual(t, w.count(), 3, "it was tried after each call")
}

// An unknown status may contain digits of the amount. While the callback runs for a
// webhook with an unknown status, the genuine webhook with the same hash is accepted.
func TestGenuineWhileAnUnknownStatusIsInTheCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		h := payatomHandler(t, middleware.PayatomConfig{Expect: func(_ context.Context, ev *payack.PayatomEvent) (payack.Expectation, error) {
			return payack.Expectation{Found: ev.OrderID == "A1" || ev.OrderID == "A1B2", Amount: payack.NewAmount("500")}, nil
		}}, func(_ context.Context, ev *payack.PayatomEvent) error {
			if !ev.Status.Known() {
				<-goOn
			}
			return nil
		})
		go serve(h, payatomRequest(t, "A1", "", "B2500Approved"))
		synctest.Wait()
		require.Contains(t, serve(h, payatomRequest(t, "A1B2", "500", "Approved")).Body.String(), `"acknowledge":"yes"`)
		close(goOn)
	})
}

// When the store fails once while a hash of Payatom is bound to an event, the hash
// must not stay busy until the claim's lease ends.
func TestHashThatCouldNotBeBoundIsFreeAgain(t *testing.T) {
	store := &betweenCalls{Store: memstore.New(0)}
	h := payatomHandler(t, middleware.PayatomConfig{
		Expect: func(context.Context, *payack.PayatomEvent) (payack.Expectation, error) {
			return payack.Expectation{Found: true, Amount: payack.NewAmount("500")}, nil
		},
		Options: middleware.Options{Store: store},
	}, func(context.Context, *payack.PayatomEvent) error { return nil })
	store.beforeCommit = func() error { return errors.New("hiccup") }
	require.Contains(t, serve(h, payatomRequest(t, "ORD1", "500", "Approved")).Body.String(), `"acknowledge":"no"`)
	store.beforeCommit = nil
	require.Contains(t, serve(h, payatomRequest(t, "ORD1", "500", "Approved")).Body.String(), `"acknowledge":"yes"`)
}

// The longest possible lease does not overflow.
func TestEndlessLease(t *testing.T) {
	called := 0
	h := ptopHandler(t, middleware.Options{Lease: math.MaxInt64}, func(context.Context, *payack.PtopEvent) error {
		called++
		return nil
	})
	for range 3 {
		require.Equal(t, http.StatusOK, serve(h, ptopRequest(t, "once")).Code)
	}
	require.Equal(t, 1, called)
}

// panickingHandler is a log handler that panics once full is set.
type panickingHandler struct{ full *bool }

func (panickingHandler) Enabled(context.Context, slog.Level) bool { return true }
func (p panickingHandler) Handle(context.Context, slog.Record) error {
	if *p.full {
		panic("the log is full")
	}
	return nil
}
func (p panickingHandler) WithAttrs([]slog.Attr) slog.Handler { return p }
func (p panickingHandler) WithGroup(string) slog.Handler      { return p }

// releaseFails is a store whose Release fails, which makes the receiver log.
type releaseFails struct{ *memstore.Store }

func (releaseFails) Release(context.Context, string, string) error { return errors.New("gone") }

// When the logger panics while claims are released, the event does not stay in
// flight.
func TestPanicOfTheLogWhileSettling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail, full := true, false
		h := ptopHandler(t, middleware.Options{
			Store: releaseFails{memstore.New(0)}, Logger: slog.New(panickingHandler{&full}),
		}, func(context.Context, *payack.PtopEvent) error {
			if fail {
				return errMerchant
			}
			return nil
		})
		serve(h, ptopRequest(t, "before, so that what is logged once has been"))
		full = true
		require.Panics(t, func() { serve(h, ptopRequest(t, "tx")) }, "net/http would end the connection")
		fail = false
		time.Sleep(middleware.DefaultDeadline + time.Minute) // the lease ends
		w := &discardWriter{header: http.Header{}}
		require.Panics(t, func() { h.ServeHTTP(w, ptopRequest(t, "tx")) })
		require.Equal(t, http.StatusOK, w.status)
	})
}

// Once a context has returned an error, it returns the same one again.
func TestErrorOfTheContextStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kept context.Context
		h := ptopHandler(t, middleware.Options{Deadline: time.Second}, func(ctx context.Context, _ *payack.PtopEvent) error {
			kept = ctx
			time.Sleep(time.Second)
			require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
			return nil
		})
		require.Equal(t, http.StatusOK, serve(h, ptopRequest(t, "late")).Code, "a late result counts")
		require.ErrorIs(t, kept.Err(), context.DeadlineExceeded)
		<-kept.Done()
		require.ErrorIs(t, kept.Err(), context.DeadlineExceeded)
	})
}

// twoSteps hides that a store is a Binder.
type twoSteps struct{ payack.Store }

// A sender sees no difference between a store that binds in one step and one that
// claims and commits.
func TestHashIsBoundWithEveryStore(t *testing.T) {
	for name, store := range map[string]func() payack.Store{
		"in memory": func() payack.Store { return memstore.New(0) },
		"another":   func() payack.Store { return twoSteps{memstore.New(0)} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWatch()
				o := w.options()
				o.Store, o.Deadline = store(), time.Second
				var patience time.Duration
				var failure error
				called := 0
				h := payatomHandler(t, middleware.PayatomConfig{
					Expect: func(_ context.Context, ev *payack.PayatomEvent) (payack.Expectation, error) {
						time.Sleep(patience)
						amount, found := map[string]string{"user-11": "500", "user-1": "1500"}[ev.OrderID]
						return payack.Expectation{Found: found, Amount: payack.NewAmount(amount)}, nil
					},
					Options: o,
				}, func(context.Context, *payack.PayatomEvent) error { called++; return failure })
				deliver := func(order, amount string) (payack.Outcome, payack.Reason) {
					serve(h, payatomRequest(t, order, amount, "Approved"))
					last := w.last(t)
					return last.Outcome, last.Reason
				}
				type said = [2]string
				is := func(outcome payack.Outcome, reason payack.Reason) said { return said{string(outcome), string(reason)} }

				patience = 2 * time.Second
				require.Equal(t, is(payack.OutcomeFailed, payack.ReasonDeadline), is(deliver("user-1", "1500")), "what comes too late binds nothing")
				patience, failure = 0, errors.New("not now")
				require.Equal(t, is(payack.OutcomeFailed, payack.ReasonCallback), is(deliver("user-11", "500")))
				failure = nil
				require.Equal(t, is(payack.OutcomeRejected, payack.ReasonSpliced), is(deliver("user-1", "1500")), "bound, though the callback failed")
				require.Equal(t, is(payack.OutcomeAccepted, ""), is(deliver("user-11", "500")))
				require.Equal(t, is(payack.OutcomeDuplicate, ""), is(deliver("user-11", "500")))
				require.Equal(t, is(payack.OutcomeRejected, payack.ReasonSpliced), is(deliver("user-1", "1500")))
				require.Equal(t, 2, called)
			})
		})
	}
}

// A callback may panic with an error whose methods panic in turn. The event must not
// stay busy.
func TestPanicWithANilPointerReleasesTheEvent(t *testing.T) {
	w := newWatch()
	first := true
	h := ptopHandler(t, w.options(), func(context.Context, *payack.PtopEvent) error {
		if first {
			first = false
			var err *url.Error
			panic(err)
		}
		return nil
	})
	require.Equal(t, http.StatusInternalServerError, serve(h, ptopRequest(t, "T1")).Code)
	require.Equal(t, payack.ReasonPanic, w.last(t).Reason)
	require.Equal(t, http.StatusOK, serve(h, ptopRequest(t, "T1")).Code)
	require.Equal(t, payack.OutcomeAccepted, w.last(t).Outcome)
}

// The store key that binds a hash of Payatom holds the hashed text if the text is
// short and printable ASCII, and a digest of it otherwise. So the key is never long,
// and holds no characters that a store may refuse.
func TestKeysOfBoundHashes(t *testing.T) {
	for _, tc := range []struct{ tenant, order, want string }{
		{"", "ORD1", "payatom-splice:v1:text0:ORD1505Approved"},
		{"shop", "ORD1", "payatom-splice:v1:text4:shopORD1505Approved"},
		{strings.Repeat("tenant-", 30), "ORD1", "payatom-splice:v1:sha256:"},
		{"", "bestellung-é", "payatom-splice:v1:sha256:"},
		{"", "a\nb", "payatom-splice:v1:sha256:"},
	} {
		store := newRecordingStore()
		w := newWatch()
		o := w.options()
		o.Store = store
		h := payatomHandler(t, middleware.PayatomConfig{
			Expect: func(context.Context, *payack.PayatomEvent) (payack.Expectation, error) {
				return payack.Expectation{Found: true, Amount: payack.NewAmount("500")}, nil
			},
			Match:   func(payack.Amount, payack.Amount) bool { return true },
			Tenant:  tc.tenant,
			Options: o,
		}, func(context.Context, *payack.PayatomEvent) error { return nil })
		sent := strings.ReplaceAll(tc.order, "\n", `\n`)
		serve(h, payatomSigned(t, sent, tc.order, "505", "Approved"))
		last := w.last(t)
		require.Equal(t, payack.OutcomeAccepted, last.Outcome, "%q: %v", tc.order, last.Err)
		var keys []string
		for _, call := range store.calls {
			if id, found := strings.CutPrefix(call, "claim payatom-splice"); found {
				keys = append(keys, "payatom-splice"+id)
			}
		}
		require.Len(t, keys, 1)
		require.True(t, strings.HasPrefix(keys[0], tc.want), keys[0])
		require.LessOrEqual(t, len(keys[0]), 128)
		for _, c := range []byte(keys[0]) {
			require.True(t, c >= ' ' && c < 0x7f, keys[0])
		}

		// Moving characters between members does not change the key.
		serve(h, payatomSigned(t, sent+"50", tc.order+"50", "5", "Approved"))
		require.Equal(t, payack.ReasonSpliced, w.last(t).Reason)
	}
}

// slowClaims is a store whose Claim takes time, and whose Release returns a chosen
// error.
type slowClaims struct {
	*memstore.Store
	takes time.Duration
	ends  error
}

func (s slowClaims) Claim(ctx context.Context, id, fingerprint string, lease time.Duration) (payack.Claim, error) {
	time.Sleep(s.takes)
	return s.Store.Claim(ctx, id, fingerprint, lease)
}

func (s slowClaims) Release(ctx context.Context, id, token string) error {
	return errors.Join(s.Store.Release(ctx, id, token), s.ends)
}

// The observed time of the guard includes both the question to the provider and the
// claims.
func TestTimeOfTheGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := confirmed(t, func(context.Context, *payack.PayatomEvent) (*payack.Confirmation, error) {
			time.Sleep(300 * time.Millisecond)
			return &payack.Confirmation{Paid: true, Status: "Approved"}, nil
		}, func(c *middleware.PayatomConfig) {
			c.Store = slowClaims{Store: memstore.New(10), takes: 200 * time.Millisecond}
		})
		serve(d.h, payatomRequest(t, "ORD1", "500", "Approved"))
		seen := d.last(t)
		require.NoError(t, seen.Err)
		require.GreaterOrEqual(t, seen.Took.Guard, 500*time.Millisecond)
		require.Less(t, seen.Took.Guard, time.Second)
	})
}

// A release that succeeds is not warned of. Nor is one that fails because somebody
// else holds the claim by now.
func TestOnlyAReleaseThatFailsIsWarnedOf(t *testing.T) {
	for ends, warns := range map[error]bool{nil: false, payack.ErrNotHeld: false, errors.New("gone"): true} {
		w := newWatch()
		o := w.options()
		o.Store = slowClaims{Store: memstore.New(10), ends: ends}
		serve(ptopHandler(t, o, func(context.Context, *payack.PtopEvent) error { return errors.New("failed") }), ptopRequest(t, "T1"))
		w.last(t)
		warned := slices.ContainsFunc(w.lines(t), func(line map[string]any) bool {
			return strings.Contains(fmt.Sprint(line["msg"]), "could not be given up")
		})
		require.Equal(t, warns, warned, "%v", ends)
	}
}
