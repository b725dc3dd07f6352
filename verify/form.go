package verify

import (
	"strings"

	"github.com/payack/payack/internal/php"
	"github.com/payack/payack/internal/strict"
)

// phpTwins refuses, with a *[strict.Error], a pair of a form that a PHP reader
// would store under one of these names although the pair has another name: PHP turns
// order.id into order_id, and makes order_id[x] an array of that name. Upper and
// lower case count as equal.
func phpTwins(fields []strict.Field, names []string) error {
	for i := range fields {
		f := &fields[i]
		if f.Known {
			continue
		}
		base, whole := php.FormNames(f.Name)
		for _, name := range names {
			if f.Name != name && (strings.EqualFold(base, name) || strings.EqualFold(whole, name)) {
				return &strict.Error{What: "a name that PHP takes for " + name, Offset: f.Start}
			}
		}
	}
	return nil
}

// nested returns the JSON literal of an object that a form spells with brackets,
// as name[member]=text. Members keep their order, and each is a string. nested
// marks those pairs as known. It skips name[] and deeper nesting.
func nested(fields []strict.Field, name string) (literal string, found bool) {
	var b []byte
	for i := range fields {
		f := &fields[i]
		member, ok := memberOf(f.Name, name)
		if !ok {
			continue
		}
		f.Known = true
		if b == nil {
			b = append(b, '{')
		} else {
			b = append(b, ',')
		}
		b = append(strict.AppendQuote(b, member), ':')
		b = strict.AppendQuote(b, f.Text)
	}
	if b == nil {
		return "", false
	}
	return string(append(b, '}')), true
}

// memberOf returns the member of name[member].
func memberOf(spelled, name string) (member string, ok bool) {
	rest, ok := strings.CutPrefix(spelled, name)
	if !ok || !strings.HasPrefix(rest, "[") || !strings.HasSuffix(rest, "]") {
		return "", false
	}
	member = rest[1 : len(rest)-1]
	return member, member != "" && !strings.ContainsAny(member, "[]")
}
