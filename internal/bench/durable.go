package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// The stores and the inbox have their own benchmarks, and this file runs those. They
// compare each rate with handwritten statements. They import the database drivers,
// so that this module doesn't need to.

// durable lists the packages whose benchmarks are run. sqlite says whether a package
// has benchmarks on SQLite, the only database of a quick run.
var durable = []struct {
	dir    string
	sqlite bool
}{{"store/sqlstore", true}, {"store/redisstore", false}, {"inbox", true}, {"inbox/riverinbox", false}}

// measureDurable runs the benchmarks of durable and records the values they print.
func measureDurable(o outcome, s settings) error {
	root, err := checkout()
	if err != nil {
		return err
	}
	for _, p := range durable {
		args := []string{"test", "-run", "-", "-bench", ".", "-benchtime", "1x", "-timeout", "30m", "./" + p.dir}
		if s.quick {
			if !p.sqlite {
				continue
			}
			args[4] = "./^SQLite$/^16$"
			args = append(args, "-rounds", "1", "-slice", "20ms")
		}
		fmt.Fprintln(os.Stderr, "go", strings.Join(args, " "))
		cmd := exec.Command("go", args...)
		cmd.Dir, cmd.Env = root, append(os.Environ(), "GOWORK=") // an empty GOWORK selects the workspace
		printed, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", p.dir, err, printed)
		}
		takeOver(o, printed)
	}
	return nil
}

// checkout returns the root folder of the workspace.
func checkout() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			err = errors.New("no go.work above this folder: the databases are measured in a checkout")
			return "", err
		}
	}
	return "", err
}

var benchmarkLine = regexp.MustCompile(`^Benchmark(\S+?)(?:-\d+)?\s+1\s+(.*)$`)

// takeOver records the values of lines like
//
//	BenchmarkReceipt/SQLite/16-2 1 1589 kept_per_s
func takeOver(o outcome, printed []byte) {
	for line := range bytes.Lines(printed) {
		m := benchmarkLine.FindSubmatch(bytes.TrimSpace(line))
		if m == nil {
			continue
		}
		fields := strings.Fields(string(m[2]))
		for i := 0; i+1 < len(fields); i += 2 {
			if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
				o.Values["durable/"+string(m[1])+"/"+fields[i+1]] = v
			}
		}
	}
}

// engines are the databases that are measured.
var engines = []string{"SQLite", "PostgreSQL", "MariaDB", "Redis"}

// clientCounts are the numbers of concurrent clients in the benchmarks.
var clientCounts = []string{"1", "16", "64"}

// comparison compares a rate of payack (own) with a baseline (bare). It has a line in
// the table for each number of clients.
type comparison struct {
	what      string
	benchmark string // with %s for the engine and the clients
	clients   []string
	own, bare string
}

var comparisons = []comparison{
	{"claim and commit, beside two bare statements", "ClaimAndCommit/%s/%s", clientCounts, "store", "two_statements"},
	{"claim and commit, beside two bare commands", "ClaimAndCommit/%s/%s", clientCounts, "store", "two_commands"},
	{"a duplicate, beside one bare SELECT", "Duplicate/%s/%s", clientCounts, "store", "one_select"},
	{"`InTx` with one insert, beside the same statements by hand", "InTx/%s/%s/insert", clientCounts, "InTx", "two_commits_and_marks"},
	{"`InTx` with one insert, beside two bare commits", "InTx/%s/%s/insert", clientCounts, "InTx", "two_commits"},
	{"`InTx` with a settlement, beside the same statements by hand", "InTx/%s/%s/settlement", clientCounts, "InTx", "two_commits_and_marks"},
	{"`InTx` with a settlement, beside two bare commits", "InTx/%s/%s/settlement", clientCounts, "InTx", "two_commits"},
	{"a receipt of the inbox, beside a raw insert of its bytes", "Receipt/%s/%s", clientCounts, "kept", "inserted"},
	{"a receiver with an inbox, beside a handler with one bare commit", "Receiver/%s/%s", clientCounts, "receiver", "bare_handler"},
	{"working off what waits, beside two bare commits for each event", "Processing/%s/%s", []string{"16"}, "processed", "two_commits"},
}

func (c comparison) name(engine, clients string) string {
	return "durable/" + fmt.Sprintf(c.benchmark, engine, clients) + "/"
}

func (c comparison) ratio(engine, clients string) reading {
	return value(c.name(engine, clients) + c.own + "_of_" + c.bare)
}

func (c comparison) rate(engine, clients string) reading {
	return value(c.name(engine, clients) + c.own + "_per_s")
}

// byHand returns the worst ratio of InTx to the same statements without payack.
func byHand(engine string) reading {
	var all []reading
	for _, c := range comparisons {
		if c.bare == "two_commits_and_marks" {
			for _, n := range c.clients {
				all = append(all, c.ratio(engine, n))
			}
		}
	}
	return least(all...)
}

// durableTable returns a table with a column for each engine. It has a line for each
// comparison and number of clients.
func durableTable(runs []outcome) string {
	t := newTable(append([]string{"what, in turns", "clients"}, engines...)...)
	for _, c := range comparisons {
		for _, n := range c.clients {
			line, found := []string{c.what, n}, false
			for _, engine := range engines {
				cell := ""
				if ratios := across(runs, c.ratio(engine, n)); len(ratios) > 0 {
					cell, found = spread(ratios)+", "+count(median(across(runs, c.rate(engine, n))))+"/s", true
				}
				line = append(line, cell)
			}
			if found {
				t.add(line...)
			}
		}
	}
	return t.String()
}

// riverName returns the name of a value that compares River with the inbox's own
// poller.
func riverName(what, clients string) string { return "durable/Beside/" + clients + "/" + what }

func riverTable(runs []outcome) string {
	t := newTable("clients", "kept: own poller", "River", "ratio", "processed: own poller", "River", "ratio")
	for _, n := range clientCounts {
		line := []string{n}
		for _, what := range []string{"kept", "processed"} {
			for _, engine := range []string{"own_", "river_"} {
				line = append(line, count(median(across(runs, value(riverName(engine+what+"_per_s", n)))))+"/s")
			}
			line = append(line, spread(across(runs, value(riverName("river_"+what+"_of_own_"+what, n)))))
		}
		if line[3] != "" {
			t.add(line...)
		}
	}
	return t.String()
}
