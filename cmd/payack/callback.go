package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/php"
	"github.com/payack/payack/verify"
)

// callback is one delivery, ready to be posted.
type callback struct {
	header http.Header
	body   []byte
}

func newCallback(contentType string, body []byte) callback {
	return callback{header: http.Header{"Content-Type": {contentType}}, body: body}
}

// tampering is what to spoil in a callback.
type tampering string

const (
	tamperNothing   tampering = ""
	tamperSignature tampering = "signature"
	tamperBody      tampering = "body"
	tamperEnvelope  tampering = "envelope"
	tamperReplay    tampering = "replay" // post it twice
)

// sender builds callbacks of one provider.
type sender interface {
	// build returns a callback with the default members, changed as set says.
	build(set assignments, t tampering) (callback, error)
	// accepted tells whether an answer acknowledges a callback.
	accepted(a answer) bool
}

// newSender returns the builder for a provider, with the keys of a receiver's
// configuration. Only PTS's signing key is not in it.
func newSender(c *config, provider, privateKeyFile string) (sender, error) {
	absent := fmt.Errorf("the configuration has no %s", provider)
	switch payack.Provider(provider) {
	case payack.Ptop:
		if c.Ptop == nil {
			return nil, absent
		}
		return newPtopSender(c.Ptop)
	case payack.PTS:
		if c.PTS == nil {
			return nil, absent
		}
		return newPTSSender(c.PTS, privateKeyFile)
	case payack.Payatom:
		if c.Payatom == nil {
			return nil, absent
		}
		return newPayatomSender(c.Payatom)
	}
	return nil, fmt.Errorf("there is no provider %q; there are ptop, pts and payatom", provider)
}

// member is one member of a message: its name and its JSON literal.
type member struct{ name, literal string }

// members are a message in its order.
type members []member

// assignment gives a member another value.
type assignment struct{ name, value string }

// assignments are made in their order, so that the same call builds the same
// message.
type assignments []assignment

// set changes members, or appends new ones. A value takes the JSON type of the
// member that it replaces where it can; a new one is a string.
func (m members) set(values ...assignment) members {
	out := slices.Clone(m)
	for _, v := range values {
		if i := out.index(v.name); i >= 0 {
			out[i].literal = sameType(out[i].literal, v.value)
		} else {
			out = append(out, member{v.name, quote(v.value)})
		}
	}
	return out
}

func (m members) index(name string) int {
	return slices.IndexFunc(m, func(x member) bool { return x.name == name })
}

// sameType returns the literal of value, of literal's type where it fits.
func sameType(literal, value string) string {
	bare := value == strings.TrimSpace(value) && json.Valid([]byte(value))
	if was := kindOf(literal); bare && was != '"' && was == kindOf(value) {
		return value
	}
	return quote(value)
}

// kindOf tells the type of a JSON literal by its first byte: a number is 0, true
// and false are t, an object and PHP's empty map [] are one.
func kindOf(literal string) byte {
	switch c := (literal + " ")[0]; {
	case c == '-' || '0' <= c && c <= '9':
		return '0'
	case c == 'f':
		return 't'
	case c == '[':
		return '{'
	default:
		return c
	}
}

func quote(s string) string {
	b, _ := json.Marshal(s) // a string always can be
	return string(b)
}

// text is a member's text as it is signed.
func (m member) text() string {
	var s string
	if json.Unmarshal([]byte(m.literal), &s) == nil {
		return s
	}
	return m.literal
}

// texts are the members as they are signed under one of the texts that numbers
// have: the first one configured, as listed, or the literal.
func (m members) texts(numbers []payack.Scheme) map[string]string {
	asPHP := len(numbers) > 0 && numbers[0] == payack.SchemePHP
	out := make(map[string]string, len(m))
	for _, x := range m {
		text := x.text()
		if other, ok := php.NumberText(x.literal); ok && asPHP {
			text = other
		}
		out[x.name] = text
	}
	return out
}

func (x member) json() string { return quote(x.name) + ":" + x.literal }
func (x member) form() string { return url.QueryEscape(x.name) + "=" + url.QueryEscape(x.text()) }

func (m members) json() []byte {
	return []byte("{" + m.join(",", member.json) + "}")
}

func (m members) form() []byte {
	return []byte(m.join("&", member.form))
}

func (m members) join(separator string, write func(member) string) string {
	parts := make([]string, len(m))
	for i, x := range m {
		parts[i] = write(x)
	}
	return strings.Join(parts, separator)
}

// flip changes one character in the middle of a text of hex or base64 digits.
func flip(text string) string {
	i := len(text) / 2
	c := byte('0')
	if text[i] == c {
		c = '1'
	}
	return text[:i] + string(c) + text[i+1:]
}

// fresh returns an identifier that was not used before.
func fresh(prefix string) string {
	var b [6]byte
	_, _ = rand.Read(b[:])
	return prefix + hex.EncodeToString(b[:])
}

// computed refuses to set the member that signing makes.
func computed(set assignments, name string) error {
	for _, v := range set {
		if v.name == name {
			return fmt.Errorf("-set %s: it is computed; use -tamper signature to spoil it", name)
		}
	}
	return nil
}

// ptopSender signs under the first configured scheme.
type ptopSender struct {
	key    payack.Secret
	scheme payack.Scheme
	header string
	form   bool
}

func newPtopSender(c *ptopConfig) (sender, error) {
	if len(c.SigningKeys) == 0 {
		return nil, errors.New("ptop.signing_keys: no key is given")
	}
	s := ptopSender{
		key: payack.NewSecret(c.SigningKeys[0]), scheme: payack.SchemeHeader,
		header: "X-Signature", form: c.Body == verify.BodyForm,
	}
	if len(c.Schemes) > 0 {
		s.scheme = c.Schemes[0]
	}
	if len(c.SignatureHeaders) > 0 {
		s.header = http.CanonicalHeaderKey(c.SignatureHeaders[0])
	}
	return s, nil
}

func (s ptopSender) build(set assignments, t tampering) (callback, error) {
	if t == tamperEnvelope {
		return callback{}, errors.New("-tamper envelope: Ptop's callbacks have none; choose signature, body or replay")
	}
	if err := computed(set, "signature"); err != nil {
		return callback{}, err
	}
	m := members{
		{"success", "true"}, {"transaction_id", quote(fresh("tx"))}, {"order_id", quote(fresh("ORD"))},
		{"message", quote("Payment done")},
	}.set(set...)
	body, write := m.json(), member.json
	if s.form {
		body, write = m.form(), member.form
	}
	signed, err := verify.SignPtopCallback(s.key, s.scheme, verify.PtopLast, body)
	if err != nil {
		if what, ofBody := strings.CutPrefix(err.Error(), "payack: body: "); ofBody {
			return callback{}, errors.New("-set: such a message can't be signed: " + what)
		}
		return callback{}, providerError("ptop", err)
	}
	out := newCallback(signed.ContentType, signed.Body)
	for _, values := range signed.Header {
		out.header[s.header] = values
	}
	switch t {
	case tamperBody:
		order := m[m.index("order_id")]
		other := member{order.name, quote("9" + order.text())}
		out.body = bytes.Replace(out.body, []byte(write(order)), []byte(write(other)), 1)
	case tamperSignature:
		if values := out.header[s.header]; values != nil {
			out.header[s.header] = []string{flip(values[0])}
			break
		}
		end := len(bytes.TrimSuffix(out.body, []byte(`"}`))) // it stands last
		digits := out.body[end-hex.EncodedLen(sha256.Size) : end]
		copy(digits, flip(string(digits)))
	}
	return out, nil
}

func (ptopSender) accepted(a answer) bool { return a.status == http.StatusOK }

// ptsSender signs and seals, with the header over the envelope where the
// receiver requires it.
type ptsSender struct {
	signer *verify.PTSSigner
	c      *ptsConfig
}

func newPTSSender(c *ptsConfig, privateKeyFile string) (sender, error) {
	if privateKeyFile == "" {
		return nil, errors.New("-key is missing: the configuration holds PTS's public key only; give the PEM file of a private key whose public key is in pts.public_keys")
	}
	pem, err := os.ReadFile(privateKeyFile)
	if err != nil {
		return nil, fmt.Errorf("-key: %w", err)
	}
	return newPTSSenderWith(c, payack.NewSecret(string(pem)))
}

func newPTSSenderWith(c *ptsConfig, privateKey payack.Secret) (sender, error) {
	signer, err := verify.NewPTSSigner(verify.PTSSignerConfig{
		Safecode: payack.NewSecret(c.Safecode), SafecodeEncoding: c.SafecodeEncoding,
		PrivateKey: privateKey, TransactionSecret: payack.NewSecret(c.TransactionSecret),
	})
	if err != nil {
		return nil, providerError("pts", err)
	}
	return ptsSender{signer, c}, nil
}

func (s ptsSender) build(set assignments, t tampering) (callback, error) {
	if err := computed(set, "sign"); err != nil {
		return callback{}, err
	}
	userID := s.c.UserID
	if userID == "" {
		userID = "1"
	}
	m := members{
		{"user_id", quote(userID)}, {"order_id", quote(fresh("ORD"))}, {"transaction_id", quote(fresh("T"))},
		{"channel", quote("GCASH")}, {"submit_currency", quote("PHP")}, {"submit_amount", "100.50"},
		{"accept_currency", quote("PHP")}, {"accept_amount", "100.50"}, {"exchange_rate", "1.0"},
		{"status", quote("2000")}, {"timestamp", strconv.FormatInt(time.Now().Unix(), 10)},
		{"reference_number", quote(fresh("R"))},
	}.set(set...)
	texts := m.texts(s.c.Numbers)
	sign, err := s.signer.Sign(verify.PTSCallback, texts)
	if err != nil {
		return callback{}, errors.New("-set " + strings.TrimPrefix(err.Error(), "payack: "))
	}
	switch t {
	case tamperSignature:
		sign = flip(sign)
	case tamperBody:
		m = m.set(assignment{"accept_amount", "9" + texts["accept_amount"]})
	}
	sealed, err := s.signer.Seal(append(m, member{"sign", quote(sign)}).json())
	if err != nil {
		return callback{}, err
	}
	if t == tamperEnvelope {
		sealed = []byte(flip(string(sealed)))
	}
	out := newCallback("text/plain", sealed)
	if s.c.TransactionSecret != "" {
		value, err := s.signer.TransactionSignature(sealed, s.c.TransactionSignature)
		if err != nil {
			return callback{}, providerError("pts", err)
		}
		out.header[verify.PTSTransactionHeader] = []string{value}
	}
	return out, nil
}

func (ptsSender) accepted(a answer) bool {
	return a.status == http.StatusOK && a.body == "SUCCESS"
}

// payatomSender sends an approved order, of the configured ones the first by
// name.
type payatomSender struct {
	signer *verify.PayatomSigner
	c      *payatomConfig
}

func newPayatomSender(c *payatomConfig) (sender, error) {
	if len(c.SecretKeys) == 0 {
		return nil, errors.New("payatom.secret_keys: no key is given")
	}
	signer, err := verify.NewPayatomSigner(payack.NewSecret(c.SecretKeys[0]))
	if err != nil {
		return nil, providerError("payatom", err)
	}
	return payatomSender{signer, c}, nil
}

func (s payatomSender) build(set assignments, t tampering) (callback, error) {
	if err := computed(set, "post_hash"); err != nil {
		return callback{}, err
	}
	orderID, amount := fresh("ORD"), "500"
	if ids := slices.Sorted(maps.Keys(s.c.Orders)); len(ids) > 0 {
		orderID, amount = ids[0], s.c.Orders[ids[0]]
	}
	m := members{
		{"order_id", quote(orderID)}, {"requested_amount", quote(amount)}, {"status", quote("Approved")},
		{"received_amount", quote(amount)}, {"bank_ref", quote("838498153464")}, {"sender_upi", quote("payer@example")},
		{"ref_code", quote(fresh(""))}, {"refund_info", "[]"},
	}.set(set...)
	texts := m.texts(s.c.Numbers)
	hash := s.signer.PostHash(texts["order_id"], texts["received_amount"], texts["status"])
	switch t {
	case tamperSignature, tamperEnvelope:
		hash = flip(hash)
	case tamperBody:
		m = m.set(assignment{"received_amount", "9" + texts["received_amount"]})
	}
	m = append(m, member{"post_hash", quote(hash)})
	if s.c.Body == verify.BodyForm {
		return newCallback("application/x-www-form-urlencoded", m.form()), nil
	}
	return newCallback("application/json", m.json()), nil
}

func (payatomSender) accepted(a answer) bool {
	var said struct{ Acknowledge string }
	return a.status == http.StatusOK && json.Unmarshal([]byte(a.body), &said) == nil && said.Acknowledge == "yes"
}
