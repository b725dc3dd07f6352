package payacktest

import (
	"crypto/aes"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/php"
	"github.com/payack/payack/internal/strict"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/verify"
)

// PayatomKeys holds the key of a Payatom account.
type PayatomKeys struct {
	SecretKey payack.Secret
}

// NewPayatomKeys returns a fixed, published key.
func NewPayatomKeys() PayatomKeys {
	return PayatomKeys{SecretKey: payack.NewSecret("7e57 secret key of Payatom, throwaway")}
}

// FreshPayatomKeys returns a new key.
func FreshPayatomKeys() PayatomKeys { return PayatomKeys{SecretKey: freshSecret()} }

// Config returns the configuration of a receiver for the JSON webhooks that
// [Payatom] builds with this key. It sets ExpectInCallback. A test of Expect or
// Confirm sets that function instead.
func (k PayatomKeys) Config() middleware.PayatomConfig {
	return middleware.PayatomConfig{SecretKeys: []payack.Secret{k.SecretKey}, ExpectInCallback: true}
}

// payatomCallbacks describes Payatom's webhooks.
var payatomCallbacks = descriptor{
	signature:     "post_hash",
	signed:        []string{"order_id", "received_amount", "status"},
	flipSignature: flipPostHash(func(int) int { return ivSize + macSize/2 }),
	flipMAC:       flipPostHash(func(int) int { return ivSize + macSize/2 }),
	flipIV:        flipPostHash(func(int) int { return ivSize / 2 }),
	flipEnvelope:  flipPostHash(func(size int) int { return (ivSize + macSize + size) / 2 }),
	named:         payatomName,
	spelled: func(a payack.Answer) payack.Answer {
		a.Body = strings.Replace(a.Body, `"hash_status":"Hash M`, `"hash_status":"HashM`, 1)
		return a
	},
}

// PayatomBuilder builds webhooks of Payatom; see [Payatom].
type PayatomBuilder struct {
	builder
	keys       PayatomKeys
	form       bool
	formAmount bool
	php        bool
	iv         *[aes.BlockSize]byte
}

// Payatom returns a builder of Payatom webhooks. It starts with order ORD1000001
// over 500, approved and not refunded, as JSON with the amounts as strings.
func Payatom(keys PayatomKeys) PayatomBuilder {
	return PayatomBuilder{keys: keys, builder: builder{members: members{
		{"order_id", `"ORD1000001"`}, {"requested_amount", `"500"`}, {"status", `"Approved"`}, {"received_amount", `"500"`},
		{"bank_ref", `"838498153464"`}, {"sender_upi", `"payer@example"`}, {"ref_code", `"b73ea6649b9a4686"`}, {"refund_info", "[]"},
	}}}
}

// Set replaces the value of a member, or appends a new member. The value becomes a
// JSON number if the member was one and the value can be one, and a string
// otherwise.
func (b PayatomBuilder) Set(name, value string) PayatomBuilder {
	b.builder = b.named(name, b.members.set(name, value))
	return b
}

// SetJSON is like Set but takes the exact JSON literal, such as 500.00, 5e2 or
// null. In a form, the literal's text is sent.
func (b PayatomBuilder) SetJSON(name, literal string) PayatomBuilder {
	b.builder = b.named(name, b.members.setJSON(name, literal))
	return b
}

// Remove removes a member. If the member is signed, it is then signed as if it
// were empty.
func (b PayatomBuilder) Remove(name string) PayatomBuilder {
	b.members = b.members.remove(name)
	return b
}

// Order sets order_id.
func (b PayatomBuilder) Order(id string) PayatomBuilder { return b.Set("order_id", id) }

// Amount sets requested_amount and received_amount, keeping their JSON type.
func (b PayatomBuilder) Amount(text string) PayatomBuilder {
	return b.Set("requested_amount", text).Set("received_amount", text)
}

// NumberAmount sets both amounts to an exact JSON number, such as 500.00.
func (b PayatomBuilder) NumberAmount(literal string) PayatomBuilder {
	return b.SetJSON("requested_amount", literal).SetJSON("received_amount", literal)
}

// Status sets status.
func (b PayatomBuilder) Status(s payack.PayatomStatus) PayatomBuilder {
	return b.Set("status", string(s))
}

// Refund sets refund_info to an object with these members. By default refund_info
// is [], as PHP writes an empty map. For null use SetJSON; to leave it out use
// Remove.
func (b PayatomBuilder) Refund(r payack.PayatomRefund) PayatomBuilder {
	var m members
	for _, x := range []struct {
		name string
		text payack.Text
	}{
		{"refunded_upi", r.RefundedUPI}, {"refund_amount", payack.NewText(r.Amount.String())},
		{"refund_initiated_time", r.InitiatedTime}, {"refund_completed_time", r.CompletedTime},
		{"refund_status", r.Status}, {"refund_notes", r.Notes},
	} {
		if text, ok := x.text.Get(); ok {
			m = append(m, member{x.name, quote(text)})
		} else {
			m = append(m, member{x.name, "null"})
		}
	}
	return b.SetJSON("refund_info", m.json())
}

// Fresh sets a new, random order_id and ref_code.
func (b PayatomBuilder) Fresh() PayatomBuilder {
	return b.Set("order_id", "ORD"+freshHex(6)).Set("ref_code", freshHex(8))
}

// Form sends a URL-encoded form, as an older generation of the gateway does.
func (b PayatomBuilder) Form() PayatomBuilder { b.form = true; return b }

// FormAmount is like Form but names the received amount "amount".
func (b PayatomBuilder) FormAmount() PayatomBuilder {
	b.form, b.formAmount = true, true
	return b
}

// PHPNumbers signs PHP's text of the amount (100 for 100.00) instead of its
// literal, if the amount is a JSON number.
func (b PayatomBuilder) PHPNumbers() PayatomBuilder { b.php = true; return b }

// IV sets the IV of post_hash, for reproducible bytes. By default each Build uses a
// random one.
func (b PayatomBuilder) IV(iv [aes.BlockSize]byte) PayatomBuilder { b.iv = &iv; return b }

// Config returns the configuration of a receiver that accepts the webhook. It is
// the keys' configuration with the body's format.
func (b PayatomBuilder) Config() middleware.PayatomConfig {
	c := b.keys.Config()
	if b.form {
		c.Body = verify.BodyForm
	}
	return c
}

// Callback is Build for tests: it ends the test if Build fails.
func (b PayatomBuilder) Callback(t testing.TB) Callback { t.Helper(); return finish(t, b.Build) }

// Build signs the members and returns the webhook.
func (b PayatomBuilder) Build() (Callback, error) {
	if b.err != nil {
		return Callback{}, b.err
	}
	if b.members.index("post_hash") >= 0 {
		return Callback{}, errors.New("payacktest: post_hash is made by the builder; spoil it with FlipMAC or SetMember")
	}
	signer, err := verify.NewPayatomSigner(b.keys.SecretKey)
	if err != nil {
		return Callback{}, err
	}
	amount := b.members.text("received_amount")
	if i := b.members.index("received_amount"); i >= 0 && b.php && !b.form {
		if text, ok := php.NumberText(b.members[i].literal); ok {
			amount = text
		}
	}
	var iv [aes.BlockSize]byte
	if b.iv != nil {
		iv = *b.iv
	} else {
		_, _ = rand.Read(iv[:]) // never returns an error
	}
	hash := signer.PostHashIV(iv, b.members.text("order_id"), amount, b.members.text("status"))
	m := b.members.setJSON("post_hash", quote(hash))
	cb := Callback{Provider: payack.Payatom, Header: http.Header{"Content-Type": {"application/json"}}}
	if !b.form {
		cb.Body = []byte(m.json())
		return cb, nil
	}
	if i := m.index("received_amount"); i >= 0 && b.formAmount {
		m[i].name = "amount"
	}
	cb.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	cb.Body = []byte(m.form())
	return cb, nil
}

// Sizes of parts of a post_hash, in bytes.
const (
	ivSize  = 16
	macSize = 32
)

// flipPostHash flips a bit of one byte of the decoded post_hash. at returns the
// byte's index for the length of the decoded post_hash.
func flipPostHash(at func(size int) int) Tampering {
	return func(cb Callback) (Callback, error) {
		return cb.editMember("post_hash", func(text string) (string, error) { return flipBase64(text, at) })
	}
}

// payatomName returns the name under which a message has a member: "amount" for
// the received amount in a form that FormAmount builds.
func payatomName(d document, name string) string {
	if name == "received_amount" && d.form && d.find(name) == nil {
		return "amount"
	}
	return name
}

// MoveBorder moves n characters from the end of the left member to the front of
// the right member. With a negative n it moves -n characters from the front of
// the right member to the end of the left member. The members must follow each
// other in the text that Payatom's post_hash covers: order_id, received_amount,
// status.
//
// The hash still fits, so the result verifies. A receiver can refuse it only if
// it knows the order (Expect or Confirm), has seen the hash with other members,
// or finds a member invalid.
func MoveBorder(left, right string, n int) Tampering {
	return edit(func(d document) ([]byte, error) {
		leftName, rightName := payatomName(d, left), payatomName(d, right)
		if left+" "+right != "order_id received_amount" && left+" "+right != "received_amount status" {
			return nil, fmt.Errorf("payacktest: MoveBorder: %s and %s do not follow each other in the signed text", left, right)
		}
		l, r := d.find(leftName), d.find(rightName)
		if l == nil || r == nil {
			return nil, fmt.Errorf("payacktest: MoveBorder: %s or %s is missing", left, right)
		}
		joined := textOfField(*l) + textOfField(*r)
		border := len(textOfField(*l)) - n
		if n == 0 || border < 0 || border > len(joined) {
			return nil, fmt.Errorf("payacktest: MoveBorder: %d characters cannot be moved", n)
		}
		literalLike := func(f strict.Field, text string) string {
			if f.Kind == strict.Number && strictNumber(text) {
				return text
			}
			return quote(text)
		}
		text, err := d.set(leftName, literalLike(*l, joined[:border]))
		if err != nil {
			return nil, err
		}
		moved, err := parseDocument(text, d.form)
		if err != nil {
			return nil, err
		}
		return moved.set(rightName, literalLike(*r, joined[border:]))
	})
}

func textOfField(f strict.Field) string {
	if f.Kind == strict.Null {
		return ""
	}
	return f.Text
}

// strictNumber reports whether a text is a JSON number.
func strictNumber(text string) bool {
	d, err := parseDocument([]byte(`{"n":`+text+`}`), false)
	return err == nil && d.fields[0].Kind == strict.Number
}
