package payacktest

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/php"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/verify"
)

// ptsShape is one of the four shapes of a callback of PTS.
type ptsShape int

const (
	ptsFlat ptsShape = iota
	ptsEnvelope
	ptsDataEnvelope
	ptsDataObject
)

// PTSBuilder builds callbacks of PTS (Pagarstar); see [PTS].
type PTSBuilder struct {
	builder
	keys  PTSKeys
	shape ptsShape
	php   bool
}

// PTS returns the builder of a callback of PTS (Pagarstar): a payment of 100.50
// PHP that succeeded, as a flat JSON object.
func PTS(keys PTSKeys) PTSBuilder {
	userID := keys.UserID
	if userID == "" {
		userID = "1"
	}
	return PTSBuilder{keys: keys, builder: builder{members: members{
		{"user_id", quote(userID)}, {"order_id", `"ORD1000001"`}, {"transaction_id", `"T1000001"`}, {"channel", `"GCASH"`},
		{"submit_currency", `"PHP"`}, {"submit_amount", "100.50"}, {"accept_currency", `"PHP"`}, {"accept_amount", "100.50"},
		{"exchange_rate", "1.0"}, {"status", `"2000"`}, {"timestamp", "1731000000"}, {"reference_number", `"R1000001"`},
	}}}
}

// Set gives a member another value in its place, or appends a new one. The
// value becomes a JSON number where the member was one and it can be one, and a
// string otherwise.
func (b PTSBuilder) Set(name, value string) PTSBuilder {
	b.builder = b.named(name, b.members.set(name, value))
	return b
}

// SetJSON is Set with the exact JSON literal, such as 100.50, 1e2, "2000" or
// null.
func (b PTSBuilder) SetJSON(name, literal string) PTSBuilder {
	b.builder = b.named(name, b.members.setJSON(name, literal))
	return b
}

// Remove leaves a member out. A signed one is then signed as if it were empty.
func (b PTSBuilder) Remove(name string) PTSBuilder {
	b.members = b.members.remove(name)
	return b
}

// Order sets order_id.
func (b PTSBuilder) Order(id string) PTSBuilder { return b.Set("order_id", id) }

// Amount sets submit_amount and accept_amount.
func (b PTSBuilder) Amount(text string) PTSBuilder {
	return b.Set("submit_amount", text).Set("accept_amount", text)
}

// Status sets status.
func (b PTSBuilder) Status(s payack.PTSStatus) PTSBuilder { return b.Set("status", string(s)) }

// Fresh gives the callback an order_id, transaction_id and reference_number
// that were not used before, and the present time.
func (b PTSBuilder) Fresh() PTSBuilder {
	return b.Set("order_id", "ORD"+freshHex(6)).Set("transaction_id", "T"+freshHex(6)).
		Set("reference_number", "R"+freshHex(6)).Set("timestamp", strconv.FormatInt(time.Now().Unix(), 10))
}

// Flat sends the members as one JSON object; it is the default.
func (b PTSBuilder) Flat() PTSBuilder { b.shape = ptsFlat; return b }

// Envelope sends the base64 of the sealed members as text/plain.
func (b PTSBuilder) Envelope() PTSBuilder { b.shape = ptsEnvelope; return b }

// DataEnvelope sends {"data":"…"} with the base64 of the sealed members.
func (b PTSBuilder) DataEnvelope() PTSBuilder { b.shape = ptsDataEnvelope; return b }

// DataObject sends {"code":…,"message":…,"data":{…}} with the members in data.
func (b PTSBuilder) DataObject() PTSBuilder { b.shape = ptsDataObject; return b }

// PHPNumbers signs PHP's text of the amounts and the rate instead of their
// literals (100.5 for 100.50), where they are JSON numbers.
func (b PTSBuilder) PHPNumbers() PTSBuilder { b.php = true; return b }

// Config returns the configuration of a receiver that accepts the callback; it
// is that of the keys.
func (b PTSBuilder) Config() middleware.PTSConfig { return b.keys.Config() }

// Callback is Build for tests: it ends the test when there is an error.
func (b PTSBuilder) Callback(t testing.TB) Callback { t.Helper(); return finish(t, b.Build) }

// Build signs the members and puts them into their shape. It is an error to ask
// for an envelope that the keys don't have, and to sign a text that PTS's
// documents make ambiguous.
func (b PTSBuilder) Build() (Callback, error) {
	if b.err != nil {
		return Callback{}, b.err
	}
	if b.members.index("sign") >= 0 {
		return Callback{}, errors.New("payacktest: sign is made by the builder; spoil it with FlipSignature or SetMember")
	}
	signer, err := b.keys.signer()
	if err != nil {
		return Callback{}, err
	}
	sign, err := signer.Sign(verify.PTSCallback, b.texts())
	if err != nil {
		return Callback{}, err
	}
	plain := b.members.setJSON("sign", quote(sign)).json()
	cb := Callback{Provider: payack.PTS, Header: http.Header{"Content-Type": {"application/json"}}, keys: &b.keys}
	switch b.shape {
	case ptsFlat:
		cb.Body = []byte(plain)
		return cb, nil
	case ptsDataObject:
		cb.Body = []byte(`{"code":"1000","message":"success","data":` + plain + `}`)
		return cb, nil
	case ptsEnvelope:
		cb.Header.Set("Content-Type", "text/plain")
	case ptsDataEnvelope:
		cb.Body = []byte(`{"data":""}`) // filled by seal
	}
	return cb.seal([]byte(plain))
}

// texts are what is signed.
func (b PTSBuilder) texts() map[string]string {
	signed := verify.PTSCallback.SignedMembers()
	out := make(map[string]string, len(signed))
	for _, name := range signed {
		out[name] = b.members.text(name)
	}
	if !b.php {
		return out
	}
	for _, name := range []string{"submit_amount", "accept_amount", "exchange_rate"} {
		if i := b.members.index(name); i >= 0 {
			if text, ok := php.NumberText(b.members[i].literal); ok {
				out[name] = text
			}
		}
	}
	return out
}

// seal puts members into the envelope that the body is, or has in data, and
// renews X-Transaction-Signature.
func (cb Callback) seal(plain []byte) (Callback, error) {
	signer, err := cb.keys.signer()
	if err != nil {
		return Callback{}, err
	}
	sealed, err := signer.Seal(plain)
	if err != nil {
		return Callback{}, err
	}
	cb = cb.Clone()
	if looksLikeJSON(cb.Body) {
		d, err := parseDocument(cb.Body, false)
		if err != nil {
			return Callback{}, err
		}
		if cb.Body, err = d.set("data", quote(string(sealed))); err != nil {
			return Callback{}, err
		}
	} else {
		cb.Body = slices.Clone(sealed)
	}
	if !cb.keys.TransactionSecret.IsZero() {
		value, err := signer.TransactionSignature(sealed, cb.keys.TransactionSignature)
		if err != nil {
			return Callback{}, err
		}
		cb.Header[verify.PTSTransactionHeader] = []string{value}
	}
	return cb, nil
}
