package inbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Retry makes a dead, refuted, closed or pending row due now. For this row, the
// times of Config.GiveUp and Config.Grace start again.
//
// The error is [ErrDone] if the row is done or superseded, or if its event is
// done through another row; [ErrRunning] while an attempt runs; and [ErrNotFound]
// if no row has this ID.
func (in *Inbox) Retry(ctx context.Context, id int64) error {
	ok, err := in.retryRow(ctx, id)
	switch {
	case err != nil:
		return explain(in.cfg.Dialect, "Retry", err)
	case ok:
		in.stir()
		return nil
	}
	state, err := in.stateOf(ctx, id)
	switch {
	case err != nil:
		return err
	case state == running:
		return ErrRunning
	}
	return ErrDone
}

func (in *Inbox) retryRow(ctx context.Context, id int64) (bool, error) {
	if in.due != nil {
		return in.retryDue(ctx, id)
	}
	return changed(in.exec(ctx, in.sql.retry, id))
}

func (in *Inbox) stateOf(ctx context.Context, id int64) (state int, err error) {
	err = in.db.QueryRowContext(ctx, in.sql.stateOf, id).Scan(&state)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, ErrNotFound
	case err != nil:
		return 0, explain(in.cfg.Dialect, "looking at the row", err)
	}
	return state, nil
}

// RetryAll makes rows due that match the filter and may be retried: at most
// limit, the newest first. A filter without states selects dead letters only.
// Rows that are done, superseded or running are left alone. RetryAll returns how
// many rows it made due. After each row it calls progress with the number so far,
// unless progress is nil.
func (in *Inbox) RetryAll(ctx context.Context, f Filter, limit int, progress func(n int)) (n int, err error) {
	if limit <= 0 {
		return 0, fmt.Errorf("inbox: RetryAll: the limit is %d; give the greatest number of rows to retry", limit)
	}
	if len(f.States) == 0 {
		f.States = []State{Dead}
	}
	f.States = slices.DeleteFunc(slices.Clone(f.States), func(s State) bool { return s == Done || s == Superseded || s == Running })
	if len(f.States) == 0 {
		return 0, fmt.Errorf("inbox: RetryAll: %w; give the states pending, dead, refuted or closed", ErrDone)
	}
	var older int64
	for {
		page, next, err := in.Page(ctx, f, older, 100)
		if err != nil {
			return n, err
		}
		for _, item := range page {
			if n == limit {
				return n, nil
			}
			switch err := in.Retry(ctx, item.ID); {
			case errors.Is(err, ErrDone), errors.Is(err, ErrRunning), errors.Is(err, ErrNotFound):
				continue
			case err != nil:
				return n, err
			}
			if n++; progress != nil {
				progress(n)
			}
		}
		if older = next; next == 0 {
			return n, nil
		}
	}
}

// CloseByHand ends a dead, refuted or pending row that a person has dealt with.
// The note says how, in 1 to 1,000 characters, and is kept with the row. An equal
// delivery is a duplicate from then on ([Inbox.Keep] says what equal means). If
// the row can't be closed, the error is [ErrDone], [ErrRunning] or [ErrNotFound].
func (in *Inbox) CloseByHand(ctx context.Context, id int64, note string) error {
	if note = strings.TrimSpace(note); note == "" || readable(note, 1000) != note {
		return errors.New("inbox: CloseByHand: the note is empty, too long or has control characters; say in 1 to 1,000 characters what was done")
	}
	ok, err := changed(in.exec(ctx, in.sql.closeRow, note, id))
	switch {
	case err != nil:
		return explain(in.cfg.Dialect, "CloseByHand", err)
	case ok:
		return nil
	}
	state, err := in.stateOf(ctx, id)
	switch {
	case err != nil:
		return err
	case state == running:
		return ErrRunning
	}
	return ErrDone
}
