// Package redislimit implements [ratelimit.Limiter] on Redis, so that replicas
// share budgets.
//
// It uses the atomic GCRA of redis_rate: one script on the server's clock, so the
// replicas' clocks need not agree. A call costs one round trip.
//
// # A broken Redis never fails a callback
//
// No call waits for Redis longer than Config.Timeout, 50 ms at most. When Redis is
// slow, hangs, refuses, restarts or answers nonsense, a limiter in this process
// with the same budget answers instead, and the error is nil. After several
// failures in a row no call uses Redis for a while (Config.CoolDown); then one call
// tries it again. Config.OnChange is called when such a time begins and ends.
//
// # What is lost
//
// Without Redis every replica keeps the budget on its own, so n replicas together
// admit up to n times as much. When Redis loses its memory, all buckets are full
// again. Both are acceptable for a rate limit, and this package stores nothing else.
//
// # The server
//
// [New] and [Open] use a single Redis server. [NewWithClient] also uses the primary
// that Sentinels name, or a cluster. A cluster works because the script touches one
// key only. The tests run on Redis 7.0.
//
// A bucket expires when it is full again, so Redis holds the keys of the last
// Window. An attacker with many addresses can make that a large number of keys. So
// give the server a maxmemory, and an eviction policy that prefers keys with a time
// to live (volatile-ttl).
//
// # Secrets
//
// Errors hold no credentials. If the credentials are unknown here, as with a
// provider of credentials or with Sentinels, errors repeat only the first word of a
// server's text.
//
// go-redis logs failed dials to its own logger; see redis.SetLogger.
package redislimit
