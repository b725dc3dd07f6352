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
// killed right after the acknowledgement. If an event can't be kept, it is not
// acknowledged, and the provider is asked to deliver again.
//
// The function is called at least once. It is called again when it fails, and
// when the process ends before the event is marked as done. So what the function
// does must be safe to repeat: make the settling of an order idempotent, by a
// condition on the order's state or by a unique key.
//
// With [InTx], the function's writes happen exactly once: what it writes through
// its transaction commits together with the mark that the event is done, or not
// at all. The merchant's tables must then be in the inbox's database. On SQLite
// they must be in the inbox's file, and no receipt can be kept while the function
// runs. What the function does outside of the transaction, such as sending mail,
// happens at least once.
//
// # What becomes of an event
//
// An attempt does what a receiver without an inbox does during the request: it
// compares the event with the merchant's records, asks the provider to confirm
// it, claims it and calls the function. An attempt is counted when it begins, so
// a function that ends the process is not retried forever.
//
// The first failed attempt is followed by a random wait of up to 5 seconds before
// the next one. This bound doubles with each attempt, up to an hour. After 72
// hours, and at least 10 attempts, the event becomes a dead letter.
//
// An event that can't succeed becomes a dead letter at once: one that the
// provider does not confirm, one that is spliced (its signature came before with
// another event), one that is invalid, and one in conflict with a done event (the
// same identity with another fingerprint). Two kinds of events are retried for 15
// minutes first. One is an event that the merchant doesn't expect: its order may
// be stored a moment later. The other is a spliced event where only the function
// can find out which of the two events with this signature is genuine
// ([payack.ErrUndecided]).
//
// A dead letter stays one until a person retries it ([Inbox.Retry]) or closes it
// ([Inbox.CloseByHand]), or until the event is delivered again. A done event is
// never processed again.
//
// Two kinds of events are kept as dead letters without a call of the function.
// One breaks a rule of the merchant's own: correct the rule, then retry. The
// other is a refund that comes again with other unsigned details, such as a
// second partial refund: a person compares it with the provider's records and
// closes it. For each event, up to [Config].MaxVariants dead letters of each kind
// are kept.
//
// Events of one payment don't run at the same time, unless a process can't renew
// the lease of its attempt (see "Several processes") because it is paused or has
// lost the database. The oldest due event of a payment goes first. An event's
// time is the time that the provider signed, or the time of its receipt if no
// time is signed. An event that waits for a retry does not delay the payment's
// other events. Once a final event is done, an older event of the payment that is
// not final is no longer processed.
//
// # Several processes
//
// Any number of processes may work on the same tables. The process that begins an
// attempt leases the row for 10 seconds by the database's clock, and renews the
// lease during the attempt. So if the process crashes, the row is due again
// within 15 seconds. Two processes may share one SQLite file if it is on a local
// disk.
//
// Where River already runs, module inbox/riverinbox lets it schedule the
// attempts.
//
// Commits are as durable as the database makes them. After a failover to an
// asynchronous replica, the last commits may be missing: ask the provider about
// open orders then (package reconcile).
package inbox
