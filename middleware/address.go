package middleware

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
)

// errAddress means that the client's address can't be told.
var errAddress = errors.New("the client's address can't be told")

// clientAddr returns where a request came from: the peer, or, when the peer is
// a trusted proxy, the last address in the forwarded header (all its lines
// joined, read right to left) that is not one itself. The header of anybody
// else says what its sender likes, and is ignored.
func clientAddr(r *http.Request, proxies []netip.Prefix, header string) (netip.Addr, error) {
	var peer netip.Addr
	if withPort, err := netip.ParseAddrPort(r.RemoteAddr); err == nil { // as net/http writes it
		peer = plain(withPort.Addr())
	} else if peer, err = parseAddr(r.RemoteAddr); err != nil {
		return netip.Addr{}, err
	}
	client := peer
	if !within(peer, proxies) {
		return client, nil
	}
	lines := r.Header[header]
	for i := len(lines) - 1; i >= 0; i-- {
		rest := lines[i]
		for more := true; more; {
			var entry string
			if comma := strings.LastIndexByte(rest, ','); comma >= 0 {
				rest, entry = rest[:comma], rest[comma+1:]
			} else {
				entry, more = rest, false
			}
			var err error
			if client, err = parseAddr(strings.TrimSpace(entry)); err != nil {
				return netip.Addr{}, err
			}
			if !within(client, proxies) {
				return client, nil
			}
		}
	}
	return client, nil
}

// parseAddr reads an address with or without a port.
func parseAddr(s string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		withPort, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, errAddress
		}
		addr = withPort.Addr()
	}
	return plain(addr), nil
}

// plain takes an IPv4 address out of its IPv6 clothing, and drops a zone.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func within(a netip.Addr, prefixes []netip.Prefix) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
