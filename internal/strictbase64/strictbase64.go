// Package strictbase64 decodes base64 and accepts exactly one spelling of each byte
// sequence.
package strictbase64

import "encoding/base64"

// strict accepts one spelling, except that it skips line breaks, as every base64
// decoder of the standard library does.
var strict = base64.StdEncoding.Strict()

// Decode appends the decoded text to dst. It reports false unless the text is the
// standard alphabet with padding. It refuses white space, line breaks, the URL
// alphabet, and unused bits that are not zero.
func Decode[T ~string | ~[]byte](dst []byte, text T) (decoded []byte, ok bool) {
	out, err := strict.AppendDecode(dst, []byte(text))
	// A text with line breaks is longer than the encoding of its bytes.
	return out, err == nil && strict.EncodedLen(len(out)-len(dst)) == len(text)
}
