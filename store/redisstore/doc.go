// Package redisstore is a [payack.Store] on Redis, shared by replicas.
//
//	store, err := redisstore.Open("redis://user:password@host:6379/0", redisstore.Config{})
//
// Give the store to the receivers of every replica. For each event, the function
// then runs in one replica at a time, and never again once it has returned nil.
// [NewWithClient] takes an existing client, such as one for Sentinels or for a
// cluster.
//
// Each call runs one script and costs one round trip. The script is atomic and
// uses the server's clock, so the replicas' clocks need not agree. A claim is a
// key whose time to live is the lease; a commit marks the event as done for
// Config.Retention.
//
// # When Redis is away
//
// Every call returns within Config.Timeout. If Redis has not answered by then,
// the call returns an error; it never guesses that an event is claimed or done.
// The receiver then asks the provider to deliver again, unless its option
// InsecureProcessWithoutStore is set. So events are late, not lost, for as long
// as the provider keeps trying.
//
// The store never repeats a call by itself, because a call whose answer was lost
// may have been carried out:
//   - A claim may be held although Claim returned an error. The store tries once
//     to release it, as soon as the call has ended. If that fails too, the event
//     is busy until the lease ends, and the provider is asked to deliver again.
//   - An event may be done although its commit returned an error. That is
//     harmless.
//   - A commit may be lost after the function has returned nil. If the event
//     is delivered again after its lease has ended, it is processed again.
//
// # What is lost when Redis loses its memory
//
// The store knows nothing of an event that Redis has forgotten. If the event is
// delivered again, it is processed again. If it is being processed when Redis
// forgets it, another replica can claim it. The hashes of Payatom's webhooks,
// which the store also remembers, are forgotten as well. So make the settling of
// an order idempotent, with any store. (Idempotency does not help against a
// forged webhook of Payatom that names another order: use Confirm, or order ids
// of one length.) Redis forgets events in these cases:
//   - It is flushed, or restarts without persistence. Then it forgets everything.
//   - It crashes. Then it forgets what was not yet on disk. With appendfsync
//     everysec (the default of appendonly), that is the last second or two. With
//     snapshots only, it is everything since the last snapshot. With appendfsync
//     always, it forgets nothing that it has acknowledged.
//   - It fails over. Then it forgets what had not reached the Redis replica that
//     takes over, because replication is asynchronous.
//   - It is full, and its eviction policy is not noeviction. Then it forgets
//     events of its own choice. All keys of this store have a time to live, so
//     the volatile policies and the allkeys policies evict them alike.
//
// Recommended: maxmemory-policy noeviction, appendonly yes, and a server that is
// not shared with a cache or a rate limiter, which need the opposite settings.
// With noeviction, a full server refuses claims, and the provider is asked to
// deliver again. An event takes about 250 bytes for Config.Retention.
//
// Redis is not the durable record of payments; the merchant's database is. If
// events must not be lost, store each one in that database, in the transaction
// that settles its order. Then this store only keeps replicas from doing the work
// twice.
//
// # The server
//
// The server is a Redis server, the primary behind Sentinels, or a cluster; each
// script touches one key. The tests run on Redis 7.0. Sentinels and clusters fail
// over, and a failover can lose events (see above). Braces in Config.Prefix are a
// hash tag, and put all keys on one node of a cluster. Setting the server's clock
// back lengthens leases by as much; setting it forward shortens them. The user
// needs the commands EVALSHA, EVAL, GET, SET and DEL on the keys
// Config.Prefix:once:*, and the commands that open a connection. [Store.Ping]
// checks that the user may run a script that writes.
//
// Errors hold no credentials. If the store can't know the credentials (behind
// Sentinels, or with a provider of credentials), an error repeats only the first
// word of the server's text.
//
// go-redis logs failed dials to a logger of its own; redis.SetLogger replaces it.
package redisstore
