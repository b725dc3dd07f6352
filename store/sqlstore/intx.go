package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/payack/payack"
)

// TxFunc is a callback that [InTx] made. It runs in a transaction that also marks
// its event as done. The constructors of package handlers recognise the type. They
// refuse a receiver whose store neither is nor embeds a [Store].
type TxFunc[E payack.Event] func(ctx context.Context, ev E) error

// InTx returns a callback that calls fn in a transaction of the store's database.
// InTx marks the event as done in that transaction and then calls fn. When fn
// returns nil, one commit makes the mark and fn's writes durable together. When
// fn returns an error or panics, both are rolled back. So what fn writes through
// tx happens exactly once, even across a crash. What fn does elsewhere, such as
// sending mail, may happen again.
//
// fn must write through tx, not through the pool. If the pool has only one
// connection, a write through the pool would wait until the deadline. fn must not
// end the transaction, neither by Commit or Rollback nor by a statement (BEGIN,
// COMMIT, or DDL on MariaDB and MySQL). If fn commits nevertheless, its writes
// stay, and InTx reads from the database whether the event is done. InTx logs the
// cases that it detects.
//
// Options.Store of the receiver must be a [Store] or embed one; the constructor
// refuses any other. While fn runs, the transaction holds a connection, and on SQLite also
// the write lock.
func InTx[E payack.Event](fn func(ctx context.Context, tx *sql.Tx, ev E) error) TxFunc[E] {
	if fn == nil {
		return nil
	}
	return func(ctx context.Context, ev E) error {
		held, ok := payack.HeldFrom(ctx)
		if !ok {
			return errors.New("sqlstore: InTx: the receiver holds no claim for this event; pass the function to a constructor of package handlers, without InsecureProcessWithoutStore")
		}
		store, err := storeOf(held.Store())
		if err != nil {
			return err
		}
		return store.inTx(ctx, held, func(ctx context.Context, tx *sql.Tx) error { return fn(ctx, tx, ev) })
	}
}

// CheckStore implements [payack.StoreChecker].
func (TxFunc[E]) CheckStore(s payack.Store) error {
	_, err := storeOf(s)
	return err
}

// storeOf returns s if it is a Store, or the Store that s embeds.
func storeOf(s payack.Store) (*Store, error) {
	if is, ok := s.(interface{ self() *Store }); ok {
		if store := is.self(); store != nil {
			return store, nil
		}
	}
	return nil, fmt.Errorf("sqlstore: InTx: Options.Store is a %T; set it to the store that sqlstore.Open returned, so that the mark is in the same database", s)
}

func (s *Store) self() *Store { return s }

type hookKey struct{}

// WithHook returns a context under which [InTx] calls hook in its transaction,
// after the marks and before the function. If hook returns an error, everything
// is rolled back. Use it for records that must agree with the marks.
func WithHook(ctx context.Context, hook func(ctx context.Context, tx *sql.Tx) error) context.Context {
	return context.WithValue(ctx, hookKey{}, hook)
}

type connKey struct{}

// Conn returns the connection of the transaction of [InTx]. ctx must be the
// context that InTx gave to the function; otherwise Conn returns false. The Raw
// method of the connection gives the driver's own connection, such as pgx's,
// within the same transaction. Neither close the connection nor end the
// transaction through it. A pgx.Tx is not available.
func Conn(ctx context.Context) (*sql.Conn, bool) {
	conn, ok := ctx.Value(connKey{}).(*sql.Conn)
	return conn, ok
}
