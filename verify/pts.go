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

// PTSTransactionHeader is the header that carries the HMAC over an envelope.
const PTSTransactionHeader = "X-Transaction-Signature"

// PTSSignatureEncoding says how that header spells its 32 bytes.
type PTSSignatureEncoding string

// The encodings. Base64 is what PTS wants from merchants; which one its own
// messages would use is unconfirmed.
const (
	PTSBase64 PTSSignatureEncoding = "base64"
	PTSHex    PTSSignatureEncoding = "hex"
)

// PTSKeyConfig is what the keys of one PTS account are made of.
type PTSKeyConfig struct {
	// Tenant is the scope of once-only when several accounts share an endpoint.
	Tenant string
	// UserID, when set, must be the user_id of every callback.
	UserID string
	// Safecode is the end of every signed text, and the key of envelopes.
	Safecode payack.Secret
	// SafecodeEncoding is how it becomes an AES key; empty is raw.
	SafecodeEncoding envelope.PTSEncoding
	// PublicKeys are PTS's keys as PEM, PUBLIC KEY or RSA PUBLIC KEY, at least
	// 1024 bits. Several are for rotation.
	PublicKeys []string
	// TransactionSecret, when set, makes X-Transaction-Signature required:
	// bodies without an envelope are then refused. Whether PTS sends the header
	// with callbacks is unconfirmed.
	TransactionSecret payack.Secret
	// NoEnvelopes switches envelopes off, for accounts whose safecode is no AES
	// key and whose callbacks are flat. SafecodeEncoding then has no meaning.
	NoEnvelopes bool
}

// PTSKeys are the prepared keys of one PTS account. They are safe for
// concurrent use; build them once, not for each request.
type PTSKeys struct {
	config            PTSKeyConfig
	tenant, userID    string
	safecode          payack.Secret
	envelope          *envelope.PTS // nil: switched off
	public            []*rsa.PublicKey
	transactionSecret payack.Secret
}

// NewPTSKeys prepares keys. Errors name the member of the configuration and
// the fix.
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

// checkPTSSecrets checks both secrets; the second may be empty.
func checkPTSSecrets(safecode, transactionSecret payack.Secret) error {
	const source = "PTS's back office shows it"
	err := checkSecret("Safecode", safecode, source)
	if err == nil && !transactionSecret.IsZero() {
		err = checkSecret("TransactionSecret", transactionSecret, source)
	}
	return err
}

// Config returns what the keys were made of. Its secrets print redacted. Do not
// change what it holds.
func (k *PTSKeys) Config() PTSKeyConfig { return k.config }

// Tenant returns the scope that the keys were made for.
func (k *PTSKeys) Tenant() string { return k.tenant }

// PTSOptions says which readings of PTS's documents a verifier takes.
type PTSOptions struct {
	// Numbers are the texts of a number that may have been signed, literal and
	// php; empty takes both. Pin the one that your callbacks report: PHP's text
	// has 14 digits, so under php a relay can change an amount's literal beyond
	// them, and [payack.Amount.SignedText] is what was signed.
	Numbers []payack.Scheme
	// TransactionSignature is the encoding of X-Transaction-Signature; empty is
	// base64. It counts only where the keys have a transaction secret.
	TransactionSignature PTSSignatureEncoding
	// TransactionWholeBody has it cover the whole body of the {"data"} form in
	// place of the base64 text in it. (Which of the two PTS means is not
	// documented; of a text/plain envelope both are the same.)
	TransactionWholeBody bool
	// Sniff takes a body that opens an object as JSON, whatever type it was
	// announced with.
	Sniff bool
}

// PTS verifies callbacks of PTS (Pagarstar).
type PTS struct {
	literal, php bool
	hexHeader    bool
	wholeBody    bool
	sniff        bool
	options      PTSOptions
}

// NewPTS returns a verifier. Errors name the option and the fix.
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

// Options returns the options that the verifier was made of. Do not change what
// they hold.
func (v *PTS) Options() PTSOptions { return v.options }

// Accepts reports whether Verify takes bodies of this Content-Type.
func (v *PTS) Accepts(contentType string) bool {
	m := media(contentType)
	return v.sniff || m == mediaJSON || m == mediaText
}

// The members of a callback. The signed ones stand in the order in which they
// are signed, which is that of their names.
var (
	ptsSigned = []string{
		"accept_amount", "accept_currency", "channel", "exchange_rate", "order_id", "status",
		"submit_amount", "submit_currency", "timestamp", "transaction_id", "user_id",
	}
	ptsKnown = knownOf(append([]string{"sign"}, ptsSigned...),
		"submit_promo", "accept_promo", "payment_address", "receiving_address",
		"error_message", "reference_number", "details_url")
	ptsWrapper = knownOf([]string{"sign", "data"}, "code", "message")
	// ptsNames are named in errors, wherever they stand.
	ptsNames = slices.Concat(ptsKnown.all, ptsWrapper.all)
)

// Verify opens, decodes and verifies a callback in any of PTS's four shapes:
// an envelope as text/plain, and under application/json a flat object, an
// envelope in the member data, or an object in the member data.
//
// An event that breaks a rule, or is of another user_id than the configured one,
// comes back beside the error, which is [payack.ErrInvalid]: it is authentic, and
// not to be acted on. With every other error the event is nil.
func (v *PTS) Verify(m Message, k *PTSKeys) (*payack.PTSEvent, error) { return v.run(m, k, nil) }

// Explain verifies like Verify, and tells each step.
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

// open recognises the shape and returns the flat members, in dst as far as there
// is room. They are hostile until the signature has been verified.
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

// flat lets members that came without an envelope pass, unless the transaction
// secret asks for one: its HMAC covers nothing else.
func (v *PTS) flat(fields []strict.Field, k *PTSKeys) ([]strict.Field, error) {
	if !k.transactionSecret.IsZero() {
		return nil, reject(payack.PTS, payack.ReasonEnvelope, "no envelope, and the transaction secret covers envelopes only")
	}
	return fields, nil
}

func (v *PTS) openEnvelope(dst []strict.Field, m Message, sealed string, k *PTSKeys, t *trace) ([]strict.Field, error) {
	if looksLikeJSON(sealed) { // and no base64
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
	if !looksLikeJSON(plain) { // padding alone lets one wrong key in 256 pass
		return nil, reject(payack.PTS, payack.ReasonEnvelope, "what it opens to with the safecode is no JSON object")
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

// transactionSignature checks the HMAC over a text. It returns what is wrong with
// the header, or nothing.
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
	// What follows is seen from the header alone.
	switch b, err := hex.DecodeString(values[0]); {
	case !v.hexHeader && err == nil && len(b) == len(mac):
		return " is wrong: it has hex digits, and base64 is expected; see the option TransactionSignature"
	case v.hexHeader && len(values[0]) == 44 && mangledBase64(values[0]) == "":
		return " is wrong: it is base64, and hex digits are expected; see the option TransactionSignature"
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

// ptsEvent gives the members their types. Nothing of it may be used before the
// signature has been verified.
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
			return nil, texts, reject(payack.PTS, payack.ReasonMalformed, ptsSigned[i]+" holds the border of another signed member")
		}
	}
	return ev, texts, nil
}

// ambiguous reports whether a value holds & and a signed name and =. The signed
// text escapes nothing, so such a value can be read as two members. It reads the
// value once, whatever is in it.
func ambiguous(value string, names []string) bool {
	from := -1 // where a name may have begun, behind the last &
	for i := range len(value) {
		switch value[i] {
		case '&':
			from = i + 1
		case '=':
			if from >= 0 && slices.Contains(names, value[from:i]) {
				return true
			}
			from = -1 // no name holds =
		}
	}
	return false
}

// verify tries the literal texts first, then PHP's text of the three numbers.
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
	return reject(payack.PTS, payack.ReasonSignature, "no key and no text of numbers verifies it; check safecode and public key")
}

// phpTexts puts PHP's texts of amounts and rate in the place of the literals. It
// reports whether there is a text of PHP to try: one that is not the literal,
// or any, as asked for. Only JSON numbers have one: PHP leaves strings as they
// are. Identifiers are never rewritten, and one that PHP would round was not
// signed by PHP.
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

// verify returns the index of the key that the signature is of, or -1.
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
