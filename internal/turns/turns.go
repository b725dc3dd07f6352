// Package turns compares ways to do the same work on a database. Only benchmarks
// import it.
package turns

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Turns says how often each side gets its turn, after a first one in which
// connections are opened, and how long that is. A benchmark has flags for both.
type Turns struct {
	Rounds *int
	Slice  *time.Duration
}

// Side is one way to do the work, once a call.
type Side struct {
	Name string
	Do   func(ctx context.Context) error
}

// Compare has so many clients work in turns, side by side, and reports the rate of
// each side and that of the first beside each other one. All are of the best turns:
// whatever else the machine does only makes a turn worse.
func (t Turns) Compare(b *testing.B, clients int, sides ...Side) {
	best := make([]float64, len(sides))
	for round := range *t.Rounds + 1 {
		for i := range sides {
			i := (i + round) % len(sides) // each goes first at times
			if rate := t.work(b, clients, sides[i]); round > 0 {
				best[i] = max(best[i], rate)
			}
		}
	}
	names := make([]string, len(sides))
	for i, s := range sides {
		names[i] = s.Name
	}
	Report(b, names, best)
}

// Report reports rates, and the first beside each other one.
func Report(b *testing.B, names []string, rates []float64) {
	b.ReportMetric(0, "ns/op")
	for i, name := range names {
		b.ReportMetric(rates[i], name+"_per_s")
		if i > 0 {
			b.ReportMetric(rates[0]/rates[i], names[0]+"_of_"+name)
		}
	}
}

// work returns how often a side's work was done in a second.
func (t Turns) work(b *testing.B, clients int, s Side) float64 {
	var count atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for range clients {
		all.Go(func() {
			for time.Since(began) < *t.Slice {
				if err := s.Do(b.Context()); err != nil {
					b.Errorf("%s: %v", s.Name, err)
					return
				}
				count.Add(1)
			}
		})
	}
	all.Wait()
	return float64(count.Load()) / time.Since(began).Seconds()
}

// Best returns the largest of each side's rates, by rounds.
func Best(rounds [][]float64) []float64 {
	best := slices.Clone(rounds[0])
	for _, rates := range rounds[1:] {
		for i, r := range rates {
			best[i] = max(best[i], r)
		}
	}
	return best
}
