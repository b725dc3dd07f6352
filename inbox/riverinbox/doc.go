// Package riverinbox lets River (https://riverqueue.com) schedule the attempts of
// an inbox on PostgreSQL, in place of the inbox's own poller. It is for programs
// that use River already, or want River's UI, scheduling and other operations:
//
//	in, err := riverinbox.Open(ctx, riverinbox.Config{Inbox: inbox.Config{DB: db}})
//	h, err := handlers.NewPTS(handlers.PTSConfig{…, Options: handlers.Options{Inbox: in}}, settle)
//	go in.Run(ctx)
//
// Everything that package inbox promises holds here. The inbox's row is the
// record: it holds the state, the attempts and the dead letters, and decides
// whether an attempt may begin. List, Get, Retry, CloseByHand and Stats use the
// row. A job of River only says that a row is due:
//
//   - A receipt and its job commit together.
//   - With [inbox.InTx], the job completes in the function's transaction,
//     together with the row and what the function wrote.
//   - The job of a failed attempt is retried when its row is due. The job of a
//     dead letter is cancelled, with the reason. A retry, by a person or by a
//     redelivery, gets another job.
//   - While an event of a payment runs, the jobs of the payment's other events
//     snooze.
//   - A job is lost if its process is killed, or if a person deletes or cancels
//     the job. A due row without a job gets another job within seconds. So to end
//     an event, close its row.
//
// # Clients
//
// Open makes a client of River unless Config.Client is set. Config.Client must be
// a *river.Client[*sql.Tx], on driver riverdatabasesql: receipts, marks and the
// merchant's function share a *sql.Tx of the inbox's pool, which a
// river.Client[pgx.Tx] can't join. Both kinds of client may work on the same
// tables of River, in one process or in several.
//
// Each receiver has a queue of its own, with [inbox.Config].PerReceiver workers,
// or Workers if that is zero. So a receiver whose provider hangs doesn't stop the
// others, and one receiver can be paused. The queue's name is "payack_" and the
// receiver's name. If River does not accept this name, or if the inbox has a
// Prefix of its own, the queue's name ends in a digest. A process works the
// queues of the receivers that are mounted in it, while Run runs.
//
// # Licence
//
// River is under the Mozilla Public License 2.0, payack under the MIT licence.
package riverinbox
