package limitpolicy_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/payack/payack/internal/limitpolicy"
)

func TestCheck(t *testing.T) {
	for _, name := range []string{"", "default", "a b", "~!#$%&'()*+,-./:;<=>?@[]^_`{|}"} {
		assert.NoError(t, limitpolicy.Check(name), name)
	}
	for _, name := range []string{`"`, `a\b`, "a\nb", "a\x00", "a\x7f", "é", "\xff"} {
		assert.ErrorContains(t, limitpolicy.Check(name), "use printable ASCII", name)
	}
}
