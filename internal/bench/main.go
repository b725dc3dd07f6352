// Command bench measures what a callback costs. It compares payack with a floor, which
// is a minimal handler that is written by hand with the same primitives. It compares
// payack with libraries that do the same work for other providers. It also measures
// real servers on the loopback interface.
//
//	cd internal/bench && GOWORK=off go run .
//
// A row is compared with another one, its base. In each of several rounds the two
// take turns, so that other work on the machine affects both alike. The first ratio
// in the table divides the row's time in its quickest turn by its base's time in its
// quickest turn. The second is the median of the rounds' ratios. Some ratios have a
// target, which is kept if each run of the whole program keeps it (see -runs). Trust
// the ratios: the times hold for one machine and one day.
package main

import (
	"cmp"
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
	rounds     int
	runs       int
	figures    bool
	args       []string
	each       time.Duration
	load       time.Duration
	filter     *regexp.Regexp
	only       string
	cpu        string
	mem        string
	write      string
	save       string
	from       string
	quick      bool
	ringLen    int
	remembered int
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
	f.IntVar(&s.rounds, "n", 8, "`rounds`; the table shows medians")
	f.IntVar(&s.runs, "runs", 1, "measure the rows in so many `processes`, one after the other; the table shows what they agree on")
	f.BoolVar(&s.figures, "figures", false, "print the figures as JSON")
	f.DurationVar(&s.each, "time", 20*time.Millisecond, "how long a row runs in each round")
	f.DurationVar(&s.load, "load", 300*time.Millisecond, "how long a server is under load in each of 12 rounds; 0 leaves the servers out")
	f.StringVar(&s.only, "run", "", "measure only what matches this `regexp` (a row's group/name, server, or durable), and the rows that those are compared with")
	f.StringVar(&s.write, "write", "", "write the tables into the pages of the checkout at this `path`, between their markers")
	f.StringVar(&s.save, "save", "", "keep the figures in this `file`")
	f.StringVar(&s.from, "from", "", "measure nothing, and report the figures that -save kept in this `file`")
	f.StringVar(&s.cpu, "cpuprofile", "", "write a CPU profile to this `file`")
	f.StringVar(&s.mem, "memprofile", "", "write a profile of every allocation to this `file` (slow: don't read times off it)")
	f.BoolVar(&s.quick, "quick", false, "a few milliseconds for each row, and of the databases SQLite alone: tells that it works, not how fast")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	s.ringLen, s.remembered = 2048, 1_000_000
	if s.quick {
		s.rounds, s.each, s.load, s.ringLen, s.remembered = 1, time.Millisecond, min(s.load, 100*time.Millisecond), 512, 10_000
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
	k, err := newKit(s.ringLen, s.remembered)
	if err != nil {
		return err
	}
	rows, err := selectRows(k.rows(), s)
	if err != nil {
		return err
	}
	if s.quick {
		for _, r := range rows {
			r.calls = min(cmp.Or(r.calls, batch), 16)
		}
	}
	found := findings{Environment: environment(s)}
	switch {
	case s.from != "":
		found, err = saved(s.from)
	case s.runs > 1:
		found.Runs, err = again(s.runs, s.args)
	default:
		found.Runs = make([]outcome, 1)
		found.Runs[0], err = k.measure(rows, s)
	}
	if err != nil {
		return err
	}
	if s.figures {
		return json.NewEncoder(out).Encode(found.Runs[0])
	}
	if s.save != "" {
		if err := found.save(s.save); err != nil {
			return err
		}
	}
	sections := report(rows, found)
	for _, p := range sections {
		if p.text != "" {
			fmt.Fprintf(out, "%s\n", p.text)
		}
	}
	if s.write != "" {
		return write(s.write, sections)
	}
	return nil
}

// measure makes one run.
func (k *kit) measure(rows []*row, s settings) (outcome, error) {
	o := outcome{Rows: make(map[string]figures), Values: make(map[string]float64)}
	stop, err := profile(s)
	if err != nil {
		return o, err
	}
	var order []string
	together := make(map[string][]*row)
	for _, r := range rows {
		if together[r.series] == nil {
			order = append(order, r.series)
		}
		together[r.series] = append(together[r.series], r)
	}
	for _, series := range order {
		if err := measureRows(o, together[series], s); err != nil {
			return o, err
		}
	}
	if err := errors.Join(measureLocks(o, rows, s), stop()); err != nil {
		return o, err
	}
	if s.load > 0 && s.filter.MatchString("server") {
		fmt.Fprintln(os.Stderr, "servers")
		if err := k.measureServers(o, s); err != nil {
			return o, err
		}
	}
	if s.filter.MatchString("durable") {
		return o, measureDurable(o, s)
	}
	return o, nil
}

// measureRows measures rows in turns, and releases their workers at the end.
func measureRows(o outcome, rows []*row, s settings) error {
	bases := make(map[string]*row)
	for _, r := range rows {
		if err := r.open(); err != nil {
			return fmt.Errorf("%s: %w", r.key(), err)
		}
		defer func() { r.workers = nil }()
		bases[r.key()] = r
	}
	samples := make(map[string]*rounds)
	for round := range s.rounds {
		for _, r := range rows {
			own, base, err := r.round(bases[r.base], s.each)
			if err != nil {
				return fmt.Errorf("%s: %w", r.key(), err)
			}
			if samples[r.key()] == nil {
				samples[r.key()] = new(rounds)
			}
			samples[r.key()].add(own, base)
		}
		fmt.Fprintf(os.Stderr, "%s round %d of %d\n", rows[0].series, round+1, s.rounds)
	}
	for _, r := range rows {
		f := samples[r.key()].figures()
		f.Size = r.size
		o.Rows[r.key()] = f
	}
	return nil
}

// profile starts the profile that the settings ask for, if any. The function that it
// returns ends the profile and writes it.
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

// selectRows returns the rows that the filter matches, and the rows that they are
// compared with.
func selectRows(all []*row, s settings) ([]*row, error) {
	needed := make(map[string]bool)
	for _, r := range all {
		if s.filter.MatchString(r.key()) {
			needed[r.key()] = true
			if r.base != "" && s.cpu == "" && s.mem == "" { // a profile must not contain the base
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
	if len(rows) == 0 && !s.filter.MatchString("server") && !s.filter.MatchString("durable") {
		return nil, fmt.Errorf("-run %s matches no row", s.only)
	}
	return rows, nil
}
