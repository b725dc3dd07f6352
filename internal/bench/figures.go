package main

import "sort"

// figures are what one run measured for a row.
type figures struct {
	Size                       int     // of the body
	Nanoseconds, Allocs, Bytes float64 // of a call, medians of the rounds
	Waited                     float64 // nanoseconds that a call waited for locks, in a parallel row
	// Least is the time of a call in the quickest slice of all rounds; a slice is one
	// turn of a row within a round. Base is the same for the row that this one is
	// compared with. Other work on the machine can only add to a time, so these two
	// vary least.
	Least, Base float64
	// Ratio is the median of the rounds' ratios: the row's time divided by its base's.
	Ratio float64
}

// Lowest returns Least divided by Base. It is 0 without a base.
func (f figures) Lowest() float64 {
	if f.Base == 0 {
		return 0
	}
	return f.Least / f.Base
}

// Added returns the row's time minus its base's, in nanoseconds.
func (f figures) Added() float64 { return f.Least - f.Base }

// outcome is the result of one run.
type outcome struct {
	Rows map[string]figures // by the rows' keys
	// Values are the figures that don't belong to a row. A name looks like
	// "server/ptop, lean client/floor/p99".
	Values map[string]float64
}

// reading returns a figure of one run, and whether it was measured.
type reading func(outcome) (float64, bool)

func value(name string) reading {
	return func(o outcome) (float64, bool) { v, ok := o.Values[name]; return v, ok }
}

// quotient returns the reading of a divided by b.
func quotient(a, b reading) reading {
	return func(o outcome) (float64, bool) {
		x, measured := a(o)
		y, also := b(o)
		return x / y, measured && also && y != 0
	}
}

// least returns the smallest of the readings that were measured.
func least(all ...reading) reading {
	return func(o outcome) (smallest float64, measured bool) {
		for _, r := range all {
			if v, ok := r(o); ok && (!measured || v < smallest) {
				smallest, measured = v, true
			}
		}
		return smallest, measured
	}
}

// rounds holds the tallies of one row and of its base, one of each for every round.
type rounds struct{ own, base []tally }

func (r *rounds) add(own, base tally) {
	r.own, r.base = append(r.own, own), append(r.base, base)
}

func (r *rounds) figures() figures {
	f := figures{
		Least:       leastOf(r.own),
		Nanoseconds: middleOf(r.own, func(s sample) float64 { return s.nanoseconds }),
		Allocs:      middleOf(r.own, func(s sample) float64 { return s.allocs }),
		Bytes:       middleOf(r.own, func(s sample) float64 { return s.bytes }),
		Waited:      middleOf(r.own, func(s sample) float64 { return s.waited }),
	}
	if r.base[0].ops == 0 {
		return f
	}
	var ratios []float64
	for i := range r.own {
		ratios = append(ratios, r.own[i].sample().nanoseconds/r.base[i].sample().nanoseconds)
	}
	f.Ratio, f.Base = median(ratios), leastOf(r.base)
	return f
}

func leastOf(tallies []tally) float64 {
	least := tallies[0].least
	for _, t := range tallies {
		least = min(least, t.least)
	}
	return least
}

func middleOf(tallies []tally, figure func(sample) float64) float64 {
	var values []float64
	for _, t := range tallies {
		values = append(values, figure(t.sample()))
	}
	return median(values)
}

// median returns 0 if there are no values.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sort.Float64s(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// across returns a reading's figures from all runs, in ascending order. The result is
// empty if no run measured the figure.
func across(runs []outcome, r reading) []float64 {
	var values []float64
	for _, run := range runs {
		if v, ok := r(run); ok {
			values = append(values, v)
		}
	}
	sort.Float64s(values)
	return values
}

// of returns the reading of a row's figure.
func of(key string, figure func(figures) float64) reading {
	return func(o outcome) (float64, bool) { f, ok := o.Rows[key]; return figure(f), ok }
}
