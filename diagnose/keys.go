package diagnose

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// spellings undo the usual changes of a key between the provider's page and a
// configuration. White space around a key and invisible characters in a key need
// no undoing: no receiver can be constructed with such a key.
var spellings = []struct {
	what string
	undo func(text string) string
}{
	{"without the quotes around it", func(t string) string { return strings.Trim(t, `"'`) }},
	{"without the blanks in it", func(t string) string { return strings.ReplaceAll(t, " ", "") }},
	{"without its percent-encoding", func(t string) string {
		if plain, err := url.PathUnescape(t); err == nil {
			return plain
		}
		return t
	}},
	{"in lower case", strings.ToLower},
	{"in upper case", strings.ToUpper},
	{"decoded from base64", func(t string) string {
		if plain, err := base64.StdEncoding.DecodeString(t); err == nil {
			return string(plain)
		}
		return t
	}},
	{"decoded from hex digits", func(t string) string {
		if plain, err := hex.DecodeString(t); err == nil {
			return string(plain)
		}
		return t
	}},
}

// respelled returns variants that change the spelling of keys. get and set access
// the keys of the settings.
func respelled[S any](p payack.Provider, setting string, get func(*S) []payack.Secret, set func(*S, []payack.Secret)) (out []variant[S]) {
	for _, s := range spellings {
		out = append(out, variant[S]{setting: setting, what: fmt.Sprintf("write the key in %s.%s %s", p, setting, s.what),
			apply: func(settings *S, _ *verify.Message) bool {
				keys, changed := slices.Clone(get(settings)), false
				for i, k := range keys {
					if text := s.undo(k.Reveal()); text != k.Reveal() && text != "" {
						keys[i], changed = payack.NewSecret(text), true
					}
				}
				if changed {
					set(settings, keys)
				}
				return changed
			}})
	}
	return out
}
