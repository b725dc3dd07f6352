package gateway

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/shopspring/decimal"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
)

// PTSShape is how a fake PTS packs a callback.
type PTSShape string

// The shapes.
const (
	// PTSFlat sends the members as one object, as application/json.
	PTSFlat PTSShape = "flat"
	// PTSSealed sends the base64 of an envelope, as text/plain.
	PTSSealed PTSShape = "sealed"
	// PTSData sends {"data":"<base64 of an envelope>"}, as application/json.
	PTSData PTSShape = "data"
	// PTSNested sends {"code","message","data":{…}}, as application/json.
	PTSNested PTSShape = "nested"
)

// PTSConfig configures a fake PTS. The zero value is usable: it generates keys.
type PTSConfig struct {
	// GUID and UserID are the merchant's; empty ones are guid-1 and 1.
	GUID, UserID string
	// Safecode and TransactionSecret are the merchant's; empty ones are generated.
	Safecode          payack.Secret
	SafecodeEncoding  envelope.PTSEncoding
	TransactionSecret payack.Secret
	// SystemKey is PTS's private key, which signs answers and callbacks. MerchantKey
	// is the merchant's private key, which signs requests. Both are PEM, PKCS#8 or
	// PKCS#1. Empty ones are generated once for each process.
	SystemKey, MerchantKey payack.Secret

	// Shape is the format of callbacks; empty is flat.
	Shape PTSShape
	// Numbers says how amounts and rates are written and signed; empty is literal.
	Numbers Numbers
	// SignEnvelopes adds X-Transaction-Signature to callbacks of the shapes sealed
	// and data. Whether PTS does so is unconfirmed.
	SignEnvelopes bool
	// TransactionWholeBody makes X-Transaction-Signature cover the whole body of
	// {"data":…}, in requests and in callbacks, instead of the base64 text in it.
	// Which text PTS signs is unconfirmed.
	TransactionWholeBody bool
	// SealResponses sends the member data of an answer as an envelope instead of an
	// object. Whether PTS does so is unconfirmed.
	SealResponses bool

	// Currencies and Channels are the accepted ones; empty accepts all. Others are
	// refused with 1008 and 1015.
	Currencies, Channels []string
	// MinAmount and MaxAmount bound payments and withdrawals; empty is no bound.
	// Other amounts are refused with 1006 and 1005.
	MinAmount, MaxAmount string
	// Balances are the merchant's funds by currency; nil is 1000000 PHP. A
	// withdrawal reduces them, and a successful payment adds to them.
	Balances map[string]string
	// AcceptCurrency and ExchangeRate convert the submitted amount into the accepted
	// one; the defaults are the submitted currency and 1.
	AcceptCurrency, ExchangeRate string

	Options
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
	system, err := privateOf(c.SystemKey)
	if err != nil {
		return fmt.Errorf("gateway: SystemKey: %w", err)
	}
	merchant, err := privateOf(c.MerchantKey)
	if err != nil {
		return fmt.Errorf("gateway: MerchantKey: %w", err)
	}
	if gw.signer, err = newPTSCrypt(c, system); err != nil {
		return err
	}
	if gw.forger, err = newPTSCrypt(c, merchant); err != nil {
		return err
	}
	gw.merchant = &merchant.PublicKey
	der, err := x509.MarshalPKIXPublicKey(&system.PublicKey)
	if err != nil {
		return fmt.Errorf("gateway: SystemKey: %w", err)
	}
	gw.systemPublic = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
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
			return fmt.Errorf("gateway: %s: it is not a plain decimal; write it like 500 or 100.50", bound.name)
		}
	}
	c.ExchangeRate = orText(c.ExchangeRate, "1")
	var ok bool
	if gw.rate, ok = parseDecimal(c.ExchangeRate); !ok {
		return errors.New("gateway: ExchangeRate: it is not a plain decimal; write it like 1 or 56.25")
	}
	if c.Balances == nil {
		c.Balances = map[string]string{"PHP": "1000000"}
	}
	for currency, text := range c.Balances {
		if gw.balances[currency], ok = parseDecimal(text); !ok {
			return errors.New("gateway: Balances: an entry is not a plain decimal; write it like 500 or 100.50")
		}
	}
	c.Currencies, c.Channels = slices.Clone(c.Currencies), slices.Clone(c.Channels)
	gw.config = c
	return nil
}

// defaultKeys returns the default keys, the system's and the merchant's. It
// generates them once, because that takes a while.
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

// privateOf parses a private key.
func privateOf(private payack.Secret) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(private.Reveal()))
	if block == nil {
		return nil, errors.New("it is no PEM; give a private key as PKCS#8 or PKCS#1")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("it is neither PKCS#8 nor PKCS#1; give a private key in one of them")
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("it is not of RSA; give an RSA key")
	}
	return key, nil
}
