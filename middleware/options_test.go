package middleware_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
)

// Wrong options are refused when the receiver is made. The error names the member
// and the fix.
func TestOptionsThatCanNotTakeEffect(t *testing.T) {
	for name, c := range map[string]struct {
		options middleware.Options
		words   []string
	}{
		"a body limit that is too large":      {middleware.Options{MaxBody: 1 << 40}, []string{"MaxBody", "give at most"}},
		"a policy name that fits no header":   {middleware.Options{LimitPolicy: "a\"b\r\n"}, []string{"LimitPolicy", "printable ASCII"}},
		"a proxy prefix that covers everyone": {middleware.Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}, []string{"TrustedProxies", "name your proxies"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := middleware.NewPtop(middleware.PtopConfig{
				SigningKeys: payack.Secrets(ptopKey), ConfirmInCallback: true, Options: c.options,
			})
			require.Error(t, err)
			for _, word := range append(c.words, "payack: ptop: ") {
				require.ErrorContains(t, err, word)
			}
		})
	}
}
