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

// descriptor describes one provider to the command. Each provider has a
// descriptor in its file.
type descriptor struct {
	// section makes an empty section.
	section func() section
	// names maps Go names to the configuration's names. It holds only the names
	// of this provider that differ from goNames.
	names map[string]string

	// config describes the members of the section.
	config []member

	// computed is the member that signing sets; members are the other known
	// members of callbacks.
	computed string
	members  []string
	// needsKey is why the configuration can't sign; empty if it can.
	needsKey string
	// said interprets the body of an answer that has the right status.
	// acknowledges says whether the body acknowledges. speaks says whether the
	// body states that, or the opposite, explicitly.
	said func(body string) (acknowledges, speaks bool)
	// fixes replaces the fixes of package diagnose for some reasons. Its texts
	// use the names of the configuration.
	fixes map[payack.Reason]string

	demo demoProvider
}

// section is one provider's part of the configuration, under the provider's name.
type section interface {
	// path points to the path at which the receiver is mounted.
	path() *string
	// check checks the members that no constructor checks.
	check() error
	// receiver returns the receiver in front of a function.
	receiver(o middleware.Options, fn function) (*middleware.Handler, error)
	// asked describes what the provider would be asked about an event; empty if
	// it would not be asked.
	asked(ev payack.Event) string
	// secrets returns the values that must never be shown.
	secrets() []string
	// signatureHeaders returns the headers to record besides the usual ones.
	signatureHeaders() []string
	// sealed reports whether callbacks have an envelope.
	sealed() bool
	// build returns a callback as the provider would send it: signed by the first
	// configured scheme, and in an envelope if the provider uses one. key is the
	// signing key if the configuration doesn't hold it.
	build(set assignments, key payack.Secret) (payacktest.Callback, error)
	// otherBody tampers with the main member of a message that was built with
	// set.
	otherBody(set assignments) payacktest.Tampering
}

// registry holds the descriptor of each provider.
var registry = providers.Registry[descriptor]{
	payack.Ptop:    ptop,
	payack.PTS:     pts,
	payack.Payatom: payatom,
}

// libraryText returns an error of the library without its prefixes: the library's
// name, and the provider's.
func libraryText(p payack.Provider, err error) string {
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), "payack: "), string(p)+": ")
}

// providerError rewrites an error of the library with the names of the
// configuration.
func providerError(p payack.Provider, err error) error {
	text := reworded(p, libraryText(p, err))
	if !strings.HasPrefix(text, "-") { // a member reads a file only after @, a flag always reads one
		text = strings.Replace(text, "give the file's content, not its name", `write @ before a file's name, like "@pts-public.pem"`, 1)
	}
	first := text[:len(text)-len(strings.TrimLeft(text, "abcdefghijklmnopqrstuvwxyz_"))]
	if strings.HasPrefix(text, "-") || slices.Contains(commonMembers, first) { // a flag, or a member common to all providers
		return errors.New(text)
	}
	return errors.New(string(p) + "." + text)
}

// commonMembers are members outside of the providers' sections about which the
// library returns errors.
var commonMembers = []string{"allowed_addresses", "max_body_bytes", "rate_limit", "trusted_proxies"}

// goNames maps the Go names in the library's texts to the configuration's names.
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

// quotedOrWord matches words, and quoted text, so that no word within quotes is
// replaced.
var quotedOrWord = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\w+`)

// reworded returns a text of the library with the names of the configuration.
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

// acknowledges reports whether the provider would take an answer for an
// acknowledgement. If the provider is unknown, it reports whether the answer is a
// 2xx that no provider takes for a failure.
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
