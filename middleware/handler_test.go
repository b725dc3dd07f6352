package middleware_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/store/memstore"
	"github.com/payack/payack/verify"
)

// desk is a receiver of Payatom webhooks that records its observations and log lines.
// Tests send it requests, or run only the second half with the method process.
type desk struct {
	*watch
	h *middleware.Handler
}

func newDesk(t testing.TB, change func(*middleware.PayatomConfig), fn func(context.Context, *payack.PayatomEvent) error) *desk {
	t.Helper()
	d := &desk{watch: newWatch()}
	c := middleware.PayatomConfig{SecretKeys: payack.Secrets(payatomKey), ExpectInCallback: true, Options: d.options()}
	if change != nil {
		change(&c)
	}
	rc, err := middleware.NewPayatom(c)
	require.NoError(t, err)
	d.h, err = middleware.Handle(rc, fn)
	require.NoError(t, err)
	return d
}

// kept returns the delivery of a genuine webhook as a worker gets it: verified by
// another receiver, answered, encoded and decoded.
func kept(t testing.TB, orderID, amount, status string) *payack.Delivery {
	t.Helper()
	var d payack.Delivery
	first := newDesk(t, nil, func(ctx context.Context, _ *payack.PayatomEvent) error {
		seen, ok := payack.DeliveryFrom(ctx)
		require.True(t, ok)
		d = *seen
		return nil
	})
	require.Contains(t, serve(first.h, payatomRequest(t, orderID, amount, status)).Body.String(), `"yes"`)
	encoded, err := payack.EncodeEvent(d.Event)
	require.NoError(t, err)
	d.Event, err = payack.DecodeEvent(encoded)
	require.NoError(t, err)
	return &d
}

// process runs the second half in its own goroutine and observes it.
func (d *desk) process(t testing.TB, del *payack.Delivery) (payack.Observation, error) {
	t.Helper()
	var o payack.Observation
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done) // the function may end the goroutine
		err = d.h.Process(context.Background(), del, &o)
	}()
	<-done
	d.h.Observe(context.Background(), &o)
	assert.Equal(t, o.Outcome, d.last(t).Outcome)
	return o, err
}

func TestSecondHalfOnceOnly(t *testing.T) {
	calls := 0
	d := newDesk(t, nil, func(ctx context.Context, ev *payack.PayatomEvent) error {
		calls++
		seen, ok := payack.DeliveryFrom(ctx)
		assert.True(t, ok)
		assert.Equal(t, "/payatom", seen.Path)
		assert.Same(t, ev, seen.Event)
		_, ok = ctx.Deadline()
		assert.True(t, ok)
		if calls == 1 {
			return errMerchant
		}
		return nil
	})
	del := kept(t, "ORD1", "500", "Approved")
	for _, want := range []struct {
		outcome payack.Outcome
		reason  payack.Reason
	}{{payack.OutcomeFailed, payack.ReasonCallback}, {payack.OutcomeAccepted, ""}, {payack.OutcomeDuplicate, ""}} {
		o, err := d.process(t, del)
		assert.Equal(t, want.outcome, o.Outcome)
		assert.Equal(t, want.reason, o.Reason)
		assert.Equal(t, want.reason == "", err == nil)
		assert.Equal(t, "payatom:v1::ORD1:Approved", o.EventID)
		assert.Equal(t, payack.SchemeLiteral, o.Scheme)
		assert.Same(t, del, o.Delivery)
		assert.Zero(t, o.Status, "nobody is answered")
		assert.Positive(t, o.Took.Total)
	}
	assert.Equal(t, 2, calls)
	logged := d.deliveries(t)
	require.Len(t, logged, 3)
	for _, line := range logged {
		assert.NotContains(t, line, "status", "nobody is answered")
	}
	// Requests and workers use the same claims.
	assert.Contains(t, serve(d.h, payatomRequest(t, "ORD1", "500", "Late Approved")).Body.String(), `"yes"`)
	assert.Equal(t, payack.OutcomeDuplicate, d.last(t).Outcome)
	assert.Contains(t, serve(d.h, payatomRequest(t, "ORD1", "300", "Approved")).Body.String(), `"HashMatched","acknowledge":"no"`)
	assert.Equal(t, payack.ReasonConflict, d.last(t).Reason)
	o, err := d.process(t, kept(t, "ORD1", "300", "Approved"))
	require.ErrorIs(t, err, payack.ErrConflict)
	assert.Equal(t, payack.OutcomeRejected, o.Outcome)
}

func TestSecondHalfMemoryOfHashes(t *testing.T) {
	d := newDesk(t, func(c *middleware.PayatomConfig) {
		c.ExpectInCallback = false
		c.Match = func(payack.Amount, payack.Amount) bool { return true }
		c.Expect = func(_ context.Context, ev *payack.PayatomEvent) (payack.Expectation, error) {
			return payack.Expectation{Found: true, Amount: payack.NewAmount("500"), RefCode: "b73ea664"}, nil
		}
	}, func(_ context.Context, ev *payack.PayatomEvent) error {
		require.True(t, ev.Expected.Found)
		assert.Equal(t, "b73ea664", ev.Expected.RefCode)
		if ev.OrderID == "ORD1" {
			return errMerchant
		}
		return nil
	})
	// The hash of an event that passed Expect stays bound to the event when the
	// function fails.
	_, err := d.process(t, kept(t, "ORD1", "505", "Approved"))
	require.ErrorIs(t, err, errMerchant)
	o, err := d.process(t, kept(t, "ORD150", "5", "Approved"))
	require.ErrorIs(t, err, payack.ErrSpliced)
	assert.Equal(t, payack.OutcomeRejected, o.Outcome)
}

func TestSecondHalfConfirms(t *testing.T) {
	var said error
	asked := 0
	d := newDesk(t, func(c *middleware.PayatomConfig) {
		c.ExpectInCallback = false
		c.Confirm = func(context.Context, *payack.PayatomEvent) (*payack.Confirmation, error) {
			asked++
			if said != nil {
				return nil, said
			}
			return &payack.Confirmation{Paid: true, Status: "Approved"}, nil
		}
	}, func(_ context.Context, ev *payack.PayatomEvent) error {
		require.NotNil(t, ev.Confirmed)
		return nil
	})
	del := kept(t, "ORD1", "500", "Approved")
	for _, tc := range []struct {
		said   error
		reason payack.Reason
		asked  int
	}{
		{errMerchant, payack.ReasonUnreachable, 1}, {payack.ErrUnconfirmed, payack.ReasonUnconfirmed, 2},
		{nil, "", 3}, {errMerchant, "", 3}, // the provider is not asked about a duplicate
	} {
		said = tc.said
		o, _ := d.process(t, del)
		assert.Equal(t, tc.reason, o.Reason)
		assert.Equal(t, tc.asked, asked)
	}
}

func TestSecondHalfThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slip func(context.Context) error
		d := newDesk(t, func(c *middleware.PayatomConfig) { c.Deadline = time.Second },
			func(ctx context.Context, _ *payack.PayatomEvent) error { return slip(ctx) })
		del := kept(t, "ORD1", "500", "Approved")
		time.Sleep(24 * time.Hour) // the deadline counts from the processing, not from the arrival
		for name, tc := range map[string]struct {
			slip   func(context.Context) error
			reason payack.Reason
		}{
			"panic":           {func(context.Context) error { panic("slip") }, payack.ReasonPanic},
			"ErrAbortHandler": {func(context.Context) error { panic(http.ErrAbortHandler) }, payack.ReasonPanic},
			"Goexit":          {func(context.Context) error { runtime.Goexit(); return nil }, payack.ReasonPanic},
			"deadline": {func(ctx context.Context) error {
				<-ctx.Done()
				return ctx.Err()
			}, payack.ReasonDeadline},
			"not mine": {func(context.Context) error { return payack.ErrUnexpected }, payack.ReasonUnexpected},
		} {
			slip = tc.slip
			o, err := d.process(t, del)
			assert.Equal(t, tc.reason, o.Reason, name)
			if name != "Goexit" { // Goexit does not return
				require.Error(t, err, name)
			}
			if name == "panic" {
				assert.Contains(t, o.Stack, "TestSecondHalfThatFails")
			}
			assert.Equal(t, "payatom:v1::ORD1:Approved", o.EventID, name)
		}
		slip = func(context.Context) error { return nil }
		o, err := d.process(t, del)
		require.NoError(t, err)
		assert.Equal(t, payack.OutcomeAccepted, o.Outcome, "each time everything was given up")
	})
}

// Cancelling the worker's context does not interrupt a settlement.
func TestSecondHalfOutlivesItsContext(t *testing.T) {
	d := newDesk(t, nil, func(ctx context.Context, _ *payack.PayatomEvent) error {
		assert.Equal(t, "of the worker", ctx.Value(valueKey{}))
		return ctx.Err()
	})
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), valueKey{}, "of the worker"))
	cancel()
	var o payack.Observation
	require.NoError(t, d.h.Process(ctx, kept(t, "ORD1", "500", "Approved"), &o))
	assert.Equal(t, payack.OutcomeAccepted, o.Outcome)
}

func TestSecondHalfNeedsAnEventOfItsOwn(t *testing.T) {
	d := newDesk(t, nil, func(context.Context, *payack.PayatomEvent) error { return nil })
	for _, del := range []*payack.Delivery{nil, {}, {Event: &payack.PtopEvent{}}} {
		var o payack.Observation
		require.ErrorContains(t, d.h.Process(t.Context(), del, &o), "no verified event of this provider")
	}
}

// No claim is held while the provider is asked about an event. A copy of a webhook
// with another ref_code can't keep the genuine one out.
func TestNothingIsClaimedWhileTheProviderIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		d := newDesk(t, func(c *middleware.PayatomConfig) {
			c.ExpectInCallback = false
			c.Confirm = func(_ context.Context, ev *payack.PayatomEvent) (*payack.Confirmation, error) {
				if ev.Unsigned.RefCode.String() == "squat" {
					<-hang
					return nil, payack.ErrUnconfirmed
				}
				return &payack.Confirmation{Paid: true, Status: "Approved"}, nil
			}
		}, func(context.Context, *payack.PayatomEvent) error { return nil })
		squat := kept(t, "ORD1", "500", "Approved")
		squat.Event.(*payack.PayatomEvent).Unsigned.RefCode = payack.NewText("squat")
		answered := make(chan error)
		go func() {
			var o payack.Observation
			answered <- d.h.Process(context.Background(), squat, &o)
		}()
		synctest.Wait()
		assert.Contains(t, serve(d.h, payatomRequest(t, "ORD1", "500", "Approved")).Body.String(), `"yes"`)
		close(hang)
		require.ErrorIs(t, <-answered, payack.ErrUnconfirmed)
	})
}

// An event in flight is busy for every receiver whose store returns the same Home, even
// if the store is wrapped, and for no other receiver. An empty Home equals no other.
func TestInFlightIsByTheStoresHome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New(0)
		inside, goOn := make(chan struct{}), make(chan struct{})
		slow := ptopHandler(t, middleware.Options{Store: store, Deadline: time.Second, Lease: 2 * time.Second}, func(context.Context, *payack.PtopEvent) error {
			close(inside)
			<-goOn
			return nil
		})
		c := &counter{}
		same := ptopHandler(t, middleware.Options{Store: struct{ payack.Store }{store}}, c.accept)
		other := ptopHandler(t, middleware.Options{}, c.accept)
		unnamed := ptopHandler(t, middleware.Options{Store: everClaimed{}}, c.accept)
		unnamedToo := ptopHandler(t, middleware.Options{Store: everClaimed{}}, c.accept)
		answered := make(chan int)
		go func() { answered <- serve(slow, ptopRequest(t, "T1")).Code }()
		<-inside
		time.Sleep(time.Minute) // the lease has ended
		assert.Equal(t, http.StatusServiceUnavailable, serve(same, ptopRequest(t, "T1")).Code)
		assert.Equal(t, http.StatusOK, serve(other, ptopRequest(t, "T1")).Code)
		assert.Equal(t, http.StatusOK, serve(unnamed, ptopRequest(t, "T1")).Code)
		assert.Equal(t, http.StatusOK, serve(unnamedToo, ptopRequest(t, "T1")).Code)
		assert.Equal(t, 3, c.get())
		close(goOn)
		assert.Equal(t, http.StatusOK, <-answered)
		assert.Equal(t, http.StatusOK, serve(same, ptopRequest(t, "T1")).Code)
		assert.Equal(t, 3, c.get(), "a duplicate")
	})
}

// The event is looked up in the store only if the provider is asked about it.
func TestLookupOnlyBeforeAQuestion(t *testing.T) {
	for name, tc := range map[string]struct {
		confirm bool
		body    string
		want    []string
	}{
		"nobody":  {false, ptopBody("T1"), []string{"claim " + ptopID("T1"), "commit " + ptopID("T1")}},
		"confirm": {true, ptopBody("T1"), []string{"lookup " + ptopID("T1"), "claim " + ptopID("T1"), "commit " + ptopID("T1")}},
	} {
		store := newRecordingStore()
		c := middleware.PtopConfig{SigningKeys: payack.Secrets(ptopKey), ConfirmInCallback: !tc.confirm, Options: middleware.Options{Store: store}}
		if tc.confirm {
			c.Confirm = func(context.Context, *payack.PtopEvent) (*payack.Confirmation, error) {
				return &payack.Confirmation{Paid: true, Status: "1"}, nil
			}
		}
		h, err := middleware.Handle(ptopConfigured(t, c), acceptAll)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, serve(h, ptopRequest(t, "T1")).Code, name)
		assert.Equal(t, tc.want, store.calls, name)
	}
}

// A function can commit the claims in its own transaction and call Committed. The
// receiver then neither commits nor releases them.
func TestCommittedElsewhere(t *testing.T) {
	for _, confirmed := range []bool{false, true} {
		store := newRecordingStore()
		var claims []payack.HeldClaim
		d := newDesk(t, func(c *middleware.PayatomConfig) {
			c.Store = store
			if confirmed {
				c.ExpectInCallback = false
				c.Confirm = func(context.Context, *payack.PayatomEvent) (*payack.Confirmation, error) {
					return &payack.Confirmation{Paid: true}, nil
				}
			}
		}, func(ctx context.Context, ev *payack.PayatomEvent) error {
			held, ok := payack.HeldFrom(ctx)
			require.True(t, ok)
			assert.Same(t, store, held.Store())
			claims = held.Claims()
			for _, c := range claims {
				require.NoError(t, store.Store.Commit(ctx, c.ID, c.Token))
			}
			held.Committed()
			return nil
		})
		assert.Contains(t, serve(d.h, payatomRequest(t, "ORD1", "500", "Approved")).Body.String(), `"yes"`)
		o := d.last(t)
		require.NoError(t, o.Err, "nothing is reported as unrecorded")
		text := "payatom-splice:v1:text0:ORD1500Approved"
		if confirmed { // the text was bound before the function was called
			require.Len(t, claims, 1)
			assert.Equal(t, []string{"lookup " + o.EventID, "claim " + o.EventID, "claim " + text, "commit " + text}, store.calls)
		} else {
			require.Len(t, claims, 2, "the lock is not to be committed")
			lock := "payatom-splice:v1:lock0:ORD1500Approved"
			assert.Equal(t, []string{"claim " + o.EventID, "claim " + lock, "claim " + text, "release " + lock}, store.calls)
			assert.Equal(t, payack.HeldClaim{ID: text, Fingerprint: "ORD1", Token: claims[1].Token}, claims[1])
		}
		assert.Equal(t, o.EventID, claims[0].ID)
		assert.Equal(t, "500", claims[0].Fingerprint)
		serve(d.h, payatomRequest(t, "ORD1", "500", "Approved"))
		assert.Equal(t, payack.OutcomeDuplicate, d.last(t).Outcome)
	}
}

// picky is a callback that accepts only one kind of store.
type picky func(context.Context, *payack.PtopEvent) error

func (picky) CheckStore(s payack.Store) error {
	if _, ok := s.(*recordingStore); !ok {
		return errors.New("it commits in a recording store; set Options.Store to one")
	}
	return nil
}

func TestFunctionsThatNeedACertainStore(t *testing.T) {
	_, err := middleware.Handle(ptopReceiver(t, middleware.Options{}), picky(acceptAll))
	require.EqualError(t, err, "payack: ptop: it commits in a recording store; set Options.Store to one")
	h, err := middleware.Handle(ptopReceiver(t, middleware.Options{Store: newRecordingStore()}), picky(acceptAll))
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, serve(h, ptopRequest(t, "T1")).Code)
}

func TestNilReceiver(t *testing.T) {
	_, err := middleware.Handle[*payack.PtopEvent](nil, acceptAll)
	require.ErrorContains(t, err, "the receiver is nil")
	_, err = middleware.Handle(&middleware.Receiver[*payack.PtopEvent]{}, acceptAll)
	require.ErrorContains(t, err, "the receiver is nil")
	for _, rc := range []*middleware.Receiver[*payack.PtopEvent]{nil, {}} {
		assert.PanicsWithValue(t, "payack: Wrap: the receiver is nil; look at the error that its constructor returned", func() { rc.Wrap(http.NotFoundHandler()) })
	}
	rc := ptopReceiver(t, middleware.Options{})
	for name, h := range map[string]http.Handler{"nil": nil, "of a constructor that failed": (*middleware.Handler)(nil), "a function": http.HandlerFunc(nil)} {
		assert.PanicsWithValue(t, "payack: Wrap: the wrapped handler is nil; give the handler that settles an event", func() { rc.Wrap(h) }, name)
	}
}

// No method panics when it gets a nil delivery or a nil observation.
func TestNilDeliveries(t *testing.T) {
	h, err := middleware.Handle(ptopReceiver(t, middleware.Options{}), acceptAll)
	require.NoError(t, err)
	require.ErrorIs(t, h.Process(t.Context(), nil, nil), payack.ErrInvalid)
	h.Observe(t.Context(), nil)
	_, _, err = h.Verifier(t.Context(), nil)
	require.NoError(t, err)
	explained, err := h.Explain(t.Context(), nil)
	require.NoError(t, err)
	require.ErrorIs(t, explained.Err, payack.ErrMalformed)
}

func TestStoreCheckerNeedsTheStore(t *testing.T) {
	rc := ptopReceiver(t, middleware.Options{Store: newRecordingStore(), InsecureProcessWithoutStore: true})
	_, err := middleware.Handle(rc, picky(acceptAll))
	require.ErrorContains(t, err, "InsecureProcessWithoutStore: the callback commits in the store")
}

type pinging struct {
	payack.Store
	err error
}

func (p pinging) Ping(context.Context) error { return p.err }

func TestHealthy(t *testing.T) {
	for want, store := range map[string]payack.Store{
		"": memstore.New(0),
		"payack: ptop: the store does not answer: connection refused": pinging{memstore.New(0), errors.New("connection refused")},
	} {
		h, err := middleware.Handle(ptopReceiver(t, middleware.Options{Store: store}), acceptAll)
		require.NoError(t, err)
		assert.Equal(t, payack.Ptop, h.Provider())
		assert.Equal(t, store, h.Store())
		if err := h.Healthy(t.Context()); want == "" {
			require.NoError(t, err)
		} else {
			require.EqualError(t, err, want)
		}
	}
}

// attemptTracer puts a value into the context, and records how attempts end.
type attemptTracer struct {
	payack.Observer
	start func()
	ends  []payack.Outcome
}

type tracedKey struct{}

func (a *attemptTracer) StartAttempt(ctx context.Context, d *payack.Delivery) (context.Context, func(*payack.Observation)) {
	a.start()
	return context.WithValue(ctx, tracedKey{}, d.Event.Order()), func(o *payack.Observation) {
		a.ends = append(a.ends, o.Outcome)
		a.start()
	}
}

// A tracer is called for every attempt. If it panics, the event is settled all the
// same.
func TestAttemptsAreTraced(t *testing.T) {
	for name, slip := range map[string]bool{"as usual": false, "it panics": true} {
		t.Run(name, func(t *testing.T) {
			tracer := &attemptTracer{start: func() {}}
			if slip {
				tracer.start = func() { panic("slip") }
			}
			var seen []any
			d := newDesk(t, func(c *middleware.PayatomConfig) {
				tracer.Observer = c.Observer
				c.Observer = tracer
			}, func(ctx context.Context, ev *payack.PayatomEvent) error {
				seen = append(seen, ctx.Value(tracedKey{}))
				if ev.OrderID == "ORD2" {
					runtime.Goexit()
				}
				return nil
			})
			_, err := d.process(t, kept(t, "ORD1", "500", "Approved"))
			require.NoError(t, err)
			_, err = d.process(t, kept(t, "ORD2", "500", "Approved"))
			require.NoError(t, err, "the function ended the goroutine")
			if slip {
				assert.Equal(t, []any{nil, nil}, seen)
				assert.Empty(t, tracer.ends)
				assert.Contains(t, d.log.String(), "the observer panicked")
				return
			}
			assert.Equal(t, []any{"ORD1", "ORD2"}, seen)
			assert.Equal(t, []payack.Outcome{payack.OutcomeAccepted, payack.OutcomeFailed}, tracer.ends)
		})
	}
}

// Explaining a recorded delivery does not process it.
func TestExplainOfAHandler(t *testing.T) {
	d := newDesk(t, nil, func(context.Context, *payack.PayatomEvent) error { t.Error("called"); return nil })
	del := kept(t, "ORD1", "500", "Approved")
	told, err := d.h.Explain(t.Context(), del)
	require.NoError(t, err)
	require.NoError(t, told.Err)
	assert.Equal(t, "ORD1", told.Event.Order())
	del.Body += " "
	del.Header.Set("Content-Type", "text/html")
	told, err = d.h.Explain(t.Context(), del)
	require.NoError(t, err)
	require.ErrorIs(t, told.Err, payack.ErrMalformed)
	assert.Zero(t, d.count())
}

// An error that is a nil pointer panics when it is printed. The delivery is
// answered, logged and observed all the same, with and without a request.
func TestErrorThatPanicsWhenItIsPrinted(t *testing.T) {
	d := newDesk(t, nil, func(context.Context, *payack.PayatomEvent) error { return (*panickingError)(nil) })
	assert.Contains(t, serve(d.h, payatomRequest(t, "ORD1", "500", "Approved")).Body.String(), `"HashMatched","acknowledge":"no"`)
	o := d.last(t)
	assert.Equal(t, payack.OutcomeFailed, o.Outcome)
	assert.NotEmpty(t, o.Err.Error())
	assert.Len(t, d.deliveries(t), 1)
	seen, err := d.process(t, kept(t, "ORD1", "500", "Approved"))
	require.Error(t, err)
	assert.Equal(t, payack.OutcomeFailed, seen.Outcome)
}

type panickingError struct{ text string }

func (e *panickingError) Error() string { return e.text }

// While the callback runs for one event, another event with the same hash is busy
// in this process, even after the lease of the first has ended.
func TestHashIsBusyBeyondTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inside, goOn := make(chan struct{}), make(chan struct{})
		d := newDesk(t, func(c *middleware.PayatomConfig) { c.Deadline, c.Lease = time.Second, 2*time.Second },
			func(_ context.Context, ev *payack.PayatomEvent) error {
				if ev.OrderID == "ORD1" {
					close(inside)
					<-goOn
				}
				return nil
			})
		answered := make(chan string)
		go func() { answered <- serve(d.h, payatomRequest(t, "ORD1", "505", "Approved")).Body.String() }()
		<-inside
		time.Sleep(time.Minute)
		serve(d.h, payatomRequest(t, "ORD150", "5", "Approved"))
		assert.Equal(t, payack.ReasonBusy, d.last(t).Reason)
		close(goOn)
		assert.Contains(t, <-answered, `"yes"`)
		d.last(t)
		serve(d.h, payatomRequest(t, "ORD150", "5", "Approved"))
		assert.Equal(t, payack.ReasonSpliced, d.last(t).Reason)
	})
}

// The hash is bound before its event is marked done. So once an event is done, its
// hash is bound.
func TestEventIsCommittedLast(t *testing.T) {
	store := newRecordingStore()
	d := newDesk(t, func(c *middleware.PayatomConfig) { c.Store = store }, func(context.Context, *payack.PayatomEvent) error { return nil })
	serve(d.h, payatomRequest(t, "ORD1", "500", "Approved"))
	var commits []string
	for _, call := range store.calls {
		if id, ok := strings.CutPrefix(call, "commit "); ok {
			commits = append(commits, id)
		}
	}
	assert.Equal(t, []string{"payatom-splice:v1:text0:ORD1500Approved", "payatom:v1::ORD1:Approved"}, commits)
}

// If the deadline has passed before the store is asked, the store has not failed.
// So InsecureProcessWithoutStore does not apply.
func TestStoreThatIsAskedTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, without := range []bool{false, true} {
			called := 0
			d := newDesk(t, func(c *middleware.PayatomConfig) {
				c.ExpectInCallback, c.Deadline, c.InsecureProcessWithoutStore = false, time.Second, without
				c.Expect = func(context.Context, *payack.PayatomEvent) (payack.Expectation, error) {
					time.Sleep(2 * time.Second)
					return payack.Expectation{Found: true, Amount: payack.NewAmount("500")}, nil
				}
			}, func(context.Context, *payack.PayatomEvent) error { called++; return nil })
			serve(d.h, payatomRequest(t, "ORD1", "500", "Approved"))
			assert.Equal(t, payack.ReasonDeadline, d.last(t).Reason)
			assert.Zero(t, called)
		}
	})
}

// Expect is called before anything is claimed, so HeldFrom finds nothing there.
func TestHeldInTheFunctionOnly(t *testing.T) {
	asked := 0
	d := newDesk(t, func(c *middleware.PayatomConfig) {
		c.ExpectInCallback = false
		c.Expect = func(ctx context.Context, _ *payack.PayatomEvent) (payack.Expectation, error) {
			asked++
			_, ok := payack.HeldFrom(ctx)
			assert.False(t, ok)
			return payack.Expectation{Found: true, Amount: payack.NewAmount("500")}, nil
		}
	}, func(ctx context.Context, _ *payack.PayatomEvent) error {
		_, ok := payack.HeldFrom(ctx)
		assert.True(t, ok)
		return nil
	})
	assert.Contains(t, serve(d.h, payatomRequest(t, "ORD1", "500", "Approved")).Body.String(), `"yes"`)
	assert.Equal(t, 1, asked)
}

func TestBodyMustLeaveTimeForTheCallback(t *testing.T) {
	_, err := middleware.NewPtop(middleware.PtopConfig{SigningKeys: payack.Secrets(ptopKey), ConfirmInCallback: true,
		Options: middleware.Options{ReadTimeout: time.Second, Deadline: time.Second}})
	require.ErrorContains(t, err, "ReadTimeout")
	ptopReceiver(t, middleware.Options{Deadline: time.Second}) // the default ReadTimeout fits
}

// The merchant's own Confirm is called for events that were found by asking, too:
// it may check what the provider doesn't know.
func TestFoundEventsAreConfirmed(t *testing.T) {
	yes, no := &payack.Confirmation{Paid: true, Status: "Approved"}, &payack.Confirmation{Status: "Declined"}
	for _, tc := range []struct {
		name   string
		source payack.Source
		said   *payack.Confirmation
	}{
		{"found by asking, with the answer", payack.SourceQuery, yes},
		{"found by asking, from an inbox, which keeps no answer", payack.SourceQuery, nil},
		{"found by asking, with an answer that denies it", payack.SourceQuery, no},
		{"a callback that has an answer already", payack.SourceCallback, yes},
	} {
		t.Run(tc.name, func(t *testing.T) {
			asked := 0
			var seen *payack.Confirmation
			d := newDesk(t, func(c *middleware.PayatomConfig) {
				c.ExpectInCallback = false
				c.Confirm = func(context.Context, *payack.PayatomEvent) (*payack.Confirmation, error) {
					asked++
					return &payack.Confirmation{Paid: true, Status: "asked again"}, nil
				}
			}, func(_ context.Context, ev *payack.PayatomEvent) error {
				seen = ev.Confirmed
				return nil
			})
			del := kept(t, "ORD1", "500", "Approved")
			del.Source = tc.source
			del.Event.(*payack.PayatomEvent).Confirmed = tc.said
			var o payack.Observation
			require.NoError(t, d.h.Deliver(t.Context(), del, &o))
			assert.Equal(t, 1, asked)
			assert.Equal(t, payack.OutcomeAccepted, o.Outcome)
			assert.Equal(t, "asked again", seen.Status)
			o.Age = 90 * time.Second
			d.h.Observe(t.Context(), &o)
			line := d.lines(t)[0]
			if tc.source == payack.SourceQuery {
				assert.Equal(t, "payack: query accepted", line["msg"])
				assert.EqualValues(t, 90*time.Second, line["age"])
			} else {
				assert.Equal(t, "payack: callback accepted", line["msg"])
				assert.NotContains(t, line, "age")
			}
		})
	}
}

func TestTenantOfAHandler(t *testing.T) {
	static := newDesk(t, func(c *middleware.PayatomConfig) { c.Tenant = "shop" }, func(context.Context, *payack.PayatomEvent) error { return nil })
	tenant, ok := static.h.Tenant()
	assert.Equal(t, "shop", tenant)
	assert.True(t, ok)
	rc := ptopConfigured(t, middleware.PtopConfig{ConfirmInCallback: true,
		KeyFunc: func(context.Context, *http.Request) (*verify.PtopKeys, error) { return nil, payack.ErrUnknownTenant }})
	h, err := middleware.Handle(rc, acceptAll)
	require.NoError(t, err)
	_, ok = h.Tenant()
	assert.False(t, ok, "each request has its own")
}
