// Package headerroom sets headers of an answer without an allocation for each:
// the slices that http.Header wants are cut from an array in the delivery.
package headerroom

import "net/http"

// Room has room for the values of one answer. The zero value is ready for use.
type Room struct {
	values [2]string
	used   int
}

// Set sets one of at most two headers. The name is in canonical form.
func (r *Room) Set(h http.Header, name, value string) {
	r.values[r.used] = value
	r.used++
	h[name] = r.values[r.used-1 : r.used : r.used]
}
