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

// PayatomKeys are the prepared secret keys of one Payatom account. They are
// safe for concurrent use; build them once, not for each request.
type PayatomKeys struct {
	tenant string
	keys   []payatomKey
}

type payatomKey struct {
	secret   payack.Secret
	envelope *envelope.Payatom
}

// NewPayatomKeys prepares secret keys, several for rotation. The tenant is the
// scope of once-only when several accounts share an endpoint. Errors name the
// member and the fix.
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

// Secrets returns a copy of the secret keys that it was made of.
func (k *PayatomKeys) Secrets() []payack.Secret {
	secrets := make([]payack.Secret, len(k.keys))
	for i := range k.keys {
		secrets[i] = k.keys[i].secret
	}
	return secrets
}

// Tenant returns the scope that the keys were made for.
func (k *PayatomKeys) Tenant() string { return k.tenant }

// PayatomOptions says which readings of Payatom's documents a verifier takes.
type PayatomOptions struct {
	// Body is the one format that the endpoint takes; empty is JSON. An older
	// generation of the gateway sends forms.
	Body Body
	// Numbers are the texts of the amount that may have been signed, literal
	// and php; empty takes both. Pin the one that your webhooks report.
	Numbers []payack.Scheme
	// Sniff takes JSON under any content type.
	Sniff bool
}

// Payatom verifies webhooks of Payatom.
type Payatom struct {
	body         Body
	literal, php bool
	sniff        bool
	options      PayatomOptions
}

// NewPayatom returns a verifier. Errors name the option and the fix.
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

// Options returns the options that the verifier was made of. Do not change what
// they hold.
func (v *Payatom) Options() PayatomOptions { return v.options }

// Accepts reports whether Verify takes bodies of this Content-Type.
func (v *Payatom) Accepts(contentType string) bool {
	m := media(contentType)
	return v.sniff || v.body == BodyJSON && m == mediaJSON || v.body == BodyForm && m == mediaForm
}

// Where the amount that is signed stands, the first that is there.
var (
	webhookAmount = payatomAmounts("received_amount")
	formAmount    = payatomAmounts("received_amount", "amount")
	pollingAmount = payatomAmounts("received_amount", "recieved_amount", "amount")
)

// payatomNames are the names that the signed amount may have, in their order,
// with the members that are known where it has the name of the same index.
type payatomNames struct {
	amounts []string
	known   []known
	decide  []string // all that may be signed
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

// amount returns the index of the name that the signed amount has. Without an
// amount it is the first name, whose field is missing.
func (n *payatomNames) amount(fields []strict.Field) int {
	for i, name := range n.amounts {
		if strict.Find(fields, name) != nil {
			return i
		}
	}
	return 0
}

// Verify decodes and verifies a webhook. That it verifies does not tell where
// order_id ends and received_amount begins: see [payack.PayatomEvent].
//
// An event that breaks a rule comes back beside the error, which is
// [payack.ErrInvalid]: its hash is right, and it is not to be acted on. With
// every other error the event is nil.
func (v *Payatom) Verify(m Message, k *PayatomKeys) (*payack.PayatomEvent, error) {
	return v.run(m, k, nil)
}

// Explain verifies like Verify, and tells each step.
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

// VerifyPolling verifies the response of status_polling.php, whose post_hash is
// made like a webhook's; the amount is the first of received_amount,
// recieved_amount and amount. What else it says stands under Unsigned. The
// event is not checked further (payack.PayatomEvent.Check), but for the length of
// order_id: compare it with what you asked for. An order_id of 64 bytes or more
// is [payack.ErrInvalid], with the event beside it.
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
	// One of the names of the amount is signed; the others may hold anything,
	// but nothing may be taken for one of them.
	which := names.amount(fields)
	amountName := names.amounts[which]
	if err = names.known[which].mark(fields); err == nil && len(names.amounts) > 1 {
		err = strict.Twins(fields, names.amounts) // of a single one, mark has refused them
	}
	if err == nil && v.body == BodyForm {
		err = phpTwins(fields, names.decide)
	}
	if err != nil {
		return nil, malformed(payack.Payatom, err)
	}
	t.fields(fields)
	// Either may be the signed one there, so neither is a member that isn't.
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

// refundInfo returns refund_info as it is given, or the object that a form spells
// with brackets. Where a form has both, the plain one counts, and the others are
// unknown members.
func (m *members) refundInfo(body Body) payack.Text {
	if strict.Find(m.fields, "refund_info") == nil && body == BodyForm {
		if literal, found := nested(m.fields, "refund_info"); found {
			return payack.NewText(literal)
		}
	}
	return m.shown("refund_info")
}

// payatomBlock is MD5's block. The secret comes last in what is hashed, so two ids
// that collide over whole blocks have the same hash with every amount, status and
// secret; a shorter id has the rest of the text in its block.
const payatomBlock = 64

// payatomBlob is the base64 length of IV, MAC and three blocks: 32 hex digits
// and their padding.
const payatomBlob = 128

// verifyHash opens the hash with each key and compares it with that of the
// literal text of the amount, then, where PHP may have signed, with that of PHP's
// text.
func (v *Payatom) verifyHash(ev *payack.PayatomEvent, hash string, amount *strict.Field, asPHP bool, k *PayatomKeys, t *trace) error {
	if len(hash) != payatomBlob {
		return reject(payack.Payatom, payack.ReasonEnvelope, because("post_hash has not the 128 characters of a hash", mangledBase64(hash)))
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
		var text []byte // not strings.Join, through which parts would escape
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

// payatomMD5 returns the lower-case hex MD5 of the joined parts and the secret.
// MD5 is what the gateway uses; what protects the hash is the envelope's MAC.
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
