package main

import (
	"errors"
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
	// reword gives an error of the library the configuration's names; nil where
	// they are the same.
	reword func(text string) string

	// computed is the member that signing makes, and members are the others that
	// callbacks are known to have.
	computed string
	members  []string
	// needsKey says why the configuration is not enough to sign with; it is empty
	// where it is.
	needsKey string
	// sealed says that callbacks have an envelope.
	sealed bool
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
	text := libraryText(p, err)
	if reword := registry[p].reword; reword != nil {
		text = reword(text)
	}
	if strings.HasPrefix(text, "-") { // a flag
		return errors.New(text)
	}
	return errors.New(string(p) + "." + text)
}

// renamed gives the member that a text begins with another name.
func renamed(text string, names ...[2]string) string {
	for _, n := range names {
		if rest, found := strings.CutPrefix(text, n[0]+":"); found {
			return n[1] + ":" + rest
		}
	}
	return text
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
