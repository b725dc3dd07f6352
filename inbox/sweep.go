package inbox

import (
	"context"
	"fmt"
	"time"
)

// Healthy reports whether the database answers and nothing that is due has waited
// for longer than Config.Late: Run was not called, a receiver isn't mounted, or
// the workers don't keep up. The error names which.
func (in *Inbox) Healthy(ctx context.Context) error {
	if err := in.Store.Ping(ctx); err != nil {
		return err
	}
	rows, err := in.cfg.DB.QueryContext(ctx, in.sql.late, in.cfg.Late.Microseconds())
	if err != nil {
		return explain(in.cfg.Dialect, "Healthy", err)
	}
	defer rows.Close()
	if rows.Next() { // the first tells enough
		var receiver string
		var n int
		var since, now int64
		if err := rows.Scan(&receiver, &n, &since, &now); err != nil {
			return explain(in.cfg.Dialect, "Healthy", err)
		}
		why := "the workers don't keep up; look at the log, or raise Config.Workers"
		switch {
		case !in.mounted(receiver):
			why = "no receiver with this name is mounted; mount it, or close its rows by hand"
		case !in.running.Load():
			why = "Run is not running in this process; call it"
		}
		return fmt.Errorf("inbox: %d events for %q are due, the oldest for %v: %s",
			n, receiver, (time.Duration(now-since) * time.Microsecond).Round(time.Second), why)
	}
	if err := rows.Err(); err != nil {
		return explain(in.cfg.Dialect, "Healthy", err)
	}
	return nil
}

// Ping is Healthy, so that the Healthy method of a receiver says what the inbox
// says.
func (in *Inbox) Ping(ctx context.Context) error { return in.Healthy(ctx) }

func (in *Inbox) mounted(receiver string) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.desks[receiver] != nil
}

// sweep does what is due once in a while.
func (in *Inbox) sweep(ctx context.Context) error {
	if err := in.nameUnmounted(ctx); err != nil {
		return err
	}
	if err := in.adopt(ctx); err != nil {
		return err
	}
	// What waits longer than any wait is of a clock that has jumped.
	longest := max(in.cfg.RetryMax, in.cfg.Grace, in.cfg.Revive) + time.Minute
	if _, err := in.exec(ctx, in.sql.ahead, longest.Microseconds()); err != nil {
		return err
	}
	if in.warned.allow("retention", time.Hour) {
		return in.retain(ctx)
	}
	return nil
}

// nameUnmounted logs the names of receivers that rows wait for.
func (in *Inbox) nameUnmounted(ctx context.Context) error {
	rows, err := in.cfg.DB.QueryContext(ctx, in.sql.waiting)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var receiver string
		var n int
		if err := rows.Scan(&receiver, &n); err != nil {
			return err
		}
		if !in.mounted(receiver) && in.warned.allow("unmounted "+receiver, 10*time.Minute) {
			in.cfg.Logger.Warn("inbox: events wait for a receiver that is not mounted; mount one with this name, or close them by hand", "receiver", receiver, "events", n)
		}
	}
	return rows.Err()
}

// retain drops what is no longer to be kept, in small steps: the bodies, headers,
// events and attempts of what ended Config.Retention ago, dead letters excepted.
func (in *Inbox) retain(ctx context.Context) error {
	keep := in.cfg.Retention.Microseconds()
	for last, more := int64(0), true; more; {
		var ids []int64
		rows, err := in.cfg.DB.QueryContext(ctx, in.sql.old, keep, keep, last)
		if err != nil {
			return err
		}
		n := 0
		for rows.Next() {
			var id int64
			var state, dropped int
			var ended, received bool
			if err := rows.Scan(&id, &state, &dropped, &ended, &received); err != nil {
				rows.Close()
				return err
			}
			n, last = n+1, id
			if !received { // and all after it
				more = false
				break
			}
			if ended && dropped == 0 && (state == done || state == superseded || state == closed || state == refuted) {
				ids = append(ids, id)
			}
		}
		if err := rows.Close(); err != nil {
			return err
		}
		if err := in.dropAll(ctx, ids); err != nil {
			return err
		}
		more = more && n > 0
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond): // others want to write, too
		}
	}
	_, err := in.Store.Prune(ctx)
	return err
}

func (in *Inbox) dropAll(ctx context.Context, ids []int64) error {
	for len(ids) > 0 {
		step := ids[:min(50, len(ids))]
		ids = ids[len(step):]
		tx, err := in.begin(ctx)
		if err != nil {
			return err
		}
		for _, id := range step {
			if _, err = tx.ExecContext(ctx, in.sql.dropBodies, id); err == nil {
				_, err = tx.ExecContext(ctx, in.sql.dropAttempts, id)
			}
			if err != nil {
				_ = tx.Rollback()
				return err
			}
		}
		if err := tx.Commit(); err != nil {
			return err
		}
	}
	return nil
}
