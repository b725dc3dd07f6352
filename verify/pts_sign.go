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

// PTSMessage is a kind of message of PTS's API v2 document. Which members of a kind
// are signed is in [PTSMessage.SignedMembers].
type PTSMessage string

// The messages. Requests go to PTS; responses and the callback come from it.
const (
	PTSPayment          PTSMessage = "payment_v2"
	PTSWithdraw         PTSMessage = "withdraw_v2"
	PTSPaymentQuery     PTSMessage = "payment_query_v2"
	PTSWithdrawQuery    PTSMessage = "withdraw_query_v2"
	PTSBalance          PTSMessage = "balance_v2"
	PTSPaymentResponse  PTSMessage = "payment_response"
	PTSWithdrawResponse PTSMessage = "withdraw_response" // signed members inferred from PTSPaymentResponse
	PTSQueryResponse    PTSMessage = "query_response"
	PTSBalanceResponse  PTSMessage = "balance_response" // signs user_id only, not the figures
	PTSCallback         PTSMessage = "callback"
)

// ptsMessages lists the signed members of each message in ASCII order.
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

// SignedMembers returns the names of the members that the message's signature
// covers, in the order of the signed text. It returns nil for an unknown message.
func (m PTSMessage) SignedMembers() []string { return append([]string(nil), ptsMessages[m]...) }

// PTSSignerConfig configures a [PTSSigner]. Safecode and PrivateKey are required.
type PTSSignerConfig struct {
	// Safecode and SafecodeEncoding are those of [PTSKeyConfig].
	Safecode         payack.Secret
	SafecodeEncoding envelope.PTSEncoding
	// PrivateKey is an RSA key of at least 1024 bits as one PEM block, PKCS#8 or
	// PKCS#1. Requests need the merchant's key; tests of callbacks use a throwaway
	// key.
	PrivateKey payack.Secret
	// TransactionSecret is required by [PTSSigner.TransactionSignature] only.
	TransactionSecret payack.Secret
	// NoEnvelopes allows a safecode that is no AES key. Seal and Open then return
	// errors.
	NoEnvelopes bool
}

// PTSSigner signs and seals messages of PTS. It is safe for concurrent use.
type PTSSigner struct {
	safecode, transactionSecret payack.Secret
	key                         *func() *rsa.PrivateKey // a function, so that printing the signer doesn't show the key
	envelope                    *envelope.PTS
}

// NewPTSSigner returns a signer. An error names the member and the fix, and repeats
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

// SignedText returns the text that the signature of a message covers. The text ends
// with the safecode: treat it as a secret.
//
// The map values has the text of every signed member, "" for null. An unknown message
// and a missing member are errors. So is a value that contains & with the name of a
// signed member and =, because it would make the text ambiguous.
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
			return "", fmt.Errorf("payack: %s: it contains & with the name of a signed member and =, which makes the signed text ambiguous", name)
		}
		texts[i] = v
	}
	return string(appendPTSText(nil, names, texts, s.safecode)), nil
}

// Sign returns the signature of a message: RSA PKCS#1 v1.5 with SHA-256 over its
// SignedText, in base64. The errors are those of SignedText.
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

// Seal encrypts a message into an envelope, to be sent as text/plain. It returns an
// error if envelopes are switched off.
func (s *PTSSigner) Seal(plain []byte) ([]byte, error) {
	if s.envelope == nil {
		return nil, errors.New("payack: NoEnvelopes: envelopes are switched off; leave it out to seal")
	}
	return s.envelope.Seal(plain), nil
}

// Open decrypts the envelope of a response. Its contents are hostile until their
// signature has been verified. Every error is [payack.ErrEnvelope].
func (s *PTSSigner) Open(sealed []byte) ([]byte, error) {
	if s.envelope == nil {
		return nil, payack.ErrEnvelope
	}
	return s.envelope.Open(sealed)
}

// TransactionSignature returns the value of [PTSTransactionHeader] for a body as it
// is sent: its HMAC-SHA256 under the transaction secret. The empty encoding is
// [PTSBase64]. A signer without a transaction secret returns an error.
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

// oneBlock returns the only PEM block of a text. It ignores white space around the
// block, because files end with a line break.
func oneBlock(text string) (*pem.Block, error) {
	const begin = "-----BEGIN "
	text = strings.TrimSpace(text)
	head, _, found := strings.Cut(text, begin)
	head, _, _ = strings.Cut(head, "\n") // keytext would refuse line breaks, which a PEM has
	problem := keytext.Problem(strings.TrimSpace(head))
	switch {
	case text == "":
		return nil, errors.New("it is empty; give a PEM, which begins with -----BEGIN and has line breaks")
	case head != "" && problem != "":
		return nil, errors.New(problem)
	case !found && namesFile(text):
		return nil, errors.New("it is no PEM, which begins with -----BEGIN; give the file's content, not its name")
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
		return nil, errors.New("there is something after the PEM block; remove it")
	case strings.HasPrefix(block.Type, "ENCRYPTED"), block.Headers["DEK-Info"] != "":
		return nil, errors.New("the key is encrypted; decrypt it first, as with openssl pkey")
	}
	return block, nil
}

// namesFile reports whether a text that is no PEM looks like a file's name. Base64,
// the other text that people give, has no dot.
func namesFile(text string) bool {
	return len(text) < 256 && !strings.ContainsAny(text, "\r\n") && strings.Contains(text, ".")
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
			return nil, errors.New("it is a public key, but not of RSA; give PTS's RSA key")
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
			return nil, errors.New("it is a private key, but not of RSA; give an RSA key")
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
