package ratelimit

import (
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
)

// ipv6Bits is the length of the prefix that identifies an IPv6 client: a customer
// gets at least a /64, and can use any address in it.
const ipv6Bits = 64

// AddrKey returns the key of a client's address under a scope, which usually is the
// provider's name. IPv4 in IPv6 form is unmapped, IPv6 is cut to its /64, and zones
// are dropped. All invalid addresses under a scope share one key.
//
// Different scopes or addresses never have the same key, and no key equals one of
// [PathKey] or [SameKey]. AddrKey allocates once; [AppendAddrKey] allocates nothing if
// its dst has room.
func AddrKey(scope string, addr netip.Addr) string {
	var buf [96]byte
	return string(AppendAddrKey(buf[:0], scope, addr))
}

// AppendAddrKey appends the key that [AddrKey] returns to dst, and returns the
// result.
func AppendAddrKey(dst []byte, scope string, addr netip.Addr) []byte {
	// The text after the last space shows the kind of key, and never belongs to the
	// scope. Here it is an address, which has a dot or a colon, or "invalid".
	dst = append(dst, scope...)
	dst = append(dst, ' ')
	switch addr = addr.Unmap(); {
	case !addr.IsValid():
		return append(dst, "invalid"...)
	case addr.Is4():
		return addr.AppendTo(dst)
	}
	// Prefix fails only if the prefix is longer than the address.
	prefix, _ := addr.Prefix(ipv6Bits)
	return prefix.AppendTo(dst)
}

// MaxAddrKeys is the largest number of keys that [AddrKeys] returns.
const MaxAddrKeys = 1 << 16

// AddrKeys returns the keys of all addresses in prefixes, for [Config.Own]: one for
// each IPv4 address and one for each /64 of IPv6, in order and without repetition.
// It returns an error for an invalid prefix, and for more than [MaxAddrKeys] keys,
// because keys in Config.Own take memory permanently.
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

// nextUnit returns the next IPv4 address, or the start of the next /64, or the
// invalid address after the last one.
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

// KeyOf returns the key of a request. It must not read the body, and must be safe
// for concurrent use.
type KeyOf func(*http.Request) string

// PeerKey returns a KeyOf that makes a key from the peer's address, r.RemoteAddr, as
// [AddrKey] does. Don't use it behind a proxy: there all clients have the proxy's
// address and share one budget. Write a KeyOf that determines the client's address
// instead.
func PeerKey(scope string) KeyOf {
	return func(r *http.Request) string {
		// Some middleware replaces RemoteAddr by an address without a port.
		if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
			return AddrKey(scope, ap.Addr())
		}
		addr, _ := netip.ParseAddr(r.RemoteAddr)
		return AddrKey(scope, addr)
	}
}

// PathKey returns a KeyOf for a wildcard of the route's pattern (r.PathValue), such
// as a merchant's name. Put the middleware behind the router: in front of it the
// value is empty, and all requests share one budget. The client chooses the value,
// so it gets a new budget for each name that it invents.
//
// Different scopes or values never have the same key, and no key equals one of
// [AddrKey] or [SameKey]. The wildcard's name is not part of the key: give two
// wildcards two scopes.
func PathKey(scope, wildcard string) KeyOf {
	return func(r *http.Request) string {
		// The length at the end says where the value begins. Being a number, it can't
		// be mistaken for an address; see AppendAddrKey.
		value := r.PathValue(wildcard)
		return scope + " " + value + " " + strconv.Itoa(len(value))
	}
}

// SameKey returns a KeyOf that gives all requests the same key, to limit a provider
// as a whole. Different scopes never have the same key, and no key equals one of
// [AddrKey] or [PathKey].
func SameKey(scope string) KeyOf {
	key := scope + " all" // neither an address nor a number
	return func(*http.Request) string { return key }
}
