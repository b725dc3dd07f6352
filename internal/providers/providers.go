// Package providers lists the payment providers. It also has the type of the
// registries in which packages keep one descriptor for each provider.
//
// To add a provider, write the files in the first column, with the contents in the
// second, and add an entry to each registry in the third:
//
//	NAME.go              its Provider, its event           kinds in encode.go
//	verify/NAME.go       keys, verifier, signer
//	middleware/NAME.go   configuration and answers         contracts in contracts.go
//	handlers/NAME.go     constructor
//	client/NAME.go       requests, Confirm, if it can be asked
//	reconcile/NAME.go    an account, if it can be asked
//	payacktest/NAME.go   keys, builder, descriptor         descriptors in provider.go
//	payacktest/gateway/NAME.go   a fake, if there is a client
//	diagnose/NAME.go     the settings that can be varied   registry in provider.go
//	cmd/payack/NAME.go   section of the configuration, descriptor   registry in provider.go
//	internal/e2e/NAME.go   messages and answers for tests   registry in provider.go
//	internal/e2e/lost/NAME.go    a merchant for tests, if it can be asked   providers in lost.go
//	internal/e2e/field/NAME.go   messages for cases         registry in provider.go
//	testdata/vectors/NAME.json   vectors                   Counts in internal/vectors
//
// Then add the provider's name to [All]. If the provider has its own kind of
// envelope, add a file to package envelope. If its events need new rules, add their
// tags to internal/rules. TestFourthProvider does this for an invented provider that
// can't be asked, but without vectors and without internal/e2e/field.
package providers

import (
	"fmt"
	"slices"
	"strings"

	"github.com/payack/payack"
)

// All are the providers, in the order in which they are shown. Every registry has
// exactly these: a test in each registry's package checks it.
var All = []payack.Provider{payack.Ptop, payack.PTS, payack.Payatom}

// Names returns the names of all providers as an English list: a, b and c.
func Names() string {
	names := Join(", ")
	if i := strings.LastIndex(names, ", "); i >= 0 {
		names = names[:i] + " and " + names[i+len(", "):]
	}
	return names
}

// Join returns the names of all providers with a separator between them.
func Join(separator string) string {
	names := make([]string, len(All))
	for i, p := range All {
		names[i] = string(p)
	}
	return strings.Join(names, separator)
}

// Registry holds one descriptor for each provider.
type Registry[D any] map[payack.Provider]D

// Of returns the descriptor of a provider. The error names the known providers.
func (r Registry[D]) Of(p payack.Provider) (D, error) {
	d, found := r[p]
	if !found {
		return d, fmt.Errorf("there is no provider %q; there are %s", string(p), Names())
	}
	return d, nil
}

// Check returns an error that names the providers that a registry lacks, and those
// that it has although they are not in [All].
func (r Registry[D]) Check() error {
	var wrong []string
	for _, p := range All {
		if _, found := r[p]; !found {
			wrong = append(wrong, "it lacks "+string(p))
		}
	}
	for p := range r {
		if !slices.Contains(All, p) {
			wrong = append(wrong, string(p)+" is not among providers.All")
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	slices.Sort(wrong)
	return fmt.Errorf("the registry is incomplete: %s", strings.Join(wrong, ", "))
}
