package payacktest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"testing"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/php"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/verify"
)

// PtopKeys holds the key of a Ptop account.
type PtopKeys struct {
	// SigningKey is the value that Ptop's API v3 document calls the_signature.
	SigningKey payack.Secret
}

// NewPtopKeys returns a fixed, published key.
func NewPtopKeys() PtopKeys {
	return PtopKeys{SigningKey: payack.NewSecret("7e57 signing key of Ptop, throwaway")}
}

// FreshPtopKeys returns a new key.
func FreshPtopKeys() PtopKeys { return PtopKeys{SigningKey: freshSecret()} }

// Config returns the configuration of a receiver for the JSON webhooks that
// [Ptop] builds with this key. It sets ConfirmInCallback. A test of Confirm sets
// Confirm instead.
func (k PtopKeys) Config() middleware.PtopConfig {
	return middleware.PtopConfig{SigningKeys: []payack.Secret{k.SigningKey}, ConfirmInCallback: true}
}

// ptopCallbacks describes Ptop's webhooks.
var ptopCallbacks = descriptor{
	signature:     "signature",
	signed:        []string{"success", "transaction_id", "order_id", "message"},
	headers:       []string{"X-Signature", "the_signature"},
	header:        ptopHeader,
	flipSignature: flipPtop,
	flipMAC:       flipPtop,
}

// PtopBuilder builds webhooks of Ptop; see [Ptop].
type PtopBuilder struct {
	builder
	keys    PtopKeys
	form    bool
	scheme  payack.Scheme
	place   verify.PtopPlace
	header  string
	objects bool
	body    []byte
}

// Ptop returns a builder of Ptop (API v3) webhooks. It starts with a successful
// transaction, as JSON with the signature in X-Signature.
func Ptop(keys PtopKeys) PtopBuilder {
	return PtopBuilder{keys: keys, scheme: payack.SchemeHeader, header: "X-Signature", builder: builder{members: members{
		{"success", "true"}, {"transaction_id", `"TX1000001"`}, {"order_id", `"ORD1000001"`}, {"message", `"Payment done"`},
	}}}
}

// Set replaces the value of a member, or appends a new member. The value becomes a
// JSON boolean or number if the member was one and the value can be one, and a
// string otherwise.
func (b PtopBuilder) Set(name, value string) PtopBuilder {
	b.builder = b.named(name, b.members.set(name, value))
	return b
}

// SetJSON is like Set but takes the exact JSON literal. In a form, the literal's
// text is sent.
func (b PtopBuilder) SetJSON(name, literal string) PtopBuilder {
	b.builder = b.named(name, b.members.setJSON(name, literal))
	return b
}

// Remove removes a member.
func (b PtopBuilder) Remove(name string) PtopBuilder {
	b.members = b.members.remove(name)
	return b
}

// Order sets order_id.
func (b PtopBuilder) Order(id string) PtopBuilder { return b.Set("order_id", id) }

// Transaction sets transaction_id.
func (b PtopBuilder) Transaction(id string) PtopBuilder { return b.Set("transaction_id", id) }

// Success sets success.
func (b PtopBuilder) Success(success bool) PtopBuilder {
	if success {
		return b.SetJSON("success", "true")
	}
	return b.SetJSON("success", "false")
}

// Fresh sets a new, random order_id and transaction_id.
func (b PtopBuilder) Fresh() PtopBuilder {
	return b.Set("order_id", "ORD"+freshHex(6)).Set("transaction_id", "TX"+freshHex(6))
}

// Body replaces all members by an exact body: a JSON object or a form, without a
// signature. Use it where white space or spelling matters.
func (b PtopBuilder) Body(exact string) PtopBuilder {
	b.body = []byte(exact)
	b.form = !looksLikeJSON(b.body)
	return b
}

// Form sends a URL-encoded form. Use it with the schemes header, form and
// form-rebuilt.
func (b PtopBuilder) Form() PtopBuilder { b.form = true; return b }

// Scheme sets where the signature is and which text it covers. The default is
// [payack.SchemeHeader]. The schemes form and form-rebuilt send a form.
func (b PtopBuilder) Scheme(s payack.Scheme) PtopBuilder {
	b.scheme = s
	b.form = b.form || s == payack.SchemeForm || s == payack.SchemeFormRebuilt
	return b
}

// Place sets the position of the signature among the members, for schemes that
// send the signature as a member.
func (b PtopBuilder) Place(p verify.PtopPlace) PtopBuilder { b.place = p; return b }

// Header sets the name of the header that carries the signature under
// [payack.SchemeHeader].
func (b PtopBuilder) Header(name string) PtopBuilder {
	b.header = http.CanonicalHeaderKey(name)
	return b
}

// ReencodedObjects uses the scheme reencoded, and signs like a sender that
// decodes to PHP objects: {} stays {} in the signed text. The result differs from
// that of Scheme with [payack.SchemeReencoded] only for bodies with an empty object.
func (b PtopBuilder) ReencodedObjects() PtopBuilder {
	b.scheme, b.objects = payack.SchemeReencoded, true
	return b
}

// Config returns the configuration of a receiver that accepts the webhook. It is
// the keys' configuration with the body's format and the header's name.
func (b PtopBuilder) Config() middleware.PtopConfig {
	c := b.keys.Config()
	if b.form {
		c.Body = verify.BodyForm
	}
	if b.scheme == payack.SchemeHeader {
		c.SignatureHeaders = []string{b.header}
	}
	return c
}

// Callback is Build for tests: it ends the test if Build fails.
func (b PtopBuilder) Callback(t testing.TB) Callback { t.Helper(); return finish(t, b.Build) }

// Build signs the body and returns the webhook. It returns an error for a body that
// no receiver could parse, and for a scheme that does not fit the body. Missing
// members are no error.
func (b PtopBuilder) Build() (Callback, error) {
	if b.err != nil {
		return Callback{}, b.err
	}
	body := b.body
	switch {
	case body != nil:
	case b.form:
		body = []byte(b.members.form())
	default:
		body = []byte(b.members.json())
	}
	if b.header == "" {
		return Callback{}, errors.New("payacktest: Header: the name is empty; give one such as X-Signature")
	}
	m, err := verify.SignPtopCallback(b.keys.SigningKey, b.scheme, b.place, string(body))
	if err != nil {
		return Callback{}, err
	}
	cb := Callback{Provider: payack.Ptop, Header: http.Header{"Content-Type": {m.ContentType}}, Body: []byte(m.Body)}
	for _, values := range m.Header {
		cb.Header[b.header], cb.signatureHeader = values, b.header
	}
	if b.objects && b.scheme == payack.SchemeReencoded {
		return b.resignObjects(cb, body)
	}
	return cb, nil
}

// resignObjects replaces the signature by one over PHP's re-encoding with objects,
// in which {} stays {}.
func (b PtopBuilder) resignObjects(cb Callback, body []byte) (Callback, error) {
	_, text, err := php.Reencode(body, "signature")
	if err == nil && text == nil {
		err = errors.New("payacktest: a member's name begins with U+0000, which no property of PHP has")
	}
	if err != nil {
		return Callback{}, err
	}
	d, err := parseDocument(cb.Body, false)
	if err != nil {
		return Callback{}, err
	}
	mac := hmac.New(sha256.New, []byte(b.keys.SigningKey.Reveal()))
	mac.Write(text)
	cb.Body, err = d.set("signature", quote(hex.EncodeToString(mac.Sum(nil))))
	return cb, err
}

func flipPtop(cb Callback) (Callback, error) {
	if name := ptopHeader(cb); name != "" {
		return cb.editHeader(name, flipHex)
	}
	return cb.editMember("signature", flipHex)
}

// ptopHeader returns the name of the header with Ptop's signature, or an empty
// name. It is the one that the callback was built with, one of the usual names, or
// the only header whose value looks like a signature.
func ptopHeader(cb Callback) string {
	for _, name := range append([]string{cb.signatureHeader}, descriptors[payack.Ptop].headers...) {
		if name = http.CanonicalHeaderKey(name); name != "" && len(cb.Header[name]) > 0 {
			return name
		}
	}
	found := ""
	for name, values := range cb.Header {
		if len(values) == 1 && isHex(values[0]) && !descriptors[payack.Ptop].othersHeader(name) {
			if found != "" {
				return ""
			}
			found = name
		}
	}
	return found
}
