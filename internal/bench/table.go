package main

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

func nanoseconds(f figures) float64 { return f.Nanoseconds }

// rowTable returns the table of the rows that belong to no series.
func rowTable(rows []*row, runs []outcome) string {
	t := newTable("row", "bytes", "ratio", "median of ratios", "compared with", "time", "allocations", "allocated bytes")
	group := ""
	for _, r := range rows {
		if r.series != "" || !r.measured(runs) {
			continue
		}
		if r.group != group {
			group = r.group
			t.add("**"+group+"**", "", "", "", "", "", "", "")
		}
		key := r.key()
		middle := func(o outcome) (float64, bool) { f := o.Rows[key]; return f.Ratio, f.Base > 0 }
		t.add(r.name, fmt.Sprint(runs[0].Rows[key].Size), spread(across(runs, ratio(key))), spread(across(runs, middle)), strings.TrimPrefix(r.base, r.group+"/"),
			microseconds(median(across(runs, of(key, nanoseconds)))),
			fmt.Sprintf("%.1f", median(across(runs, of(key, func(f figures) float64 { return f.Allocs })))),
			fmt.Sprintf("%.0f", median(across(runs, of(key, func(f figures) float64 { return f.Bytes })))))
	}
	return t.String()
}

func (r *row) measured(runs []outcome) bool { _, ok := runs[0].Rows[r.key()]; return ok }

// growthTable returns the table of the series. Each row is compared with the first of
// its series.
func growthTable(rows []*row, runs []outcome) string {
	t := newTable("row", "bytes", "ratio to the least", "time", "each further KiB", "waiting for locks")
	group := ""
	var before *row
	for _, r := range rows {
		if r.series == "" || !r.measured(runs) {
			continue
		}
		if r.group != group {
			group = r.group
			t.add("**"+group+"**", "", "", "", "", "")
		}
		key := r.key()
		further, waited := "", ""
		if r.base != "" && group == "bodies" {
			further = microseconds(median(across(runs, perKiB(before.key(), key))))
		}
		if r.parallel {
			waited = microseconds(median(across(runs, of(key, func(f figures) float64 { return f.Waited }))))
		}
		t.add(r.name, fmt.Sprint(runs[0].Rows[key].Size), spread(across(runs, ratio(key))), microseconds(median(across(runs, of(key, nanoseconds)))), further, waited)
		before = r
	}
	return t.String()
}

// perKiB returns what a further KiB of body costs, in nanoseconds. The parameters are
// the keys of the two rows that it compares.
func perKiB(smaller, larger string) reading {
	return func(o outcome) (float64, bool) {
		a, measured := o.Rows[smaller]
		b, also := o.Rows[larger]
		return (b.Least - a.Least) / float64(b.Size-a.Size) * 1024, measured && also && b.Size > a.Size
	}
}

// lockTable returns the table of the functions that held a lock while others waited
// for it.
func lockTable(runs []outcome) string {
	t := newTable("at "+plural(mostCores, "processor")+", waiting because of", "share of all waiting")
	var names []string
	for _, run := range runs {
		for name := range run.Values {
			if strings.HasPrefix(name, "lock/") && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	share := func(name string) float64 { return median(across(runs, value(name))) }
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(strings.Compare(lockedProvider(a), lockedProvider(b)), cmp.Compare(share(b), share(a)), strings.Compare(a, b))
	})
	for _, name := range names {
		_, function, _ := strings.Cut(strings.TrimPrefix(name, "lock/"), "/")
		t.add(lockedProvider(name)+": `"+function+"`", fmt.Sprintf("%.0f %%", 100*share(name)))
	}
	return t.String()
}

// lockedProvider returns the provider in the name of a value that starts with "lock/".
func lockedProvider(name string) string {
	provider, _, _ := strings.Cut(strings.TrimPrefix(name, "lock/"), ",")
	return provider
}

func serverTable(runs []outcome) string {
	t := newTable("server under load, "+fmt.Sprint(connections)+" connections", "trivial", "floor", "payack", "payack beside the floor")
	for _, p := range (&kit{}).providers() {
		for _, c := range p.clients {
			for _, what := range []string{"per second", "p99"} {
				line := []string{p.name + ", " + c.name + ", requests a second"}
				if what == "p99" {
					line[0] = p.name + ", " + c.name + ", 99th percentile"
				}
				for _, side := range sides {
					v := median(across(runs, value(serverName(p.name, c.name, side)+what)))
					if what == "p99" {
						line = append(line, fmt.Sprintf("%.1f ms", v))
					} else {
						line = append(line, count(v))
					}
				}
				if ratios := across(runs, besideFloor(p.name, c.name, what)); len(ratios) > 0 {
					t.add(append(line, spread(ratios))...)
				}
			}
		}
	}
	return t.String()
}

func besideFloor(provider, client, what string) reading {
	return quotient(value(serverName(provider, client, "payack")+what), value(serverName(provider, client, "floor")+what))
}

func memoryTable(runs []outcome) string {
	t := newTable(plural(concurrent, "request")+" at the same time", "trivial", "floor", "payack", "payack beside trivial", "payack beside the floor")
	for _, what := range []string{"heap", "stack", "together"} {
		line := []string{what + " of each"}
		if what == "together" {
			line[0] = "together"
		}
		for _, side := range sides {
			line = append(line, fmt.Sprintf("%.1f KiB", median(across(runs, value(memoryName(what, side))))/1024))
		}
		for _, side := range sides[:2] {
			line = append(line, spread(across(runs, quotient(value(memoryName(what, "payack")), value(memoryName(what, side))))))
		}
		if line[4] != "" {
			t.add(line...)
		}
	}
	return t.String()
}

// count formats a number, rounded to three digits, with a comma between thousands.
func count(v float64) string {
	step := 1.0
	for v/step >= 1000 {
		step *= 10
	}
	text := fmt.Sprintf("%.0f", math.Round(v/step)*step)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// spread formats the median of the runs, followed by the least and the largest value.
func spread(ascending []float64) string {
	if len(ascending) == 0 {
		return ""
	}
	least, largest := ascending[0], ascending[len(ascending)-1]
	if middle := median(ascending); len(ascending) > 1 {
		return fmt.Sprintf("%.2f (%.2f–%.2f)", middle, least, largest)
	}
	return fmt.Sprintf("%.2f", largest)
}

func microseconds(ns float64) string {
	if ns < 1000 {
		return fmt.Sprintf("%.2f µs", ns/1000)
	}
	return fmt.Sprintf("%.1f µs", ns/1000)
}

func environment(s settings) string {
	text := fmt.Sprintf("%s, %s, %s/%s, %d processors. %s of %d rounds of %v for each row.\n",
		runtime.Version(), processor(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), plural(s.runs, "run"), s.rounds, s.each)
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return text
	}
	var versions []string
	for _, m := range info.Deps {
		for _, peer := range [...]string{"stripe", "standard-webhooks", "wechatpay", "PaddleHQ", "go-json-experiment"} {
			if strings.Contains(m.Path, peer) {
				versions = append(versions, strings.TrimPrefix(m.Path, "github.com/")+" "+m.Version)
			}
		}
	}
	if len(versions) > 0 {
		text += strings.Join(versions, ", ") + ".\n"
	}
	return text
}

// processor returns the processor's name, if /proc/cpuinfo has one.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if _, name, found := strings.Cut(string(text), "model name\t: "); err == nil && found {
		name, _, _ = strings.Cut(name, "\n")
		return strings.TrimSpace(name)
	}
	return "an unknown processor"
}
