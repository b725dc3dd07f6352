package main

import (
	"fmt"
	"math"
	"runtime"
	"slices"
)

// This file makes the tables of docs/capacity.md from the measured figures. A table
// or column with calculated values says so in its heading.

// titles are the names of the providers in the tables.
var titles = map[string]string{"ptop": "Ptop", "pts": "PTS, sealed", "payatom": "Payatom"}

// pinnedRow is the key of the row for a provider's usual callback.
var pinnedRow = map[string]string{"ptop": ptopPinned, "pts": sealedPinned, "payatom": payatomPinned}

func capacityByProvider(runs []outcome) string {
	t := newTable("provider", "the handler alone", "of one processor (calculated)", fmt.Sprintf("a server on %d processors, its client on the same", runtime.GOMAXPROCS(0)), "99th percentile")
	for _, p := range (&kit{}).providers() {
		alone, served := across(runs, of(pinnedRow[p.name], nanoseconds)), across(runs, serverRate(p.name))
		if len(alone) == 0 || len(served) == 0 {
			continue
		}
		t.add(titles[p.name], microseconds(median(alone)), count(1e9/median(alone))+"/s", count(median(served))+"/s",
			fmt.Sprintf("%.1f ms", median(across(runs, value(serverName(p.name, leanClient, "payack")+"p99")))))
	}
	return t.String()
}

func serverRate(provider string) reading {
	return value(serverName(provider, leanClient, "payack") + "per second")
}

// by returns the comparison with this benchmark and this baseline.
func by(benchmark, bare string) comparison {
	return comparisons[slices.IndexFunc(comparisons, func(c comparison) bool { return c.benchmark == benchmark && c.bare == bare })]
}

var (
	claims     = by("ClaimAndCommit/%s/%s", "two_statements")
	settlement = by("InTx/%s/%s/settlement", "two_commits")
	receivers  = by("Receiver/%s/%s", "bare_handler")
	processing = by("Processing/%s/%s", "two_commits")
)

// ratesOf returns the cells for 1, 16 and 64 clients in one line of a table, and
// whether any rate was measured. The cell of a rate that was not measured is empty.
func ratesOf(runs []outcome, rate func(clients string) reading) (cells []string, any bool) {
	for _, n := range clientCounts {
		cell := ""
		if rates := across(runs, rate(n)); len(rates) > 0 {
			cell, any = count(median(rates))+"/s", true
		}
		cells = append(cells, cell)
	}
	return cells, any
}

func capacityByStore(runs []outcome) string {
	t := newTable("events a second", "1 client", "16 clients", "64 clients")
	if alone := across(runs, of("alone/"+rowMemstore, nanoseconds)); len(alone) > 0 {
		t.add("memory, claim and commit", count(1e9/median(alone))+"/s", "", "")
	}
	for _, engine := range []string{"Redis", "SQLite", "PostgreSQL", "MariaDB"} {
		if cells, any := ratesOf(runs, func(n string) reading { return claims.rate(engine, n) }); any {
			t.add(append([]string{engine + ", claim and commit"}, cells...)...)
		}
		if cells, any := ratesOf(runs, func(n string) reading { return settlement.rate(engine, n) }); any {
			t.add(append([]string{engine + ", `InTx` with a settlement"}, cells...)...)
		}
	}
	return t.String()
}

func capacityByInbox(runs []outcome) string {
	t := newTable("callbacks a second", "1 client", "16 clients", "64 clients", "processed by 16 workers")
	for _, engine := range engines {
		if cells, any := ratesOf(runs, func(n string) reading { return receivers.rate(engine, n) }); any {
			t.add(append(append([]string{engine + ", kept"}, cells...), count(median(across(runs, processing.rate(engine, "16"))))+"/s")...)
		}
	}
	if cells, any := ratesOf(runs, func(n string) reading { return value(riverName("river_kept_per_s", n)) }); any {
		t.add(append(append([]string{"PostgreSQL with River, kept while it processes"}, cells...),
			count(median(across(runs, value(riverName("river_processed_per_s", "16")))))+"/s")...)
	}
	return t.String()
}

// halfLoaded is the share of a machine's measured rate that the calculation uses.
const halfLoaded = 0.5

// calculated returns a table that estimates how many machines like the measured one
// are needed for certain rates.
func calculated(runs []outcome) string {
	rates := []float64{1e4, 1e5}
	t := newTable("**calculated** for", count(rates[0])+" callbacks a second", count(rates[1])+" callbacks a second")
	line := func(what string, cell func(rate float64) string) {
		t.add(what, cell(rates[0]), cell(rates[1]))
	}
	machines := func(what string, measured reading) {
		if figures := across(runs, measured); len(figures) > 0 {
			line(what, func(rate float64) string { return count(math.Ceil(rate / (median(figures) * halfLoaded))) })
		}
	}
	for _, p := range (&kit{}).providers() {
		machines("processes for "+titles[p.name]+", each on a machine like this", serverRate(p.name))
	}
	if size := across(runs, value(memoryName("together", "payack"))); len(size) > 0 {
		line("requests that wait at the same time, at 10 ms each, and their memory", func(rate float64) string {
			return fmt.Sprintf("%s, %s MiB", count(rate/100), count(math.Ceil(rate/100*median(size)/(1<<20))))
		})
	}
	machines("servers of Redis like this, claim and commit", claims.rate("Redis", "64"))
	machines("servers of PostgreSQL like this, claim and commit", claims.rate("PostgreSQL", "64"))
	machines("servers of PostgreSQL like this, `InTx` with a settlement", settlement.rate("PostgreSQL", "64"))
	machines("servers of PostgreSQL like this, to keep in an inbox", receivers.rate("PostgreSQL", "64"))
	machines("servers of PostgreSQL like this, to process from an inbox", processing.rate("PostgreSQL", "16"))
	if t.lines > 0 {
		line("an inbox grows by, at 2.4 KB for each event", func(rate float64) string {
			return fmt.Sprintf("%.1f TB a day", rate*86400*2400/1e12)
		})
	}
	return t.String()
}
