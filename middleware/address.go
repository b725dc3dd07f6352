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
	peer, err := parseAddr(r.RemoteAddr)
	if err != nil {
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

// parseAddr reads an address with or without a port; an IPv4 address in IPv6
// clothing is the IPv4 address, and a zone is dropped.
func parseAddr(s string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		withPort, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, errAddress
		}
		addr = withPort.Addr()
	}
	return addr.Unmap().WithZone(""), nil
}

func within(a netip.Addr, prefixes []netip.Prefix) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
