package e2e

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/ratelimit"
	"github.com/payack/payack/store/memstore"
)

// guarded is a Payatom receiver that records its calls and observations.
type guarded struct {
	http.Handler
	called []*payack.PayatomEvent
	last   payack.Observation
}

func newGuarded(t *testing.T, set func(*middleware.PayatomConfig)) *guarded {
	t.Helper()
	g := &guarded{}
	c := payacktest.NewPayatomKeys().Config()
	c.ExpectInCallback = false
	c.Logger = slog.New(slog.DiscardHandler)
	c.Observer = payack.ObserverFunc(func(_ context.Context, o *payack.Observation) { g.last = *o })
	set(&c)
	h, err := handlers.NewPayatom(c, func(_ context.Context, ev *payack.PayatomEvent) error {
		g.called = append(g.called, ev)
		return nil
	})
	require.NoError(t, err)
	g.Handler = h
	return g
}

// deliver posts a webhook and returns the observed reason.
func (g *guarded) deliver(t *testing.T, orderID, amount string, status payack.PayatomStatus) payack.Reason {
	t.Helper()
	payacktest.Payatom(payacktest.NewPayatomKeys()).Order(orderID).Amount(amount).Status(status).Callback(t).Deliver(g)
	return g.last.Reason
}

func confirms(context.Context, *payack.PayatomEvent) (*payack.Confirmation, error) {
	return &payack.Confirmation{Paid: true, Status: "Approved"}, nil
}

// Payatom's hash covers order, amount and status joined, so a forgery can move the
// borders between them. Confirm is called for paid events only. After a genuine decline
// or refund, a forgery with moved borders must be recognised without Confirm.
func TestMovedBordersOfUnpaidEventsWithConfirmAlone(t *testing.T) {
	g := newGuarded(t, func(c *middleware.PayatomConfig) { c.Confirm = confirms })
	require.Empty(t, g.deliver(t, "ORD1000001", "1500", payack.PayatomRefundCompleted))
	require.Equal(t, payack.ReasonSpliced, g.deliver(t, "ORD10000011", "500", payack.PayatomRefundCompleted))
	require.Empty(t, g.deliver(t, "ORD1000001", "0", payack.PayatomDeclined))
	require.Equal(t, payack.ReasonSpliced, g.deliver(t, "ORD10000010", "", payack.PayatomDeclined))
	require.Len(t, g.called, 2)
}

// The joined members of two genuine events may be the same text, and so have the same
// hash. An event that the gateway has confirmed is never rejected as a forgery.
func TestConfirmedIsNeverSpliced(t *testing.T) {
	orders := map[string]string{"user7-order-11": "500", "user7-order-1": "1500"}
	g := newGuarded(t, func(c *middleware.PayatomConfig) { c.Expect, c.Confirm = Expecting(orders, nil), confirms })
	require.Empty(t, g.deliver(t, "user7-order-11", "500", payack.PayatomApproved))
	require.Empty(t, g.deliver(t, "user7-order-1", "1500", payack.PayatomApproved))
	require.Len(t, g.called, 2)

	alone := newGuarded(t, func(c *middleware.PayatomConfig) { c.Expect = Expecting(orders, nil) })
	require.Empty(t, alone.deliver(t, "user7-order-11", "500", payack.PayatomApproved))
	require.Equal(t, payack.ReasonSpliced, alone.deliver(t, "user7-order-1", "1500", payack.PayatomApproved),
		"Expect alone can't tell them apart, as its documentation says")
}

// An unknown status may come from a forgery with moved borders. Such an event is
// delivered as unknown, and must not lock out the genuine event with the same hash.
func TestUnknownStatusBindsNothing(t *testing.T) {
	for name, set := range map[string]func(*middleware.PayatomConfig){
		"Expect": func(c *middleware.PayatomConfig) {
			c.Expect = Expecting(map[string]string{"ORD1000001": "900", "ORD1000001B": "500"}, nil)
		},
		"ExpectInCallback": func(c *middleware.PayatomConfig) { c.ExpectInCallback = true },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuarded(t, set)
			require.Empty(t, g.deliver(t, "ORD1000001", "", "B500Approved"))
			require.False(t, g.called[0].Paid() || g.called[0].Final())
			require.Empty(t, g.deliver(t, "ORD1000001B", "500", payack.PayatomApproved))
			require.Len(t, g.called, 2)

			other := newGuarded(t, set)
			require.Empty(t, other.deliver(t, "ORD1000001B", "500", payack.PayatomApproved))
			require.Empty(t, other.deliver(t, "ORD1000001", "", "B500Approved"), "delivered as unknown, which is neither paid nor final")
			require.False(t, other.called[1].Paid() || other.called[1].Final())
		})
	}
}

// While the callback of one replica compares a forged webhook, another replica asks
// for the genuine one again and does not reject it for good.
func TestForgedInTheCallbackOfAnotherReplica(t *testing.T) {
	store := memstore.New(0)
	replica := func(t *testing.T, fn func() error) (http.Handler, *payack.Observation) {
		var last payack.Observation
		c := payacktest.NewPayatomKeys().Config()
		c.Store, c.Logger = store, slog.New(slog.DiscardHandler)
		c.Observer = payack.ObserverFunc(func(_ context.Context, o *payack.Observation) { last = *o })
		h, err := handlers.NewPayatom(c, func(context.Context, *payack.PayatomEvent) error { return fn() })
		require.NoError(t, err)
		return h, &last
	}
	synctest.Test(t, func(t *testing.T) {
		release := make(chan error)
		first, _ := replica(t, func() error { return <-release })
		second, seen := replica(t, func() error { return nil })
		build := payacktest.Payatom(payacktest.NewPayatomKeys()).Status(payack.PayatomApproved)
		go build.Order("ORD1000001").Amount("7500").Callback(t).Deliver(first)
		synctest.Wait()
		genuine := build.Order("ORD10000017").Amount("500").Callback(t)
		genuine.Deliver(second)
		require.Equal(t, payack.ReasonBusy, seen.Reason)
		release <- payack.ErrUnexpected // the merchant's comparison rejects the forgery
		synctest.Wait()
		genuine.Deliver(second)
		require.Equal(t, payack.OutcomeAccepted, seen.Outcome)
	})
}

// Two accounts of one provider with one store do not share events if their keys have
// different tenants.
func TestAccountsThatShareAStore(t *testing.T) {
	store := memstore.New(0)
	for _, tenant := range []string{"shop-a", "shop-b"} {
		keys := payacktest.FreshPayatomKeys()
		c := keys.Config()
		c.Tenant, c.Store, c.Logger = tenant, store, slog.New(slog.DiscardHandler)
		capture := payacktest.Capture[*payack.PayatomEvent]()
		h, err := handlers.NewPayatom(c, capture.Func)
		require.NoError(t, err)
		payacktest.Payatom(keys).Order("ORD1000001").Amount("500").Callback(t).Deliver(h)
		require.Equal(t, "payatom:v1:"+tenant+":ORD1000001:Approved", capture.One(t).ID())
	}
}

// A callback that verifies and breaks a merchant's rule comes from the provider, so
// it must not use up the provider's rate limit.
func TestInvalidIsNotCharged(t *testing.T) {
	limiter, err := ratelimit.New(ratelimit.Config{PerSecond: 0.001, Burst: 1})
	require.NoError(t, err)
	keys := payacktest.NewPTSKeys()
	c := keys.Config()
	c.Limiter, c.Logger, c.Validate = limiter, slog.New(slog.DiscardHandler), map[string]string{"AcceptCurrency": "eq=PHP"}
	capture := payacktest.Capture[*payack.PTSEvent]()
	h, err := handlers.NewPTS(c, capture.Func)
	require.NoError(t, err)
	for range 3 {
		res := payacktest.PTS(keys).Fresh().Set("accept_currency", "USD").Callback(t).Deliver(h)
		payacktest.Rejected(t, payack.PTS, res)
	}
	payacktest.Accepted(t, payack.PTS, payacktest.PTS(keys).Fresh().Callback(t).Deliver(h))
}

// A handler that panics after it wrote success has settled nothing. The provider must
// get no answer, as without payack, so that it sends again.
func TestPanicAfterSuccessEndsTheConnection(t *testing.T) {
	keys := payacktest.NewPTSKeys()
	c := keys.Config()
	c.Logger = slog.New(slog.DiscardHandler)
	rc, err := middleware.NewPTS(c)
	require.NoError(t, err)
	calls := 0
	s := httptest.NewUnstartedServer(rc.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write([]byte("SUCCESS"))
		if calls++; calls == 1 {
			panic("after the answer")
		}
	})))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.Start()
	defer s.Close()
	cb := payacktest.PTS(keys).Callback(t)
	_, err = cb.Post(t.Context(), s.Client(), s.URL)
	require.Error(t, err, "the connection ends without an answer")
	res, err := cb.Post(t.Context(), s.Client(), s.URL)
	require.NoError(t, err)
	payacktest.Accepted(t, payack.PTS, res)
	require.Equal(t, 2, calls)
}

// A wrapped handler can reject an order as unexpected, as a function can. The receiver
// must then not remember the webhook's hash as that order's, so it accepts the genuine
// webhook with the same hash.
func TestUnexpectedBehindWrap(t *testing.T) {
	w := &Watch{}
	rc, err := middleware.NewPayatom(middleware.PayatomConfig{
		SecretKeys: payack.Secrets(PayatomKey), ExpectInCallback: true, Options: w.Options(),
	})
	require.NoError(t, err)
	var settled []string
	h := rc.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ev, ok := payack.EventFrom[*payack.PayatomEvent](r.Context())
		if !ok || ev.OrderID != "ORD1" {
			require.True(t, middleware.Fail(r.Context(), payack.ErrUnexpected))
			return
		}
		settled = append(settled, ev.OrderID)
	}))
	genuine := Genuine(t, payack.Payatom)
	forged := movedBorders(genuine)["amount times three"]
	AssertContract(t, payack.Payatom, payack.OutcomeRejected, payack.ReasonUnexpected, Send(h, forged))
	require.Equal(t, payack.ReasonUnexpected, w.Last(t).Reason)
	AssertContract(t, payack.Payatom, payack.OutcomeAccepted, "", Send(h, genuine))
	AssertContract(t, payack.Payatom, payack.OutcomeRejected, payack.ReasonSpliced, Send(h, forged))
	require.Equal(t, payack.ReasonSpliced, w.Last(t).Reason)
	require.Equal(t, []string{"ORD1"}, settled)
}

// The content type comes from an unauthenticated sender, so a long one is refused
// without being parsed.
func TestLongContentTypeIsRefusedUnread(t *testing.T) {
	keys := payacktest.NewPTSKeys()
	c := keys.Config()
	c.Logger = slog.New(slog.DiscardHandler)
	h, err := handlers.NewPTS(c, func(context.Context, *payack.PTSEvent) error { return nil })
	require.NoError(t, err)
	r := payacktest.PTS(keys).Flat().Callback(t).Request("/pts")
	r.Header.Set("Content-Type", "application/json"+strings.Repeat("; a=b", 60))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusUnsupportedMediaType, w.Code)
}

// failsAfter is a store that fails from the nth claim on.
type failsAfter struct {
	payack.Store
	n int
}

func (s *failsAfter) Claim(ctx context.Context, id, fingerprint string, lease time.Duration) (payack.Claim, error) {
	if s.n--; s.n < 0 {
		return payack.Claim{}, errors.New("gone")
	}
	return s.Store.Claim(ctx, id, fingerprint, lease)
}

// An event takes several claims, as a guard against moved borders. If the store fails
// after some of them and the receiver may go on without a store, these claims must
// stay.
func TestStoreThatFailsInTheMiddleOfTheGuard(t *testing.T) {
	for n := 1; n <= 3; n++ {
		store := &failsAfter{memstore.New(0), n}
		g := newGuarded(t, func(c *middleware.PayatomConfig) {
			c.ExpectInCallback, c.Store, c.InsecureProcessWithoutStore = true, store, true
		})
		require.Empty(t, g.deliver(t, "ORD1000001", "500", payack.PayatomApproved))
		store.n = 10
		require.Empty(t, g.deliver(t, "ORD1000001", "500", payack.PayatomApproved))
		require.Equal(t, payack.OutcomeDuplicate, g.last.Outcome, "the store failed at claim %d", n+1)
		require.Len(t, g.called, 1)
	}
}
