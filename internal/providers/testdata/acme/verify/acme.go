package verify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"

	"github.com/payack/payack"
)

// AcmeKeys are the keys of an account of Acme.
type AcmeKeys struct {
	tenant string
	keys   []payack.Secret
}

// NewAcmeKeys prepares keys.
func NewAcmeKeys(tenant string, keys ...payack.Secret) (*AcmeKeys, error) {
	if err := checkSecrets("keys", keys); err != nil {
		return nil, err
	}
	return &AcmeKeys{tenant, keys}, nil
}

// Secrets returns a copy of the keys.
func (k *AcmeKeys) Secrets() []payack.Secret { return append([]payack.Secret(nil), k.keys...) }

// Tenant returns the tenant of the keys.
func (k *AcmeKeys) Tenant() string { return k.tenant }

var acmeMembers = knownOf([]string{"order_id", "amount", "status", "mac"})

// AcmeMAC returns the mac of a callback.
func AcmeMAC(key payack.Secret, orderID, amount, status string) string {
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	mac.Write([]byte(orderID + "\n" + amount + "\n" + status))
	return hex.EncodeToString(mac.Sum(nil))
}

// Acme verifies callbacks of Acme.
type Acme struct{}

// Accepts reports whether Verify accepts bodies of this Content-Type.
func (Acme) Accepts(contentType string) bool { return media(contentType) == mediaJSON }

// Verify decodes and verifies a callback.
func (v Acme) Verify(m Message, k *AcmeKeys) (*payack.AcmeEvent, error) { return v.run(m, k, nil) }

// Explain verifies like Verify and lists each step.
func (v Acme) Explain(m Message, k *AcmeKeys) Explanation {
	var t trace
	ev, err := v.run(m, k, &t)
	return t.explanation(ev, err)
}

func (v Acme) run(msg Message, k *AcmeKeys, t *trace) (*payack.AcmeEvent, error) {
	room := takeRoom()
	defer room.release()
	fields, err := decode(room[:0], BodyJSON, msg.Body, acmeMembers.all)
	if err == nil {
		err = acmeMembers.mark(fields)
	}
	if err != nil {
		return nil, malformed(payack.Acme, err)
	}
	t.note("shape", BodyJSON.name())
	t.fields(fields)
	m := members{fields: fields}
	ev := &payack.AcmeEvent{OrderID: m.id("order_id").String(), Amount: m.amount("amount"), Status: m.id("status").String()}
	mac := m.word("mac").String()
	if m.err != nil {
		return nil, malformed(payack.Acme, m.err)
	}
	t.note("signature", "in mac")
	for i, key := range k.keys {
		ok := hmac.Equal([]byte(mac), []byte(AcmeMAC(key, ev.OrderID, ev.Amount.Literal(), ev.Status)))
		t.tried(payack.SchemeLiteral, i, ok)
		if !ok {
			continue
		}
		ev.Verification = payack.Verification{Tenant: k.tenant, Scheme: payack.SchemeLiteral, Key: i, Signature: mac}
		if err := ev.Check(); err != nil {
			return ev, invalid(payack.Acme, err)
		}
		return ev, nil
	}
	return nil, reject(payack.Acme, payack.ReasonSignature, "mac is of another callback, or made with another key")
}
