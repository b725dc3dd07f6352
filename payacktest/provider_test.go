package payacktest_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	. "github.com/payack/payack/payacktest"
)

func TestDescriptorsAreComplete(t *testing.T) { require.NoError(t, Descriptors().Check()) }

// The error for an unknown provider lists the known ones.
func TestUnknownProvider(t *testing.T) {
	const there = `there is no provider "stripe"; there are ptop, pts and payatom`
	cb := PTS(NewPTSKeys()).Callback(t)
	cb.Provider = "stripe"
	for name, how := range map[string]Tampering{
		"FlipSignature": FlipSignature, "FlipMAC": FlipMAC, "FlipIV": FlipIV, "FlipEnvelope": FlipEnvelope,
		"DropSignature": DropSignature, "SignatureOf": SignatureOf(PTS(NewPTSKeys()).Fresh().Callback(t)),
	} {
		_, err := cb.Tamper(how)
		assert.ErrorContains(t, err, there, name)
	}
	_, err := Forgeries(cb)
	assert.ErrorContains(t, err, there)

	for name, check := range map[string]assertion{"Accepted": Accepted, "Failed": Failed, "Rejected": Rejected, "RejectedVerified": RejectedVerified, "Refused": Refused} {
		fake := run(func(t testing.TB) { assert.False(t, check(t, "stripe", response(200, "text/plain", "SUCCESS"))) })
		assert.Equal(t, "payacktest: "+there, fake.text, name)
	}
	assert.PanicsWithError(t, "payack: AnswerOf: "+there, func() { Answer("stripe", "") })
}

// The place of the signature shows the provider. With two signatures the provider
// is unclear.
func TestProviderIsRecognised(t *testing.T) {
	forged := func(cb Callback) (string, error) {
		out, err := cb.Tamper(FlipSignature)
		return string(out.Body), err
	}
	loaded := func(body string) Callback { return Callback{Header: http.Header{}, Body: []byte(body)} }
	_, err := forged(loaded(`{"sign":"AAAA","post_hash":"AAAA"}`))
	assert.ErrorContains(t, err, "set Provider")
	got, err := forged(loaded(`{"sign":"AAAA","signature":7}`))
	assert.ErrorContains(t, err, "set Provider", got)
	got, err = forged(loaded(`{"sign":"AAAA"}`))
	require.NoError(t, err)
	assert.Equal(t, `{"sign":"AAEA"}`, got)
	_, err = forged(loaded(`{"sign":"AAAA"}`).WithKeys(NewPTSKeys()))
	require.NoError(t, err)
}
