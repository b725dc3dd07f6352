package middleware

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/ratelimit"
	"github.com/payack/payack/verify"
)

const (
	forwardedFor = "X-Forwarded-For"
	forwarded    = "Forwarded"
)

// trusting are the proxies of these tests: 10.0.0.0/8, 2001:db8:ffff::/48 and
// fe80::/64.
func trusting(unix bool) []netip.Prefix {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:ffff::/48"), netip.MustParsePrefix("fe80::/64")}
	if unix {
		proxies = append(proxies, unixSocket)
	}
	return proxies
}

func from(peer, header string, lines ...string) *http.Request {
	r := &http.Request{Header: http.Header{}, RemoteAddr: peer}
	if len(lines) > 0 {
		r.Header[header] = lines
	}
	return r
}

const none = "none" // the address can't be told

func told(t *testing.T, r *http.Request, proxies []netip.Prefix, header string) string {
	t.Helper()
	addr, err := clientAddr(r, proxies, header)
	if err != nil {
		assert.False(t, addr.IsValid())
		assert.ErrorIs(t, err, errAddress)
		return none
	}
	return addr.String()
}

func TestAddressesInALine(t *testing.T) {
	for entry, want := range map[string]string{
		// Of both headers, in quotation marks too.
		"203.0.113.9":                "203.0.113.9",
		"203.0.113.9:8080":           "203.0.113.9",
		"203.0.113.9:_hidden":        "203.0.113.9",
		"2001:db8::1":                "2001:db8::1",
		"[2001:db8::1]":              "2001:db8::1",
		"[2001:db8::1]:8080":         "2001:db8::1",
		"[2001:db8::1]:_x-1":         "2001:db8::1",
		"[2001:db8::1%eth0]":         "2001:db8::1",
		"[2001:db8::1%eth0.7]:80":    "2001:db8::1",
		"2001:db8::1%wl-an_0~":       "2001:db8::1",
		"[::ffff:203.0.113.9]":       "203.0.113.9",
		"::ffff:203.0.113.9":         "203.0.113.9",
		"[::ffff:203.0.113.9]:1":     "203.0.113.9",
		"2001:DB8:0:0:0:0:0:1":       "2001:db8::1",
		"[2001:db8::1":               none,
		"2001:db8::1]":               none,
		"[2001:db8::1]]":             none,
		"[[2001:db8::1]]":            none,
		"[2001:db8::1]8080":          none,
		"[2001:db8::1]:":             none,
		"[2001:db8::1]:808080":       none,
		"[2001:db8::1]:80a":          none,
		"[2001:db8::1]:-1":           none,
		"[2001:db8::1%]":             none,
		"[2001:db8::1%a b]":          none,
		"[203.0.113.9]":              none,
		"[203.0.113.9]:80":           none,
		"203.0.113.9:":               none,
		"203.0.113.9:80:80":          none,
		"203.0.113.009":              none,
		"203.0.113":                  none,
		"0x7f.0.0.1":                 none,
		"3405803785":                 none,
		"unknown":                    none,
		"Unknown":                    none,
		"unknown:80":                 none,
		"_hidden":                    none,
		"_hidden:80":                 none,
		"_":                          none,
		"shop.example":               none,
		"203.0.113.9/32":             none,
		"203.0.113.9%eth0":           none,
		"203.0.113.9\x00":            none,
		"203.0.113.9 198.51.100.1":   none,
		"２０３.0.113.9":                none,
		"http://203.0.113.9":         none,
		"-203.0.113.9":               none,
		strings.Repeat("[", 1000):    none,
		strings.Repeat("1.", 100000): none,
	} {
		for _, written := range []string{entry, `"` + entry + `"`} {
			assert.Equal(t, want, told(t, from("10.0.0.1:1", forwardedFor, written), trusting(false), forwardedFor), written)
			assert.Equal(t, want, told(t, from("10.0.0.1:1", forwardedFor, "198.51.100.1,\t "+written+" "), trusting(false), forwardedFor), written)
			assert.Equal(t, want, told(t, from("10.0.0.1:1", forwarded, "for="+written), trusting(false), forwarded), written)
			assert.Equal(t, want, told(t, from("10.0.0.1:1", forwarded, "for=198.51.100.1 , proto=https;FOR="+written+";by=_x"), trusting(false), forwarded), written)
		}
	}
}

func TestForwardedFor(t *testing.T) {
	for _, tc := range []struct {
		name  string
		peer  string
		lines []string
		want  string
	}{
		{"no header", "10.0.0.1:1", nil, "10.0.0.1"},
		{"marks that don't match", "10.0.0.1:1", []string{`"203.0.113.9`}, none},
		{"one mark", "10.0.0.1:1", []string{`"`}, none},
		{"empty marks", "10.0.0.1:1", []string{`""`}, none},
		{"marks inside", "10.0.0.1:1", []string{`"203.0.113.9""`}, none},
		{"a comma in marks is a comma", "10.0.0.1:1", []string{`"203.0.113.9,198.51.100.1"`}, none},
		{"proxies of both families", "[2001:db8:ffff::1]:443", []string{"203.0.113.9, [2001:db8:ffff::2]:80, 10.0.0.2:1, fe80::1%eth0"}, "203.0.113.9"},
		{"only commas", "10.0.0.1:1", []string{",,,"}, none},
		{"an empty line", "10.0.0.1:1", []string{"203.0.113.9", ""}, none},
		{"not read as RFC 7239", "10.0.0.1:1", []string{"for=203.0.113.9"}, none},
		{"of an untrusted peer", "198.51.100.1:1", []string{"10.0.0.2, 203.0.113.9"}, "198.51.100.1"},
		{"of an untrusted peer, broken", "198.51.100.1:1", []string{"\x00,unknown"}, "198.51.100.1"},
	} {
		assert.Equal(t, tc.want, told(t, from(tc.peer, forwardedFor, tc.lines...), trusting(false), forwardedFor), tc.name)
	}
}

func TestForwarded(t *testing.T) {
	for _, tc := range []struct {
		name  string
		peer  string
		lines []string
		want  string
	}{
		{"no header", "10.0.0.1:1", nil, "10.0.0.1"},
		{"as the document has it", "10.0.0.1:1", []string{`for=192.0.2.43, for="[2001:db8:cafe::17]"`}, "2001:db8:cafe::17"},
		{"with all parameters", "10.0.0.1:1", []string{`for=192.0.2.60;proto=http;by=203.0.113.43;host=shop.example`}, "192.0.2.60"},
		{"names in any case", "10.0.0.1:1", []string{`By=_x;FoR="_gazonk" , fOR=192.0.2.60`}, "192.0.2.60"},
		{"with a port", "10.0.0.1:1", []string{`For="[2001:db8:cafe::17]:4711"`}, "2001:db8:cafe::17"},
		{"through two proxies", "10.0.0.1:1", []string{`for=1.1.1.1, for=203.0.113.9;by=10.0.0.2, for="10.0.0.3:80"`}, "203.0.113.9"},
		{"several lines are one list", "10.0.0.1:1", []string{"for=1.1.1.1", "for=203.0.113.9, for=10.0.0.7", "for=10.0.0.8"}, "203.0.113.9"},
		{"the last line is the nearest", "10.0.0.1:1", []string{"for=203.0.113.9", "for=198.51.100.1"}, "198.51.100.1"},
		{"only proxies", "10.0.0.1:1", []string{"for=10.0.0.4, for=10.0.0.3", "for=10.0.0.2"}, "10.0.0.4"},
		{"an IPv6 proxy", "[2001:db8:ffff::1]:443", []string{`for=203.0.113.9, for="[2001:db8:ffff::2]:80";proto=https`}, "203.0.113.9"},
		{"escapes", "10.0.0.1:1", []string{`for="203\.0.113\.9"`}, "203.0.113.9"},
		{"escaped marks around it", "10.0.0.1:1", []string{`for="\"203.0.113.9\""`}, none},
		{"a comma and a semicolon in marks", "10.0.0.1:1", []string{`for=203.0.113.9;host="a,for=1.1.1.1;for=2.2.2.2"`}, "203.0.113.9"},
		{"white space where it may be", "10.0.0.1:1", []string{" \tfor=203.0.113.9 ; proto=http \t, \t"}, "203.0.113.9"},
		{"empty elements and pairs", "10.0.0.1:1", []string{",, for=203.0.113.9;;proto=http; ,,", " ,", ""}, "203.0.113.9"},
		{"empty lines only", "10.0.0.1:1", []string{"", ",,"}, "10.0.0.1"},
		{"an unknown parameter", "10.0.0.1:1", []string{"x-y=1;for=203.0.113.9"}, "203.0.113.9"},

		{"the client is unknown", "10.0.0.1:1", []string{"for=1.1.1.1, for=unknown"}, none},
		{"hidden before proxies", "10.0.0.1:1", []string{"for=1.1.1.1, for=_hidden, for=10.0.0.2"}, none},
		{"hidden left of the client", "10.0.0.1:1", []string{"for=_hidden, for=203.0.113.9, for=10.0.0.2"}, "203.0.113.9"},
		{"an element that names nobody", "10.0.0.1:1", []string{"for=203.0.113.9, proto=https"}, none},
		{"only a semicolon", "10.0.0.1:1", []string{"for=203.0.113.9, ;"}, none},
		{"for twice", "10.0.0.1:1", []string{"for=203.0.113.9;For=1.1.1.1"}, none},
		{"no value", "10.0.0.1:1", []string{"for="}, none},
		{"an empty value", "10.0.0.1:1", []string{`for=""`}, none},
		{"no equals sign", "10.0.0.1:1", []string{"for"}, none},
		{"no name", "10.0.0.1:1", []string{"=203.0.113.9"}, none},
		{"white space before the value", "10.0.0.1:1", []string{"for= 203.0.113.9"}, none},
		{"white space before the sign", "10.0.0.1:1", []string{"for =203.0.113.9"}, none},
		{"two values", "10.0.0.1:1", []string{"for=203.0.113.9 1.1.1.1"}, none},
		{"text behind marks", "10.0.0.1:1", []string{`for="203.0.113.9"x`}, none},
		{"a list of addresses", "10.0.0.1:1", []string{"203.0.113.9, 1.1.1.1"}, none},
		{"a control character", "10.0.0.1:1", []string{"for=\"203.0.113.9\x00\""}, none},
		{"a backslash at the end", "10.0.0.1:1", []string{`for="203.0.113.9\`}, none},
		{"a backslash outside of marks", "10.0.0.1:1", []string{`for=203.0.113.9\`}, none},
		{"not read as a list", "10.0.0.1:1", []string{"203.0.113.9"}, none},

		// A client's part in front of what the proxy adds to the same line.
		{"a mark left open", "10.0.0.1:1", []string{`for=1.1.1.1;x=", for=203.0.113.9`}, none},
		{"a mark left open before marks", "10.0.0.1:1", []string{`for=1.1.1.1;x=", for="203.0.113.9"`}, none},
		{"a mark left open before two", "10.0.0.1:1", []string{`for=1.1.1.1;x=", for=203.0.113.9;by="_a";host="b"`}, none},
		{"a mark left open, and a host that goes on", "10.0.0.1:1", []string{`for=1.1.1.1;x=", for=203.0.113.9;host=",for=1.1.1.1;y="`}, none},
		{"escaped by the client", "10.0.0.1:1", []string{`for=1.1.1.1;x="\", for=203.0.113.9;host="a"`}, none},
		{"in another line", "10.0.0.1:1", []string{`for=1.1.1.1;x="`, "for=203.0.113.9"}, "203.0.113.9"},
		{"in another line, before a proxy", "10.0.0.1:1", []string{`for=1.1.1.1;x="`, "for=10.0.0.2"}, none},

		{"of an untrusted peer", "198.51.100.1:1", []string{"for=203.0.113.9"}, "198.51.100.1"},
		{"of an untrusted peer, broken", "198.51.100.1:1", []string{`for="`}, "198.51.100.1"},
	} {
		assert.Equal(t, tc.want, told(t, from(tc.peer, forwarded, tc.lines...), trusting(false), forwarded), tc.name)
	}
	long := strings.Repeat("for=10.0.0.2, ", 50000)
	assert.Equal(t, "10.0.0.2", told(t, from("10.0.0.1:1", forwarded, long), trusting(false), forwarded))
	assert.Equal(t, none, told(t, from("10.0.0.1:1", forwarded, strings.Repeat(`"`, 100000)), trusting(false), forwarded))
	assert.Equal(t, none, told(t, from("10.0.0.1:1", forwarded, `for="`+strings.Repeat(`\"`, 100000)), trusting(false), forwarded))
}

func TestUnixSocketPeers(t *testing.T) {
	for _, peer := range []string{"", "@", "@abstract", "/run/shop.sock"} {
		for header, line := range map[string]string{forwardedFor: "1.1.1.1, 203.0.113.9, 10.0.0.2", forwarded: "for=203.0.113.9, for=10.0.0.2"} {
			assert.Equal(t, none, told(t, from(peer, header, line), trusting(false), header), peer)
			assert.Equal(t, "203.0.113.9", told(t, from(peer, header, line), trusting(true), header), peer)
			assert.Equal(t, none, told(t, from(peer, header), trusting(true), header), "nobody is named: %s", peer)
		}
		assert.Equal(t, none, told(t, from(peer, forwarded, "", ","), trusting(true), forwarded), peer)
		assert.Equal(t, "10.0.0.2", told(t, from(peer, forwarded, "for=10.0.0.2"), trusting(true), forwarded), peer)
	}
	// What is no socket is not trusted with them.
	for _, peer := range []string{"pipe", "203.0.113", "unknown:1", "[::1", " ", "x@y", "\x00"} {
		assert.Equal(t, none, told(t, from(peer, forwardedFor, "203.0.113.9"), trusting(true), forwardedFor), peer)
	}
	assert.Equal(t, "198.51.100.1", told(t, from("198.51.100.1:1", forwardedFor, "203.0.113.9"), trusting(true), forwardedFor))
	// The zero prefix, which stands for them, can't be given by hand.
	_, err := Options{TrustedProxies: []netip.Prefix{unixSocket}}.withDefaults()
	assert.ErrorContains(t, err, "no valid prefix")
	given := trusting(false)
	o, err := Options{TrustedProxies: given[:1], TrustUnixSocket: true}.withDefaults()
	require.NoError(t, err)
	assert.Equal(t, []netip.Prefix{given[0], unixSocket}, o.TrustedProxies)
	assert.Equal(t, trusting(false), given, "the caller's own list stays as it is")
}

// TestServedOnAUnixSocket has a proxy on a Unix socket name the clients: the
// list of addresses and the limiter work by them.
func TestServedOnAUnixSocket(t *testing.T) {
	for _, trusted := range []bool{true, false} {
		limiter, err := ratelimit.New(ratelimit.Config{PerSecond: 0.001, Burst: 2})
		require.NoError(t, err)
		var seen payack.Observation
		rc, err := NewPtop(PtopConfig{SigningKeys: payack.Secrets("k"), ConfirmInCallback: true, Options: Options{
			AllowedAddresses: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}, Limiter: limiter, Charge: ratelimit.ChargeAll, TrustUnixSocket: trusted,
			Logger: slog.New(slog.NewTextHandler(&bytes.Buffer{}, nil)), Observer: payack.ObserverFunc(func(_ context.Context, o *payack.Observation) { seen = *o }),
		}})
		require.NoError(t, err)
		socket := filepath.Join(t.TempDir(), "s")
		l, err := net.Listen("unix", socket)
		require.NoError(t, err)
		server := &http.Server{Handler: rc.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) }))}
		go func() { _ = server.Serve(l) }()
		defer server.Close()
		proxy := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", socket) }}}

		body := `{"success":true,"transaction_id":"T1","order_id":"ORD1"}`
		genuine, err := verify.SignPtopCallback(payack.NewSecret("k"), payack.SchemeSpliced, verify.PtopLast, body)
		require.NoError(t, err)
		post := func(client, body string) int {
			r, err := http.NewRequest(http.MethodPost, "http://shop.example/", strings.NewReader(body))
			require.NoError(t, err)
			r.Header.Set("Content-Type", "application/json")
			if client != "" {
				r.Header.Set(forwardedFor, client)
			}
			res, err := proxy.Do(r)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			return res.StatusCode
		}
		if !trusted {
			assert.Equal(t, 403, post("203.0.113.9", genuine.Body))
			assert.Equal(t, payack.ReasonAddress, seen.Reason)
			assert.ErrorContains(t, seen.Err, "TrustUnixSocket", "the error names the fix")
			continue
		}
		assert.Equal(t, 200, post("203.0.113.9", genuine.Body))
		assert.Equal(t, "203.0.113.9", seen.Delivery.Client.String())
		assert.Equal(t, 403, post("198.51.100.1", genuine.Body))
		assert.Equal(t, payack.ReasonAddress, seen.Reason)
		assert.Equal(t, 403, post("", genuine.Body))
		assert.Equal(t, payack.ReasonAddress, seen.Reason)
		for range 2 {
			assert.Equal(t, 403, post("203.0.113.7", body), "unsigned: it takes the budget")
			assert.Equal(t, payack.ReasonSignature, seen.Reason)
		}
		assert.Equal(t, 429, post("203.0.113.7", genuine.Body))
		assert.Equal(t, 200, post("203.0.113.9", genuine.Body), "another client has its own")
	}
}

// FuzzClientAddr: it never panics; an untrusted peer's header never matters; and
// what is told is the peer, or an address that stands in the header.
func FuzzClientAddr(f *testing.F) {
	for _, peer := range []string{"10.0.0.1:1", "198.51.100.1:1", "@", "[fe80::1%eth0]:1"} {
		for _, line := range []string{
			"203.0.113.9, 10.0.0.2", `"[2001:db8::1%eth0]:80"`, `for=203.0.113.9;host="a,b\"", for="\[2001:db8::1\]:80"`, `for=1.1.1.1;x=", for=2.2.2.2`,
			"for=_hidden", "unknown", "", `"`,
		} {
			f.Add(peer, line, "for=10.0.0.2", true)
			f.Add(peer, line, line, false)
		}
	}
	f.Fuzz(func(t *testing.T, peer, line1, line2 string, unix bool) {
		proxies := trusting(unix)
		own, ownErr := peerAddr(peer)
		for _, header := range []string{forwardedFor, forwarded} {
			client, err := clientAddr(from(peer, header, line1, line2), proxies, header)
			bare, bareErr := clientAddr(from(peer, header), proxies, header)
			trusted := ownErr == nil && within(own, proxies) || ownErr != nil && unix && isUnixSocket(peer)
			if !trusted && (client != bare || (err == nil) != (bareErr == nil)) {
				t.Fatalf("%s of the untrusted peer %q counts: %v, %v", header, peer, client, err)
			}
			if err != nil {
				if client.IsValid() {
					t.Fatalf("both an address and an error: %v, %v", client, err)
				}
				continue
			}
			if !client.IsValid() || client.Zone() != "" || client.Is4In6() {
				t.Fatalf("%v is no plain address", client)
			}
			if !(ownErr == nil && client == own) && !standsIn(client, line1+","+line2) {
				t.Fatalf("%v is neither the peer %q nor stands in %q or %q", client, peer, line1, line2)
			}
		}
	})
}

// standsIn looks for an address among the words of a header, read in the
// simplest way.
func standsIn(client netip.Addr, header string) bool {
	header = strings.ReplaceAll(header, `\`, "")
	for _, word := range strings.FieldsFunc(header, func(r rune) bool { return strings.ContainsRune("\"=,; \t[]", r) }) {
		for _, text := range []string{word, word[:max(strings.LastIndexByte(word, ':'), 0)]} {
			if addr, err := netip.ParseAddr(text); err == nil && plain(addr) == client {
				return true
			}
		}
	}
	return false
}
