package verify

import (
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/internal/keytext"
	"github.com/payack/payack/internal/strict"
	"github.com/payack/payack/internal/strictbase64"
)

// PTSTransactionHeader is the header that carries the HMAC-SHA256 of an envelope
// under the transaction secret. PTS's API v2 document requires it on requests.
const PTSTransactionHeader = "X-Transaction-Signature"

// PTSSignatureEncoding is how [PTSTransactionHeader] spells its 32 bytes.
type PTSSignatureEncoding string

// The encodings of [PTSTransactionHeader]. PTS requires base64 in requests. Whether
// PTS's own messages have this header is unconfirmed, and so is their encoding.
const (
	PTSBase64 PTSSignatureEncoding = "base64"
	PTSHex    PTSSignatureEncoding = "hex"
)

// PTSKeyConfig configures the keys of one PTS account. Safecode and PublicKeys are
// required.
type PTSKeyConfig struct {
	// Tenant distinguishes accounts that share an endpoint: it becomes part of each
	// event's identity. It may be empty.
	Tenant string
	// UserID, if set, must be the user_id of every message. Any other user_id is
	// [payack.ErrInvalid].
	UserID string
	// Safecode is the end of every signed text and the key of envelopes.
	Safecode payack.Secret
	// SafecodeEncoding is how the safecode becomes an AES key; empty is
	// [envelope.PTSRaw].
	SafecodeEncoding envelope.PTSEncoding
	// PublicKeys are PTS's RSA keys of at least 1024 bits, each as one PEM block,
	// PUBLIC KEY or RSA PUBLIC KEY. Give several while keys are rotated.
	PublicKeys []string
	// TransactionSecret, if set, makes [PTSTransactionHeader] required: callbacks
	// without the header or without an envelope are refused. Whether PTS sends the
	// header with callbacks is unconfirmed.
	TransactionSecret payack.Secret
	// NoEnvelopes refuses envelopes, for accounts whose safecode is no AES key.
	// SafecodeEncoding is then ignored, and TransactionSecret must be empty.
	NoEnvelopes bool
}

// PTSKeys are the keys of one PTS account, parsed and prepared. They are safe for
// concurrent use; build them once, not for each request.
type PTSKeys struct {
	config            PTSKeyConfig
	tenant, userID    string
	safecode          payack.Secret
	envelope          *envelope.PTS // nil: switched off
	public            []*rsa.PublicKey
	transactionSecret payack.Secret
}

// NewPTSKeys parses and prepares the keys of an account. An error names the member
// of the configuration and the fix, and repeats no secret.
func NewPTSKeys(c PTSKeyConfig) (*PTSKeys, error) {
	if err := checkPTSSecrets(c.Safecode, c.TransactionSecret); err != nil {
		return nil, err
	}
	if problem := keytext.Problem(c.UserID); c.UserID != "" && problem != "" {
		return nil, errors.New("payack: UserID: " + problem)
	}
	if len(c.PublicKeys) == 0 {
		return nil, errors.New("payack: PublicKeys: no key is given; give PTS's public key as PEM")
	}
	k := &PTSKeys{config: c, tenant: c.Tenant, userID: c.UserID, safecode: c.Safecode, transactionSecret: c.TransactionSecret}
	for i, text := range c.PublicKeys {
		key, err := parsePublicKey(text)
		if err != nil {
			return nil, fmt.Errorf("payack: PublicKeys: key %d: %w", i+1, err)
		}
		k.public = append(k.public, key)
	}
	if c.NoEnvelopes {
		if !c.TransactionSecret.IsZero() {
			return nil, errors.New("payack: TransactionSecret: it signs envelopes, which are switched off; leave one of the two out")
		}
		return k, nil
	}
	e, err := envelope.NewPTS(c.Safecode, c.SafecodeEncoding)
	if err != nil {
		return nil, err
	}
	k.envelope = e
	return k, nil
}

// checkPTSSecrets checks both secrets. The transaction secret may be empty.
func checkPTSSecrets(safecode, transactionSecret payack.Secret) error {
	const source = "PTS's back office shows it"
	err := checkSecret("Safecode", safecode, source)
	if err == nil && !transactionSecret.IsZero() {
		err = checkSecret("TransactionSecret", transactionSecret, source)
	}
	return err
}

// Config returns the configuration of the keys. Its secrets print redacted. Do not
// change its slice.
func (k *PTSKeys) Config() PTSKeyConfig { return k.config }

// Tenant returns the tenant of the configuration.
func (k *PTSKeys) Tenant() string { return k.tenant }

// PTSOptions selects which readings of PTS's API v2 document a verifier accepts.
// The zero value accepts numbers in either spelling.
type PTSOptions struct {
	// Numbers lists the spellings of amounts and the rate that PTS may have signed:
	// [payack.SchemeLiteral] is the text as sent, [payack.SchemePHP] is what PHP
	// writes for that number (100.5 for 100.50). Empty accepts both. The document
	// doesn't say which one applies: pin the one that your callbacks report. PHP's
	// text has 14 digits. So under SchemePHP, further digits of an amount's literal
	// are not signed, and can be changed in transit. [payack.Amount.SignedText]
	// returns the signed text.
	Numbers []payack.Scheme
	// TransactionSignature is the encoding of [PTSTransactionHeader]; empty is
	// [PTSBase64]. It applies only if the keys have a transaction secret.
	TransactionSignature PTSSignatureEncoding
	// TransactionWholeBody makes the HMAC in [PTSTransactionHeader] cover the whole
	// body {"data":"…"} instead of the base64 text in it. PTS's document doesn't
	// say which of the two PTS signs. For an envelope as text/plain the two are the
	// same.
	TransactionWholeBody bool
	// Sniff reads a body as JSON if it begins with {, or if its content type is not
	// text/plain.
	Sniff bool
}

// PTS verifies callbacks and responses of PTS (Pagarstar). It is safe for
// concurrent use.
type PTS struct {
	literal, php bool
	hexHeader    bool
	wholeBody    bool
	sniff        bool
	options      PTSOptions
}

// NewPTS returns a verifier. An error names the option and the fix.
func NewPTS(o PTSOptions) (*PTS, error) {
	numbers, err := pickSchemes("Numbers", o.Numbers, numberSchemes)
	if err != nil {
		return nil, err
	}
	v := &PTS{literal: slices.Contains(numbers, payack.SchemeLiteral), php: slices.Contains(numbers, payack.SchemePHP), sniff: o.Sniff, wholeBody: o.TransactionWholeBody, options: o}
	switch o.TransactionSignature {
	case "", PTSBase64:
	case PTSHex:
		v.hexHeader = true
	default:
		return nil, fmt.Errorf(`payack: TransactionSignature: unknown encoding %q; choose "base64" or "hex"`, string(o.TransactionSignature))
	}
	return v, nil
}

// Options returns the verifier's options. Do not change their slice.
func (v *PTS) Options() PTSOptions { return v.options }

// Accepts reports whether Verify accepts bodies of this Content-Type.
func (v *PTS) Accepts(contentType string) bool {
	m := media(contentType)
	return v.sniff || m == mediaJSON || m == mediaText
}

// The members of a callback. ptsSigned is in the order of the signed text, which is
// the ASCII order of the names.
var (
	ptsSigned = []string{
		"accept_amount", "accept_currency", "channel", "exchange_rate", "order_id", "status",
		"submit_amount", "submit_currency", "timestamp", "transaction_id", "user_id",
	}
	ptsKnown = knownOf(append([]string{"sign"}, ptsSigned...),
		"submit_promo", "accept_promo", "payment_address", "receiving_address",
		"error_message", "reference_number", "details_url")
	ptsWrapper = knownOf([]string{"sign", "data"}, "code", "message")
	// ptsNames are the members that errors may name.
	ptsNames = slices.Concat(ptsKnown.all, ptsWrapper.all)
)

// Verify decodes and verifies a callback in any of PTS's four shapes. As
// text/plain, a callback is an envelope. As application/json, it is a flat object,
// an envelope in the member data, or an object in the member data.
//
// The error is [payack.ErrMalformed], [payack.ErrEnvelope], [payack.ErrSignature],
// [payack.ErrInvalid], or [payack.ErrUnknownTenant] for nil keys. With ErrInvalid
// the signature matches, but the event breaks a rule or has another user_id than
// the keys: Verify returns both, and the event must not be acted on. With every
// other error the event is nil.
//
// If the signature has not matched, do not tell the sender which error it was. A
// sender who can distinguish ErrEnvelope from ErrSignature has a padding oracle.
func (v *PTS) Verify(m Message, k *PTSKeys) (*payack.PTSEvent, error) { return v.run(m, k, nil) }

// Explain verifies like Verify and lists each step.
func (v *PTS) Explain(m Message, k *PTSKeys) Explanation {
	var t trace
	ev, err := v.run(m, k, &t)
	return t.explanation(ev, err)
}

func (v *PTS) run(m Message, k *PTSKeys, t *trace) (*payack.PTSEvent, error) {
	if k == nil {
		return nil, reject(payack.PTS, payack.ReasonUnknownTenant, "no keys")
	}
	room := takeRoom()
	defer room.release()
	fields, err := v.open(room[:0], m, k, t)
	if err != nil {
		return nil, err
	}
	t.fields(fields)
	if err := ptsKnown.mark(fields); err != nil {
		return nil, malformed(payack.PTS, err)
	}
	ev, signed, err := ptsEvent(fields)
	if err != nil {
		return nil, err
	}
	if err := v.verify(ev, &signed, fields, k, t); err != nil {
		return nil, err
	}
	if err := ev.Check(); err != nil {
		return ev, invalid(payack.PTS, err)
	}
	if k.userID != "" && ev.UserID != k.userID {
		return ev, reject(payack.PTS, payack.ReasonInvalid, "user_id is not the configured one")
	}
	return ev, nil
}

// shortestEnvelope is one block in base64.
const shortestEnvelope = 24

// open recognises the shape of the message and returns the members of the callback.
// They may use the memory of dst. They are hostile until the signature has been
// verified.
func (v *PTS) open(dst []strict.Field, m Message, k *PTSKeys, t *trace) ([]strict.Field, error) {
	kind := media(m.ContentType)
	if v.sniff && (kind != mediaText || looksLikeJSON(m.Body)) {
		kind = mediaJSON
	}
	switch kind {
	case mediaText:
		t.note("shape", "an envelope as text/plain")
		return v.openEnvelope(dst, m, m.Body, k, t)
	case mediaJSON:
	default:
		return nil, reject(payack.PTS, payack.ReasonMalformed, "the content type is neither application/json nor text/plain")
	}
	fields, inner, err := strict.Within(dst, m.Body, "data", ptsNames...)
	if err != nil && len(m.Body) >= shortestEnvelope && mangledBase64(m.Body) == "" {
		return nil, reject(payack.PTS, payack.ReasonMalformed, "it is base64, not JSON; have an envelope announced as text/plain, or put it into the member data")
	}
	if err != nil {
		return nil, malformed(payack.PTS, err)
	}
	if strict.Find(fields, "sign") != nil {
		t.note("shape", "a flat JSON object")
		return v.flat(fields, k)
	}
	if err := ptsWrapper.mark(fields); err != nil {
		return nil, malformed(payack.PTS, err)
	}
	data := strict.Find(fields, "data")
	switch {
	case data == nil:
		return nil, reject(payack.PTS, payack.ReasonMalformed, "neither sign nor data is there")
	case data.Kind == strict.String:
		t.note("shape", "an envelope in the member data")
		return v.openEnvelope(dst, m, data.Text, k, t)
	case data.Kind == strict.Object:
		t.note("shape", "an object in the member data")
		return v.flat(inner, k)
	}
	return nil, reject(payack.PTS, payack.ReasonMalformed, "data is neither a string nor an object")
}

// flat returns members that came without an envelope. It refuses them if there is a
// transaction secret, whose HMAC covers envelopes only.
func (v *PTS) flat(fields []strict.Field, k *PTSKeys) ([]strict.Field, error) {
	if !k.transactionSecret.IsZero() {
		return nil, reject(payack.PTS, payack.ReasonEnvelope, "no envelope, and the transaction secret covers envelopes only")
	}
	return fields, nil
}

func (v *PTS) openEnvelope(dst []strict.Field, m Message, sealed string, k *PTSKeys, t *trace) ([]strict.Field, error) {
	if looksLikeJSON(sealed) { // base64 has no {
		return nil, reject(payack.PTS, payack.ReasonEnvelope, "it is JSON where an envelope is expected; have it announced as application/json, or set Sniff")
	}
	if k.envelope == nil {
		return nil, reject(payack.PTS, payack.ReasonEnvelope, "an envelope, and envelopes are switched off")
	}
	if !k.transactionSecret.IsZero() {
		covered := sealed
		if v.wholeBody {
			covered = m.Body
		}
		if problem := v.transactionSignature(m, covered, k); problem != "" {
			return nil, reject(payack.PTS, payack.ReasonSignature, PTSTransactionHeader+problem)
		}
		t.note("header", PTSTransactionHeader+" is right")
	}
	opened, err := k.envelope.Open([]byte(sealed))
	if err != nil {
		return nil, reject(payack.PTS, payack.ReasonEnvelope, because("it does not open with the safecode", mangledBase64(sealed)))
	}
	plain := string(opened)
	if !looksLikeJSON(plain) { // one wrong key in 256 yields valid padding
		return nil, reject(payack.PTS, payack.ReasonEnvelope, "it opens with the safecode, but not to a JSON object")
	}
	t.note("envelope", "it opens with the safecode")
	fields, err := strict.JSON(dst, plain, ptsNames...)
	if err != nil {
		return nil, malformed(payack.PTS, err)
	}
	if strict.Find(fields, "sign") == nil {
		return nil, reject(payack.PTS, payack.ReasonMalformed, "sign is missing in the envelope")
	}
	return fields, nil
}

// transactionSignature checks the HMAC over covered in [PTSTransactionHeader]. It says
// what is wrong with that header, or returns "".
func (v *PTS) transactionSignature(m Message, covered string, k *PTSKeys) (problem string) {
	values := m.Header[PTSTransactionHeader]
	if len(values) != 1 {
		return " is missing or given twice"
	}
	mac := ptsTransactionMAC(k.transactionSecret, []byte(covered))
	want := base64.StdEncoding.EncodeToString(mac)
	if v.hexHeader {
		want = hex.EncodeToString(mac)
	}
	if hmac.Equal([]byte(values[0]), []byte(want)) {
		return ""
	}
	// The hints below depend on the header alone and not on the secret.
	switch b, err := hex.DecodeString(values[0]); {
	case !v.hexHeader && err == nil && len(b) == len(mac):
		return " is wrong: it is hex digits where base64 is expected; see the option TransactionSignature"
	case v.hexHeader && len(values[0]) == 44 && mangledBase64(values[0]) == "":
		return " is wrong: it is base64 where hex digits are expected; see the option TransactionSignature"
	case v.hexHeader:
		return " is wrong"
	}
	return because(" is wrong", mangledBase64(values[0]))
}

func ptsTransactionMAC(secret payack.Secret, sealed []byte) []byte {
	h := hmac.New(sha256.New, []byte(secret.Reveal()))
	h.Write(sealed)
	return h.Sum(nil)
}

// ptsTexts are the values of the signed members, in the order of ptsSigned.
type ptsTexts [11]string

// ptsEvent builds the event and the texts that may have been signed. Both are
// hostile until the signature has been verified.
func ptsEvent(fields []strict.Field) (ev *payack.PTSEvent, texts ptsTexts, err error) {
	m := members{fields: fields}
	ev = &payack.PTSEvent{
		UserID:         m.id("user_id").String(),
		OrderID:        m.id("order_id").String(),
		TransactionID:  m.id("transaction_id").String(),
		Status:         payack.PTSStatus(m.id("status").String()),
		Timestamp:      m.id("timestamp"),
		Channel:        m.word("channel"),
		SubmitCurrency: m.word("submit_currency"),
		SubmitAmount:   m.amount("submit_amount"),
		AcceptCurrency: m.word("accept_currency"),
		AcceptAmount:   m.amount("accept_amount"),
		ExchangeRate:   m.amount("exchange_rate"),
		Unsigned: payack.PTSUnsigned{
			SubmitPromo:      m.shownAmount("submit_promo"),
			AcceptPromo:      m.shownAmount("accept_promo"),
			PaymentAddress:   m.shown("payment_address"),
			ReceivingAddress: m.shown("receiving_address"),
			ErrorMessage:     m.shown("error_message"),
			ReferenceNumber:  m.shown("reference_number"),
			DetailsURL:       m.shown("details_url"),
			Extra:            m.extra(),
		},
	}
	if m.err != nil {
		return nil, texts, malformed(payack.PTS, m.err)
	}
	texts = ptsTexts{
		ev.AcceptAmount.String(), ev.AcceptCurrency.String(), ev.Channel.String(), ev.ExchangeRate.String(),
		ev.OrderID, string(ev.Status), ev.SubmitAmount.String(), ev.SubmitCurrency.String(),
		ev.Timestamp.String(), ev.TransactionID, ev.UserID,
	}
	for i, text := range texts {
		if ambiguous(text, ptsSigned) {
			return nil, texts, reject(payack.PTS, payack.ReasonMalformed, ptsSigned[i]+" contains & with the name of a signed member and =, which makes the signed text ambiguous")
		}
	}
	return ev, texts, nil
}

// ambiguous reports whether a value contains & followed by a signed name and =. The
// signed text escapes nothing, so such a value could be read as two members.
// ambiguous reads the value once: its cost is linear for hostile values too.
func ambiguous(value string, names []string) bool {
	from := -1 // the offset after the last &, or -1
	for i := range len(value) {
		switch value[i] {
		case '&':
			from = i + 1
		case '=':
			if from >= 0 && slices.Contains(names, value[from:i]) {
				return true
			}
			from = -1 // no name contains =
		}
	}
	return false
}

// verify tries the literal texts first, then PHP's texts of amounts and rate.
func (v *PTS) verify(ev *payack.PTSEvent, texts *ptsTexts, fields []strict.Field, k *PTSKeys, t *trace) error {
	f := strict.Find(fields, "sign")
	if f == nil || f.Kind != strict.String {
		return reject(payack.PTS, payack.ReasonMalformed, "sign is missing or not a string")
	}
	var buf [512]byte // room for 4096 bits
	signature, ok := strictbase64.Decode(buf[:0], f.Text)
	if !ok || len(signature) == 0 {
		return reject(payack.PTS, payack.ReasonSignature, because("sign is not strict base64", mangledBase64(f.Text)))
	}
	ev.Tenant, ev.Signature = k.tenant, f.Text
	if v.literal {
		if i := k.verify(texts, signature, payack.SchemeLiteral, t); i >= 0 {
			ev.Scheme, ev.Key = payack.SchemeLiteral, i
			return nil
		}
	}
	if v.php && phpTexts(ptsSigned, texts[:], fields, !v.literal) {
		if i := k.verify(texts, signature, payack.SchemePHP, t); i >= 0 {
			ev.Scheme, ev.Key = payack.SchemePHP, i
			ev.AcceptAmount = ev.AcceptAmount.Signed(texts[0])
			ev.ExchangeRate = ev.ExchangeRate.Signed(texts[3])
			ev.SubmitAmount = ev.SubmitAmount.Signed(texts[6])
			return nil
		}
	}
	return reject(payack.PTS, payack.ReasonSignature, "no public key verifies it under either spelling of the numbers; check safecode and public key")
}

// phpTexts replaces the literals of amounts and rate in texts with PHP's texts. It
// reports whether the caller must verify the result. The caller must do so if a text
// has changed, or if the parameter any is true: then the caller has not tried the
// literals. PHP leaves strings as they are, so only JSON numbers change. If PHP would
// round an identifier, PHP did not sign this message, and phpTexts reports false.
func phpTexts(names, texts []string, fields []strict.Field, any bool) bool {
	for i, name := range names {
		switch name {
		case "accept_amount", "exchange_rate", "submit_amount":
			f := strict.Find(fields, name)
			if text, ok := phpNumber(f); ok && text != texts[i] {
				texts[i], any = text, true
			}
		}
	}
	return any && phpIntegers(fields, "user_id", "order_id", "transaction_id", "status", "timestamp")
}

// verify returns the index of the key that verifies the signature, or -1.
func (k *PTSKeys) verify(texts *ptsTexts, signature []byte, scheme payack.Scheme, t *trace) int {
	var buf [512]byte
	text := appendPTSText(buf[:0], ptsSigned, texts[:], k.safecode)
	t.signed(scheme, text, k.safecode)
	digest := sha256.Sum256(text)
	for i, key := range k.public {
		err := rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature)
		if t.tried(scheme, i, err == nil); err == nil {
			return i
		}
	}
	return -1
}

// appendPTSText appends name=value pairs joined by &, then & and the safecode.
func appendPTSText(dst []byte, names, values []string, safecode payack.Secret) []byte {
	for i, name := range names {
		dst = append(dst, name...)
		dst = append(dst, '=')
		dst = append(dst, values[i]...)
		dst = append(dst, '&')
	}
	return append(dst, safecode.Reveal()...)
}

const minRSABits = 1024

func checkBits(bits int) error {
	if bits < minRSABits {
		return errors.New("an RSA key of " + strconv.Itoa(bits) + " bits can be forged; use one of at least 1024, better 2048")
	}
	return nil
}
