package php

import (
	"bytes"
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how many objects and lists PHP decodes within each other: its
// limit of 512 counts the innermost value too.
const maxDepth = 511

var (
	errSyntax    = errors.New("php: not one JSON object")
	errUTF8      = errors.New("php: text is not valid UTF-8")
	errDuplicate = errors.New("php: a name occurs twice")
	errDepth     = errors.New("php: nested too deeply")
	errInteger   = errors.New("php: integer beyond 64 bits")
	errFloat     = errors.New("php: float out of range")
	errLength    = errors.New("php: number too long")
	errProperty  = errors.New("php: property name begins with U+0000")
)

// Reencode returns what PHP makes of a JSON object that it decodes, relieves of
// the top-level member called drop, and encodes again, all with default flags:
// json_encode of json_decode(body, !objects) without that member. The member
// may be absent.
//
// The order is kept and white space goes. A slash becomes \/, what is not ASCII
// becomes \uxxxx, and a float takes the shortest spelling that reads back the
// same, which for a whole one is that of an integer (100.0 becomes 100). With
// objects false, PHP decodes to arrays, and every object that is empty or
// whose names are 0, 1, 2 and so on in order comes back as a list. That goes
// for the outermost object without its dropped member as well.
//
// An integer beyond int64 is refused, since PHP rounds it; so are a float that
// overflows, and with objects true a property name that begins with U+0000.
// Numbers within the dropped member are exempt. Anything that is not strict
// JSON, a name that occurs twice among them, is refused everywhere.
func Reencode(body []byte, drop string, objects bool) ([]byte, error) {
	w := rewriter{in: body, out: make([]byte, 0, len(body)+len(body)/8), objects: objects}
	w.skipSpace()
	if w.next() != '{' {
		return nil, errSyntax
	}
	if err := w.object(quote(drop)); err != nil {
		return nil, err
	}
	w.skipSpace()
	if w.at != len(w.in) {
		return nil, errSyntax
	}
	return w.out, nil
}

// rewriter reads JSON at in[at:] and appends PHP's spelling of it to out.
type rewriter struct {
	in      []byte
	at      int
	out     []byte
	depth   int
	objects bool
	dropped bool // what is written now will be cut off again
}

// next returns the byte to read next, or zero, which begins nothing in JSON, at
// the end.
func (w *rewriter) next() byte {
	if w.at < len(w.in) {
		return w.in[w.at]
	}
	return 0
}

func (w *rewriter) skipSpace() {
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
	switch c := w.next(); {
	case c == '{':
		err = w.object(nil)
	case c == '[':
		err = w.list()
	case c == '"':
		err = w.text()
	case c == 't':
		err = w.word("true")
	case c == 'f':
		err = w.word("false")
	case c == 'n':
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
	value, err := strconv.ParseFloat(literal, 64)
	if err != nil {
		return errFloat
	}
	w.out = appendFloat(w.out, value, jsonDigits, 'e')
	return nil
}

func (w *rewriter) list() error {
	if w.depth++; w.depth > maxDepth {
		return errDepth
	}
	defer func() { w.depth-- }()
	w.at++
	w.out = append(w.out, '[')
	w.skipSpace()
	if w.next() == ']' {
		w.at++
		w.out = append(w.out, ']')
		return nil
	}
	for {
		if err := w.value(); err != nil {
			return err
		}
		c := w.next()
		w.at++
		switch c {
		case ',':
			w.out = append(w.out, ',')
		case ']':
			w.out = append(w.out, ']')
			return nil
		default:
			return errSyntax
		}
	}
}

// object rewrites an object without the member whose name is spelled drop in
// the output; nil names none.
func (w *rewriter) object(drop []byte) error {
	if w.depth++; w.depth > maxDepth {
		return errDepth
	}
	defer func() { w.depth-- }()
	w.at++
	start := len(w.out)
	w.out = append(w.out, '{')

	// Only the last member decides whether an array is a list. Until then the
	// names are written, and their places kept so that they can be taken out.
	isList := !w.objects
	var names []int

	w.skipSpace()
	if w.next() == '}' {
		w.at++
		w.endObject(start, isList, names)
		return nil
	}
	seen := make(map[string]struct{}, 8)
	for kept := 0; ; {
		before := len(w.out)
		if kept > 0 {
			w.out = append(w.out, ',')
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
		if w.objects && bytes.HasPrefix(name, []byte(`"\u0000`)) {
			return errProperty
		}
		dropped := drop != nil && bytes.Equal(name, drop)
		if isList && !dropped {
			isList = isIndex(name, kept)
			names = append(names, nameAt)
		}

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
			w.out = w.out[:before]
		} else {
			kept++
		}

		c := w.next()
		w.at++
		switch c {
		case ',':
		case '}':
			w.endObject(start, isList, names)
			return nil
		default:
			return errSyntax
		}
	}
}

// endObject closes the object that was written from start on. As a list it
// loses its names, which begin at the given places.
func (w *rewriter) endObject(start int, isList bool, names []int) {
	if !isList {
		w.out = append(w.out, '}')
		return
	}
	list := append(w.out[:start], '[')
	for i, at := range names {
		from := at + bytes.IndexByte(w.out[at:], ':') + 1
		to := len(w.out)
		if i+1 < len(names) {
			to = names[i+1] // with the comma in front of the next name
		}
		list = append(list, w.out[from:to]...)
	}
	w.out = append(list, ']')
}

// isIndex reports whether a quoted name is the text of the index i.
func isIndex(name []byte, i int) bool {
	var space [24]byte
	return string(name[1:len(name)-1]) == string(strconv.AppendInt(space[:0], int64(i), 10))
}

// quote returns PHP's spelling of a text, or nil if it is not UTF-8 and so
// cannot be the name of a member.
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

// text rewrites one quoted text.
func (w *rewriter) text() error {
	if w.next() != '"' {
		return errSyntax
	}
	w.at++
	w.out = append(w.out, '"')
	for w.at < len(w.in) {
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
		case c < ' ':
			return errSyntax
		case c < utf8.RuneSelf:
			w.at++
			w.out = appendRune(w.out, rune(c))
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

// escape reads one escape, or two that make up a surrogate pair. Half a pair
// is an error for PHP too.
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
