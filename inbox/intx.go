package inbox

import (
	"context"
	"database/sql"

	"github.com/payack/payack"
	"github.com/payack/payack/store/sqlstore"
)

// InTx returns a function to pass to a receiver's constructor in place of fn. The
// returned function calls fn in a transaction of the inbox's database. The event
// and its row in the inbox are marked as done in that transaction first. What fn
// writes through tx is written exactly once: it commits with the marks, or not at
// all. What fn does elsewhere, such as sending mail, happens at least once.
//
// fn must write through tx, not through the pool, and must not end the
// transaction, neither by Commit or Rollback nor by a statement (BEGIN, COMMIT,
// or DDL on MariaDB and MySQL). If fn ends the transaction and then fails, the
// event becomes a dead letter, because part of fn's work is committed.
//
// On SQLite the merchant's tables must be in the inbox's file. The file has one
// writer, so no receipt is kept while fn runs: keep fn to milliseconds. Requests
// wait meanwhile. If a request's deadline ends the wait, the provider is asked to
// deliver again.
//
// Options.Inbox of the receiver must be an [Inbox] or embed one, as the inbox of
// module inbox/riverinbox does. The receiver's constructor refuses any other.
func InTx[E payack.Event](fn func(ctx context.Context, tx *sql.Tx, ev E) error) sqlstore.TxFunc[E] {
	return sqlstore.InTx(fn)
}
