// Package payack has the common types for receiving payment callbacks: the events
// of the providers Ptop, PTS (Pagarstar) and Payatom, with their statuses and
// amounts; secrets; errors; and small interfaces that a program can implement, such
// as [Store] and [Observer].
//
// The work is done by other packages of this module:
//   - [github.com/payack/payack/handlers] turns a configuration and a typed
//     function into an http.Handler. Most programs need no other package.
//   - [github.com/payack/payack/middleware] puts a receiver in front of an existing
//     handler. It has the configurations, and processes requests from start to end.
//   - [github.com/payack/payack/verify] verifies messages without HTTP, and signs
//     them.
//   - [github.com/payack/payack/envelope] opens and seals envelopes.
//   - [github.com/payack/payack/ratelimit] limits how often a client may call.
//
// # What is authenticated
//
// Members that stand directly in an event (OrderID, AcceptAmount) are covered by
// the provider's signature. Members under Unsigned are not covered: anybody who can
// replay or relay a callback may have changed them. In Ptop's callbacks the
// signature covers every member. But those callbacks carry no amount: ask Ptop for
// the amount before you credit anything.
//
// # Amounts
//
// No amount ever passes through a float. An [Amount] keeps the text that was
// received.
//
// # Compatibility
//
// All modules of payack have the same version. Before v1.0.0 a minor version may
// change the API, and CHANGELOG.md says what to change in your code. A patch
// version never changes the API. Unless the changelog says otherwise, later
// versions can read what an inbox, a store or a recording holds, and the identity
// of an event ([Event.ID]) stays the same. The texts of errors and log lines may
// change at any time, so compare errors by errors.Is and by [Reason]. The oldest
// supported version of Go is the one in go.mod.
package payack
