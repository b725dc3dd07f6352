// Package headerroom sets headers of an answer without allocations: the slices of
// the http.Header are parts of an array that the caller has allocated already.
package headerroom

import "net/http"

// Room has room for the values of one answer. The zero value is ready for use.
type Room struct{ values [2]string }

// Set sets one of at most two headers, and panics at the third. The name must be in
// canonical form and the value not empty.
func (r *Room) Set(h http.Header, name, value string) {
	i := 0
	for r.values[i] != "" {
		i++
	}
	r.values[i] = value
	h[name] = r.values[i : i+1 : i+1]
}
