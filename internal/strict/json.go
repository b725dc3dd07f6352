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
}

// decoders are reset when they are given back.
var decoders = sync.Pool{New: func() any {
	d := &decoder{buf: new(bytes.Buffer)}
	d.dec.Reset(d.buf)
	return d
}}

// JSON appends the members of the one object that data holds to dst, in their
// order. src must be string(data); field texts are parts of it where nothing
// was escaped. data is not changed.
//
// It refuses, with an *[Error]: anything but one object, anything after it, a
// byte-order mark, invalid UTF-8, lone surrogates, a name given twice at any
// level, nesting deeper than [MaxDepth], more than [MaxFields] members.
func JSON(dst []Field, data []byte, src string) ([]Field, error) {
	d := decoders.Get().(*decoder)
	defer func() {
		*d.buf = bytes.Buffer{} // keep no body alive,
		d.dec.Reset(d.buf)      // which the decoder reads in place
		decoders.Put(d)
	}()
	*d.buf = *bytes.NewBuffer(data)
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
		if err := member(&dst[len(dst)-1], dec, data, src); err != nil {
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
func member(f *Field, dec *jsontext.Decoder, data []byte, src string) error {
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
		if deeperThan(data[f.ValueStart:f.End], MaxDepth-1) {
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
func deeperThan(value []byte, depth int) bool {
	if bytes.Count(value, []byte("{"))+bytes.Count(value, []byte("[")) <= depth {
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
