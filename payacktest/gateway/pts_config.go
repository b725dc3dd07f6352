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
	// TransactionWholeBody has X-Transaction-Signature cover the whole body of the
	// {"data"} form, on requests and on callbacks; otherwise it is the base64 text
	// alone. (Which one is real is unconfirmed.)
	TransactionWholeBody bool
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
