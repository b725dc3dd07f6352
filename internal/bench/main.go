// Command bench measures what a callback costs: beside a floor that is written
// by hand of the same primitives, beside libraries that do the same work for
// other providers, and in a real server on the loopback interface.
//
//	cd internal/bench && GOWORK=off go run .
//
// All rows are measured in turns, several times over, so that whatever else the
// machine does hits all of them alike. A ratio is the median of the ratios of
// the rounds; ratios are what counts, times are of one machine and one day.
package main

import (
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
	var s settings
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.IntVar(&s.rounds, "n", 25, "`rounds`; the table shows medians")
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
	if s.rounds < 1 || s.each <= 0 || s.load < 0 {
		return s, errors.New("-n and -time must be above 0")
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
	for _, r := range rows {
		if err := r.open(); err != nil {
			return fmt.Errorf("%s: %w", r.key(), err)
		}
	}
	results := newResults(s.rounds)
	if s.cpu != "" {
		f, err := os.Create(s.cpu)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
	}
	for round := range s.rounds {
		for _, r := range rows {
			sample, err := r.measure(s.each)
			if err != nil {
				return fmt.Errorf("%s: %w", r.key(), err)
			}
			results.add(r.key(), sample)
		}
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, s.rounds)
	}
	if s.cpu != "" {
		pprof.StopCPUProfile()
	}
	if s.mem != "" {
		f, err := os.Create(s.mem)
		if err != nil {
			return err
		}
		defer f.Close()
		runtime.GC()
		if err := pprof.Lookup("allocs").WriteTo(f, 0); err != nil {
			return err
		}
	}
	if len(rows) > 0 {
		report(out, s, rows, results)
	}
	if s.load > 0 && s.filter.MatchString("server") {
		return measureServers(out, k, s)
	}
	return nil
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
