package main

import (
	"context"
	"fmt"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
)

// demoBudget is how many callbacks a client may send that don't verify.
const demoBudget = 10

// Clients, with addresses reserved for documentation.
const demoClient, demoFlooder = "192.0.2.1", "198.51.100.7"

// rows returns, for each provider, genuine, redelivered, tampered, spliced,
// oversized, unsigned and flooding callbacks. After these come rows for events
// that are kept while the application fails and the receiver is killed.
func (k *demoKeys) rows(app *demoApplication) ([]row, error) {
	var rows []row
	kept := map[payack.Provider]payacktest.Callback{}
	for _, p := range providers.All {
		d, err := newDemoDeliveries(sender{k.config, p, k.private[p]})
		if err != nil {
			return nil, err
		}
		kept[p] = d.kept
		rows = append(rows, d.rows(p)...)
	}
	each := func(what string, client string, door, desk fate) {
		for _, p := range k.config.configured() {
			rows = append(rows, callbackRow(p, client, 1, what, kept[p], door, desk))
		}
	}
	note := func(what, then string, do func() error) {
		rows = append(rows, row{what: what, wanted: then, check: func(context.Context, *play) (string, error) { return then, do() }})
	}
	note("the application goes down", "it answers 503", func() error { app.fail(true); return nil })
	each("genuine", demoClient, accepted, fate{payack.OutcomeFailed, []payack.Reason{payack.ReasonCallback}})
	rows = append(rows, row{what: "the receiver gets SIGKILL", wanted: "started again, it listens", check: func(_ context.Context, p *play) (string, error) {
		return "started again, it listens", p.receiver.restart()
	}})
	each("redelivered", demoClient, fate{payack.OutcomeDuplicate, []payack.Reason{""}}, fate{})
	note("the application comes back", "it settles what is signed", func() error { app.fail(false); return nil })
	for _, p := range k.config.configured() {
		rows = append(rows, row{provider: p, what: "settled by the application", wanted: settledText(demoGenuine, demoGenuine, 0),
			check: func(ctx context.Context, played *play) (string, error) {
				return app.has(ctx, p, played.acknowledged[p]), nil
			}})
	}
	return rows, nil
}

// demoGenuine is how many genuine callbacks of a provider are not redeliveries.
const demoGenuine = 3

func callbackRow(p payack.Provider, client string, times int, what string, cb payacktest.Callback, door, desk fate) row {
	cb = cb.Clone()
	cb.Header.Set("X-Forwarded-For", client)
	send := func(ctx context.Context, url string) (payack.Answer, error) { return post(ctx, url, cb) }
	return row{provider: p, what: what, send: send, times: times, want: payacktest.Answer(p, door.reasons[0]), door: door, desk: desk}
}

// rows returns the rows that are played while everything works.
func (d *demoDeliveries) rows(p payack.Provider) (rows []row) {
	play := func(client string, times int, what string, cb payacktest.Callback, o payack.Outcome, reasons ...payack.Reason) {
		door, desk := fate{o, reasons}, fate{}
		if o == payack.OutcomeAccepted {
			desk = accepted
		}
		rows = append(rows, callbackRow(p, client, times, what, cb, door, desk))
	}
	add := func(what string, cb payacktest.Callback, o payack.Outcome, reasons ...payack.Reason) {
		play(demoClient, 1, what, cb, o, reasons...)
	}
	add("genuine", d.genuine, payack.OutcomeAccepted, "")
	add("redelivered", d.genuine, payack.OutcomeDuplicate, "")
	add("tampered signature", d.badSignature, payack.OutcomeRejected, d.badSignatureReason)
	add("tampered body", d.badBody, payack.OutcomeRejected, payack.ReasonSignature)
	if d.badEnvelope.Body != nil {
		// A damaged block of the envelope may decrypt to bad padding or to bad
		// JSON.
		add("tampered envelope", d.badEnvelope, payack.OutcomeRejected, payack.ReasonEnvelope, payack.ReasonMalformed)
	}
	rows = append(rows, callbackRow(p, demoClient, 1, d.splicedHow, d.spliced, d.spliceDoor, d.spliceDesk))
	add("oversized", d.oversized, payack.OutcomeRefused, payack.ReasonTooLarge)
	add("unsigned", d.unsigned, payack.OutcomeRejected, d.unsignedReason)
	play(demoFlooder, demoBudget, fmt.Sprintf("flooding: the first %d", demoBudget), d.unsigned, payack.OutcomeRejected, d.unsignedReason)
	play(demoFlooder, 2*demoBudget, fmt.Sprintf("flooding: the next %d", 2*demoBudget), d.unsigned, payack.OutcomeRefused, payack.ReasonRate)
	play(demoFlooder, 1, "genuine, from the flooder", d.genuine, payack.OutcomeRefused, payack.ReasonRate)
	add("genuine, from another client", d.other, payack.OutcomeAccepted, "")
	return rows
}

// demoDeliveries are one provider's callbacks. If they have no envelope,
// badEnvelope has no body and is not played.
type demoDeliveries struct {
	genuine, other, kept, badSignature, badBody, badEnvelope, spliced, oversized, unsigned payacktest.Callback

	splicedHow                         string
	spliceDoor, spliceDesk             fate
	badSignatureReason, unsignedReason payack.Reason
}

func newDemoDeliveries(s sender) (*demoDeliveries, error) {
	set := registry[s.provider].demo.set
	b := builder{s: s}
	d := &demoDeliveries{
		genuine: b.build(set), other: b.build(assignments{{"order_id", demoOther}}), kept: b.build(assignments{{"order_id", demoKept}}),
		badSignatureReason: payack.ReasonSignature, unsignedReason: payack.ReasonMalformed,
		splicedHow: "spliced: another's signature",
		spliceDoor: fate{payack.OutcomeRejected, []payack.Reason{payack.ReasonSignature}},
	}
	d.badSignature = b.tamper(d.genuine, payacktest.FlipSignature)
	d.badBody = b.tamper(d.genuine, s.section().otherBody(set))
	d.oversized = b.tamper(d.genuine, payacktest.Pad(middleware.DefaultMaxBody+1))
	d.unsigned = b.tamper(d.genuine, payacktest.DropSignature)
	registry[s.provider].demo.complete(&b, d)
	return d, b.err
}

// builder builds several callbacks and keeps the first error.
type builder struct {
	s   sender
	err error
}

func (b *builder) build(set assignments) payacktest.Callback {
	cb, err := b.s.genuine(set)
	b.keep(err)
	return cb
}

func (b *builder) tamper(cb payacktest.Callback, how payacktest.Tampering) payacktest.Callback {
	if b.err != nil {
		return cb
	}
	cb, err := cb.Tamper(how)
	b.keep(err)
	return cb
}

func (b *builder) keep(err error) {
	if b.err == nil {
		b.err = err
	}
}
