package verify

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/internal/keytext"
)

// PTSMessage names a message of PTS's API v2; each signs other members.
type PTSMessage string

// The messages.
const (
	PTSPayment          PTSMessage = "payment_v2"
	PTSWithdraw         PTSMessage = "withdraw_v2"
	PTSPaymentQuery     PTSMessage = "payment_query_v2"
	PTSWithdrawQuery    PTSMessage = "withdraw_query_v2"
	PTSBalance          PTSMessage = "balance_v2"
	PTSPaymentResponse  PTSMessage = "payment_response"
	PTSWithdrawResponse PTSMessage = "withdraw_response" // inferred from the payment's
	PTSQueryResponse    PTSMessage = "query_response"
	PTSBalanceResponse  PTSMessage = "balance_response" // user_id only: the figures are not signed
	PTSCallback         PTSMessage = "callback"
)

// ptsMessages lists the signed members of each message in the order of their
// names.
var ptsMessages = map[PTSMessage][]string{
	PTSPayment:       {"amount", "channel", "currency", "order_id", "timestamp", "user_id"},
	PTSWithdraw:      {"amount", "channel", "currency", "order_id", "timestamp", "user_id"},
	PTSPaymentQuery:  {"order_id", "timestamp", "user_id"},
	PTSWithdrawQuery: {"order_id", "timestamp", "user_id"},
	PTSBalance:       {"timestamp", "user_id"},
	PTSPaymentResponse: {"accept_amount", "accept_currency", "channel", "exchange_rate", "order_id", "pay_url",
		"submit_amount", "submit_currency", "transaction_id", "user_id"},
	PTSWithdrawResponse: {"accept_amount", "accept_currency", "channel", "exchange_rate", "order_id",
		"submit_amount", "submit_currency", "transaction_id", "user_id"},
	PTSQueryResponse:   ptsSigned,
	PTSBalanceResponse: {"user_id"},
	PTSCallback:        ptsSigned,
}

// SignedMembers returns the names that the message's signature covers, in the
// order in which they are signed; nil for an unknown message.
func (m PTSMessage) SignedMembers() []string { return append([]string(nil), ptsMessages[m]...) }

// PTSSignerConfig is what a signer of PTS messages needs.
type PTSSignerConfig struct {
	Safecode         payack.Secret
	SafecodeEncoding envelope.PTSEncoding
	// PrivateKey is PEM, PKCS#8 or PKCS#1, at least 1024 bits: the merchant's
	// own for requests, a throwaway one in tests of callbacks.
	PrivateKey payack.Secret
	// TransactionSecret is for TransactionSignature; it may be empty.
	TransactionSecret payack.Secret
	// NoEnvelopes is for a safecode that is no AES key; Seal then fails.
	NoEnvelopes bool
}

// PTSSigner signs and seals messages. It is safe for concurrent use.
type PTSSigner struct {
	safecode, transactionSecret payack.Secret
	key                         *func() *rsa.PrivateKey // like a Secret's text, so that no printer finds it
	envelope                    *envelope.PTS
}

// NewPTSSigner returns a signer. Errors name the member and the fix, and hold
// no part of a key.
func NewPTSSigner(c PTSSignerConfig) (*PTSSigner, error) {
	if err := checkPTSSecrets(c.Safecode, c.TransactionSecret); err != nil {
		return nil, err
	}
	key, err := parsePrivateKey(c.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("payack: PrivateKey: %w", err)
	}
	reveal := func() *rsa.PrivateKey { return key }
	s := &PTSSigner{safecode: c.Safecode, transactionSecret: c.TransactionSecret, key: &reveal}
	if c.NoEnvelopes {
		return s, nil
	}
	if s.envelope, err = envelope.NewPTS(c.Safecode, c.SafecodeEncoding); err != nil {
		return nil, err
	}
	return s, nil
}

// SignedText returns the text that is signed for a message, which ends in the
// safecode: treat it as a secret. values holds every signed member's text, an
// empty one for null; a missing one is an error. A value that holds & with the
// name of a signed member and = is refused, because the text would be
// ambiguous.
func (s *PTSSigner) SignedText(m PTSMessage, values map[string]string) (string, error) {
	names := ptsMessages[m]
	if names == nil {
		return "", fmt.Errorf("payack: no message of PTS is named %q", string(m))
	}
	texts := make([]string, len(names))
	for i, name := range names {
		v, found := values[name]
		if !found {
			return "", fmt.Errorf("payack: %s: it is signed in %s and missing; an empty value stands for null", name, m)
		}
		if ambiguous(v, names) {
			return "", fmt.Errorf("payack: %s: it holds & with the name of a signed member and =, which the signed text cannot tell apart", name)
		}
		texts[i] = v
	}
	return string(appendPTSText(nil, names, texts, s.safecode)), nil
}

// Sign returns the base64 of the RSA signature (PKCS#1 v1.5, SHA-256) of a
// message's SignedText.
func (s *PTSSigner) Sign(m PTSMessage, values map[string]string) (string, error) {
	text, err := s.SignedText(m, values)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, (*s.key)(), crypto.SHA256, digest[:])
	if err != nil {
		return "", fmt.Errorf("payack: signing: %w", err)
	}
	return base64.StdEncoding.EncodeToString(signature), nil
}

// Seal returns the envelope of a message, as it is sent under text/plain.
func (s *PTSSigner) Seal(plain []byte) ([]byte, error) {
	if s.envelope == nil {
		return nil, errors.New("payack: envelopes are switched off")
	}
	return s.envelope.Seal(plain), nil
}

// Open returns what is sealed in a response's envelope; it is hostile until
// its signature has been verified. The error is [payack.ErrEnvelope].
func (s *PTSSigner) Open(sealed []byte) ([]byte, error) {
	if s.envelope == nil {
		return nil, payack.ErrEnvelope
	}
	return s.envelope.Open(sealed)
}

// TransactionSignature returns the value of X-Transaction-Signature for a body
// as it is sent: HMAC-SHA256 under the transaction secret.
func (s *PTSSigner) TransactionSignature(body []byte, encoding PTSSignatureEncoding) (string, error) {
	if s.transactionSecret.IsZero() {
		return "", errors.New("payack: TransactionSecret: it is empty; PTS's back office shows it")
	}
	mac := ptsTransactionMAC(s.transactionSecret, body)
	switch encoding {
	case "", PTSBase64:
		return base64.StdEncoding.EncodeToString(mac), nil
	case PTSHex:
		return hex.EncodeToString(mac), nil
	}
	return "", fmt.Errorf(`payack: TransactionSignature: unknown encoding %q; choose "base64" or "hex"`, string(encoding))
}

// oneBlock returns the only PEM block of a text. White space around it is of no
// account: files end with a line break.
func oneBlock(text string) (*pem.Block, error) {
	const begin = "-----BEGIN "
	text = strings.TrimSpace(text)
	head, _, found := strings.Cut(text, begin)
	head, _, _ = strings.Cut(head, "\n") // a PEM has line breaks, so only the first line is looked at
	problem := keytext.Problem(strings.TrimSpace(head))
	switch {
	case text == "":
		return nil, errors.New("it is empty; give a PEM, which begins with -----BEGIN and has line breaks")
	case head != "" && problem != "":
		return nil, errors.New(problem)
	case !found:
		return nil, errors.New("it is no PEM; it begins with -----BEGIN and has line breaks")
	case strings.Contains(text, `\n`):
		return nil, errors.New(`its line breaks are written as \n; put line breaks in their place`)
	case strings.Count(text, begin) > 1:
		return nil, errors.New("there is more than one PEM block; give each key its own entry")
	}
	block, rest := pem.Decode([]byte(text))
	switch {
	case block == nil:
		return nil, errors.New("the PEM block is damaged, or its line breaks are lost; copy it again")
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, errors.New("there is something behind the PEM block; take it off")
	case strings.HasPrefix(block.Type, "ENCRYPTED"), block.Headers["DEK-Info"] != "":
		return nil, errors.New("the key is encrypted; decrypt it first, as with openssl pkey")
	}
	return block, nil
}

func parsePublicKey(text string) (*rsa.PublicKey, error) {
	block, err := oneBlock(text)
	if err != nil {
		return nil, err
	}
	var key *rsa.PublicKey
	switch block.Type {
	case "PUBLIC KEY":
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, errors.New("the PEM block is damaged; copy it again")
		}
		var ok bool
		if key, ok = parsed.(*rsa.PublicKey); !ok {
			return nil, errors.New("it is a public key, but not of RSA")
		}
	case "RSA PUBLIC KEY":
		if key, err = x509.ParsePKCS1PublicKey(block.Bytes); err != nil {
			return nil, errors.New("the PEM block is damaged; copy it again")
		}
	default:
		return nil, fmt.Errorf("a PEM block %q is no public key; give PTS's PUBLIC KEY or RSA PUBLIC KEY", block.Type)
	}
	return key, checkBits(key.N.BitLen())
}

func parsePrivateKey(secret payack.Secret) (*rsa.PrivateKey, error) {
	block, err := oneBlock(secret.Reveal())
	if err != nil {
		return nil, err
	}
	var key *rsa.PrivateKey
	switch block.Type {
	case "PRIVATE KEY":
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, errors.New("the PEM block is damaged; copy it again")
		}
		var ok bool
		if key, ok = parsed.(*rsa.PrivateKey); !ok {
			return nil, errors.New("it is a private key, but not of RSA")
		}
	case "RSA PRIVATE KEY":
		if key, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
			return nil, errors.New("the PEM block is damaged; copy it again")
		}
	default:
		return nil, fmt.Errorf("a PEM block %q is no private key; give PRIVATE KEY or RSA PRIVATE KEY", block.Type)
	}
	return key, checkBits(key.N.BitLen())
}
