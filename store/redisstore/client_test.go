package redisstore_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/testserver"
	"github.com/payack/payack/store/redisstore"
	"github.com/payack/payack/store/storetest"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// patientWithClient returns a store with a long timeout on an existing client.
func patientWithClient(t *testing.T, c redis.UniversalClient, cfg redisstore.Config) *redisstore.Store {
	t.Helper()
	if cfg.Prefix == "" {
		cfg.Prefix = freshPrefix()
	}
	s, err := redisstore.NewPatientWithClient(c, cfg)
	require.NoError(t, err)
	return s
}

// closing closes a client at the end of the test.
func closing[C redis.UniversalClient](t *testing.T, c C) C {
	t.Helper()
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// ownCluster starts a cluster of one server, and returns its address.
func ownCluster(t *testing.T) string {
	t.Helper()
	s := ownServer(t, "--cluster-enabled", "yes")
	c := client(t, &redis.Options{Addr: s.Addr})
	ctx := context.Background()
	require.NoError(t, c.Do(ctx, "cluster", "addslotsrange", 0, 16383).Err())
	require.Eventually(t, func() bool {
		info, err := c.ClusterInfo(ctx).Result()
		return err == nil && len(info) > 16 && info[:16] == "cluster_state:ok"
	}, 20*time.Second, 20*time.Millisecond)
	return s.Addr
}

func TestConformsInACluster(t *testing.T) {
	addr := ownCluster(t)
	c := closing(t, redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{addr}, ContextTimeoutEnabled: true}))
	conforms(t, c)
	// A redis.Client, which is for a single server, reaches a cluster node that
	// serves no slots. The store returns an error that names the fix.
	s := newPatient(t, &redis.Options{Addr: ownClusterWithoutSlots(t)}, redisstore.Config{})
	assert.ErrorContains(t, s.Ping(context.Background()), "check the cluster's state")
}

func ownClusterWithoutSlots(t *testing.T) string {
	t.Helper()
	return ownServer(t, "--cluster-enabled", "yes").Addr
}

func TestConformsBehindSentinels(t *testing.T) {
	server := ownServer(t)
	c := closing(t, redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: "shop", SentinelAddrs: []string{testserver.Own(t, testserver.NewSentinel(server.Addr), "").Addr}, ContextTimeoutEnabled: true,
	}))
	conforms(t, c)
}

func conforms(t *testing.T, c redis.UniversalClient) {
	t.Helper()
	storetest.Run(t, func(t *testing.T) payack.Store {
		s := patientWithClient(t, c, redisstore.Config{})
		require.NoError(t, s.Ping(context.Background()))
		return s
	}, storetest.Clock(func(t *testing.T, s payack.Store, d time.Duration) {
		require.NoError(t, s.(*redisstore.Store).Advance(d))
	}), storetest.Retention(redisstore.MinRetention))
}

func TestNewWithClientRefusesWhatIsUnsafe(t *testing.T) {
	const unheeded = "ContextTimeoutEnabled to true in redis."
	for name, c := range map[string]struct {
		client redis.UniversalClient
		fix    string
	}{
		"nil":             {nil, "make one with redis.NewFailoverClient"},
		"nil client":      {(*redis.Client)(nil), "make one with"},
		"nil cluster":     {(*redis.ClusterClient)(nil), "make one with"},
		"nil ring":        {(*redis.Ring)(nil), "make one with"},
		"client":          {closing(t, redis.NewClient(&redis.Options{})), unheeded + "Options"},
		"sentinel client": {closing(t, redis.NewFailoverClient(&redis.FailoverOptions{MasterName: "shop"})), unheeded + "FailoverOptions"},
		"cluster client":  {closing(t, redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}})), unheeded + "ClusterOptions"},
		"ring":            {closing(t, redis.NewRing(&redis.RingOptions{ContextTimeoutEnabled: true})), "use a redis.ClusterClient"},
	} {
		s, err := redisstore.NewWithClient(c.client, redisstore.Config{})
		assert.Nil(t, s, name)
		assert.ErrorContains(t, err, c.fix, name)
	}
	_, err := redisstore.NewWithClient(closing(t, redis.NewClient(&redis.Options{ContextTimeoutEnabled: true})), redisstore.Config{Timeout: -1})
	assert.ErrorContains(t, err, "Config.Timeout")
}

func TestCloseLeavesTheClientOpen(t *testing.T) {
	opts := *anyServer(t)
	opts.ContextTimeoutEnabled = true
	c := client(t, &opts)
	s := patientWithClient(t, c, redisstore.Config{})
	require.NoError(t, s.Close())
	require.NoError(t, c.Ping(context.Background()).Err())
	token := claimed(t, s, "id")
	require.NoError(t, s.Release(context.Background(), "id", token))

	require.NoError(t, c.Close())
	_, err := s.Claim(context.Background(), "id", "f", lease)
	assert.ErrorIs(t, err, redis.ErrClosed)
	assert.ErrorContains(t, err, "make a new store or client")
}

// A client that retries commands must not repeat a claim or a commit. If the
// first call was carried out, the repeated call would get the answer busy or
// not held.
func TestClientsThatRetryDontClaimTwice(t *testing.T) {
	server := ownServer(t)
	w := newWire(t, server.Addr)
	ctx := context.Background()
	for name, c := range map[string]redis.UniversalClient{
		"client": redis.NewClient(&redis.Options{Addr: w.addr, ContextTimeoutEnabled: true, MaxRetries: 3}),
		"cluster": redis.NewClusterClient(&redis.ClusterOptions{
			ContextTimeoutEnabled: true, MaxRetries: 3, MaxRedirects: 3,
			ClusterSlots: func(context.Context) ([]redis.ClusterSlot, error) {
				return []redis.ClusterSlot{{Start: 0, End: 16383, Nodes: []redis.ClusterNode{{Addr: w.addr}}}}, nil
			},
		}),
	} {
		t.Run(name, func(t *testing.T) {
			closing(t, c)
			s := patientWithClient(t, c, redisstore.Config{})
			w.lose.Store(false)
			held := claimed(t, s, "held") // loads the scripts
			for range 2 {
				require.ErrorIs(t, s.Commit(ctx, "held", "wrong"), payack.ErrNotHeld)
				require.ErrorIs(t, s.Release(ctx, "held", "wrong"), payack.ErrNotHeld)
				state, err := s.Bind(ctx, "bound", "f")
				require.NoError(t, err)
				require.Equal(t, payack.ClaimDone, state)
			}
			w.lose.Store(true)
			for call, f := range map[string]func() error{
				"commit":  func() error { return s.Commit(ctx, "held", held) },
				"bind":    func() error { _, err := s.Bind(ctx, "bound", "f"); return err },
				"release": func() error { return s.Release(ctx, "held", "wrong") },
			} {
				w.scripts.Store(0)
				err := f()
				require.Error(t, err, call)
				assert.NotErrorIs(t, err, payack.ErrNotHeld, call)
				assert.EqualValues(t, 1, w.scripts.Load(), "%s is sent once", call)
			}
			w.lose.Store(false)
			assert.Equal(t, payack.ClaimDone, claim(t, s, "held").State)
		})
	}
}

func TestHome(t *testing.T) {
	const prefix = "shop"
	cfg := redisstore.Config{Prefix: prefix}
	open := func(url string, cfg redisstore.Config) string {
		t.Helper()
		s, err := redisstore.Open(url, cfg)
		require.NoError(t, err)
		t.Cleanup(func() { _ = s.Close() })
		return s.Home()
	}
	of := func(c redis.UniversalClient, cfg redisstore.Config) string {
		t.Helper()
		s, err := redisstore.NewWithClient(c, cfg)
		require.NoError(t, err)
		return s.Home()
	}
	with := func(opts redis.Options) string {
		t.Helper()
		opts.ContextTimeoutEnabled = true
		return of(client(t, &opts), cfg)
	}
	home := open("redis://user:hunter2@redis.example:6379/2", cfg)
	for name, same := range map[string]string{
		"another user":     open("redis://other:secret@redis.example:6379/2", cfg),
		"TLS":              open("rediss://redis.example:6379/2", cfg),
		"capitals":         open("redis://Redis.Example:6379/2", cfg),
		"the default port": open("redis://redis.example/2", cfg),
		"another time-out": open("redis://redis.example/2", redisstore.Config{Prefix: prefix, Timeout: time.Millisecond, Retention: 2 * redisstore.MinRetention}),
		"options":          newStore(t, &redis.Options{Addr: "redis.example:6379", DB: 2}, cfg).Home(),
		"a client":         with(redis.Options{Addr: "redis.example:6379", DB: 2, Username: "user", Password: "hunter2"}),
	} {
		assert.Equal(t, home, same, name)
	}
	assert.Equal(t, open("redis://redis.example", redisstore.Config{}), open("redis://redis.example", redisstore.Config{Prefix: redisstore.DefaultPrefix}))

	cluster := func(addrs ...string) redis.UniversalClient {
		return closing(t, redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, ContextTimeoutEnabled: true, Password: "hunter2"}))
	}
	sentinel := func(db int) redis.UniversalClient {
		return closing(t, redis.NewFailoverClient(&redis.FailoverOptions{
			MasterName: "shop", DB: db, SentinelAddrs: []string{"127.0.0.1:1"}, ContextTimeoutEnabled: true, Password: "hunter2", SentinelPassword: "hunter2",
		}))
	}
	assert.Equal(t, of(cluster("a.example:1", "b.example:1"), cfg), of(cluster("B.example:1", "a.example:1"), cfg))
	assert.Equal(t, of(sentinel(1), cfg), of(sentinel(1), cfg))
	wrapped := &struct{ *redis.Client }{client(t, &redis.Options{Addr: "redis.example:6379", DB: 2, Password: "hunter2"})}
	assert.Equal(t, of(wrapped, cfg), of(wrapped, cfg), "one client")

	all := map[string]string{
		"this":              home,
		"another server":    open("redis://redis2.example/2", cfg),
		"another port":      open("redis://redis.example:6380/2", cfg),
		"another database":  open("redis://redis.example/3", cfg),
		"another prefix":    open("redis://redis.example/2", redisstore.Config{Prefix: "shop 2"}),
		"the odd prefix":    open("redis://redis.example/2", redisstore.Config{Prefix: `shop" "`}),
		"a socket":          open("unix:///run/redis.sock?db=2", cfg),
		"the other socket":  open("unix:///run/Redis.sock?db=2", cfg),
		"a cluster":         of(cluster("redis.example:6379"), cfg),
		"a larger cluster":  of(cluster("redis.example:6379", "redis2.example:6379"), cfg),
		"cluster, prefix":   of(cluster("redis.example:6379"), redisstore.Config{}),
		"Sentinels":         of(sentinel(2), cfg),
		"Sentinels, prefix": of(sentinel(2), redisstore.Config{}),
		"wrapped":           of(wrapped, cfg),
		"wrapped, other":    of(&struct{ *redis.Client }{wrapped.Client}, cfg),
		"wrapped, by value": of(struct{ *redis.Client }{wrapped.Client}, cfg),
	}
	seen := map[string]string{}
	for name, h := range all {
		assert.Empty(t, seen[h], "%s has the home of %s", name, seen[h])
		seen[h] = name
		assert.NotContains(t, h, "hunter2", name)
		assert.NotContains(t, h, "user", name)
	}
}

func TestPing(t *testing.T) {
	ctx := context.Background()
	server := ownServer(t)
	opts := &redis.Options{Addr: server.Addr}
	prefix := freshPrefix()
	s := newPatient(t, opts, redisstore.Config{Prefix: prefix})
	require.Eventually(t, func() bool { return s.Ping(ctx) == nil }, 20*time.Second, 10*time.Millisecond)
	c := client(t, opts)
	require.Eventually(t, func() bool { return c.DBSize(ctx).Val() == 0 }, 20*time.Second, 10*time.Millisecond, "nothing is left")

	fails := func(s *redisstore.Store, fix string) {
		t.Helper()
		err := s.Ping(ctx)
		require.ErrorContains(t, err, fix)
		assert.Regexp(t, `^redisstore: ping: [^\n]+$`, err.Error())
		assert.NotContains(t, err.Error(), "hunter2")
		t.Log(err)
	}
	require.NoError(t, c.Do(ctx, "acl", "setuser", "reader", "on", ">hunter2", "~*", "+@read", "+eval", "+evalsha", "+hello").Err())
	fails(newPatient(t, &redis.Options{Addr: server.Addr, Username: "reader", Password: "hunter2"}, redisstore.Config{}), "allow the user the commands")
	require.NoError(t, c.Do(ctx, "acl", "setuser", "stranger", "on", ">hunter2", "~other:*", "+@all").Err())
	fails(newPatient(t, &redis.Options{Addr: server.Addr, Username: "stranger", Password: "hunter2"}, redisstore.Config{}), "allow the user the commands")
	fails(newPatient(t, &redis.Options{Addr: server.Addr, Username: "reader", Password: "hunter22"}, redisstore.Config{}), "check the user and the password")
	require.NoError(t, c.Do(ctx, "acl", "setuser", "shop", "on", ">hunter2", "~"+prefix+":once:*", "+evalsha", "+eval", "+get", "+set", "+del").Err())
	shop := newPatient(t, &redis.Options{Addr: server.Addr, Username: "shop", Password: "hunter2"}, redisstore.Config{Prefix: prefix})
	require.NoError(t, shop.Ping(ctx), "the rights that the documentation names are enough")
	state, err := shop.Bind(ctx, "id", "f")
	require.NoError(t, err)
	assert.Equal(t, payack.ClaimDone, state)

	maxmemory, err := c.ConfigGet(ctx, "maxmemory").Result()
	require.NoError(t, err)
	require.NoError(t, c.ConfigSet(ctx, "maxmemory", "1").Err())
	fails(s, "raise the server's maxmemory")
	require.NoError(t, c.ConfigSet(ctx, "maxmemory", maxmemory["maxmemory"]).Err())
	require.NoError(t, c.ReplicaOf(ctx, "127.0.0.1", "1").Err())
	fails(s, "connect to the primary")

	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	assert.ErrorIs(t, s.Ping(cancelled), context.Canceled)
	impatient := newStore(t, opts, redisstore.Config{Timeout: shortTimeout})
	goOn := pause(t, server)
	start := time.Now()
	fails(impatient, "check that it runs")
	assert.Less(t, time.Since(start), patience)
	goOn()
	server.Kill()
	fails(s, "check the address and that Redis runs")
	fails(newPatient(t, &redis.Options{Addr: saying(t, "-ERR unknown command 'EVALSHA'\r\n"), Protocol: 2, DisableIdentity: true}, redisstore.Config{}), "check that a Redis server is at this address")
	fails(newPatient(t, &redis.Options{Addr: saying(t, "+fine\r\n")}, redisstore.Config{}), "check that a Redis server is at this address")
	require.NoError(t, s.Close())
	fails(s, "make a new store")
}

func TestLookupAndBindWithoutAnAnswer(t *testing.T) {
	server := ownServer(t)
	s := newStore(t, &redis.Options{Addr: server.Addr}, redisstore.Config{Timeout: shortTimeout})
	connect(t, s)
	goOn := pause(t, server)
	for i := range 2 {
		id := strconv.Itoa(i)
		for name, call := range map[string]func() (payack.ClaimState, error){
			"lookup": func() (payack.ClaimState, error) { return s.Lookup(context.Background(), id, "f") },
			"bind":   func() (payack.ClaimState, error) { return s.Bind(context.Background(), id, "f") },
		} {
			start := time.Now()
			state, err := call()
			assert.ErrorIs(t, err, context.DeadlineExceeded, name)
			assert.Equal(t, payack.ClaimUnknown, state, "no answer besides an error")
			assert.Less(t, time.Since(start), patience, name)
		}
	}
	goOn()
	connect(t, s)
	for i := range 2 {
		require.Eventually(t, func() bool {
			state, err := s.Bind(context.Background(), strconv.Itoa(i), "f")
			return err == nil && state == payack.ClaimDone
		}, 20*time.Second, time.Millisecond, "calling again is safe")
	}
}

// For a key that another program wrote, Lookup and Bind return an error and leave the
// key alone.
func TestLookupAndBindOfOtherProgramsKeys(t *testing.T) {
	opts := anyServer(t)
	ctx := context.Background()
	c := client(t, opts)
	s := newPatient(t, opts, redisstore.Config{})
	for _, value := range []string{"", "1", "d", "done", fmt.Sprintf("%0100d", 1)} {
		require.NoError(t, c.Set(ctx, s.Key("id"), value, time.Hour).Err())
		for name, call := range map[string]func(context.Context, string, string) (payack.ClaimState, error){"lookup": s.Lookup, "bind": s.Bind} {
			state, err := call(ctx, "id", "f")
			assert.ErrorContains(t, err, "set a Config.Prefix", "%s %q", name, value)
			assert.Equal(t, payack.ClaimUnknown, state)
		}
		assert.Equal(t, value, c.Get(ctx, s.Key("id")).Val(), "left alone")
	}
}

// Bind writes a key with the same time to live and size as the key of a
// committed event.
func TestBindKeys(t *testing.T) {
	opts := anyServer(t)
	ctx := context.Background()
	c := client(t, opts)
	s := newPatient(t, opts, redisstore.Config{Retention: 10 * 24 * time.Hour})
	state, err := s.Bind(ctx, "bound", "f")
	require.NoError(t, err)
	require.Equal(t, payack.ClaimDone, state)
	require.NoError(t, s.Commit(ctx, "committed", claimed(t, s, "committed")))
	ttl, err := c.PTTL(ctx, s.Key("bound")).Result()
	require.NoError(t, err)
	assert.Greater(t, ttl, 10*24*time.Hour-time.Minute)
	assert.LessOrEqual(t, ttl, 10*24*time.Hour)
	assert.Equal(t, c.Get(ctx, s.Key("committed")).Val(), c.Get(ctx, s.Key("bound")).Val())
	_, err = s.Lookup(ctx, "looked up", "f")
	require.NoError(t, err)
	assert.Zero(t, c.Exists(ctx, s.Key("looked up")).Val(), "a lookup stores nothing")
}
