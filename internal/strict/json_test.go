package strict_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/internal/strict"
	"github.com/payack/payack/internal/vectors"
)

// decode decodes a body and checks the invariants of every result, such as the
// offsets of fields.
func decode(t testing.TB, body string) ([]strict.Field, error) {
	t.Helper()
	fields, err := strict.JSON(nil, body)
	if err != nil {
		var e *strict.Error
		if !errors.As(err, &e) || e.What == "" || e.Offset < 0 || e.Offset > len(body) {
			t.Fatalf("%q: error %#v", body, err)
		}
		return fields, err
	}
	end := 0
	for _, f := range fields {
		if !(end < f.Start && f.Start < f.ValueStart && f.ValueStart < f.End && f.End < len(body)) {
			t.Fatalf("%q: %s stands at %d, %d, %d", body, f.Name, f.Start, f.ValueStart, f.End)
		}
		end = f.End
		if f.Kind != kindOf(body[f.ValueStart]) {
			t.Fatalf("%q: %s is of kind %c", body, f.Name, f.Kind)
		}
		var name, value string
		dec := json.NewDecoder(strings.NewReader(body[f.Start:]))
		if err := dec.Decode(&name); err != nil || name != f.Name || body[f.Start] != '"' {
			t.Fatalf("%q: the name at %d is not %q", body, f.Start, f.Name)
		}
		literal := body[f.ValueStart:f.End]
		if !json.Valid([]byte(literal)) || strings.TrimSpace(literal) != literal {
			t.Fatalf("%q: the literal of %s is %q", body, f.Name, literal)
		}
		if f.Kind != strict.String {
			value = literal
		} else if err := json.Unmarshal([]byte(literal), &value); err != nil {
			t.Fatal(err)
		}
		if f.Text != value {
			t.Fatalf("%q: the text of %s is %q, want %q", body, f.Name, f.Text, value)
		}
	}
	return fields, nil
}

func kindOf(c byte) strict.Kind {
	if c == '-' || '0' <= c && c <= '9' {
		return strict.Number
	}
	return strict.Kind(c)
}

func TestJSONFields(t *testing.T) {
	//       0         1         2         3         4         5         6
	//       0123456789012345678901234567890123456789012345678901234567890123456789
	body := "\t{ \"a\" :\n\"x\" , \"\\u0062\": 100.50,\"c\":[1, 2],\"\":{ },\"t\":true,\"f\":false,\"n\":null}\r\n "
	want := []strict.Field{
		{Name: "a", Kind: strict.String, Text: "x", Start: 3, ValueStart: 9, End: 12},
		{Name: "b", Kind: strict.Number, Text: "100.50", Start: 15, ValueStart: 25, End: 31},
		{Name: "c", Kind: strict.Array, Text: "[1, 2]", Start: 32, ValueStart: 36, End: 42},
		{Name: "", Kind: strict.Object, Text: "{ }", Start: 43, ValueStart: 46, End: 49},
		{Name: "t", Kind: strict.True, Text: "true", Start: 50, ValueStart: 54, End: 58},
		{Name: "f", Kind: strict.False, Text: "false", Start: 59, ValueStart: 63, End: 68},
		{Name: "n", Kind: strict.Null, Text: "null", Start: 69, ValueStart: 73, End: 77},
	}
	got, err := decode(t, body)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("error %v, fields\n%+v, want\n%+v", err, got, want)
	}
	if f := strict.Find(got, "b"); f != &got[1] {
		t.Errorf("Find gives %+v", f)
	}
	if f := strict.Find(got, "B"); f != nil {
		t.Errorf("Find gives %+v", f)
	}

	for _, number := range []string{"0", "-0", "9", "1", "-9", "0.5"} {
		got, err := decode(t, `{"a":`+number+`}`)
		if err != nil || got[0].Kind != strict.Number || got[0].Text != number {
			t.Errorf("%s: %v, %+v", number, err, got)
		}
	}

	head := []strict.Field{{Name: "before"}}
	got, err = strict.JSON(head, body)
	if err != nil || !reflect.DeepEqual(got, append(head, want...)) {
		t.Errorf("appending: %v, %+v", err, got)
	}
}

// nested returns an object that is depth levels deep.
func nested(depth int, open, inner, end string) string {
	return `{"a":` + strings.Repeat(open, depth-1) + inner + strings.Repeat(end, depth-1) + `}`
}

// members returns an object with n members.
func members(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":%d`, i, i)
	}
	return "{" + strings.TrimPrefix(b.String(), ",") + "}"
}

var acceptedJSON = []struct{ name, body string }{
	{"empty", `{}`},
	{"white space around", " \t\r\n{ \"a\" : 1 } \t\r\n"},
	{"the empty name", `{"":""}`},
	{"all kinds", `{"a":"","b":0,"c":true,"d":false,"e":null,"f":{},"g":[]}`},
	{"numbers", `{"a":0,"b":-0,"c":100.50,"d":1e5,"e":1E+5,"f":-1.0E-5,"g":123456789012345678901234567890,"h":1e999999}`},
	{"escapes", `{"a":"\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC"}`},
	{"a surrogate pair", `{"a":"\ud83d\ude00"}`},
	{"a surrogate pair in a name", `{"\uD83D\uDE00":1}`},
	{"U+0000 escaped", `{"a":"\u0000"}`},
	{"raw non-ASCII", `{"é":"日本語😀"}`},
	{"raw DEL, U+2028 and U+FFFD", "{\"a\":\"\x7f\u2028\ufffd\"}"},
	{"an inner byte-order mark", "{\"a\":\"\ufeff\"}"},
	{"names that differ by case", `{"a":1,"A":2}`},
	{"the same name on another level", `{"a":{"a":[{"a":1},{"a":2}]}}`},
	{"the names of an object that is closed", `{"xax":{"xbx":1},"xbx":{"xcx":1,"xax":{"xdx":[]}},"xdx":[{"xcx":1}],"xcx":1}`},
	{"names in other normal forms", "{\"\u00e9\":1,\"e\u0301\":2}"},
	{"depth 64, arrays", nested(64, "[", "", "]")},
	{"depth 64, objects", strings.Repeat(`{"a":`, 63) + `{}` + strings.Repeat("}", 63)},
	{"brackets in strings", `{"a":"` + strings.Repeat("[{", 200) + `"}`},
	{"brackets in nested strings", nested(64, "[", `"`+strings.Repeat("[{", 200)+`"`, "]")},
	{"quotes in nested strings", nested(64, "[", `"\"[[[[\\","[[[["`, "]")},
	{"siblings that open often", `{"a":[` + strings.Repeat(`[],{},`, 500) + `[]]}`},
	{"512 members", members(512)},
	{"512 names on two levels", `{"a":` + members(511) + `}`},
	{"512 names in an array", `{"a":[` + strings.Repeat(`{"b":1},`, 510) + `{"b":1}]}`},
	{"colons in strings", `{"a":"` + strings.Repeat(":", 2000) + `","b":["\"` + strings.Repeat(":", 600) + `"]}`},
}

var refusedJSON = []struct{ name, body string }{
	{"nothing", ``},
	{"white space only", " \n"},
	{"a byte-order mark", "\ufeff{}"},
	{"UTF-16", "{\x00}\x00"},
	{"an array", `[{"a":1}]`},
	{"a string", `"a"`},
	{"a number", `1`},
	{"null", `null`},
	{"a word", `nul`},
	{"a form", `a=1&b=2`},

	{"a name twice", `{"a":1,"a":1}`},
	{"a name twice, escaped", `{"status":"3000","st\u0061tus":"2000"}`},
	{"a name twice, both escaped", `{"\u0061":1,"\u0061":2}`},
	{"a name twice, other hex case", `{"\u00e9":1,"\u00E9":2}`},
	{"a name twice, raw and escaped", `{"é":1,"\u00e9":2}`},
	{"a name twice, surrogate pair and raw", `{"😀":1,"\ud83d\ude00":2}`},
	{"a name twice, escaped solidus", `{"a/b":1,"a\/b":2}`},
	{"the empty name twice", `{"":1,"":2}`},
	{"a name twice, not adjoining", `{"a":1,"b":2,"c":{},"a":3}`},
	{"a name twice, after many", members(300)[:len(members(300))-1] + `,"m7":1}`},
	{"a name twice on level 2", `{"x":{"a":1,"a":2}}`},
	{"a name twice on level 3, escaped", `{"x":[{"a":1,"\u0061":2}]}`},

	{"a lone high surrogate", `{"a":"\ud83d"}`},
	{"a lone low surrogate", `{"a":"\ude00"}`},
	{"surrogates in the wrong order", `{"a":"\ude00\ud83d"}`},
	{"two high surrogates", `{"a":"\ud83d\ud83d"}`},
	{"a high surrogate and a letter", `{"a":"\ud83dx"}`},
	{"a high surrogate and another escape", `{"a":"\ud83d\u0041"}`},
	{"a lone surrogate in a name", `{"\ud83d":1}`},
	{"a lone surrogate on level 2", `{"x":{"a":["\udfff"]}}`},
	{"a lone surrogate in a name on level 2", `{"x":{"\udfff":1}}`},

	{"invalid UTF-8", "{\"a\":\"\xff\"}"},
	{"invalid UTF-8 in a name", "{\"a\xff\":1}"},
	{"invalid UTF-8 on level 2", "{\"x\":{\"a\":\"\xc3\"}}"},
	{"overlong UTF-8", "{\"a\":\"\xc0\xaf\"}"},
	{"a surrogate in UTF-8", "{\"a\":\"\xed\xa0\xbd\"}"},
	{"UTF-8 beyond Unicode", "{\"a\":\"\xf4\x90\x80\x80\"}"},
	{"UTF-8 cut off", "{\"a\":\"\xe2\x82\"}"},
	{"Latin-1", "{\"a\":\"caf\xe9\"}"},
	{"invalid UTF-8 after the object", "{}\xff"},

	{"a second object", `{"a":1}{"a":2}`},
	{"a second object on a line", "{\"a\":1}\n{\"a\":2}"},
	{"a word after it", `{"a":1} x`},
	{"a comma after it", `{"a":1},`},
	{"a brace after it", `{"a":1}}`},
	{"NUL after it", "{\"a\":1}\x00"},
	{"NUL before it", "\x00{\"a\":1}"},
	{"NUL inside", "{\"a\":1\x00}"},
	{"a record separator", "\x1e{\"a\":1}"},
	{"a vertical tab", "{\"a\":\v1}"},
	{"a form feed", "\f{}"},
	{"a no-break space", "{\"a\":\u00a01}"},

	{"depth 65, arrays", nested(65, "[", "", "]")},
	{"depth 65, objects", strings.Repeat(`{"a":`, 64) + `{}` + strings.Repeat("}", 64)},
	{"depth 65, mixed", nested(33, `[{"a":`, "[]", `}]`)},
	{"depth 65 after a string", nested(64, "[", `"\\",[]`, "]")},
	{"depth 65 after an escaped quote", nested(64, "[", `"\"",[]`, "]")},
	{"depth 30000", nested(30000, "[", "", "]")},
	{"depth 30000 without end", `{"a":` + strings.Repeat("[", 30000)},
	{"513 members", members(513)},
	{"513 names on two levels", `{"a":` + members(512) + `}`},
	{"513 names in an array", `{"a":[` + strings.Repeat(`{"b":1},`, 511) + `{"b":1}]}`},
	{"513 names, half of them nested", `{"a":` + members(256) + `,"b":{"c":` + members(254) + `}}`},

	{"raw NUL in a string", "{\"a\":\"\x00\"}"},
	{"raw tab in a string", "{\"a\":\"\t\"}"},
	{"raw line feed in a string", "{\"a\":\"\n\"}"},
	{"raw U+001F in a name", "{\"a\x1f\":1}"},
	{"raw line feed on level 2", "{\"x\":[\"\n\"]}"},
	{"an unknown escape", `{"a":"\x41"}`},
	{"an escaped apostrophe", `{"a":"\'"}`},
	{"U in capitals", `{"a":"\U0041"}`},
	{"a short escape", `{"a":"\u041"}`},
	{"an escape that is no hex", `{"a":"\u00g1"}`},
	{"apostrophes", `{'a':1}`},

	{"01", `{"a":01}`}, {"-01", `{"a":-01}`}, {"1.", `{"a":1.}`}, {".5", `{"a":.5}`}, {"-.5", `{"a":-.5}`},
	{"+1", `{"a":+1}`}, {"-", `{"a":-}`}, {"1e", `{"a":1e}`}, {"1e+", `{"a":1e+}`}, {"1.e5", `{"a":1.e5}`},
	{"0x10", `{"a":0x10}`}, {"1_000", `{"a":1_000}`}, {"1,5", `{"a":1,5}`}, {"NaN", `{"a":NaN}`},
	{"Infinity", `{"a":Infinity}`}, {"-Infinity", `{"a":-Infinity}`}, {"01 on level 2", `{"x":[01]}`},
	{"True", `{"a":True}`}, {"undefined", `{"a":undefined}`}, {"truex", `{"a":truex}`},

	{"a trailing comma", `{"a":1,}`},
	{"a trailing comma in an array", `{"a":[1,]}`},
	{"a leading comma", `{,"a":1}`},
	{"two commas", `{"a":1,,"b":2}`},
	{"no comma", `{"a":1 "b":2}`},
	{"no colon", `{"a" 1}`},
	{"two colons", `{"a"::1}`},
	{"no value", `{"a":}`},
	{"a name only", `{"a"}`},
	{"a bare name", `{a:1}`},
	{"a number as name", `{1:1}`},
	{"null as name", `{null:1}`},
	{"an object as name", `{{}:1}`},
	{"the wrong bracket", `{"a":1]`},
	{"the wrong bracket inside", `{"a":[1}}`},
	{"the wrong bracket of an object inside", `{"a":{"b":1]}`},
	{"a line comment", "{\"a\":1}//x"},
	{"a comment", `{/**/"a":1}`},
	{"cut off after the brace", `{`},
	{"cut off in a name", `{"a`},
	{"cut off after the name", `{"a"`},
	{"cut off after the colon", `{"a":`},
	{"cut off in a string", `{"a":"x`},
	{"cut off in an escape", `{"a":"x\`},
	{"cut off after the value", `{"a":1`},
	{"cut off after the comma", `{"a":1,`},
	{"cut off in a nested value", `{"a":[{"b":1}`},
}

func TestJSONAccepts(t *testing.T) {
	for _, c := range acceptedJSON {
		t.Run(c.name, func(t *testing.T) {
			if _, err := decode(t, c.body); err != nil {
				t.Error(err)
			}
			if err := referenceJSON(c.body); err != nil {
				t.Errorf("the reference refuses it: %v", err)
			}
		})
	}
}

func TestJSONRefuses(t *testing.T) {
	for _, c := range refusedJSON {
		t.Run(c.name, func(t *testing.T) {
			if _, err := decode(t, c.body); err == nil {
				t.Error("accepted")
			}
			if referenceJSON(c.body) == nil {
				t.Error("the reference accepts it")
			}
		})
	}
}

func TestJSONErrorSaysWhat(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{`{"a":1,"\u0061":2}`, "a member's name is given twice at byte 7"},
		{`{"x":{"b":1,"b":2}}`, "a member's name is given twice at byte 12"},
		{`{"a":1`, "JSON ends too early at byte 6"},
		{``, "JSON ends too early at byte 0"},
		{`{"a":01}`, "not valid JSON at byte 6"},
		{`[]`, "not a JSON object at byte 0"},
		{`{"a":1}x`, "something after the object at byte 7"},
		{nested(65, "[", "", "]"), "nested too deep at byte 68"},
		{"{\"a\":\"xy\xff\"}", "invalid UTF-8 at byte 8"},
		{"{\"a\":\"xy\xe2\x82\"}", "invalid UTF-8 at byte 8"},
		{"{\"a\":[{\"b\":\"\xff\"}]}", "invalid UTF-8 at byte 12"},
		{"{\"a\xff\":1}", "invalid UTF-8 at byte 3"},
		{`{"a":"xy\ud83dz"}`, "a lone surrogate at byte 8"},
		{`{"a":"xy\uDE00"}`, "a lone surrogate at byte 8"},
		{`{"a\udfff":1}`, "a lone surrogate at byte 3"},
		{`{"a":"\u00g1"}`, "not valid JSON at byte 6"},
		{`{"a":"\d8"}`, "not valid JSON at byte 6"},
		{`{"a":"\udc00`, "a lone surrogate at byte 6"},
		{"{\"a\":\"x\ny\"}", "not valid JSON at byte 7"},
		{"{\"a\":\ufffd1}", "not valid JSON at byte 5"},
		{"\ufeff{}", "a byte-order mark at byte 0"},
	} {
		if _, err := decode(t, c.body); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.body, err, c.want)
		}
	}
	if _, err := decode(t, members(513)); err == nil || !strings.HasPrefix(err.Error(), "too many names at byte ") {
		t.Errorf("513 members: %v", err)
	}
}

// An error names the known member with the mistake. It never names an unknown
// member, because that name is part of the input.
func TestJSONErrorNamesKnownMembers(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{"{\"other\":1,\"message\":\"a\xff\"}", "invalid UTF-8 in message at byte 23"},
		{"{\"other\":\"\xff\",\"message\":1}", "invalid UTF-8 at byte 10"},
		{`{"message":{"other":["\ud83d"]}}`, "a lone surrogate in message at byte 22"},
		{"{\"mess\xffage\":1}", "invalid UTF-8 at byte 6"},
		{`{"m\u0065ssage":nul}`, "not valid JSON in message at byte 19"},
		{`{"":{"message":1,"message":2}}`, "a member's name is given twice at byte 17"},
		{`{"message":{"other":1,"other":2}}`, "a member's name is given twice in message at byte 22"},
		{`{"message":{"message":1,"message":2}}`, "a member's name is given twice in message at byte 24"},
		{`{"other":{"message":1,"message":2}}`, "a member's name is given twice at byte 22"},
		{`{"message":1,"message":2}`, "message is given twice at byte 13"},
		{`{"message":1,"m\u0065ssage":2}`, "a member's name is given twice at byte 13"},
		{`{"other":1 "message":2}`, "not valid JSON at byte 11"},
		{`{"other":1,"other":2}`, "a member's name is given twice at byte 11"},
		{`{"message":`, "JSON ends too early in message at byte 11"},
	} {
		_, err := strict.JSON(nil, c.body, "status", "message")
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.body, err, c.want)
		}
	}
}

// The result inner has the members of the top-level member data if it is an object.
// If one of them has the mistake, the error names that one, and not data.
func TestWithin(t *testing.T) {
	_, inner, err := strict.Within(nil, `{"data":{"amount":1},"other":{"data":{}}}`, "data")
	require.NoError(t, err)
	require.Len(t, inner, 1)
	assert.Equal(t, "amount", inner[0].Name)
	for body, empty := range map[string]bool{`{"data":{}}`: true, `{"data":[]}`: false, `{"a":{"data":{}}}`: false} {
		_, inner, err = strict.Within(nil, body, "data")
		require.NoError(t, err)
		assert.Empty(t, inner)
		assert.Equal(t, empty, inner != nil, body)
	}
	_, _, err = strict.Within(nil, `{"data":{"amount":nul}}`, "data", "data", "amount")
	assert.EqualError(t, err, "not valid JSON in amount at byte 21")
}

// A body may be decrypted or forged, so an error contains nothing of it, printed or
// unwrapped.
func TestJSONErrorsHoldNothingOfTheInput(t *testing.T) {
	const mark = "HOSTILE"
	bodies := []string{
		`{"HOSTILE":1,"HOSTILE":2}`, `{"x":{"HOSTILE":1,"HOSTILE":2}}`, `{"HOSTILE":HOSTILE}`, `{"a":"HOSTILE\ud800"}`,
		`{"a":"HOSTILE\xHOSTILE"}`, "{\"a\":\"HOSTILE\xff\"}", "{\"HOSTILE\n\":1}", `HOSTILE`, `"HOSTILE"`, `["HOSTILE"]`,
		`{"a":1}HOSTILE`, `{"HOSTILE":` + strings.Repeat(`[`, 65) + strings.Repeat(`]`, 65) + `}`, `{"HOSTILE"`, `{"HOSTILE":"HOSTILE`,
		`{"HOSTILE" "HOSTILE"}`, `{"a":nulHOSTILE}`, members(512)[:len(members(512))-1] + `,"HOSTILE":1}`,
	}
	for _, body := range bodies {
		_, err := decode(t, body)
		for e := err; e != nil; e = errors.Unwrap(e) {
			if s := fmt.Sprintf("%v %+v %#v %q", e, e, e, e); strings.Contains(s, mark) {
				t.Errorf("%s: %s", body, s)
			}
		}
		if err == nil {
			t.Errorf("%s: accepted", body)
		} else if len(err.Error()) > 100 {
			t.Errorf("%s: %d characters", body, len(err.Error()))
		}
	}
}

// Later calls do not change the result of an earlier one.
func TestJSONCallsShareNothing(t *testing.T) {
	body1 := `{"user_id":"1","name\u0031":"esc\u0061ped","nested":{"a":[1,2,3]},"amount":100.50}`
	body2 := `{"QQQQ_QQ":"Q","QQQQ\u0051":"QQQ\u0051QQQ","QQQQQQ":{"Q":[9,9,9]},"QQQQQQ2":999.99}`
	first, err := strict.JSON(nil, body1)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%#v", first)
	for range 50 {
		if _, err := strict.JSON(nil, body2); err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{`{"QQQQ":{"Q":1,`, `{"Q":1,"Q":2}`, nested(65, "[", "", "]")} {
			if _, err := strict.JSON(nil, bad); err == nil {
				t.Fatalf("%s: accepted", bad)
			}
		}
		if got := fmt.Sprintf("%#v", first); got != want {
			t.Fatalf("the first call's fields are now\n%s, were\n%s", got, want)
		}
		again, err := strict.JSON(nil, body1)
		if err != nil || !reflect.DeepEqual(again, first) {
			t.Fatalf("the same body gives %v\n%+v", err, again)
		}
	}
}

func TestJSONConcurrently(t *testing.T) {
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			body := fmt.Sprintf(`{"id":"%d","esc\u0061ped\u00e9":"v\u00e9%d","n":%d.50,"o":{"x":[%d]}}`, g, g, g, g)
			bad := fmt.Sprintf(`{"id":"%d","id":1}`, g)
			want, err := strict.JSON(nil, body)
			if err != nil || want[0].Text != fmt.Sprint(g) {
				t.Errorf("%v, %+v", err, want)
				return
			}
			dst := make([]strict.Field, 0, 8)
			for range 300 {
				got, err := strict.JSON(dst, body)
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("%v, %+v", err, got)
					return
				}
				if _, err := strict.JSON(nil, bad); err == nil {
					t.Error("a name twice was accepted")
					return
				}
			}
		})
	}
	wg.Wait()
}

// ptsLike is a callback of some 600 bytes, with one escape.
const ptsLike = `{"submit_amount":100.50,"accept_amount":"100.50","exchange_rate":1,"status":"2000","user_id":"884",` +
	`"order_id":"20241878538106","transaction_id":"TB9DC67450A3989B734","channel":"QRPH","submit_currency":"PHP",` +
	`"accept_currency":"PHP","timestamp":1745596328,"reference_number":"0012345","details_url":"https:\/\/pay.example\/d",` +
	`"sign":"Z0I4O3nj7S+ZD9exrQP2rJQzdXChkXC2IoiBK7cs4369FNdA0OrW0D7OQgv7tiZNwndpjtSulMbyTnL9ZbrlN3SYPcKdFNMjoARfn5ZKPMpRtfusL6kfZHqew53aCNrczUguVRw6o0b9YhhUiRKAvoyYTFXLg9keEQ==ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv"}`

func BenchmarkJSON(b *testing.B) {
	dst := make([]strict.Field, 0, 32)
	b.SetBytes(int64(len(ptsLike)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := strict.JSON(dst, ptsLike); err != nil {
			b.Fatal(err)
		}
	}
}

// referenceJSON decides independently whether a body is valid. It uses the standard
// library's decoder, and checks the rules that this decoder does not enforce.
func referenceJSON(body string) error {
	switch {
	case !utf8.ValidString(body):
		return errors.New("invalid UTF-8")
	case !json.Valid([]byte(body)):
		return errors.New("invalid JSON")
	case strings.TrimLeft(body, " \t\r\n")[0] != '{':
		return errors.New("not an object")
	case hasLoneSurrogate(body):
		return errors.New("a lone surrogate")
	}
	dec := json.NewDecoder(strings.NewReader(body))
	dec.UseNumber()
	names := 0
	if err := walk(dec, 1, &names); err != nil {
		return err
	}
	if names > strict.MaxFields {
		return errors.New("too many names")
	}
	return nil
}

// walk reads one value, and counts the names in it.
func walk(dec *json.Decoder, level int, names *int) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		return nil
	}
	if level > strict.MaxDepth {
		return errors.New("too deep")
	}
	seen := make(map[string]bool)
	for dec.More() {
		if delim == '{' {
			name, err := dec.Token()
			if err != nil {
				return err
			}
			if seen[name.(string)] {
				return errors.New("a name twice")
			}
			seen[name.(string)] = true
			*names++
		}
		if err := walk(dec, level+1, names); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

// hasLoneSurrogate reports whether an escape in a text that is valid JSON stands for a
// lone surrogate.
func hasLoneSurrogate(body string) bool {
	unit := func(i int) (u uint16, ok bool) {
		if i+6 > len(body) || body[i] != '\\' || body[i+1] != 'u' {
			return 0, false
		}
		_, err := fmt.Sscanf(body[i+2:i+6], "%04x", &u)
		return u, err == nil
	}
	for i := 0; i < len(body); i++ {
		if body[i] != '\\' {
			continue
		}
		u, ok := unit(i)
		switch {
		case !ok:
			i++
		case 0xd800 <= u && u < 0xdc00:
			low, ok := unit(i + 6)
			if !ok || low < 0xdc00 || low > 0xdfff {
				return true
			}
			i += 11
		case 0xdc00 <= u && u < 0xe000:
			return true
		default:
			i += 5
		}
	}
	return false
}

// addBodies seeds a fuzz target with the tables of bodies in this package's tests and
// with the test vectors. It leaves out bodies that are too long to be mutated well.
func addBodies(f *testing.F) {
	for _, c := range acceptedJSON {
		if len(c.body) < 1000 {
			f.Add(c.body)
		}
	}
	for _, c := range refusedJSON {
		if len(c.body) < 1000 {
			f.Add(c.body)
		}
	}
	for _, c := range acceptedForms {
		f.Add(c.body)
	}
	for _, c := range refusedForms {
		if len(c.body) < 1000 {
			f.Add(c.body)
		}
	}
	f.Add(ptsLike)
	for provider := range vectors.Counts {
		file, err := vectors.Load(provider)
		if err != nil {
			f.Fatal(err)
		}
		for _, v := range file.Vectors {
			body, err := v.Request.Body()
			if err != nil {
				f.Fatal(err)
			}
			if len(body) < 2000 {
				f.Add(string(body))
			}
		}
	}
}

func FuzzJSON(f *testing.F) {
	addBodies(f)
	f.Fuzz(func(t *testing.T, body string) {
		fields, err := decode(t, body)
		if refErr := referenceJSON(body); (err == nil) != (refErr == nil) {
			t.Fatalf("%q: error %v, the reference says %v", body, err, refErr)
		}
		if err != nil {
			return
		}
		// The standard library reads the same members, in the same order, with the same
		// values.
		dec := json.NewDecoder(strings.NewReader(body))
		dec.UseNumber()
		_, _ = dec.Token()
		for _, f := range fields {
			name, err := dec.Token()
			if err != nil || name != f.Name {
				t.Fatalf("%q: name %q, the reference says %v, %v", body, f.Name, name, err)
			}
			var raw json.RawMessage
			if err := dec.Decode(&raw); err != nil || string(raw) != body[f.ValueStart:f.End] {
				t.Fatalf("%q: value %q, the reference says %q, %v", body, body[f.ValueStart:f.End], raw, err)
			}
		}
		if tok, err := dec.Token(); err != nil || tok != json.Delim('}') {
			t.Fatalf("%q: the reference has more: %v, %v", body, tok, err)
		}
		if _, err := dec.Token(); err != io.EOF {
			t.Fatalf("%q: something follows: %v", body, err)
		}
		var lenient map[string]json.RawMessage
		if err := json.Unmarshal([]byte(body), &lenient); err != nil || len(lenient) != len(fields) {
			t.Fatalf("%q: %d members, the reference says %d, %v", body, len(fields), len(lenient), err)
		}
		for _, f := range fields {
			if !bytes.Equal(lenient[f.Name], []byte(body[f.ValueStart:f.End])) {
				t.Fatalf("%q: the reference has %q for %q", body, lenient[f.Name], f.Name)
			}
		}
	})
}
