// Package sqlstore is a [payack.Store] in the merchant's own database, by
// database/sql: SQLite, PostgreSQL, and MariaDB or MySQL. What it is for is [InTx],
// which lets the merchant's function run in one transaction with the mark that its
// event is done:
//
//	cfg := sqlstore.Config{DB: db, Dialect: sqlstore.PostgreSQL}
//	err := sqlstore.Migrate(ctx, cfg) // or the statements of sqlstore.Schema
//	store, err := sqlstore.Open(ctx, cfg)
//	pts, err := handlers.NewPTS(handlers.PTSConfig{
//		…
//		Options: handlers.Options{Store: store},
//	}, sqlstore.InTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
//		…
//	}))
//
// Crash where you like: what the function wrote by tx and the mark are both there,
// or both not. So that happens exactly once. What the function does elsewhere may
// happen again, and so may all of it without InTx: the mark is then made when the
// function has returned, and a crash between the two leaves none.
//
// # What it costs
//
// A claim is one round trip and a commit another; each is a transaction that the
// server makes durable. InTx adds two statements to the merchant's transaction, one
// that marks the event and one that looks whether the mark is still there, and two
// small ones on MariaDB and MySQL; it makes one durable commit in place of two.
// Without InTx no connection is held while the function runs; with it, one is. The
// pool needs room for as many functions as run at a time.
//
// # What it forgets
//
// Nothing. [Store.Prune] drops readable identities after Config.Retention. The
// digests of identity and fingerprint stay, in about 100 bytes an event: an old
// callback of which nothing is known would be settled again. An asynchronous
// failover of the database forgets what had not reached the replica, and [Open]
// warns about settings with which a crash does.
//
// # When the database is away
//
// Every call returns when its context is over, and the provider is asked to send
// again. A function in its transaction may use up the deadline; giving up takes up
// to a second more. What became of a commit whose answer was lost is read from
// the row, FOR UPDATE; what can't be read, the next delivery finds out. Nothing is
// acknowledged before its commit is certain.
//
// # The clock
//
// All times are the database server's, in microseconds; on SQLite the machine's, in
// milliseconds. Replicas need no clocks in step. A server's clock that is put back
// lengthens leases by as much, one that is put forward shortens them; neither lets
// an event run twice in its transaction.
//
// # The databases
//
// Tested are SQLite by modernc.org/sqlite, PostgreSQL 15 by pgx, and MariaDB 10.11
// by go-sql-driver; errors of mattn/go-sqlite3 and lib/pq are recognised as well.
// MySQL 8 is untested. This package links no driver.
//
//   - SQLite has one writer. While a function is in its transaction every other one
//     waits, and so does whoever claims: InTx is for short functions there, and for
//     merchants whose tables are in the same file. An error that rolls back by
//     itself (a full disk, ON CONFLICT ROLLBACK) and that the function does not
//     return lets it go on outside of the transaction. Set the pragmas of the
//     example in the DSN: immediate transactions, WAL, synchronous=FULL, and a
//     busy_timeout.
//   - PostgreSQL behind a proxy that pools transactions works, where the driver does
//     not rely on prepared statements of the session (for pgx,
//     default_query_exec_mode=exec). A proxy that pools statements has no
//     transactions: InTx and Migrate can't work behind it.
//   - MariaDB and MySQL have no transaction left after a deadlock. The function then
//     must return the error; what it writes in spite of that is not kept, because
//     the connection does not commit by itself. That is a setting of the session, so
//     a proxy must keep a session to one connection of the server while autocommit
//     is off.
//   - A pgx.Tx can't be had, since database/sql owns the transaction. [Conn] reaches
//     pgx's connection in it.
//   - The isolation of InTx is Config.Isolation. With repeatable read and
//     serializable a function may fail for another's sake; the provider sends again.
package sqlstore
