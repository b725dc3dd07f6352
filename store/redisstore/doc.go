// Package redisstore is a [payack.Store] that replicas share, on Redis.
//
//	store, err := redisstore.Open("redis://user:password@host:6379/0", redisstore.Config{})
//
// goes into the Store of each replica's receivers: of any number of deliveries
// of one event, to whichever replica, one calls the function at a time, and
// none after it has returned nil. [NewWithClient] takes a client that exists
// already, such as one for Sentinels or for a cluster.
//
// Each call is one script, atomic on the server and on the server's clock, so
// replicas need no clocks in step; it costs one round trip. A claim is a key
// with the lease as its time to live; a commit makes it done for
// Config.Retention.
//
// # When Redis is away
//
// Every call returns within Config.Timeout, with an error when Redis did not
// answer by then: never claimed or done on a guess. The receiver then asks the
// provider to send again (see InsecureProcessWithoutStore of its options for the other
// choice), so events are late, not lost, for as long as the provider tries.
//
// No call is made a second time on its own, since a call whose answer got lost
// may have been carried out:
//   - a claim may be held although nobody knows. The store gives it up as soon
//     as it can, once; where that fails too it stays busy until its lease ends,
//     and the provider is asked to send again until then.
//   - an event may be done although its commit returned an error. That is what
//     the commit was for.
//   - an event may be processed and its commit have got lost: when the lease has
//     ended, the same event is processed again if it is sent again.
//
// # What is lost when Redis loses its memory
//
// Whatever Redis forgets was never processed as far as this store knows: an
// event that is sent again is then processed again, and one that is being
// processed at that moment can be claimed by another replica. Payatom's memory
// of hashes is gone as well. So the settling of an order must be idempotent,
// with this store as without. (That does not help against a forged webhook of
// Payatom, which names another order: confirm, or use order ids of one length.)
// Redis forgets
//   - all of it, when it restarts without persistence, or is flushed;
//   - the last second or two when it crashes with appendonly and its default
//     appendfsync everysec, everything since the last snapshot with snapshots
//     only, and nothing that it had answered with appendfsync always;
//   - what had not reached the replica, in a failover: replication is
//     asynchronous;
//   - events of its own choice, when it is full, under every eviction policy but
//     noeviction: all keys here have a time to live, so the volatile policies
//     take them as well as the allkeys ones.
//
// Recommended: maxmemory-policy noeviction, appendonly yes, and a server that is
// not shared with a cache or a rate limiter, which want the opposite. With
// noeviction a full server refuses claims, and the provider is asked to send
// again. An event takes about 250 bytes for Config.Retention.
//
// Redis is no place for the durable record of payments: the record is the
// merchant's database. Where events must not be lost, store them there in one
// transaction with what they settle, and use this to keep replicas from doing
// the work twice.
//
// # The server
//
// A Redis server, what Sentinels name as the primary, or a cluster: each script
// touches one key. The tests run on 7.0. Sentinels and clusters fail over, and a
// failover forgets; see above. Braces in Config.Prefix are a hash tag, and put
// all keys on one node of a cluster. A clock of the server that is put back
// lengthens leases by as much, one that is put forward shortens them. The user
// needs the commands EVALSHA, EVAL, GET, SET and DEL on the keys
// Config.Prefix:once:*, besides what a connection needs. [Store.Ping] reports
// whether that is so.
//
// Errors hold no credentials. Where these can't be known, as with a provider of
// credentials or with Sentinels, of a server's text only the first word is
// repeated.
//
// go-redis writes failed dials to its own logger; see redis.SetLogger.
package redisstore
