package strict

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// The decoder of encoding/json/v2's origin does what the standard library's
// first version does not: it refuses duplicate names (after unescaping),
// invalid UTF-8 and lone surrogates. It is used in this file only, so that a
// change of it is a change of one file.
type decoder struct {
	dec jsontext.Decoder
	buf *bytes.Buffer
	// text is a copy of what is decoded, since the decoder takes bytes.
	text []byte
}

// decoders are reset when they are given back.
var decoders = sync.Pool{New: func() any {
	d := &decoder{buf: new(bytes.Buffer)}
	d.dec.Reset(d.buf)
	return d
}}

// largestKept bounds what a pooled decoder keeps of the room for one long text.
const largestKept = 64 << 10

// release keeps no value: it may have been decrypted.
func (d *decoder) release() {
	clear(d.text)
	if cap(d.text) > largestKept {
		d.text = nil
	}
	*d.buf = bytes.Buffer{}
	d.dec.Reset(d.buf) // or it would refuse to read again
	decoders.Put(d)
}

// JSON appends the members of the one object that src holds to dst, in their
// order. Field texts are parts of src where nothing was escaped.
//
// It refuses, with an *[Error]: anything but one object, anything after it, a
// byte-order mark, invalid UTF-8, lone surrogates, a name given twice at any
// level, nesting deeper than [MaxDepth], more than [MaxFields] names on all
// levels. The error names the member that it is in, if that is one of the known
// ones. What stands in dst with an error is of no use.
func JSON(dst []Field, src string, known ...string) ([]Field, error) {
	fields, _, err := Within(dst, src, "", known...)
	return fields, err
}

// Within is JSON, and if the member called name holds an object, its members come
// back as inner: in the same pass, with places in src. Inner is nil otherwise.
func Within(dst []Field, src, name string, known ...string) (fields, inner []Field, err error) {
	if err := bounded(src); err != nil {
		return dst, nil, err
	}
	return read(dst, src, name, known)
}

// reader reads the members of one object, and of one within it.
type reader struct {
	dec   *jsontext.Decoder
	src   string
	known []string
	inner []Field
}

func read(dst []Field, src, nest string, known []string) (fields, inner []Field, err error) {
	d := decoders.Get().(*decoder)
	defer d.release()
	d.text = append(d.text[:0], src...)
	*d.buf = *bytes.NewBuffer(d.text)
	r := reader{dec: &d.dec, src: src, known: known}
	if r.dec.PeekKind() != '{' {
		if _, err := r.dec.ReadToken(); err != nil {
			return dst, nil, r.syntax(err)
		}
		return dst, nil, &Error{What: "not a JSON object"}
	}
	fields, bad := r.object(dst, nest)
	if bad != nil {
		return fields, nil, bad
	}
	if _, err := r.dec.ReadToken(); err != io.EOF {
		at := int(r.dec.InputOffset())
		next := len(src) - len(strings.TrimLeft(src[at:], " \t\r\n"))
		if what := cause(src, next, false); what != "" {
			return fields, nil, &Error{What: what, Offset: next}
		}
		return fields, nil, &Error{What: "something after the object", Offset: at}
	}
	return fields, r.inner, nil
}

// object appends the members of the object that is next.
func (r *reader) object(dst []Field, nest string) ([]Field, *Error) {
	if _, err := r.dec.ReadToken(); err != nil {
		return dst, r.syntax(err)
	}
	for r.dec.PeekKind() != '}' {
		dst = append(dst, Field{})
		f := &dst[len(dst)-1]
		if err := r.member(f, nest); err != nil {
			err.place(f, r.src, r.known)
			return dst, err
		}
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return dst, r.syntax(err)
	}
	return dst, nil
}

// likely is how many members a callback has.
const likely = 20

// member reads a name and its value into f. With an error, f has its name and
// place when the mistake is in the value.
func (r *reader) member(f *Field, nest string) *Error {
	name, err := r.dec.ReadValue()
	if err != nil {
		return r.syntax(err)
	}
	end := int(r.dec.InputOffset())
	start := end - len(name)
	if f.Name, err = content(r.src, start, end); err != nil {
		return &Error{What: "invalid string", Offset: start}
	}
	f.Start = start
	if nest != "" && f.Name == nest && r.dec.PeekKind() == '{' {
		f.ValueStart = end + strings.IndexByte(r.src[end:], '{')
		var bad *Error
		if r.inner, bad = r.object(make([]Field, 0, likely), ""); bad != nil {
			return bad
		}
		f.Kind, f.End = Object, int(r.dec.InputOffset())
		f.Text = r.src[f.ValueStart:f.End]
		return nil
	}
	value, err := r.dec.ReadValue()
	if err != nil {
		return r.syntax(err)
	}
	f.End = int(r.dec.InputOffset())
	f.ValueStart = f.End - len(value)
	if f.Kind = Kind(value.Kind()); f.Kind != String {
		f.Text = r.src[f.ValueStart:f.End]
		return nil
	}
	if f.Text, err = content(r.src, f.ValueStart, f.End); err != nil {
		return &Error{What: "invalid string", Offset: f.ValueStart}
	}
	return nil
}

// place names the known member that the mistake is in. It is in the value of f
// where f has been given its name and place, otherwise in a name.
func (e *Error) place(f *Field, src string, known []string) {
	if e.Member != "" { // of the object within
		return
	}
	for _, name := range known {
		switch {
		case f.Start > 0 && f.Name == name:
			e.Member = name
		case f.Start == 0 && e.What == givenTwice && strings.HasPrefix(src[e.Offset:], `"`+name+`"`):
			e.What = name + " is given twice"
		}
	}
}

// content decodes the string literal at src[start:end].
func content(src string, start, end int) (string, error) {
	inner := src[start+1 : end-1]
	if strings.IndexByte(inner, '\\') < 0 {
		return inner, nil
	}
	b, err := jsontext.AppendUnquote(nil, src[start:end])
	return string(b), err
}

// AppendQuote appends the JSON string literal of a valid UTF-8 text.
func AppendQuote(dst []byte, text string) []byte {
	dst, _ = jsontext.AppendQuote(dst, text) // it fails for other texts only
	return dst
}

const givenTwice = "a member's name is given twice"

// syntax keeps the kind of the mistake and its place. The decoder's own text
// and pointer quote the input, at any length.
func (r *reader) syntax(err error) *Error {
	out := &Error{What: "not valid JSON", Offset: int(r.dec.InputOffset())}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		out.What = "JSON ends too early"
		return out
	}
	var se *jsontext.SyntacticError
	if !errors.As(err, &se) {
		return out
	}
	out.Offset = int(se.ByteOffset)
	rest := r.src[min(out.Offset, len(r.src)):]
	char, size := utf8.DecodeRuneInString(rest)
	switch {
	case errors.Is(se.Err, jsontext.ErrDuplicateName):
		out.What = givenTwice
	case char == utf8.RuneError && size == 1:
		out.What = "invalid UTF-8"
	case char == '\ufeff':
		out.What = "a byte-order mark"
	case len(rest) > 3 && rest[:2] == `\u` && rest[2]|0x20 == 'd' && rest[3] >= '8':
		out.What = "a lone surrogate"
	default:
		afterName := strings.Contains(se.Err.Error(), "after object name")
		if what := cause(r.src, min(out.Offset, len(r.src)), afterName); what != "" {
			out.What = what
		}
	}
	return out
}
