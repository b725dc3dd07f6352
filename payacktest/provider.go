package payacktest

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/providers"
)

// descriptor is what this package knows of one provider's callbacks, apart from
// how they are built. Each provider has one, in its file.
type descriptor struct {
	// signature is the member that holds the signature where no header does.
	signature string
	// signed are the other members whose change no receiver may accept.
	signed []string
	// headers are the usual names of headers that carry a signature. They are
	// recorded.
	headers []string
	// header returns the name of the header with a callback's signature, empty
	// where none has it. It is nil for a provider that signs in a member only.
	header func(Callback) string

	// These change one bit. They are nil where there is nothing of the kind.
	flipSignature, flipMAC, flipIV, flipEnvelope Tampering

	// inside finds the members of a callback that stand elsewhere than in the
	// body itself, and returns what puts changed ones back. It reports false for
	// a body that has them itself, and is nil where all do.
	inside func(Callback) (document, func([]byte) (Callback, error), bool, error)
	// named returns the name that a message has for a signed member, nil where
	// there is one only.
	named func(d document, name string) string
	// spelled returns an answer in the spelling of [Answer], nil where there is
	// one only.
	spelled func(payack.Answer) payack.Answer
}

// descriptors has one of each provider. It is filled in init because what it
// holds looks things up in it.
var descriptors providers.Registry[*descriptor]

func init() {
	descriptors = providers.Registry[*descriptor]{
		payack.Ptop:    &ptopCallbacks,
		payack.PTS:     &ptsCallbacks,
		payack.Payatom: &payatomCallbacks,
	}
}

func (d *descriptor) headerOf(cb Callback) string {
	if d.header == nil {
		return ""
	}
	return d.header(cb)
}

// spelling returns an answer in the spelling of [Answer].
func (d *descriptor) spelling(a payack.Answer) payack.Answer {
	if d.spelled == nil {
		return a
	}
	return d.spelled(a)
}

// signatureOf returns the text of a callback's signature.
func (d *descriptor) signatureOf(cb Callback) (string, error) {
	if name := d.headerOf(cb); name != "" {
		return cb.Header[name][0], nil
	}
	doc, _, err := cb.open()
	if err != nil {
		return "", err
	}
	if f := doc.find(d.signature); f != nil {
		return f.Text, nil
	}
	return "", fmt.Errorf("payacktest: the other callback has no %s", d.signature)
}

// othersHeader reports whether a provider other than this one has its
// signatures in a header of that name.
func (d *descriptor) othersHeader(name string) bool {
	for _, other := range descriptors {
		for _, header := range other.headers {
			if other != d && http.CanonicalHeaderKey(header) == name {
				return true
			}
		}
	}
	return false
}

// provider tells whose callback it is, where nobody said: by the member or the
// header that has a signature.
func (cb Callback) provider() (payack.Provider, error) {
	if cb.Provider != "" {
		if _, err := descriptors.Of(cb.Provider); err != nil {
			return "", fmt.Errorf("payacktest: %w", err)
		}
		return cb.Provider, nil
	}
	for _, signed := range []func(payack.Provider) bool{cb.signedInside, cb.signedInHeader} {
		var whose []payack.Provider
		for _, p := range providers.All {
			if signed(p) {
				whose = append(whose, p)
			}
		}
		if len(whose) == 1 {
			return whose[0], nil
		}
	}
	return "", errors.New("payacktest: it cannot be told whose callback it is; set Provider")
}

// signedInside reports whether a callback has the signature member of a
// provider, or an envelope of its.
func (cb Callback) signedInside(p payack.Provider) bool {
	cb.Provider = p
	d, _, err := cb.open()
	return err == nil && d.find(descriptors[p].signature) != nil || errors.Is(err, errSealed)
}

func (cb Callback) signedInHeader(p payack.Provider) bool { return descriptors[p].headerOf(cb) != "" }
