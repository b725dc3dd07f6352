package redisstore_test

import (
	"context"
	"os"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/payack/payack"
	"github.com/payack/payack/store/redisstore"
	"github.com/redis/go-redis/v9"
)

// BenchmarkEvent measures a claim and a commit, which are two round trips.
func BenchmarkEvent(b *testing.B) {
	url := os.Getenv("PAYACK_TEST_REDIS")
	if url == "" {
		b.Skip("needs the URL of a Redis in PAYACK_TEST_REDIS")
	}
	opts, err := redis.ParseURL(url)
	if err != nil {
		b.Fatal(err)
	}
	s := redisstore.NewPatient(opts, redisstore.Config{Prefix: freshPrefix()})
	defer s.Close()
	defer func() { _ = s.Advance(2 * redisstore.MinRetention) }()
	var n atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		ctx := context.Background()
		for pb.Next() {
			id := strconv.FormatInt(n.Add(1), 10)
			c, err := s.Claim(ctx, id, "f", lease)
			if err == nil && c.State == payack.ClaimGranted {
				err = s.Commit(ctx, id, c.Token)
			}
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
}
