// Package sqlstore is a [payack.Store] in the merchant's own database, through
// database/sql: SQLite, PostgreSQL, and MariaDB or MySQL. With [InTx], the
// merchant's function runs in one transaction with the mark that its event is
// done:
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
// After a crash at any moment, the database holds both what the function wrote
// through tx and the mark, or neither. So the writes happen exactly once. What
// the function does elsewhere may happen again. Without InTx, everything that the
// function does may happen again: the event is marked after the function has
// returned, and a crash in between loses the mark.
//
// # What it costs
//
// A claim costs one round trip, and a commit costs another. Each is a transaction
// that the server makes durable. With InTx, the second transaction is not needed,
// because the merchant's own transaction also marks the event as done. InTx adds
// two statements to the merchant's transaction, one that marks the event
// and one that checks the mark at the end. On MariaDB and MySQL it adds two more,
// which switch autocommit off and on. A function in InTx holds a connection while
// it runs, so the pool needs a connection for each function that runs at the same
// time. A function without InTx holds none.
//
// # What it forgets
//
// The store forgets no done event. [Store.Prune] drops only readable identities,
// after Config.Retention, and the claims of crashed processes. The digests of
// identity and fingerprint stay, because a forgotten event that is delivered
// again would be settled again. They take about 100 bytes for each event. After
// an asynchronous failover the database itself has lost what had not reached the
// server that takes over. [Open] warns about settings that lose committed writes
// in a crash.
//
// # When the database is away
//
// Every call returns when its context ends, and the provider is asked to deliver
// again. A function in its transaction may use up the deadline; ending the
// transaction then takes up to 1.25 seconds more. When a commit's answer is lost,
// InTx reads from the event's row (FOR UPDATE, except on SQLite) whether the
// commit was made. If the row can't be read either, the next delivery reads it.
// Nothing is acknowledged before its commit is certain.
//
// # The clock
//
// All times are the database server's, in microseconds; on SQLite, the machine's
// in milliseconds. The replicas' clocks need not agree. Setting the server's
// clock back lengthens leases by as much; setting it forward shortens them.
// Neither change lets InTx commit twice for one event.
//
// # The databases
//
// Tested are SQLite with modernc.org/sqlite, PostgreSQL 15 with pgx, and MariaDB
// 10.11 with go-sql-driver; the errors of mattn/go-sqlite3 and lib/pq are
// recognised as well. MySQL 8 is untested. This package links no driver.
//
//   - SQLite has one writer. While a function runs in its transaction, every
//     other function and every claim waits. So InTx on SQLite is for short
//     functions, and for merchants whose tables are in the same file. Some errors
//     roll the transaction back by themselves (a full disk, ON CONFLICT
//     ROLLBACK): return them, since a function that goes on after such an error
//     writes outside of the transaction. Set the pragmas of the example in the
//     DSN: immediate transactions, WAL, synchronous=FULL, and a busy_timeout.
//   - PostgreSQL may stand behind a proxy that pools transactions if the
//     driver uses no prepared statements of the session (for pgx:
//     default_query_exec_mode=exec). InTx and Migrate can't work behind a
//     proxy that pools statements.
//   - MariaDB and MySQL end the transaction on a deadlock. The function must
//     then return the error. InTx switches autocommit off for the session, so
//     what the function writes in spite of the error is not kept. A proxy
//     must therefore keep the session on one connection to the server while
//     autocommit is off.
//   - A pgx.Tx is not available, since database/sql owns the transaction. [Conn]
//     gives pgx's connection within the transaction.
//   - Config.Isolation sets the isolation level of InTx. With repeatable read
//     and serializable, a function may fail because of a concurrent one; the
//     provider delivers again.
package sqlstore
