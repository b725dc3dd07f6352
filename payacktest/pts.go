package payacktest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/internal/php"
	"github.com/payack/payack/internal/strict"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/verify"
)

// PTSKeys are both sides of a PTS account: what the provider signs with and
// what the merchant verifies with. Change fields as a test needs them; a copy
// is independent.
type PTSKeys struct {
	// UserID is the user_id of callbacks; empty means "1". If UserID is set, a
	// receiver with the configuration from Config requires it.
	UserID           string
	Safecode         payack.Secret
	SafecodeEncoding envelope.PTSEncoding
	// PrivateKey is the provider's private key in PEM. PublicKey belongs to it.
	PrivateKey payack.Secret
	PublicKey  string
	// TransactionSecret, when set, adds X-Transaction-Signature to callbacks in an
	// envelope, and makes Config require it.
	TransactionSecret    payack.Secret
	TransactionSignature verify.PTSSignatureEncoding
	// NoEnvelopes is for a safecode that is not an AES key.
	NoEnvelopes bool
}

// NewPTSKeys returns fixed, published keys. The safecode is an AES key in both
// encodings, raw and hex.
func NewPTSKeys() PTSKeys {
	return PTSKeys{
		Safecode:   payack.NewSecret("7e57c0de7e57c0de7e57c0de7e57c0de"),
		PrivateKey: payack.NewSecret(throwawayPrivateKey),
		PublicKey:  throwawayPublicKey,
	}
}

// FreshPTSKeys returns new keys. Generating the RSA key, of 2048 bits, takes a
// fraction of a second.
func FreshPTSKeys() PTSKeys {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // can't happen: crypto/rand returns no errors
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err) // can't happen for an RSA key
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		panic(err)
	}
	return PTSKeys{
		Safecode:   freshSecret(),
		PrivateKey: payack.NewSecret(pemText("PRIVATE KEY", private)),
		PublicKey:  pemText("PUBLIC KEY", public),
	}
}

// WithTransactionSignature returns the keys with a published transaction secret.
// Callbacks in an envelope then carry X-Transaction-Signature in this encoding. A
// receiver with the configuration from Config requires the header and refuses flat
// callbacks.
func (k PTSKeys) WithTransactionSignature(encoding verify.PTSSignatureEncoding) PTSKeys {
	k.TransactionSecret = payack.NewSecret("7e57 transaction secret, throwaway")
	k.TransactionSignature = encoding
	return k
}

// Config returns the configuration of a receiver that accepts the callbacks that
// [PTS] builds with these keys. Add options as needed.
func (k PTSKeys) Config() middleware.PTSConfig {
	return middleware.PTSConfig{
		UserID: k.UserID, Safecode: k.Safecode, SafecodeEncoding: k.SafecodeEncoding, PublicKeys: []string{k.PublicKey},
		TransactionSecret: k.TransactionSecret, TransactionSignature: k.TransactionSignature, NoEnvelopes: k.NoEnvelopes,
	}
}

func (k PTSKeys) signer() (*verify.PTSSigner, error) {
	return verify.NewPTSSigner(verify.PTSSignerConfig{
		Safecode: k.Safecode, SafecodeEncoding: k.SafecodeEncoding, PrivateKey: k.PrivateKey,
		TransactionSecret: k.TransactionSecret, NoEnvelopes: k.NoEnvelopes,
	})
}

// ptsCallbacks describes PTS's callbacks.
var ptsCallbacks = descriptor{
	signature: "sign",
	signed:    verify.PTSCallback.SignedMembers(),
	headers:   []string{verify.PTSTransactionHeader},
	flipSignature: func(cb Callback) (Callback, error) {
		return cb.editMember("sign", func(text string) (string, error) { return flipBase64(text, half) })
	},
	flipMAC: func(cb Callback) (Callback, error) {
		return cb.editHeader(verify.PTSTransactionHeader, flipPTSTransaction)
	},
	flipEnvelope: flipPTSEnvelope,
	inside:       insidePTS,
}

// ptsShape is one of the four shapes of a callback of PTS.
type ptsShape int

const (
	ptsFlat ptsShape = iota
	ptsEnvelope
	ptsDataEnvelope
	ptsDataObject
)

// PTSBuilder builds callbacks of PTS (Pagarstar); see [PTS].
type PTSBuilder struct {
	builder
	keys  PTSKeys
	shape ptsShape
	php   bool
}

// PTS returns a builder of PTS (Pagarstar) callbacks. It starts with a successful
// payment of 100.50 PHP, as a flat JSON object.
func PTS(keys PTSKeys) PTSBuilder {
	userID := keys.UserID
	if userID == "" {
		userID = "1"
	}
	return PTSBuilder{keys: keys, builder: builder{members: members{
		{"user_id", quote(userID)}, {"order_id", `"ORD1000001"`}, {"transaction_id", `"T1000001"`}, {"channel", `"GCASH"`},
		{"submit_currency", `"PHP"`}, {"submit_amount", "100.50"}, {"accept_currency", `"PHP"`}, {"accept_amount", "100.50"},
		{"exchange_rate", "1.0"}, {"status", `"2000"`}, {"timestamp", "1731000000"}, {"reference_number", `"R1000001"`},
	}}}
}

// Set replaces the value of a member, or appends a new member. The value becomes a
// JSON number if the member was one and the value can be one, and a string
// otherwise.
func (b PTSBuilder) Set(name, value string) PTSBuilder {
	b.builder = b.named(name, b.members.set(name, value))
	return b
}

// SetJSON is like Set but takes the exact JSON literal, such as 100.50, 1e2, "2000"
// or null.
func (b PTSBuilder) SetJSON(name, literal string) PTSBuilder {
	b.builder = b.named(name, b.members.setJSON(name, literal))
	return b
}

// Remove removes a member. If the member is signed, it is then signed as if it
// were empty.
func (b PTSBuilder) Remove(name string) PTSBuilder {
	b.members = b.members.remove(name)
	return b
}

// Order sets order_id.
func (b PTSBuilder) Order(id string) PTSBuilder { return b.Set("order_id", id) }

// Amount sets submit_amount and accept_amount.
func (b PTSBuilder) Amount(text string) PTSBuilder {
	return b.Set("submit_amount", text).Set("accept_amount", text)
}

// Status sets status.
func (b PTSBuilder) Status(s payack.PTSStatus) PTSBuilder { return b.Set("status", string(s)) }

// Fresh sets a new, random order_id, transaction_id and reference_number, and the
// current time.
func (b PTSBuilder) Fresh() PTSBuilder {
	return b.Set("order_id", "ORD"+freshHex(6)).Set("transaction_id", "T"+freshHex(6)).
		Set("reference_number", "R"+freshHex(6)).Set("timestamp", strconv.FormatInt(time.Now().Unix(), 10))
}

// Flat sends the members as one JSON object. That is the default.
func (b PTSBuilder) Flat() PTSBuilder { b.shape = ptsFlat; return b }

// Envelope seals the members and sends them in base64 as text/plain.
func (b PTSBuilder) Envelope() PTSBuilder { b.shape = ptsEnvelope; return b }

// DataEnvelope seals the members and sends them as {"data":"…"} in base64.
func (b PTSBuilder) DataEnvelope() PTSBuilder { b.shape = ptsDataEnvelope; return b }

// DataObject sends {"code":…,"message":…,"data":{…}}, with the members in data.
func (b PTSBuilder) DataObject() PTSBuilder { b.shape = ptsDataObject; return b }

// PHPNumbers signs PHP's text (100.5 for 100.50) of each amount and of
// exchange_rate instead of the literal, if the value is a JSON number.
func (b PTSBuilder) PHPNumbers() PTSBuilder { b.php = true; return b }

// Config returns the configuration of a receiver that accepts the callback. It is
// the keys' configuration.
func (b PTSBuilder) Config() middleware.PTSConfig { return b.keys.Config() }

// Callback is Build for tests: it ends the test if Build fails.
func (b PTSBuilder) Callback(t testing.TB) Callback { t.Helper(); return finish(t, b.Build) }

// Build signs the members and puts them into the chosen shape. It returns an error
// for an envelope that the keys don't allow, and for a text that PTS's signature
// leaves ambiguous.
func (b PTSBuilder) Build() (Callback, error) {
	if b.err != nil {
		return Callback{}, b.err
	}
	if b.members.index("sign") >= 0 {
		return Callback{}, errors.New("payacktest: sign is made by the builder; spoil it with FlipSignature or SetMember")
	}
	signer, err := b.keys.signer()
	if err != nil {
		return Callback{}, err
	}
	sign, err := signer.Sign(verify.PTSCallback, b.texts())
	if err != nil {
		return Callback{}, err
	}
	plain := b.members.setJSON("sign", quote(sign)).json()
	cb := Callback{Provider: payack.PTS, Header: http.Header{"Content-Type": {"application/json"}}, keys: b.keys}
	switch b.shape {
	case ptsFlat:
		cb.Body = []byte(plain)
		return cb, nil
	case ptsDataObject:
		cb.Body = []byte(`{"code":"1000","message":"success","data":` + plain + `}`)
		return cb, nil
	case ptsEnvelope:
		cb.Header.Set("Content-Type", "text/plain")
	case ptsDataEnvelope:
		cb.Body = []byte(`{"data":""}`) // filled by seal
	}
	return b.keys.seal(cb, []byte(plain))
}

// texts returns the texts that are signed.
func (b PTSBuilder) texts() map[string]string {
	signed := verify.PTSCallback.SignedMembers()
	out := make(map[string]string, len(signed))
	for _, name := range signed {
		out[name] = b.members.text(name)
	}
	if !b.php {
		return out
	}
	for _, name := range []string{"submit_amount", "accept_amount", "exchange_rate"} {
		if i := b.members.index(name); i >= 0 {
			if text, ok := php.NumberText(b.members[i].literal); ok {
				out[name] = text
			}
		}
	}
	return out
}

// WithKeys returns the callback with keys that open its envelope, so that members
// inside can be tampered with. Callbacks from a builder have their keys already.
func (cb Callback) WithKeys(keys PTSKeys) Callback {
	cb.Provider, cb.keys = payack.PTS, keys
	return cb
}

// insidePTS finds the members in an envelope, or in the object that is the value of
// the member "data". It does not look into "data" if the body has a member "sign".
func insidePTS(cb Callback) (document, func([]byte) (Callback, error), bool, error) {
	if !looksLikeJSON(cb.Body) {
		if !isBase64(cb.Body) {
			return document{}, nil, false, nil
		}
		d, put, err := openPTS(cb, string(cb.Body))
		return d, put, true, err
	}
	d, err := parseDocument(cb.Body, false)
	if err != nil {
		return document{}, nil, false, nil
	}
	data := d.find("data")
	if data == nil || d.find("sign") != nil {
		return document{}, nil, false, nil
	}
	switch data.Kind {
	case strict.String:
		inner, put, err := openPTS(cb, data.Text)
		return inner, put, true, err
	case strict.Object:
		inner, err := parseDocument([]byte(data.Text), false)
		return inner, func(text []byte) (Callback, error) {
			return cb.withBody(d.splice(data.ValueStart, data.End, string(text)))
		}, true, err
	}
	return document{}, nil, false, nil
}

func openPTS(cb Callback, sealed string) (document, func([]byte) (Callback, error), error) {
	keys, ok := cb.keys.(PTSKeys)
	if !ok {
		return document{}, nil, errSealed
	}
	signer, err := keys.signer()
	if err != nil {
		return document{}, nil, err
	}
	plain, err := signer.Open([]byte(sealed))
	if err != nil {
		return document{}, nil, errors.New("payacktest: the envelope does not open with these keys")
	}
	d, err := parseDocument(plain, false)
	return d, func(text []byte) (Callback, error) { return keys.seal(cb, text) }, err
}

// seal seals members and replaces the callback's envelope, which is the body or its
// member data. With a transaction secret, it renews X-Transaction-Signature.
func (k PTSKeys) seal(cb Callback, plain []byte) (Callback, error) {
	signer, err := k.signer()
	if err != nil {
		return Callback{}, err
	}
	sealed, err := signer.Seal(plain)
	if err != nil {
		return Callback{}, err
	}
	cb = cb.Clone()
	if looksLikeJSON(cb.Body) {
		d, err := parseDocument(cb.Body, false)
		if err != nil {
			return Callback{}, err
		}
		if cb.Body, err = d.set("data", quote(string(sealed))); err != nil {
			return Callback{}, err
		}
	} else {
		cb.Body = slices.Clone(sealed)
	}
	if !k.TransactionSecret.IsZero() {
		value, err := signer.TransactionSignature(sealed, k.TransactionSignature)
		if err != nil {
			return Callback{}, err
		}
		cb.Header[verify.PTSTransactionHeader] = []string{value}
	}
	return cb, nil
}

func flipPTSEnvelope(cb Callback) (Callback, error) {
	text, put, err := cb.sealedPTS()
	if err != nil {
		return Callback{}, err
	}
	if text, err = flipBase64(text, half); err != nil {
		return Callback{}, err
	}
	return put(text)
}

// sealedPTS returns the text of the envelope, and a function that replaces it
// without renewing X-Transaction-Signature.
func (cb Callback) sealedPTS() (string, func(string) (Callback, error), error) {
	out := cb.Clone()
	if !looksLikeJSON(cb.Body) {
		if !isBase64(cb.Body) {
			return "", nil, errors.New("payacktest: the body has no envelope")
		}
		return string(cb.Body), func(text string) (Callback, error) {
			out.Body = []byte(text)
			return out, nil
		}, nil
	}
	d, err := parseDocument(cb.Body, false)
	if err != nil {
		return "", nil, err
	}
	data := d.find("data")
	if data == nil || data.Kind != strict.String || d.find("sign") != nil {
		return "", nil, errors.New("payacktest: the body has no envelope")
	}
	return data.Text, func(text string) (Callback, error) {
		var err error
		out.Body, err = d.set("data", quote(text))
		return out, err
	}, nil
}

// flipPTSTransaction flips a bit of X-Transaction-Signature, in base64 or hex.
func flipPTSTransaction(text string) (string, error) {
	if isHex(text) {
		return flipHex(text)
	}
	return flipBase64(text, half)
}

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// The key pair of NewPTSKeys. It is published here, so no account may use it.
const (
	throwawayPrivateKey = `-----BEGIN PRIVATE KEY-----
MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQDch2gdJABDMEx4
NVwcwSJHlN5KcXqfvjHaDVllFAPl13s9AL2S5fR1qiLqy6zR7ptB5/zMfrW/0+Fn
DlA6xFC8wW0DIwN3GcDjJWjew67nP5zvT4eWK3fmOQ44btzXurDYkHe6NiaqyIx2
2trFy09DYDJ+uyxgWXhsWwDYYiRN9U1LL+B5NFMMirYKdnGAfkmJZjAFHRqEguhP
/q0yLqlZLI4CmcZG/WWFyCFCSu7O2fVKL/4Df6tKh7OgOD5D21s9jyTcR5I8bnO1
xveIJnwX/qF8S476hVBDQHGzP4lVEZoARzUdxO1qgl5lJPAFTQ8Tqw7p9KAYFKOW
mz4VfFHTAgMBAAECggEADhd8+KrtqJCnVXsbaR74rZhLe0UbFkAVRJ8ojWpYNJ5I
J4X3lzGoi46uooN9uWbeduyrEJCV1PpmFquPrUgQ9khp5EYFf6o4Ob7EBimwI68p
IqwM68FyICNlnDrBU+uzFA01ovZSeQSA4H6fQjDGq0Ial+yMxMj5OZTrGrVsWned
WsT5NvKTynpZejV8plxAgMswHg73HsKl1kte5I3ZAkcIPQyAeF4e3hYI0flqzzRU
F8Y3ctp/yfJLIIYJZZX6AYIu+gvvn9J8iKDvwMc/F2SLTD1kFHTASQ+njrnOlVIQ
RJzILm61ciPWOPKsPfolaoXnKLJV3AePRCHRnyxUoQKBgQDypauNccMQ7HP4p4xi
34MaCf8pNcSRNwMEINpAsTHspdkIms2nL9++sIAmgtwNYwSd4dcTmmXaoBkGsY9m
82pH7LRSoiCAWxOFad7wo2E8ElgVlpl7VPVmWR02Prpb8SFCwKpikcLKiRShY6K1
NxP+TNbryR2/UMQmNS7WOuPRwwKBgQDoqiSI4I1SGfFa/oEhTqhKGT+tM+yLpHcK
NeP7PzPtcBfQhFlDYpAfGYt8Ioji3/KH+aWClUnr+c+GewD+zYPkShtO3olQRaaD
vW6/CNMyGCJUPtq1Z+q1Hz0gMUFHm3qIKPeNSSnRKLm/5GSOzqnsjx6pbkkFxsy8
lVRu7ufusQKBgDpJn8cvf7tOAaHGpcuOg5C6vAerOdfkTh4swiDuL974DAWsIiC6
OFY3UeFuZ+vzUEWY3bCA01zMPpbECn2hlXNHoh2Dgqkyt6LBxuMpbA8hHPW6oo3k
37pBR+oi8WNqriG55HQfLZq3iTQnmgtL+sqIrMwhGLs/bI79EY42wUk/AoGAeOG9
bahNhHSaI47LhISbhzQrE1BA/CSM/K8XLjieQCTXGq1Iu2wAOUhKYkqHGGkGV4Nr
bLcn2wTFv7c0wy3/8qJWIdoZOa2WYCgR3As3v3UukNq/QzUkisoaNhmhMxUiyo+O
Xse+hD9Gkt6VKGVTf+a0JY95PRkW0nw7jA9wTWECgYBLS9Qq3eF4vBrCcWVcpRu1
kZVILGmPX3hOxhYj9G2Cs7dUF5XbiU5exwVkoHOhZe8VOSKFL+tXRX7hCF5JA3dp
6oIoq+NwtWAAnloWVf2zoD8SRHJ6Z1A0LfQULBXH/PovY+1CuHvF6OJd87oBtibj
MiRa4CSoJ1MvM+uXVzCsnQ==
-----END PRIVATE KEY-----
`
	throwawayPublicKey = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA3IdoHSQAQzBMeDVcHMEi
R5TeSnF6n74x2g1ZZRQD5dd7PQC9kuX0daoi6sus0e6bQef8zH61v9PhZw5QOsRQ
vMFtAyMDdxnA4yVo3sOu5z+c70+Hlit35jkOOG7c17qw2JB3ujYmqsiMdtraxctP
Q2AyfrssYFl4bFsA2GIkTfVNSy/geTRTDIq2CnZxgH5JiWYwBR0ahILoT/6tMi6p
WSyOApnGRv1lhcghQkruztn1Si/+A3+rSoezoDg+Q9tbPY8k3EeSPG5ztcb3iCZ8
F/6hfEuO+oVQQ0Bxsz+JVRGaAEc1HcTtaoJeZSTwBU0PE6sO6fSgGBSjlps+FXxR
0wIDAQAB
-----END PUBLIC KEY-----
`
)
