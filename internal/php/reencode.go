package php

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// maxDepth is how deep PHP decodes nested objects and lists: its limit of 512
	// counts the innermost value too.
	maxDepth = 511

	// Parsing a float exactly can take ten thousand times as long as reading
	// another byte. So the number of floats and their exponents are bounded.
	maxFloats   = 64
	maxExponent = 40
)

var (
	errSyntax    = errors.New("php: not one JSON object")
	errUTF8      = errors.New("php: text is not valid UTF-8")
	errDuplicate = errors.New("php: a name occurs twice")
	errDepth     = errors.New("php: nested too deeply")
	errInteger   = errors.New("php: integer beyond 64 bits")
	errFloat     = errors.New("php: float with an exponent out of range")
	errFloats    = errors.New("php: too many floats")
	errLength    = errors.New("php: number too long")
)

// Reencode returns PHP's json_encode of a decoded JSON object without its top-level
// member drop, with default flags. The result arrays is for json_decode(body, true),
// which decodes objects to arrays; the result objects is for json_decode(body). The
// member drop may be absent. The two results may be the same slice.
//
// PHP keeps the order of members and drops white space. It writes a slash as \/, and
// U+0000 and all characters beyond ASCII as \uxxxx. A float gets the shortest
// spelling that reads back the same; an integral one is written as an integer (100.0
// becomes 100). In the result arrays, an object becomes a list if it is empty or has the
// names 0, 1, 2 and so on in order. The outermost object becomes a list if this is
// true without the dropped member.
//
// Reencode refuses anything but one object of strict JSON without duplicate names.
// It refuses an integer beyond int64, which PHP would round. To bound its work, it
// refuses more than 64 floats, and a float whose exponent, or whose first digit's
// distance from the point, is more than 40. Numbers within the dropped member are
// exempt from these bounds. If a name begins with U+0000, which PHP allows in arrays
// only, the result objects is nil.
func Reencode(body []byte, drop string) (arrays, objects []byte, err error) {
	w := rewriter{in: body, out: make([]byte, 0, len(body)+len(body)/8)}
	w.edits = w.room[:0]
	w.skipSpace()
	if w.next() != '{' {
		return nil, nil, errSyntax
	}
	if err := w.object(quote(drop)); err != nil {
		return nil, nil, err
	}
	w.skipSpace()
	if w.at != len(w.in) {
		return nil, nil, errSyntax
	}
	if arrays = w.arrays(); w.noProperty {
		return arrays, nil, nil
	}
	return arrays, w.out, nil
}

// rewriter reads JSON at in[at:] and appends PHP's spelling of it to out, as for
// decoding to objects. edits are the places that decoding to arrays changes.
type rewriter struct {
	in      []byte
	at      int
	out     []byte
	depth   int
	floats  int
	dropped bool // within the dropped member, whose output is removed again
	// noProperty says that a name begins with U+0000. PHP can then decode the body to
	// arrays only, and not to objects.
	noProperty bool

	edits []edit
	lists []bool // whether each owner is a list
	room  [8]edit
}

// edit is a place in the output that changes if an object becomes a list: a brace,
// or a name with its colon. The owner is the index of that object in lists. edits
// are in the order of the output.
type edit struct{ at, owner int32 }

// empty is the owner of all empty objects, which are lists. One edit stands for both
// braces.
const empty = -1

// arrays returns the output with the edits of lists applied.
func (w *rewriter) arrays() []byte {
	var list []byte
	from := 0
	for _, e := range w.edits {
		if e.owner != empty && !w.lists[e.owner] {
			continue
		}
		if list == nil {
			list = make([]byte, 0, len(w.out))
		}
		at := int(e.at)
		list = append(list, w.out[from:at]...)
		switch c := w.out[at]; {
		case e.owner == empty:
			list, from = append(list, '[', ']'), at+2
		case c == '{':
			list, from = append(list, '['), at+1
		case c == '}':
			list, from = append(list, ']'), at+1
		default:
			from = at + bytes.IndexByte(w.out[at:], ':') + 1
		}
	}
	if list == nil {
		return w.out
	}
	return append(list, w.out[from:]...)
}

// note notes an edit at the end of the output. When the array room is full, it
// allocates space for as many edits as the rest of the input can cause: one for every
// three bytes.
func (w *rewriter) note(owner int32) {
	if len(w.edits) == cap(w.edits) {
		w.edits = slices.Grow(w.edits, len(w.in)/3+1)
	}
	w.edits = append(w.edits, edit{int32(len(w.out)), owner})
}

// next returns the next byte, or a zero byte at the end. Nothing in JSON begins with a
// zero byte.
func (w *rewriter) next() byte {
	if w.at < len(w.in) {
		return w.in[w.at]
	}
	return 0
}

// skipSpace is small enough to be inlined: without white space it costs no call.
func (w *rewriter) skipSpace() {
	if w.at < len(w.in) && w.in[w.at] <= ' ' {
		w.skipSpaces()
	}
}

func (w *rewriter) skipSpaces() {
	for w.at < len(w.in) {
		switch w.in[w.at] {
		case ' ', '\t', '\n', '\r':
			w.at++
		default:
			return
		}
	}
}

// value rewrites one value and the white space around it.
func (w *rewriter) value() error {
	w.skipSpace()
	var err error
	switch w.next() {
	case '{':
		err = w.object(nil)
		w.depth-- // after an error, the depth does not matter
	case '[':
		err = w.list()
	case '"':
		err = w.text()
	case 't':
		err = w.word("true")
	case 'f':
		err = w.word("false")
	case 'n':
		err = w.word("null")
	default:
		err = w.number()
	}
	w.skipSpace()
	return err
}

func (w *rewriter) word(word string) error {
	if !bytes.HasPrefix(w.in[w.at:], []byte(word)) {
		return errSyntax
	}
	w.at += len(word)
	w.out = append(w.out, word...)
	return nil
}

func (w *rewriter) number() error {
	length, float := scanNumber(w.in[w.at:])
	switch {
	case length == 0:
		return errSyntax
	case length > longestNumber:
		return errLength
	}
	literal := string(w.in[w.at : w.at+length])
	w.at += length
	if w.dropped {
		return nil
	}
	if !float {
		if !fitsInteger(literal) {
			return errInteger
		}
		w.out = append(w.out, integerText(literal)...)
		return nil
	}
	if w.floats++; w.floats > maxFloats {
		return errFloats
	}
	if !moderate(literal) {
		return errFloat
	}
	value, err := strconv.ParseFloat(literal, 64)
	if err != nil {
		return errFloat
	}
	w.out = appendFloat(w.out, value, jsonDigits, 'e')
	return nil
}

// moderate reports whether the exponent of a JSON number is within ±maxExponent,
// both as written and after normalisation to one digit before the point.
func moderate(literal string) bool {
	mantissa, written, found := strings.Cut(strings.ToLower(literal), "e")
	exponent := 0
	if found {
		var err error
		if exponent, err = strconv.Atoi(written); err != nil || exponent > maxExponent || exponent < -maxExponent {
			return false
		}
	}
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(mantissa, "-"), ".")
	first := len(whole) - 1
	if whole == "0" {
		digits := strings.TrimLeft(fraction, "0")
		if digits == "" {
			return true // it is zero
		}
		first = len(digits) - len(fraction) - 1
	}
	first += exponent
	return -maxExponent <= first && first <= maxExponent
}

// list rewrites a list. It handles nested lists without recursion, by counting the
// open ones, and runs of brackets in one step.
func (w *rewriter) list() error {
	for open := 0; ; {
		w.skipSpace()
		if n := w.run('[', len(w.in)); n > 0 {
			if w.depth += n; w.depth > maxDepth {
				return errDepth
			}
			open += n
			w.skipSpace()
			if w.next() != ']' {
				continue
			}
		} else if err := w.value(); err != nil {
			return err
		}
		for {
			if n := w.run(']', open); n > 0 {
				w.depth -= n
				if open -= n; open == 0 {
					return nil
				}
				w.skipSpace()
				continue
			}
			if w.next() != ',' {
				return errSyntax
			}
			w.at++
			w.out = append(w.out, ',')
			break
		}
	}
}

// run copies a run of the byte c, at most most bytes, and returns its length.
func (w *rewriter) run(c byte, most int) int {
	n := 0
	for n < most && w.at+n < len(w.in) && w.in[w.at+n] == c {
		n++
	}
	w.out = append(w.out, w.in[w.at:w.at+n]...)
	w.at += n
	return n
}

// object rewrites an object without the member whose name is drop. drop is quoted and
// in PHP's spelling; see the function quote. A nil drop removes no member.
func (w *rewriter) object(drop []byte) error {
	if w.depth++; w.depth > maxDepth {
		return errDepth
	}
	w.at++
	w.skipSpace()
	if w.next() == '}' {
		w.at++
		w.note(empty)
		w.out = append(w.out, '{', '}')
		return nil
	}
	owner, start := int32(len(w.lists)), len(w.edits)
	w.lists = append(w.lists, true) // until a name is not an index
	w.note(owner)
	w.out = append(w.out, '{')
	seen := make(map[string]struct{}, 8)
	for kept := 0; ; {
		before, edits := len(w.out), len(w.edits)
		if kept > 0 {
			w.out = append(w.out, ',')
		}
		if w.lists[owner] {
			w.note(owner)
		}
		nameAt := len(w.out)
		w.skipSpace()
		if err := w.text(); err != nil {
			return err
		}
		name := w.out[nameAt:]
		if _, again := seen[string(name)]; again {
			return errDuplicate
		}
		seen[string(name)] = struct{}{}
		dropped := drop != nil && bytes.Equal(name, drop)
		if !dropped {
			w.lists[owner] = w.lists[owner] && isIndex(name, kept)
		}
		w.noProperty = w.noProperty || bytes.HasPrefix(name, []byte(`"\u0000`))

		w.skipSpace()
		if w.next() != ':' {
			return errSyntax
		}
		w.at++
		w.out = append(w.out, ':')
		w.dropped = w.dropped || dropped
		if err := w.value(); err != nil {
			return err
		}
		if dropped {
			w.dropped = false
			w.out, w.edits = w.out[:before], w.edits[:edits]
		} else {
			kept++
		}

		c := w.next()
		w.at++
		switch c {
		case ',':
			continue
		case '}':
		default:
			return errSyntax
		}
		switch {
		case w.lists[owner]:
			w.note(owner)
		case len(w.edits) <= start+2: // no list: remove the edits of its brace and first name
			w.edits = w.edits[:start]
		}
		w.out = append(w.out, '}')
		return nil
	}
}

// isIndex reports whether a quoted name is the text of the index i.
func isIndex(name []byte, i int) bool {
	var space [24]byte
	return string(name[1:len(name)-1]) == string(strconv.AppendInt(space[:0], int64(i), 10))
}

// quote returns PHP's spelling of a text. It returns nil for invalid UTF-8, which
// can't be the name of a member.
func quote(s string) []byte {
	if !utf8.ValidString(s) {
		return nil
	}
	dst := append(make([]byte, 0, len(s)+2), '"')
	for _, r := range s {
		dst = appendRune(dst, r)
	}
	return append(dst, '"')
}

// plain are the bytes that are the same in a JSON text and in PHP's spelling of it.
var plain = func() (table [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		table[c] = c != '"' && c != '\\' && c != '/'
	}
	return table
}()

// text rewrites one quoted text.
func (w *rewriter) text() error {
	if w.next() != '"' {
		return errSyntax
	}
	w.at++
	w.out = append(w.out, '"')
	for w.at < len(w.in) {
		run := w.at
		for run < len(w.in) && plain[w.in[run]] {
			run++
		}
		if run > w.at {
			w.out = append(w.out, w.in[w.at:run]...)
			w.at = run
			continue
		}
		switch c := w.in[w.at]; {
		case c == '"':
			w.at++
			w.out = append(w.out, '"')
			return nil
		case c == '\\':
			r, ok := w.escape()
			if !ok {
				return errSyntax
			}
			w.out = appendRune(w.out, r)
		case c == '/':
			w.at++
			w.out = append(w.out, '\\', '/')
		case c < utf8.RuneSelf: // a control character
			return errSyntax
		default:
			r, size := utf8.DecodeRune(w.in[w.at:])
			if r == utf8.RuneError && size == 1 {
				return errUTF8
			}
			w.at += size
			w.out = appendRune(w.out, r)
		}
	}
	return errSyntax
}

// escape reads one escape, or the two of a surrogate pair. Half a pair is an error,
// as in PHP.
func (w *rewriter) escape() (rune, bool) {
	if w.at+1 >= len(w.in) {
		return 0, false
	}
	c := w.in[w.at+1]
	if c == 'u' {
		r, ok := w.unit()
		if !ok || !utf16.IsSurrogate(r) {
			return r, ok
		}
		low, ok := w.unit()
		r = utf16.DecodeRune(r, low)
		return r, ok && r != utf8.RuneError
	}
	w.at += 2
	switch c {
	case '"', '\\', '/':
		return rune(c), true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	}
	return 0, false
}

// unit reads one \uxxxx.
func (w *rewriter) unit() (rune, bool) {
	if len(w.in)-w.at < 6 || w.in[w.at] != '\\' || w.in[w.at+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range w.in[w.at+2 : w.at+6] {
		switch {
		case isDigit(c):
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	w.at += 6
	return r, true
}

// appendRune appends a character as json_encode spells it within quotes.
func appendRune(dst []byte, r rune) []byte {
	switch r {
	case '"', '\\', '/':
		return append(dst, '\\', byte(r))
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	switch {
	case ' ' <= r && r < utf8.RuneSelf: // DEL is written as it is
		return append(dst, byte(r))
	case r > 0xffff:
		high, low := utf16.EncodeRune(r)
		return appendUnit(appendUnit(dst, high), low)
	default:
		return appendUnit(dst, r)
	}
}

func appendUnit(dst []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}
