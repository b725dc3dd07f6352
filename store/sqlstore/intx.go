package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/payack/payack"
)

// TxFunc is a callback that runs in a transaction with the mark that its event is
// done. [InTx] makes it. Its type lets the constructors of handlers see that it
// needs a store of this package.
type TxFunc[E payack.Event] func(ctx context.Context, ev E) error

// InTx returns a callback that calls fn in a transaction of the store's database,
// in which the event was marked as done first. When fn returns nil the transaction
// commits, with what fn wrote and the mark together; otherwise, and after a panic,
// both are rolled back. Crash where you like: the effect and the mark are both
// there, or both not. So what fn writes through tx happens exactly once; what it
// does elsewhere, such as sending mail, may happen again.
//
// fn neither commits nor rolls tx back, and runs no statement that ends a
// transaction (DDL on MariaDB and MySQL, BEGIN, COMMIT). One that does is found
// out and logged: what it wrote stands, and the event stays done or not done as
// the database says. fn must use tx, not the pool: with a pool of one connection
// that would wait until the deadline.
//
// The receiver's Options.Store must be a [Store]; its constructor refuses
// another. The transaction holds a connection, and on SQLite the one right to
// write, for as long as fn runs.
func InTx[E payack.Event](fn func(ctx context.Context, tx *sql.Tx, ev E) error) TxFunc[E] {
	if fn == nil {
		return nil
	}
	return func(ctx context.Context, ev E) error {
		held, ok := payack.HeldFrom(ctx)
		if !ok {
			return errors.New("sqlstore: InTx: the receiver holds nothing for this event; mount the function by a constructor of package handlers, and leave InsecureProcessWithoutStore out")
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

// storeOf returns the Store that s is, or embeds.
func storeOf(s payack.Store) (*Store, error) {
	if is, ok := s.(interface{ self() *Store }); ok {
		if store := is.self(); store != nil {
			return store, nil
		}
	}
	return nil, fmt.Errorf("sqlstore: InTx: Options.Store is a %T; set it to what sqlstore.Open returned, so that the mark stands in the same database", s)
}

func (s *Store) self() *Store { return s }

type hookKey struct{}

// WithHook returns a context under which [InTx] calls hook in its transaction,
// after the marks and before the function. An error of hook rolls all back. It is
// for records that are to say the same as the marks.
func WithHook(ctx context.Context, hook func(ctx context.Context, tx *sql.Tx) error) context.Context {
	return context.WithValue(ctx, hookKey{}, hook)
}

type connKey struct{}

// Conn returns the connection that the transaction of [InTx] runs on. Its Raw
// method reaches the driver's own connection, pgx's for instance, within the same
// transaction. Neither close it nor end the transaction by it. A pgx.Tx can't be
// had from it.
func Conn(ctx context.Context) (*sql.Conn, bool) {
	conn, ok := ctx.Value(connKey{}).(*sql.Conn)
	return conn, ok
}
