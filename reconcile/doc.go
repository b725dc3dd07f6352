// Package reconcile finds payments whose callbacks never came, by asking the
// providers about open orders:
//
//	r, err := reconcile.New(reconcile.Config{
//		Orders:   shop.OpenOrders, // an iterator over the merchant's own records
//		Accounts: []reconcile.Account{reconcile.PTS(ptsClient, ptsReceiver)},
//	})
//	go r.Run(ctx)
//
// An answer that is paid or final goes through the receiver as the event of the
// missing callback. The event has the same ID, is passed to the same function,
// and is kept in the same inbox if there is one. If the callback comes later, it
// is a duplicate. If the callback came before, the answer is a duplicate. A dead
// event of an inbox becomes due again.
//
// A receiver that remembers events in memory only is refused. After a restart, or in
// another replica, it would process a late callback a second time.
//
// # Which answers are authentic
//
// PTS signs its answers like its callbacks, and Payatom's status polling has the
// post_hash of a webhook. The client verifies both, and an answer that does not
// verify is not passed on.
//
// Ptop does not sign: only the TLS connection authenticates its answers. Its
// events have the scheme [payack.SchemeQuery], the order of the merchant's
// record, and report Paid as the answer says. They are identified by their
// transaction. If two orders have one transaction, the second event is a conflict
// and settles nothing.
//
// Amounts are compared as for a callback: by Expect, by Confirm or by the
// merchant's function. If Confirm is a method of package client, a call would
// only repeat the question, so the answer replaces the call (except for withdraws,
// see [PTSWithdraws]). With an inbox, Confirm still runs when the event is
// processed: an inbox does not keep confirmations.
//
// # When an order is asked about
//
// The first question comes 1 minute after the order was created, the second 5
// minutes later, the third 15 minutes later, and then one every hour. The order that
// has been due for longest is asked about first.
//
// The questions end when the order is final and processed, when the source
// (Config.Orders) no longer has it, or when it is 72 hours old. Two kinds of orders
// are asked about beyond that age: those that the provider has never answered about
// ("no such order" is an answer), and those that were found paid or final but are
// not processed.
//
// After a missing or wrong answer, the wait is the same as after a pending
// answer. An account that does not answer at all, or that refuses the
// credentials, is asked at most once a minute.
//
// # Several processes
//
// The state of an open order takes about 80 bytes of memory and is not shared.
// Processes that each run a Reconciler each ask about every order. To spare the
// provider, run a Reconciler in one process only, or split the orders. A shared
// limiter (Config.Limiters) keeps several processes to one rate.
package reconcile
