package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/payacktest/gateway"
	"github.com/payack/payack/reconcile"
	"github.com/payack/payack/verify"
)

// pts describes PTS to the command.
var pts = descriptor{
	section: func() section { return new(ptsConfig) },
	names:   map[string]string{"PrivateKey": "-key"},
	config: []member{
		{name: "path", value: `"/pts"`, about: "where callbacks are received"},
		{name: "user_id", value: `""`, about: `the merchant's number, which must match; "": any`},
		{name: "safecode", value: `"${PTS_SAFECODE}"`, key: true, about: "of the back office"},
		{name: "safecode_encoding", value: `"raw"`, about: `"raw" or "hex": how it becomes the key of envelopes`},
		{name: "no_envelopes", value: `false`, about: "takes flat callbacks only, for a safecode that is no AES key"},
		{name: "public_keys", value: `["@pts-public.pem"]`, key: true, about: "PTS's, as PEM; several while they change"},
		{name: "numbers", value: `["literal", "php"]`, about: "the texts of numbers that may be signed; pin yours"},
		{name: "sniff", value: `false`, about: "takes JSON under any content type"},
		{name: "transaction_secret", value: `""`, key: true, about: `X-Transaction-Signature is needed and checked; "": it is ignored`},
		{name: "transaction_signature", value: `"base64"`, about: `"base64" or "hex": how that header is written`},
		{name: "confirm", about: "asks PTS before a callback that says paid is accepted", members: []member{
			{name: "base_url", value: `"${PTS_URL}"`, about: "the scheme and host that PTS's support gives"},
			{name: "guid", value: `"${PTS_GUID}"`, about: "of the back office"},
			{name: "user_id", value: `"${PTS_USER_ID}"`, about: "of the back office; absent: that of pts"},
			{name: "private_key", value: `"@merchant-private.pem"`, key: true, about: "the merchant's own, as PEM"},
			{name: "transaction_secret", value: `"${PTS_TRANSACTION_SECRET}"`, key: true, about: "of the back office"},
			{name: "withdraw", value: `false`, about: "asks about withdrawals: give them a path, and a listen, of their own"},
		}},
	},
	computed: "sign",
	members: append(verify.PTSCallback.SignedMembers(), "submit_promo", "accept_promo", "payment_address", "receiving_address",
		"error_message", "reference_number", "details_url"),
	needsKey: "the configuration holds PTS's public key only; give the PEM file of a private key whose public key is in pts.public_keys",
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
			// This callback says success, but has the signature of a waiting
			// event. Somebody who has the safecode can forge it.
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
	NoEnvelopes          bool                        `json:"no_envelopes"`
	PublicKeys           []string                    `json:"public_keys"`
	Numbers              []payack.Scheme             `json:"numbers"`
	Sniff                bool                        `json:"sniff"`
	TransactionSecret    string                      `json:"transaction_secret"`
	TransactionSignature verify.PTSSignatureEncoding `json:"transaction_signature"`
	Confirm              *ptsConfirm                 `json:"confirm"`
}

// ptsConfirm configures asking PTS.
type ptsConfirm struct {
	BaseURL           string `json:"base_url"`
	GUID              string `json:"guid"`
	UserID            string `json:"user_id"`
	PrivateKey        string `json:"private_key"`
	TransactionSecret string `json:"transaction_secret"`
	Withdraw          bool   `json:"withdraw"`
}

func (c *ptsConfig) path() *string { return &c.Path }

func (c *ptsConfig) check() error {
	if c.NoEnvelopes && c.SafecodeEncoding == envelope.PTSRaw {
		c.SafecodeEncoding = "" // raw is the default, given explicitly
	}
	if c.Confirm == nil {
		return nil
	}
	if c.Confirm.UserID == "" {
		c.Confirm.UserID = c.UserID
	}
	if c.UserID != "" && c.UserID != c.Confirm.UserID {
		return errors.New("pts.confirm.user_id: it is another than pts.user_id, so nothing could be confirmed; leave it out")
	}
	return nil
}

func (c *ptsConfig) receiver(o middleware.Options, fn function) (*middleware.Handler, error) {
	if o.Name != "" && c.Confirm != nil && c.Confirm.Withdraw {
		o.Name += " withdraw" // a receiver that asks about payments must not process events of withdrawals
	}
	m := middleware.PTSConfig{
		UserID: c.UserID, Safecode: payack.NewSecret(c.Safecode), SafecodeEncoding: c.SafecodeEncoding, NoEnvelopes: c.NoEnvelopes,
		PublicKeys: c.PublicKeys, TransactionSecret: payack.NewSecret(c.TransactionSecret),
		TransactionSignature: c.TransactionSignature, Numbers: c.Numbers, Sniff: c.Sniff, Options: o,
	}
	if c.Confirm != nil {
		var err error
		if m.Confirm, err = c.confirm(); err != nil {
			return nil, err
		}
	}
	return handlers.NewPTS(m, of[*payack.PTSEvent](fn))
}

// confirm returns the hook that asks PTS.
func (c *ptsConfig) confirm() (middleware.ConfirmFunc[*payack.PTSEvent], error) {
	asks, err := c.client()
	switch {
	case err != nil:
		return nil, err
	case c.Confirm.Withdraw:
		return asks.ConfirmWithdraw, nil
	}
	return asks.Confirm, nil
}

func (c *ptsConfig) account(receiver *middleware.Handler) (a reconcile.Account, handle string, err error) {
	if c.Confirm == nil {
		return a, "", errNoConfirm
	}
	asks, err := c.client()
	switch {
	case err != nil:
		return a, "", err
	case c.Confirm.Withdraw:
		return reconcile.PTSWithdraws(asks, receiver).Named(""), "", nil
	}
	return reconcile.PTS(asks, receiver), "", nil
}

// client returns the client that asks PTS.
func (c *ptsConfig) client() (*client.PTS, error) {
	asks, err := client.NewPTS(client.PTSConfig{
		BaseURL: c.Confirm.BaseURL, GUID: c.Confirm.GUID, UserID: c.Confirm.UserID,
		Safecode: payack.NewSecret(c.Safecode), SafecodeEncoding: c.SafecodeEncoding, PublicKeys: c.PublicKeys, Numbers: c.Numbers,
		PrivateKey: payack.NewSecret(c.Confirm.PrivateKey), TransactionSecret: payack.NewSecret(c.Confirm.TransactionSecret),
	})
	if err != nil { // confirmNames goes first, because goNames maps the same names to members outside of confirm
		return nil, errors.New(confirmNames.Replace(libraryText(payack.PTS, err)))
	}
	return asks, nil
}

var confirmNames = strings.NewReplacer("UserID", "confirm.user_id", "PrivateKey", "confirm.private_key", "TransactionSecret", "confirm.transaction_secret")

func (c *ptsConfig) asked(ev payack.Event) string {
	callback, ok := ev.(*payack.PTSEvent)
	if !ok || c.Confirm == nil {
		return ""
	}
	return fmt.Sprintf("%s about order_id %s", c.Confirm.BaseURL, quote(callback.OrderID))
}

func (c *ptsConfig) secrets() []string {
	secrets := []string{c.Safecode, c.TransactionSecret}
	if c.Confirm != nil {
		secrets = append(secrets, c.Confirm.PrivateKey, c.Confirm.TransactionSecret)
	}
	return secrets
}

func (c *ptsConfig) signatureHeaders() []string { return nil }

func (c *ptsConfig) sealed() bool { return !c.NoEnvelopes }

func (c *ptsConfig) build(set assignments, key payack.Secret) (payacktest.Callback, error) {
	b := payacktest.PTS(payacktest.PTSKeys{
		UserID: c.UserID, Safecode: payack.NewSecret(c.Safecode), SafecodeEncoding: c.SafecodeEncoding, NoEnvelopes: c.NoEnvelopes,
		PrivateKey: key, TransactionSecret: payack.NewSecret(c.TransactionSecret), TransactionSignature: c.TransactionSignature,
	}).Fresh()
	if c.sealed() {
		b = b.Envelope()
	}
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
		fake: gw,
		section: map[string]any{"user_id": gw.UserID(), "safecode": gw.Safecode().Reveal(), "public_keys": []string{gw.PublicKey()}, "confirm": map[string]any{
			"base_url": gw.URL, "guid": gw.GUID(), "private_key": gw.MerchantKey().Reveal(), "transaction_secret": gw.TransactionSecret().Reveal()}},
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
