package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack/internal/testserver"
)

// Two receivers that share a Redis share a client's budget.
func TestRateLimitAcrossReplicas(t *testing.T) {
	c := with(testConfig(), object{"rate_limit": object{
		"per_second": 0.001, "burst": 3, "charge": "all", "redis": testserver.Redis(t).DSN,
	}, "trusted_proxies": []any{"127.0.0.1"}})
	first, second := startListener(t, c), startListener(t, c)
	// A shared budget of 3 refuses 2 of 5 calls; two separate budgets would refuse
	// none. On a busy machine a call may wait too long for Redis. Its process then
	// uses a budget of its own. So there are several tries.
	refused := 0
	for try := 0; try < 10 && refused != 2; try++ {
		client := fmt.Sprintf("2001:db8:%x:%x::1", time.Now().Unix()&0xffff, try) // each try has a /64 of its own
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
