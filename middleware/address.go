package middleware

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
)

// errAddress means that the client's address can't be told.
var errAddress = errors.New("the client's address can't be told; have the proxy name it in ForwardedHeader, and trust the proxy by TrustedProxies or TrustUnixSocket")

// unixSocket stands in the list of trusted proxies for peers without an IP
// address. It is no valid prefix and contains no address.
var unixSocket netip.Prefix

// clientAddr returns where a request came from: the peer, or, when the peer is
// a trusted proxy, the last address in the forwarded header (all its lines
// joined, read right to left) that is not one itself. The header of anybody
// else says what its sender likes, and is ignored.
func clientAddr(r *http.Request, proxies []netip.Prefix, header string) (netip.Addr, error) {
	peer, err := peerAddr(r.RemoteAddr)
	switch {
	case err == nil && !within(peer, proxies):
		return peer, nil
	case err != nil && !(isUnixSocket(r.RemoteAddr) && trustsUnixSocket(proxies)):
		return netip.Addr{}, err
	}
	find := lastInList
	if header == "Forwarded" {
		find = lastInForwarded
	}
	client := peer
	for lines := r.Header[header]; len(lines) > 0; lines = lines[:len(lines)-1] {
		addr, err := find(lines[len(lines)-1], proxies)
		switch {
		case err != nil:
			return netip.Addr{}, err
		case !addr.IsValid(): // the line is empty
			continue
		case !within(addr, proxies):
			return addr, nil
		}
		client = addr
	}
	if !client.IsValid() { // a Unix socket, and nobody named
		return netip.Addr{}, errAddress
	}
	return client, nil
}

// lastInList returns the last address of a line of X-Forwarded-For, or of a
// header of its kind, that is no trusted proxy's; the first one where all are.
func lastInList(line string, proxies []netip.Prefix) (client netip.Addr, err error) {
	for more := true; more; {
		entry := line
		if comma := strings.LastIndexByte(line, ','); comma >= 0 {
			line, entry = line[:comma], line[comma+1:]
		} else {
			more = false
		}
		entry = strings.Trim(entry, " \t")
		if len(entry) >= 2 && entry[0] == '"' && entry[len(entry)-1] == '"' {
			entry = entry[1 : len(entry)-1]
		}
		if client, err = parseAddr(entry); err != nil || !within(client, proxies) {
			return client, err
		}
	}
	return client, nil
}

// peerAddr reads an address as net/http writes it.
func peerAddr(s string) (netip.Addr, error) {
	if withPort, err := netip.ParseAddrPort(s); err == nil {
		return plain(withPort.Addr()), nil
	}
	return parseAddr(s)
}

// isUnixSocket reports whether a peer's address is that of a Unix socket: of
// one without a name, of an abstract one or of a path.
func isUnixSocket(peer string) bool { return peer == "" || peer[0] == '@' || peer[0] == '/' }

func trustsUnixSocket(proxies []netip.Prefix) bool {
	for _, p := range proxies {
		if p == unixSocket {
			return true
		}
	}
	return false
}

// parseAddr reads an address as a proxy names it: IPv4 or IPv6, the latter in
// brackets or not, with a port behind it or not. A port may be obfuscated, an
// address may not.
func parseAddr(s string) (netip.Addr, error) {
	host, port := s, ""
	if rest, found := strings.CutPrefix(s, "["); found {
		end := strings.IndexByte(rest, ']')
		if end < 0 || strings.IndexByte(rest[:end], ':') < 0 { // brackets are for IPv6
			return netip.Addr{}, errAddress
		}
		host, port = rest[:end], rest[end+1:]
	} else if colon := strings.IndexByte(s, ':'); colon >= 0 && colon == strings.LastIndexByte(s, ':') { // IPv6 has more
		host, port = s[:colon], s[colon:]
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || !isPort(port) || !isPlain(addr.Zone()) {
		return netip.Addr{}, errAddress
	}
	return plain(addr), nil
}

// isPort reports whether what stands behind an address is nothing, or a port
// with its colon.
func isPort(s string) bool {
	if s == "" {
		return true
	}
	if hidden, found := strings.CutPrefix(s, ":_"); found { // an obfuscated one
		return isPlain(hidden)
	}
	digits, found := strings.CutPrefix(s, ":")
	return found && 0 < len(digits) && len(digits) <= len("65535") && strings.Trim(digits, "0123456789") == ""
}

// isPlain reports whether a zone, or the rest of an obfuscated port, is of plain
// characters.
func isPlain(s string) bool {
	for _, c := range []byte(s) {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.IndexByte("-._~", c) >= 0) {
			return false
		}
	}
	return true
}

// plain unmaps IPv4-in-IPv6 and drops the zone.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func within(a netip.Addr, prefixes []netip.Prefix) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
