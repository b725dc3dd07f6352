package main

import (
	"fmt"
	"slices"
)

// goal is a bound that a figure must keep in each run.
type goal struct {
	what    string
	limit   float64
	unit    string
	value   reading
	atLeast bool // the figure must not be below the limit
}

const (
	ptopPinned    = "ptop/" + rowPinned
	sealedPinned  = "pts/" + rowPinned + ", sealed"
	plainPinned   = "pts/" + rowPinned + ", plain"
	payatomPinned = "payatom/" + rowPinned
	rejectedMAC   = "/rejected: wrong MAC"
)

var goals = slices.Concat(rowGoals, serverGoals, durableGoals)

var serverGoals = []goal{
	{"Ptop's server, lean client: requests a second, beside the floor's", 0.93, "×", besideFloor("ptop", leanClient, "per second"), true},
	{"Ptop's server, net/http client: requests a second, beside the floor's", 0.93, "×", besideFloor("ptop", netClient, "per second"), true},
	{"PTS's server: requests a second, beside the floor's", 0.93, "×", besideFloor("pts", leanClient, "per second"), true},
	{"Payatom's server: requests a second, beside the floor's", 0.93, "×", besideFloor("payatom", leanClient, "per second"), true},
	{"Ptop's server, lean client: 99th percentile, beside the floor's", 1.1, "×", besideFloor("ptop", leanClient, "p99"), false},
	{"Ptop's server, net/http client: 99th percentile, beside the floor's", 1.1, "×", besideFloor("ptop", netClient, "p99"), false},
	{"PTS's server: 99th percentile, beside the floor's", 1.1, "×", besideFloor("pts", leanClient, "p99"), false},
	{"Payatom's server: 99th percentile, beside the floor's", 1.1, "×", besideFloor("payatom", leanClient, "p99"), false},
	{"memory of a waiting request, beside the trivial server's", 1.3, "×", quotient(value(memoryName("together", "payack")), value(memoryName("together", "trivial"))), false},
}

var durableGoals = []goal{
	{"`InTx` on SQLite, beside the same statements by hand", 0.8, "×", byHand("SQLite"), true},
	{"`InTx` on PostgreSQL, beside the same statements by hand", 0.8, "×", byHand("PostgreSQL"), true},
	{"`InTx` on MariaDB, beside the same statements by hand", 0.8, "×", byHand("MariaDB"), true},
}

var rowGoals = []goal{
	{"Ptop beside its floor", 1.45, "×", ratio(ptopPinned), false},
	{"Payatom beside its floor", 1.45, "×", ratio(payatomPinned), false},
	{"PTS, sealed, beside its floor", 1.05, "×", ratio(sealedPinned), false},
	{"PTS, plain, beside its floor", 1.05, "×", ratio(plainPinned), false},
	{"what slog adds to Ptop, beside slog alone", 1.2, "×", slogAdds("ptop"), false},
	{"what slog adds to PTS, beside slog alone", 1.2, "×", slogAdds("pts"), false},
	{"what slog adds to Payatom, beside slog alone", 1.2, "×", slogAdds("payatom"), false},
	{"what otelpayack, with the SDK, adds to Ptop", 1, " µs", added("ptop/payack, with otelpayack, with the SDK"), false},
	{"what otelpayack, with the SDK, adds to PTS", 1, " µs", added("pts/payack, with otelpayack, with the SDK"), false},
	{"what otelpayack, with the SDK, adds to Payatom", 1, " µs", added("payatom/payack, with otelpayack, with the SDK"), false},
	{"Ptop with a wrong MAC, beside the floor's", 1.4, "×", ratio("ptop" + rejectedMAC), false},
	{"Payatom with a wrong MAC, beside the floor's", 1.4, "×", ratio("payatom" + rejectedMAC), false},
	{"Ptop over the rate, beside a bare limiter's handler or 0.6 µs", 1.5, "×", overRate("ptop"), false},
	{"PTS over the rate, beside a bare limiter's handler or 0.6 µs", 1.5, "×", overRate("pts"), false},
	{"Payatom over the rate, beside a bare limiter's handler or 0.6 µs", 1.5, "×", overRate("payatom"), false},
	{"Ptop beside stripe-go", 0.4, "×", inverse("peer/stripe-go ConstructEvent"), false},
	{"PTS, sealed, beside wechatpay-go", 0.7, "×", inverse("peer/wechatpay-go ParseNotifyRequest"), false},
	{"allocations, Ptop accepted", 4, "", allocations(ptopPinned), false},
	{"allocations, Payatom accepted", 6, "", allocations(payatomPinned), false},
	{"allocations, PTS sealed accepted", 16, "", allocations(sealedPinned), false},
	{"allocations, PTS plain accepted", 14, "", allocations(plainPinned), false},
	{"allocations, Ptop over the rate", 2, "", allocations("ptop/refused: over the rate"), false},
	{"allocations, PTS over the rate", 2, "", allocations("pts/refused: over the rate"), false},
	{"allocations, Payatom over the rate", 2, "", allocations("payatom/refused: over the rate"), false},
	{"allocations, Ptop oversized", 2, "", allocations("ptop/refused: oversized by Content-Length"), false},
	{"allocations, PTS oversized", 2, "", allocations("pts/refused: oversized by Content-Length"), false},
	{"allocations, Payatom oversized", 2, "", allocations("payatom/refused: oversized by Content-Length"), false},
	{"a further KiB of Ptop's body beyond 16 KiB, beside one below", 1.2, "×", linear("ptop"), false},
	{"a further KiB of PTS's body beyond 16 KiB, beside one below", 1.2, "×", linear("pts"), false},
	{"a further KiB of Payatom's body beyond 16 KiB, beside one below", 1.2, "×", linear("payatom"), false},
}

func ratio(key string) reading {
	return func(o outcome) (float64, bool) { f := o.Rows[key]; return f.Lowest(), f.Base > 0 }
}

// inverse returns payack's time divided by a peer's. key is the peer's row. Its base is
// payack's row, so the ratio in the peer's row is the peer's time divided by payack's.
func inverse(key string) reading {
	return func(o outcome) (float64, bool) { f := o.Rows[key]; return 1 / f.Lowest(), f.Base > 0 }
}

// slogAdds returns how much slog adds to a receiver's time, divided by the time of
// slog alone with the same attributes.
func slogAdds(group string) reading {
	return func(o outcome) (float64, bool) {
		with, alone := o.Rows[group+"/"+rowSlog], o.Rows["alone/slog"]
		return with.Added() / alone.Least, with.Base > 0 && alone.Least > 0
	}
}

// added returns a row's time minus its base's, in microseconds.
func added(key string) reading {
	return func(o outcome) (float64, bool) { f := o.Rows[key]; return f.Added() / 1000, f.Base > 0 }
}

// overRate returns the time of a refusal over the rate, divided by that of a bare
// handler with a limiter. The divisor is at least 600/1.5 ns. So a refusal of up to
// 0.6 µs always keeps the goal's bound of 1.5.
func overRate(group string) reading {
	return func(o outcome) (float64, bool) {
		refused, ok := o.Rows[group+"/refused: over the rate"]
		bare, also := o.Rows["alone/x/time/rate over the rate"]
		return refused.Least / max(bare.Least, 600/1.5), ok && also
	}
}

func allocations(key string) reading { return of(key, func(f figures) float64 { return f.Allocs }) }

// linear returns what a further KiB costs above 16 KiB, divided by what it costs
// below.
func linear(provider string) reading {
	key := func(size string) string { return "bodies/" + provider + ", " + size + " KiB" }
	return quotient(perKiB(key("16"), key("64")), perKiB(key("0.5"), key("16")))
}

// targets returns a table of each goal's bound and its worst value in all runs.
func targets(runs []outcome) string {
	t := newTable("target", "bound", "worst run", "kept")
	for _, g := range goals {
		values := across(runs, g.value)
		if len(values) == 0 {
			continue
		}
		sign, worst, bound := "≤", values[len(values)-1], g.limit
		if g.atLeast {
			sign, worst = "≥", values[0]
		}
		text := fmt.Sprintf("%.2f%s", worst, g.unit)
		if g.unit == "" { // allocations: refilling an emptied pool can add a fraction of one
			text, bound = fmt.Sprintf("%.0f", worst), g.limit+0.5
		}
		kept := "yes"
		if worst > bound != g.atLeast && worst != bound {
			kept = "**no**"
		}
		t.add(g.what, fmt.Sprintf("%s %v%s", sign, g.limit, g.unit), text, kept)
	}
	return t.String()
}
