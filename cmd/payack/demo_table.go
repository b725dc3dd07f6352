package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/payack/payack"
)

// fate is the outcome of a callback.
type fate struct {
	outcome payack.Outcome
	reasons []payack.Reason // any of these is right
}

func (f fate) met(l demoLine) bool {
	return l.Outcome == f.outcome && slices.Contains(f.reasons, l.Reason)
}

func (f fate) String() string { return word(f.outcome, f.reasons...) }

var accepted = fate{payack.OutcomeAccepted, []payack.Reason{""}}

// row is one callback, with its expected outcome.
type row struct {
	provider payack.Provider
	what     string
	// send sends the callback to a URL and returns the answer.
	send  func(ctx context.Context, url string) (payack.Answer, error)
	times int // how often the callback is sent; all answers must be as expected
	want  payack.Answer
	// door is the expected outcome of the request. desk is the expected outcome
	// of the first attempt, if the event was kept.
	door, desk fate

	// check replaces send in a row that is not about a callback. It returns the
	// actual result, and wanted is the expected one.
	check  func(ctx context.Context, p *play) (string, error)
	wanted string
}

// play is the progress of a scene.
type play struct {
	receiver *demoReceiver
	w        io.Writer
	wrong    int
	// acknowledged holds the webhook-ids of the events that the application must
	// receive, by provider.
	acknowledged map[payack.Provider][]string
}

// scene is a receiver and the rows that are played against it.
type scene struct {
	title    string // printed with the receiver's URL
	receiver *demoReceiver
	rows     []row
}

// playAll plays the rows of all scenes. A row that differs from what is expected
// is an error.
func playAll(ctx context.Context, w io.Writer, scenes ...scene) error {
	wrong, all := 0, 0
	for _, s := range scenes {
		fmt.Fprintf(w, s.title+"\n\n", s.receiver.url)
		p := play{receiver: s.receiver, w: w, acknowledged: map[payack.Provider][]string{}}
		p.write("PROVIDER", "CALLBACK", "ANSWERED", "WHAT CAME OF IT")
		for _, x := range s.rows {
			if err := p.row(ctx, x); err != nil {
				return fmt.Errorf("%s, %s: %w", x.provider, x.what, err)
			}
		}
		fmt.Fprintln(w)
		wrong, all = wrong+p.wrong, all+len(s.rows)
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d rows differ from what is expected; the table marks them", wrong, all)
	}
	fmt.Fprintf(w, "all %d rows are as expected\n", all)
	return nil
}

// write writes a line of the table. It cuts no text, so the texts must fit 100
// columns.
func (p *play) write(provider, what, answered, became string) {
	fmt.Fprintln(p.w, strings.TrimRight(fmt.Sprintf("%-8s  %-28s  %-21s  %s", provider, what, answered, became), " "))
}

// row plays a row and writes it. If the outcome differs, row writes the expected
// outcome below.
func (p *play) row(ctx context.Context, x row) error {
	if x.check != nil {
		got, err := x.check(ctx, p)
		if err != nil {
			return err
		}
		p.write(string(x.provider), x.what, "", got)
		if got != x.wanted {
			p.differs("", x.wanted)
		}
		return nil
	}
	for n := range x.times {
		a, became, met, err := p.send(ctx, x)
		if err != nil {
			return err
		}
		if !met || n == x.times-1 {
			p.write(string(x.provider), x.what, short(a), became)
		}
		if !met {
			p.differs(short(x.want), x.becomes())
			break
		}
	}
	return nil
}

func (p *play) differs(answered, became string) {
	p.wrong++
	p.write("", "DIFFERS: expected", answered, became)
}

// becomes describes the expected outcome.
func (x *row) becomes() string {
	if x.desk.outcome == "" {
		return x.door.String()
	}
	return word(x.door.outcome, x.door.reasons...) + deskText(x.desk.String())
}

// deskText returns the text about an attempt that is appended to the outcome of
// the request.
func deskText(attempt string) string {
	if attempt == string(payack.OutcomeAccepted) {
		return "" // otherwise "accepted" would be there twice
	}
	return "; then " + attempt
}

// send sends a callback once.
func (p *play) send(ctx context.Context, x row) (a payack.Answer, became string, met bool, err error) {
	if a, err = x.send(ctx, p.receiver.url+"/"+string(x.provider)); err != nil {
		return a, "", false, err
	}
	door, err := p.receiver.line(ctx, func(l demoLine) bool { return l.Attempt == 0 })
	if err != nil {
		return a, "", false, err
	}
	became = word(door.Outcome, door.Reason)
	met = a == x.want && door.Status == a.Status && x.door.met(door)
	if door.Outcome != payack.OutcomeAccepted {
		return a, became, met, nil
	}
	desk, err := p.receiver.line(ctx, func(l demoLine) bool { return l.Attempt > 0 && l.EventID == door.EventID })
	if err != nil {
		return a, became, false, err
	}
	if desk.Outcome != payack.OutcomeRejected {
		p.acknowledged[x.provider] = append(p.acknowledged[x.provider], webhookID(door.EventID))
	}
	return a, became + deskText(word(desk.Outcome, desk.Reason)), met && x.desk.met(desk), nil
}

// jsonTexts finds the string values in an answer.
var jsonTexts = regexp.MustCompile(`"[^"]*":"([^"]*)"`)

// short returns an answer in a few words. Of JSON, it shows only the values.
func short(a payack.Answer) string {
	body := a.Body
	if members := jsonTexts.FindAllStringSubmatch(body, -1); members != nil {
		body = ""
		for _, m := range members {
			body += m[1] + " "
		}
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", a.Status, body))
}

func word(o payack.Outcome, reasons ...payack.Reason) string {
	var words []string
	for _, r := range reasons {
		if r != "" {
			words = append(words, string(r))
		}
	}
	if len(words) == 0 {
		return string(o)
	}
	return fmt.Sprintf("%s (%s)", o, strings.Join(words, " or "))
}
