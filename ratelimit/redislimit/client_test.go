package redislimit_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/payack/payack/internal/testserver"
	"github.com/payack/payack/ratelimit"
	"github.com/payack/payack/ratelimit/ratelimittest"
	"github.com/payack/payack/ratelimit/redislimit"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// closing closes a client at the end of the test.
func closing[C redis.UniversalClient](t *testing.T, c C) C {
	t.Helper()
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// patientWithClient is newPatient for an existing client.
func patientWithClient(t *testing.T, c redis.UniversalClient, cfg redislimit.Config) *redislimit.Limiter {
	t.Helper()
	if cfg.Prefix == "" {
		cfg.Prefix = freshPrefix()
	}
	l, err := redislimit.NewPatientWithClient(c, cfg)
	require.NoError(t, err)
	return l
}

func conforms(t *testing.T, c redis.UniversalClient) {
	t.Helper()
	ratelimittest.RunRealTime(t, func(t *testing.T, cfg ratelimit.Config) ratelimit.Limiter {
		l := patientWithClient(t, c, redislimit.Config{Budget: cfg})
		require.NoError(t, ping(l))
		t.Cleanup(func() { assert.Zero(t, l.Stats().Local, "Redis decided every call") })
		return l
	}, 5*time.Millisecond)
}

func TestConformsInACluster(t *testing.T) {
	s := ownServer(t, "--cluster-enabled", "yes")
	direct := closing(t, redis.NewClient(&redis.Options{Addr: s.Addr}))
	ctx := context.Background()
	require.NoError(t, direct.Do(ctx, "cluster", "addslotsrange", 0, 16383).Err())
	require.Eventually(t, func() bool {
		return strings.HasPrefix(direct.ClusterInfo(ctx).Val(), "cluster_state:ok")
	}, 20*time.Second, 20*time.Millisecond)
	conforms(t, closing(t, redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{s.Addr}, ContextTimeoutEnabled: true})))
}

func TestConformsBehindSentinels(t *testing.T) {
	s := ownServer(t)
	sentinel := testserver.Own(t, testserver.NewSentinel(s.Addr), "")
	conforms(t, closing(t, redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: "shop", SentinelAddrs: []string{sentinel.Addr}, ContextTimeoutEnabled: true,
	})))
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
		"ring":            {closing(t, redis.NewRing(&redis.RingOptions{})), unheeded + "RingOptions"},
	} {
		l, err := redislimit.NewWithClient(c.client, redislimit.Config{Budget: budget})
		assert.Nil(t, l, name)
		assert.ErrorContains(t, err, c.fix, name)
	}
	_, err := redislimit.NewWithClient(closing(t, redis.NewClient(&redis.Options{ContextTimeoutEnabled: true})), redislimit.Config{})
	assert.ErrorContains(t, err, "Config.Budget")
}

func TestCloseLeavesTheClientOpen(t *testing.T) {
	opts := *anyServer(t)
	opts.ContextTimeoutEnabled = true
	c := closing(t, redis.NewClient(&opts))
	l := patientWithClient(t, c, redislimit.Config{Budget: budget})
	require.NoError(t, l.Close())
	allow(t, l, "k")
	assert.EqualValues(t, 1, l.Stats().Shared)
	require.NoError(t, c.Close())
	assert.ErrorContains(t, l.Ping(context.Background()), "make a new limiter or client")
}

// A client that retries after a lost answer would charge a call twice.
func TestRetryingClientsDontChargeTwice(t *testing.T) {
	for name, c := range map[string]func(addr string) redis.UniversalClient{
		"client": func(addr string) redis.UniversalClient {
			return redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true, MaxRetries: 3, Protocol: 2, DisableIdentity: true})
		},
		"cluster": func(addr string) redis.UniversalClient {
			return redis.NewClusterClient(&redis.ClusterOptions{
				ContextTimeoutEnabled: true, MaxRetries: 3, MaxRedirects: 3, Protocol: 2, DisableIdentity: true,
				ClusterSlots: func(context.Context) ([]redis.ClusterSlot, error) {
					return []redis.ClusterSlot{{Start: 0, End: 16383, Nodes: []redis.ClusterNode{{Addr: addr}}}}, nil
				},
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			addr, scripts := hangingUp(t)
			var told changes
			l := patientWithClient(t, closing(t, c(addr)), redislimit.Config{Budget: budget, Failures: 1, CoolDown: time.Hour, OnChange: told.add})
			assert.True(t, allow(t, l, "k").Allowed)
			require.Len(t, told.all(), 1)
			assert.ErrorContains(t, told.all()[0].Err, "closed the connection")
			assert.EqualValues(t, 1, scripts.Load())
		})
	}
}

func TestPing(t *testing.T) {
	ctx := context.Background()
	s := ownServer(t)
	opts := &redis.Options{Addr: s.Addr}
	prefix := freshPrefix()
	var told changes
	l := newLimiter(t, opts, redislimit.Config{Budget: budget, Prefix: prefix, OnChange: told.add})
	for range 10 { // more than the budget
		require.NoError(t, ping(l))
	}
	assert.Equal(t, redislimit.Stats{}, l.Stats())
	patient := newPatient(t, opts, redislimit.Config{Budget: budget, Prefix: prefix})
	assert.Equal(t, 3, peek(t, patient, "k").Remaining, "nobody's budget is charged")

	fails := func(err error, fix string) {
		t.Helper()
		require.ErrorContains(t, err, fix)
		assert.Regexp(t, `^redislimit: ping: [^\n]+$`, err.Error())
		assert.NotContains(t, err.Error(), "hunter2")
		t.Log(err)
	}
	fails(ping(newLimiter(t, &redis.Options{Addr: s.Addr, Username: "shop", Password: "hunter2"}, redislimit.Config{Budget: budget})), "check the user and the password")
	c := closing(t, redis.NewClient(opts))
	require.NoError(t, c.ReplicaOf(ctx, "127.0.0.1", "1").Err())
	// The new limiter has full buckets. With an empty bucket the script would write
	// nothing, so the replica would not refuse it.
	fails(ping(newLimiter(t, opts, redislimit.Config{Budget: budget})), "connect to the primary")

	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	assert.ErrorIs(t, l.Ping(cancelled), context.Canceled)
	s.Pause()
	start := time.Now()
	fails(l.Ping(ctx), "check that it runs")
	assert.Less(t, time.Since(start), redislimit.PingTimeout+patience)
	s.Continue()
	s.Kill()
	fails(ping(l), "check the address and that Redis runs")
	assert.Empty(t, told.all(), "a ping opens nothing")
	require.NoError(t, l.Close())
	fails(ping(l), "make a new limiter")
}
