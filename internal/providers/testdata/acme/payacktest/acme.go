package payacktest

import (
	"net/http"
	"testing"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// acmeCallbacks describes Acme's callbacks to package payacktest.
var acmeCallbacks = descriptor{
	signature:     "mac",
	signed:        []string{"order_id", "amount", "status"},
	flipSignature: flipAcme,
	flipMAC:       flipAcme,
}

func flipAcme(cb Callback) (Callback, error) { return cb.editMember("mac", flipHex) }

// AcmeBuilder builds callbacks of Acme.
type AcmeBuilder struct {
	builder
	key payack.Secret
}

// Acme returns the builder of a paid callback.
func Acme(key payack.Secret) AcmeBuilder {
	return AcmeBuilder{key: key, builder: builder{members: members{{"order_id", `"A1"`}, {"amount", `"5.00"`}, {"status", `"paid"`}}}}
}

// Set gives a member another value.
func (b AcmeBuilder) Set(name, value string) AcmeBuilder {
	b.builder = b.named(name, b.members.set(name, value))
	return b
}

// Fresh gives the callback a new order_id.
func (b AcmeBuilder) Fresh() AcmeBuilder { return b.Set("order_id", "A"+freshHex(6)) }

// Callback is Build for tests: an error fails the test.
func (b AcmeBuilder) Callback(t testing.TB) Callback { t.Helper(); return finish(t, b.Build) }

// Build signs the members.
func (b AcmeBuilder) Build() (Callback, error) {
	mac := verify.AcmeMAC(b.key, b.members.text("order_id"), b.members.text("amount"), b.members.text("status"))
	return Callback{
		Provider: payack.Acme, Header: http.Header{"Content-Type": {"application/json"}},
		Body: []byte(b.members.setJSON("mac", quote(mac)).json()),
	}, b.err
}
