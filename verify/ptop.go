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
	// The message is signed like all of a body, and only shown.
	ptopMembers = knownOf([]string{"success", "transaction_id", "order_id", ptopSignature}, "message")

	// Ptop's API v3 document puts the signature into the very body that it
	// signs, which cannot be. These are the readings under which it can; which
	// of them Ptop uses is unconfirmed.
	ptopJSONSchemes = []payack.Scheme{payack.SchemeHeader, payack.SchemeSpliced, payack.SchemeReencoded, payack.SchemeBlanked}
	ptopFormSchemes = []payack.Scheme{payack.SchemeHeader, payack.SchemeForm, payack.SchemeFormRebuilt}

	// The document names neither a header nor whether there is one, so these
	// names are unconfirmed: the usual one, and that of the key.
	ptopHeaders = []string{"X-Signature", "the_signature"}
)

// PtopKeys holds a tenant's signing keys ("the_signature" in Ptop's API v3
// document), prepared for verifying. It is safe for concurrent use.
type PtopKeys struct {
	tenant  string
	secrets []payack.Secret
	keys    []ptopKey
}

// ptopKey pools keyed HMAC states: keying one hashes two blocks and allocates,
// which a short callback does not need to pay for each time.
type ptopKey struct{ states sync.Pool }

type ptopState struct {
	mac    hash.Hash
	chunk  [1024]byte // a MAC takes bytes
	sum    [sha256.Size]byte
	digits [2 * sha256.Size]byte
}

// NewPtopKeys prepares the signing keys of a tenant; the tenant is empty where
// there is only one. Several keys are for rotation. No key at all, and an empty
// one, are errors.
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

// Tenant returns the scope of the keys, which is part of an event's identity.
func (k *PtopKeys) Tenant() string { return k.tenant }

// Secrets returns a copy of the signing keys that it was made of.
func (k *PtopKeys) Secrets() []payack.Secret { return slices.Clone(k.secrets) }

// PtopOptions says what a verifier of Ptop's callbacks takes. The zero value
// takes JSON under every scheme there is for it.
type PtopOptions struct {
	// Body is the one format that is taken, JSON when empty. Ptop's API v3
	// document shows JSON and reads a form.
	Body Body
	// Schemes pins the readings of the document that may match, in the order
	// in which they are tried; empty means every one that fits the body. Pin
	// the one that a genuine callback's event reports.
	Schemes []payack.Scheme
	// Headers are the names of the headers that may carry the signature; empty
	// means X-Signature and the_signature (unconfirmed).
	Headers []string
	// Custom is the merchant's own reading; it is tried in place of all others,
	// under the scheme custom. Read first what a [PtopReading] must guarantee.
	Custom PtopReading
	// Sniff takes JSON under any content type, for senders that announce it
	// wrongly.
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

// Options returns the options that the verifier was made of. Do not change what
// they hold.
func (v *Ptop) Options() PtopOptions { return v.options }

// NewPtop returns a verifier. An error names the option and the fix.
func NewPtop(o PtopOptions) (*Ptop, error) {
	body, err := checkBody(o.Body)
	if err != nil {
		return nil, err
	}
	if o.Sniff && body == BodyForm {
		return nil, errors.New(`payack: Sniff: it takes JSON under any content type and does not go with Body "form"; leave out one of the two`)
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

// Accepts reports whether a message of this content type is looked at.
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

// Verify returns the event of a callback that one of the keys signed under one
// of the schemes. Nil keys verify nothing.
//
// A callback carries one signature of exactly 64 lower-case hex digits, in a
// header or in the body; none, and one of another form, is a wrong signature,
// and two are malformed. After the signature has matched, success,
// transaction_id and order_id must be there with their types (malformed, null
// too).
//
// An event that breaks a rule (an empty id) comes back beside the error, which is
// [payack.ErrInvalid]: it is authentic, and not to be acted on. With every other
// error the event is nil.
//
// The message is only shown, and refuses nothing: it may hold any JSON value.
//
// Under the scheme reencoded, PHP's text was signed; Message and Extra hold the
// literal as sent, which may be another spelling of a number, or an object for
// a list.
func (v *Ptop) Verify(m Message, k *PtopKeys) (*payack.PtopEvent, error) { return v.run(m, k, nil) }

// Explain verifies like Verify, and tells each step.
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
		return nil, reject(payack.Ptop, payack.ReasonSignature, because("no signing key matches it under the schemes that are tried", cause))
	}
	if scheme == payack.SchemeFormRebuilt {
		fields = posted // the names as they were signed
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

// ptopDecode returns the members of a body, and those of a form as PHP posts
// them, see ptopPosted.
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

// signature returns the one signature of a message, and the index of its
// member, which is -1 when a header carries it.
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
		return "", -1, reject(payack.Ptop, payack.ReasonSignature, v.noSignature())
	case count > 1:
		return "", -1, reject(payack.Ptop, payack.ReasonMalformed, "more than one signature")
	case at < 0:
		return text, -1, nil
	}
	f := &fields[at]
	if f.Kind != strict.String {
		return "", -1, malformed(payack.Ptop, &strict.Error{What: "signature is not a string", Offset: f.ValueStart})
	}
	// Who cuts it out of raw bytes finds the plain spelling only, and so would
	// not have sent another: with an escaped one, readers differ on what was
	// signed.
	plain, quotes := `"signature"`, 2
	if v.body == BodyForm {
		plain, quotes = "signature", 0
	}
	if !strings.HasPrefix(m.Body[f.Start:f.End], plain) {
		return "", -1, malformed(payack.Ptop, &strict.Error{What: "the name of the signature is escaped", Offset: f.Start})
	}
	if f.End-f.ValueStart-quotes != len(f.Text) {
		return "", at, nil // escaped digits are no digits
	}
	return f.Text, at, nil
}

// notHex is a table, because nobody can foretell a digit: branches would cost
// more than the looking up.
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

// match tries the schemes that go with the place of the signature, and every
// key under each. It returns the scheme and the index of the key, or -1.
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

// reencode is a variable so that tests can count.
var reencode = php.Reencode

func ptopMatchMember(search *ptopSearch, s payack.Scheme, body string, fields, posted []strict.Field, at int) int {
	f := &fields[at]
	switch s {
	case payack.SchemeSpliced:
		// One comma goes with the member. In the middle there is one on either
		// side, and with uneven white space the two cuts leave other bytes.
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
		// An error means that PHP would not write this body, or would round a
		// number of it: then nothing verifies. Whether the sender decodes to
		// arrays or to objects is unconfirmed.
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
		// Between two pairs it makes no difference which & goes.
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

// event gives the verified members their types.
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

// success is a boolean: of JSON only true and false, of a form what PHP and
// others write for them.
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

// ptopID is a required id, and null is none.
func ptopID(m *members, name string) string {
	id := m.id(name)
	if id.IsNull() {
		m.fail(name+" is null", strict.Find(m.fields, name))
	}
	return id.String()
}
