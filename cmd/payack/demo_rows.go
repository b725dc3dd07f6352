package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/payack/payack"
)

// answers are what a provider is told, as its documents want it.
type answers struct{ accepted, rejected, tooLarge, tooMany result }

type result struct {
	status int
	body   string
}

var demoAnswers = map[string]answers{
	"ptop":    {result{200, ""}, result{403, "Invalid signature"}, result{413, ""}, result{429, ""}},
	"pts":     {result{200, "SUCCESS"}, result{200, "FAILED"}, result{413, "FAILED"}, result{429, "FAILED"}},
	"payatom": {result{200, payatomYes}, result{200, payatomMismatch}, result{413, payatomMismatch}, result{429, payatomMismatch}},
}

const (
	payatomYes      = `{"hash_status":"HashMatched","acknowledge":"yes"}`
	payatomMismatch = `{"hash_status":"HashMismatch","acknowledge":"no"}`
)

// demoBudget is how many callbacks that don't verify a client may send.
const demoBudget = 10

// The clients, of documentation's addresses.
const demoClient, demoFlooder = "192.0.2.1", "198.51.100.7"

// rows are every provider's genuine, redelivered, tampered, spliced, oversized,
// unsigned and flooding callbacks.
func (k *demoKeys) rows() ([]row, error) {
	var rows []row
	for _, p := range []string{"ptop", "pts", "payatom"} {
		s, err := k.sender(p)
		if err != nil {
			return nil, err
		}
		d, err := newDemoDeliveries(p, s)
		if err != nil {
			return nil, err
		}
		a := demoAnswers[p]
		add := func(what string, cb callback, r result, o payack.Outcome, reasons ...payack.Reason) {
			rows = append(rows, row{p, what, cb.from(demoClient), 1, r.status, r.body, o, reasons})
		}
		flood := func(what string, times int, cb callback, r result, o payack.Outcome, reason payack.Reason) {
			rows = append(rows, row{p, what, cb.from(demoFlooder), times, r.status, r.body, o, []payack.Reason{reason}})
		}
		add("genuine", d.genuine, a.accepted, payack.Accepted, "")
		add("redelivered", d.genuine, a.accepted, payack.Duplicate, "")
		add("tampered signature", d.badSignature, a.rejected, payack.Rejected, d.badSignatureReason)
		add("tampered body", d.badBody, a.rejected, payack.Rejected, payack.ReasonSignature)
		if d.badEnvelope.body != nil {
			// A damaged block may turn into bad padding or into bad JSON.
			add("tampered envelope", d.badEnvelope, a.rejected, payack.Rejected, payack.ReasonEnvelope, payack.ReasonMalformed)
		}
		add(d.splicedHow, d.spliced, a.rejected, payack.Rejected, d.splicedReason)
		add("oversized", oversized(d.genuine), a.tooLarge, payack.Refused, payack.ReasonTooLarge)
		add("unsigned", d.unsigned, a.rejected, payack.Rejected, d.unsignedReason)
		flood(fmt.Sprintf("flooding: the first %d", demoBudget), demoBudget, d.unsigned, a.rejected, payack.Rejected, d.unsignedReason)
		flood(fmt.Sprintf("flooding: the next %d", 2*demoBudget), 2*demoBudget, d.unsigned, a.tooMany, payack.Refused, payack.ReasonRate)
		flood("genuine, from the flooder's address", 1, d.genuine, a.tooMany, payack.Refused, payack.ReasonRate)
		add("genuine, from another address meanwhile", d.other, a.accepted, payack.Accepted, "")
	}
	return rows, nil
}

func (k *demoKeys) sender(provider string) (sender, error) {
	if provider == "pts" {
		return newPTSSenderWith(k.config.PTS, k.private)
	}
	return newSender(k.config, provider, "")
}

// demoDeliveries are one provider's callbacks.
type demoDeliveries struct {
	genuine, other, badSignature, badBody, badEnvelope, spliced, unsigned callback

	splicedHow                                        string
	badSignatureReason, splicedReason, unsignedReason payack.Reason
}

func newDemoDeliveries(provider string, s sender) (*demoDeliveries, error) {
	b := builder{s: s}
	var set, other assignments
	if provider == "payatom" {
		set, other = assignments{{"order_id", demoOrder + "7"}}, assignments{{"order_id", demoOrder}}
	}
	d := &demoDeliveries{
		genuine:      b.build(set, tamperNothing),
		other:        b.build(other, tamperNothing),
		badSignature: b.build(set, tamperSignature),
		badBody:      b.build(set, tamperBody),

		badSignatureReason: payack.ReasonSignature, splicedReason: payack.ReasonSignature, unsignedReason: payack.ReasonSignature,
		splicedHow: "spliced: another one's signature",
	}
	switch provider {
	case "ptop":
		d.spliced = callback{d.genuine.header, b.build(nil, tamperNothing).body}
		d.unsigned = callback{d.genuine.header.Clone(), d.genuine.body}
		d.unsigned.header.Del("X-Signature")
	case "pts":
		d.badEnvelope = b.build(nil, tamperEnvelope)
		d.spliced = b.resealed(s.(ptsSender))
		d.unsigned = newCallback("application/json", []byte(`{"user_id":"1","order_id":"ORD1","status":"2000"}`))
		d.unsignedReason = payack.ReasonMalformed
	case "payatom":
		d.badSignatureReason = payack.ReasonEnvelope
		// The genuine order's last digit moves into the amount.
		d.splicedHow, d.splicedReason = "spliced: a border moved", payack.ReasonUnexpected
		d.spliced = callback{d.genuine.header, moveBorder(d.genuine.body)}
		d.unsigned = callback{d.genuine.header, bytes.Replace(d.genuine.body, []byte(`"post_hash":"`), []byte(`"post_hash":"","was":"`), 1)}
		d.unsignedReason = payack.ReasonEnvelope
	}
	return d, b.err
}

// from is the callback as a proxy hands it on for a client.
func (cb callback) from(client string) callback {
	header := cb.header.Clone()
	header.Set("X-Forwarded-For", client)
	return callback{header, cb.body}
}

// builder builds several and keeps the first error.
type builder struct {
	s   sender
	err error
}

func (b *builder) build(set assignments, t tampering) callback {
	cb, err := b.s.build(set, t)
	if b.err == nil {
		b.err = err
	}
	return cb
}

// resealed is a callback of success with the sign of one that still waited, by
// somebody who has the safecode.
func (b *builder) resealed(s ptsSender) callback {
	cb := b.build(assignments{{"status", "1000"}}, tamperNothing)
	if b.err != nil {
		return callback{}
	}
	var plain []byte
	if plain, b.err = s.signer.Open(cb.body); b.err != nil {
		return callback{}
	}
	plain = bytes.Replace(plain, []byte(`"status":"1000"`), []byte(`"status":"2000"`), 1)
	cb.body, b.err = s.signer.Seal(plain)
	return cb
}

// moveBorder makes (ORD10000017, 500) into (ORD1000001, 7500): the same hash.
func moveBorder(body []byte) []byte {
	text := strings.Replace(string(body), `"order_id":"`+demoOrder+`7"`, `"order_id":"`+demoOrder+`"`, 1)
	return []byte(strings.Replace(text, `"received_amount":"`, `"received_amount":"7`, 1))
}

// oversized is a callback over the limit of 64 KiB.
func oversized(cb callback) callback {
	return callback{cb.header, append(bytes.Clone(cb.body), bytes.Repeat([]byte(" "), 64<<10)...)}
}
