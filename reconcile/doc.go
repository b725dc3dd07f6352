// Package reconcile finds the callbacks that never came, by asking the providers
// about open orders:
//
//	r, err := reconcile.New(reconcile.Config{
//		Orders:   shop.OpenOrders, // an iterator over the merchant's own records
//		Accounts: []reconcile.Account{reconcile.PTS(ptsClient, ptsReceiver)},
//	})
//	go r.Run(ctx)
//
// What a provider says of an order, when it is paid or final, goes through the
// receiver as the event that its callback would have been: it has the same ID, it
// is handed to the same function, and kept in the same inbox where there is one.
// So a callback that comes later is a duplicate, and where one came before, the
// answer is. An event of an inbox that is dead becomes due again.
//
// Receivers that remember events in memory only are refused: after a restart, or
// in another replica, the callback that comes later would settle again.
//
// # How far an answer can be believed
//
// PTS signs its answers like its callbacks, and Payatom's status polling has the
// post_hash of a webhook; both are verified by the client, and what doesn't verify
// is not handed on. Ptop signs nothing: its answer is as good as the TLS
// connection, the event says so by the scheme [payack.SchemeQuery], the order is
// the merchant's own record, and Paid is what the answer says. Its identity is the
// transaction, so that a record with another order's transaction settles nothing a
// second time: it is a conflict.
//
// Amounts are compared by whoever compares those of callbacks: Expect, Confirm, or
// the function. Only where Confirm is a method of package client, which would ask
// the same again, the answer stands for it; not so where an inbox keeps the event:
// what was confirmed is not kept with it, and is asked for again when the event is
// processed.
//
// # When an order is asked about
//
// 1 minute after it was created, 5 minutes after that, 15 minutes after that, and
// then each hour, until it is final and was processed, or is no longer in the
// source, or is 72 hours old. The one that is due for longest comes first. Age ends
// nothing before the provider has said something of the order, be it that it knows
// none, and nothing that it said was paid or final and that is not processed yet. No
// answer, or a wrong one, is waited for like one that is pending; while no answer
// comes at all, or our credentials are refused, an account is asked once a minute
// only.
//
// # Several processes
//
// What was asked when is remembered in memory: 80 bytes or so for an open order.
// Processes that each run a Reconciler ask about each order each. They keep to one
// rate together by a limiter that they share (Config.Limiters). Run it in one of
// them, or give each its part of the orders, to spare the provider.
package reconcile
