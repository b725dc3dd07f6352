// Package inbox keeps verified callbacks in SQL before the provider is told that
// they were received, and processes them later, again and again for days, until
// the merchant's function succeeds:
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
// What was acknowledged is committed, and is processed even if the process is
// killed at that moment. If it can't be kept, the provider is asked to send again.
//
// The function is called at-least-once: it is called again when it fails, and when
// the process ends between its return and the mark that the event is done. What it
// does must then be able to happen twice: make the settling of an order idempotent,
// by a condition on its state or a unique key.
//
// Inside the merchant's transaction it is exactly-once: what a function given to
// [InTx] writes through its transaction commits together with the mark, or not at
// all. The merchant's tables must then be in the inbox's database; on SQLite in the
// same file, where no receipt is kept while the function runs. What it does outside
// of the transaction, such as sending mail, is at-least-once.
//
// # What becomes of an event
//
// An attempt compares, confirms, holds and calls as a request does without an
// inbox. One that fails is made again after 5 seconds, and after twice as long each
// time up to an hour, at a random moment within that; it is given up after 72 hours
// and 10 attempts at least. An attempt counts when it begins, so a function that
// ends the process does not loop. What can't succeed is a dead letter at once:
// unconfirmed, spliced, invalid, or in conflict with what was done. What the merchant
// doesn't expect is tried for 15 minutes, because the order may be stored a moment
// later; so is what is spliced where only the merchant's function can tell which of
// two events is genuine ([payack.ErrUndecided]). A dead letter is kept until somebody
// has it tried again ([Inbox.Retry]) or closes it ([Inbox.CloseByHand]), or until it
// is delivered again. What is done is never touched.
//
// What a rule of the merchant's own refuses is a dead letter for as long as the rule
// says so: when it was corrected, have it tried again. A refund that comes again with
// other unsigned details, as a second partial one does, is a dead letter from the
// start, for a person to compare and close. Of both kinds [Config].MaxVariants are
// kept for each event.
//
// The events of one payment never run at the same time. Among those that are due
// the older goes first, by the time that the provider signed, or that of the
// receipt; none waits for one that is to be tried again later. An event that is not
// final is not delivered once a final one that is newer is done.
//
// # Several processes
//
// Any number of processes may work on the same tables: rows are leased by the
// database's clock, for 10 seconds that are renewed, so an attempt whose process
// ended is due again within 15 seconds. Two processes on one SQLite file are safe,
// too, if it is on a local disk.
//
// Where River runs already, module inbox/riverinbox has it schedule the attempts.
//
// Durability is the database's. After an asynchronous failover it may have lost
// what was committed last; ask the provider about open orders then
// (package reconcile).
package inbox
