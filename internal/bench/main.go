// Command bench measures what a callback costs: beside a floor that is written
// by hand of the same primitives, beside libraries that do the same work for
// other providers, and in a real server on the loopback interface.
//
//	cd internal/bench && GOWORK=off go run .
//
// A row takes turns with the one that it is compared with, within each of several
// rounds, so that whatever else the machine does hits both alike. A ratio is that
// of the quickest slices of both, with the median of the rounds' ratios beside it;
// a target is kept when the worst of several runs keeps it. Ratios are what
// counts; times are of one machine and one day.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"runtime/pprof"
	"time"
)

type settings struct {
	rounds  int
	runs    int
	figures bool
	args    []string
	each    time.Duration
	load    time.Duration
	filter  *regexp.Regexp
	only    string
	cpu     string
	mem     string
	ringLen int
}

func main() {
	s, err := parse(os.Args[1:])
	if err == nil {
		err = run(os.Stdout, s)
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(args []string) (settings, error) {
	s := settings{args: args}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.IntVar(&s.rounds, "n", 25, "`rounds`; the table shows medians")
	f.IntVar(&s.runs, "runs", 1, "measure the rows in so many `processes`, one after the other; the table shows what they agree on")
	f.BoolVar(&s.figures, "figures", false, "print the figures as JSON, and leave the servers out")
	f.DurationVar(&s.each, "time", 20*time.Millisecond, "how long a row runs in each round")
	f.DurationVar(&s.load, "load", time.Second, "how long a server is under load in each of 7 rounds; 0 leaves the servers out")
	f.StringVar(&s.only, "run", "", "measure only rows that match this `regexp` (group/name), and the rows that they are compared with")
	f.StringVar(&s.cpu, "cpuprofile", "", "write a CPU profile to this `file`")
	f.StringVar(&s.mem, "memprofile", "", "write a profile of every allocation to this `file` (slow: don't read times off it)")
	quick := f.Bool("quick", false, "a few milliseconds for each row: tells that it works, not how fast")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	s.ringLen = 2048
	if *quick {
		s.rounds, s.each, s.load, s.ringLen = 3, 3*time.Millisecond, min(s.load, 100*time.Millisecond), 512
	}
	if s.rounds < 1 || s.runs < 1 || s.each <= 0 || s.load < 0 {
		return s, errors.New("-n, -runs and -time must be above 0")
	}
	if s.runs > 1 && (s.cpu != "" || s.mem != "") {
		return s, errors.New("a profile is of one run; leave -runs out")
	}
	var err error
	s.filter, err = regexp.Compile(s.only)
	return s, err
}

func run(out io.Writer, s settings) error {
	if s.mem != "" {
		runtime.MemProfileRate = 1
	}
	k, err := newKit(s.ringLen)
	if err != nil {
		return err
	}
	rows, err := selectRows(k.rows(), s)
	if err != nil {
		return err
	}
	var runs []outcome
	if s.runs > 1 {
		for _, r := range rows {
			if err := r.prove(); err != nil {
				return err
			}
		}
		runs, err = again(s.runs, s.args)
	} else {
		runs = []outcome{nil}
		runs[0], err = measured(rows, s)
	}
	if err != nil {
		return err
	}
	if s.figures {
		return json.NewEncoder(out).Encode(runs[0])
	}
	if len(rows) > 0 {
		report(out, s, rows, runs)
	}
	if s.load > 0 && s.filter.MatchString("server") {
		return measureServers(out, k, s)
	}
	return nil
}

// measured is one run over all rows.
func measured(rows []*row, s settings) (outcome, error) {
	bases := make(map[string]*row)
	for _, r := range rows {
		if err := r.open(); err != nil {
			return nil, fmt.Errorf("%s: %w", r.key(), err)
		}
		bases[r.key()] = r
	}
	stop, err := profile(s)
	if err != nil {
		return nil, err
	}
	samples := make(map[string]*rounds)
	for round := range s.rounds {
		for _, r := range rows {
			own, base, err := r.round(bases[r.base], s.each)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", r.key(), err)
			}
			if samples[r.key()] == nil {
				samples[r.key()] = new(rounds)
			}
			samples[r.key()].add(own, base)
		}
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, s.rounds)
	}
	o := make(outcome)
	for key, r := range samples {
		o[key] = r.figures()
	}
	return o, stop()
}

// profile begins the profiles that are asked for, and returns what writes them.
func profile(s settings) (stop func() error, err error) {
	if s.cpu != "" {
		f, err := os.Create(s.cpu)
		if err != nil {
			return nil, err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return func() error {
			pprof.StopCPUProfile()
			return f.Close()
		}, nil
	}
	if s.mem == "" {
		return func() error { return nil }, nil
	}
	return func() error {
		f, err := os.Create(s.mem)
		if err != nil {
			return err
		}
		runtime.GC()
		return errors.Join(pprof.Lookup("allocs").WriteTo(f, 0), f.Close())
	}, nil
}

// selectRows keeps the rows asked for, and those that they are compared with.
func selectRows(all []*row, s settings) ([]*row, error) {
	needed := make(map[string]bool)
	for _, r := range all {
		if s.filter.MatchString(r.key()) {
			needed[r.key()] = true
			if r.base != "" && s.cpu == "" && s.mem == "" { // a profile is of what was asked for only
				needed[r.base] = true
			}
		}
	}
	var rows []*row
	for _, r := range all {
		if needed[r.key()] {
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 && !s.filter.MatchString("server") {
		return nil, fmt.Errorf("-run %s matches no row", s.only)
	}
	return rows, nil
}
