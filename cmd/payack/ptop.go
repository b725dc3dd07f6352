package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/payacktest/gateway"
	"github.com/payack/payack/verify"
)

// ptop is what the command knows of Ptop. It looks at the status of an answer
// only.
var ptop = descriptor{
	section: func() section { return new(ptopConfig) },
	reword: func(text string) string {
		return renamed(text, [][2]string{
			{"headers", "signature_headers"}, {"scheme", "schemes"}, {"signing_key", "signing_keys"},
			{"BaseURL", "confirm.base_url"}, {"WebsiteID", "confirm.website_id"}, {"SecretKey", "confirm.secret_key"},
		}...)
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

	// confirm takes the place of asking as the file says.
	confirm middleware.ConfirmFunc[*payack.PtopEvent]
}

// ptopConfirm is whom to ask, and as who.
type ptopConfirm struct {
	BaseURL   string `json:"base_url"`
	WebsiteID string `json:"website_id"`
	SecretKey string `json:"secret_key"`
}

func (c *ptopConfig) path() *string { return &c.Path }

func (c *ptopConfig) check() error {
	if c.Confirm == nil && !c.InsecureNoConfirm {
		return errors.New("ptop.confirm: the webhook carries no amount, and nothing here confirms it; give confirm, or set ptop.insecure_no_confirm to true to receive all the same")
	}
	return nil
}

// middleware asks Ptop if confirm is given, insecure_no_confirm or not.
func (c *ptopConfig) middleware(o middleware.Options) (middleware.PtopConfig, error) {
	m := middleware.PtopConfig{
		SigningKeys: payack.Secrets(c.SigningKeys...), SignatureHeaders: c.SignatureHeaders,
		Body: c.Body, Schemes: c.Schemes, Sniff: c.Sniff, Options: o,
	}
	if c.Confirm == nil {
		m.ConfirmInCallback = c.InsecureNoConfirm
		return m, nil
	}
	ptop, err := client.NewPtop(client.PtopConfig{
		BaseURL: c.Confirm.BaseURL, WebsiteID: c.Confirm.WebsiteID, SecretKey: payack.NewSecret(c.Confirm.SecretKey),
	})
	if err != nil {
		return m, err
	}
	m.Confirm = ptop.Confirm
	if c.confirm != nil {
		m.Confirm = c.confirm
	}
	return m, nil
}

func (c *ptopConfig) receiver(o middleware.Options, fn function) (http.Handler, error) {
	m, err := c.middleware(o)
	if err != nil {
		return nil, err
	}
	return handlers.NewPtop(m, of[*payack.PtopEvent](fn))
}

func (c *ptopConfig) pretend(asks *string) {
	c.confirm = func(_ context.Context, ev *payack.PtopEvent) (*payack.Confirmation, error) {
		*asks = fmt.Sprintf("%s about transaction_id %s", c.Confirm.BaseURL, quote(ev.TransactionID))
		return &payack.Confirmation{Paid: true, Status: string(client.PtopPaid)}, nil
	}
}

func (c *ptopConfig) reader() (reader, error) {
	v, err := verify.NewPtop(verify.PtopOptions{Body: c.Body, Schemes: c.Schemes, Headers: c.SignatureHeaders, Sniff: c.Sniff})
	if err != nil {
		return reader{}, err
	}
	k, err := verify.NewPtopKeys("", payack.Secrets(c.SigningKeys...)...)
	return reader{v.Accepts, func(m verify.Message) verify.Explanation { return v.Explain(m, k) }}, err
}

func (c *ptopConfig) readerOfOtherBody() (reader, bool, error) {
	other := ptopConfig{Body: otherBody(c.Body), SigningKeys: c.SigningKeys}
	r, err := other.reader()
	return r, true, err
}

func (c *ptopConfig) signatureHeaders() ([]string, bool) { return c.SignatureHeaders, true }

func (c *ptopConfig) search(m verify.Message) (verifies string, changes []string) {
	return search(*c, m, (*ptopConfig).reader, ptopChanges(c, m.Header))
}

func ptopChanges(c *ptopConfig, h http.Header) [][]change[ptopConfig] {
	kinds := [][]change[ptopConfig]{
		{{`set ptop.schemes to ["%s"]`, func(c *ptopConfig, _ *verify.Message) { c.Schemes = nil }}},
		{{fmt.Sprintf("set ptop.body to %q", otherBody(c.Body)), func(c *ptopConfig, _ *verify.Message) { c.Body = otherBody(c.Body) }}},
		{announce[ptopConfig](payack.Ptop, jsonType), announce[ptopConfig](payack.Ptop, formType)},
	}
	if c.Sniff {
		kinds = append(kinds, []change[ptopConfig]{{"set ptop.sniff to false", func(c *ptopConfig, _ *verify.Message) { c.Sniff = false }}})
	}
	var headers []change[ptopConfig]
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if digits, err := hex.DecodeString(h.Get(name)); err == nil && len(digits) == 32 {
			headers = append(headers, change[ptopConfig]{fmt.Sprintf("set ptop.signature_headers to [%q]", name),
				func(c *ptopConfig, _ *verify.Message) { c.SignatureHeaders = []string{name} }})
		}
	}
	return append(kinds, headers)
}

func (c *ptopConfig) secrets() []string {
	secrets := slices.Clone(c.SigningKeys)
	if c.Confirm != nil {
		secrets = append(secrets, c.Confirm.SecretKey)
	}
	return secrets
}

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
