// Package redisreply turns the error replies of a Redis server into text for errors
// and logs. The modules on Redis share it. It is in the core module, so it must not
// depend on a driver.
package redisreply

import "strings"

// MaxLen is the greatest number of bytes of a reply that [Filter.Text] repeats. The
// text of the fix is not counted.
const MaxLen = 200

// fixes has the fix for each code that a reply may begin with. The fix of ERR is
// empty, because the rest of such a reply says what is wrong.
var fixes = map[string]string{
	"ERR":         "",
	"NOAUTH":      "set the user and the password of the client",
	"WRONGPASS":   "check the user and the password of the client",
	"NOPERM":      "allow the user the commands and keys that the package's documentation names",
	"READONLY":    "connect to the primary, not to a replica",
	"MASTERDOWN":  "connect to the primary, not to a replica",
	"OOM":         "raise the server's maxmemory",
	"MISCONF":     "see the server's log: it can't write to its disk",
	"NOREPLICAS":  "see min-replicas-to-write of the server",
	"LOADING":     "wait until the server has started",
	"BUSY":        "see the server's log: a script blocks it",
	"NOSCRIPT":    "check that nothing between client and server drops EVAL",
	"WRONGTYPE":   "choose a prefix that nothing else writes keys with",
	"MOVED":       "the server is part of a cluster: use a redis.ClusterClient",
	"ASK":         "the server is part of a cluster: use a redis.ClusterClient",
	"CROSSSLOT":   "the server is part of a cluster: use a redis.ClusterClient",
	"TRYAGAIN":    "wait until the cluster has moved the key",
	"CLUSTERDOWN": "check the cluster's state and that all its slots are served",
	"NOPROTO":     "set Protocol to 2, or use Redis 6 or later",
}

// Filter keeps credentials out of text. A reply may quote the refused command, which
// contains credentials if it is AUTH. The zero value knows no secrets. It is safe
// for concurrent use.
type Filter struct {
	// Secrets are the texts that must not be repeated. Empty ones are ignored.
	Secrets []string
	// Unknown says that there may be other secrets, for example credentials that are
	// fetched for each connection. Text then repeats only the code of a reply, and
	// only a known code.
	Unknown bool
}

// Text returns a reply as one line of valid UTF-8 without secrets, followed by the
// fix if one is known.
func (f Filter) Text(reply string) string {
	code, _, _ := strings.Cut(reply, " ")
	fix, known := fixes[code]
	// A server quotes the command at the end.
	text, _, _ := strings.Cut(reply, ", with args")
	text, _, _ = strings.Cut(text, " script: ") // drop the script's digest
	switch {
	case f.Unknown || f.Holds(text):
		if fix == "" {
			fix = "see what the server says to redis-cli"
		}
		if text = "a text that is withheld, because it may repeat a credential"; known {
			text = code + " and " + text
		}
	default:
		text = strings.TrimRight(oneLine(text), ".")
	}
	switch {
	case !known, strings.HasPrefix(reply, "ERR unknown command"):
		fix = "check that a Redis server is at this address, and that it has the commands that the package's documentation names"
	case strings.HasPrefix(reply, "ERR The user executing the script"), strings.HasPrefix(reply, "ERR ACL failure in script"):
		fix = fixes["NOPERM"]
	}
	if fix == "" {
		return text
	}
	return text + ": " + fix
}

// Holds reports whether text contains a secret. The first 8 bytes of a longer secret
// are enough, because servers truncate the commands that they quote.
func (f Filter) Holds(text string) bool {
	const enough = 8
	for _, s := range f.Secrets {
		if s != "" && strings.Contains(text, s[:min(len(s), enough)]) {
			return true
		}
	}
	return false
}

// oneLine returns the first MaxLen bytes of text, with spaces in place of control
// characters and line breaks.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
	if len(text) > MaxLen {
		text = strings.ToValidUTF8(text[:MaxLen], "") + "…"
	}
	return strings.TrimSpace(text)
}
