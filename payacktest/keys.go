package payacktest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/verify"
)

// PTSKeys are both sides of a PTS account: what the provider signs with and
// what the merchant verifies with. Change fields as a test needs them; a copy
// is independent.
type PTSKeys struct {
	// UserID is the user_id of callbacks, "1" when empty. When it is set, Config
	// requires it.
	UserID           string
	Safecode         payack.Secret
	SafecodeEncoding envelope.PTSEncoding
	// PrivateKey is the provider's, as PEM; PublicKey belongs to it.
	PrivateKey payack.Secret
	PublicKey  string
	// TransactionSecret, when set, puts X-Transaction-Signature on callbacks in
	// an envelope, and makes Config require it.
	TransactionSecret    payack.Secret
	TransactionSignature verify.PTSSignatureEncoding
	// NoEnvelopes is for a safecode that is no AES key.
	NoEnvelopes bool
}

// NewPTSKeys returns fixed throwaway keys. The safecode is a key under both
// encodings.
func NewPTSKeys() PTSKeys {
	return PTSKeys{
		Safecode:   payack.NewSecret("7e57c0de7e57c0de7e57c0de7e57c0de"),
		PrivateKey: payack.NewSecret(throwawayPrivateKey),
		PublicKey:  throwawayPublicKey,
	}
}

// FreshPTSKeys returns new keys, an RSA key of 2048 bits among them; that takes
// a fraction of a second.
func FreshPTSKeys() PTSKeys {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // crypto/rand ends the program before that
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err) // an RSA key always can be
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		panic(err)
	}
	return PTSKeys{
		Safecode:   freshSecret(),
		PrivateKey: payack.NewSecret(pemText("PRIVATE KEY", private)),
		PublicKey:  pemText("PUBLIC KEY", public),
	}
}

// WithTransactionSignature returns the keys with a throwaway transaction
// secret, so that callbacks in an envelope carry X-Transaction-Signature in
// this encoding and Config requires it. Flat callbacks are then refused.
func (k PTSKeys) WithTransactionSignature(encoding verify.PTSSignatureEncoding) PTSKeys {
	k.TransactionSecret = payack.NewSecret("7e57 transaction secret, throwaway")
	k.TransactionSignature = encoding
	return k
}

// Config returns the configuration of a receiver that accepts what [PTS] builds
// with these keys. Add options as needed.
func (k PTSKeys) Config() middleware.PTSConfig {
	return middleware.PTSConfig{
		UserID: k.UserID, Safecode: k.Safecode, SafecodeEncoding: k.SafecodeEncoding, PublicKeys: []string{k.PublicKey},
		TransactionSecret: k.TransactionSecret, TransactionSignature: k.TransactionSignature, NoEnvelopes: k.NoEnvelopes,
	}
}

func (k PTSKeys) signer() (*verify.PTSSigner, error) {
	return verify.NewPTSSigner(verify.PTSSignerConfig{
		Safecode: k.Safecode, SafecodeEncoding: k.SafecodeEncoding, PrivateKey: k.PrivateKey,
		TransactionSecret: k.TransactionSecret, NoEnvelopes: k.NoEnvelopes,
	})
}

// PtopKeys are the key of a Ptop account.
type PtopKeys struct {
	// SigningKey is the_signature of Ptop's API v3 document.
	SigningKey payack.Secret
}

// NewPtopKeys returns a fixed throwaway key.
func NewPtopKeys() PtopKeys {
	return PtopKeys{SigningKey: payack.NewSecret("7e57 signing key of Ptop, throwaway")}
}

// FreshPtopKeys returns a new key.
func FreshPtopKeys() PtopKeys { return PtopKeys{SigningKey: freshSecret()} }

// Config returns the configuration of a receiver of JSON callbacks that [Ptop]
// builds with this key, with ConfirmInCallback set; a test of a Confirm hook
// sets that instead.
func (k PtopKeys) Config() middleware.PtopConfig {
	return middleware.PtopConfig{SigningKeys: []payack.Secret{k.SigningKey}, ConfirmInCallback: true}
}

// PayatomKeys are the key of a Payatom account.
type PayatomKeys struct {
	SecretKey payack.Secret
}

// NewPayatomKeys returns a fixed throwaway key.
func NewPayatomKeys() PayatomKeys {
	return PayatomKeys{SecretKey: payack.NewSecret("7e57 secret key of Payatom, throwaway")}
}

// FreshPayatomKeys returns a new key.
func FreshPayatomKeys() PayatomKeys { return PayatomKeys{SecretKey: freshSecret()} }

// Config returns the configuration of a receiver of JSON webhooks that
// [Payatom] builds with this key, with ExpectInCallback set; a test of an
// Expect or Confirm hook sets that instead.
func (k PayatomKeys) Config() middleware.PayatomConfig {
	return middleware.PayatomConfig{SecretKeys: []payack.Secret{k.SecretKey}, ExpectInCallback: true}
}

// freshSecret has 32 hex digits, as the providers' own keys have.
func freshSecret() payack.Secret { return payack.NewSecret(freshHex(16)) }

func freshHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: it ends the program instead
	return hex.EncodeToString(b)
}

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// The throwaway key pair of NewPTSKeys. It is published here: no account has it,
// and none may.
const (
	throwawayPrivateKey = `-----BEGIN PRIVATE KEY-----
MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQDch2gdJABDMEx4
NVwcwSJHlN5KcXqfvjHaDVllFAPl13s9AL2S5fR1qiLqy6zR7ptB5/zMfrW/0+Fn
DlA6xFC8wW0DIwN3GcDjJWjew67nP5zvT4eWK3fmOQ44btzXurDYkHe6NiaqyIx2
2trFy09DYDJ+uyxgWXhsWwDYYiRN9U1LL+B5NFMMirYKdnGAfkmJZjAFHRqEguhP
/q0yLqlZLI4CmcZG/WWFyCFCSu7O2fVKL/4Df6tKh7OgOD5D21s9jyTcR5I8bnO1
xveIJnwX/qF8S476hVBDQHGzP4lVEZoARzUdxO1qgl5lJPAFTQ8Tqw7p9KAYFKOW
mz4VfFHTAgMBAAECggEADhd8+KrtqJCnVXsbaR74rZhLe0UbFkAVRJ8ojWpYNJ5I
J4X3lzGoi46uooN9uWbeduyrEJCV1PpmFquPrUgQ9khp5EYFf6o4Ob7EBimwI68p
IqwM68FyICNlnDrBU+uzFA01ovZSeQSA4H6fQjDGq0Ial+yMxMj5OZTrGrVsWned
WsT5NvKTynpZejV8plxAgMswHg73HsKl1kte5I3ZAkcIPQyAeF4e3hYI0flqzzRU
F8Y3ctp/yfJLIIYJZZX6AYIu+gvvn9J8iKDvwMc/F2SLTD1kFHTASQ+njrnOlVIQ
RJzILm61ciPWOPKsPfolaoXnKLJV3AePRCHRnyxUoQKBgQDypauNccMQ7HP4p4xi
34MaCf8pNcSRNwMEINpAsTHspdkIms2nL9++sIAmgtwNYwSd4dcTmmXaoBkGsY9m
82pH7LRSoiCAWxOFad7wo2E8ElgVlpl7VPVmWR02Prpb8SFCwKpikcLKiRShY6K1
NxP+TNbryR2/UMQmNS7WOuPRwwKBgQDoqiSI4I1SGfFa/oEhTqhKGT+tM+yLpHcK
NeP7PzPtcBfQhFlDYpAfGYt8Ioji3/KH+aWClUnr+c+GewD+zYPkShtO3olQRaaD
vW6/CNMyGCJUPtq1Z+q1Hz0gMUFHm3qIKPeNSSnRKLm/5GSOzqnsjx6pbkkFxsy8
lVRu7ufusQKBgDpJn8cvf7tOAaHGpcuOg5C6vAerOdfkTh4swiDuL974DAWsIiC6
OFY3UeFuZ+vzUEWY3bCA01zMPpbECn2hlXNHoh2Dgqkyt6LBxuMpbA8hHPW6oo3k
37pBR+oi8WNqriG55HQfLZq3iTQnmgtL+sqIrMwhGLs/bI79EY42wUk/AoGAeOG9
bahNhHSaI47LhISbhzQrE1BA/CSM/K8XLjieQCTXGq1Iu2wAOUhKYkqHGGkGV4Nr
bLcn2wTFv7c0wy3/8qJWIdoZOa2WYCgR3As3v3UukNq/QzUkisoaNhmhMxUiyo+O
Xse+hD9Gkt6VKGVTf+a0JY95PRkW0nw7jA9wTWECgYBLS9Qq3eF4vBrCcWVcpRu1
kZVILGmPX3hOxhYj9G2Cs7dUF5XbiU5exwVkoHOhZe8VOSKFL+tXRX7hCF5JA3dp
6oIoq+NwtWAAnloWVf2zoD8SRHJ6Z1A0LfQULBXH/PovY+1CuHvF6OJd87oBtibj
MiRa4CSoJ1MvM+uXVzCsnQ==
-----END PRIVATE KEY-----
`
	throwawayPublicKey = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA3IdoHSQAQzBMeDVcHMEi
R5TeSnF6n74x2g1ZZRQD5dd7PQC9kuX0daoi6sus0e6bQef8zH61v9PhZw5QOsRQ
vMFtAyMDdxnA4yVo3sOu5z+c70+Hlit35jkOOG7c17qw2JB3ujYmqsiMdtraxctP
Q2AyfrssYFl4bFsA2GIkTfVNSy/geTRTDIq2CnZxgH5JiWYwBR0ahILoT/6tMi6p
WSyOApnGRv1lhcghQkruztn1Si/+A3+rSoezoDg+Q9tbPY8k3EeSPG5ztcb3iCZ8
F/6hfEuO+oVQQ0Bxsz+JVRGaAEc1HcTtaoJeZSTwBU0PE6sO6fSgGBSjlps+FXxR
0wIDAQAB
-----END PUBLIC KEY-----
`
)
