package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// redisURL starts a Redis server for the test, or takes the one that is named.
func redisURL(t *testing.T) string {
	t.Helper()
	if url := os.Getenv("PAYACK_TEST_REDIS"); url != "" {
		return url
	}
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("SKIP-SERVER: needs redis-server in PATH, or the URL of one in PAYACK_TEST_REDIS")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := free.Addr().String()
	require.NoError(t, free.Close())
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	server := exec.Command(program, "--bind", "127.0.0.1", "--port", port, "--dir", t.TempDir(), "--save", "", "--appendonly", "no")
	require.NoError(t, server.Start())
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, 20*time.Second, 10*time.Millisecond, "redis-server does not listen")
	return "redis://" + addr
}

// Two receivers that share a Redis share the budget of a client.
func TestRateLimitAcrossReplicas(t *testing.T) {
	c := with(testConfig(), object{"rate_limit": object{
		"per_second": 0.001, "burst": 3, "charge": "all", "redis": redisURL(t),
	}, "trusted_proxies": []any{"127.0.0.1"}})
	first, second := startListener(t, c), startListener(t, c)
	// A call that waits too long for Redis is answered by its own process, which
	// can happen on a busy machine; two budgets of 3 never refuse any of 5.
	refused := 0
	for try := 0; try < 10 && refused != 2; try++ {
		client := fmt.Sprintf("2001:db8:%x:%x::1", time.Now().Unix()&0xffff, try) // a /64 of its own
		refused = 0
		for _, l := range []*listener{first, second, first, second, first} {
			cb := built(t, testSender(t, c, "pts"), tamperNothing)
			cb.Header.Set("X-Forwarded-For", client)
			_, _, line := l.post("/pts", cb)
			if line.verdict() == "pts refused rate" {
				refused++
			} else {
				require.Equal(t, "pts accepted", line.verdict())
			}
		}
	}
	require.Equal(t, 2, refused, "3 of 5 are allowed, whichever of the two they came to")
	first.end()
	second.end()
}
