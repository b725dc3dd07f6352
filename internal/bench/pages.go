package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// section is a part of a page that the program writes.
type section struct{ name, text string }

// report returns the tables as Markdown. A table without measurements is empty.
func report(rows []*row, f findings) []section {
	runs := f.Runs
	return []section{
		{"environment", f.Environment},
		{"targets", targets(runs)},
		{"rows", rowTable(rows, runs)},
		{"growth", growthTable(rows, runs)},
		{"locks", lockTable(runs)},
		{"servers", serverTable(runs)},
		{"memory", memoryTable(runs)},
		{"durable", durableTable(runs)},
		{"river", riverTable(runs)},
		{"by provider", capacityByProvider(runs)},
		{"by store", capacityByStore(runs)},
		{"by inbox", capacityByInbox(runs)},
		{"calculated", calculated(runs)},
	}
}

// markers returns the lines that begin and end a section in a page.
func markers(name string) (begin, end string) {
	return "<!-- measured: " + name + " -->\n", "<!-- end -->\n"
}

// writtenPages are the pages that have markers for sections.
var writtenPages = []string{"BENCHMARKS.md", "docs/capacity.md"}

// write replaces the text between the sections' markers in the pages of a checkout.
func write(root string, sections []section) error {
	for _, page := range writtenPages {
		file := filepath.Join(root, filepath.FromSlash(page))
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(filled(string(text), sections)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func filled(page string, sections []section) string {
	for _, p := range sections {
		begin, end := markers(p.name)
		before, rest, found := strings.Cut(page, begin)
		_, after, closed := strings.Cut(rest, end)
		if p.text != "" && found && closed {
			page = before + begin + "\n" + p.text + "\n" + end + after
		}
	}
	return page
}

// table is a Markdown table.
type table struct {
	b     strings.Builder
	lines int
}

// newTable returns a table whose first column is aligned left and the others right.
func newTable(titles ...string) *table {
	t := &table{}
	fmt.Fprintf(&t.b, "| %s |\n|---|%s\n", strings.Join(titles, " | "), strings.Repeat("--:|", len(titles)-1))
	return t
}

func (t *table) add(cells ...string) {
	fmt.Fprintf(&t.b, "| %s |\n", strings.Join(cells, " | "))
	t.lines++
}

// String returns the table as Markdown, or "" if it has no lines.
func (t *table) String() string {
	if t.lines == 0 {
		return ""
	}
	return t.b.String()
}
