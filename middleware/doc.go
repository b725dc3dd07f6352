// Package middleware is the way of a request, in two halves. At the door it turns
// HTTP away at the gate, captures the body and has it verified; with an inbox it
// keeps the event and answers. At the desk it has the event compared with what is
// expected and confirmed, takes hold of it (once only), and calls the merchant's
// code; without an inbox this is in the request, which is answered then, in the
// provider's words. The file receiver.go has both halves, and each step has a file.
//
// There is a receiver for each provider, made by [NewPtop], [NewPTS] and
// [NewPayatom]. Wrap puts it around an existing http.Handler, which then finds
// the event and the delivery in its context; [Handle] calls a typed function
// instead, and is what package handlers uses.
//
// Behind Wrap, a handler that writes nothing and reports no error with [Fail]
// has accepted the event, and so has one that writes a 2xx. Anything else is a
// failure, and the provider is asked to send again. What the handler wrote
// itself stands as it is.
//
// A receiver is safe for concurrent use. It starts a goroutine for each question
// that Confirm asks, and no others.
package middleware
