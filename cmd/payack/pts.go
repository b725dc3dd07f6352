package main

import (
	"context"
	"encoding/json"

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
	section:  func() section { return new(ptsConfig) },
	names:    map[string]string{"PrivateKey": "-key"},
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

func (c *ptsConfig) receiver(o middleware.Options, fn function) (*middleware.Handler, error) {
	return handlers.NewPTS(middleware.PTSConfig{
		UserID: c.UserID, Safecode: payack.NewSecret(c.Safecode), SafecodeEncoding: c.SafecodeEncoding,
		PublicKeys: c.PublicKeys, TransactionSecret: payack.NewSecret(c.TransactionSecret),
		TransactionSignature: c.TransactionSignature, Numbers: c.Numbers, Sniff: c.Sniff, Confirm: c.confirm, Options: o,
	}, of[*payack.PTSEvent](fn))
}

func (c *ptsConfig) asked(payack.Event) string { return "" }

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
