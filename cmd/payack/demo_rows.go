package main

import (
	"context"
	"fmt"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
)

// demoBudget is how many callbacks that don't verify a client may send.
const demoBudget = 10

// The clients, of documentation's addresses.
const demoClient, demoFlooder = "192.0.2.1", "198.51.100.7"

// rows are every provider's genuine, redelivered, tampered, spliced, oversized,
// unsigned and flooding callbacks.
func (k *demoKeys) rows() ([]row, error) {
	var rows []row
	for _, p := range providers.All {
		d, err := newDemoDeliveries(sender{k.config, p, k.private[p]})
		if err != nil {
			return nil, err
		}
		play := func(client string, times int, what string, cb payacktest.Callback, o payack.Outcome, reasons ...payack.Reason) {
			cb = cb.Clone()
			cb.Header.Set("X-Forwarded-For", client)
			send := func(ctx context.Context, url string) (payack.Answer, error) { return post(ctx, url, cb) }
			rows = append(rows, row{p, what, send, times, payacktest.Answer(p, reasons[0]), o, reasons})
		}
		add := func(what string, cb payacktest.Callback, o payack.Outcome, reasons ...payack.Reason) {
			play(demoClient, 1, what, cb, o, reasons...)
		}
		add("genuine", d.genuine, payack.OutcomeAccepted, "")
		add("redelivered", d.genuine, payack.OutcomeDuplicate, "")
		add("tampered signature", d.badSignature, payack.OutcomeRejected, d.badSignatureReason)
		add("tampered body", d.badBody, payack.OutcomeRejected, payack.ReasonSignature)
		if d.badEnvelope.Body != nil {
			// A damaged block may turn into bad padding or into bad JSON.
			add("tampered envelope", d.badEnvelope, payack.OutcomeRejected, payack.ReasonEnvelope, payack.ReasonMalformed)
		}
		add(d.splicedHow, d.spliced, payack.OutcomeRejected, d.splicedReason)
		add("oversized", d.oversized, payack.OutcomeRefused, payack.ReasonTooLarge)
		add("unsigned", d.unsigned, payack.OutcomeRejected, d.unsignedReason)
		play(demoFlooder, demoBudget, fmt.Sprintf("flooding: the first %d", demoBudget), d.unsigned, payack.OutcomeRejected, d.unsignedReason)
		play(demoFlooder, 2*demoBudget, fmt.Sprintf("flooding: the next %d", 2*demoBudget), d.unsigned, payack.OutcomeRefused, payack.ReasonRate)
		play(demoFlooder, 1, "genuine, from the flooder's address", d.genuine, payack.OutcomeRefused, payack.ReasonRate)
		add("genuine, from another address meanwhile", d.other, payack.OutcomeAccepted, "")
	}
	return rows, nil
}

// demoDeliveries are one provider's callbacks. One without a body is not
// played.
type demoDeliveries struct {
	genuine, other, badSignature, badBody, badEnvelope, spliced, oversized, unsigned payacktest.Callback

	splicedHow                                        string
	badSignatureReason, splicedReason, unsignedReason payack.Reason
}

func newDemoDeliveries(s sender) (*demoDeliveries, error) {
	set := registry[s.provider].demo.set
	b := builder{s: s}
	d := &demoDeliveries{
		genuine: b.build(set), other: b.build(nil),
		badSignatureReason: payack.ReasonSignature, splicedReason: payack.ReasonSignature, unsignedReason: payack.ReasonMalformed,
		splicedHow: "spliced: another one's signature",
	}
	d.badSignature = b.tamper(d.genuine, payacktest.FlipSignature)
	d.badBody = b.tamper(d.genuine, s.section().otherBody(set))
	d.oversized = b.tamper(d.genuine, payacktest.Pad(middleware.DefaultMaxBody+1))
	d.unsigned = b.tamper(d.genuine, payacktest.DropSignature)
	registry[s.provider].demo.complete(&b, d)
	return d, b.err
}

// builder builds several and keeps the first error.
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
