package redisstore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/store/redisstore"
	"github.com/payack/payack/store/storetest"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConforms(t *testing.T) {
	opts := anyServer(t)
	storetest.Run(t, func(t *testing.T) payack.Store {
		return newPatient(t, opts, redisstore.Config{})
	}, storetest.Clock(func(t *testing.T, s payack.Store, d time.Duration) {
		require.NoError(t, s.(*redisstore.Store).Advance(d))
	}), storetest.Retention(redisstore.MinRetention))
}

func TestConformsInRealTime(t *testing.T) {
	opts := anyServer(t)
	storetest.Run(t, func(t *testing.T) payack.Store {
		return newPatient(t, opts, redisstore.Config{})
	}, storetest.Lease(500*time.Millisecond))
}

// Each event is one key of fixed length, with a time to live.
func TestKeys(t *testing.T) {
	opts := anyServer(t)
	ctx := context.Background()
	c := client(t, opts)
	prefix := freshPrefix()
	s := newPatient(t, opts, redisstore.Config{Prefix: prefix, Retention: 10 * 24 * time.Hour})
	ids := []string{"pts:1:2:2000", strings.Repeat("long", 1<<14), "\x00\xff"}
	for _, id := range ids {
		token := claimed(t, s, id)
		ttl, err := c.PTTL(ctx, s.Key(id)).Result()
		require.NoError(t, err)
		assert.Greater(t, ttl, lease-time.Minute)
		assert.LessOrEqual(t, ttl, lease)
		held, err := c.MemoryUsage(ctx, s.Key(id)).Result()
		require.NoError(t, err)

		require.NoError(t, s.Commit(ctx, id, token))
		ttl, err = c.PTTL(ctx, s.Key(id)).Result()
		require.NoError(t, err)
		assert.Greater(t, ttl, 10*24*time.Hour-time.Minute)
		assert.LessOrEqual(t, ttl, 10*24*time.Hour)
		done, err := c.MemoryUsage(ctx, s.Key(id)).Result()
		require.NoError(t, err)
		t.Logf("an event takes %d bytes claimed, %d done, and its key has %d bytes", held, done, len(s.Key(id)))
		assert.Less(t, held, int64(320))
		assert.LessOrEqual(t, done, held)
	}
	keys, err := c.Keys(ctx, prefix+":once:*").Result()
	require.NoError(t, err)
	require.Len(t, keys, len(ids))
	for _, key := range keys {
		assert.Len(t, key, len(prefix+":once:")+43)
	}
	token := claimed(t, s, "released")
	require.NoError(t, s.Release(ctx, "released", token))
	n, err := c.Exists(ctx, s.Key("released")).Result()
	require.NoError(t, err)
	assert.Zero(t, n)
}

func TestReplicasShareAndPrefixesDont(t *testing.T) {
	opts := anyServer(t)
	prefix := freshPrefix()
	a := newPatient(t, opts, redisstore.Config{Prefix: prefix})
	b := newPatient(t, opts, redisstore.Config{Prefix: prefix})
	other := newPatient(t, opts, redisstore.Config{})
	token := claimed(t, a, "id")
	assert.Equal(t, payack.ClaimBusy, claim(t, b, "id").State)
	require.NoError(t, b.Commit(context.Background(), "id", token), "the token is what counts, not where it was given out")
	assert.Equal(t, payack.ClaimDone, claim(t, a, "id").State)
	claimed(t, other, "id")
}

func TestLeaseOfLessThanAMillisecond(t *testing.T) {
	s := newPatient(t, anyServer(t), redisstore.Config{})
	for _, d := range []time.Duration{0, -time.Second} {
		_, err := s.Claim(context.Background(), "none", "f", d)
		require.ErrorContains(t, err, "above 0")
	}
	c, err := s.Claim(context.Background(), "id", "f", 1)
	require.NoError(t, err)
	assert.Equal(t, payack.ClaimGranted, c.State)
}

// For a key that another program wrote, Claim, Commit and Release return an error and
// leave the key alone.
func TestKeysOfOtherPrograms(t *testing.T) {
	opts := anyServer(t)
	ctx := context.Background()
	c := client(t, opts)
	s := newPatient(t, opts, redisstore.Config{})
	for _, value := range []string{"", "1", "d", "done", strings.Repeat("x", 100)} {
		require.NoError(t, c.Set(ctx, s.Key("id"), value, time.Hour).Err())
		got, err := s.Claim(ctx, "id", "f", lease)
		assert.ErrorContains(t, err, "unknown answer", "%q", value)
		assert.Zero(t, got)
		assert.ErrorIs(t, s.Commit(ctx, "id", ""), payack.ErrNotHeld)
		assert.ErrorIs(t, s.Release(ctx, "id", ""), payack.ErrNotHeld)
		assert.Equal(t, value, c.Get(ctx, s.Key("id")).Val(), "left alone")
	}
	require.NoError(t, c.Del(ctx, s.Key("id")).Err())
	require.NoError(t, c.LPush(ctx, s.Key("id"), "a").Err())
	_, err := s.Claim(ctx, "id", "f", lease)
	assert.ErrorContains(t, err, "WRONGTYPE")
	require.NoError(t, c.Del(ctx, s.Key("id")).Err())
}

func TestNewNamesTheMemberAndTheFix(t *testing.T) {
	opts := &redis.Options{Addr: "127.0.0.1:1"}
	for _, c := range []struct {
		cfg         redisstore.Config
		member, fix string
	}{
		{redisstore.Config{Retention: redisstore.MinRetention - 1}, "Config.Retention", "at least 168h"},
		{redisstore.Config{Retention: -1}, "Config.Retention", "or 0"},
		{redisstore.Config{Timeout: -1}, "Config.Timeout", "or 0"},
		{redisstore.Config{Timeout: redisstore.MaxTimeout + 1}, "Config.Timeout", "at most 5s"},
	} {
		s, err := redisstore.New(opts, c.cfg)
		assert.Nil(t, s)
		assert.ErrorContains(t, err, c.member)
		assert.ErrorContains(t, err, c.fix)
	}
	_, err := redisstore.New(nil, redisstore.Config{})
	assert.ErrorContains(t, err, "redis.Options")
	newStore(t, opts, redisstore.Config{})
	assert.Equal(t, &redis.Options{Addr: "127.0.0.1:1"}, opts, "left alone")
}

func TestOpenDoesNotRepeatTheURL(t *testing.T) {
	for _, url := range []string{"redis://u:hunter2@[::1", "http://u:hunter2@h", "redis://u:hunter2@h:6379/hunter2", "redis://u:%zzhunter2@h", "redis://u:hunter2@h?db=hunter2"} {
		_, err := redisstore.Open(url, redisstore.Config{})
		require.Error(t, err, url)
		assert.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, errors.Unwrap(err)), "hunter2")
		assert.ErrorContains(t, err, "redis://user:password@host:port/db")
	}
}

func TestOpen(t *testing.T) {
	s, err := redisstore.Open(anyURL(t), redisstore.Config{Prefix: freshPrefix()})
	require.NoError(t, err)
	connect(t, s) // claims and releases
	require.NoError(t, s.Close())
	_, err = s.Claim(context.Background(), "id", "f", lease)
	assert.ErrorIs(t, err, redis.ErrClosed)
}

// answering returns options for a server that answers everything with the same
// text.
func answering(t *testing.T, answer string) *redis.Options {
	t.Helper()
	return &redis.Options{
		Username: "shop", Password: "hunter2",
		Dialer: func(context.Context, string, string) (net.Conn, error) {
			a, b := net.Pipe()
			go func() {
				for r := bufio.NewReader(b); ; {
					if _, err := r.ReadByte(); err != nil {
						return
					}
					_, _ = r.Discard(r.Buffered())
					if _, err := io.WriteString(b, answer); err != nil {
						return
					}
				}
			}()
			t.Cleanup(func() { _ = a.Close(); _ = b.Close() })
			return a, nil
		},
	}
}

// The server on the port may not be Redis, and its answer may repeat the command.
func TestServerThatIsNotRedis(t *testing.T) {
	for _, answer := range []string{
		"-ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'shop' 'hunter2'\r\n",
		"-ERR wrong password: hunter2\r\n", "-WRONGPASS invalid username-password pair\r\n", "-hunter2\r\n",
		"hunter2\r\n", "$7\r\nhunter2\r\n", "*1\r\n$7\r\nhunter2\r\n", "+hunter2\r\n",
		"+OK\r\n", "+ok\r\n", ":1\r\n", "$-1\r\n", "_\r\n", "*1\r\n:1\r\n", "-ERR no\r\n",
		"-NOSCRIPT No matching script\r\n", "-MOVED 1 127.0.0.1:1\r\n", "-ERR " + strings.Repeat("\xff", 1<<12) + "\r\n",
		"HTTP/1.1 400 Bad Request\r\n\r\n", "\x00", "\r\n",
	} {
		t.Run(fmt.Sprintf("%.40q", answer), func(t *testing.T) {
			s := newStore(t, answering(t, answer), redisstore.Config{Timeout: 300 * time.Millisecond})
			ctx := context.Background()
			c, err := s.Claim(ctx, "id", "f", lease)
			require.Error(t, err)
			assert.Zero(t, c)
			assert.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, errors.Unwrap(err)), "hunter2")
			assert.Less(t, len(err.Error()), 500)
			t.Log(err)
		})
	}
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	s := ownServer(t, "--requirepass", "right")
	for password, word := range map[string]string{"": "NOAUTH", "hunter2": "WRONGPASS"} {
		_, err := newPatient(t, &redis.Options{Addr: s.Addr, Password: password}, redisstore.Config{}).Claim(context.Background(), "id", "f", lease)
		assert.ErrorContains(t, err, word)
		assert.NotContains(t, err.Error(), "hunter2")
	}
}
