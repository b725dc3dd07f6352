package strict

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"

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
// level, nesting deeper than [MaxDepth], more than [MaxFields] members. What
// stands in dst with an error is of no use.
func JSON(dst []Field, src string) ([]Field, error) {
	d := decoders.Get().(*decoder)
	defer d.release()
	d.text = append(d.text[:0], src...)
	*d.buf = *bytes.NewBuffer(d.text)
	dec := &d.dec

	if dec.PeekKind() != '{' {
		if _, err := dec.ReadToken(); err != nil {
			return dst, syntax(err, dec)
		}
		return dst, &Error{"not a JSON object", 0}
	}
	if _, err := dec.ReadToken(); err != nil {
		return dst, syntax(err, dec)
	}
	for n := 0; dec.PeekKind() != '}'; n++ {
		if n == MaxFields {
			return dst, &Error{"too many members", int(dec.InputOffset())}
		}
		dst = append(dst, Field{})
		if err := member(&dst[len(dst)-1], dec, src); err != nil {
			return dst, err
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return dst, syntax(err, dec)
	}
	if _, err := dec.ReadToken(); err != io.EOF {
		return dst, &Error{"something after the object", int(dec.InputOffset())}
	}
	return dst, nil
}

// member reads a name and its value into f.
func member(f *Field, dec *jsontext.Decoder, src string) error {
	name, err := dec.ReadValue()
	if err != nil {
		return syntax(err, dec)
	}
	end := int(dec.InputOffset())
	f.Start = end - len(name)
	if f.Name, err = content(src, f.Start, end); err != nil {
		return err
	}
	value, err := dec.ReadValue()
	if err != nil {
		return syntax(err, dec)
	}
	f.End = int(dec.InputOffset())
	f.ValueStart = f.End - len(value)
	switch f.Kind = Kind(value.Kind()); f.Kind {
	case String:
		f.Text, err = content(src, f.ValueStart, f.End)
		return err
	case Object, Array:
		if deeperThan(src[f.ValueStart:f.End], MaxDepth-1) {
			return &Error{"nested too deep", f.ValueStart}
		}
	}
	f.Text = src[f.ValueStart:f.End]
	return nil
}

// content decodes the string literal at src[start:end].
func content(src string, start, end int) (string, error) {
	inner := src[start+1 : end-1]
	if strings.IndexByte(inner, '\\') < 0 {
		return inner, nil
	}
	b, err := jsontext.AppendUnquote(nil, src[start:end])
	if err != nil {
		return "", &Error{"invalid string", start}
	}
	return string(b), nil
}

// deeperThan tells whether a valid JSON value nests more than depth levels.
func deeperThan(value string, depth int) bool {
	if strings.Count(value, "{")+strings.Count(value, "[") <= depth {
		return false // as in all that is meant well
	}
	level, inString := 0, false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if level++; level > depth {
				return true
			}
		case c == '}' || c == ']':
			level--
		}
	}
	return false
}

// syntax keeps the kind of the mistake and its place. The decoder's own text
// and pointer quote the input, at any length.
func syntax(err error, dec *jsontext.Decoder) *Error {
	out := &Error{"not valid JSON", int(dec.InputOffset())}
	var se *jsontext.SyntacticError
	if errors.As(err, &se) {
		out.Offset = int(se.ByteOffset)
		if errors.Is(se.Err, jsontext.ErrDuplicateName) {
			out.What = "a member's name is given twice"
		}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		out.What = "JSON ends too early"
	}
	return out
}
