package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/payacktest/gateway"
	"github.com/payack/payack/verify"
)

// pts is what the command knows of PTS.
var pts = descriptor{
	section: func() section { return new(ptsConfig) },
	reword: func(text string) string {
		// A fix that no member of the configuration has.
		text = strings.TrimSuffix(text, ", or switch envelopes off")
		return renamed(text, [2]string{"private_key", "-key"})
	},
	computed: "sign",
	members: append(verify.PTSCallback.SignedMembers(), "submit_promo", "accept_promo", "payment_address", "receiving_address",
		"error_message", "reference_number", "details_url"),
	needsKey: "the configuration holds PTS's public key only; give the PEM file of a private key whose public key is in pts.public_keys",
	sealed:   true,
	said: func(body string) (acknowledges, speaks bool) {
		acknowledges = body == payacktest.Answer(payack.PTS, "").Body
		return acknowledges, acknowledges || body == payacktest.Answer(payack.PTS, payack.ReasonSignature).Body
	},
	demo: demoProvider{
		section: func() (map[string]any, payack.Secret) {
			keys := payacktest.FreshPTSKeys()
			return map[string]any{"user_id": "1", "safecode": keys.Safecode.Reveal(), "public_keys": []string{keys.PublicKey}}, keys.PrivateKey
		},
		complete: func(b *builder, d *demoDeliveries) {
			d.badEnvelope = b.tamper(d.genuine, payacktest.FlipEnvelope)
			// A success with the sign of one that still waited, by somebody who has
			// the safecode.
			d.spliced = b.tamper(d.genuine, payacktest.SignatureOf(b.build(assignments{{"status", "1000"}})))
		},
		gateway: ptsGateway,
	},
}

type ptsConfig struct {
	Path                 string                      `json:"path"`
	UserID               string                      `json:"user_id"`
	Safecode             string                      `json:"safecode"`
	SafecodeEncoding     envelope.PTSEncoding        `json:"safecode_encoding"`
	PublicKeys           []string                    `json:"public_keys"`
	Numbers              []payack.Scheme             `json:"numbers"`
	Sniff                bool                        `json:"sniff"`
	TransactionSecret    string                      `json:"transaction_secret"`
	TransactionSignature verify.PTSSignatureEncoding `json:"transaction_signature"`

	// confirm is not of the file, which has no members for asking PTS.
	confirm middleware.ConfirmFunc[*payack.PTSEvent]
}

func (c *ptsConfig) path() *string { return &c.Path }

func (c *ptsConfig) check() error { return nil }

func (c *ptsConfig) receiver(o middleware.Options, fn function) (http.Handler, error) {
	return handlers.NewPTS(middleware.PTSConfig{
		UserID: c.UserID, Safecode: payack.NewSecret(c.Safecode), SafecodeEncoding: c.SafecodeEncoding,
		PublicKeys: c.PublicKeys, TransactionSecret: payack.NewSecret(c.TransactionSecret),
		TransactionSignature: c.TransactionSignature, Numbers: c.Numbers, Sniff: c.Sniff, Confirm: c.confirm, Options: o,
	}, of[*payack.PTSEvent](fn))
}

func (c *ptsConfig) pretend(*string) {}

func (c *ptsConfig) reader() (reader, error) {
	v, err := verify.NewPTS(verify.PTSOptions{Numbers: c.Numbers, TransactionSignature: c.TransactionSignature, Sniff: c.Sniff})
	if err != nil {
		return reader{}, err
	}
	k, err := verify.NewPTSKeys(verify.PTSKeyConfig{
		UserID: c.UserID, Safecode: payack.NewSecret(c.Safecode), SafecodeEncoding: c.SafecodeEncoding,
		PublicKeys: c.PublicKeys, TransactionSecret: payack.NewSecret(c.TransactionSecret),
	})
	return reader{v.Accepts, func(m verify.Message) verify.Explanation { return v.Explain(m, k) }}, err
}

func (c *ptsConfig) readerOfOtherBody() (reader, bool, error) { return reader{}, false, nil }

// signatureHeaders is false: X-Transaction-Signature comes besides sign, and the
// recorder keeps it.
func (c *ptsConfig) signatureHeaders() ([]string, bool) { return nil, false }

func (c *ptsConfig) search(m verify.Message) (verifies string, changes []string) {
	return search(*c, m, (*ptsConfig).reader, ptsChanges(c))
}

func ptsChanges(c *ptsConfig) [][]change[ptsConfig] {
	encoding := envelope.PTSHex
	if c.SafecodeEncoding == envelope.PTSHex {
		encoding = envelope.PTSRaw
	}
	header := verify.PTSHex
	if c.TransactionSignature == verify.PTSHex {
		header = verify.PTSBase64
	}
	kinds := [][]change[ptsConfig]{
		{{`set pts.numbers to ["%s"]`, func(c *ptsConfig, _ *verify.Message) { c.Numbers = nil }}},
		{{fmt.Sprintf("set pts.safecode_encoding to %q", encoding), func(c *ptsConfig, _ *verify.Message) { c.SafecodeEncoding = encoding }}},
		{announce[ptsConfig](payack.PTS, jsonType), announce[ptsConfig](payack.PTS, textType)},
	}
	if c.UserID != "" {
		kinds = append(kinds, []change[ptsConfig]{{"set pts.user_id to that of the account", func(c *ptsConfig, _ *verify.Message) { c.UserID = "" }}})
	}
	if c.TransactionSecret != "" {
		kinds = append(kinds, []change[ptsConfig]{
			{fmt.Sprintf("set pts.transaction_signature to %q", header), func(c *ptsConfig, _ *verify.Message) { c.TransactionSignature = header }},
			{"check pts.transaction_secret, or leave it out if PTS doesn't send " + verify.PTSTransactionHeader,
				func(c *ptsConfig, _ *verify.Message) { c.TransactionSecret = "" }},
		})
	}
	return kinds
}

func (c *ptsConfig) secrets() []string { return []string{c.Safecode, c.TransactionSecret} }

func (c *ptsConfig) build(set assignments, key payack.Secret) (payacktest.Callback, error) {
	b := payacktest.PTS(payacktest.PTSKeys{
		UserID: c.UserID, Safecode: payack.NewSecret(c.Safecode), SafecodeEncoding: c.SafecodeEncoding, PrivateKey: key,
		TransactionSecret: payack.NewSecret(c.TransactionSecret), TransactionSignature: c.TransactionSignature,
	}).Fresh().Envelope()
	if firstIsPHP(c.Numbers) {
		b = b.PHPNumbers()
	}
	for _, v := range set {
		b = b.Set(v.name, v.value)
	}
	return b.Build()
}

func (c *ptsConfig) otherBody(set assignments) payacktest.Tampering {
	amount := "9" + set.value("accept_amount", "100.50")
	if !json.Valid([]byte(amount)) {
		amount = quote(amount)
	}
	return payacktest.SetMember("accept_amount", amount)
}

// ptsGateway starts a fake PTS with a merchant.
func ptsGateway(o gateway.Options) (demoGateway, error) {
	gw, err := gateway.NewPTS(gateway.PTSConfig{Shape: gateway.PTSSealed, Options: o})
	if err != nil {
		return demoGateway{}, err
	}
	merchant, err := client.NewPTS(client.PTSConfig{
		BaseURL: gw.URL, GUID: gw.GUID(), UserID: gw.UserID(), Safecode: gw.Safecode(), PrivateKey: gw.MerchantKey(),
		PublicKeys: []string{gw.PublicKey()}, TransactionSecret: gw.TransactionSecret(),
	})
	return demoGateway{
		fake:    gw,
		section: map[string]any{"user_id": gw.UserID(), "safecode": gw.Safecode().Reveal(), "public_keys": []string{gw.PublicKey()}},
		confirm: func(s section) { s.(*ptsConfig).confirm = merchant.Confirm },
		create: func(ctx context.Context, id, callbackURL string) error {
			_, err := merchant.Payment(ctx, client.PTSPayment{
				OrderID: id, Amount: payack.NewAmount(demoAmount), Currency: "PHP", Channel: "GCASH", CallbackURL: callbackURL,
			})
			return err
		},
		fail: func(id string) error { return gw.SetStatus(id, payack.PTSFailed) }, failed: "failed",
		lie: func(ctx context.Context, id string) (gateway.Delivery, error) {
			return gw.Deliver(ctx, id, func(c *gateway.PTSCallback) { c.Status = payack.PTSSuccess })
		},
	}, err
}
