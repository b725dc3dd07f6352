package redisstore_test

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/testserver"
	"github.com/payack/payack/internal/turns"
	"github.com/payack/payack/store/redisstore"
)

var inTurns = turns.Turns{
	Rounds: flag.Int("rounds", 6, "how often each side of a benchmark gets its turn"),
	Slice:  flag.Duration("slice", 250*time.Millisecond, "how long a turn is"),
}

// BenchmarkClaimAndCommit compares a claim and a commit with two bare
// commands, which take as many round trips:
//
//	go test -run - -bench . -benchtime 1x .
func BenchmarkClaimAndCommit(b *testing.B) {
	opts, err := redis.ParseURL(testserver.Redis(b).DSN)
	require.NoError(b, err)
	opts.PoolSize = 64
	client := redis.NewClient(opts)
	b.Cleanup(func() { client.Close() })
	var ids atomic.Int64
	for _, clients := range []int{1, 16, 64} {
		b.Run(fmt.Sprint("Redis/", clients), func(b *testing.B) {
			s := redisstore.NewPatient(opts, redisstore.Config{Prefix: freshPrefix()})
			b.Cleanup(func() { s.Close() })
			bare := freshPrefix()
			inTurns.Compare(b, clients,
				turns.Side{Name: "store", Do: func(ctx context.Context) error {
					id := strconv.FormatInt(ids.Add(1), 10)
					c, err := s.Claim(ctx, id, "f", lease)
					if err != nil || c.State != payack.ClaimGranted {
						return fmt.Errorf("%v: %w", c.State, err)
					}
					return s.Commit(ctx, id, c.Token)
				}},
				turns.Side{Name: "two_commands", Do: func(ctx context.Context) error {
					key := bare + strconv.FormatInt(ids.Add(1), 10)
					if err := client.SetNX(ctx, key, "claimed f", time.Minute).Err(); err != nil {
						return err
					}
					return client.Set(ctx, key, "done f", time.Hour).Err()
				}},
			)
		})
	}
}
