package dialect

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"hash/fnv"
	"time"
)

// Querier is implemented by pools, connections and transactions.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Bound returns a Querier that runs each statement as [Dialect.Bind] returns it.
// Statements have question marks as placeholders, or are rebound already.
func (d Dialect) Bound(q Querier) Querier {
	if d.kind != mysql {
		return q
	}
	return bound{q, d}
}

type bound struct {
	q Querier
	d Dialect
}

func (b bound) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	query, args = b.d.Bind(query, args)
	return b.q.ExecContext(ctx, query, args...)
}

func (b bound) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	query, args = b.d.Bind(query, args)
	return b.q.QueryContext(ctx, query, args...)
}

func (b bound) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	query, args = b.d.Bind(query, args)
	return b.q.QueryRowContext(ctx, query, args...)
}

// Exclusively runs fn under a lock that all processes share. On PostgreSQL it runs fn
// in a transaction that holds an advisory lock of the given name. On SQLite the
// transaction holds the write lock of the whole database, whatever the name is. On
// MariaDB and MySQL, where CREATE TABLE commits implicitly, the session holds a lock of
// the given name. Waiting and fn together take at most a minute.
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

// immediately runs fn in a transaction that holds the write lock from its start.
// BeginTx would take the write lock, and wait for it, only if the DSN says so.
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

// Discard makes the pool close a connection whose state is unknown.
func Discard(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
}

// patience bounds each statement that cleans up a connection.
const patience = 5 * time.Second

// Prepare prepares a pinned connection for a transaction in which a merchant's
// function runs. On MariaDB and MySQL, an error such as a deadlock ends the
// transaction, but the function may ignore the error and go on writing. Prepare
// switches autocommit off, so that the later writes are not kept.
func Prepare(ctx context.Context, conn *sql.Conn, d Dialect) error {
	if d.kind != mysql {
		return nil
	}
	_, err := conn.ExecContext(ctx, `SET autocommit=0`)
	return err
}

// Restore gives a prepared connection back to its pool. ended says that the server
// has confirmed the end of the transaction. If ended is false, or autocommit can't be
// switched on again, Restore discards the connection, because its next user would write
// into a transaction that nobody commits. On SQLite, Restore rolls back a transaction
// that has not ended, and keeps the connection.
func Restore(conn *sql.Conn, d Dialect, ended bool) {
	// The caller's context may have ended.
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	switch {
	case d.kind == sqlite && !ended:
		// The connection is not discarded, because a database in memory would be lost.
		// If ROLLBACK fails, there was no transaction.
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
