package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"

	"github.com/payack/payack"
)

// terminal formats lines for a person.
type terminal struct {
	colours bool
	now     func() time.Time
}

// terminalOf returns the format for lines on w, or nil if w is not a terminal.
func terminalOf(w io.Writer) *terminal {
	if !isTerminal(w) {
		return nil
	}
	return &terminal{colours: os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb", now: time.Now}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// said is the content of a line for a person.
type said struct {
	Provider payack.Provider
	Outcome  payack.Outcome
	Reason   payack.Reason
	Detail   string
	EventID  string `json:"event_id"`
	Status   int
	Attempt  int
	Dead     bool

	order string // shown in place of EventID, if known
	paid  bool
}

var colours = map[payack.Outcome]string{
	payack.OutcomeAccepted: "32", payack.OutcomeDuplicate: "36", payack.OutcomeFailed: "31", payack.OutcomeRejected: "33", payack.OutcomeRefused: "33",
}

// maxSaid is how many characters of a line are shown, so that it fits 80 columns.
const maxSaid = 80

// text returns a line for a person. If there is a detail, a second line has it.
// text escapes whatever was sent.
func (t *terminal) text(s said) string {
	what := fmt.Sprint(s.Status)
	switch {
	case s.Dead:
		what = "dead"
	case s.Attempt > 0:
		what = fmt.Sprint("attempt ", s.Attempt)
	}
	about := cmp.Or(s.order, s.EventID)
	if s.paid && s.Outcome == payack.OutcomeAccepted {
		about += ", paid"
	}
	if s.Reason != "" && about != "" {
		about = ": " + about
	}
	begin := fmt.Sprintf("%s %-8s ", t.now().Format(time.TimeOnly), s.Provider)
	outcome := fmt.Sprintf("%-9s", s.Outcome)
	end := shortened(fmt.Sprintf(" %-10s %s", what, plain(string(s.Reason)+about)), maxSaid-len(begin)-len(outcome))
	if colour := colours[s.Outcome]; t.colours && colour != "" {
		outcome = "\x1b[" + colour + "m" + outcome + "\x1b[0m"
	}
	text := begin + outcome + strings.TrimRight(end, " ") + "\n"
	if s.Detail != "" {
		text += shortened(strings.Repeat(" ", len(time.TimeOnly)+1)+plain(s.Detail), maxSaid) + "\n"
	}
	return text
}

// shortened returns at most the given number of characters of a text.
func shortened(s string, most int) string {
	if all := []rune(s); len(all) > most {
		return string(all[:most-1]) + "…"
	}
	return s
}

// started is the first line of listen.
type started struct {
	Listening string `json:"listening"`
	// Admin is the inspector's URL; empty if there is none.
	Admin string `json:"admin,omitempty"`

	mounted []string // URLs with their providers
	becomes string   // where events go
}

func (t *terminal) started(s started) string {
	var out strings.Builder
	fmt.Fprintf(&out, "payack listens at %s\n%s\n", s.Listening, s.becomes)
	for _, m := range s.mounted {
		out.WriteString("  " + m + "\n")
	}
	if s.Admin != "" {
		fmt.Fprintf(&out, "the inspector is at %s\n", s.Admin)
	}
	return out.String()
}
