package main

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
)

// descriptor is what the command knows of one provider. Each provider has one,
// in its file.
type descriptor struct {
	// section makes an empty part of the configuration.
	section func() section
	// names are the configuration's names for Go names that others have another
	// member for, see goNames.
	names map[string]string

	// config describes the members of the section.
	config []member

	// computed is the member that signing makes, and members are the others that
	// callbacks are known to have.
	computed string
	members  []string
	// needsKey says why the configuration is not enough to sign with; it is empty
	// where it is.
	needsKey string
	// said returns what the body of an answer with the right status says: whether
	// it acknowledges, and whether it says either in so many words.
	said func(body string) (acknowledges, speaks bool)
	// fixes replace what package diagnose says of a reason, in the words of the
	// configuration.
	fixes map[payack.Reason]string

	demo demoProvider
}

// section is one provider's part of the configuration. In the file it is the
// member with the provider's name.
type section interface {
	// path is where the receiver is mounted.
	path() *string
	// check finds what no constructor does.
	check() error
	// receiver returns the receiver in front of a function.
	receiver(o middleware.Options, fn function) (*middleware.Handler, error)
	// asked says what the provider would be asked about an event; it is empty where
	// nobody is.
	asked(ev payack.Event) string
	// secrets are shown nowhere.
	secrets() []string
	// signatureHeaders are recorded beside those that are known.
	signatureHeaders() []string
	// sealed reports whether callbacks have an envelope.
	sealed() bool
	// build returns what the provider would send: under the first of the
	// configured schemes, in an envelope where there is one. The key is for
	// providers whose signing key is not in the configuration.
	build(set assignments, key payack.Secret) (payacktest.Callback, error)
	// otherBody changes what a message is about that was built with set.
	otherBody(set assignments) payacktest.Tampering
}

// registry has what the command knows of each provider.
var registry = providers.Registry[descriptor]{
	payack.Ptop:    ptop,
	payack.PTS:     pts,
	payack.Payatom: payatom,
}

// libraryText is an error of the library without the names that it begins
// with: the library's, and the provider's where it has that.
func libraryText(p payack.Provider, err error) string {
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), "payack: "), string(p)+": ")
}

// providerError words an error of the library by the names of the
// configuration.
func providerError(p payack.Provider, err error) error {
	text := reworded(p, libraryText(p, err))
	first := text[:len(text)-len(strings.TrimLeft(text, "abcdefghijklmnopqrstuvwxyz_"))]
	if strings.HasPrefix(text, "-") || slices.Contains(commonMembers, first) { // a flag, or no provider's own
		return errors.New(text)
	}
	return errors.New(string(p) + "." + text)
}

// commonMembers are those that are no provider's own and have errors of the
// library.
var commonMembers = []string{"allowed_addresses", "max_body_bytes", "rate_limit", "trusted_proxies"}

// goNames are the configuration's names for those by which the library's texts
// call its members in Go.
var goNames = map[string]string{
	"AllowedAddresses": "allowed_addresses", "Charge": "rate_limit.charge", "Limiter": "rate_limit",
	"MaxBody": "max_body_bytes", "TrustedProxies": "trusted_proxies",

	"BaseURL": "confirm.base_url", "Body": "body", "Confirm": "confirm", "ConfirmInCallback": "insecure_no_confirm",
	"Expect": "orders", "ExpectInCallback": "insecure_no_expectation", "GUID": "confirm.guid", "NoEnvelopes": "no_envelopes",
	"Numbers": "numbers", "PID": "confirm.pid", "PublicKeys": "public_keys",
	"Safecode": "safecode", "SafecodeEncoding": "safecode_encoding", "Scheme": "schemes", "Schemes": "schemes",
	"SecretKey": "secret_keys", "SecretKeys": "secret_keys", "SignatureHeaders": "signature_headers",
	"SigningKey": "signing_keys", "SigningKeys": "signing_keys", "Sniff": "sniff", "TransactionSecret": "transaction_secret",
	"TransactionSignature": "transaction_signature", "UserID": "user_id", "WebsiteID": "confirm.website_id",
}

// quotedOrWord finds what stands in quotes, which is no name, and words.
var quotedOrWord = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\w+`)

// reworded is a text of the library by the names of the configuration.
func reworded(p payack.Provider, text string) string {
	return quotedOrWord.ReplaceAllStringFunc(text, func(word string) string {
		if name, found := registry[p].names[word]; found {
			return name
		}
		if name, found := goNames[word]; found {
			return name
		}
		return word
	})
}

// acknowledges reports whether an answer is one that the provider takes for an
// acknowledgement. Where nobody knows whose callback it was, it is a success of
// HTTP by which no provider is told otherwise.
func acknowledges(p payack.Provider, a payack.Answer) bool {
	if p == "" {
		for _, d := range registry {
			if acknowledged, speaks := d.said(a.Body); speaks && !acknowledged {
				return false
			}
		}
		return a.Status/100 == 2
	}
	d, err := registry.Of(p)
	if err != nil || a.Status != payacktest.Answer(p, "").Status {
		return false
	}
	acknowledged, _ := d.said(a.Body)
	return acknowledged
}
