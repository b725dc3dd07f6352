package inbox

import (
	"context"
	"fmt"
	"time"
)

// Healthy returns nil if the database answers and no due event has waited for
// longer than Config.Late. Otherwise the error names the cause: the database
// fails, Run was not called, a receiver isn't mounted, or the workers don't keep
// up.
func (in *Inbox) Healthy(ctx context.Context) error {
	if err := in.Store.Ping(ctx); err != nil {
		return err
	}
	rows, err := in.db.QueryContext(ctx, in.sql.late, in.cfg.Late.Microseconds())
	if err != nil {
		return explain(in.cfg.Dialect, "Healthy", err)
	}
	defer rows.Close()
	if rows.Next() { // each row is a receiver; the error names the first
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

// Ping calls Healthy. The Healthy method of a receiver calls Ping.
func (in *Inbox) Ping(ctx context.Context) error { return in.Healthy(ctx) }

func (in *Inbox) mounted(receiver string) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.desks[receiver] != nil
}

// sweep logs receivers that aren't mounted, makes rows due that would wait
// forever or far too long, and once an hour drops what has outlived
// Config.Retention.
func (in *Inbox) sweep(ctx context.Context) error {
	if err := in.nameUnmounted(ctx); err != nil {
		return err
	}
	if err := in.adopt(ctx); err != nil {
		return err
	}
	// A row that waits longer than the longest possible wait was written before
	// the clock was set back.
	longest := max(in.cfg.RetryMax, in.cfg.Grace, in.cfg.Revive) + time.Minute
	if _, err := in.exec(ctx, in.sql.ahead, longest.Microseconds()); err != nil {
		return err
	}
	if in.warned.allow("retention", time.Hour) {
		return in.retain(ctx)
	}
	return nil
}

// nameUnmounted logs receivers that aren't mounted although rows wait for them.
func (in *Inbox) nameUnmounted(ctx context.Context) error {
	rows, err := in.db.QueryContext(ctx, in.sql.waiting)
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

// retain drops the bodies, headers, events and attempts of rows that ended longer
// than Config.Retention ago, except dead letters. It works in small steps.
// Finally it prunes the store.
func (in *Inbox) retain(ctx context.Context) error {
	keep := in.cfg.Retention.Microseconds()
	for last, more := int64(0), true; more; {
		var ids []int64
		rows, err := in.db.QueryContext(ctx, in.sql.old, keep, keep, last)
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
			if !received { // later rows were received even later
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
		case <-time.After(10 * time.Millisecond): // lets other writers in
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
