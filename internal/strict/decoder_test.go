package strict_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/internal/strict"
)

// FuzzJSONDecoder compares this package with another strict decoder, that of package
// jsontext: which bodies are accepted, every field, and the offset of every mistake.
func FuzzJSONDecoder(f *testing.F) {
	addBodies(f)
	for _, c := range refusedPlaces {
		f.Add(c)
	}
	f.Fuzz(compare)
}

// This package and jsontext agree on a body after one byte is added, removed or
// changed.
func TestJSONOneByteOff(t *testing.T) {
	const body = ` {"a":"x\u00e9\n\ud83d\ude00é","b":{"c":[1,{"d":-0.5e+1},{"d":0}],"e":"\\\"","f":{}},"g":[true, false,null,[[]]],"h":10} `
	const bytes = "\x00\t\n\v\f\r !\"'+,-./019:;Ee[\\]`abdfnu{|}~\x7f\x80\xa9\xc3\xed\xff"
	for i := range len(body) {
		compare(t, body[:i])
		compare(t, body[:i]+body[i+1:])
		for j := range len(bytes) {
			compare(t, body[:i]+bytes[j:j+1]+body[i:])
			compare(t, body[:i]+bytes[j:j+1]+body[i+1:])
		}
	}
}

// This package and jsontext agree on every byte at every position of a string and of
// an escape.
func TestJSONEachByteOfAString(t *testing.T) {
	const filling = "xxxxxxxxxxxxxxxxxxxx"
	for c := range 256 {
		for i := range filling {
			compare(t, `{"a":"`+filling[:i]+string([]byte{byte(c)})+filling[i:]+`"}`)
		}
		for _, escape := range []string{`\`, `\u`, `\u0`, `\ud`, `\u00`, `\u000`, `\ud83d\`, `\ud83d\u`, `\ud83d\ud`, `\ud83d\ude0`} {
			compare(t, `{"a":"`+escape+string([]byte{byte(c)})+`0000"}`)
		}
	}
}

func TestAppendQuote(t *testing.T) {
	for c := range rune(0x3000) {
		text := string(c) + "a" + string(c)
		want, err := jsontext.AppendQuote([]byte("before"), text)
		require.NoError(t, err)
		require.Equal(t, string(want), string(strict.AppendQuote([]byte("before"), text)))
	}
	require.Equal(t, "\"\ufffd😀\"", string(strict.AppendQuote(nil, "\xff😀")))
}

func compare(t *testing.T, body string) {
	fields, err := decode(t, body)
	if want := decoderError(body); want != nil {
		var got *strict.Error
		if !errors.As(err, &got) || !want.matches(got) {
			t.Fatalf("%q: %v, the decoder says %v", body, err, want)
		}
	} else {
		require.NoError(t, err, "%q", body)
		require.Equal(t, decoderFields(t, body), fields, "%q", body)
		checkWithin(t, body, fields)
	}
	_, long := strict.Long(body)
	if err == nil || !strings.HasPrefix(err.Error(), "too many names") {
		require.Equal(t, err, long, "%q", body)
	}
}

// refusedPlaces are mistakes whose offset is easy to get wrong.
var refusedPlaces = []string{
	`{"a":1,}`, `{"a":{"b":1,}}`, `{"a":[1,]}`, `{"a":[1 2]}`, `{"a"::1}`, `{"a":1,,"b":2}`, `{"a":tru}`, `{"a":nulL}`, `{"a":1.x}`,
	`{"a":-x}`, `{"a":1e+x}`, `{"a":"\ud83d\u12"}`, `{"a":"\ud83d\u00`, `{"a":"\ud83`, `{"a":"\u12x4"}`, `{"a":"\`, "{\"a\":\"\xe2\x82",
	"{\"a\":1}\xe2\x82", "{\"a\":1} \u00a0", "{\"a\":1}\n {", `{"a":{"b":1,"\u0062":2}}`, `  `, ` x`, `"\ud800"`, "\xe2\x82",
}

// refusal is the error of jsontext's decoder.
type refusal struct {
	at    int
	early bool // the text ends before its object does
	err   error
}

func (r *refusal) String() string { return fmt.Sprintf("%v at byte %d", r.err, r.at) }

// Errors for rules of this package that jsontext's decoder lacks.
var errDeep, errNames, errAfter, errNoObject = errors.New("nested too deep"), errors.New("too many names"),
	errors.New("something after the object"), errors.New("not a JSON object")

func (r *refusal) matches(got *strict.Error) bool {
	said := r.err.Error()
	if !r.early && got.What == "JSON ends too early" {
		// The body ends within the escape after the first half of a surrogate pair.
		// jsontext's decoder already sees that this escape can't be the second half.
		return strings.HasPrefix(said, "invalid surrogate pair") && r.at+12 > got.Offset
	}
	if got.Offset != r.at {
		return false
	}
	switch what := got.What; {
	case r.early:
		return what == "JSON ends too early"
	case errors.Is(r.err, jsontext.ErrDuplicateName):
		return what == "a member's name is given twice"
	case r.err == errDeep || r.err == errNames || r.err == errNoObject || r.err == errAfter && what == said:
		return what == said
	case strings.HasPrefix(said, "invalid surrogate pair"):
		return what == "a lone surrogate"
	case strings.HasPrefix(said, "invalid escape sequence"):
		return what == "not valid JSON"
	case strings.HasPrefix(said, "invalid UTF-8"):
		return what == "invalid UTF-8"
	default: // a character in a wrong place; some of these mistakes have their own descriptions
		return what != "a member's name is given twice" && what != "a lone surrogate" && !strings.HasPrefix(what, "too many")
	}
}

// decoderError returns the error of jsontext's decoder for a body, and enforces the
// bounds that this decoder lacks.
func decoderError(body string) *refusal {
	dec := jsontext.NewDecoder(strings.NewReader(body))
	start := len(body) - len(strings.TrimLeft(body, " \t\r\n"))
	if start < len(body) && body[start] == '[' {
		return &refusal{at: start, err: errNoObject}
	}
	if out := decoderBounds(body); out != nil {
		return out
	}
	value, err := dec.ReadValue()
	if err == nil && value.Kind() != '{' {
		return &refusal{at: start, err: errNoObject}
	}
	end := start + len(value)
	if err == nil {
		if _, err = dec.ReadToken(); err == io.EOF {
			return nil
		}
		return &refusal{at: len(body) - len(strings.TrimLeft(body[end:], " \t\r\n")), err: errAfter}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &refusal{at: len(body), early: true, err: err}
	}
	var se *jsontext.SyntacticError
	if !errors.As(err, &se) {
		panic(err)
	}
	return &refusal{at: int(se.ByteOffset), err: se.Err}
}

// decoderBounds goes through the tokens of the first value, up to its end or a
// mistake.
func decoderBounds(body string) *refusal {
	dec := jsontext.NewDecoder(strings.NewReader(body))
	names := 0
	for {
		before := int(dec.InputOffset())
		token, err := dec.ReadToken()
		end := int(dec.InputOffset())
		if err != nil || dec.StackDepth() == 0 {
			return nil
		}
		kind, length := dec.StackIndex(dec.StackDepth())
		switch {
		case dec.StackDepth() > strict.MaxDepth:
			return &refusal{at: end - 1, err: errDeep}
		case token.Kind() == '"' && kind == '{' && length%2 == 1:
			if names++; names > strict.MaxFields {
				return &refusal{at: before + strings.IndexByte(body[before:], '"'), err: errNames}
			}
		}
	}
}

// decoderFields returns the members of a valid object.
func decoderFields(t testing.TB, body string) (fields []strict.Field) {
	dec := jsontext.NewDecoder(strings.NewReader(body))
	_, err := dec.ReadToken()
	for err == nil && dec.PeekKind() != '}' {
		var f strict.Field
		read := func() (text string, start, end int) {
			var value jsontext.Value
			value, err = dec.ReadValue()
			require.NoError(t, err)
			text, end = string(value), int(dec.InputOffset())
			if value.Kind() == '"' {
				unquoted, err := jsontext.AppendUnquote(nil, value)
				require.NoError(t, err)
				text = string(unquoted)
			}
			return text, end - len(value), end
		}
		f.Name, f.Start, _ = read()
		f.Kind = strict.Kind(dec.PeekKind())
		f.Text, f.ValueStart, f.End = read()
		fields = append(fields, f)
	}
	require.NoError(t, err)
	return fields
}

// checkWithin checks Within several times, each time with another member as the
// nested one.
func checkWithin(t testing.TB, body string, fields []strict.Field) {
	for _, f := range fields[:min(len(fields), 20)] {
		outer, inner, err := strict.Within(nil, body, f.Name)
		require.NoError(t, err)
		require.Equal(t, fields, outer, "%q", body)
		if f.Name == "" || f.Kind != strict.Object {
			require.Nil(t, inner, "%q", body)
			continue
		}
		alone, err := strict.JSON(nil, f.Text)
		require.NoError(t, err)
		require.Len(t, inner, len(alone))
		for i, want := range alone {
			want.Start, want.ValueStart, want.End = want.Start+f.ValueStart, want.ValueStart+f.ValueStart, want.End+f.ValueStart
			require.Equal(t, want, inner[i], "%q", body)
		}
	}
}
