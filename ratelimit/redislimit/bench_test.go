package redislimit_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/payack/payack/ratelimit"
	"github.com/payack/payack/ratelimit/redislimit"
	"github.com/redis/go-redis/v9"
)

// BenchmarkAllow measures a call, which is one round trip. It needs
// PAYACK_TEST_REDIS.
func BenchmarkAllow(b *testing.B) {
	url := os.Getenv("PAYACK_TEST_REDIS")
	if url == "" {
		b.Skip("needs the URL of a Redis in PAYACK_TEST_REDIS")
	}
	l, err := redislimit.Open(url, redislimit.Config{
		Budget: ratelimit.Config{PerSecond: 1000, Burst: 1000}, Prefix: freshPrefix(),
	})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, _ = l.Allow(context.Background(), "k")
		}
	})
	s := l.Stats()
	b.ReportMetric(float64(s.Local)/float64(s.Local+s.Shared), "local/op")
}

// BenchmarkWithoutRedis measures calls while the breaker is open.
func BenchmarkWithoutRedis(b *testing.B) {
	l, err := redislimit.New(&redis.Options{Dialer: refuse}, redislimit.Config{
		Budget: ratelimit.Config{PerSecond: 1000, Burst: 1000}, CoolDown: time.Hour,
	})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	for !l.Stats().Open {
		_, _ = l.Allow(context.Background(), "k")
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, _ = l.Allow(context.Background(), "k")
		}
	})
}
