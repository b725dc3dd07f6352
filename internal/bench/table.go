package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
)

// report prints the table and how it stands to the targets, as Markdown.
func report(out io.Writer, s settings, rows []*row, res *results) {
	environment(out, s)
	fmt.Fprintln(out, "| row | bytes | ratio | compared with | time | allocations | allocated bytes |")
	fmt.Fprintln(out, "|---|--:|--:|---|--:|--:|--:|")
	group := ""
	for _, r := range rows {
		if r.group != group {
			group = r.group
			fmt.Fprintf(out, "| **%s** | | | | | | |\n", group)
		}
		ns, _ := res.median(r.key(), func(s sample) float64 { return s.nanoseconds })
		allocs, _ := res.median(r.key(), func(s sample) float64 { return s.allocs })
		size, _ := res.median(r.key(), func(s sample) float64 { return s.bytes })
		compared := "| | "
		if x, ok := res.compare(r.key(), r.base, ratio); ok {
			compared = fmt.Sprintf("| %.2f | %s ", x, strings.TrimPrefix(r.base, r.group+"/"))
		}
		fmt.Fprintf(out, "| %s | %d %s| %s | %.1f | %.0f |\n", r.name, r.size, compared, microseconds(ns), allocs, size)
	}
	fmt.Fprintln(out)
	targets(out, res)
}

func microseconds(ns float64) string {
	if ns < 1000 {
		return fmt.Sprintf("%.2f µs", ns/1000)
	}
	return fmt.Sprintf("%.1f µs", ns/1000)
}

func environment(out io.Writer, s settings) {
	fmt.Fprintf(out, "%s, %s/%s, %d processors; %d rounds of %v for each row.\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), s.rounds, s.each)
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

// goal is a bound that a measured figure must keep.
type goal struct {
	what  string
	limit float64
	unit  string
	value func(*results) (float64, bool)
}

const (
	ptopPinned    = "ptop/" + rowPinned
	sealedPinned  = "pts/" + rowPinned + ", sealed"
	plainPinned   = "pts/" + rowPinned + ", plain"
	payatomPinned = "payatom/" + rowPinned
)

var goals = []goal{
	{"Ptop beside its floor", 1.6, "×", against(ptopPinned, "ptop/"+rowFloor)},
	{"Payatom beside its floor", 1.6, "×", against(payatomPinned, "payatom/"+rowFloor)},
	{"PTS, sealed, beside its floor", 1.08, "×", against(sealedPinned, "pts/"+rowFloor+", sealed")},
	{"PTS, plain, beside its floor", 1.08, "×", against(plainPinned, "pts/"+rowFloor+", plain")},
	{"what slog adds to Ptop", 1.5, " µs", added("ptop/payack, with slog", ptopPinned)},
	{"what slog adds to Payatom", 1.5, " µs", added("payatom/payack, with slog", payatomPinned)},
	{"Ptop beside stripe-go", 0.4, "×", against(ptopPinned, "peer/stripe-go ConstructEvent")},
	{"PTS, sealed, beside wechatpay-go", 0.7, "×", against(sealedPinned, "peer/wechatpay-go ParseNotifyRequest")},
	{"allocations, Ptop accepted", 13, "", allocations(ptopPinned)},
	{"allocations, Payatom accepted", 16, "", allocations(payatomPinned)},
	{"allocations, PTS sealed accepted", 23, "", allocations(sealedPinned)},
	{"allocations, PTS plain accepted", 23, "", allocations(plainPinned)},
	{"allocations, Ptop over the rate", 2, "", allocations("ptop/refused: over the rate")},
	{"allocations, PTS over the rate", 2, "", allocations("pts/refused: over the rate")},
	{"allocations, Payatom over the rate", 2, "", allocations("payatom/refused: over the rate")},
	{"allocations, Ptop oversized", 2, "", allocations("ptop/refused: oversized by Content-Length")},
	{"allocations, PTS oversized", 2, "", allocations("pts/refused: oversized by Content-Length")},
	{"allocations, Payatom oversized", 2, "", allocations("payatom/refused: oversized by Content-Length")},
}

func against(key, base string) func(*results) (float64, bool) {
	return func(r *results) (float64, bool) { return r.compare(key, base, ratio) }
}

func added(key, base string) func(*results) (float64, bool) {
	return func(r *results) (float64, bool) {
		ns, ok := r.compare(key, base, difference)
		return ns / 1000, ok
	}
}

func allocations(key string) func(*results) (float64, bool) {
	return func(r *results) (float64, bool) {
		return r.median(key, func(s sample) float64 { return s.allocs })
	}
}

func targets(out io.Writer, res *results) {
	fmt.Fprintln(out, "| target | at most | measured | kept |")
	fmt.Fprintln(out, "|---|--:|--:|---|")
	for _, g := range goals {
		value, ok := g.value(res)
		if !ok {
			continue
		}
		kept := "yes"
		if value > g.limit {
			kept = "**no**"
		}
		measured := fmt.Sprintf("%.2f%s", value, g.unit)
		if g.unit == "" { // a pool that was emptied costs a hundredth of an allocation now and then
			measured = fmt.Sprintf("%.0f", value)
			if kept = "yes"; value > g.limit+0.5 {
				kept = "**no**"
			}
		}
		fmt.Fprintf(out, "| %s | %v%s | %s | %s |\n", g.what, g.limit, g.unit, measured, kept)
	}
	fmt.Fprintln(out)
}
