package middleware_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/ratelimit"
	"github.com/payack/payack/verify"
)

const (
	forwardedFor = "X-Forwarded-For"
	forwarded    = "Forwarded"
)

// trusting returns the trusted proxies of these tests.
func trusting() []netip.Prefix { return prefixes("10.0.0.0/8", "2001:db8:ffff::/48", "fe80::/64") }

func from(peer, header string, lines ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))
	r.RemoteAddr = peer
	r.Header.Set("Content-Type", "application/json")
	if len(lines) > 0 {
		r.Header[header] = lines
	}
	return r
}

const none = "none" // the address is unknown

// teller is a receiver that reports the client's address. It trusts proxies only
// when it is given a header.
type teller struct {
	h    http.Handler
	seen payack.Observation
}

func newTeller(t testing.TB, header string, unix bool) *teller {
	t.Helper()
	x := &teller{}
	o := middleware.Options{
		AllowedAddresses: prefixes("0.0.0.0/0", "::/0"), TrustUnixSocket: unix, Logger: quiet,
		Observer: payack.ObserverFunc(func(_ context.Context, o *payack.Observation) { x.seen = *o }),
	}
	if header != "" {
		o.TrustedProxies, o.ForwardedHeader = trusting(), header
	}
	x.h = ptopHandler(t, o, acceptAll)
	return x
}

func (x *teller) told(t testing.TB, r *http.Request) string {
	t.Helper()
	serve(x.h, r)
	if x.seen.Reason != payack.ReasonAddress {
		return x.seen.Delivery.Client.String()
	}
	if x.seen.Delivery.Client.IsValid() {
		t.Fatalf("both an address and an error: %v, %v", x.seen.Delivery.Client, x.seen.Err)
	}
	if !strings.Contains(x.seen.Err.Error(), "the client's address is unknown") {
		t.Fatalf("refused for another reason: %v", x.seen.Err)
	}
	return none
}

func TestAddressesInALine(t *testing.T) {
	list, rfc := newTeller(t, forwardedFor, false), newTeller(t, forwarded, false)
	for entry, want := range map[string]string{
		// Each entry gives this address in both headers, with and without
		// quotation marks.
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
			assert.Equal(t, want, list.told(t, from("10.0.0.1:1", forwardedFor, written)), written)
			assert.Equal(t, want, list.told(t, from("10.0.0.1:1", forwardedFor, "198.51.100.1,\t "+written+" ")), written)
			assert.Equal(t, want, rfc.told(t, from("10.0.0.1:1", forwarded, "for="+written)), written)
			assert.Equal(t, want, rfc.told(t, from("10.0.0.1:1", forwarded, "for=198.51.100.1 , proto=https;FOR="+written+";by=_x")), written)
		}
	}
}

func TestForwardedFor(t *testing.T) {
	list := newTeller(t, forwardedFor, false)
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
		assert.Equal(t, tc.want, list.told(t, from(tc.peer, forwardedFor, tc.lines...)), tc.name)
	}
}

func TestUnixSocketPeers(t *testing.T) {
	for header, line := range map[string]string{forwardedFor: "1.1.1.1, 203.0.113.9, 10.0.0.2", forwarded: "for=203.0.113.9, for=10.0.0.2"} {
		untrusting, trusting := newTeller(t, header, false), newTeller(t, header, true)
		for _, peer := range []string{"", "@", "@abstract", "/run/shop.sock"} {
			assert.Equal(t, none, untrusting.told(t, from(peer, header, line)), peer)
			assert.Equal(t, "203.0.113.9", trusting.told(t, from(peer, header, line)), peer)
			assert.Equal(t, none, trusting.told(t, from(peer, header)), "nobody is named: %s", peer)
		}
	}
	list, rfc := newTeller(t, forwardedFor, true), newTeller(t, forwarded, true)
	for _, peer := range []string{"", "@", "@abstract", "/run/shop.sock"} {
		assert.Equal(t, none, rfc.told(t, from(peer, forwarded, "", ",")), peer)
		assert.Equal(t, "10.0.0.2", rfc.told(t, from(peer, forwarded, "for=10.0.0.2")), peer)
	}
	// A peer's address that is neither an IP address nor a Unix socket's is not
	// trusted.
	for _, peer := range []string{"pipe", "203.0.113", "unknown:1", "[::1", " ", "x@y", "\x00"} {
		assert.Equal(t, none, list.told(t, from(peer, forwardedFor, "203.0.113.9")), peer)
	}
	assert.Equal(t, "198.51.100.1", list.told(t, from("198.51.100.1:1", forwardedFor, "203.0.113.9")))
	// The zero prefix stands for Unix sockets, but can't be configured.
	c := middleware.PtopConfig{SigningKeys: payack.Secrets(ptopKey), ConfirmInCallback: true}
	c.TrustedProxies = []netip.Prefix{{}}
	_, err := middleware.NewPtop(c)
	assert.ErrorContains(t, err, "not a valid prefix")
	given := trusting()
	c.TrustedProxies, c.TrustUnixSocket = given[:1], true
	_, err = middleware.NewPtop(c)
	require.NoError(t, err)
	assert.Equal(t, trusting(), given, "the caller's own list stays as it is")
}

// A proxy that connects over a Unix socket names each client's address in a header.
// AllowedAddresses and the limiter use those addresses.
func TestServedOnAUnixSocket(t *testing.T) {
	for _, trusted := range []bool{true, false} {
		limiter, err := ratelimit.New(ratelimit.Config{PerSecond: 0.001, Burst: 2})
		require.NoError(t, err)
		var seen payack.Observation
		rc, err := middleware.NewPtop(middleware.PtopConfig{SigningKeys: payack.Secrets("k"), ConfirmInCallback: true, Options: middleware.Options{
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

// FuzzClientAddr checks that parsing never panics, that an untrusted peer's header
// has no effect, and that the result is the peer or an address in the header.
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
	bare := newTeller(f, "", false)
	tellers := map[string]map[bool]*teller{}
	for _, header := range []string{forwardedFor, forwarded} {
		tellers[header] = map[bool]*teller{false: newTeller(f, header, false), true: newTeller(f, header, true)}
	}
	f.Fuzz(func(t *testing.T, peer, line1, line2 string, unix bool) {
		own := bare.told(t, from(peer, ""))
		for header, by := range tellers {
			client := by[unix].told(t, from(peer, header, line1, line2))
			if !believed(peer, own, unix) && client != own {
				t.Fatalf("%s of the untrusted peer %q counts: %s", header, peer, client)
			}
			if client == none {
				continue
			}
			addr := by[unix].seen.Delivery.Client
			if addr.Zone() != "" || addr.Is4In6() {
				t.Fatalf("%v is no plain address", addr)
			}
			if client != own && !standsIn(addr, line1+","+line2) {
				t.Fatalf("%v is neither the peer %q nor stands in %q or %q", client, peer, line1, line2)
			}
		}
	})
}

// believed reports whether a peer is a trusted proxy; own is its IP address, if it
// has one.
func believed(peer, own string, unix bool) bool {
	if own == none {
		return unix && (peer == "" || peer[0] == '@' || peer[0] == '/')
	}
	addr := netip.MustParseAddr(own)
	return slices.ContainsFunc(trusting(), func(p netip.Prefix) bool { return p.Contains(addr) })
}

// standsIn reports whether an address is among the words of a header. It is simpler
// than the code under test.
func standsIn(client netip.Addr, header string) bool {
	header = strings.ReplaceAll(header, `\`, "")
	for _, word := range strings.FieldsFunc(header, func(r rune) bool { return strings.ContainsRune("\"=,; \t[]", r) }) {
		for _, text := range []string{word, word[:max(strings.LastIndexByte(word, ':'), 0)]} {
			if addr, err := netip.ParseAddr(text); err == nil && addr.Unmap().WithZone("") == client {
				return true
			}
		}
	}
	return false
}
