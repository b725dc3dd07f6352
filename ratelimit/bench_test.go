package ratelimit_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/payack/payack/ratelimit"
	"golang.org/x/time/rate"
)

// The budgets of the benchmarks: one that never runs out, and one that is always used up.
var (
	plenty = ratelimit.Config{PerSecond: 1e9, Burst: 1 << 30}
	none   = ratelimit.Config{PerSecond: 1 / (24 * time.Hour).Seconds(), Burst: 1}
)

// keys returns n keys that are adjacent in memory. Reading them costs as little as
// reading a key that was just built.
func keys(n int) []string {
	var all []byte
	ends := []int{0}
	for i := range n {
		all = ratelimit.AppendAddrKey(all, "ptop", netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
		ends = append(ends, len(all))
	}
	text, out := string(all), make([]string, n)
	for i := range out {
		out[i] = text[ends[i]:ends[i+1]]
	}
	return out
}

// spread runs the function call for the n keys in turn. Every goroutine starts at
// another key. The benchmarks store the keys' buckets in shuffled order, so that every
// call reads uncached memory.
func spread(b *testing.B, n int, call func(i int)) {
	b.Helper()
	var starts atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		i := int(starts.Add(30_000)) % n
		for pb.Next() {
			if i++; i >= n {
				i = 0
			}
			call(i)
		}
	})
}

// BenchmarkBare is the baseline: it calls rate.Limiter.Allow and nothing else. It
// has one limiter for each key, and finds the limiter by index.
func BenchmarkBare(b *testing.B) {
	for _, n := range []int{1, 100_000} {
		for name, cfg := range map[string]ratelimit.Config{"allow": plenty, "deny": none} {
			b.Run(name+"/keys="+strconv.Itoa(n), func(b *testing.B) {
				ls := make([]*rate.Limiter, n)
				for i := range ls {
					ls[i] = rate.NewLimiter(rate.Limit(cfg.PerSecond), cfg.Burst)
					ls[i].Allow()
				}
				rand.Shuffle(n, func(i, j int) { ls[i], ls[j] = ls[j], ls[i] })
				spread(b, n, func(i int) { ls[i].Allow() })
			})
		}
	}
}

func BenchmarkMemory(b *testing.B) {
	ctx := context.Background()
	for _, n := range []int{1, 100_000} {
		ks := keys(n)
		for name, cfg := range map[string]ratelimit.Config{"allow": plenty, "deny": none} {
			m := newMemory(b, cfg)
			for _, i := range rand.Perm(n) {
				_, _ = m.Allow(ctx, ks[i])
			}
			b.Run(name+"/keys="+strconv.Itoa(n), func(b *testing.B) {
				spread(b, n, func(i int) { _, _ = m.Allow(ctx, ks[i]) })
			})
			if name == "allow" {
				b.Run("peek/keys="+strconv.Itoa(n), func(b *testing.B) {
					spread(b, n, func(i int) { _, _ = m.Peek(ctx, ks[i]) })
				})
			}
		}
	}
}

// BenchmarkNewcomers measures an attack: every call has a new key.
func BenchmarkNewcomers(b *testing.B) {
	ctx := context.Background()
	b.Run("below the cap", func(b *testing.B) {
		b.ReportAllocs()
		cfg := plenty
		cfg.MaxKeys = 1 << 30
		m := newMemory(b, cfg)
		var buf [24]byte
		for i := 0; b.Loop(); i++ {
			_, _ = m.Allow(ctx, string(strconv.AppendInt(buf[:0], int64(i), 10)))
		}
	})
	b.Run("past the cap", func(b *testing.B) {
		b.ReportAllocs()
		m := newMemory(b, plenty)
		for _, k := range keys(ratelimit.DefaultMaxKeys) {
			_, _ = m.Allow(ctx, k)
		}
		var buf [24]byte
		for i := 0; b.Loop(); i++ {
			_, _ = m.Allow(ctx, string(strconv.AppendInt(buf[:0], int64(i), 10)))
		}
	})
}

// BenchmarkIdleKey reports how much memory an idle key takes.
func BenchmarkIdleKey(b *testing.B) {
	for name, addr := range map[string]func(i int) netip.Addr{
		"ipv4": func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) },
		"ipv6": func(i int) netip.Addr {
			return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0x12, byte(i >> 16), byte(i >> 8), byte(i), 15: 1})
		},
	} {
		b.Run(name, func(b *testing.B) {
			var per float64
			for b.Loop() {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				m := newMemory(b, ratelimit.Config{PerSecond: 1, Burst: 5})
				for i := range ratelimit.DefaultMaxKeys {
					_, _ = m.Allow(context.Background(), ratelimit.AddrKey("ptop", addr(i)))
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				per = float64(after.HeapAlloc-before.HeapAlloc) / float64(m.Len())
			}
			b.ReportMetric(per, "B/key")
		})
	}
}

func BenchmarkAddrKey(b *testing.B) {
	addr := netip.MustParseAddr("2001:db8:1:2:3:4:5:6")
	b.ReportAllocs()
	for b.Loop() {
		_ = ratelimit.AddrKey("payatom", addr)
	}
}

func BenchmarkMiddleware(b *testing.B) {
	for name, cfg := range map[string]ratelimit.Config{"allow": plenty, "deny": none} {
		b.Run(name, func(b *testing.B) {
			mw, err := ratelimit.Middleware(newMemory(b, cfg), ratelimit.MiddlewareOptions{})
			if err != nil {
				b.Fatal(err)
			}
			h := mw(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			h.ServeHTTP(httptest.NewRecorder(), r)
			w := discard{h: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}

// discard is a ResponseWriter that costs nothing.
type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}
