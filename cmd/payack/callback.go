package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/verify"
)

// tampering is what to spoil in a callback.
type tampering string

const (
	tamperNothing   tampering = ""
	tamperSignature tampering = "signature"
	tamperBody      tampering = "body"
	tamperEnvelope  tampering = "envelope"
	tamperReplay    tampering = "replay" // post it twice
)

// assignment gives a member another value.
type assignment struct{ name, value string }

// assignments are made in their order, so that the same call builds the same
// message.
type assignments []assignment

// value is the last one that a member is given.
func (a assignments) value(name, otherwise string) string {
	for _, v := range a {
		if v.name == name {
			otherwise = v.value
		}
	}
	return otherwise
}

func (a assignments) has(name string) bool {
	return slices.ContainsFunc(a, func(v assignment) bool { return v.name == name })
}

// sender builds one provider's callbacks with the keys of a receiver's
// configuration. Only PTS's signing key is not in it.
type sender struct {
	config   *config
	provider payack.Provider
	private  payack.Secret
}

func newSender(c *config, name, privateKeyFile string) (sender, error) {
	p, err := c.provider(name)
	if err != nil {
		return sender{}, err
	}
	s := sender{config: c, provider: p}
	if p == payack.PTS {
		if s.private, err = privateKey(privateKeyFile); err != nil {
			return s, err
		}
	}
	return s, s.check()
}

func privateKey(file string) (payack.Secret, error) {
	if file == "" {
		return payack.Secret{}, errors.New("-key is missing: the configuration holds PTS's public key only; give the PEM file of a private key whose public key is in pts.public_keys")
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return payack.Secret{}, fmt.Errorf("-key: %w", err)
	}
	return payack.NewSecret(string(pem)), nil
}

// check finds what is wrong with the configuration or the key, so that what
// building reports later is wrong with the members.
func (s sender) check() error {
	if _, err := s.config.handler(s.provider, middleware.Options{}); err != nil {
		return err
	}
	if _, err := s.genuine(nil); err != nil {
		return providerError(string(s.provider), err)
	}
	return nil
}

// computed are the members that signing makes.
var computed = map[payack.Provider]string{payack.Ptop: "signature", payack.PTS: "sign", payack.Payatom: "post_hash"}

// members are those that a provider's callbacks are known to have, besides the
// computed one.
var members = map[payack.Provider][]string{
	payack.Ptop: {"success", "transaction_id", "order_id", "message"},
	payack.PTS: append(verify.PTSCallback.SignedMembers(), "submit_promo", "accept_promo", "payment_address", "receiving_address",
		"error_message", "reference_number", "details_url"),
	payack.Payatom: {"order_id", "requested_amount", "status", "received_amount", "bank_ref", "sender_upi", "ref_code", "refund_info"},
}

// checkNames refuses a slip of the keyboard: a misspelt member would be sent
// beside the right one, and what it was to change would not be.
func (s sender) checkNames(known, extra []string) error {
	all := append(slices.Clone(members[s.provider]), computed[s.provider])
	for _, name := range known {
		if !slices.Contains(all, name) {
			return fmt.Errorf("-set %s: %s knows no such member, the nearest is %s; -extra %s=… sends it all the same",
				name, s.provider, nearest(name, members[s.provider]), name)
		}
	}
	for _, name := range extra {
		if slices.Contains(all, name) {
			return fmt.Errorf("-extra %s: it is a member of %s's; use -set", name, s.provider)
		}
	}
	return nil
}

// build returns a callback with the default members, changed as set says.
func (s sender) build(set assignments, t tampering) (payacktest.Callback, error) {
	if name := computed[s.provider]; set.has(name) {
		return payacktest.Callback{}, fmt.Errorf("-set %s: it is computed; use -tamper signature to spoil it", name)
	}
	if t == tamperEnvelope && s.provider == payack.Ptop {
		return payacktest.Callback{}, errors.New("-tamper envelope: Ptop's callbacks have none; choose signature, body or replay")
	}
	cb, err := s.genuine(set)
	if err != nil {
		what := libraryText(string(s.provider), err)
		if body, found := strings.CutPrefix(what, "body: "); found {
			return cb, errors.New("-set: such a message can't be signed: " + body)
		}
		return cb, errors.New("-set " + what)
	}
	switch t {
	case tamperSignature:
		return cb.Tamper(payacktest.FlipSignature)
	case tamperEnvelope:
		return cb.Tamper(payacktest.FlipEnvelope)
	case tamperBody:
		return cb.Tamper(s.otherBody(set))
	}
	return cb, nil
}

// otherBody changes what the message is about.
func (s sender) otherBody(set assignments) payacktest.Tampering {
	switch s.provider {
	case payack.Ptop:
		return payacktest.SetMember("order_id", quote("9"+set.value("order_id", "")))
	case payack.PTS:
		amount := "9" + set.value("accept_amount", "100.50")
		if !json.Valid([]byte(amount)) {
			amount = quote(amount)
		}
		return payacktest.SetMember("accept_amount", amount)
	}
	_, amount := s.order()
	return payacktest.SetMember("received_amount", quote("9"+set.value("received_amount", amount)))
}

// genuine builds what the provider would send: under the first of the
// configured schemes, in an envelope where there is one.
func (s sender) genuine(set assignments) (payacktest.Callback, error) {
	switch s.provider {
	case payack.Ptop:
		return s.ptop(set)
	case payack.PTS:
		return s.pts(set)
	}
	return s.payatom(set)
}

func (s sender) ptop(set assignments) (payacktest.Callback, error) {
	c := s.config.Ptop
	b := payacktest.Ptop(payacktest.PtopKeys{SigningKey: payack.NewSecret(c.SigningKeys[0])}).Fresh()
	if c.Body == verify.BodyForm {
		b = b.Form()
	}
	if len(c.Schemes) > 0 {
		b = b.Scheme(c.Schemes[0])
	}
	if len(c.SignatureHeaders) > 0 {
		b = b.Header(c.SignatureHeaders[0])
	}
	for _, v := range set {
		b = b.Set(v.name, v.value)
	}
	return b.Build()
}

func (s sender) pts(set assignments) (payacktest.Callback, error) {
	c := s.config.PTS
	b := payacktest.PTS(payacktest.PTSKeys{
		UserID: c.UserID, Safecode: payack.NewSecret(c.Safecode), SafecodeEncoding: c.SafecodeEncoding, PrivateKey: s.private,
		TransactionSecret: payack.NewSecret(c.TransactionSecret), TransactionSignature: c.TransactionSignature,
	}).Fresh().Envelope()
	if firstIsPHP(c.Numbers) {
		b = b.PHPNumbers()
	}
	for _, v := range set {
		b = b.Set(v.name, v.value)
	}
	return b.Build()
}

func (s sender) payatom(set assignments) (payacktest.Callback, error) {
	c := s.config.Payatom
	b := payacktest.Payatom(payacktest.PayatomKeys{SecretKey: payack.NewSecret(c.SecretKeys[0])}).Fresh()
	if id, amount := s.order(); id != "" {
		b = b.Order(id).Amount(amount)
	}
	if c.Body == verify.BodyForm {
		b = b.Form()
	}
	if firstIsPHP(c.Numbers) {
		b = b.PHPNumbers()
	}
	for _, v := range set {
		if v.name == "refund_info" && strings.HasPrefix(v.value, "{") && json.Valid([]byte(v.value)) {
			b = b.SetJSON(v.name, v.value)
		} else {
			b = b.Set(v.name, v.value)
		}
	}
	return b.Build()
}

// order is what Payatom's webhook is about: of the configured orders the first
// by name, with its amount.
func (s sender) order() (id, amount string) {
	orders := s.config.Payatom.Orders
	if len(orders) == 0 {
		return "", "500"
	}
	id = slices.Min(slices.Collect(maps.Keys(orders)))
	return id, orders[id]
}

func firstIsPHP(numbers []payack.Scheme) bool {
	return len(numbers) > 0 && numbers[0] == payack.SchemePHP
}

func quote(s string) string {
	b, _ := json.Marshal(s) // a string always can be
	return string(b)
}

// answerOf reads an answer, as far as an acknowledgement could go.
func answerOf(res *http.Response) (payack.Answer, error) {
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return payack.Answer{}, fmt.Errorf("reading the answer: %w", err)
	}
	return payack.Answer{Status: res.StatusCode, ContentType: res.Header.Get("Content-Type"), Body: string(body)}, nil
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 10

// acknowledges reports whether an answer is one that the provider takes for an
// acknowledgement. Ptop looks at the status only, Payatom into the JSON. Where
// nobody knows whose callback it was, it is a success of HTTP by which no provider
// is told otherwise.
func acknowledges(p payack.Provider, a payack.Answer) bool {
	want := payacktest.Answer(p, "")
	switch said := acknowledgement(a.Body); {
	case p == "":
		return a.Status/100 == 2 && a.Body != payacktest.Answer(payack.PTS, payack.ReasonSignature).Body && (said == "" || said == "yes")
	case a.Status != want.Status:
		return false
	case p == payack.Payatom:
		return said == acknowledgement(want.Body)
	}
	return p == payack.Ptop || a.Body == want.Body
}

func acknowledgement(body string) string {
	var said struct{ Acknowledge string }
	if json.Unmarshal([]byte(body), &said) != nil {
		return ""
	}
	return said.Acknowledge
}
