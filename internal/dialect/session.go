package dialect

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"hash/fnv"
	"time"
)

// Querier is what pools, connections and transactions have in common.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Exclusively runs fn while nobody else does under the same name, in any process:
// in a transaction on SQLite and PostgreSQL, under a lock of the session on
// MariaDB and MySQL, where statements that make tables commit by themselves. It
// waits for at most a minute.
func Exclusively(ctx context.Context, conn *sql.Conn, d Dialect, name string, fn func(Querier) error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	switch d.kind {
	case mysql:
		return withLock(ctx, conn, name, fn)
	case sqlite:
		return immediately(ctx, conn, d, fn)
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(h.Sum64())); err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

func withLock(ctx context.Context, conn *sql.Conn, name string, fn func(Querier) error) error {
	var got sql.NullInt64
	if err := conn.QueryRowContext(ctx, `SELECT GET_LOCK(?, 50)`, name).Scan(&got); err != nil {
		return err
	}
	if got.Int64 != 1 {
		return fmt.Errorf("the lock %s was not free within 50 seconds; look for a process that hangs while it migrates", name)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		if _, err := conn.ExecContext(ctx, `DO RELEASE_LOCK(?)`, name); err != nil {
			Discard(conn) // the lock ends with the session
		}
	}()
	return fn(conn)
}

// immediately takes the right to write first. BeginTx does that only where the
// DSN says so. Nor does it rely on the DSN for the waiting.
func immediately(ctx context.Context, conn *sql.Conn, d Dialect, fn func(Querier) error) error {
	for {
		_, err := conn.ExecContext(ctx, `BEGIN IMMEDIATE`)
		if err == nil {
			break
		}
		if d.Fault(err) != Again || ctx.Err() != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	err := fn(conn)
	end := `COMMIT`
	if err != nil {
		end = `ROLLBACK`
	}
	if _, endErr := conn.ExecContext(context.WithoutCancel(ctx), end); endErr != nil {
		Discard(conn)
		if err == nil {
			err = endErr
		}
	}
	return err
}

// Discard has the pool throw a connection away whose state is not known.
func Discard(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
}

// patience bounds the statements that clean a connection up.
const patience = 5 * time.Second

// Prepare makes a pinned connection fit for a transaction in which a merchant's
// function runs. On MariaDB and MySQL an error such as a deadlock may have ended
// the transaction without the function heeding it: without autocommit, what it
// writes after that is not kept either.
func Prepare(ctx context.Context, conn *sql.Conn, d Dialect) error {
	if d.kind != mysql {
		return nil
	}
	_, err := conn.ExecContext(ctx, `SET autocommit=0`)
	return err
}

// Restore gives a connection that was prepared back to its pool. ended reports
// that the server has confirmed the end of the transaction. Otherwise, and where
// autocommit can't be switched on again, the connection is thrown away: whoever
// got it next would write into a transaction that nobody commits.
func Restore(conn *sql.Conn, d Dialect, ended bool) {
	// Under a context of its own: the caller's may be over.
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	switch {
	case d.kind == sqlite && !ended:
		// Not thrown away: a database in memory would be gone. The error says that
		// there was nothing to roll back.
		_, _ = conn.ExecContext(ctx, `ROLLBACK`)
	case !ended:
		Discard(conn)
	case d.kind == mysql:
		if _, err := conn.ExecContext(ctx, `SET autocommit=1`); err != nil {
			Discard(conn)
		}
	}
	_ = conn.Close()
}
