// Package strictbase64 decodes base64 so that one text has one spelling.
package strictbase64

import "encoding/base64"

// strict takes no other spelling of the same bytes, but that it still skips line
// breaks, as every base64 decoder of the standard library does.
var strict = base64.StdEncoding.Strict()

// Decode appends the decoded text to dst. It takes the standard alphabet with
// padding and nothing else: no white space, no line breaks, no URL alphabet, no
// stray bits.
func Decode[T ~string | ~[]byte](dst []byte, text T) (decoded []byte, ok bool) {
	out, err := strict.AppendDecode(dst, []byte(text))
	// With line breaks the text is longer than that of the same bytes.
	return out, err == nil && strict.EncodedLen(len(out)-len(dst)) == len(text)
}
