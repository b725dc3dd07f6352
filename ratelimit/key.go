package ratelimit

import (
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
)

// ipv6Bits is how much of an IPv6 address tells one client from another: a
// customer gets a /64 at least, and moves freely in it.
const ipv6Bits = 64

// AddrKey returns the key of a client's address under scope, which usually is
// the provider's name. IPv4 in its IPv6 form is unmapped, IPv6 is cut to its
// /64, zones are dropped. All invalid addresses under a scope share one key.
//
// Different scopes and addresses never give the same key, nor does [PathKey] or
// [SameKey] under any scope. It costs one allocation; see [AppendAddrKey] for
// none.
func AddrKey(scope string, addr netip.Addr) string {
	var buf [96]byte
	return string(AppendAddrKey(buf[:0], scope, addr))
}

// AppendAddrKey appends what [AddrKey] returns to dst and returns the result.
func AppendAddrKey(dst []byte, scope string, addr netip.Addr) []byte {
	// What follows the last space says which kind of key it is, and is never
	// the scope's: here an address, which has a dot or a colon, or "invalid".
	dst = append(dst, scope...)
	dst = append(dst, ' ')
	switch addr = addr.Unmap(); {
	case !addr.IsValid():
		return append(dst, "invalid"...)
	case addr.Is4():
		return addr.AppendTo(dst)
	}
	// The only error is for a prefix that is longer than the address.
	prefix, _ := addr.Prefix(ipv6Bits)
	return prefix.AppendTo(dst)
}

// MaxAddrKeys is how many keys [AddrKeys] makes at most.
const MaxAddrKeys = 1 << 16

// AddrKeys returns the keys of all addresses in prefixes, for [Config.Own]: one
// per IPv4 address and one per /64 of IPv6, in order and each once. More than
// [MaxAddrKeys] is an error, as is an invalid prefix: every key takes memory for
// good.
func AddrKeys(scope string, prefixes ...netip.Prefix) ([]string, error) {
	var keys []string
	seen := make(map[string]bool)
	for _, p := range prefixes {
		if !p.IsValid() {
			return nil, fmt.Errorf("ratelimit: AddrKeys was given an invalid prefix: use netip.ParsePrefix and check its error")
		}
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		p = p.Masked()
		unit := 32
		if p.Addr().Is6() {
			unit = ipv6Bits
		}
		free := unit - p.Bits()
		if free > 16 || len(keys)+1<<max(free, 0) > MaxAddrKeys {
			return nil, fmt.Errorf("ratelimit: AddrKeys was given more than %d addresses, at %v: name narrower prefixes", MaxAddrKeys, p)
		}
		for a := p.Addr(); p.Contains(a); {
			if key := AddrKey(scope, a); !seen[key] {
				seen[key] = true
				keys = append(keys, key)
			}
			if a = nextUnit(a, unit); !a.IsValid() {
				break
			}
		}
	}
	return keys, nil
}

// nextUnit returns the next address, or the first one of the next /64; invalid
// after the last.
func nextUnit(a netip.Addr, bits int) netip.Addr {
	if a.Is4() {
		return a.Next()
	}
	b := a.As16()
	for i := bits/8 - 1; i >= 0; i-- {
		if b[i]++; b[i] != 0 {
			return netip.AddrFrom16(b)
		}
	}
	return netip.Addr{}
}

// KeyOf finds the key of a request. It is called before anything is read and
// must not read the body.
type KeyOf func(*http.Request) string

// PeerKey returns a KeyOf that keys by the address of the connection's other
// end, r.RemoteAddr, as [AddrKey] does. Behind a proxy that is the proxy's
// address, and all clients would share one budget: resolve the client's address
// first and key by that.
func PeerKey(scope string) KeyOf {
	return func(r *http.Request) string {
		// A RemoteAddr that some middleware replaced by a bare address counts too.
		if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
			return AddrKey(scope, ap.Addr())
		}
		addr, _ := netip.ParseAddr(r.RemoteAddr)
		return AddrKey(scope, addr)
	}
}

// PathKey returns a KeyOf that keys by a wildcard of the route's pattern
// (r.PathValue), such as a merchant's name. The middleware must stand behind the
// router for that; in front of it the value is empty, and all share one budget.
// The value comes from the client: whoever can invent names gets a budget for
// each.
//
// Different scopes and values never give the same key, nor does [AddrKey] or
// [SameKey] under any scope. The wildcard's name is no part of the key: give two
// wildcards two scopes.
func PathKey(scope, wildcard string) KeyOf {
	return func(r *http.Request) string {
		// The length comes last and says where the value begins. It is a number
		// and so no address; see AppendAddrKey.
		value := r.PathValue(wildcard)
		return scope + " " + value + " " + strconv.Itoa(len(value))
	}
}

// SameKey returns a KeyOf that gives all requests the same key: a limit for a
// provider as a whole. Different scopes never give the same key, nor does
// [AddrKey] or [PathKey] under any scope.
func SameKey(scope string) KeyOf {
	key := scope + " all" // neither an address nor a number
	return func(*http.Request) string { return key }
}
