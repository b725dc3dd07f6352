package middleware_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/e2e"
	"github.com/payack/payack/internal/vectors"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/ratelimit"
	"github.com/payack/payack/store/memstore"
	"github.com/payack/payack/verify"
)

func publicPEM(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func ptsVectorKey(t testing.TB) vectors.Key {
	t.Helper()
	return e2e.PTSKey(t)
}

// A wrong configuration is refused when the receiver is made. The error names the
// member and the fix.
func TestConfigurationErrors(t *testing.T) {
	key := ptsVectorKey(t)
	elliptical, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	short := publicPEM(t, &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 511, 1), E: 65537})
	ptop := func() middleware.PtopConfig {
		return middleware.PtopConfig{SigningKeys: payack.Secrets(ptopKey), ConfirmInCallback: true}
	}
	pts := func() middleware.PTSConfig {
		return middleware.PTSConfig{Safecode: payack.NewSecret(key.Safecode), PublicKeys: []string{key.PublicPEM}}
	}
	payatom := func() middleware.PayatomConfig {
		return middleware.PayatomConfig{SecretKeys: payack.Secrets(payatomKey), ExpectInCallback: true}
	}
	ptopErr := func(set func(*middleware.PtopConfig)) error {
		c := ptop()
		set(&c)
		_, err := middleware.NewPtop(c)
		return err
	}
	ptsErr := func(set func(*middleware.PTSConfig)) error {
		c := pts()
		set(&c)
		_, err := middleware.NewPTS(c)
		return err
	}
	payatomErr := func(set func(*middleware.PayatomConfig)) error {
		c := payatom()
		set(&c)
		_, err := middleware.NewPayatom(c)
		return err
	}
	optionErr := func(set func(*middleware.Options)) error {
		return ptopErr(func(c *middleware.PtopConfig) { set(&c.Options) })
	}
	confirmPtop := func(context.Context, *payack.PtopEvent) (*payack.Confirmation, error) { return nil, nil }
	ptsKeys := func(context.Context, *http.Request) (*verify.PTSKeys, error) { return nil, nil }
	require.NoError(t, ptopErr(func(*middleware.PtopConfig) {}))
	require.NoError(t, ptsErr(func(*middleware.PTSConfig) {}))
	require.NoError(t, payatomErr(func(*middleware.PayatomConfig) {}))

	for _, tc := range []struct {
		name  string
		err   error
		words []string // the member, and the fix
	}{
		{"Ptop without Confirm", ptopErr(func(c *middleware.PtopConfig) { c.ConfirmInCallback = false }),
			[]string{"Confirm:", "set Confirm", "ConfirmInCallback"}},
		{"Ptop with Confirm and ConfirmInCallback", ptopErr(func(c *middleware.PtopConfig) { c.Confirm = confirmPtop }),
			[]string{"Confirm and ConfirmInCallback", "leave one"}},
		{"Ptop without keys", ptopErr(func(c *middleware.PtopConfig) { c.SigningKeys = nil }), []string{"SigningKeys", "at least one"}},
		{"Ptop with an empty key", ptopErr(func(c *middleware.PtopConfig) { c.SigningKeys = payack.Secrets(ptopKey, "") }),
			[]string{"SigningKeys: key 2: it is empty"}},
		{"Ptop with KeyFunc and keys", ptopErr(func(c *middleware.PtopConfig) {
			c.KeyFunc = func(context.Context, *http.Request) (*verify.PtopKeys, error) { return nil, nil }
		}), []string{"KeyFunc and SigningKeys", "give one"}},
		{"an unknown scheme", ptopErr(func(c *middleware.PtopConfig) { c.Schemes = []payack.Scheme{"magic"} }),
			[]string{"Schemes", `"magic"`, "header, spliced, reencoded, blanked"}},
		{"a scheme of the other body", ptopErr(func(c *middleware.PtopConfig) { c.Schemes = []payack.Scheme{payack.SchemeForm} }),
			[]string{"Schemes", `"form"`, "set Body"}},
		{"an unknown body", ptopErr(func(c *middleware.PtopConfig) { c.Body = "xml" }), []string{"Body", `"xml"`, `"json" or "form"`}},
		{"sniffing forms", ptopErr(func(c *middleware.PtopConfig) { c.Body, c.Sniff = verify.BodyForm, true }), []string{"Sniff", "leave"}},
		{"an empty header name", ptopErr(func(c *middleware.PtopConfig) { c.SignatureHeaders = []string{"X-Signature", ""} }),
			[]string{"SignatureHeaders: name 2", "X-Signature"}},

		{"PTS without a safecode", ptsErr(func(c *middleware.PTSConfig) { c.Safecode = payack.Secret{} }), []string{"Safecode", "empty"}},
		{"a safecode of the wrong length for AES", ptsErr(func(c *middleware.PTSConfig) { c.Safecode = payack.NewSecret("fifteen chars!!") }),
			[]string{"Safecode", "15 bytes", "set NoEnvelopes"}},
		{"a safecode that is not hex", ptsErr(func(c *middleware.PTSConfig) {
			c.Safecode, c.SafecodeEncoding = payack.NewSecret("zz"+key.Safecode[2:]), "hex"
		}), []string{"Safecode", "hex", "raw"}},
		{"an unknown safecode encoding", ptsErr(func(c *middleware.PTSConfig) { c.SafecodeEncoding = "base64" }),
			[]string{"SafecodeEncoding", `"base64"`, `"raw" or "hex"`}},
		{"a user id with a blank", ptsErr(func(c *middleware.PTSConfig) { c.UserID = "277 " }), []string{"payack: pts: UserID: it begins or ends with white space"}},
		{"PTS without public keys", ptsErr(func(c *middleware.PTSConfig) { c.PublicKeys = nil }), []string{"PublicKeys", "PEM"}},
		{"a key that is not PEM", ptsErr(func(c *middleware.PTSConfig) { c.PublicKeys = []string{"MIGfMA0G"} }), []string{"PublicKeys: key 1", "no PEM"}},
		{"a private key", ptsErr(func(c *middleware.PTSConfig) { c.PublicKeys = []string{key.PublicPEM, key.PrivatePEM} }),
			[]string{"PublicKeys: key 2", "PRIVATE KEY", "give PTS's PUBLIC KEY"}},
		{"a damaged key", ptsErr(func(c *middleware.PTSConfig) {
			c.PublicKeys = []string{strings.Replace(key.PublicPEM, "MIGf", "MIGe", 1)}
		}), []string{"PublicKeys: key 1", "damaged", "copy it again"}},
		{"two keys in one text", ptsErr(func(c *middleware.PTSConfig) { c.PublicKeys = []string{key.PublicPEM + key.PublicPEM} }),
			[]string{"PublicKeys: key 1", "its own entry"}},
		{"a key of another kind", ptsErr(func(c *middleware.PTSConfig) { c.PublicKeys = []string{publicPEM(t, &elliptical.PublicKey)} }),
			[]string{"PublicKeys: key 1", "not of RSA"}},
		{"a short key", ptsErr(func(c *middleware.PTSConfig) { c.PublicKeys = []string{short} }),
			[]string{"PublicKeys: key 1", "512 bits", "1024"}},
		{"unknown numbers", ptsErr(func(c *middleware.PTSConfig) { c.Numbers = []payack.Scheme{"float"} }),
			[]string{"Numbers", `"float"`, "literal, php"}},
		{"an unknown encoding of the header", ptsErr(func(c *middleware.PTSConfig) { c.TransactionSignature = "b64" }),
			[]string{"TransactionSignature", `"b64"`, `"base64" or "hex"`}},
		{"a transaction secret without envelopes", ptsErr(func(c *middleware.PTSConfig) {
			c.TransactionSecret, c.NoEnvelopes = payack.NewSecret(key.TransactionSecret), true
		}), []string{"TransactionSecret", "leave one"}},
		{"PTS with KeyFunc and keys", ptsErr(func(c *middleware.PTSConfig) { c.KeyFunc = ptsKeys }), []string{"KeyFunc and keys", "give one"}},
		{"PTS with KeyFunc and a safecode's encoding", ptsErr(func(c *middleware.PTSConfig) {
			*c = middleware.PTSConfig{KeyFunc: ptsKeys, SafecodeEncoding: "hex"}
		}), []string{"KeyFunc and keys", "give one"}},
		{"PTS with KeyFunc and NoEnvelopes", ptsErr(func(c *middleware.PTSConfig) {
			*c = middleware.PTSConfig{KeyFunc: ptsKeys, NoEnvelopes: true}
		}), []string{"KeyFunc and keys", "give one"}},

		{"Payatom without a comparison", payatomErr(func(c *middleware.PayatomConfig) { c.ExpectInCallback = false }),
			[]string{"Expect:", "set Expect or Confirm", "ExpectInCallback"}},
		{"Payatom with Expect and ExpectInCallback", payatomErr(func(c *middleware.PayatomConfig) {
			c.Expect = func(context.Context, *payack.PayatomEvent) (payack.Expectation, error) {
				return payack.Expectation{}, nil
			}
		}), []string{"ExpectInCallback", "leave one"}},
		{"Payatom with Match alone", payatomErr(func(c *middleware.PayatomConfig) { c.Match = payack.Amount.Equal }),
			[]string{"Match", "set Expect"}},
		{"Payatom without keys", payatomErr(func(c *middleware.PayatomConfig) { c.SecretKeys = nil }), []string{"SecretKeys", "at least one"}},
		{"Payatom with an empty key", payatomErr(func(c *middleware.PayatomConfig) { c.SecretKeys = []payack.Secret{{}} }),
			[]string{"SecretKeys: key 1: it is empty"}},
		{"Payatom with KeyFunc and keys", payatomErr(func(c *middleware.PayatomConfig) {
			c.KeyFunc = func(context.Context, *http.Request) (*verify.PayatomKeys, error) { return nil, nil }
		}), []string{"KeyFunc and SecretKeys", "give one"}},
		{"Payatom with unknown numbers", payatomErr(func(c *middleware.PayatomConfig) { c.Numbers = []payack.Scheme{"PHP"} }),
			[]string{"Numbers", `"PHP"`, "literal, php"}},

		{"a lease as long as the deadline", optionErr(func(o *middleware.Options) { o.Deadline, o.Lease = time.Minute, time.Minute }),
			[]string{"Lease", "1m0s", "raise it"}},
		{"a lease shorter than the default deadline", optionErr(func(o *middleware.Options) { o.Lease = time.Second }),
			[]string{"Lease", "8s", "raise it"}},
		{"a negative limit", optionErr(func(o *middleware.Options) { o.MaxBody = -1 }), []string{"MaxBody", "leave them 0"}},
		{"a negative time", optionErr(func(o *middleware.Options) { o.ReadTimeout = -1 }), []string{"ReadTimeout", "leave them 0"}},
		{"an invalid prefix", optionErr(func(o *middleware.Options) { o.AllowedAddresses = []netip.Prefix{{}} }),
			[]string{"AllowedAddresses", "/32"}},
		{"an invalid proxy prefix", optionErr(func(o *middleware.Options) {
			o.TrustedProxies = []netip.Prefix{netip.PrefixFrom(netip.MustParseAddr("10.0.0.1"), 33)}
		}), []string{"TrustedProxies", "/32"}},
		{"IPv4 in IPv6", optionErr(func(o *middleware.Options) { o.AllowedAddresses = prefixes("::ffff:203.0.113.0/120") }),
			[]string{"AllowedAddresses", "::ffff:203.0.113.0/120", "write it as IPv4"}},
		{"ForwardedHeader without TrustedProxies", optionErr(func(o *middleware.Options) { o.ForwardedHeader = "Forwarded" }), []string{"ForwardedHeader", "TrustedProxies"}},
		{"Charge without a Limiter", optionErr(func(o *middleware.Options) { o.Charge = "failures" }), []string{"Charge", "without a Limiter"}},
		{"LimitPolicy without a Limiter", optionErr(func(o *middleware.Options) { o.LimitPolicy = "x" }), []string{"LimitPolicy", "without a Limiter"}},
		{"LimitKey without a Limiter", optionErr(func(o *middleware.Options) { o.LimitKey = limitKeyFunc(func() {}) }), []string{"LimitKey", "without a Limiter"}},
		{"a store that is a nil pointer", optionErr(func(o *middleware.Options) { o.Store = (*memstore.Store)(nil) }), []string{"Store", "nil pointer"}},
		{"a limiter that is a nil pointer", optionErr(func(o *middleware.Options) { o.Limiter = (*ratelimit.Memory)(nil) }), []string{"Limiter", "nil pointer"}},
		{"an observer that is a nil pointer", optionErr(func(o *middleware.Options) { o.Observer = (*watch)(nil) }), []string{"Observer", "nil pointer"}},
		{"an observer that is a nil function", optionErr(func(o *middleware.Options) { o.Observer = payack.ObserverFunc(nil) }), []string{"Observer", "nil"}},
		{"SafecodeEncoding with NoEnvelopes", ptsErr(func(c *middleware.PTSConfig) { c.NoEnvelopes, c.SafecodeEncoding = true, "hex" }),
			[]string{"SafecodeEncoding", "NoEnvelopes"}},
		{"a rule that does not apply to amounts", ptsErr(func(c *middleware.PTSConfig) { c.Validate = map[string]string{"AcceptAmount": "len=3"} }),
			[]string{"Validate", "AcceptAmount", `"len"`, "gte"}},
		{"a bound that is not a number", ptsErr(func(c *middleware.PTSConfig) { c.Validate = map[string]string{"AcceptAmount": "gt=ten"} }),
			[]string{"AcceptAmount", `"gt=ten"`}},
		{"an unknown charge", optionErr(func(o *middleware.Options) { o.Charge = "some" }), []string{"Charge", `"some"`, `"all" or "failures"`}},
		{"a rule for an unknown field", optionErr(func(o *middleware.Options) { o.Validate = map[string]string{"order_id": "required"} }),
			[]string{"Validate", `"order_id"`, "OrderID"}},
		{"an unknown rule", optionErr(func(o *middleware.Options) { o.Validate = map[string]string{"OrderID": "eqals=1"} }),
			[]string{"Validate", "eqals", "OrderID"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.Error(t, tc.err)
			text := tc.err.Error()
			for _, word := range tc.words {
				assert.Contains(t, text, word)
			}
			assert.NotContains(t, text, "\n")
			assert.Regexp(t, "^payack: (ptop|pts|payatom): ", text)
			assert.NotContains(t, text, "ratelimit: ")
			// Errors name members by their Go names. Wire names occur only within
			// quotation marks, in what the caller wrote.
			assert.NotRegexp(t, "[a-z]_[a-z]|(: |option |set )(sniff|body|schemes?|numbers|safecode)\\b", regexp.MustCompile(`"[^"]*"`).ReplaceAllString(text, ""))
			for _, secret := range []string{ptopKey, payatomKey, key.Safecode, key.Safecode[2:], key.TransactionSecret, "fifteen chars!!",
				strings.Split(key.PrivatePEM, "\n")[1], strings.Split(key.PublicPEM, "\n")[1], "MIG"} {
				assert.NotContains(t, text, secret)
			}
		})
	}
}

func TestNilCallback(t *testing.T) {
	_, err := middleware.Handle(ptopReceiver(t, middleware.Options{}), ptopFunc(nil))
	require.Error(t, err)
	assert.Contains(t, err.Error(), "the callback is nil; give the function")
}

// KeyFunc is called once for each delivery, after the body was read and with the
// delivery in its context.
func TestKeyFuncSeesTheDelivery(t *testing.T) {
	keys, err := verify.NewPtopKeys("shop", payack.NewSecret(ptopKey))
	require.NoError(t, err)
	asked := 0
	h, err := middleware.Handle(ptopConfigured(t, middleware.PtopConfig{ConfirmInCallback: true,
		KeyFunc: func(ctx context.Context, r *http.Request) (*verify.PtopKeys, error) {
			asked++
			d, ok := payack.DeliveryFrom(ctx)
			require.True(t, ok)
			assert.Equal(t, ptopBody("T1"), d.Body)
			assert.Nil(t, d.Event)
			assert.Equal(t, "/ptop", r.URL.Path)
			return keys, nil
		}}), acceptAll)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, serve(h, ptopRequest(t, "T1")).Code)
	assert.Equal(t, 1, asked)
	r := ptopRequest(t, "T1")
	r.Header.Set("Content-Type", "text/html")
	serve(h, r)
	assert.Equal(t, 1, asked, "not for what is refused at the gate")
}
