package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/payacktest"
)

func runDemo(ctx context.Context, io stdio, args []string) error {
	fs := newFlags(io, "demo", "demo [-serve]", "payack demo")
	serve := fs.Bool("serve", false, "keep the receiver up afterwards, until interrupted")
	if err := parse(fs, args); err != nil {
		return err
	}
	keys, err := newDemoKeys()
	if err != nil {
		return err
	}
	rows, err := keys.rows()
	if err != nil {
		return err
	}
	r, err := startDemoReceiver(ctx, keys)
	if err != nil {
		return err
	}
	defer r.stop()
	if err := playAll(ctx, io.out, r, rows); err != nil {
		return err
	}
	if *serve {
		fmt.Fprintf(io.out, "serving at %s until interrupted\n", r.url)
		for b := range r.lines { // ends when the receiver does
			fmt.Fprintf(io.out, "%s", b)
		}
	}
	return nil
}

// demoKeys are made for one run.
type demoKeys struct {
	config  *config
	private payack.Secret
}

const demoOrder, demoAmount = "ORD1000001", "500"

func newDemoKeys() (*demoKeys, error) {
	ptop, pts, payatom := payacktest.FreshPtopKeys(), payacktest.FreshPTSKeys(), payacktest.FreshPayatomKeys()
	// Written as a file would be, so that the demonstration goes all the way.
	file, err := json.Marshal(map[string]any{
		"addr": "127.0.0.1:0", "database": "",
		// The demonstration stands for a proxy, so that it can be several clients.
		"trusted_proxies": []string{"127.0.0.1"},
		"rate_limit":      map[string]any{"per_second": 0.01, "burst": demoBudget},
		"ptop":            map[string]any{"signing_keys": []string{ptop.SigningKey.Reveal()}, "insecure_no_confirm": true},
		"pts":             map[string]any{"user_id": "1", "safecode": pts.Safecode.Reveal(), "public_keys": []string{pts.PublicKey}},
		"payatom": map[string]any{"secret_keys": []string{payatom.SecretKey.Reveal()},
			"orders": map[string]string{demoOrder: demoAmount, demoOrder + "7": demoAmount}},
	})
	if err != nil {
		return nil, err
	}
	c, err := parseConfig(file)
	return &demoKeys{c, pts.PrivateKey}, err
}

// demoReceiver is listen, in this process.
type demoReceiver struct {
	url   string
	lines <-chan []byte // of its standard output, closed when it has ended
	stop  func()
}

func startDemoReceiver(ctx context.Context, keys *demoKeys) (*demoReceiver, error) {
	ctx, cancel := context.WithCancel(ctx)
	lines := make(lineWriter, 1)
	var ended error
	go func() {
		defer close(lines)
		ended = listen(ctx, stdio{out: lines, err: io.Discard}, keys.config)
	}()
	r := &demoReceiver{lines: lines, stop: func() {
		cancel()
		for range lines { // a callback may wait for its line to be read
		}
	}}
	var first struct{ Listening string }
	b, ok := <-lines
	if !ok {
		cancel()
		return nil, fmt.Errorf("the receiver did not start: %w", ended)
	}
	if err := json.Unmarshal(b, &first); err != nil {
		r.stop()
		return nil, fmt.Errorf("the receiver's first line is no JSON: %w", err)
	}
	r.url = first.Listening
	return r, nil
}

// lineWriter hands on what listen writes, which is a line at a time.
type lineWriter chan []byte

func (l lineWriter) Write(b []byte) (int, error) {
	l <- bytes.Clone(b)
	return len(b), nil
}

// row is one callback, and what must become of it.
type row struct {
	provider payack.Provider
	what     string
	callback payacktest.Callback
	times    int // it is posted so often, and all must be answered so
	want     payack.Answer
	outcome  payack.Outcome
	reasons  []payack.Reason // any of these
}

// verdict is what the receiver's line says.
type verdict struct {
	Outcome payack.Outcome
	Reason  payack.Reason
	Status  int
}

func (x row) met(a payack.Answer, v verdict) bool {
	return a == x.want && v.Status == x.want.Status &&
		v.Outcome == x.outcome && slices.Contains(x.reasons, v.Reason)
}

// playAll plays the rows; one that differs is an error.
func playAll(ctx context.Context, w io.Writer, r *demoReceiver, rows []row) error {
	fmt.Fprintf(w, "a receiver listens at %s; %d rows of callbacks are played at it\n\n", r.url, len(rows))
	wrong, err := play(ctx, w, r, rows)
	if err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d rows differ from what is expected; the table marks them", wrong, len(rows))
	}
	fmt.Fprintf(w, "\nall %d rows are as expected\n", len(rows))
	return nil
}

// play posts the rows in order and shows what was answered.
func play(ctx context.Context, w io.Writer, r *demoReceiver, rows []row) (wrong int, err error) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	defer func() {
		if flushed := table.Flush(); err == nil {
			err = flushed
		}
	}()
	fmt.Fprintln(table, "PROVIDER\tCALLBACK\tANSWERED\tEXPECTED\tOUTCOME\t")
	for _, x := range rows {
		a, got, err := r.play(ctx, x)
		if err != nil {
			return wrong, err
		}
		mark := ""
		if !x.met(a, got) {
			mark = "DIFFERS: expected " + word(x.outcome, x.reasons...)
			wrong++
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", x.provider, x.what,
			short(a), short(x.want), word(got.Outcome, got.Reason), mark)
	}
	return wrong, nil
}

// play posts a row's callback as often as it says, or until an answer differs,
// and returns the last answer with its line.
func (r *demoReceiver) play(ctx context.Context, x row) (a payack.Answer, v verdict, err error) {
	for range x.times {
		if a, err = post(ctx, r.url+"/"+string(x.provider), x.callback); err != nil {
			return a, v, err
		}
		select {
		case b := <-r.lines:
			v = verdict{}
			if err := json.Unmarshal(b, &v); err != nil {
				return a, v, fmt.Errorf("the receiver's line is no JSON: %w", err)
			}
		case <-time.After(lineTimeout):
			return a, v, fmt.Errorf("the receiver wrote no line for: %s, %s", x.provider, x.what)
		}
		if !x.met(a, v) {
			break
		}
	}
	return a, v, nil
}

// lineTimeout bounds the wait for a line that should be there with the answer.
const lineTimeout = 10 * time.Second

func short(a payack.Answer) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", a.Status, a.Body))
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
