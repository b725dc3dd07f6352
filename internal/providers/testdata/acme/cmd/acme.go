package main

import (
	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
)

// acme describes Acme to the command.
var acme = descriptor{
	section: func() section { return new(acmeConfig) },
	config: []member{
		{name: "path", value: `"/acme"`, about: "where callbacks are received"},
		{name: "keys", value: `["${ACME_KEY}"]`, key: true, about: "several while they change"},
	},
	computed: "mac",
	members:  []string{"order_id", "amount", "status"},
	said: func(body string) (acknowledges, speaks bool) {
		return body == "taken", body == "taken" || body == "again"
	},
	demo: demoProvider{
		section: func() (map[string]any, payack.Secret) {
			return map[string]any{"keys": []string{"key of the demonstration"}}, payack.Secret{}
		},
		complete: func(b *builder, d *demoDeliveries) { d.spliced = b.tamper(d.genuine, payacktest.SignatureOf(d.other)) },
	},
}

type acmeConfig struct {
	Path string   `json:"path"`
	Keys []string `json:"keys"`
}

func (c *acmeConfig) path() *string { return &c.Path }

func (c *acmeConfig) check() error { return nil }

func (c *acmeConfig) receiver(o middleware.Options, fn function) (*middleware.Handler, error) {
	return handlers.NewAcme(handlers.AcmeConfig{Keys: payack.Secrets(c.Keys...), Options: o}, of[*payack.AcmeEvent](fn))
}

func (c *acmeConfig) asked(payack.Event) string { return "" }

func (c *acmeConfig) secrets() []string { return c.Keys }

func (c *acmeConfig) signatureHeaders() []string { return nil }

func (c *acmeConfig) sealed() bool { return false }

func (c *acmeConfig) build(set assignments, _ payack.Secret) (payacktest.Callback, error) {
	b := payacktest.Acme(payack.NewSecret(c.Keys[0])).Fresh()
	for _, v := range set {
		b = b.Set(v.name, v.value)
	}
	return b.Build()
}

func (c *acmeConfig) otherBody(set assignments) payacktest.Tampering {
	return payacktest.SetMember("amount", quote("9"+set.value("amount", "5.00")))
}
