// Package redislimit is a [ratelimit.Limiter] that replicas share, on Redis.
//
// It uses the atomic GCRA of redis_rate, one script on the server's clock, so
// that replicas need no clocks in step. A key costs one round trip per call.
//
// # A broken Redis never fails a callback
//
// No call waits for Redis longer than Config.Timeout, 50 ms at most; when Redis
// is slow, hung, refuses, restarts or answers nonsense, the answer comes from a
// limiter in this process with the same budget, and the error is nil. After a
// few failures in a row Redis is left alone for a while (Config.CoolDown), then
// one call tries it again. Config.OnChange tells when that begins and ends.
//
// # What is lost
//
// While Redis is away every replica keeps the budget on its own, so n replicas
// together admit up to n times as much. When Redis loses its memory, all buckets
// are full again. A rate limit can bear both; nothing that must not be lost is
// kept here.
//
// # The server
//
// A Redis server, what Sentinels name as the primary, or a cluster: the script
// touches one key. [NewWithClient] takes a client for those. The tests run on
// 7.0. A bucket that is full again has expired, so the memory taken is that
// of the keys seen within the last Window. Under an attack from many addresses
// that is what the attacker makes of it: give the server a maxmemory and an
// eviction policy that prefers keys with a time to live (volatile-ttl).
//
// Errors hold no credentials. Where these can't be known, as with a provider of
// credentials or with Sentinels, of a server's text only the first word is
// repeated.
//
// go-redis writes failed dials to its own logger; see redis.SetLogger.
package redislimit
