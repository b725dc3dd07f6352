package main

import "sort"

// figures are those of a row in one run.
type figures struct {
	Size                       int     // of the body
	Nanoseconds, Allocs, Bytes float64 // of a call, medians of the rounds
	Waited                     float64 // nanoseconds for locks, of a call of a parallel row
	// Least is the time of a call in the quickest slice of all rounds, and Base that
	// of the row that this one is compared with. What else a machine does only adds
	// to a time, so these two are the steadiest.
	Least, Base float64
	// Ratio is the median over the rounds of the row's time beside its base's.
	Ratio float64
}

// Lowest is the ratio of the quickest slices. It is 0 without a base.
func (f figures) Lowest() float64 {
	if f.Base == 0 {
		return 0
	}
	return f.Least / f.Base
}

// Added is what the row takes longer than its base, in nanoseconds.
func (f figures) Added() float64 { return f.Least - f.Base }

// outcome is what one run found out.
type outcome struct {
	Rows map[string]figures // by the rows' keys
	// Values are of what is no row, by names like server/ptop, lean client/floor/p99.
	Values map[string]float64
}

// reading returns a figure of one run, and whether it was measured.
type reading func(outcome) (float64, bool)

func value(name string) reading {
	return func(o outcome) (float64, bool) { v, ok := o.Values[name]; return v, ok }
}

// quotient is one figure beside another.
func quotient(a, b reading) reading {
	return func(o outcome) (float64, bool) {
		x, measured := a(o)
		y, also := b(o)
		return x / y, measured && also && y != 0
	}
}

// least is the smallest of those that were measured.
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

// rounds are the samples of one row.
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

// median returns 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sort.Float64s(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// across returns a figure of all runs, in ascending order; it is empty when the
// figure was not measured.
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

// of is a figure of a row.
func of(key string, figure func(figures) float64) reading {
	return func(o outcome) (float64, bool) { f, ok := o.Rows[key]; return figure(f), ok }
}
