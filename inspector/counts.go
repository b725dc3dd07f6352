package inspector

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/payack/payack"
)

// minutes is the length of the counted period, in minutes.
const minutes = 24 * 60

// counts holds, for each minute, how many deliveries and attempts ended in which
// way. Outcomes and reasons are few, so the memory for a minute is bounded.
type counts struct {
	mu      sync.Mutex
	buckets [minutes]bucket
}

type bucket struct {
	minute int64 // since 1970
	n      map[ended]int
}

// ended identifies how a delivery or an attempt ended.
type ended struct {
	attempt bool
	outcome payack.Outcome
	reason  payack.Reason
}

func (c *counts) add(o *payack.Observation) {
	minute := time.Now().Unix() / 60
	c.mu.Lock()
	defer c.mu.Unlock()
	b := &c.buckets[minute%minutes]
	if b.minute != minute || b.n == nil {
		*b = bucket{minute: minute, n: map[ended]int{}}
	}
	b.n[ended{o.Attempt > 0, o.Outcome, o.Reason}]++
}

// sum adds up the counts of the last minutes, as many minutes as within says.
func (c *counts) sum(now time.Time, within int64) map[ended]int {
	out := map[ended]int{}
	last := now.Unix() / 60
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.buckets {
		b := &c.buckets[i]
		if b.minute > last-within && b.minute <= last {
			for k, n := range b.n {
				out[k] += n
			}
		}
	}
	return out
}

// series returns the numbers of deliveries by outcome for each of the last n
// periods, the oldest first. The parameter named each is the length of a period in
// minutes.
func (c *counts) series(now time.Time, n, each int64) []map[payack.Outcome]int {
	out := make([]map[payack.Outcome]int, n)
	for i := range out {
		out[i] = map[payack.Outcome]int{}
	}
	last := now.Unix() / 60
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.buckets {
		b := &c.buckets[i]
		if age := last - b.minute; b.n != nil && age >= 0 && age < n*each {
			for k, number := range b.n {
				if !k.attempt {
					out[n-1-age/each][k.outcome] += number
				}
			}
		}
	}
	return out
}

// counted is a line in a table of numbers.
type counted struct {
	Outcome payack.Outcome `json:"outcome"`
	Reason  payack.Reason  `json:"reason,omitempty"`
	Hour    int            `json:"hour"`
	Day     int            `json:"day"`
}

// table returns the counts of the last hour and the last day: of attempts, or of
// deliveries if attempts is false. It is sorted by outcome, from good to bad, then
// by the count of the day.
func (c *counts) table(now time.Time, attempts bool) (out []counted) {
	hour, day := c.sum(now, 60), c.sum(now, minutes)
	for k, n := range day {
		if k.attempt == attempts {
			out = append(out, counted{k.outcome, k.reason, hour[k], n})
		}
	}
	slices.SortFunc(out, func(a, b counted) int {
		return cmp.Or(slices.Index(outcomes, a.Outcome)-slices.Index(outcomes, b.Outcome), b.Day-a.Day, cmp.Compare(a.Reason, b.Reason))
	})
	return out
}

// outcomes are all outcomes, from good to bad.
var outcomes = []payack.Outcome{
	payack.OutcomeAccepted, payack.OutcomeDuplicate, payack.OutcomeFailed, payack.OutcomeRejected, payack.OutcomeRefused,
}
