package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/inbox"
)

const inboxVerbs = "list, show ID, retry ID…, retry -reason R or close ID -note TEXT"

func runInbox(ctx context.Context, std stdio, args []string) error {
	fs := newFlags(std, "inbox", "inbox -config FILE list | show ID | retry ID… | retry -reason R |\n       close ID -note TEXT\n\n"+
		"list   what is not done: pending, running and dead events, the newest first\n"+
		"show   one event with its attempts\n"+
		"retry  another try, at once where listen is running: of those with an ID, or of\n"+
		"       all dead and pending ones whose last attempt failed for a reason\n"+
		"close  end an event by hand; the note is kept with it",
		"payack inbox -config payack.json retry -reason callback")
	file := fs.String("config", "", "the configuration `file` of listen")
	reason := fs.String("reason", "", "with retry: the `reason` of the last attempt, as list shows it")
	note := fs.String("note", "", "with close: a `text` that says what was done")
	operands, err := parseOperands(fs, args, -1)
	if err != nil {
		return err
	}
	if len(operands) == 0 {
		return usagef("inbox: what to do is missing; give %s", inboxVerbs)
	}
	call := inboxCall{out: std.out, verb: operands[0], reason: payack.Reason(*reason), note: *note}
	if err := call.check(operands[1:]); err != nil {
		return err
	}
	c, err := loadConfig(*file)
	if err != nil {
		return err
	}
	if *c.Database == "" {
		return usagef(`database: it is "" (memory only), so there is no inbox; give the configuration of a listen that has a database`)
	}
	logger := slog.New(slog.NewTextHandler(std.err, &slog.HandlerOptions{Level: slog.LevelError}))
	l, err := c.openLedger(ctx, logger, false)
	if err != nil {
		return err
	}
	defer l.Close()
	call.config, call.in = c, l.Inbox
	return inboxVerb[call.verb](ctx, &call)
}

// inboxCall is one call of the subcommand.
type inboxCall struct {
	config *config
	in     *inbox.Inbox
	out    io.Writer
	verb   string
	ids    []int64
	reason payack.Reason
	note   string
}

var inboxVerb = map[string]func(context.Context, *inboxCall) error{
	"list": listInbox, "show": showInbox, "retry": retryInbox, "close": closeInbox,
}

// reasons are the reasons of failed and rejected attempts, and the reasons of
// requests that receivers refuse or reject.
var reasons = texts(
	payack.ReasonCallback, payack.ReasonPanic, payack.ReasonDeadline, payack.ReasonBusy, payack.ReasonUnreachable,
	payack.ReasonExpectation, payack.ReasonKeys, payack.ReasonStore, payack.ReasonInbox, payack.ReasonBodyConsumed, payack.ReasonBodyRead,
	payack.ReasonInvalid, payack.ReasonUnknownTenant, payack.ReasonSpliced, payack.ReasonUnexpected, payack.ReasonUnconfirmed,
	payack.ReasonConflict, payack.ReasonEnvelope, payack.ReasonMalformed, payack.ReasonSignature,
	payack.ReasonMethod, payack.ReasonContentType, payack.ReasonContentEncoding, payack.ReasonTooLarge, payack.ReasonAddress, payack.ReasonRate,
)

func texts(all ...payack.Reason) (out []string) {
	for _, r := range all {
		out = append(out, string(r))
	}
	return out
}

// check parses the operands after the verb, and refuses a call that is not complete
// or has a flag of another verb.
func (c *inboxCall) check(operands []string) error {
	if inboxVerb[c.verb] == nil {
		return usagef("inbox: there is no %q; give %s", c.verb, inboxVerbs)
	}
	for _, text := range operands {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || id <= 0 {
			return usagef("inbox %s: %q is no ID; give a number from payack inbox list", c.verb, text)
		}
		c.ids = append(c.ids, id)
	}
	n := len(c.ids)
	switch {
	case c.reason != "" && c.verb != "retry":
		return usagef("-reason: it goes with retry only; leave it out")
	case c.reason != "" && !slices.Contains(reasons, string(c.reason)):
		return usagef("-reason: there is no %q; %s", string(c.reason), suggestion(string(c.reason), reasons))
	case c.note != "" && c.verb != "close":
		return usagef("-note: it goes with close only; leave it out")
	case c.verb == "list" && n > 0:
		return usagef("inbox list: it takes no ID; give show and the ID")
	case (c.verb == "show" || c.verb == "close") && n != 1:
		return usagef("inbox %s: it takes one ID; payack inbox list has them", c.verb)
	case c.verb == "close" && strings.TrimSpace(c.note) == "":
		return usagef("inbox close: -note is missing; say in it what was done")
	case c.verb == "retry" && (n == 0) == (c.reason == ""):
		return usagef("inbox retry: give IDs from payack inbox list, or -reason")
	}
	return nil
}

const shownTime = "2006-01-02 15:04:05"

// inboxRow fits 80 columns if order ids have 10 characters.
const inboxRow = "%-6v %-7v %-8v %5v  %-19v %-11v %v\n"

func listInbox(ctx context.Context, c *inboxCall) error {
	f := inbox.Filter{States: []inbox.State{inbox.Pending, inbox.Running, inbox.Dead}}
	n, older := 0, int64(0)
	for {
		page, err := c.in.List(ctx, f, older, 0)
		if err != nil {
			return inboxError(err)
		}
		if len(page) == 0 {
			break
		}
		for _, item := range page {
			if n == 0 {
				fmt.Fprintf(c.out, inboxRow, "ID", "STATE", "PROVIDER", "TRIES", "RECEIVED (UTC)", "REASON", "ORDER")
			}
			n, older = n+1, item.ID
			_, err := fmt.Fprintf(c.out, inboxRow, item.ID, item.State, plain(string(item.Provider)), item.Attempts,
				item.Received.UTC().Format(shownTime), plain(cmp.Or(string(item.Reason), "-")), plain(item.OrderID))
			if err != nil {
				return fmt.Errorf("standard output: %w", err)
			}
		}
	}
	if n == 0 {
		fmt.Fprintln(c.out, "no event is pending, running or dead")
	}
	return nil
}

func showInbox(ctx context.Context, c *inboxCall) error {
	id := c.ids[0]
	r, err := c.in.Get(ctx, id)
	if err != nil {
		return ofRow(id, err)
	}
	var b bytes.Buffer
	show := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%-9s %s\n", name, plain(text))
		}
	}
	show("id", strconv.FormatInt(r.ID, 10))
	show("state", string(r.State))
	show("provider", string(r.Provider))
	show("event_id", r.EventID)
	show("order", r.OrderID)
	show("received", timeText(r.Received))
	if r.State == inbox.Pending {
		show("next", timeText(r.Next))
	}
	show("ended", timeText(r.Ended))
	show("note", r.Note)
	switch {
	case r.Unreadable != nil:
		show("event", r.Unreadable.Error())
	case r.Delivery == nil || r.Delivery.Event == nil:
		show("event", "no longer kept")
	default:
		text, err := encoded(r.Delivery.Event)
		if err != nil {
			return err
		}
		show("event", strings.TrimSuffix(string(text), "\n"))
	}
	for _, a := range r.Log {
		text := cmp.Or(string(a.Reason), "accepted")
		if a.Error != "" {
			said := strings.TrimPrefix(libraryText(r.Provider, errors.New(a.Error)), string(a.Reason)+": ")
			text += ": " + reworded(r.Provider, said)
		}
		show("attempt", fmt.Sprintf("%d, %s, took %v: %s", a.Number, timeText(a.Started), a.Took.Round(time.Millisecond), text))
	}
	if len(r.Log) == 0 {
		show("attempt", "none yet")
	}
	if _, err := c.out.Write(c.config.redact(b.Bytes())); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(shownTime) + " UTC"
}

func retryInbox(ctx context.Context, c *inboxCall) error {
	if c.reason != "" {
		f := inbox.Filter{States: []inbox.State{inbox.Dead, inbox.Pending}, Reason: c.reason}
		n, err := c.in.RetryAll(ctx, f, math.MaxInt, nil)
		fmt.Fprintf(c.out, "%d dead or pending with the reason %s: due now\n", n, quote(string(c.reason)))
		return inboxError(err)
	}
	var failed error
	for _, id := range c.ids {
		if err := c.in.Retry(ctx, id); err != nil {
			failed = errors.Join(failed, ofRow(id, err))
			continue
		}
		fmt.Fprintf(c.out, "%d is due now\n", id)
	}
	return failed
}

func closeInbox(ctx context.Context, c *inboxCall) error {
	id := c.ids[0]
	if err := c.in.CloseByHand(ctx, id, c.note); err != nil {
		return ofRow(id, err)
	}
	fmt.Fprintf(c.out, "%d is closed\n", id)
	return nil
}

// ofRow adds the row and the fix to an error.
func ofRow(id int64, err error) error {
	fix := ""
	if errors.Is(err, inbox.ErrNotFound) {
		fix = "; payack inbox list has the IDs"
	}
	return fmt.Errorf("%d: %w%s", id, inboxError(err), fix)
}

func inboxError(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(ledgerTexts.Replace(err.Error()))
}
