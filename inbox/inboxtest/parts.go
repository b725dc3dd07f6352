package inboxtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/inbox"
)

// parts are the promises of package inbox, each tested by one function.
var parts = []struct {
	name string
	run  func(s *shop)
}{
	{"KeptThenProcessedOnce", func(s *shop) {
		s.is(s.pay("A", payack.PTSSuccess), payack.OutcomeAccepted, "the first delivery")
		s.is(s.settled(), 0, "calls before anything is processed")
		s.is(s.pay("A", payack.PTSSuccess), payack.OutcomeDuplicate, "one that waits")
		s.drain()
		s.is(s.pay("A", payack.PTSSuccess), payack.OutcomeDuplicate, "one that is done")
		s.drain()
		s.states(inbox.Done)
		s.is(s.settled(), 1, "calls")
	}},
	{"SurvivesARestart", func(s *shop) {
		s.pay("A", payack.PTSSuccess)
		s.must(s.in.Close())
		s.start()
		s.drain()
		s.is(s.settled(), 1, "calls")
	}},
	{"TriedAgain", func(s *shop) {
		n := 0
		s.settle = func(payack.Event) error {
			if n++; n < 3 {
				return errShop
			}
			return nil
		}
		s.pay("A", payack.PTSSuccess)
		s.untilEnded()
		s.states(inbox.Done)
		for i, o := range s.attempts() {
			s.is(o.Attempt, i+1, "the number of the attempt")
			s.is(o.Next.IsZero(), i == 2, "there is no next attempt")
		}
		record, err := s.in.Get(s.Context(), s.items()[0].ID)
		s.must(err)
		s.is(len(record.Log), 3, "recorded attempts")
		s.is(record.Log[2].Reason, payack.ReasonCallback, "the reason of the first")
	}},
	{"GivenUp", func(s *shop) {
		s.settle = func(payack.Event) error { return errShop }
		s.pay("A", payack.PTSSuccess)
		s.untilEnded()
		s.states(inbox.Dead)
		seen := s.attempts()
		s.is(len(seen), 3, "attempts")
		s.is(seen[len(seen)-1].Dead, true, "the last is observed as dead")
	}},
	{"DeadAtOnce", func(s *shop) {
		s.confirm = func(string) error { return payack.ErrUnconfirmed }
		s.ref("A", "r", "192.0.2.1")
		s.drain()
		s.states(inbox.Dead)
		s.is(s.items()[0].Reason, payack.ReasonUnconfirmed, "the reason")
		s.is(len(s.attempts()), 1, "attempts")
	}},
	{"UnexpectedHasAGrace", func(s *shop) {
		s.settle = func(payack.Event) error { return payack.ErrUnexpected }
		// On a busy machine the grace may end before the first attempt.
		state := inbox.Dead
		for n := 0; state == inbox.Dead && n < 5; n++ {
			s.pay(string(rune('A'+n)), payack.PTSSuccess)
			s.drain()
			items := s.items()
			state = items[len(items)-1].State
		}
		s.is(state, inbox.Pending, "within the grace")
		s.untilEnded()
		for _, i := range s.items() {
			s.is(i.State, inbox.Dead, "after the grace")
		}
	}},
	{"DeadLettersBecomeDueAgain", func(s *shop) {
		s.confirm = func(string) error { return payack.ErrUnconfirmed }
		s.ref("A", "r", "192.0.2.1")
		s.drain()
		s.confirm = nil
		s.is(s.ref("A", "r", "192.0.2.1"), payack.OutcomeAccepted, "a delivery after a dead letter")
		s.untilEnded()
		s.states(inbox.Done)
	}},
	{"RefutedCopiesGiveWay", func(s *shop) {
		s.confirm = func(ref string) error {
			if strings.HasPrefix(ref, "bad") {
				return payack.ErrUnconfirmed
			}
			return nil
		}
		s.ref("A", "bad1", "192.0.2.1")
		s.ref("A", "bad2", "192.0.2.2")
		s.is(s.ref("A", "good", "192.0.2.3"), payack.OutcomeAccepted, "the genuine one third")
		s.untilEnded()
		s.is(s.settled(), 1, "calls")
		stats, err := s.in.Stats(s.Context())
		s.must(err)
		s.is(stats.Dead, 0, "dead letters")
	}},
	{"VariantsAreBounded", func(s *shop) {
		s.is(s.ref("A", "r1", "192.0.2.1"), payack.OutcomeAccepted, "the first")
		s.is(s.ref("A", "r2", "192.0.2.1"), payack.OutcomeFailed, "another of the same sender")
		s.is(s.ref("A", "r2", "192.0.2.2"), payack.OutcomeAccepted, "one of another sender")
		s.is(s.ref("A", "r3", "192.0.2.3"), payack.OutcomeAccepted, "a third")
		s.is(s.ref("A", "r4", "192.0.2.4"), payack.OutcomeFailed, "a fourth")
		s.is(s.ref("B", "r4", "192.0.2.4"), payack.OutcomeAccepted, "one of another event")
	}},
	{"OtherDetailsAreForAPerson", func(s *shop) {
		s.is(s.refund("A", "100"), payack.OutcomeAccepted, "the first refund")
		s.is(s.refund("A", "400"), payack.OutcomeDuplicate, "another with the same signed members")
		s.drain()
		s.states(inbox.Done, inbox.Dead)
		s.is(s.refund("A", "400"), payack.OutcomeDuplicate, "an identical delivery")
		s.is(s.refund("A", "300"), payack.OutcomeDuplicate, "a third")
		s.is(s.refund("A", "200"), payack.OutcomeDuplicate, "a fourth")
		s.is(s.refund("A", "150"), payack.OutcomeDuplicate, "a fifth, for which there is no place")
		s.drain()
		s.states(inbox.Done, inbox.Dead, inbox.Dead, inbox.Dead)
		s.is(s.settled(), 1, "calls")
		s.must(s.in.CloseByHand(s.Context(), s.items()[1].ID, "booked by hand"))
	}},
	{"ConflictIsJudgedByWhatIsDone", func(s *shop) {
		s.settle = func(ev payack.Event) error {
			if strings.Contains(ev.Fingerprint(), "7777") {
				return errShop
			}
			return nil
		}
		s.is(s.pay("A", payack.PTSSuccess, "accept_amount", "7777"), payack.OutcomeAccepted, "the first")
		s.is(s.pay("A", payack.PTSSuccess, "accept_amount", "8888"), payack.OutcomeAccepted, "another fingerprint")
		s.untilEnded()
		s.states(inbox.Dead, inbox.Done)
		s.is(s.pay("A", payack.PTSSuccess, "accept_amount", "9999"), payack.OutcomeAccepted, "kept, and found out later")
		s.untilEnded()
		s.is(s.items()[2].Reason, payack.ReasonConflict, "the reason")
	}},
	{"Superseded", func(s *shop) {
		s.pay("A", payack.PTSSuccess, "timestamp", "1700000200")
		s.drain()
		s.pay("A", payack.PTSProcessing, "timestamp", "1700000100")
		s.drain()
		s.states(inbox.Done, inbox.Superseded)
		s.is(s.settled(), 1, "calls")
	}},
	{"OnePaymentAtATime", onePaymentAtATime},
	{"RunWaitsForAttempts", func(s *shop) {
		began, goOn := make(chan struct{}), make(chan struct{})
		s.settle = func(payack.Event) error { close(began); <-goOn; return nil }
		s.pay("A", payack.PTSSuccess)
		ctx, cancel := context.WithCancel(s.Context())
		ended := make(chan error)
		go func() { ended <- s.in.Run(ctx) }()
		<-began
		cancel()
		select {
		case <-ended:
			s.Error("Run ended before the attempt did")
		case <-time.After(50 * ms):
			close(goOn)
			s.must(<-ended)
		}
		s.states(inbox.Done)
	}},
	{"ByHand", func(s *shop) {
		s.settle = func(payack.Event) error { return errShop }
		s.pay("A", payack.PTSSuccess)
		s.pay("B", payack.PTSSuccess)
		s.untilEnded()
		s.states(inbox.Dead, inbox.Dead)
		items := s.items()
		s.must(s.in.CloseByHand(s.Context(), items[0].ID, "paid by hand"))
		s.settle = nil
		n, err := s.in.RetryAll(s.Context(), inbox.Filter{}, 10, nil)
		s.must(err)
		s.is(n, 1, "rows tried again")
		s.untilEnded()
		s.states(inbox.Closed, inbox.Done)
		s.is(errors.Is(s.in.Retry(s.Context(), items[1].ID), inbox.ErrDone), true, "what is done is not tried again")
		s.is(errors.Is(s.in.Retry(s.Context(), 1<<40), inbox.ErrNotFound), true, "there is no such row")
	}},
	{"NamesAreUnique", func(s *shop) {
		if err := s.in.Mount("pts", nopDesk{}); err == nil {
			s.Error("a name was taken twice")
		}
	}},
	{"Healthy", func(s *shop) { s.must(s.in.Healthy(s.Context())) }},
}

type nopDesk struct{}

func (nopDesk) Process(context.Context, *payack.Delivery, *payack.Observation) error { return nil }
func (nopDesk) Observe(context.Context, *payack.Observation)                         {}

// onePaymentAtATime lets two engines work on a few payments, as in two processes.
func onePaymentAtATime(s *shop) {
	var busy sync.Map
	var clashes atomic.Int64
	settle := func(ev payack.Event) error {
		if _, taken := busy.LoadOrStore(ev.Payment(), true); taken {
			clashes.Add(1)
		}
		time.Sleep(3 * ms)
		busy.Delete(ev.Payment())
		return nil
	}
	s.settle = settle
	other := newShop(s.T, s.open)
	other.settle = settle
	const payments, events = 4, 6
	for n := range events {
		for p := range payments {
			s.pay(fmt.Sprint("ORD", p), payack.PTSWaiting, "accept_amount", fmt.Sprint(n+1))
		}
	}
	ctx, cancel := context.WithCancel(s.Context())
	var all sync.WaitGroup
	for _, in := range []Engine{s.in, other.in} {
		all.Go(func() { s.must(in.Run(ctx)) })
	}
	for end := time.Now().Add(60 * time.Second); s.settled()+other.settled() < payments*events && time.Now().Before(end); {
		time.Sleep(5 * ms)
	}
	cancel()
	all.Wait()
	s.is(s.settled()+other.settled(), payments*events, "calls")
	s.is(clashes.Load(), int64(0), "events of one payment at the same time")
}
