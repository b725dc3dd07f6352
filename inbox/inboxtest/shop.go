package inboxtest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/payacktest"
)

const ms = time.Millisecond

var errShop = errors.New("the shop's own error")

// shop is a merchant with receivers of two providers on one engine.
type shop struct {
	*testing.T
	open func() Engine
	in   Engine
	pts  http.Handler
	atom http.Handler

	mu      sync.Mutex
	settle  func(ev payack.Event) error
	confirm func(ref string) error
	calls   []string
	seen    []payack.Observation
}

func newShop(t *testing.T, open func() Engine) *shop {
	s := &shop{T: t, open: open}
	s.start()
	return s
}

// start opens an engine and mounts the receivers, as after a restart.
func (s *shop) start() {
	s.Helper()
	s.in = s.open()
	s.Cleanup(func() { s.in.Close() })
	options := func(name string) handlers.Options {
		return handlers.Options{Inbox: s.in, Name: name, Observer: s, Logger: slog.New(slog.DiscardHandler)}
	}
	pts := payacktest.NewPTSKeys().Config()
	pts.Options = options("pts")
	h, err := handlers.NewPTS(pts, func(_ context.Context, ev *payack.PTSEvent) error { return s.call(ev) })
	s.must(err)
	s.pts = h
	atom := payacktest.NewPayatomKeys().Config()
	atom.ExpectInCallback, atom.Confirm, atom.Options = false, s.ask, options("payatom")
	h, err = handlers.NewPayatom(atom, func(_ context.Context, ev *payack.PayatomEvent) error { return s.call(ev) })
	s.must(err)
	s.atom = h
}

func (s *shop) call(ev payack.Event) error {
	s.mu.Lock()
	fn := s.settle
	s.mu.Unlock()
	if fn != nil {
		if err := fn(ev); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, ev.ID())
	return nil
}

func (s *shop) ask(_ context.Context, ev *payack.PayatomEvent) (*payack.Confirmation, error) {
	s.mu.Lock()
	fn := s.confirm
	s.mu.Unlock()
	if fn != nil {
		if err := fn(ev.Unsigned.RefCode.String()); err != nil {
			return nil, err
		}
	}
	return &payack.Confirmation{Paid: true, Status: "Approved"}, nil
}

// Observe implements payack.Observer.
func (s *shop) Observe(_ context.Context, o *payack.Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, *o)
}

func (s *shop) attempts() (out []payack.Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.seen {
		if o.Attempt > 0 {
			out = append(out, o)
		}
	}
	return out
}

func (s *shop) settled() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

func (s *shop) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *shop) is(got, want any, what string) {
	s.Helper()
	if got != want {
		s.Errorf("%s: it is %v and should be %v", what, got, want)
	}
}

// pay delivers a callback of PTS, and ref delivers one of Payatom. Both return
// the outcome of the request.
func (s *shop) pay(order string, status payack.PTSStatus, more ...string) payack.Outcome {
	s.Helper()
	b := payacktest.PTS(payacktest.NewPTSKeys()).Order(order).Status(status)
	for i := 0; i+1 < len(more); i += 2 {
		b = b.Set(more[i], more[i+1])
	}
	return s.deliver(s.pts, b.Callback(s), "192.0.2.1")
}

func (s *shop) ref(order, ref, from string) payack.Outcome {
	s.Helper()
	return s.deliver(s.atom, payacktest.Payatom(payacktest.NewPayatomKeys()).Order(order).Set("ref_code", ref).Callback(s), from)
}

// refund delivers a refund of Payatom, whose amount is not signed.
func (s *shop) refund(order, amount string) payack.Outcome {
	s.Helper()
	b := payacktest.Payatom(payacktest.NewPayatomKeys()).Order(order).Status(payack.PayatomRefundCompleted)
	return s.deliver(s.atom, b.SetJSON("refund_info", `{"refund_amount":"`+amount+`"}`).Callback(s), "192.0.2.1")
}

func (s *shop) deliver(h http.Handler, cb payacktest.Callback, from string) payack.Outcome {
	r := cb.Request("/")
	r.RemoteAddr = from + ":1"
	h.ServeHTTP(httptest.NewRecorder(), r)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range slices.Backward(s.seen) {
		if o.Attempt == 0 {
			return o.Outcome
		}
	}
	return ""
}

func (s *shop) drain() {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 30*time.Second)
	defer cancel()
	s.must(s.in.Drain(ctx))
}

// untilEnded drains until all rows have ended.
func (s *shop) untilEnded() {
	s.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * ms) {
		s.drain()
		stats, err := s.in.Stats(s.Context())
		s.must(err)
		if stats.Pending+stats.Running == 0 {
			return
		}
		if time.Now().After(end) {
			s.Fatalf("rows still wait: %+v", stats)
		}
	}
}

func (s *shop) items() []inbox.Item {
	s.Helper()
	items, err := s.in.List(s.Context(), inbox.Filter{}, 0, 1000)
	s.must(err)
	slices.Reverse(items)
	return items
}

// states asserts the states of all rows, the oldest first.
func (s *shop) states(want ...inbox.State) {
	s.Helper()
	var got []inbox.State
	for _, i := range s.items() {
		got = append(got, i.State)
	}
	if !slices.Equal(got, want) {
		s.Errorf("the rows are %v and should be %v", got, want)
	}
}
