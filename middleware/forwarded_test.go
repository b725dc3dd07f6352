package middleware_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestForwarded(t *testing.T) {
	rfc := newTeller(t, forwarded, false)
	for _, tc := range []struct {
		name  string
		peer  string
		lines []string
		want  string
	}{
		{"no header", "10.0.0.1:1", nil, "10.0.0.1"},
		{"as in RFC 7239", "10.0.0.1:1", []string{`for=192.0.2.43, for="[2001:db8:cafe::17]"`}, "2001:db8:cafe::17"},
		{"with all parameters", "10.0.0.1:1", []string{`for=192.0.2.60;proto=http;by=203.0.113.43;host=shop.example`}, "192.0.2.60"},
		{"names in any case", "10.0.0.1:1", []string{`By=_x;FoR="_gazonk" , fOR=192.0.2.60`}, "192.0.2.60"},
		{"with a port", "10.0.0.1:1", []string{`For="[2001:db8:cafe::17]:4711"`}, "2001:db8:cafe::17"},
		{"through two proxies", "10.0.0.1:1", []string{`for=1.1.1.1, for=203.0.113.9;by=10.0.0.2, for="10.0.0.3:80"`}, "203.0.113.9"},
		{"several lines are one list", "10.0.0.1:1", []string{"for=1.1.1.1", "for=203.0.113.9, for=10.0.0.7", "for=10.0.0.8"}, "203.0.113.9"},
		{"the last line is the nearest", "10.0.0.1:1", []string{"for=203.0.113.9", "for=198.51.100.1"}, "198.51.100.1"},
		{"only proxies", "10.0.0.1:1", []string{"for=10.0.0.4, for=10.0.0.3", "for=10.0.0.2"}, "10.0.0.4"},
		{"an IPv6 proxy", "[2001:db8:ffff::1]:443", []string{`for=203.0.113.9, for="[2001:db8:ffff::2]:80";proto=https`}, "203.0.113.9"},
		{"escapes", "10.0.0.1:1", []string{`for="203\.0.113\.9"`}, "203.0.113.9"},
		{"escaped quotes around the address", "10.0.0.1:1", []string{`for="\"203.0.113.9\""`}, none},
		{"a comma and a semicolon in quotes", "10.0.0.1:1", []string{`for=203.0.113.9;host="a,for=1.1.1.1;for=2.2.2.2"`}, "203.0.113.9"},
		{"white space where it is allowed", "10.0.0.1:1", []string{" \tfor=203.0.113.9 ; proto=http \t, \t"}, "203.0.113.9"},
		{"empty elements and pairs", "10.0.0.1:1", []string{",, for=203.0.113.9;;proto=http; ,,", " ,", ""}, "203.0.113.9"},
		{"empty lines only", "10.0.0.1:1", []string{"", ",,"}, "10.0.0.1"},
		{"an unknown parameter", "10.0.0.1:1", []string{"x-y=1;for=203.0.113.9"}, "203.0.113.9"},

		{"the client is unknown", "10.0.0.1:1", []string{"for=1.1.1.1, for=unknown"}, none},
		{"an obfuscated client before proxies", "10.0.0.1:1", []string{"for=1.1.1.1, for=_hidden, for=10.0.0.2"}, none},
		{"an obfuscated address left of the client", "10.0.0.1:1", []string{"for=_hidden, for=203.0.113.9, for=10.0.0.2"}, "203.0.113.9"},
		{"an element without for", "10.0.0.1:1", []string{"for=203.0.113.9, proto=https"}, none},
		{"only a semicolon", "10.0.0.1:1", []string{"for=203.0.113.9, ;"}, none},
		{"for twice", "10.0.0.1:1", []string{"for=203.0.113.9;For=1.1.1.1"}, none},
		{"no value", "10.0.0.1:1", []string{"for="}, none},
		{"an empty value", "10.0.0.1:1", []string{`for=""`}, none},
		{"no equals sign", "10.0.0.1:1", []string{"for"}, none},
		{"no name", "10.0.0.1:1", []string{"=203.0.113.9"}, none},
		{"white space before the value", "10.0.0.1:1", []string{"for= 203.0.113.9"}, none},
		{"white space before the sign", "10.0.0.1:1", []string{"for =203.0.113.9"}, none},
		{"two values", "10.0.0.1:1", []string{"for=203.0.113.9 1.1.1.1"}, none},
		{"text after the closing quote", "10.0.0.1:1", []string{`for="203.0.113.9"x`}, none},
		{"a list of addresses", "10.0.0.1:1", []string{"203.0.113.9, 1.1.1.1"}, none},
		{"a control character", "10.0.0.1:1", []string{"for=\"203.0.113.9\x00\""}, none},
		{"a backslash at the end", "10.0.0.1:1", []string{`for="203.0.113.9\`}, none},
		{"a backslash outside quotes", "10.0.0.1:1", []string{`for=203.0.113.9\`}, none},
		{"not read as a list", "10.0.0.1:1", []string{"203.0.113.9"}, none},

		// What the client sent, followed by what the proxy appended, to the same line
		// or as another line.
		{"an unclosed quote", "10.0.0.1:1", []string{`for=1.1.1.1;x=", for=203.0.113.9`}, none},
		{"an unclosed quote before quotes", "10.0.0.1:1", []string{`for=1.1.1.1;x=", for="203.0.113.9"`}, none},
		{"an unclosed quote before two quoted values", "10.0.0.1:1", []string{`for=1.1.1.1;x=", for=203.0.113.9;by="_a";host="b"`}, none},
		{"an unclosed quote and a host that continues it", "10.0.0.1:1", []string{`for=1.1.1.1;x=", for=203.0.113.9;host=",for=1.1.1.1;y="`}, none},
		{"an unclosed quote with an escape", "10.0.0.1:1", []string{`for=1.1.1.1;x="\", for=203.0.113.9;host="a"`}, none},
		{"an unclosed quote in another line", "10.0.0.1:1", []string{`for=1.1.1.1;x="`, "for=203.0.113.9"}, "203.0.113.9"},
		{"an unclosed quote in another line, before a proxy", "10.0.0.1:1", []string{`for=1.1.1.1;x="`, "for=10.0.0.2"}, none},

		{"from an untrusted peer", "198.51.100.1:1", []string{"for=203.0.113.9"}, "198.51.100.1"},
		{"malformed, from an untrusted peer", "198.51.100.1:1", []string{`for="`}, "198.51.100.1"},
	} {
		assert.Equal(t, tc.want, rfc.told(t, from(tc.peer, forwarded, tc.lines...)), tc.name)
	}
	long := strings.Repeat("for=10.0.0.2, ", 50000)
	assert.Equal(t, "10.0.0.2", rfc.told(t, from("10.0.0.1:1", forwarded, long)))
	assert.Equal(t, none, rfc.told(t, from("10.0.0.1:1", forwarded, strings.Repeat(`"`, 100000))))
	assert.Equal(t, none, rfc.told(t, from("10.0.0.1:1", forwarded, `for="`+strings.Repeat(`\"`, 100000))))
}
