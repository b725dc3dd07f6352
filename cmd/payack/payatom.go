package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/payacktest/gateway"
	"github.com/payack/payack/reconcile"
	"github.com/payack/payack/verify"
)

// payatom describes Payatom to the command. An answer's JSON says whether it
// acknowledges.
var payatom = descriptor{
	section: func() section { return new(payatomConfig) },
	config: []member{
		{name: "path", value: `"/payatom"`, about: "where webhooks are received"},
		{name: "secret_keys", value: `["${PAYATOM_SECRET_KEY}"]`, key: true, about: "of the back office; several while they change"},
		{name: "numbers", value: `["literal", "php"]`, about: "the texts of numbers that may be signed; pin yours"},
		{name: "body", value: `"json"`, about: `"json", or "form" of an older generation`},
		{name: "sniff", value: `false`, about: "takes JSON under any content type"},
		{name: "orders", value: `{}`, about: `what is expected, as {"ORD1000001": "500"}; {} is not compared`},
		{name: "insecure_no_expectation", value: `false`, about: "takes webhooks with neither orders nor confirm to hold them against"},
		{name: "confirm", about: "asks Payatom before an approved order is accepted", members: []member{
			{name: "base_url", value: `"${PAYATOM_URL}"`, about: "the scheme and host that Payatom gives"},
			{name: "pid", value: `"${PAYATOM_PID}"`, about: "the merchant's id"},
		}},
	},
	computed: "post_hash",
	members:  []string{"order_id", "requested_amount", "status", "received_amount", "bank_ref", "sender_upi", "ref_code", "refund_info"},
	said: func(body string) (acknowledges, speaks bool) {
		var said struct{ Acknowledge string }
		if json.Unmarshal([]byte(body), &said) != nil {
			return false, false
		}
		return said.Acknowledge == "yes", said.Acknowledge != ""
	},
	fixes: map[payack.Reason]string{payack.ReasonUnexpected: "compare payatom.orders with the order that was made"},
	demo: demoProvider{
		section: func() (map[string]any, payack.Secret) {
			keys, orders := payacktest.FreshPayatomKeys(), map[string]string{}
			for _, id := range []string{demoFirst, demoOrder, demoOrder + "7", demoOther, demoKept} {
				orders[id] = demoAmount
			}
			return map[string]any{"secret_keys": []string{keys.SecretKey.Reveal()},
				"orders": orders}, payack.Secret{}
		},
		set: assignments{{"order_id", demoOrder + "7"}},
		complete: func(b *builder, d *demoDeliveries) {
			d.badSignatureReason = payack.ReasonEnvelope
			// (ORD10000017, 500) and (ORD1000001, 7500) have the same hash.
			d.splicedHow, d.spliceDoor = "spliced: a border moved", accepted
			d.spliceDesk = fate{payack.OutcomeRejected, []payack.Reason{payack.ReasonUnexpected}}
			d.spliced = b.tamper(d.genuine, payacktest.MoveBorder("order_id", "received_amount", 1))
		},
		gateway: payatomGateway,
	},
}

type payatomConfig struct {
	Path                  string            `json:"path"`
	SecretKeys            []string          `json:"secret_keys"`
	Numbers               []payack.Scheme   `json:"numbers"`
	Body                  verify.Body       `json:"body"`
	Sniff                 bool              `json:"sniff"`
	Orders                map[string]string `json:"orders"`
	InsecureNoExpectation bool              `json:"insecure_no_expectation"`
	Confirm               *payatomConfirm   `json:"confirm"`
}

// payatomConfirm configures asking Payatom.
type payatomConfirm struct {
	BaseURL string `json:"base_url"`
	PID     string `json:"pid"`
}

func (c *payatomConfig) path() *string { return &c.Path }

func (c *payatomConfig) compares() error {
	if len(c.Orders) == 0 && c.Confirm == nil && !c.InsecureNoExpectation {
		return errors.New(`payatom.orders: there is nothing to compare webhooks with; give the orders and their amounts, like {"ORD1": "500"}, or payatom.confirm, or set payatom.insecure_no_expectation to true`)
	}
	return nil
}

func (c *payatomConfig) neverReceives() { c.InsecureNoExpectation = true }

func (c *payatomConfig) check() error {
	for id, amount := range c.Orders {
		if !payack.NewAmount(amount).Valid() {
			return fmt.Errorf("payatom.orders: the amount of %q is no number; write it like 500 or 100.50, in quotes", id)
		}
	}
	return nil
}

func (c *payatomConfig) receiver(o middleware.Options, fn function) (*middleware.Handler, error) {
	m := middleware.PayatomConfig{
		SecretKeys: payack.Secrets(c.SecretKeys...), Body: c.Body, Numbers: c.Numbers, Sniff: c.Sniff,
		ExpectInCallback: len(c.Orders) == 0 && c.Confirm == nil && c.InsecureNoExpectation, Options: o,
	}
	if len(c.Orders) > 0 {
		m.Expect = expectOrders(c.Orders)
	}
	if c.Confirm != nil {
		asks, err := c.client()
		if err != nil {
			return nil, err
		}
		m.Confirm = asks.Confirm
	}
	return handlers.NewPayatom(m, of[*payack.PayatomEvent](fn))
}

// client returns the client that asks Payatom.
func (c *payatomConfig) client() (*client.Payatom, error) {
	return client.NewPayatom(client.PayatomConfig{
		BaseURL: c.Confirm.BaseURL, PID: c.Confirm.PID, SecretKeys: payack.Secrets(c.SecretKeys...), Numbers: c.Numbers,
	})
}

func (c *payatomConfig) account(receiver *middleware.Handler) (a reconcile.Account, handle string, err error) {
	if c.Confirm == nil {
		return a, "", errNoConfirm
	}
	asks, err := c.client()
	if err != nil {
		return a, "", err
	}
	return reconcile.Payatom(asks, receiver), "ref_code", nil
}

func expectOrders(orders map[string]string) func(context.Context, *payack.PayatomEvent) (payack.Expectation, error) {
	return func(_ context.Context, ev *payack.PayatomEvent) (payack.Expectation, error) {
		amount, found := orders[ev.OrderID]
		return payack.Expectation{Found: found, Amount: payack.NewAmount(amount)}, nil
	}
}

func (c *payatomConfig) asked(ev payack.Event) string {
	webhook, ok := ev.(*payack.PayatomEvent)
	if !ok || c.Confirm == nil {
		return ""
	}
	return fmt.Sprintf("%s about ref_code %s", c.Confirm.BaseURL, quote(webhook.Unsigned.RefCode.String()))
}

func (c *payatomConfig) secrets() []string { return c.SecretKeys }

func (c *payatomConfig) signatureHeaders() []string { return nil }

func (c *payatomConfig) sealed() bool { return true }

func (c *payatomConfig) build(set assignments, _ payack.Secret) (payacktest.Callback, error) {
	b := payacktest.Payatom(payacktest.PayatomKeys{SecretKey: payack.NewSecret(c.SecretKeys[0])}).Fresh()
	if id, amount := c.order(); id != "" {
		b = b.Order(id).Amount(amount)
	}
	if c.Body == verify.BodyForm {
		b = b.Form()
	}
	if firstIsPHP(c.Numbers) {
		b = b.PHPNumbers()
	}
	for _, v := range set {
		if v.name == "refund_info" && strings.HasPrefix(v.value, "{") && json.Valid([]byte(v.value)) {
			b = b.SetJSON(v.name, v.value)
		} else {
			b = b.Set(v.name, v.value)
		}
	}
	return b.Build()
}

func (c *payatomConfig) otherBody(set assignments) payacktest.Tampering {
	_, amount := c.order()
	return payacktest.SetMember("received_amount", quote("9"+set.value("received_amount", amount)))
}

// order returns the order that a built webhook is about, and its amount. It is
// the first configured order by name. If none is configured, id is empty.
func (c *payatomConfig) order() (id, amount string) {
	if len(c.Orders) == 0 {
		return "", "500"
	}
	id = slices.Min(slices.Collect(maps.Keys(c.Orders)))
	return id, c.Orders[id]
}

// payatomGateway starts a fake Payatom with a merchant.
func payatomGateway(o gateway.Options) (demoGateway, error) {
	gw, err := gateway.NewPayatom(gateway.PayatomConfig{Options: o})
	if err != nil {
		return demoGateway{}, err
	}
	merchant, err := client.NewPayatom(client.PayatomConfig{BaseURL: gw.URL, PID: gw.PID(), SecretKeys: []payack.Secret{gw.SecretKey()}})
	return demoGateway{
		fake:    gw,
		section: map[string]any{"secret_keys": []string{gw.SecretKey().Reveal()}, "confirm": map[string]any{"base_url": gw.URL, "pid": gw.PID()}},
		create: func(ctx context.Context, id, callbackURL string) error {
			gw.SetWebhookURL(callbackURL) // one URL for the whole back office
			_, err := merchant.Payin(ctx, client.PayatomPayin{
				OrderID: id, Amount: payack.NewAmount(demoAmount), Name: "Customer", Email: demoEmail, Phone: "9000000000",
			})
			return err
		},
		fail: func(id string) error { return gw.SetStatus(id, payack.PayatomDeclined) }, failed: "declined",
		lie: func(ctx context.Context, id string) (gateway.Delivery, error) {
			return gw.Deliver(ctx, id, func(c *gateway.PayatomCallback) {
				c.Status, c.ReceivedAmount = payack.PayatomApproved, demoAmount
			})
		},
	}, err
}
