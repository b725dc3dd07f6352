package reconcile

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/payack/payack"
)

// Stats are the counts of a [Reconciler] since [New].
type Stats struct {
	// Open is the number of orders in the last whole reading of the source. It is not
	// a count since New.
	Open int64
	// Asked counts questions. Found counts the payments that a question found before
	// their callback came.
	Asked, Found int64
	// GivenUp counts orders that reached Config.GiveUp.
	GivenUp int64
}

type counts struct{ open, asked, found, givenUp atomic.Int64 }

// Stats returns the counts so far.
func (r *Reconciler) Stats() Stats {
	return Stats{Open: r.counts.open.Load(), Asked: r.counts.asked.Load(), Found: r.counts.found.Load(), GivenUp: r.counts.givenUp.Load()}
}

// Run asks about the open orders until ctx ends. It then waits for the questions in
// progress and the processing of their answers, and returns nil. A source that fails
// is read again. Only one Run may be in progress: a second call returns an error at
// once.
func (r *Reconciler) Run(ctx context.Context) error {
	if !r.running.CompareAndSwap(false, true) {
		return errors.New("reconcile: Run is running already; call it once")
	}
	defer r.running.Store(false)
	r.book.reset()
	var working sync.WaitGroup
	defer working.Wait()
	for _, a := range r.accounts {
		a.clear()
		working.Go(func() { r.serve(ctx, a) })
	}
	for ctx.Err() == nil {
		r.read(ctx)
		select {
		case <-ctx.Done():
		case <-r.hungry:
		case <-time.After(r.cfg.Every):
		}
	}
	return nil
}

// serve asks an account about the orders in its queue.
func (r *Reconciler) serve(ctx context.Context, a *account) {
	workers := make(chan struct{}, r.cfg.Workers)
	var asking sync.WaitGroup
	defer asking.Wait()
	for {
		q, hungry, ok := a.next(ctx, r.batch/2)
		if !ok {
			return
		}
		if hungry {
			select {
			case r.hungry <- struct{}{}:
			default:
			}
		}
		select {
		case <-ctx.Done():
			return
		case workers <- struct{}{}:
		}
		wait, unwell := a.pause(time.Now())
		if wait > 0 {
			sleep(ctx, wait)
		}
		if r.limiters[a.provider].turn(ctx) != nil {
			return
		}
		asked := make(chan struct{})
		asking.Go(func() {
			defer func() { <-workers; close(asked) }()
			r.attend(ctx, a, &q)
		})
		if unwell { // one question at a time until the account answers again
			<-asked
		}
	}
}

// attend asks about a due order and notes when to ask again, even after a panic.
func (r *Reconciler) attend(ctx context.Context, a *account, q *question) {
	began, came := time.Now(), unheard
	var err error
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("a panic")
			r.cfg.Logger.Error("payack: reconcile: the merchant's code panicked", "provider", a.provider, "stack", string(debug.Stack()))
		}
		now := time.Now()
		if ctx.Err() == nil {
			a.felt(began, now, unwell(err))
		}
		r.book.answered(q.key, &q.Order, &r.cfg, now, came)
	}()
	var answer Answer
	answer, err = r.ask(ctx, a, &q.Order, true)
	came = a.cameOf(ctx, &answer, err)
}

// cameOf returns the result of a question.
func (a *account) cameOf(ctx context.Context, answer *Answer, err error) result {
	switch {
	case err != nil && ofOrder(err):
		return undecided
	case err != nil:
		return unheard
	case !answer.Delivered || !answer.Paid() && !answer.Final():
		return undecided
	}
	switch state := a.known(ctx, answer); {
	case !answer.Final() && state == payack.ClaimDone:
		return undecided // processed, but the state may change again
	case state == payack.ClaimDone:
		return over
	case answer.Final() && state == payack.ClaimConflict:
		return contradicted
	}
	return unsettled
}

// known returns what the receiver knows of an event that was passed to it:
// ClaimDone if it is processed for good. It looks up an event that an inbox
// keeps, because such an event may be processed by now, or may be dead.
func (a *account) known(ctx context.Context, answer *Answer) payack.ClaimState {
	switch o := &answer.Observation; {
	case o.Waits:
	case o.Outcome == payack.OutcomeAccepted, o.Outcome == payack.OutcomeDuplicate:
		return payack.ClaimDone
	}
	state, err := a.receiver.Lookup(ctx, answer.Event)
	if err != nil {
		return payack.ClaimUnknown
	}
	return state
}

// read reads the source once and fills the queues with the orders that have been due
// for longest.
func (r *Reconciler) read(ctx context.Context) {
	choices := make(map[*account]*choice, len(r.accounts))
	for _, a := range r.accounts {
		choices[a] = &choice{room: max(0, r.batch-a.length())}
	}
	r.book.begin()
	err := r.choose(ctx, choices)
	whole := err == nil && ctx.Err() == nil
	if err != nil && ctx.Err() == nil {
		r.warned.say("source", func() {
			r.cfg.Logger.Error("payack: reconcile: the source of open orders failed; it will be read again", "error", err)
		})
	}
	for a, c := range choices {
		c.cut()
		for _, q := range c.found {
			r.book.queue(q.key)
		}
		a.put(c.found, c.dropped)
	}
	if open := r.book.end(whole); whole {
		r.counts.open.Store(int64(open))
	}
}

// choose reads the source and sorts its due orders into choices. It returns the
// source's error.
func (r *Reconciler) choose(ctx context.Context, choices map[*account]*choice) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it panicked: %s", debug.Stack())
		}
	}()
	now, seq := time.Now(), 0
	for o, err := range r.cfg.Orders(ctx) {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		seq++
		a, err := r.find(&o)
		if err == nil && o.Created.IsZero() {
			err = errors.New("the order has no Created, so its due time is unknown; give the time of its creation")
		}
		if err != nil {
			r.cannot(&o, err)
			continue
		}
		key := r.keyOf(&o)
		switch since, v := r.book.read(key, &o, &r.cfg, now); v {
		case due:
			choices[a].add(question{Order: o, key: key, since: since, seq: seq})
		case givenUp:
			r.counts.givenUp.Add(1)
			r.cfg.Logger.Warn("payack: reconcile: an order stayed open for too long and is no longer asked about; check it by hand",
				"provider", o.Provider, "order_id", o.OrderID, "age", o.age(now))
		}
	}
	return nil
}

// cannot logs a warning about an order that can't be asked about.
func (r *Reconciler) cannot(o *Order, err error) {
	r.warned.say("order", func() {
		r.cfg.Logger.Warn("payack: reconcile: an open order can't be asked about", "provider", o.Provider, "order_id", o.OrderID, "error", err)
	})
}

// warned passes a warning of each kind at most once a minute.
type warned struct {
	mu   sync.Mutex
	last map[string]time.Time
}

func (w *warned) say(kind string, say func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if before, said := w.last[kind]; said && time.Since(before) < time.Minute {
		return
	}
	if w.last == nil {
		w.last = map[string]time.Time{}
	}
	w.last[kind] = time.Now()
	say()
}
