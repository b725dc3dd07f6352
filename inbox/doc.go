// Package inbox keeps verified callbacks in SQL before the provider gets its
// acknowledgement. It processes them afterwards, and retries for days until the
// merchant's function succeeds:
//
//	db, err := sqlite.OpenFile("payack.db")
//	in, err := inbox.Open(ctx, inbox.Config{DB: db, Dialect: sqlite.Dialect})
//	h, err := handlers.NewPTS(handlers.PTSConfig{…, Options: handlers.Options{Inbox: in}}, settle)
//	mux.Handle("POST /callbacks/pts", h)
//	go in.Run(ctx)
//
// It works on SQLite (package inbox/sqlite opens a file), PostgreSQL, and MariaDB
// or MySQL (tested with MariaDB 10.11; MySQL itself is untested).
//
// # What is promised
//
// An acknowledged event is committed. It is processed even if the process is
// killed right after the acknowledgement. If it can't be kept, the provider is
// asked to deliver again.
//
// The function is called at least once. It is called again when it fails, and
// when the process ends between the function's return and the mark that the event
// is done. So what it does must be safe to repeat: make the settling of an order
// idempotent, by a condition on its state or by a unique key.
//
// With [InTx], the function's writes happen exactly once: what it writes through
// its transaction commits together with the mark, or not at all. The merchant's
// tables must then be in the inbox's database. On SQLite that is the same file,
// and no receipt can be kept while the function runs. What the function does
// outside of the transaction, such as sending mail, happens at least once.
//
// # What becomes of an event
//
// An attempt does what a request does without an inbox: it compares the event with
// the merchant's records, has it confirmed, claims it and calls the function. An
// attempt is counted when it begins, so a function that ends the process is not
// retried forever.
//
// A failed attempt is retried after up to 5 seconds. The bound doubles each time,
// up to an hour, and the moment within it is random. After 72 hours, and at least
// 10 attempts, the event becomes a dead letter.
//
// An event that can't succeed becomes a dead letter at once: one that is
// unconfirmed, spliced, invalid, or in conflict with what was done. Two kinds are
// retried for 15 minutes first: an event that the merchant doesn't expect,
// because its order may be stored a moment later, and one that is spliced where
// only the function can tell which of two events is genuine
// ([payack.ErrUndecided]).
//
// A dead letter is kept until a person retries it ([Inbox.Retry]) or closes it
// ([Inbox.CloseByHand]), or until the event is delivered again. A done event is
// never processed again.
//
// Two kinds of events are dead letters from the start. One breaks a rule of the
// merchant's own: correct the rule, then retry. The other is a refund that comes
// again with other unsigned details, as a second partial refund does: a person
// compares it and closes it. For each event, up to [Config].MaxVariants of each
// kind are kept.
//
// Events of one payment never run at the same time. The oldest due event goes
// first, by the time that the provider signed, or by the time of the receipt if
// none is signed. An event that waits for a retry delays no other. Once a final
// event is done, an older event that is not final is no longer processed.
//
// # Several processes
//
// Any number of processes may work on the same tables. A row is leased for 10
// seconds by the database's clock, and the lease is renewed. So an attempt whose
// process has crashed is due again within 15 seconds. Two processes may share one
// SQLite file if it is on a local disk.
//
// Where River already runs, module inbox/riverinbox lets it schedule the
// attempts.
//
// Durability is the database's. After an asynchronous failover, the last commits
// may be missing: ask the provider about open orders then (package reconcile).
package inbox
