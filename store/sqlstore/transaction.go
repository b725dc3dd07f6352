package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/dialect"
)

// settleTimeout is the least time allowed for ending a transaction: the last look
// at the marks, the commit or rollback, and reading the result when the answer
// was lost. It is allowed even if the deadline has passed.
const settleTimeout = time.Second

// lookTimeout bounds reading the rows after a commit whose answer did not come
// before the deadline. It is a variable for tests only.
var lookTimeout = 250 * time.Millisecond

var (
	// errEnded is returned when the function rolled the transaction back itself.
	errEnded = errors.New("sqlstore: InTx: the function ended the transaction itself, by a rollback; leave its end to InTx, and return an error instead")
	// errUndone is returned when the function returned nil although the database
	// had rolled its transaction back.
	errUndone = errors.New("sqlstore: InTx: the transaction had been rolled back before the function returned nil; return the errors of its statements (a deadlock, for instance), and leave the transaction's end to InTx")
	// errUnanswered is returned when the server has not answered in time.
	errUnanswered = errors.New("the server does not answer")
)

// transaction belongs to one delivery. All claims of the delivery are marked done
// in the transaction before the merchant's function writes.
type transaction struct {
	store  *Store
	marks  []mark
	conn   *sql.Conn
	tx     *sql.Tx
	cancel context.CancelFunc
	// last is the context for the work after the merchant's function; stop
	// cancels it.
	last context.Context
	stop context.CancelFunc
}

// inTx marks the claims done, calls fn, checks that the marks are still there,
// and commits.
func (s *Store) inTx(ctx context.Context, held payack.Held, fn func(context.Context, *sql.Tx) error) (err error) {
	claims := held.Claims()
	t, err := s.begin(ctx, claims)
	if err != nil {
		return err
	}
	succeeded := false
	defer func() { // runs after a panic and Goexit, too
		if succeeded {
			err = t.commit(ctx, held)
		} else {
			t.rollback(ctx, held, err)
		}
	}()
	if err := t.mark(ctx); err != nil {
		return err
	}
	if hook, ok := ctx.Value(hookKey{}).(func(context.Context, *sql.Tx) error); ok {
		if err := hook(ctx, t.tx); err != nil {
			return err
		}
	}
	if err := fn(context.WithValue(ctx, connKey{}, t.conn), t.tx); err != nil {
		return err
	}
	switch there, err := t.marked(t.ending(ctx), t.tx, ""); { // fn's result counts even after the deadline
	case errors.Is(err, sql.ErrTxDone): // the function ended the transaction; t.commit reads from the rows whether it was committed
	case err != nil:
		return explain(s.cfg.Dialect, "InTx: the transaction had failed before the function returned nil; return the errors of its statements", err)
	case !there:
		return errUndone
	}
	succeeded = true
	return nil
}

func (s *Store) begin(ctx context.Context, claims []payack.HeldClaim) (*transaction, error) {
	marks, err := marksOf(claims)
	if err != nil {
		return nil, err
	}
	if err := s.writer.enter(ctx); err != nil {
		return nil, explain(s.cfg.Dialect, "InTx: waiting for another writer", err)
	}
	conn, err := s.cfg.DB.Conn(ctx)
	if err != nil {
		s.writer.leave()
		return nil, explain(s.cfg.Dialect, "InTx: no connection", err)
	}
	giveBack := func() {
		dialect.Restore(conn, s.cfg.Dialect, false)
		s.writer.leave()
	}
	if err := dialect.Prepare(ctx, conn, s.cfg.Dialect); err != nil {
		giveBack()
		return nil, explain(s.cfg.Dialect, "InTx", err)
	}
	// ctx cancels a BEGIN that is not answered. After BEGIN, the end of ctx must
	// not roll the transaction back while the function uses it.
	apart, cancel := context.WithCancel(context.WithoutCancel(ctx))
	begun := context.AfterFunc(ctx, cancel)
	tx, err := conn.BeginTx(apart, &sql.TxOptions{Isolation: s.cfg.Isolation})
	if !begun() && err == nil {
		_ = tx.Rollback()
		err = ctx.Err()
	}
	if err != nil {
		cancel()
		giveBack()
		return nil, explain(s.cfg.Dialect, "InTx: begin", err)
	}
	return &transaction{store: s, marks: marks, conn: conn, tx: tx, cancel: cancel}, nil
}

// ending returns the context for everything after the function. It ends at the
// deadline, or settleTimeout after the function returned if that is later.
func (t *transaction) ending(ctx context.Context) context.Context {
	if t.last != nil {
		return t.last
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	if deadline, ok := ctx.Deadline(); ok && ctx.Err() == nil {
		if end, _ := last.Deadline(); deadline.After(end) {
			cancel()
			last, cancel = context.WithDeadline(context.WithoutCancel(ctx), deadline)
		}
	}
	t.last, t.stop = last, cancel
	return last
}

// finish calls the transaction's Commit or Rollback and returns the connection to
// the pool. Drivers take no context for these calls. If ctx ends first, finish
// returns and the call goes on in the background. After a confirmed end, finish
// returns before the connection's session is restored.
func (t *transaction) finish(ctx context.Context, call func() error) error {
	ended := make(chan error, 1)
	go func() {
		err := call()
		if err == nil {
			ended <- nil
		}
		dialect.Restore(t.conn, t.store.cfg.Dialect, err == nil)
		t.store.writer.leave()
		t.cancel()
		t.store.silent.Store(false)
		if err != nil {
			ended <- err
		}
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		t.cancel() // pgx then gives up
		t.store.silent.Store(true)
		return errUnanswered
	}
}

// commit commits the transaction. If the answer is lost, commit reads the result
// from the rows.
func (t *transaction) commit(ctx context.Context, held payack.Held) error {
	ctx = t.ending(ctx)
	defer t.stop()
	endErr := t.finish(ctx, t.tx.Commit)
	if endErr == nil {
		held.Committed()
		return nil
	}
	if ctx.Err() != nil { // the answer was late: allow one more look
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), lookTimeout)
		defer cancel()
	}
	there, err := t.settled(ctx)
	log := t.store.cfg.Logger.With("claims", t.ids(held))
	switch {
	case err != nil:
		log.Error("sqlstore: InTx: the commit was not confirmed, and its result can't be read; the next delivery finds it out", "error", endErr, "reading", err)
		return explain(t.store.cfg.Dialect, "InTx: commit", endErr)
	case there:
		held.Committed()
		if errors.Is(endErr, sql.ErrTxDone) {
			log.Warn("sqlstore: InTx: the function committed the transaction itself; leave that to InTx, because later writes are not part of the transaction")
		}
		return nil
	case errors.Is(endErr, sql.ErrTxDone):
		return errEnded
	}
	return explain(t.store.cfg.Dialect, "InTx: commit", endErr)
}

// rollback rolls the transaction back. A function that failed may have committed
// before, by a statement or a method. Then part of its work stays in the
// database, and the log says that a person has to look at it.
func (t *transaction) rollback(ctx context.Context, held payack.Held, failure error) {
	ctx = t.ending(ctx)
	endErr := t.finish(ctx, t.tx.Rollback)
	ids, cfg := t.ids(held), &t.store.cfg
	stands := func() bool {
		defer t.stop()
		there, err := t.settled(ctx)
		switch {
		case err != nil:
			cfg.Logger.Warn("sqlstore: InTx: the function failed, and its rollback can't be verified; the next delivery finds it out", "claims", ids, "error", err)
		case there:
			cfg.Logger.Error("sqlstore: InTx: the function failed after it had committed, so that part of what it wrote stands; the event counts as done, and a person has to look at it", "claims", ids, "error", failure)
		}
		return err == nil && there
	}
	// SQLite answers a rollback with an error if there was nothing to roll back.
	// From the other databases, an error means that the server is gone.
	if endErr != nil && !errors.Is(endErr, sql.ErrTxDone) && cfg.Dialect != SQLite {
		go stands()
		return
	}
	if stands() {
		held.Committed()
	}
}

func (t *transaction) ids(held payack.Held) string {
	var out []string
	for _, c := range held.Claims() {
		out = append(out, readable(c.ID))
	}
	return strings.Join(out, " ")
}

// mark identifies a row to be marked done.
type mark struct{ key, token []byte }

func marksOf(claims []payack.HeldClaim) ([]mark, error) {
	if len(claims) == 0 {
		return nil, errors.New("sqlstore: InTx: the receiver has claimed nothing, so the event could be settled twice; remove InsecureProcessWithoutStore")
	}
	marks := make([]mark, len(claims))
	for i, c := range claims {
		token, ok := tokenOf(c.Token)
		if !ok {
			return nil, fmt.Errorf("sqlstore: InTx: a claim's token is not one of this store's: %w", payack.ErrNotHeld)
		}
		marks[i] = mark{digest(c.ID), token}
	}
	return marks, nil
}

// rows adds the keys and tokens of the marks to a statement. No two claims share
// a token, so keys and tokens need not be paired.
func (t *transaction) rows(statement string) (string, []any) {
	list := "(?" + strings.Repeat(", ?", len(t.marks)-1) + ")"
	args := make([]any, 0, 2*len(t.marks))
	for _, m := range t.marks {
		args = append(args, m.key)
	}
	for _, m := range t.marks {
		args = append(args, m.token)
	}
	return statement + " AND k IN " + list + " AND token IN " + list, args
}

// mark marks all rows done. It fails when this delivery no longer holds one of
// them.
func (t *transaction) mark(ctx context.Context) error {
	statement, args := t.rows(t.store.sql.mark)
	n, err := t.store.exec(ctx, t.tx, statement, args...)
	switch {
	case err != nil:
		return explain(t.store.cfg.Dialect, "InTx: mark", err)
	case n != int64(len(t.marks)):
		return fmt.Errorf("sqlstore: InTx: the claim was lost; another process has taken the event over: %w", payack.ErrNotHeld)
	}
	return nil
}

// marked reports whether this delivery has marked all rows. The statement has no
// condition on state. With one, PostgreSQL would not wait for a row that meets the
// condition only after another transaction has changed the row.
func (t *transaction) marked(ctx context.Context, q dialect.Querier, ending string) (bool, error) {
	statement, args := t.rows(t.store.sql.marked)
	rows, err := t.store.query(ctx, q, statement+ending, args...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var state int
		if err := rows.Scan(&state); err != nil {
			return false, err
		}
		if state == done {
			n++
		}
	}
	return n == len(t.marks), rows.Err()
}

// settled reports whether the marks of this delivery are committed. It waits for
// a transaction that is about to end.
func (t *transaction) settled(ctx context.Context) (bool, error) {
	if t.store.cfg.Dialect == SQLite { // one writer: a plain read shows what was committed
		return t.marked(ctx, t.store.cfg.DB, "")
	}
	// READ COMMITTED reads the row again once its lock is free.
	tx, err := t.store.cfg.DB.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	return t.marked(ctx, tx, " FOR UPDATE")
}
