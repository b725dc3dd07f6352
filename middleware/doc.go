// Package middleware receives payment callbacks over HTTP and hands their events to
// the merchant's code. The work has two halves.
//
// The first half refuses wrong requests (the gate), reads the body (capture) and
// verifies it. With an inbox it then keeps the event and answers the request.
//
// The second half compares the event with what the merchant expects and has the
// provider confirm it (guard), claims it so that it is processed only once (hold),
// and calls the merchant's code. Without an inbox the second half runs in the
// request, which is answered afterwards in the provider's words.
//
// The file receiver.go shows both halves. Each step has a file of its own.
//
// [NewPtop], [NewPTS] and [NewPayatom] return the receiver for their provider.
// [Receiver.Wrap] puts it in front of an existing http.Handler, which finds the
// event and the delivery in its context. [Handle] makes it call a typed function
// instead. The constructors of package handlers call Handle.
//
// A receiver is safe for concurrent use. It starts one goroutine for each call of
// Confirm, and no other goroutines.
package middleware
