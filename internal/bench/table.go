package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
)

// report prints the table and how it stands to the targets, as Markdown.
func report(out io.Writer, s settings, rows []*row, runs []outcome) {
	environment(out, s)
	fmt.Fprintln(out, "| row | bytes | ratio | median of ratios | compared with | time | allocations | allocated bytes |")
	fmt.Fprintln(out, "|---|--:|--:|--:|---|--:|--:|--:|")
	group := ""
	for _, r := range rows {
		if r.group != group {
			group = r.group
			fmt.Fprintf(out, "| **%s** | | | | | | | |\n", group)
		}
		key := r.key()
		compared := "| | | "
		if r.base != "" {
			compared = fmt.Sprintf("| %s | %s | %s ",
				spread(across(runs, key, figures.Lowest)),
				spread(across(runs, key, func(f figures) float64 { return f.Ratio })), strings.TrimPrefix(r.base, r.group+"/"))
		}
		fmt.Fprintf(out, "| %s | %d %s| %s | %.1f | %.0f |\n", r.name, r.size, compared,
			microseconds(median(across(runs, key, func(f figures) float64 { return f.Nanoseconds }))),
			median(across(runs, key, func(f figures) float64 { return f.Allocs })),
			median(across(runs, key, func(f figures) float64 { return f.Bytes })))
	}
	fmt.Fprintln(out)
	targets(out, runs)
}

// spread shows the median of the runs, and the least and the largest beside it.
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

func environment(out io.Writer, s settings) {
	fmt.Fprintf(out, "%s, %s/%s, %d processors; %d runs of %d rounds of %v for each row.\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), s.runs, s.rounds, s.each)
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return
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
		fmt.Fprintf(out, "%s.\n\n", strings.Join(versions, ", "))
	}
}

// goal is a bound that a figure must keep in each run.
type goal struct {
	what  string
	limit float64
	unit  string
	// value returns the figure of one run, and whether it was measured.
	value func(outcome) (float64, bool)
}

const (
	ptopPinned    = "ptop/" + rowPinned
	sealedPinned  = "pts/" + rowPinned + ", sealed"
	plainPinned   = "pts/" + rowPinned + ", plain"
	payatomPinned = "payatom/" + rowPinned
	rejectedMAC   = "/rejected: wrong MAC"
)

var goals = []goal{
	{"Ptop beside its floor", 1.45, "×", ratio(ptopPinned)},
	{"Payatom beside its floor", 1.45, "×", ratio(payatomPinned)},
	{"PTS, sealed, beside its floor", 1.05, "×", ratio(sealedPinned)},
	{"PTS, plain, beside its floor", 1.05, "×", ratio(plainPinned)},
	{"what slog adds to Ptop, beside slog alone", 1.2, "×", slogAdds("ptop")},
	{"what slog adds to PTS, beside slog alone", 1.2, "×", slogAdds("pts")},
	{"what slog adds to Payatom, beside slog alone", 1.2, "×", slogAdds("payatom")},
	{"what otelpayack, with the SDK, adds to Ptop", 1, " µs", added("ptop/payack, with otelpayack, with the SDK")},
	{"what otelpayack, with the SDK, adds to PTS", 1, " µs", added("pts/payack, with otelpayack, with the SDK")},
	{"what otelpayack, with the SDK, adds to Payatom", 1, " µs", added("payatom/payack, with otelpayack, with the SDK")},
	{"Ptop with a wrong MAC, beside the floor's", 1.4, "×", ratio("ptop" + rejectedMAC)},
	{"Payatom with a wrong MAC, beside the floor's", 1.4, "×", ratio("payatom" + rejectedMAC)},
	{"Ptop over the rate, beside a bare limiter's handler or 0.6 µs", 1.5, "×", overRate("ptop")},
	{"PTS over the rate, beside a bare limiter's handler or 0.6 µs", 1.5, "×", overRate("pts")},
	{"Payatom over the rate, beside a bare limiter's handler or 0.6 µs", 1.5, "×", overRate("payatom")},
	{"Ptop beside stripe-go", 0.4, "×", inverse("peer/stripe-go ConstructEvent")},
	{"PTS, sealed, beside wechatpay-go", 0.7, "×", inverse("peer/wechatpay-go ParseNotifyRequest")},
	{"allocations, Ptop accepted", 4, "", allocations(ptopPinned)},
	{"allocations, Payatom accepted", 6, "", allocations(payatomPinned)},
	{"allocations, PTS sealed accepted", 16, "", allocations(sealedPinned)},
	{"allocations, PTS plain accepted", 14, "", allocations(plainPinned)},
	{"allocations, Ptop over the rate", 2, "", allocations("ptop/refused: over the rate")},
	{"allocations, PTS over the rate", 2, "", allocations("pts/refused: over the rate")},
	{"allocations, Payatom over the rate", 2, "", allocations("payatom/refused: over the rate")},
	{"allocations, Ptop oversized", 2, "", allocations("ptop/refused: oversized by Content-Length")},
	{"allocations, PTS oversized", 2, "", allocations("pts/refused: oversized by Content-Length")},
	{"allocations, Payatom oversized", 2, "", allocations("payatom/refused: oversized by Content-Length")},
}

func ratio(key string) func(outcome) (float64, bool) {
	return func(o outcome) (float64, bool) { f := o[key]; return f.Lowest(), f.Base > 0 }
}

// inverse is for a row that is compared with payack's.
func inverse(key string) func(outcome) (float64, bool) {
	return func(o outcome) (float64, bool) { f := o[key]; return 1 / f.Lowest(), f.Base > 0 }
}

// slogAdds is what a receiver with slog takes longer, beside what slog alone takes
// for the same attributes.
func slogAdds(group string) func(outcome) (float64, bool) {
	return func(o outcome) (float64, bool) {
		with, alone := o[group+"/"+rowSlog], o["alone/slog"]
		return with.Added() / alone.Least, with.Base > 0 && alone.Least > 0
	}
}

// added is what a row takes longer than its base, in microseconds.
func added(key string) func(outcome) (float64, bool) {
	return func(o outcome) (float64, bool) { f := o[key]; return f.Added() / 1000, f.Base > 0 }
}

// overRate is beside a bare handler with a limiter, or beside 0.6 µs where that is
// more.
func overRate(group string) func(outcome) (float64, bool) {
	return func(o outcome) (float64, bool) {
		refused, ok := o[group+"/refused: over the rate"]
		bare, also := o["alone/x/time/rate over the rate"]
		return refused.Least / max(bare.Least, 600/1.5), ok && also
	}
}

func allocations(key string) func(outcome) (float64, bool) {
	return func(o outcome) (float64, bool) { f, ok := o[key]; return f.Allocs, ok }
}

// targets shows each bound beside the worst of the runs.
func targets(out io.Writer, runs []outcome) {
	fmt.Fprintln(out, "| target | at most | worst run | kept |")
	fmt.Fprintln(out, "|---|--:|--:|---|")
	for _, g := range goals {
		worst, measured := 0.0, false
		for _, run := range runs {
			if value, ok := g.value(run); ok {
				worst, measured = max(worst, value), true
			}
		}
		if !measured {
			continue
		}
		text, bound := fmt.Sprintf("%.2f%s", worst, g.unit), g.limit
		if g.unit == "" { // a pool that was emptied costs a hundredth of an allocation now and then
			text, bound = fmt.Sprintf("%.0f", worst), g.limit+0.5
		}
		kept := "yes"
		if worst > bound {
			kept = "**no**"
		}
		fmt.Fprintf(out, "| %s | %v%s | %s | %s |\n", g.what, g.limit, g.unit, text, kept)
	}
	fmt.Fprintln(out)
}
