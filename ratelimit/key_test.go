package ratelimit_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/payack/payack/ratelimit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAddrKey(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1":             "pts 192.0.2.1",
		"::ffff:192.0.2.1":      "pts 192.0.2.1",
		"::ffff:192.0.2.1%eth0": "pts 192.0.2.1",
		"2001:db8:1:2:3:4:5:6":  "pts 2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::":   "pts 2001:db8:1:2::/64",
		"2001:db8:1:3::1":       "pts 2001:db8:1:3::/64",
		"fe80::1%eth0":          "pts fe80::/64",
		"fe80::2%eth1":          "pts fe80::/64",
		"::1":                   "pts ::/64",
	} {
		assert.Equal(t, want, ratelimit.AddrKey("pts", netip.MustParseAddr(in)), in)
	}
	assert.Equal(t, "pts invalid", ratelimit.AddrKey("pts", netip.Addr{}))
	assert.Equal(t, "x: 192.0.2.1", string(ratelimit.AppendAddrKey([]byte("x:"), "", netip.MustParseAddr("192.0.2.1"))))
}

func TestAddrKeyAllocations(t *testing.T) {
	for _, in := range []string{"192.0.2.1", "2001:db8:1:2:3:4:5:6"} {
		addr := netip.MustParseAddr(in)
		var sink string
		assert.LessOrEqual(t, testing.AllocsPerRun(100, func() { sink = ratelimit.AddrKey("payatom", addr) }), 1.0, in)
		require.NotEmpty(t, sink)
		var buf [96]byte
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			if len(ratelimit.AppendAddrKey(buf[:0], "payatom", addr)) == 0 {
				panic("no key")
			}
		}), in)
	}
}

func TestAddrKeys(t *testing.T) {
	keys := func(prefixes ...string) []string {
		t.Helper()
		var ps []netip.Prefix
		for _, p := range prefixes {
			ps = append(ps, netip.MustParsePrefix(p))
		}
		got, err := ratelimit.AddrKeys("p", ps...)
		require.NoError(t, err)
		return got
	}
	assert.Empty(t, keys())
	assert.Equal(t, []string{"p 192.0.2.1"}, keys("192.0.2.1/32"))
	assert.Equal(t, []string{"p 192.0.2.4", "p 192.0.2.5", "p 192.0.2.6", "p 192.0.2.7"}, keys("192.0.2.5/30", "192.0.2.6/32"))
	assert.Equal(t, []string{"p 192.0.2.0", "p 192.0.2.1"}, keys("::ffff:192.0.2.0/127"))
	assert.Equal(t, []string{"p 2001:db8:1:2::/64"}, keys("2001:db8:1:2::7/128", "2001:db8:1:2::/64"))
	assert.Equal(t, []string{"p 2001:db8:1:fe::/64", "p 2001:db8:1:ff::/64"}, keys("2001:db8:1:fe::/63"))
	assert.Equal(t, []string{"p 255.255.255.254", "p 255.255.255.255"}, keys("255.255.255.254/31"))
	assert.Equal(t, []string{"p ffff:ffff:ffff:fffe::/64", "p ffff:ffff:ffff:ffff::/64"}, keys("ffff:ffff:ffff:fffe::/63"))
	assert.Len(t, keys("10.0.0.0/16"), 65536)
	assert.Len(t, keys("2001:db8::/48"), 65536)

	for _, wide := range []string{"10.0.0.0/15", "0.0.0.0/0", "2001:db8::/47", "::/0"} {
		_, err := ratelimit.AddrKeys("p", netip.MustParsePrefix(wide))
		assert.ErrorContains(t, err, "narrower", wide)
	}
	_, err := ratelimit.AddrKeys("p", netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("192.0.2.1/32"))
	assert.ErrorContains(t, err, "narrower")
	_, err = ratelimit.AddrKeys("p", netip.Prefix{})
	assert.ErrorContains(t, err, "netip.ParsePrefix")
}

// AddrKeys lists the same key that AddrKey returns at the gate.
func TestAddrKeysMatchAddrKey(t *testing.T) {
	own, err := ratelimit.AddrKeys("ptop", netip.MustParsePrefix("198.51.100.0/28"), netip.MustParsePrefix("2001:db8:7::/56"))
	require.NoError(t, err)
	c := new(manual)
	m := newMemory(t, ratelimit.Config{PerSecond: 1, Burst: 2, MaxKeys: 1, Own: own, Now: c.now})
	allow(t, m, "somebody")
	for allow(t, m, "a crowd of newcomers").Allowed {
	}
	for _, addr := range []string{"198.51.100.9", "::ffff:198.51.100.10", "2001:db8:7:44:5::6"} {
		assert.Equal(t, 1, allow(t, m, ratelimit.AddrKey("ptop", netip.MustParseAddr(addr))).Remaining, addr)
	}
	assert.False(t, allow(t, m, ratelimit.AddrKey("ptop", netip.MustParseAddr("198.51.100.16"))).Allowed)
	assert.Equal(t, 1, m.Len())
}

func TestKeysOf(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/callbacks/shop-7", nil)
	for in, want := range map[string]string{
		"192.0.2.1:1234":               "pts 192.0.2.1",
		"[2001:db8:1:2:3:4:5:6]:1234":  "pts 2001:db8:1:2::/64",
		"[fe80::1%eth0]:1234":          "pts fe80::/64",
		"192.0.2.1":                    "pts 192.0.2.1",
		"@":                            "pts invalid",
		"":                             "pts invalid",
		"192.0.2.1:1234, 198.51.100.1": "pts invalid",
	} {
		r.RemoteAddr = in
		assert.Equal(t, want, ratelimit.PeerKey("pts")(r), in)
	}
	assert.Equal(t, "pts all", ratelimit.SameKey("pts")(r))

	var got string
	mux := http.NewServeMux()
	mux.HandleFunc("POST /callbacks/{merchant}", func(_ http.ResponseWriter, r *http.Request) {
		got = ratelimit.PathKey("pts", "merchant")(r)
	})
	mux.ServeHTTP(httptest.NewRecorder(), r)
	assert.Equal(t, "pts shop-7 6", got)
}

// keyed is what a key was made from: its kind, the scope and the value.
type keyed struct{ kind, scope, of string }

func pathKey(scope, value string) string {
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.SetPathValue("name", value)
	return ratelimit.PathKey(scope, "name")(r)
}

func sameKey(scope string) string {
	return ratelimit.SameKey(scope)(httptest.NewRequest(http.MethodPost, "/", nil))
}

// A client that chooses its path value must not get another client's key.
func TestKeysNeverMeet(t *testing.T) {
	seen := map[string]keyed{}
	note := func(key string, k keyed) {
		t.Helper()
		if other, found := seen[key]; found && other != k {
			t.Errorf("%q is the key of %+v and of %+v", key, other, k)
		}
		seen[key] = k
	}
	// All texts of up to three of these parts, as scopes and as values.
	parts := []string{"", "p", " ", "1", "all", "invalid", "192.0.2.1", "2001:db8::/64"}
	var texts []string
	distinct := map[string]bool{}
	for _, a := range parts {
		for _, b := range parts {
			for _, c := range parts {
				if text := a + b + c; !distinct[text] {
					distinct[text] = true
					texts = append(texts, text)
				}
			}
		}
	}
	addrs := []netip.Addr{{}}
	for _, a := range []string{"192.0.2.1", "1.1.1.1", "2001:db8::1", "::1", "::"} {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	for _, scope := range texts {
		note(sameKey(scope), keyed{"same", scope, ""})
		for _, addr := range addrs {
			of := addr.String()
			if addr.Is6() { // one client has the whole /64
				of = netip.PrefixFrom(addr, 64).Masked().String()
			}
			note(ratelimit.AddrKey(scope, addr), keyed{"address", scope, of})
		}
		find := ratelimit.PathKey(scope, "name")
		for _, value := range texts {
			r.SetPathValue("name", value)
			note(find(r), keyed{"path", scope, value})
		}
	}
	t.Logf("%d keys", len(seen))
}

func FuzzKeysNeverMeet(f *testing.F) {
	v4 := []byte{192, 0, 2, 1}
	f.Add("pts", "pts", "192.0.2.1", "", v4)
	f.Add("pts", "pts 192.0.2.1", "", "192.0.2.1 9", v4)
	f.Add("a", "a b", "b c", "c", v4)
	f.Add("a", "a b 1", "b 1", "", v4)
	f.Add("a all", "a", "", "all", []byte{})
	f.Add("a", "a", "invalid", "invalid 7", []byte{1})
	f.Add("\xff", "\ufffd", "\x00", "", netip.MustParseAddr("2001:db8::1").AsSlice())
	f.Fuzz(func(t *testing.T, scope, other, value, otherValue string, raw []byte) {
		addr, _ := netip.AddrFromSlice(raw)
		all := map[string]keyed{}
		for _, s := range []string{scope, other} {
			for _, made := range []struct {
				key string
				of  keyed
			}{
				{ratelimit.AddrKey(s, addr), keyed{"address", s, ""}},
				{sameKey(s), keyed{"same", s, ""}},
				{pathKey(s, value), keyed{"path", s, value}},
				{pathKey(s, otherValue), keyed{"path", s, otherValue}},
			} {
				if found, ok := all[made.key]; ok && found != made.of {
					t.Errorf("%q is the key of %+v and of %+v", made.key, found, made.of)
				}
				all[made.key] = made.of
			}
			if got, most := len(pathKey(s, value)), len(s)+len(value)+len("  1000000000"); got > most {
				t.Errorf("the key has %d bytes, %d at the most", got, most)
			}
			if !strings.HasPrefix(pathKey(s, value), s+" "+value) {
				t.Errorf("%q can't be read in a log", pathKey(s, value))
			}
		}
	})
}
