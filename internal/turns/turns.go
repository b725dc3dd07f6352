// Package turns compares several ways to do the same work on a database, by letting
// them take turns. Only benchmarks import it.
package turns

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Turns says how often each side has a turn, and how long a turn is. A further turn
// at the start opens connections and does not count. A benchmark has flags for both
// values.
type Turns struct {
	Rounds *int
	Slice  *time.Duration
}

// Side is one way to do the work. A call of Do does the work once.
type Side struct {
	Name string
	Do   func(ctx context.Context) error
}

// Compare lets the sides take turns. In a turn, this many clients do the work of one
// side concurrently. Compare reports each side's rate in its best turn, and the first
// side's rate divided by the rate of each further side. It takes the best turn because
// other work on the machine can only slow a turn down.
func (t Turns) Compare(b *testing.B, clients int, sides ...Side) {
	best := make([]float64, len(sides))
	for round := range *t.Rounds + 1 {
		for i := range sides {
			i := (i + round) % len(sides) // another side goes first in each round
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

// Report reports rates, and the first rate divided by each further rate.
func Report(b *testing.B, names []string, rates []float64) {
	b.ReportMetric(0, "ns/op")
	for i, name := range names {
		b.ReportMetric(rates[i], name+"_per_s")
		if i > 0 {
			b.ReportMetric(rates[0]/rates[i], names[0]+"_of_"+name)
		}
	}
}

// work gives a side one turn, and returns how often its work was done per second.
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

// Best returns the largest rate of each side. Each element of rounds holds the rates
// of all sides in one round.
func Best(rounds [][]float64) []float64 {
	best := slices.Clone(rounds[0])
	for _, rates := range rounds[1:] {
		for i, r := range rates {
			best[i] = max(best[i], r)
		}
	}
	return best
}
