// Package payack is the vocabulary of a receiver of payment callbacks: the
// typed events of the providers Ptop, PTS (Pagarstar) and Payatom, their
// statuses and amounts, the secrets and errors, and the small interfaces
// through which a program plugs in what is its own.
//
// The work is done by the packages beside it, one stage each and in every
// stage one file per provider:
//
//   - [github.com/payack/payack/handlers] turns a configuration and a typed
//     function into an http.Handler. Most programs start and end here.
//   - [github.com/payack/payack/middleware] wraps an existing handler, and
//     holds the configurations and the whole way of a request.
//   - [github.com/payack/payack/verify] verifies without HTTP, and signs.
//   - [github.com/payack/payack/envelope] opens and seals.
//   - [github.com/payack/payack/ratelimit] limits who may call how often.
//
// # What is authenticated
//
// A member of an event that stands directly in it (OrderID, AcceptAmount) is
// covered by the provider's signature. A member under Unsigned is not: whoever
// can replay or relay a callback may have written it. The one exception is
// the callback of Ptop, whose signature covers the whole body; yet it carries
// no amount, so nothing may be credited on it without asking Ptop.
//
// # Amounts
//
// No number passes through a float. An [Amount] is the text that came in.
//
// # Compatibility
//
// All modules of payack have one version. Before v1.0.0 a minor version may change
// the API, and CHANGELOG.md says what must be changed; a patch never does. What an
// inbox, a store or a recording keeps can be read by later versions, and the
// identity of an event ([Event]) stays, unless the changelog says otherwise. The
// texts of errors and log lines may change at any time: compare errors by
// errors.Is, and by [Reason]. Go is supported in the version of go.mod and later.
package payack
