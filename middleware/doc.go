// Package middleware receives payment callbacks over HTTP and hands their events to
// the merchant's code. The work has two halves.
//
// The first half, at the door, refuses wrong requests (the gate), reads the body
// (capture) and verifies it. With an inbox it then keeps the event and answers.
//
// The second half, at the desk, compares the event with what the merchant expects
// and has the provider confirm it (guard), claims it so that it is processed only
// once (hold), and calls the merchant's code. Without an inbox it runs in the
// request, which is answered afterwards in the provider's words.
//
// The file receiver.go shows both halves. Each step has a file of its own.
//
// [NewPtop], [NewPTS] and [NewPayatom] return the receiver for their provider.
// [Receiver.Wrap] puts it in front of an existing http.Handler, which finds the
// event and the delivery in its context. [Handle] makes it call a typed function
// instead; package handlers does so.
//
// A receiver is safe for concurrent use. It starts a goroutine for each question
// that Confirm asks, and no others.
package middleware
