package middleware

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
)

// errAddress means that the client's address is unknown.
var errAddress = errors.New("the client's address is unknown; have the proxy send it in ForwardedHeader, and list the proxy in TrustedProxies (or set TrustUnixSocket)")

// unixSocket is the entry in a list of trusted proxies that stands for peers on a
// Unix socket. It is the invalid prefix, which contains no address.
var unixSocket netip.Prefix

// clientAddr returns the client's address. A peer that is not a trusted proxy is
// the client itself. Such a peer could write anything into the forwarding header, so
// its header is ignored.
//
// Behind a trusted proxy, the client is the last address in the header that is not
// a trusted proxy's. All lines of the header count as one list. If all addresses in
// the list are trusted proxies', the first one is the client's.
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
	if !client.IsValid() { // a Unix socket, and the header names no client
		return netip.Addr{}, errAddress
	}
	return client, nil
}

// lastInList returns the last address in a line of X-Forwarded-For, or of a header
// like it, that is not a trusted proxy's. If all addresses in the line are trusted
// proxies', it returns the first one.
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

// peerAddr parses an address in the form of http.Request.RemoteAddr.
func peerAddr(s string) (netip.Addr, error) {
	if withPort, err := netip.ParseAddrPort(s); err == nil {
		return plain(withPort.Addr()), nil
	}
	return parseAddr(s)
}

// isUnixSocket reports whether a peer's address is that of a Unix socket, which is
// unnamed (empty), abstract (@) or a path.
func isUnixSocket(peer string) bool { return peer == "" || peer[0] == '@' || peer[0] == '/' }

func trustsUnixSocket(proxies []netip.Prefix) bool {
	for _, p := range proxies {
		if p == unixSocket {
			return true
		}
	}
	return false
}

// parseAddr parses an address as proxies write it: IPv4 or IPv6, with or without
// brackets around IPv6, with or without a port. The port may be obfuscated, the
// address may not.
func parseAddr(s string) (netip.Addr, error) {
	host, port := s, ""
	if rest, found := strings.CutPrefix(s, "["); found {
		end := strings.IndexByte(rest, ']')
		if end < 0 || strings.IndexByte(rest[:end], ':') < 0 { // brackets are for IPv6
			return netip.Addr{}, errAddress
		}
		host, port = rest[:end], rest[end+1:]
	} else if colon := strings.IndexByte(s, ':'); colon >= 0 && colon == strings.LastIndexByte(s, ':') { // IPv6 has more than one colon
		host, port = s[:colon], s[colon:]
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || !isPort(port) || !isPlain(addr.Zone()) {
		return netip.Addr{}, errAddress
	}
	return plain(addr), nil
}

// isPort reports whether s is empty, or a colon and a port. s is the text after an
// address.
func isPort(s string) bool {
	if s == "" {
		return true
	}
	if hidden, found := strings.CutPrefix(s, ":_"); found { // an obfuscated port
		return isPlain(hidden)
	}
	digits, found := strings.CutPrefix(s, ":")
	return found && 0 < len(digits) && len(digits) <= len("65535") && strings.Trim(digits, "0123456789") == ""
}

// isPlain reports whether s consists of the characters that a zone or an obfuscated
// port may have.
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
