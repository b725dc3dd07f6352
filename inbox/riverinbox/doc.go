// Package riverinbox has River (https://riverqueue.com) say when an inbox on
// PostgreSQL attempts an event, in place of the inbox's own poller, for those who
// run River already, or want its page, its schedules and its other operations:
//
//	in, err := riverinbox.Open(ctx, riverinbox.Config{Inbox: inbox.Config{DB: db}})
//	h, err := handlers.NewPTS(handlers.PTSConfig{…, Options: handlers.Options{Inbox: in}}, settle)
//	go in.Run(ctx)
//
// What package inbox promises stays as it is there: its row is the record, with its
// attempts and dead letters, by which List, Get, Retry, CloseByHand and Stats go,
// and by which payments and states are guarded. A job of River only says that a row
// is due:
//
//   - A receipt and its job commit together.
//   - The job completes in the transaction of a function given to [inbox.InTx],
//     together with the row and what the function wrote.
//   - An attempt that fails leaves its job to be tried again, at the time that the
//     row has. The job of a dead letter is cancelled, with the reason; what is
//     retried, by a person or by a redelivery, gets another job.
//   - Of two events of one payment the second snoozes until the first has ended.
//   - What River has forgotten, because a process ended or somebody has deleted or
//     cancelled a job, gets another job within seconds. To end an event, close its row.
//
// # Clients
//
// Open makes a client of River, unless Config.Client is one. It must be a
// *river.Client[*sql.Tx], on driver riverdatabasesql: receipts, marks and the
// merchant's function share a *sql.Tx of the inbox's pool, which a
// river.Client[pgx.Tx] can't join. Both kinds of clients may work on the same
// tables of River in one process or in several.
//
// Each receiver has a queue of its own, whose name is "payack_" and the receiver's
// (with a digest where River doesn't take that, or the inbox has a Prefix of its
// own), with [inbox.Config].PerReceiver workers, Workers if that is zero. A process
// works the queues of those that are mounted there while Run runs, so that one whose
// provider hangs doesn't stop the others, and one can be paused.
//
// # Licence
//
// River is under the Mozilla Public License 2.0, payack under the MIT licence.
package riverinbox
