package main

import "sort"

// figures are those of a row in one run.
type figures struct {
	Nanoseconds, Allocs, Bytes float64 // of a call, medians of the rounds
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

// outcome has the figures of one run by the rows' keys.
type outcome map[string]figures

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

// across returns one figure of a row in all runs, in ascending order; it is empty
// when the row was not measured.
func across(runs []outcome, key string, figure func(figures) float64) []float64 {
	var values []float64
	for _, run := range runs {
		if f, ok := run[key]; ok {
			values = append(values, figure(f))
		}
	}
	sort.Float64s(values)
	return values
}
