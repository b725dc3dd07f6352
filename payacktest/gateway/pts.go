package gateway

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/shopspring/decimal"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/internal/strict"
	"github.com/payack/payack/verify"
)

// PTSShape is how a fake PTS packs a callback.
type PTSShape string

// The shapes.
const (
	// PTSFlat: application/json, the members as they are.
	PTSFlat PTSShape = "flat"
	// PTSSealed: text/plain, the base64 of the envelope.
	PTSSealed PTSShape = "sealed"
	// PTSData: application/json, {"data":"<base64 of the envelope>"}.
	PTSData PTSShape = "data"
	// PTSNested: application/json, {"code","message","data":{…}}.
	PTSNested PTSShape = "nested"
)

// PTSConfig says what a fake PTS is like. The zero value is a working
// choice with throwaway keys.
type PTSConfig struct {
	// GUID and UserID are the merchant's; empty ones are guid-1 and 1.
	GUID, UserID string
	// Safecode and TransactionSecret are the merchant's; empty ones are made up.
	Safecode          payack.Secret
	SafecodeEncoding  envelope.PTSEncoding
	TransactionSecret payack.Secret
	// SystemKey signs what the gateway says, MerchantKey is what the merchant
	// signs with: PEM, PKCS#8 or PKCS#1. Empty ones are made once in a process.
	SystemKey, MerchantKey payack.Secret

	// Shape is how callbacks are packed; empty is flat.
	Shape PTSShape
	// Numbers is how amounts and rates are written and signed; empty is
	// literal.
	Numbers Numbers
	// SignEnvelopes puts X-Transaction-Signature on callbacks of the shapes
	// sealed and data, over the base64 of the envelope. (Whether PTS does is
	// unconfirmed.)
	SignEnvelopes bool
	// SealResponses answers with an envelope in the member data in place of an
	// object (unconfirmed).
	SealResponses bool

	// Currencies and Channels are those that are taken; empty takes all. The
	// refusals are 1008 and 1015.
	Currencies, Channels []string
	// MinAmount and MaxAmount bound payments and withdrawals, 1006 and 1005;
	// empty is no bound.
	MinAmount, MaxAmount string
	// Balances are the funds by currency that withdrawals are taken from; nil
	// is 1000000 PHP. A payment that succeeds adds to them.
	Balances map[string]string
	// AcceptCurrency and ExchangeRate tell what becomes of a payment's amount;
	// empty are the submitted currency and 1.
	AcceptCurrency, ExchangeRate string

	Options
}

// PTS is a fake of PTS's (Pagarstar's) API v2 on a loopback port, made
// after the provider's documents. It is safe for concurrent use.
//
// Endpoints, POST under /merchant/v2/{GUID}: /payment, /withdraw,
// /payment/query, /withdraw/query, /balance. They take the envelope as
// text/plain or as application/json {"data":…}, with X-Transaction-Signature
// over the body as sent. Answers are {"code","message","data"}; those of code
// 1000 are signed with the system key, of a balance the user_id only.
//
// A request is refused with the first code that fits, in this order:
//
//	1009  the GUID is another's
//	1010  X-Transaction-Signature is missing, given twice or wrong
//	1020  content type or JSON, duplicate members too
//	1017  the envelope does not open
//	1001  a required member is missing, empty or of the wrong type
//	1009  the user_id is another's
//	1010  sign does not verify
//	1020  the timestamp is more than 5 seconds off
//
// then 1001 for the amount (a string of at most 6 decimals, above 0) and the
// callback_url, 1008, 1015, 1006, 1005, 1003 for an order_id that was used
// before, 1007, and for queries 1002.
//
// Where the documents are silent, and all of this is unconfirmed: which code
// belongs to which failure as far as their names leave it open; refusals have
// HTTP status 200 and null in data; the signed members, sign and callback_url
// are required and redirect_url, error_url, remark, details and email are not
// looked at; an order_id is used once for payments and withdrawals together; a
// balance's figures are in the member balances, an object by currency; a
// callback is sent again when it is not answered with 200 and SUCCESS. Another
// method than POST is 405. Everything else is not documented and answered 404,
// except the page under pay_url, which says that it is one.
//
// Payments and withdrawals are named by their order_id. A change of state sends
// a callback to the callback_url. Callbacks of one order follow each other; the
// next begins when the one before it was acknowledged or given up.
type PTS struct {
	// URL is the base of all endpoints, without a slash at its end.
	URL string

	gateway
	config        PTSConfig
	signer        *verify.PTSSigner // with the system key
	forger        *verify.PTSSigner // with the merchant's key, which is not the right one for answers
	merchant      *rsa.PublicKey
	systemPublic  string
	orders        map[string]*PTSOrder
	pages         map[string]bool
	balances      map[string]decimal.Decimal
	min, max      decimal.NullDecimal
	rate          decimal.Decimal
	sealedByShape bool
}

// PTSOrder is a payment or a withdrawal that was made at a fake PTS.
type PTSOrder struct {
	Withdraw               bool
	OrderID, TransactionID string
	Channel                string
	// SubmitAmount is the text that the merchant sent.
	SubmitAmount, SubmitCurrency string
	AcceptAmount, AcceptCurrency string
	ExchangeRate                 string
	// PayURL is empty for a withdrawal.
	PayURL, CallbackURL string
	Status              payack.PTSStatus
	// Updated is the time of the last change of status.
	Updated time.Time
}

// PTSCallback is what a callback or a query's answer of PTS says. All
// but Extra is signed.
type PTSCallback struct {
	UserID, OrderID, TransactionID string
	Channel                        string
	SubmitAmount, SubmitCurrency   string
	AcceptAmount, AcceptCurrency   string
	ExchangeRate                   string
	Status                         payack.PTSStatus
	// Timestamp is ten digits.
	Timestamp string
	// Extra are unsigned members, as strings: reference_number, error_message.
	Extra map[string]string
	// BadSignature signs with a key that is not the system key.
	BadSignature bool
}

// NewPTS starts a fake PTS on a loopback port. Close it. An error names
// the member of the configuration, or says why it can't listen.
func NewPTS(c PTSConfig) (*PTS, error) {
	gw := &PTS{orders: make(map[string]*PTSOrder), pages: make(map[string]bool), balances: make(map[string]decimal.Decimal)}
	if err := gw.configure(c); err != nil {
		return nil, err
	}
	gw.handle = gw.answer
	gw.refuse = func(code string) answer { return ptsRefusal(code, "fault: Refusal") }
	gw.acknowledged = func(status int, body []byte) bool { return status == http.StatusOK && string(body) == "SUCCESS" }
	if err := gw.start(c.Options); err != nil {
		return nil, err
	}
	gw.URL = gw.base
	return gw, nil
}

func (gw *PTS) configure(c PTSConfig) error {
	var err error
	c.GUID, c.UserID = orText(c.GUID, "guid-1"), orText(c.UserID, "1")
	c.Safecode, c.TransactionSecret = secretOr(c.Safecode), secretOr(c.TransactionSecret)
	if c.SystemKey.IsZero() || c.MerchantKey.IsZero() {
		keys, err := defaultKeys()
		if err != nil {
			return err
		}
		if c.SystemKey.IsZero() {
			c.SystemKey = keys[0]
		}
		if c.MerchantKey.IsZero() {
			c.MerchantKey = keys[1]
		}
	}
	signer := func(key payack.Secret) (*verify.PTSSigner, error) {
		return verify.NewPTSSigner(verify.PTSSignerConfig{
			Safecode: c.Safecode, SafecodeEncoding: c.SafecodeEncoding, PrivateKey: key, TransactionSecret: c.TransactionSecret,
		})
	}
	if gw.signer, err = signer(c.SystemKey); err != nil {
		return fmt.Errorf("gateway: Safecode, SystemKey: %w", err)
	}
	if gw.forger, err = signer(c.MerchantKey); err != nil {
		return fmt.Errorf("gateway: MerchantKey: %w", err)
	}
	if gw.merchant, _, err = publicOf(c.MerchantKey); err != nil {
		return fmt.Errorf("gateway: MerchantKey: %w", err)
	}
	if _, gw.systemPublic, err = publicOf(c.SystemKey); err != nil {
		return fmt.Errorf("gateway: SystemKey: %w", err)
	}
	if c.Numbers, err = c.Numbers.orDefault(Literal); err != nil {
		return err
	}
	switch c.Shape {
	case "":
		c.Shape = PTSFlat
	case PTSFlat, PTSSealed, PTSData, PTSNested:
	default:
		return fmt.Errorf(`gateway: Shape: unknown shape %q; choose "flat", "sealed", "data" or "nested"`, string(c.Shape))
	}
	if gw.sealedByShape = c.Shape == PTSSealed || c.Shape == PTSData; c.SignEnvelopes && !gw.sealedByShape {
		return errors.New("gateway: SignEnvelopes: callbacks of this shape have no envelope; choose sealed or data")
	}
	for _, bound := range []struct {
		name, text string
		to         *decimal.NullDecimal
	}{{"MinAmount", c.MinAmount, &gw.min}, {"MaxAmount", c.MaxAmount, &gw.max}} {
		if bound.text == "" {
			continue
		}
		if bound.to.Decimal, bound.to.Valid = parseDecimal(bound.text); !bound.to.Valid {
			return fmt.Errorf("gateway: %s: it is not a plain decimal number", bound.name)
		}
	}
	c.ExchangeRate = orText(c.ExchangeRate, "1")
	var ok bool
	if gw.rate, ok = parseDecimal(c.ExchangeRate); !ok {
		return errors.New("gateway: ExchangeRate: it is not a plain decimal number")
	}
	if c.Balances == nil {
		c.Balances = map[string]string{"PHP": "1000000"}
	}
	for currency, text := range c.Balances {
		if gw.balances[currency], ok = parseDecimal(text); !ok {
			return errors.New("gateway: Balances: an entry is not a plain decimal number")
		}
	}
	c.Currencies, c.Channels = slices.Clone(c.Currencies), slices.Clone(c.Channels)
	gw.config = c
	return nil
}

// defaultKeys makes the default keys once, because it takes a while: the
// system's and the merchant's.
var defaultKeys = sync.OnceValues(func() (keys [2]payack.Secret, err error) {
	for i := range keys {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return keys, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return keys, err
		}
		keys[i] = payack.NewSecret(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	}
	return keys, nil
})

// publicOf returns the public half of a private key, parsed and as PEM.
func publicOf(private payack.Secret) (*rsa.PublicKey, string, error) {
	block, _ := pem.Decode([]byte(private.Reveal()))
	if block == nil {
		return nil, "", errors.New("it is no PEM")
	}
	var key *rsa.PrivateKey
	if parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		key, _ = parsed.(*rsa.PrivateKey)
	} else if key, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
		return nil, "", errors.New("it is neither PKCS#8 nor PKCS#1")
	}
	if key == nil {
		return nil, "", errors.New("it is not of RSA")
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	return &key.PublicKey, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), err
}

// GUID returns the merchant's GUID, which is part of every path.
func (gw *PTS) GUID() string { return gw.config.GUID }

// UserID returns the merchant's user_id.
func (gw *PTS) UserID() string { return gw.config.UserID }

// Safecode returns the merchant's safecode.
func (gw *PTS) Safecode() payack.Secret { return gw.config.Safecode }

// TransactionSecret returns the key of X-Transaction-Signature.
func (gw *PTS) TransactionSecret() payack.Secret { return gw.config.TransactionSecret }

// MerchantKey returns the private key, as PEM, that the merchant signs with.
func (gw *PTS) MerchantKey() payack.Secret { return gw.config.MerchantKey }

// PublicKey returns PTS's public key as PEM, which verifies what the gateway
// says.
func (gw *PTS) PublicKey() string { return gw.systemPublic }

// Order returns a payment or withdrawal by its order_id.
func (gw *PTS) Order(id string) (PTSOrder, bool) {
	gw.mu.Lock()
	defer gw.mu.Unlock()
	o, found := gw.orders[id]
	if !found {
		return PTSOrder{}, false
	}
	return *o, true
}

// Pay makes an order succeed (2000) and sends its callback.
func (gw *PTS) Pay(id string) error { return gw.Change(id, payack.PTSSuccess) }

// Process makes an order one that is being processed (1000) and sends its
// callback.
func (gw *PTS) Process(id string) error { return gw.Change(id, payack.PTSProcessing) }

// Fail makes an order fail (3000) and sends its callback. A withdrawal's money
// returns to the balance.
func (gw *PTS) Fail(id string) error { return gw.Change(id, payack.PTSFailed) }

// Expire makes an order expire (5000), after which it may still succeed, and
// sends its callback.
func (gw *PTS) Expire(id string) error { return gw.Change(id, payack.PTSExpired) }

// Change gives an order another status and sends its callback in the
// background. An unknown order, and one whose status is final, are errors. A
// status that the documents don't know is taken, for tests of what a merchant
// does with it.
func (gw *PTS) Change(id string, status payack.PTSStatus) error {
	return gw.change(id, status, true)
}

// SetStatus is Change without a callback, as if that had been lost.
func (gw *PTS) SetStatus(id string, status payack.PTSStatus) error {
	return gw.change(id, status, false)
}

func (gw *PTS) change(id string, status payack.PTSStatus, announce bool) error {
	gw.mu.Lock()
	defer gw.mu.Unlock()
	o, err := gw.find(id)
	switch {
	case err != nil:
		return err
	case status == "":
		return errors.New("gateway: the status is empty")
	case o.Status.Final():
		return fmt.Errorf("gateway: order %q has status %s, which is final", id, o.Status)
	}
	next := *o
	next.Status, next.Updated = status, gw.options.Now()
	if announce {
		m, err := gw.message(id, o.CallbackURL, gw.callback(&next))
		if err == nil {
			err = gw.announce(m)
		}
		if err != nil {
			return err
		}
	}
	*o = next
	switch {
	case !o.Withdraw && status == payack.PTSSuccess:
		gw.book(o.AcceptCurrency, o.AcceptAmount)
	case o.Withdraw && status.Final() && status != payack.PTSSuccess:
		gw.book(o.SubmitCurrency, o.SubmitAmount)
	}
	return nil
}

// book adds an amount, which was checked, to a balance.
func (gw *PTS) book(currency, amount string) {
	d, _ := parseDecimal(amount)
	gw.balances[currency] = gw.balances[currency].Add(d)
}

// Deliver sends a callback about an order as it stands, with retries, and
// returns when it was acknowledged or given up. Each edit may change what the
// callback says before it is signed: the gateway then lies, or tells of an
// earlier state. It does not wait for other deliveries. An error is for an
// unknown order, a callback that can't be made, the context, or a closed
// gateway; a callback that was not acknowledged is none.
func (gw *PTS) Deliver(ctx context.Context, id string, edit ...func(*PTSCallback)) (Delivery, error) {
	gw.mu.Lock()
	o, err := gw.find(id)
	if err != nil {
		gw.mu.Unlock()
		return Delivery{}, err
	}
	c, to := gw.callback(o), o.CallbackURL
	gw.mu.Unlock()
	for _, f := range edit {
		f(&c)
	}
	m, err := gw.message(id, to, c)
	if err != nil {
		return Delivery{}, err
	}
	return gw.deliver(ctx, m)
}

// find is called with mu held.
func (gw *PTS) find(id string) (*PTSOrder, error) {
	if o, found := gw.orders[id]; found {
		return o, nil
	}
	return nil, fmt.Errorf("gateway: there is no order %q", id)
}

func (gw *PTS) callback(o *PTSOrder) PTSCallback {
	return PTSCallback{
		UserID: gw.config.UserID, OrderID: o.OrderID, TransactionID: o.TransactionID, Channel: o.Channel,
		SubmitAmount: o.SubmitAmount, SubmitCurrency: o.SubmitCurrency,
		AcceptAmount: o.AcceptAmount, AcceptCurrency: o.AcceptCurrency, ExchangeRate: o.ExchangeRate,
		Status: o.Status, Timestamp: strconv.FormatInt(o.Updated.Unix(), 10),
	}
}

// say returns the members of what a callback, or a query's answer, says.
func (gw *PTS) say(m verify.PTSMessage, c PTSCallback) ([]byte, error) {
	timestamp := member{"timestamp", c.Timestamp}
	if !tenDigits.MatchString(c.Timestamp) { // whatever a test asks for, it stays JSON
		timestamp = textMember("timestamp", c.Timestamp)
	}
	members := append(gw.head(c),
		textMember("status", string(c.Status)),
		timestamp,
	)
	for _, name := range slices.Sorted(maps.Keys(c.Extra)) {
		members = append(members, textMember(name, c.Extra[name]))
	}
	return gw.signed(m, c, members, map[string]string{"status": string(c.Status), "timestamp": c.Timestamp})
}

// head returns the members that stand in every answer about an order.
func (gw *PTS) head(c PTSCallback) []member {
	n := gw.config.Numbers
	return []member{
		textMember("user_id", c.UserID),
		textMember("order_id", c.OrderID),
		textMember("transaction_id", c.TransactionID),
		textMember("channel", c.Channel),
		textMember("submit_currency", c.SubmitCurrency),
		n.member("submit_amount", c.SubmitAmount),
		textMember("accept_currency", c.AcceptCurrency),
		n.member("accept_amount", c.AcceptAmount),
		n.member("exchange_rate", c.ExchangeRate),
	}
}

func (gw *PTS) signed(m verify.PTSMessage, c PTSCallback, members []member, more map[string]string) ([]byte, error) {
	n := gw.config.Numbers
	values := map[string]string{
		"user_id": c.UserID, "order_id": c.OrderID, "transaction_id": c.TransactionID, "channel": c.Channel,
		"submit_currency": c.SubmitCurrency, "submit_amount": n.signed(c.SubmitAmount),
		"accept_currency": c.AcceptCurrency, "accept_amount": n.signed(c.AcceptAmount), "exchange_rate": n.signed(c.ExchangeRate),
	}
	maps.Copy(values, more)
	signer := gw.signer
	if c.BadSignature {
		signer = gw.forger
	}
	sign, err := signer.Sign(m, values)
	if err != nil {
		return nil, err
	}
	return object(append(members, textMember("sign", sign))...), nil
}

func (gw *PTS) message(id, to string, c PTSCallback) (message, error) {
	body, err := gw.say(verify.PTSCallback, c)
	if err != nil {
		return message{}, err
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if gw.sealedByShape {
		if body, err = gw.signer.Seal(body); err != nil {
			return message{}, err
		}
		if gw.config.SignEnvelopes {
			hmac, err := gw.signer.TransactionSignature(body, verify.PTSBase64)
			if err != nil {
				return message{}, err
			}
			header.Set(verify.PTSTransactionHeader, hmac)
		}
	}
	switch gw.config.Shape {
	case PTSSealed:
		header.Set("Content-Type", "text/plain")
	case PTSData:
		body = object(textMember("data", string(body)))
	case PTSNested:
		body = ptsBody("1000", "success", string(body))
	}
	return message{id: id, says: string(c.Status), url: to, header: header, body: body}, nil
}

func ptsBody(code, message, data string) []byte {
	return object(textMember("code", code), textMember("message", message), member{"data", data})
}

// ptsNames are the documented meanings of the codes.
var ptsNames = map[string]string{
	"1001": "field", "1002": "not found", "1003": "duplicate order", "1004": "quota", "1005": "too large", "1006": "too small",
	"1007": "balance", "1008": "currency", "1009": "unauthorized", "1010": "signature", "1011": "service",
	"1015": "channel mismatch", "1017": "decryption", "1018": "IP", "1020": "request", "9999": "unrecognised",
}

func ptsRefusal(code, why string) answer {
	return answer{
		status: http.StatusOK, contentType: "application/json",
		body: ptsBody(code, orText(ptsNames[code], "refused"), "null"), refusal: code + ": " + why,
	}
}

// ptsSkew is how far a request's timestamp may be off.
const ptsSkew = 5 * time.Second

var (
	tenDigits = regexp.MustCompile(`^[1-9][0-9]{9}$`)
	ptsAmount = regexp.MustCompile(`^(0|[1-9][0-9]{0,17})(\.[0-9]{1,6})?$`)
)

type ptsEndpoint struct {
	message  verify.PTSMessage
	required []string
	do       func(fields) answer
}

func (gw *PTS) endpoint(path string) *ptsEndpoint {
	order := []string{"user_id", "order_id", "amount", "currency", "channel", "timestamp", "callback_url", "sign"}
	query := []string{"user_id", "order_id", "timestamp", "sign"}
	switch path {
	case "payment":
		return &ptsEndpoint{verify.PTSPayment, order, func(f fields) answer { return gw.order(f, false) }}
	case "withdraw":
		return &ptsEndpoint{verify.PTSWithdraw, order, func(f fields) answer { return gw.order(f, true) }}
	case "payment/query":
		return &ptsEndpoint{verify.PTSPaymentQuery, query, func(f fields) answer { return gw.query(f, false) }}
	case "withdraw/query":
		return &ptsEndpoint{verify.PTSWithdrawQuery, query, func(f fields) answer { return gw.query(f, true) }}
	case "balance":
		return &ptsEndpoint{verify.PTSBalance, []string{"user_id", "timestamp", "sign"}, gw.balance}
	}
	return nil
}

// answer is called with mu held.
func (gw *PTS) answer(r *http.Request, body []byte) answer {
	if id, isPage := strings.CutPrefix(r.URL.Path, "/pay/"); isPage && gw.pages[id] {
		return customerPage()
	}
	rest, found := strings.CutPrefix(r.URL.Path, "/merchant/v2/")
	guid, path, _ := strings.Cut(rest, "/")
	e := gw.endpoint(path)
	switch {
	case !found || e == nil:
		return unknownPath()
	case r.Method != http.MethodPost:
		return wrongMethod(http.MethodPost)
	case guid != gw.config.GUID:
		return ptsRefusal("1009", "the GUID is another's")
	}
	if want, err := gw.signer.TransactionSignature(body, verify.PTSBase64); err != nil ||
		len(r.Header.Values(verify.PTSTransactionHeader)) != 1 || !sameSecret(r.Header.Get(verify.PTSTransactionHeader), want) {
		return ptsRefusal("1010", verify.PTSTransactionHeader+" is missing, given twice or wrong")
	}
	f, refusal := gw.open(r, body)
	if refusal != nil {
		return *refusal
	}
	if name := f.missing(e.required...); name != "" {
		return ptsRefusal("1001", name+" is missing, empty or of the wrong type")
	}
	if f.text("user_id") != gw.config.UserID {
		return ptsRefusal("1009", "the user_id is another's")
	}
	if why := gw.unsigned(e.message, f); why != "" {
		return ptsRefusal("1010", why)
	}
	timestamp := f.text("timestamp")
	sec, err := strconv.ParseInt(timestamp, 10, 64)
	if !tenDigits.MatchString(timestamp) || err != nil {
		return ptsRefusal("1001", "timestamp has not 10 digits")
	}
	// The wire has whole seconds, so the clock's fraction doesn't count.
	if off := time.Duration(gw.options.Now().Unix()-sec) * time.Second; off > ptsSkew || off < -ptsSkew {
		return ptsRefusal("1020", "timestamp is more than 5 seconds off")
	}
	return e.do(f)
}

// open returns the members in a request's envelope, or the refusal.
func (gw *PTS) open(r *http.Request, body []byte) (fields, *answer) {
	refuse := func(code, why string) (fields, *answer) {
		a := ptsRefusal(code, why)
		return nil, &a
	}
	sealed := body
	switch mediaType(r) {
	case "text/plain":
	case "application/json":
		f, wrong := readJSON(body, []string{"data"})
		if wrong != "" {
			return refuse("1020", wrong)
		}
		if data := strict.Find(f, "data"); data == nil || data.Kind != strict.String {
			return refuse("1020", "data is missing or not a string")
		}
		sealed = []byte(f.str("data"))
	default:
		return refuse("1020", "the content type is neither text/plain nor application/json")
	}
	plain, err := gw.signer.Open(sealed)
	if err != nil {
		return refuse("1017", "the envelope does not open")
	}
	f, wrong := readJSON(plain, []string{"user_id", "order_id", "amount", "currency", "channel", "timestamp",
		"callback_url", "redirect_url", "error_url", "remark", "details", "email", "sign"})
	if wrong != "" {
		return refuse("1020", wrong)
	}
	return f, nil
}

// unsigned says why the merchant's key has not signed a request.
func (gw *PTS) unsigned(m verify.PTSMessage, f fields) string {
	values := make(map[string]string)
	for _, name := range m.SignedMembers() {
		values[name] = f.text(name)
	}
	text, err := gw.signer.SignedText(m, values)
	if err != nil {
		return "the signed text would be ambiguous"
	}
	signature, err := base64.StdEncoding.Strict().DecodeString(f.str("sign"))
	digest := sha256.Sum256([]byte(text))
	if err != nil || strings.ContainsAny(f.str("sign"), "\r\n") || rsa.VerifyPKCS1v15(gw.merchant, crypto.SHA256, digest[:], signature) != nil {
		return "sign does not verify with the merchant's key"
	}
	return ""
}

func (gw *PTS) order(f fields, withdraw bool) answer {
	text, currency, id := f.str("amount"), f.str("currency"), f.text("order_id")
	amount, ok := parseDecimal(text)
	switch {
	case !ok || !ptsAmount.MatchString(text) || !amount.IsPositive():
		return ptsRefusal("1001", "amount is not a string with a number above 0 of at most 6 decimals")
	case !isURL(f.str("callback_url")):
		return ptsRefusal("1001", "callback_url is no URL")
	case len(gw.config.Currencies) > 0 && !slices.Contains(gw.config.Currencies, currency):
		return ptsRefusal("1008", "currency")
	case len(gw.config.Channels) > 0 && !slices.Contains(gw.config.Channels, f.text("channel")):
		return ptsRefusal("1015", "channel")
	case gw.min.Valid && amount.LessThan(gw.min.Decimal):
		return ptsRefusal("1006", "the amount is too small")
	case gw.max.Valid && amount.GreaterThan(gw.max.Decimal):
		return ptsRefusal("1005", "the amount is too large")
	case gw.orders[id] != nil:
		return ptsRefusal("1003", "order_id was used before")
	case withdraw && amount.GreaterThan(gw.balances[currency]):
		return ptsRefusal("1007", "the balance is lower")
	}
	o := &PTSOrder{
		Withdraw: withdraw, OrderID: id, TransactionID: gw.nextID("pts-"), Channel: f.text("channel"),
		SubmitAmount: text, SubmitCurrency: currency, AcceptAmount: text, AcceptCurrency: orText(gw.config.AcceptCurrency, currency),
		ExchangeRate: gw.config.ExchangeRate, CallbackURL: f.str("callback_url"),
		Status: payack.PTSWaiting, Updated: gw.options.Now(),
	}
	if !gw.rate.Equal(decimal.NewFromInt(1)) {
		o.AcceptAmount = amount.Mul(gw.rate).Round(6).String()
	}
	if !withdraw {
		o.PayURL = gw.base + "/pay/" + o.TransactionID
	}
	c := gw.bend(gw.callback(o))
	message, members, more := verify.PTSWithdrawResponse, gw.head(c), map[string]string(nil)
	if !withdraw {
		message, members, more = verify.PTSPaymentResponse, append(members, textMember("pay_url", o.PayURL)), map[string]string{"pay_url": o.PayURL}
	}
	data, err := gw.signed(message, c, members, more)
	if err != nil {
		return ptsRefusal("1001", "the signed text of the answer would be ambiguous")
	}
	gw.orders[id] = o
	if withdraw {
		gw.balances[currency] = gw.balances[currency].Sub(amount)
	} else {
		gw.pages[o.TransactionID] = true
	}
	return gw.accept(data)
}

// bend applies the faults to what an answer says.
func (gw *PTS) bend(c PTSCallback) PTSCallback {
	if a := gw.faults.Amount; a != "" {
		c.SubmitAmount, c.AcceptAmount = a, a
	}
	c.OrderID = orText(gw.faults.OrderID, c.OrderID)
	c.BadSignature = gw.faults.BadSignature
	return c
}

func (gw *PTS) query(f fields, withdraw bool) answer {
	o := gw.orders[f.text("order_id")]
	if o == nil || o.Withdraw != withdraw {
		return ptsRefusal("1002", "there is no such order")
	}
	data, err := gw.say(verify.PTSQueryResponse, gw.bend(gw.callback(o)))
	if err != nil {
		return ptsRefusal("1011", "the answer can't be signed")
	}
	return gw.accept(data)
}

func (gw *PTS) balance(fields) answer {
	var figures []member
	for _, currency := range slices.Sorted(maps.Keys(gw.balances)) {
		figures = append(figures, textMember(currency, orText(gw.faults.Amount, gw.balances[currency].String())))
	}
	data, err := gw.signed(verify.PTSBalanceResponse, PTSCallback{UserID: gw.config.UserID, BadSignature: gw.faults.BadSignature},
		[]member{textMember("user_id", gw.config.UserID), {"balances", string(object(figures...))}}, nil)
	if err != nil {
		return ptsRefusal("1011", "the answer can't be signed")
	}
	return gw.accept(data)
}

func (gw *PTS) accept(data []byte) answer {
	if gw.config.SealResponses {
		sealed, err := gw.signer.Seal(data)
		if err != nil {
			return ptsRefusal("1011", "the answer can't be sealed")
		}
		data = []byte(textMember("", string(sealed)).raw)
	}
	return answer{status: http.StatusOK, contentType: "application/json", body: ptsBody("1000", "accepted", string(data))}
}
