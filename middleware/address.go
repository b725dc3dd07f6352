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

// lastInForwarded does the same for a line of Forwarded (RFC 7239), and returns
// the invalid address where no element stands in it.
//
// The line is read from its beginning, since commas stand in quoted strings, too.
// All of it must be well-formed: a quotation mark that a client left open would
// otherwise swallow what the proxy wrote behind it. With an odd one in front, the
// proxy's own marks never come out even.
func lastInForwarded(line string, proxies []netip.Prefix) (client netip.Addr, err error) {
	var first netip.Addr
	for line = skipSpace(line); line != ""; line = skipSpace(line) {
		if line[0] == ',' {
			line = line[1:]
			continue
		}
		var node string
		var ok bool
		if node, line, ok = forwardedElement(line); !ok {
			return netip.Addr{}, errAddress
		}
		addr, failed := parseAddr(node)
		if failed == nil && within(addr, proxies) {
			if !first.IsValid() {
				first = addr
			}
			continue
		}
		client, err = addr, failed
	}
	if client.IsValid() || err != nil {
		return client, err
	}
	return first, nil
}

// forwardedElement returns the for parameter of the element at the beginning of
// a text, and what follows the element. The parameter is empty where the element
// has none: that hop then can't be told.
func forwardedElement(s string) (node, rest string, ok bool) {
	named := false
	for {
		s = skipSpace(s)
		if s == "" || s[0] == ',' {
			return node, s, true
		}
		if s[0] == ';' {
			s = s[1:]
			continue
		}
		name := tokenLength(s)
		if name == 0 || name == len(s) || s[name] != '=' {
			return "", "", false
		}
		isFor := strings.EqualFold(s[:name], "for")
		value, after, ok := forwardedValue(s[name+1:])
		if !ok || isFor && named {
			return "", "", false
		}
		if isFor {
			node, named = value, true
		}
		if s = skipSpace(after); s != "" && s[0] != ';' && s[0] != ',' {
			return "", "", false
		}
	}
}

// forwardedValue returns the value at the beginning of a text, a quoted string
// without its marks and escapes. Outside of one it takes more than a token:
// addresses with a colon or in brackets are often sent without marks.
func forwardedValue(s string) (value, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		end := 0
		for end < len(s) && s[end] > ' ' && s[end] < 0x7f && strings.IndexByte(`",;\`, s[end]) < 0 {
			end++
		}
		return s[:end], s[end:], end > 0
	}
	escaped := false
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			value = s[1:i]
			if escaped {
				value = unescape(value)
			}
			return value, s[i+1:], true
		case c == '\\':
			escaped = true
			if i++; i == len(s) {
				return "", "", false
			}
		case c < ' ' && c != '\t' || c == 0x7f:
			return "", "", false
		}
	}
	return "", "", false // never closed
}

// unescape takes the backslashes out of what stood between quotation marks.
func unescape(s string) string {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		}
		out = append(out, s[i])
	}
	return string(out)
}

func skipSpace(s string) string { return strings.TrimLeft(s, " \t") }

// tokenLength returns how long the token of HTTP at the beginning of a text is.
func tokenLength(s string) int {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return i
		}
	}
	return len(s)
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
