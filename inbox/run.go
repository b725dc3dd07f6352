package inbox

import (
	"context"
	"errors"
	"time"
)

// Run processes kept events. When ctx ends or Close is called, it waits for
// running attempts and returns nil. An attempt ends at its receiver's deadline at
// the latest, if its function obeys the context. Call Run once at a time; a
// second call returns an error. A call after Close returns [ErrClosed]. While the
// database is unreachable, Run logs that and keeps trying.
func (in *Inbox) Run(ctx context.Context) error { return in.serve(ctx, false) }

// Drain processes what is due now. It returns when nothing is due and nothing
// runs; events that wait for a retry are left. While Run runs, Drain waits until
// Run has processed these events. Drain is for tests.
func (in *Inbox) Drain(ctx context.Context) error {
	if !in.running.Load() {
		return in.serve(ctx, true)
	}
	for {
		idle, err := in.idle(ctx)
		if idle || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// idle reports whether nothing is due for a mounted receiver and no attempt runs
// in this process.
func (in *Inbox) idle(ctx context.Context) (bool, error) {
	if in.active() > 0 {
		return false, nil
	}
	for receiver := range in.room() {
		var found int
		if err := in.db.QueryRowContext(ctx, in.sql.anythingDue, receiver).Scan(&found); err != nil {
			return false, explain(in.cfg.Dialect, "Drain", err)
		}
		if found > 0 {
			return false, nil
		}
	}
	return in.active() == 0, nil
}

func (in *Inbox) active() (n int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	n = in.entering
	for _, b := range in.busy {
		n += b
	}
	return n
}

// room returns how many attempts each mounted receiver may begin.
func (in *Inbox) room() map[string]int {
	in.mu.Lock()
	defer in.mu.Unlock()
	budget := in.cfg.PerReceiver
	switch {
	case budget != 0:
	case len(in.desks) == 1:
		budget = in.cfg.Workers
	default:
		budget = max(1, in.cfg.Workers/2)
	}
	out := make(map[string]int, len(in.desks))
	for name := range in.desks {
		out[name] = budget - in.busy[name]
	}
	return out
}

func (in *Inbox) serve(ctx context.Context, untilIdle bool) error {
	select {
	case <-in.closed:
		return ErrClosed
	default:
	}
	if !in.running.CompareAndSwap(false, true) {
		return errors.New("inbox: Run is running already; call it once, and set Config.Workers for more concurrency")
	}
	defer in.running.Store(false)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in.mu.Lock()
	in.stop = ctx.Done()
	in.recovered, in.plenty, in.serving, in.reminded = time.Time{}, false, true, map[string]reminded{}
	in.mu.Unlock()
	go func() {
		select {
		case <-in.closed:
			cancel()
		case <-ctx.Done():
		}
	}()
	// Attempts may run longer than ctx, so leases are renewed under another
	// context.
	renewing, stopRenewing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRenewing()
	defer in.endServing()
	go in.every(renewing, in.cfg.Lease/3, "renewing leases", in.renew)
	if !untilIdle {
		go in.every(ctx, time.Minute, "cleaning up", in.sweep)
	}
	return in.loop(ctx, untilIdle)
}

func (in *Inbox) loop(ctx context.Context, untilIdle bool) error {
	poll := time.NewTicker(in.cfg.Poll)
	defer poll.Stop()
	for {
		n, err := in.round(ctx)
		if ctx.Err() != nil {
			if untilIdle {
				return ctx.Err()
			}
			return nil
		}
		if err != nil {
			in.complain("processing", err)
			if untilIdle {
				return explain(in.cfg.Dialect, "Drain", err)
			}
		}
		if n == 0 && err == nil && untilIdle {
			if idle, err := in.idle(ctx); idle || err != nil {
				return err
			}
		}
		if n > 0 && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-in.wake:
		case <-in.freed:
		case <-poll.C:
		}
		if err != nil { // pause, so that a failing database gets few requests
			select {
			case <-ctx.Done():
			case <-time.After(min(time.Second, 5*in.cfg.Poll)):
			}
		}
	}
}

// stopped returns a channel that is closed when Run must end.
func (in *Inbox) stopped() <-chan struct{} {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.stop
}

// endServing makes sure that no further attempt begins, and waits for running
// attempts.
func (in *Inbox) endServing() {
	in.mu.Lock()
	in.serving = false
	in.mu.Unlock()
	in.attempts.Wait()
}

// round begins as many attempts as there is room for, and returns the number of
// attempts that it began plus the number of ended leases that it recovered, or 0
// if no worker is free.
func (in *Inbox) round(ctx context.Context) (int, error) {
	recovered := 0
	if now := time.Now(); now.Sub(in.recovered) >= min(time.Second, in.cfg.Lease/3) {
		var err error
		if recovered, err = in.recoverCrashed(ctx); err != nil {
			return 0, err
		}
		if in.due != nil {
			if err := in.remind(ctx); err != nil {
				return 0, err
			}
		}
		in.recovered = now
	}
	if in.due != nil { // the engine begins attempts
		return recovered, nil
	}
	free := in.cfg.Workers - in.active()
	if free <= 0 {
		return 0, nil
	}
	got, err := in.lease(ctx, free, in.room(), in.plenty)
	if err != nil {
		return recovered, err
	}
	in.plenty = len(got) > 0
	for _, l := range got {
		in.begins(l)
		in.attempts.Go(func() { in.attend(ctx, l, nil) })
	}
	return recovered + len(got), nil
}

// every calls fn at once and then at each interval, until ctx ends.
func (in *Inbox) every(ctx context.Context, d time.Duration, what string, fn func(context.Context) error) {
	t := time.NewTicker(d)
	defer t.Stop()
	for {
		if err := fn(ctx); err != nil && ctx.Err() == nil {
			in.complain(what, err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// complain logs a database error, at most once in 10 seconds for each kind of
// work.
func (in *Inbox) complain(what string, err error) {
	if in.warned.allow(what, 10*time.Second) {
		in.cfg.Logger.Error("inbox: "+what+": the database failed; trying again", "error", explain(in.cfg.Dialect, what, err))
	}
}
