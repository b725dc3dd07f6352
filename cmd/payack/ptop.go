package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/payacktest/gateway"
	"github.com/payack/payack/reconcile"
	"github.com/payack/payack/verify"
)

// ptop describes Ptop to the command. Only an answer's status says whether it
// acknowledges.
var ptop = descriptor{
	section: func() section { return new(ptopConfig) },
	names:   map[string]string{"SecretKey": "confirm.secret_key"},
	config: []member{
		{name: "path", value: `"/ptop"`, about: "where webhooks are received"},
		{name: "signing_keys", value: `["${PTOP_SIGNING_KEY}"]`, key: true, about: "the back office's the_signature; several while they change"},
		{name: "signature_headers", value: `["X-Signature", "the_signature"]`, about: "which may carry the signature"},
		{name: "body", value: `"json"`, about: `"json" or "form": how webhooks are sent`},
		{name: "schemes", value: `["header", "spliced", "reencoded", "blanked"]`, about: "what may be signed; pin yours when you have seen it"},
		{name: "sniff", value: `false`, about: "takes JSON under any content type"},
		{name: "insecure_no_confirm", value: `false`, about: "takes webhooks without confirm, which hold no amount"},
		{name: "confirm", about: "asks Ptop what was paid before an event is accepted", members: []member{
			{name: "base_url", value: `"https://ptop.me"`, about: "the scheme and host of the API"},
			{name: "website_id", value: `"${PTOP_WEBSITE_ID}"`, about: "of the back office"},
			{name: "secret_key", value: `"${PTOP_SECRET_KEY}"`, key: true, about: "of the back office, and not the_signature"},
		}},
	},
	computed: "signature",
	members:  []string{"success", "transaction_id", "order_id", "message"},
	said:     func(string) (acknowledges, speaks bool) { return true, false },
	demo: demoProvider{
		section: func() (map[string]any, payack.Secret) {
			keys := payacktest.FreshPtopKeys()
			return map[string]any{"signing_keys": []string{keys.SigningKey.Reveal()}, "insecure_no_confirm": true}, payack.Secret{}
		},
		complete: func(b *builder, d *demoDeliveries) {
			d.unsignedReason = payack.ReasonSignature
			d.spliced = b.tamper(d.genuine, payacktest.SignatureOf(d.other))
		},
		gateway: ptopGateway,
	},
}

type ptopConfig struct {
	Path              string          `json:"path"`
	SigningKeys       []string        `json:"signing_keys"`
	SignatureHeaders  []string        `json:"signature_headers"`
	Body              verify.Body     `json:"body"`
	Schemes           []payack.Scheme `json:"schemes"`
	Sniff             bool            `json:"sniff"`
	InsecureNoConfirm bool            `json:"insecure_no_confirm"`
	Confirm           *ptopConfirm    `json:"confirm"`
}

// ptopConfirm configures asking Ptop.
type ptopConfirm struct {
	BaseURL   string `json:"base_url"`
	WebsiteID string `json:"website_id"`
	SecretKey string `json:"secret_key"`
}

func (c *ptopConfig) path() *string { return &c.Path }

func (c *ptopConfig) check() error { return nil }

func (c *ptopConfig) compares() error {
	if c.Confirm == nil && !c.InsecureNoConfirm {
		return errors.New("ptop.confirm: the webhook carries no amount, and nothing here confirms it; give confirm, or set ptop.insecure_no_confirm to true to receive all the same")
	}
	return nil
}

func (c *ptopConfig) neverReceives() { c.InsecureNoConfirm = true }

// middleware returns the receiver's configuration. The receiver asks Ptop if confirm is
// set, even with insecure_no_confirm.
func (c *ptopConfig) middleware(o middleware.Options) (middleware.PtopConfig, error) {
	m := middleware.PtopConfig{
		SigningKeys: payack.Secrets(c.SigningKeys...), SignatureHeaders: c.SignatureHeaders,
		Body: c.Body, Schemes: c.Schemes, Sniff: c.Sniff, Options: o,
	}
	if c.Confirm == nil {
		m.ConfirmInCallback = c.InsecureNoConfirm
		return m, nil
	}
	ptop, err := c.client()
	if err != nil {
		return m, err
	}
	m.Confirm = ptop.Confirm
	return m, nil
}

// client returns the client that asks Ptop.
func (c *ptopConfig) client() (*client.Ptop, error) {
	return client.NewPtop(client.PtopConfig{
		BaseURL: c.Confirm.BaseURL, WebsiteID: c.Confirm.WebsiteID, SecretKey: payack.NewSecret(c.Confirm.SecretKey),
	})
}

func (c *ptopConfig) account(receiver *middleware.Handler) (a reconcile.Account, handle string, err error) {
	if c.Confirm == nil {
		return a, "", errNoConfirm
	}
	ptop, err := c.client()
	if err != nil {
		return a, "", err
	}
	return reconcile.Ptop(ptop, receiver), "transaction_id", nil
}

func (c *ptopConfig) receiver(o middleware.Options, fn function) (*middleware.Handler, error) {
	m, err := c.middleware(o)
	if err != nil {
		return nil, err
	}
	return handlers.NewPtop(m, of[*payack.PtopEvent](fn))
}

func (c *ptopConfig) asked(ev payack.Event) string {
	webhook, ok := ev.(*payack.PtopEvent)
	if !ok || c.Confirm == nil {
		return ""
	}
	return fmt.Sprintf("%s about transaction_id %s", c.Confirm.BaseURL, quote(webhook.TransactionID))
}

func (c *ptopConfig) secrets() []string {
	secrets := slices.Clone(c.SigningKeys)
	if c.Confirm != nil {
		secrets = append(secrets, c.Confirm.SecretKey)
	}
	return secrets
}

func (c *ptopConfig) signatureHeaders() []string { return c.SignatureHeaders }

func (c *ptopConfig) sealed() bool { return false }

func (c *ptopConfig) build(set assignments, _ payack.Secret) (payacktest.Callback, error) {
	b := payacktest.Ptop(payacktest.PtopKeys{SigningKey: payack.NewSecret(c.SigningKeys[0])}).Fresh()
	if c.Body == verify.BodyForm {
		b = b.Form()
	}
	if len(c.Schemes) > 0 {
		b = b.Scheme(c.Schemes[0])
	}
	if len(c.SignatureHeaders) > 0 {
		b = b.Header(c.SignatureHeaders[0])
	}
	for _, v := range set {
		b = b.Set(v.name, v.value)
	}
	return b.Build()
}

func (c *ptopConfig) otherBody(set assignments) payacktest.Tampering {
	return payacktest.SetMember("order_id", quote("9"+set.value("order_id", "")))
}

// ptopGateway starts a fake Ptop with a merchant.
func ptopGateway(o gateway.Options) (demoGateway, error) {
	gw, err := gateway.NewPtop(gateway.PtopConfig{Options: o})
	if err != nil {
		return demoGateway{}, err
	}
	merchant, err := client.NewPtop(client.PtopConfig{BaseURL: gw.URL, WebsiteID: gw.WebsiteID(), SecretKey: gw.SecretKey()})
	return demoGateway{
		fake: gw,
		section: map[string]any{"signing_keys": []string{gw.SigningKey().Reveal()}, "confirm": map[string]any{
			"base_url": gw.URL, "website_id": gw.WebsiteID(), "secret_key": gw.SecretKey().Reveal()}},
		create: func(ctx context.Context, id, callbackURL string) error {
			_, err := merchant.CreatePayment(ctx, client.PtopPayment{
				OrderID: id, Amount: payack.NewAmount(demoAmount), Product: "Tea",
				WebhookURL: callbackURL, SuccessURL: demoShop, FailURL: demoShop,
			})
			return err
		},
		fail: func(id string) error { return gw.SetStatus(id, gateway.PtopCancelled) }, failed: "cancelled",
		lie: func(ctx context.Context, id string) (gateway.Delivery, error) {
			return gw.Deliver(ctx, id, func(c *gateway.PtopCallback) { c.Success = true })
		},
	}, err
}
