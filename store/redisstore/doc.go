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
// key whose time to live is the lease; a commit makes it done for
// Config.Retention.
//
// # When Redis is away
//
// Every call returns within Config.Timeout. If Redis has not answered by then,
// the call returns an error; it never guesses that an event is claimed or done.
// The receiver then asks the provider to deliver again
// (InsecureProcessWithoutStore of its options chooses otherwise). So events are
// late, not lost, for as long as the provider keeps trying.
//
// The store never repeats a call by itself, because a call whose answer was lost
// may have been carried out:
//   - A claim may be held without anybody knowing. The store tries once to
//     release it, as soon as the call has ended. If that fails too, the event
//     is busy until the lease ends, and the provider is asked to deliver
//     again.
//   - An event may be done although its commit returned an error. That is
//     harmless.
//   - A commit may be lost after the function has returned nil. If the event
//     is delivered again after its lease has ended, it is processed again.
//
// # What is lost when Redis loses its memory
//
// The store knows nothing of an event that Redis has forgotten. When the event is
// delivered again, it is processed again; when it is being processed at that
// moment, another replica can claim it. Payatom's memory of hashes is lost as
// well. So make the settling of an order idempotent, with this store as without
// it. (That does not help against a forged webhook of Payatom, which names
// another order: confirm, or use order ids of one length.) Redis forgets
//   - everything, when it is flushed or restarts without persistence;
//   - after a crash, the last second or two with appendonly and its default
//     appendfsync everysec, everything since the last snapshot with snapshots
//     only, and nothing that it had acknowledged with appendfsync always;
//   - in a failover, what had not reached the replica: replication is
//     asynchronous;
//   - when it is full, events of its own choice under every eviction policy
//     but noeviction: all keys of this store have a time to live, so the
//     volatile policies evict them as well as the allkeys ones.
//
// Recommended: maxmemory-policy noeviction, appendonly yes, and a server that is
// not shared with a cache or a rate limiter, which want the opposite. With
// noeviction, a full server refuses claims, and the provider is asked to deliver
// again. An event takes about 250 bytes for Config.Retention.
//
// Redis is not the durable record of payments; the merchant's database is. Where
// events must not be lost, store them there in one transaction with what they
// settle, and use this store to keep replicas from doing the work twice.
//
// # The server
//
// The server is a Redis server, the primary behind Sentinels, or a cluster; each
// script touches one key. The tests run on Redis 7.0. Sentinels and clusters fail
// over, and a failover forgets (see above). Braces in Config.Prefix are a hash
// tag, and put all keys on one node of a cluster. Setting the server's clock back
// lengthens leases by as much; setting it forward shortens them. The user needs
// the commands EVALSHA, EVAL, GET, SET and DEL on the keys Config.Prefix:once:*,
// besides what a connection needs. [Store.Ping] checks that.
//
// Errors hold no credentials. Where the store can't know them (behind Sentinels,
// or with a provider of credentials), an error repeats only the first word of the
// server's text.
//
// go-redis logs failed dials to a logger of its own; redis.SetLogger replaces it.
package redisstore
