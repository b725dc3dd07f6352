package payacktest

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/providers"
)

// descriptor describes one provider's callbacks, apart from how they are built.
// Each provider has one, in its file.
type descriptor struct {
	// signature is the member that holds the signature if no header does.
	signature string
	// signed are the members besides signature whose change every receiver must
	// refuse.
	signed []string
	// headers are the usual names of headers that carry a signature. Recordings
	// keep them.
	headers []string
	// header returns the name of the header that has a callback's signature, or an
	// empty name. It is nil for a provider that never signs in a header.
	header func(Callback) string

	// Each of these tamperings changes one bit of the part that its name gives. It is
	// nil if the provider's callbacks have no such part.
	flipSignature, flipMAC, flipIV, flipEnvelope Tampering

	// inside finds members that are not directly in the body, and returns a function
	// that puts changed members back. The bool is false if the body itself has the
	// members. The field is nil for a provider whose bodies always have them.
	inside func(Callback) (document, func([]byte) (Callback, error), bool, error)
	// named returns the name under which a message has a signed member. It is nil if
	// each member has only one name.
	named func(d document, name string) string
	// spelled returns an answer in the spelling of [Answer]. It is nil if there is
	// one spelling only.
	spelled func(payack.Answer) payack.Answer
}

// descriptors has the descriptor of each provider. It is set in init, because the
// descriptors refer to it.
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

// othersHeader reports whether another provider has its signatures in this header.
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

// provider returns the callback's Provider. If that is unset, it recognises the
// provider by the envelope, or by the member or header that holds the signature.
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
	return "", errors.New("payacktest: the provider of the callback is unclear; set Provider")
}

// signedInside reports whether a callback has a provider's signature member, or an
// envelope of that provider.
func (cb Callback) signedInside(p payack.Provider) bool {
	cb.Provider = p
	d, _, err := cb.open()
	return err == nil && d.find(descriptors[p].signature) != nil || errors.Is(err, errSealed)
}

func (cb Callback) signedInHeader(p payack.Provider) bool { return descriptors[p].headerOf(cb) != "" }
