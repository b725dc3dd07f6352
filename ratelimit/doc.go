// Package ratelimit decides who may call how often: per provider and per key.
//
// A [Limiter] gives every key a token bucket: Burst calls at once, refilled at
// PerSecond. [New] makes one that lives in this process; the module
// github.com/payack/payack/ratelimit/redislimit makes one that replicas share.
// The answer is a [Decision], which knows nothing about HTTP; [Middleware] puts
// a limiter in front of any http.Handler, and [SetHeaders] writes a decision
// into a response for those who build their own gate.
//
// # Two ways to charge
//
// [ChargeAll] takes a call from the budget for every request: the plain limit.
//
// [ChargeFailures] takes one only when a request turned out to be bad. The gate
// looks (Peek) before anything is read, and a failed verification pays (Allow)
// afterwards, so a provider's genuine burst from one address is never refused,
// while whoever sends forgeries is turned away before they cost cryptography.
// [Charge.Gate] and [Charge.Failed] do the right one of both.
//
// # Keys
//
// A key is any string; each is a budget of its own. [AddrKey] makes one from a
// provider's name and a client's address. Keys live apart only within one
// limiter: several providers may share a limiter when the provider's name is
// part of the key.
//
// # Memory is bounded
//
// An attacker with many addresses must not be able to fill the memory. At most
// Config.MaxKeys keys are held; whoever comes after that shares one bucket with
// all other newcomers, until keys fall idle. Keys in Config.Own are outside the
// cap and always have their own: put the provider's known addresses there.
//
// # A limiter never fails a callback
//
// An error from a limiter says that the budget could not be looked up. It is no
// reason to turn a payment callback away: let the call pass and report the error.
package ratelimit
