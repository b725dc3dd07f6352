package verify

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"slices"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/internal/strict"
)

// PayatomKeys are the secret keys of one Payatom account with their key schedules.
// They are safe for concurrent use; build them once, not for each request.
type PayatomKeys struct {
	tenant string
	keys   []payatomKey
}

type payatomKey struct {
	secret   payack.Secret
	envelope *envelope.Payatom
}

// NewPayatomKeys prepares the secret keys of an account: at least one, and several
// while keys are rotated. The tenant distinguishes accounts that share an endpoint:
// it becomes part of each event's identity. It may be empty. An error names the
// position of the key, and the fix.
func NewPayatomKeys(tenant string, secretKeys ...payack.Secret) (*PayatomKeys, error) {
	if err := checkSecrets("SecretKeys", secretKeys); err != nil {
		return nil, err
	}
	k := &PayatomKeys{tenant: tenant}
	for _, s := range secretKeys {
		e, err := envelope.NewPayatom(s)
		if err != nil {
			return nil, err
		}
		k.keys = append(k.keys, payatomKey{secret: s, envelope: e})
	}
	return k, nil
}

// Secrets returns a copy of the secret keys.
func (k *PayatomKeys) Secrets() []payack.Secret {
	secrets := make([]payack.Secret, len(k.keys))
	for i := range k.keys {
		secrets[i] = k.keys[i].secret
	}
	return secrets
}

// Tenant returns the tenant that was given to [NewPayatomKeys].
func (k *PayatomKeys) Tenant() string { return k.tenant }

// PayatomOptions selects which readings of Payatom's webhook document a verifier
// accepts. The zero value accepts JSON under either spelling of the amount.
type PayatomOptions struct {
	// Body is the one format that the endpoint accepts; empty is [BodyJSON]. An
	// older generation of the gateway sends forms.
	Body Body
	// Numbers lists the spellings of the amount that the gateway may have hashed:
	// [payack.SchemeLiteral] is the text as sent, [payack.SchemePHP] is what PHP
	// writes for that number (100 for 100.00). Empty accepts both. The document
	// doesn't say which one applies: pin the one that your webhooks report.
	Numbers []payack.Scheme
	// Sniff accepts JSON under any content type. It can't be set with [BodyForm].
	Sniff bool
}

// Payatom verifies webhooks of Payatom. It is safe for concurrent use.
type Payatom struct {
	body         Body
	literal, php bool
	sniff        bool
	options      PayatomOptions
}

// NewPayatom returns a verifier. An error names the option and the fix.
func NewPayatom(o PayatomOptions) (*Payatom, error) {
	body, err := checkBody(o.Body)
	if err != nil {
		return nil, err
	}
	numbers, err := pickSchemes("Numbers", o.Numbers, numberSchemes)
	if err != nil {
		return nil, err
	}
	if o.Sniff && body == BodyForm {
		return nil, errors.New(`payack: Sniff: it takes JSON under any content type, and Body is "form"; leave one of the two out`)
	}
	return &Payatom{
		body:    body,
		literal: slices.Contains(numbers, payack.SchemeLiteral), php: slices.Contains(numbers, payack.SchemePHP),
		sniff: o.Sniff, options: o,
	}, nil
}

// Options returns the verifier's options. Do not change their slices.
func (v *Payatom) Options() PayatomOptions { return v.options }

// Accepts reports whether Verify accepts bodies of this Content-Type.
func (v *Payatom) Accepts(contentType string) bool {
	m := media(contentType)
	return v.sniff || v.body == BodyJSON && m == mediaJSON || v.body == BodyForm && m == mediaForm
}

// The names that the signed amount can have, for each kind of message. If a message
// has several of them, the first in the list is signed; a form that has both of its
// names is refused.
var (
	webhookAmount = payatomAmounts("received_amount")
	formAmount    = payatomAmounts("received_amount", "amount")
	pollingAmount = payatomAmounts("received_amount", "recieved_amount", "amount")
)

// payatomNames are the member names of one kind of message.
type payatomNames struct {
	amounts []string // names that the signed amount may have, by precedence
	known   []known  // known[i] are the members where the amount is amounts[i]
	decide  []string // every name that may be signed, and post_hash
	all     []string
}

func payatomAmounts(amounts ...string) *payatomNames {
	n := &payatomNames{amounts: amounts, decide: append([]string{"order_id", "status", "post_hash"}, amounts...)}
	for _, amount := range amounts {
		n.known = append(n.known, knownOf([]string{"order_id", "status", "post_hash", amount},
			"requested_amount", "bank_ref", "sender_upi", "ref_code", "refund_info", "upi_id", "webhook_acknowledged"))
	}
	n.all = slices.Concat(n.known[0].all, amounts[1:])
	return n
}

// amount returns the index in amounts of the signed amount's name, and 0 where the
// message has no amount.
func (n *payatomNames) amount(fields []strict.Field) int {
	for i, name := range n.amounts {
		if strict.Find(fields, name) != nil {
			return i
		}
	}
	return 0
}

// Verify decodes and verifies a webhook. post_hash joins order_id, received_amount
// and status without separators, so a verified event does not prove where order_id
// ends and received_amount begins: see [payack.PayatomEvent] before you credit.
//
// The error is [payack.ErrMalformed], [payack.ErrEnvelope], [payack.ErrSignature],
// [payack.ErrInvalid], or [payack.ErrUnknownTenant] for nil keys. With ErrInvalid
// the hash matches and the event breaks a rule: Verify returns both, and the event
// must not be acted on. With every other error the event is nil.
func (v *Payatom) Verify(m Message, k *PayatomKeys) (*payack.PayatomEvent, error) {
	return v.run(m, k, nil)
}

// Explain verifies like Verify and lists each step.
func (v *Payatom) Explain(m Message, k *PayatomKeys) Explanation {
	var t trace
	ev, err := v.run(m, k, &t)
	return t.explanation(ev, err)
}

func (v *Payatom) run(m Message, k *PayatomKeys, t *trace) (*payack.PayatomEvent, error) {
	if !v.Accepts(m.ContentType) {
		return nil, reject(payack.Payatom, payack.ReasonMalformed, "the content type is not that of the endpoint's format")
	}
	names := webhookAmount
	if v.body == BodyForm {
		names = formAmount
	}
	t.note("shape", v.body.name())
	ev, err := v.verify(m.Body, names, k, t)
	if err != nil {
		return ev, err
	}
	if err := ev.Check(); err != nil {
		return ev, invalid(payack.Payatom, err)
	}
	return ev, nil
}

// VerifyPolling verifies the response of status_polling.php. Its post_hash is made
// like a webhook's and covers order_id, status and the amount. The amount is the
// first of received_amount, recieved_amount and amount that the response has. The
// other members are under Unsigned.
//
// VerifyPolling does not call [payack.PayatomEvent.Check]: compare the event with
// the order that you asked for. An order_id of 64 bytes or more is
// [payack.ErrInvalid], with the event beside the error. The other errors are those
// of Verify.
func (v *Payatom) VerifyPolling(body []byte, k *PayatomKeys) (*payack.PayatomEvent, error) {
	asJSON := *v
	asJSON.body = BodyJSON
	return asJSON.verify(string(body), pollingAmount, k, nil)
}

func (v *Payatom) verify(body string, names *payatomNames, k *PayatomKeys, t *trace) (*payack.PayatomEvent, error) {
	if k == nil {
		return nil, reject(payack.Payatom, payack.ReasonUnknownTenant, "no keys")
	}
	room := takeRoom()
	defer room.release()
	fields, err := decode(room[:0], v.body, body, names.all)
	if err != nil {
		return nil, malformed(payack.Payatom, err)
	}
	// Only one of the amount's names is signed. Members under the other names may
	// hold anything. But a name that differs from any of these names only by case
	// is refused.
	which := names.amount(fields)
	amountName := names.amounts[which]
	if err = names.known[which].mark(fields); err == nil && len(names.amounts) > 1 {
		err = strict.Twins(fields, names.amounts) // for a single name, mark has done this
	}
	if err == nil && v.body == BodyForm {
		err = phpTwins(fields, names.decide)
	}
	if err != nil {
		return nil, malformed(payack.Payatom, err)
	}
	t.fields(fields)
	// In a form, received_amount or amount may be the signed one, so neither can be
	// ignored as unsigned.
	if v.body == BodyForm && strict.Find(fields, "received_amount") != nil && strict.Find(fields, "amount") != nil {
		return nil, reject(payack.Payatom, payack.ReasonMalformed, "both received_amount and amount are there")
	}
	m := members{fields: fields}
	ev := &payack.PayatomEvent{
		OrderID: m.id("order_id").String(),
		Status:  payack.PayatomStatus(m.id("status").String()),
		Unsigned: payack.PayatomUnsigned{
			RequestedAmount: m.shownAmount("requested_amount"),
			BankRef:         m.shown("bank_ref"),
			SenderUPI:       m.shown("sender_upi"),
			RefCode:         m.shown("ref_code"),
			RefundInfo:      m.refundInfo(v.body),

			UPIID: m.shown("upi_id"), WebhookAcknowledged: m.shown("webhook_acknowledged"),
			Extra: m.extra(),
		},
	}
	amount := strict.Find(fields, amountName)
	if amount != nil {
		ev.ReceivedAmount = m.amount(amountName)
	}
	hash := m.word("post_hash")
	if m.err != nil {
		return nil, malformed(payack.Payatom, m.err)
	}
	asPHP := v.php && phpIntegers(fields, "order_id", "status")
	if err := v.verifyHash(ev, hash.String(), amount, asPHP, k, t); err != nil {
		return nil, err
	}
	if len(ev.OrderID) >= payatomBlock {
		return ev, reject(payack.Payatom, payack.ReasonInvalid, "order_id has 64 bytes or more, so that its hash may be that of another order")
	}
	return ev, nil
}

// refundInfo returns refund_info as sent, or the object that a form spells with
// brackets. Where a form has both, the plain one counts and the pairs with brackets
// are unknown members.
func (m *members) refundInfo(body Body) payack.Text {
	if strict.Find(m.fields, "refund_info") == nil && body == BodyForm {
		if literal, found := nested(m.fields, "refund_info"); found {
			return payack.NewText(literal)
		}
	}
	return m.shown("refund_info")
}

// payatomBlock is MD5's block size. The secret comes last in the hashed text, so
// two ids that collide over whole blocks have the same hash under every amount,
// status and secret. A shorter id can't collide in this way, because its block also
// contains the text that follows.
const payatomBlock = 64

// payatomBlob is the base64 length of IV, MAC and three blocks. The blocks hold 32
// hex digits and their padding.
const payatomBlob = 128

// verifyHash opens the hash with each key. If the options allow the literal, it
// compares the contents with the MD5 over the amount's literal. If asPHP is true, it
// then compares them with the MD5 over PHP's text of the amount.
func (v *Payatom) verifyHash(ev *payack.PayatomEvent, hash string, amount *strict.Field, asPHP bool, k *PayatomKeys, t *trace) error {
	if len(hash) != payatomBlob {
		return reject(payack.Payatom, payack.ReasonEnvelope, because("post_hash is not 128 characters long", mangledBase64(hash)))
	}
	phpText, tryPHP := ev.ReceivedAmount.String(), asPHP && !v.literal
	if asPHP && amount != nil {
		if text, ok := phpNumber(amount); ok && text != amount.Text {
			phpText, tryPHP = text, true
		}
	}
	ev.Tenant, ev.Signature = k.tenant, hash
	opened := false
	for i := range k.keys {
		key := &k.keys[i]
		sum, err := key.envelope.Open(hash)
		if err != nil {
			continue
		}
		opened = true
		t.opened(i)
		if v.literal && key.matches(sum, payack.SchemeLiteral, i, t, ev.OrderID, ev.ReceivedAmount.String(), string(ev.Status)) {
			ev.Scheme, ev.Key = payack.SchemeLiteral, i
			return nil
		}
		if tryPHP && key.matches(sum, payack.SchemePHP, i, t, ev.OrderID, phpText, string(ev.Status)) {
			ev.Scheme, ev.Key = payack.SchemePHP, i
			ev.ReceivedAmount = ev.ReceivedAmount.Signed(phpText)
			return nil
		}
	}
	if !opened {
		return reject(payack.Payatom, payack.ReasonEnvelope, because("post_hash does not open with any secret key", mangledBase64(hash)))
	}
	return reject(payack.Payatom, payack.ReasonSignature, "post_hash is of another order, amount or status")
}

func (k *payatomKey) matches(sum []byte, scheme payack.Scheme, key int, t *trace, parts ...string) bool {
	if t != nil {
		var text []byte // strings.Join would make parts escape to the heap
		for _, p := range parts {
			text = append(text, p...)
		}
		t.signed(scheme, append(text, k.secret.Reveal()...), k.secret)
	}
	want := payatomMD5(k.secret, parts...)
	equal := hmac.Equal(sum, want[:])
	t.tried(scheme, key, equal)
	return equal
}

// payatomMD5 returns the lower-case hex MD5 of the joined parts and the secret. The
// gateway dictates MD5; the envelope's MAC protects the hash.
func payatomMD5(secret payack.Secret, parts ...string) (digits [2 * md5.Size]byte) {
	var buf [256]byte
	text := buf[:0]
	for _, p := range parts {
		text = append(text, p...)
	}
	sum := md5.Sum(append(text, secret.Reveal()...))
	hex.Encode(digits[:], sum[:])
	return digits
}
