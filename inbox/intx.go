package inbox

import (
	"context"
	"database/sql"

	"github.com/payack/payack"
	"github.com/payack/payack/store/sqlstore"
)

// InTx returns a callback that calls fn in a transaction of the inbox's database,
// in which the event, and its row in the inbox, were marked as done first. What fn
// writes through tx happens exactly once: it commits with the marks, or not at
// all. What fn does elsewhere, such as sending mail, is at-least-once.
//
// fn neither commits nor rolls tx back, runs no statement that ends a transaction
// (DDL on MariaDB and MySQL, BEGIN, COMMIT), and uses tx, not the pool. One that
// ends it and then fails is a dead letter: part of its work stands.
//
// On SQLite the merchant's tables must be in the inbox's file. A file has one
// writer: no receipt is kept while fn runs, so keep it to milliseconds. Senders
// wait, and are told to send again where it takes longer than their deadline.
//
// The receiver's Options.Inbox must be an [Inbox]; its constructor refuses others.
func InTx[E payack.Event](fn func(ctx context.Context, tx *sql.Tx, ev E) error) sqlstore.TxFunc[E] {
	return sqlstore.InTx(fn)
}
