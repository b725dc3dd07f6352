// Package ratelimit limits how often each key may call. A key usually stands for a
// provider and a client.
//
// A [Limiter] gives every key a token bucket. The bucket allows Burst calls at once
// and refills at PerSecond. [New] returns a limiter for one process; the module
// github.com/payack/payack/ratelimit/redislimit has one that replicas share. A
// limiter answers with a [Decision], which does not depend on HTTP. [Middleware]
// puts a limiter in front of any http.Handler; [SetHeaders] writes a decision into
// a response, for a gate of your own.
//
// # Two ways to charge
//
// [ChargeAll] charges every request. That is the plain limit.
//
// [ChargeFailures] charges a request only when it turned out to be bad. The gate
// only looks at the budget (Peek), and a failed verification is charged afterwards
// (Allow). So a provider's genuine burst from one address is never refused. A sender
// of forgeries is soon refused at the gate, where a request costs no cryptography.
// [Charge.Gate] and [Charge.Failed] make the right call for either way.
//
// # Keys
//
// A key is any string, and each has a budget of its own. [AddrKey] makes one from a
// provider's name and a client's address. Several providers can share a limiter if
// the provider's name is part of the key.
//
// # Memory is bounded
//
// An attacker with many addresses must not fill the memory. A limiter holds at most
// Config.MaxKeys keys. Once it holds that many, all new keys share one bucket until
// held keys fall idle. Keys in Config.Own don't count and always have their own
// bucket: put the provider's known addresses there.
//
// # A limiter never fails a callback
//
// An error from a limiter means that the limiter could not look up the budget. That
// is no reason to refuse a payment callback: let the call pass and report the error.
package ratelimit
