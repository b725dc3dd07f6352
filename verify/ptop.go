package verify

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"hash"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/php"
	"github.com/payack/payack/internal/strict"
)

// ptopSignature is the member, or the pair of a form, that carries the
// signature when no header does.
const ptopSignature = "signature"

var (
	// The member message is signed with the rest of the body, but no decision
	// depends on it.
	ptopMembers = knownOf([]string{"success", "transaction_id", "order_id", ptopSignature}, "message")

	// Ptop's API v3 document puts the signature into the body that the signature
	// covers. A body cannot contain its own HMAC, so these are the readings that
	// work. Which one Ptop uses is unconfirmed.
	ptopJSONSchemes = []payack.Scheme{payack.SchemeHeader, payack.SchemeSpliced, payack.SchemeReencoded, payack.SchemeBlanked}
	ptopFormSchemes = []payack.Scheme{payack.SchemeHeader, payack.SchemeForm, payack.SchemeFormRebuilt}

	// The document does not mention a header. These names are unconfirmed:
	// X-Signature is customary, and the_signature is the name of the key.
	ptopHeaders = []string{"X-Signature", "the_signature"}
)

// PtopKeys are the signing keys of one Ptop account ("the_signature" in Ptop's API
// v3 document), prepared for verifying. They are safe for concurrent use; build
// them once, not for each request.
type PtopKeys struct {
	tenant  string
	secrets []payack.Secret
	keys    []ptopKey
}

// ptopKey pools keyed HMAC states: keying one allocates and hashes two blocks,
// which is much for a short callback.
type ptopKey struct{ states sync.Pool }

type ptopState struct {
	mac    hash.Hash
	chunk  [1024]byte // to convert strings, since a MAC takes bytes
	sum    [sha256.Size]byte
	digits [2 * sha256.Size]byte
}

// NewPtopKeys prepares the signing keys of an account: at least one, and several
// while keys are rotated. The tenant distinguishes accounts that share an endpoint:
// it becomes part of each event's identity. It may be empty. An error names the
// position of the key, and the fix.
func NewPtopKeys(tenant string, signingKeys ...payack.Secret) (*PtopKeys, error) {
	if err := checkSecrets("SigningKeys", signingKeys); err != nil {
		return nil, err
	}
	k := &PtopKeys{tenant: tenant, secrets: slices.Clone(signingKeys), keys: make([]ptopKey, len(signingKeys))}
	for i, secret := range signingKeys {
		k.keys[i].states.New = func() any {
			return &ptopState{mac: hmac.New(sha256.New, []byte(secret.Reveal()))}
		}
	}
	return k, nil
}

// Tenant returns the tenant that was given to [NewPtopKeys].
func (k *PtopKeys) Tenant() string { return k.tenant }

// Secrets returns a copy of the signing keys.
func (k *PtopKeys) Secrets() []payack.Secret { return slices.Clone(k.secrets) }

// PtopOptions selects which readings of Ptop's API v3 document a verifier accepts.
// The zero value accepts JSON under every scheme for JSON.
type PtopOptions struct {
	// Body is the one format that the endpoint accepts; empty is [BodyJSON]. Ptop's
	// document shows a JSON body, but its sample program reads a form.
	Body Body
	// Schemes lists the readings that may match, in the order in which they are
	// tried. Empty means every scheme for Body. JSON has [payack.SchemeHeader],
	// [payack.SchemeSpliced], [payack.SchemeReencoded] and [payack.SchemeBlanked];
	// forms have SchemeHeader, [payack.SchemeForm] and [payack.SchemeFormRebuilt].
	// Pin the one that the event of a genuine callback reports.
	Schemes []payack.Scheme
	// Headers are the names of the headers that may carry the signature; empty is
	// X-Signature and the_signature. Whether Ptop uses a header is unconfirmed.
	Headers []string
	// Custom is the merchant's own reading. It replaces all others: leave Schemes
	// and Headers empty. Events report [payack.SchemeCustom]. A wrong reading is
	// unsafe: see what a [PtopReading] must guarantee.
	Custom PtopReading
	// Sniff accepts JSON under any content type, for senders that announce another
	// one. It can't be set with [BodyForm].
	Sniff bool
}

// Ptop verifies callbacks of Ptop (API v3). It is safe for concurrent use.
type Ptop struct {
	body    Body
	schemes []payack.Scheme
	headers []string // canonical, each once
	custom  PtopReading
	sniff   bool
	options PtopOptions
}

// Options returns the verifier's options. Do not change their slices.
func (v *Ptop) Options() PtopOptions { return v.options }

// NewPtop returns a verifier. An error names the option and the fix.
func NewPtop(o PtopOptions) (*Ptop, error) {
	body, err := checkBody(o.Body)
	if err != nil {
		return nil, err
	}
	if o.Sniff && body == BodyForm {
		return nil, errors.New(`payack: Sniff: it takes JSON under any content type and Body is "form"; leave one of the two out`)
	}
	fit, other, otherBody := ptopJSONSchemes, ptopFormSchemes, BodyForm
	if body == BodyForm {
		fit, other, otherBody = ptopFormSchemes, ptopJSONSchemes, BodyJSON
	}
	for _, s := range o.Schemes {
		if !slices.Contains(fit, s) && slices.Contains(other, s) {
			return nil, errors.New("payack: Schemes: " + strconv.Quote(string(s)) + " does not fit Body " + strconv.Quote(string(body)) +
				"; choose from " + list(fit) + ", or set Body to " + strconv.Quote(string(otherBody)))
		}
	}
	v := &Ptop{body: body, sniff: o.Sniff, options: o}
	if err := v.setCustom(o); err != nil {
		return nil, err
	}
	if v.custom != nil {
		return v, nil
	}
	if v.schemes, err = pickSchemes("Schemes", o.Schemes, fit); err != nil {
		return nil, err
	}
	names := o.Headers
	if len(names) == 0 {
		names = ptopHeaders
	}
	for i, name := range names {
		if name == "" || strings.ContainsAny(name, ": \t\r\n") {
			return nil, errors.New("payack: Headers: name " + strconv.Itoa(i+1) + ` is empty, or has a colon or a blank; give a header's bare name, such as "X-Signature"`)
		}
		// The same header under two spellings is one header: it must not count
		// as two signatures.
		if name = textproto.CanonicalMIMEHeaderKey(name); !slices.Contains(v.headers, name) {
			v.headers = append(v.headers, name)
		}
	}
	return v, nil
}

// Accepts reports whether Verify accepts bodies of this Content-Type.
func (v *Ptop) Accepts(contentType string) bool {
	if v.sniff {
		return true
	}
	want := mediaJSON
	if v.body == BodyForm {
		want = mediaForm
	}
	return media(contentType) == want
}

// Verify decodes a callback and returns its event if one of the keys signed it
// under one of the configured schemes. The event carries no amount: confirm it
// before you credit.
//
// The error is one of these:
//   - [payack.ErrMalformed]: the body can't be read, two signatures are there, or
//     the signature matches and success, transaction_id or order_id is missing,
//     null or of another type.
//   - [payack.ErrSignature]: no key matches, the signature is missing, or the
//     signature is not 64 lower-case hex digits. Nil keys match nothing.
//   - [payack.ErrInvalid]: the signature matches and the event breaks a rule, such
//     as an empty id. Verify returns the event too; it must not be acted on. With
//     every other error the event is nil.
//
// The member message may hold any JSON value. No callback is refused because of it.
//
// Under [payack.SchemeReencoded], the signature covers PHP's text of the body. Message
// and Extra hold the literals as sent, which may spell a number in another way, or
// write {} where PHP's text has [].
func (v *Ptop) Verify(m Message, k *PtopKeys) (*payack.PtopEvent, error) { return v.run(m, k, nil) }

// Explain verifies like Verify and lists each step.
func (v *Ptop) Explain(m Message, k *PtopKeys) Explanation {
	var t trace
	ev, err := v.run(m, k, &t)
	return t.explanation(ev, err)
}

func (v *Ptop) run(m Message, k *PtopKeys, t *trace) (*payack.PtopEvent, error) {
	if !v.Accepts(m.ContentType) {
		return nil, reject(payack.Ptop, payack.ReasonMalformed, "the content type does not fit the configured body; see the options Body and Sniff")
	}
	room := takeRoom()
	defer room.release()
	t.note("shape", v.body.name())
	fields, posted, err := ptopDecode(room[:0], v.body, m.Body)
	if err != nil {
		return nil, malformed(payack.Ptop, err)
	}
	t.fields(fields)
	if v.custom != nil {
		return v.runCustom(m, fields, k, t)
	}
	text, at, err := v.signature(m, fields)
	if err != nil {
		return nil, err
	}
	t.note("signature", ptopWhere(at))
	if k == nil {
		k = &PtopKeys{}
	}
	if !ptopDigits(text) {
		return nil, reject(payack.Ptop, payack.ReasonSignature, mangledDigits(text))
	}
	search := searchPtop(text, m.Body, k, t)
	scheme, key := v.match(&search, m.Body, fields, posted, at)
	if key < 0 {
		cause := ptopExhausted
		if !search.exhausted() {
			cause = v.otherEnds(&search, m.Body, at)
		}
		if cause != "" {
			t.note("hint", cause)
		}
		return nil, reject(payack.Ptop, payack.ReasonSignature, because("no signing key matches it under the configured schemes", cause))
	}
	if scheme == payack.SchemeFormRebuilt {
		fields = posted // posted has the names that were signed
	}
	ev, err := v.event(fields)
	if err != nil {
		return nil, malformed(payack.Ptop, err)
	}
	ev.Verification = payack.Verification{Tenant: k.tenant, Scheme: scheme, Key: key, Signature: text}
	if err := ev.Check(); err != nil {
		return ev, invalid(payack.Ptop, err)
	}
	return ev, nil
}

// ptopDecode returns the members of a body. For a form it also returns them as
// PHP's $_POST has them, see ptopPosted.
func ptopDecode(dst []strict.Field, format Body, body string) (fields, posted []strict.Field, err error) {
	if fields, err = decode(dst, format, body, ptopMembers.all); err != nil {
		return nil, nil, err
	}
	if err = ptopMembers.mark(fields); err == nil && format == BodyForm {
		if err = phpTwins(fields, ptopMembers.signed); err == nil {
			posted, err = ptopPosted(fields)
		}
	}
	return fields, posted, err
}

func ptopWhere(at int) string {
	if at < 0 {
		return "in a header"
	}
	return "in the body"
}

// signature returns the one signature of a message and the index of the member that
// holds it, or -1 where a header carries it.
func (v *Ptop) signature(m Message, fields []strict.Field) (text string, at int, err error) {
	count := 0
	for _, name := range v.headers {
		if values := m.Header[name]; len(values) > 0 {
			count += len(values)
			text = values[0]
		}
	}
	at = -1
	for i := range fields {
		if fields[i].Name == ptopSignature {
			count++
			at = i
		}
	}
	switch {
	case count == 0:
		return "", 0, reject(payack.Ptop, payack.ReasonSignature, v.noSignature())
	case count > 1:
		return "", 0, reject(payack.Ptop, payack.ReasonMalformed, "more than one signature")
	case at < 0:
		return text, -1, nil
	}
	f := &fields[at]
	if f.Kind != strict.String {
		return "", 0, malformed(payack.Ptop, &strict.Error{What: "signature is not a string", Offset: f.ValueStart})
	}
	// A sender that cuts the member signature out of raw bytes looks for its plain
	// name. With an escaped name, readers would disagree on what was signed.
	plain, quotes := `"signature"`, 2
	if v.body == BodyForm {
		plain, quotes = "signature", 0
	}
	if !strings.HasPrefix(m.Body[f.Start:f.End], plain) {
		return "", 0, malformed(payack.Ptop, &strict.Error{What: "the name of the signature is escaped", Offset: f.Start})
	}
	if f.End-f.ValueStart-quotes != len(f.Text) {
		return "", at, nil // digits that are escaped do not count
	}
	return f.Text, at, nil
}

// notHex maps every byte but a lower-case hex digit to 1. A table is faster than
// branches, which can't be predicted for random digits.
var notHex = func() (table [256]byte) {
	for c := range table {
		table[c] = 1
	}
	for _, c := range []byte("0123456789abcdef") {
		table[c] = 0
	}
	return table
}()

// ptopDigits reports whether s has the form of a signature.
func ptopDigits(s string) bool {
	var bad byte
	for i := range len(s) {
		bad |= notHex[s[i]]
	}
	return bad == 0 && len(s) == 2*sha256.Size
}

// match tries every key under each scheme that fits the place of the signature. It
// returns the scheme and the index of the key, or -1.
func (v *Ptop) match(search *ptopSearch, body string, fields, posted []strict.Field, at int) (payack.Scheme, int) {
	for _, s := range v.schemes {
		key := -1
		if s == payack.SchemeHeader {
			if at < 0 {
				key = search.find(s, body)
			}
		} else if at >= 0 {
			key = ptopMatchMember(search, s, body, fields, posted, at)
		}
		if key >= 0 {
			return s, key
		}
	}
	return "", -1
}

// reencode is a variable so that tests can count its calls.
var reencode = php.Reencode

func ptopMatchMember(search *ptopSearch, s payack.Scheme, body string, fields, posted []strict.Field, at int) int {
	f := &fields[at]
	switch s {
	case payack.SchemeSpliced:
		// One comma is cut out with the member. In the middle of an object, that is
		// the comma before the member or the comma after it. The two results differ
		// only if the white space around the two commas differs.
		before, after := "", ""
		if at > 0 {
			end := fields[at-1].End
			before = body[end+strings.IndexByte(body[end:f.Start], ',') : f.Start]
		}
		if at+1 < len(fields) {
			after = body[f.End:fields[at+1].Start]
			if key := search.find(s, body[:f.Start], body[f.End+len(after):]); key >= 0 {
				return key
			}
		}
		if at > 0 && before != after {
			return search.find(s, body[:f.Start-len(before)], body[f.End:])
		}
	case payack.SchemeReencoded:
		// An error means that PHP can't have signed this body, or would have
		// rounded one of its numbers. Whether Ptop decodes to arrays or to objects
		// is unconfirmed.
		arrays, objects, err := reencode([]byte(body), ptopSignature)
		if err != nil {
			return -1
		}
		if key := search.find(s, string(arrays)); key >= 0 {
			return key
		}
		if objects != nil && !bytes.Equal(objects, arrays) {
			return search.find(s, string(objects))
		}
	case payack.SchemeBlanked:
		return search.find(s, body[:f.ValueStart], `""`, body[f.End:])
	case payack.SchemeForm:
		// Between two pairs, cutting either & leaves the same text.
		if f.Start > 0 {
			return search.find(s, body[:f.Start-1], body[f.End:])
		}
		return search.find(s, body[min(f.End+1, len(body)):])
	case payack.SchemeFormRebuilt:
		if posted == nil {
			return -1
		}
		return search.find(s, ptopRebuilt(posted))
	}
	return -1
}

// event builds the event from the verified members.
func (v *Ptop) event(fields []strict.Field) (*payack.PtopEvent, error) {
	m := members{fields: fields}
	ev := &payack.PtopEvent{
		Success:       v.success(&m),
		TransactionID: ptopID(&m, "transaction_id"),
		OrderID:       ptopID(&m, "order_id"),
		Message:       m.shown("message"),
		Extra:         m.extra(),
	}
	if m.err != nil {
		return nil, m.err
	}
	return ev, nil
}

// success returns the member success. In JSON it must be true or false. A form may
// also write 1, 0 or nothing, as PHP does.
func (v *Ptop) success(m *members) bool {
	f := strict.Find(m.fields, "success")
	switch {
	case f == nil:
		m.fail("success is missing", nil)
	case v.body == BodyForm && (f.Text == "1" || f.Text == "true"), v.body == BodyJSON && f.Kind == strict.True:
		return true
	case v.body == BodyForm && (f.Text == "0" || f.Text == "false" || f.Text == ""), v.body == BodyJSON && f.Kind == strict.False:
	default:
		m.fail("success is not a boolean", f)
	}
	return false
}

// ptopID returns a required id. Null counts as missing.
func ptopID(m *members, name string) string {
	id := m.id(name)
	if id.IsNull() {
		m.fail(name+" is null", strict.Find(m.fields, name))
	}
	return id.String()
}
