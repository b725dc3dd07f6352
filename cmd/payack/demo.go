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
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/payacktest/gateway"
)

func runDemo(ctx context.Context, io stdio, args []string) error {
	fs := newFlags(io, "demo", "demo [-serve]\n\nPlays every provider's genuine and forged callbacks at a receiver; then creates payments at fake gateways,\n"+
		"whose callbacks, true ones and lies, a receiver confirms by asking. Exits 1 if any answer differs from what is expected.", "payack demo")
	serve := fs.Bool("serve", false, "keep the first receiver up afterwards, until interrupted")
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
	r, err := startDemoReceiver(ctx, keys.config)
	if err != nil {
		return err
	}
	defer r.stop()
	if err := playDemo(ctx, io.out, r, rows); err != nil {
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

// playDemo plays the rows at the receiver, and those of the fake gateways at
// another one, which confirms.
func playDemo(ctx context.Context, w io.Writer, r *demoReceiver, rows []row) error {
	gateways, err := startDemoGateways()
	if err != nil {
		return err
	}
	defer gateways.close()
	confirming, err := startDemoReceiver(ctx, gateways.config)
	if err != nil {
		return err
	}
	defer confirming.stop()
	return playAll(ctx, w,
		scene{"a receiver listens at %s; %d rows of callbacks are played at it", r, rows},
		scene{"another one, at %s, confirms by asking; %d rows of payments are created at fake gateways, which call it back", confirming, gateways.rows()})
}

// demoProvider is what the demonstration needs of one provider.
type demoProvider struct {
	// section makes fresh keys: a section of the configuration with them, and the
	// key that callbacks are signed with where the section has its public half only.
	section func() (section map[string]any, private payack.Secret)
	// set is what the genuine callback is given that is tampered with.
	set assignments
	// complete adds the spliced callback, and what else is the provider's own.
	complete func(b *builder, d *demoDeliveries)
	// gateway starts a fake with a merchant; nil where there is none.
	gateway func(o gateway.Options) (demoGateway, error)
}

// demoKeys are made for one run.
type demoKeys struct {
	config  *config
	private map[payack.Provider]payack.Secret
}

const demoOrder, demoAmount = "ORD1000001", "500"

func newDemoKeys() (*demoKeys, error) {
	k := &demoKeys{private: map[payack.Provider]payack.Secret{}}
	// Written as a file would be, so that the demonstration goes all the way.
	members := map[string]any{
		"addr": "127.0.0.1:0", "database": "",
		// The demonstration stands for a proxy, so that it can be several clients.
		"trusted_proxies": []string{"127.0.0.1"},
		"rate_limit":      map[string]any{"per_second": 0.01, "burst": demoBudget},
	}
	for _, p := range providers.All {
		members[string(p)], k.private[p] = registry[p].demo.section()
	}
	file, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	k.config, err = parseConfig(file)
	return k, err
}

// demoReceiver is listen, in this process.
type demoReceiver struct {
	url   string
	lines <-chan []byte // of its standard output, closed when it has ended
	stop  func()
}

func startDemoReceiver(ctx context.Context, c *config) (*demoReceiver, error) {
	ctx, cancel := context.WithCancel(ctx)
	lines := make(lineWriter, 1)
	var ended error
	go func() {
		defer close(lines)
		ended = listen(ctx, stdio{out: lines, err: io.Discard}, c)
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
	// send has it sent to a URL and returns the answer.
	send    func(ctx context.Context, url string) (payack.Answer, error)
	times   int // it is sent so often, and all must be answered so
	want    payack.Answer
	outcome payack.Outcome
	reasons []payack.Reason // any of these
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

// scene is a receiver and the rows that are played at it.
type scene struct {
	title    string // for the receiver's URL and the number of rows
	receiver *demoReceiver
	rows     []row
}

// playAll plays the scenes' rows; one that differs is an error.
func playAll(ctx context.Context, w io.Writer, scenes ...scene) error {
	wrong, all := 0, 0
	for _, s := range scenes {
		fmt.Fprintf(w, s.title+"\n\n", s.receiver.url, len(s.rows))
		n, err := play(ctx, w, s.receiver, s.rows)
		if err != nil {
			return err
		}
		fmt.Fprintln(w)
		wrong, all = wrong+n, all+len(s.rows)
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d rows differ from what is expected; the table marks them", wrong, all)
	}
	fmt.Fprintf(w, "all %d rows are as expected\n", all)
	return nil
}

// play has the rows sent in order and shows what was answered.
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

// play has a row's callback sent as often as it says, or until an answer differs,
// and returns the last answer with its line.
func (r *demoReceiver) play(ctx context.Context, x row) (a payack.Answer, v verdict, err error) {
	for range x.times {
		if a, err = x.send(ctx, r.url+"/"+string(x.provider)); err != nil {
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
