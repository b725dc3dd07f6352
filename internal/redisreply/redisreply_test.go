package redisreply_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/payack/payack/internal/redisreply"
	"github.com/stretchr/testify/assert"
)

const secret = "hunter2-and-more"

func TestText(t *testing.T) {
	f := redisreply.Filter{Secrets: []string{"", secret}}
	for reply, want := range map[string]string{
		"NOAUTH Authentication required.":                            "NOAUTH Authentication required: set the user and the password of the client",
		"READONLY You can't write. script: 3a15, on @user_script:2.": "READONLY You can't write: connect to the primary, not to a replica",
		"ERR The user executing the script can't":                    "ERR The user executing the script can't: allow the user the commands and keys that the package's documentation names",
		"ERR no": "ERR no",
		"ERR unknown command 'AUTH', with args: 'u' x": "ERR unknown command 'AUTH': check that a Redis server is at this address, and that it has the commands that the package's documentation names",
		"WRONGPASS for " + secret:                      "WRONGPASS and a text that is withheld, because it may repeat a credential: check the user and the password of the client",
		"ERR " + secret[:9]:                            "ERR and a text that is withheld, because it may repeat a credential: see what the server says to redis-cli",
		"ERR two\r\nlines\x00\x1b[2Jof it\u0085x":      "ERR two  lines  [2Jof it x",
	} {
		assert.Equal(t, want, f.Text(reply), "%q", reply)
	}
	unknown := redisreply.Filter{Unknown: true}
	assert.Equal(t, "WRONGPASS and a text that is withheld, because it may repeat a credential: check the user and the password of the client", unknown.Text("WRONGPASS for anything"))
	assert.NotContains(t, unknown.Text("ANYTHING else"), "ANYTHING", "it may be the credential")
}

func FuzzText(f *testing.F) {
	f.Add("ERR unknown command 'AUTH', with args beginning with: 'user' '" + secret)
	f.Add("ERR " + strings.Repeat("x", 300) + secret)
	f.Add(strings.Repeat("é", 150))
	f.Add("\xff\n\u2028")
	f.Fuzz(func(t *testing.T, reply string) {
		for _, filter := range []redisreply.Filter{{}, {Secrets: []string{secret}}, {Unknown: true}} {
			got := filter.Text(reply)
			if len(got) > redisreply.MaxLen+200 || !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) || strings.TrimSpace(got) == "" && strings.TrimSpace(reply) != "" {
				t.Errorf("%q", got)
			}
			if filter.Holds(got) {
				t.Errorf("a secret in %q", got)
			}
		}
	})
}
