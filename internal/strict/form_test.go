package strict_test

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/payack/payack/internal/strict"
)

// decodeForm decodes a body and checks the invariants of every result.
func decodeForm(t testing.TB, body string) ([]strict.Field, error) {
	t.Helper()
	fields, err := strict.Form(nil, body)
	if err != nil {
		var e *strict.Error
		if !errors.As(err, &e) || e.What == "" || e.Offset < 0 || e.Offset > len(body) {
			t.Fatalf("%q: error %#v", body, err)
		}
		return fields, err
	}
	end := 0
	for _, f := range fields {
		if f.Start < end || f.Start >= f.ValueStart || f.ValueStart > f.End || f.End > len(body) || f.Kind != strict.String {
			t.Fatalf("%q: %+v", body, f)
		}
		end = f.End
		rawName := strings.TrimSuffix(body[f.Start:f.ValueStart], "=")
		name, err1 := url.QueryUnescape(rawName)
		value, err2 := url.QueryUnescape(body[f.ValueStart:f.End])
		if name != f.Name || value != f.Text || err1 != nil || err2 != nil {
			t.Fatalf("%q: %+v is %q=%q", body, f, name, value)
		}
		if strings.Contains(body[f.Start:f.End], "&") ||
			f.Start > 0 && body[f.Start-1] != '&' || f.End < len(body) && body[f.End] != '&' {
			t.Fatalf("%q: %+v does not enclose the pair", body, f)
		}
	}
	return fields, nil
}

func TestFormFields(t *testing.T) {
	//       0         1         2         3         4
	//       012345678901234567890123456789012345678901234567
	body := "a=x&&order%5fid=O+1%2b&empty=&flag&e=a=b&n=100.50&"
	want := []strict.Field{
		{Name: "a", Kind: strict.String, Text: "x", Start: 0, ValueStart: 2, End: 3},
		{Name: "order_id", Kind: strict.String, Text: "O 1+", Start: 5, ValueStart: 16, End: 22},
		{Name: "empty", Kind: strict.String, Text: "", Start: 23, ValueStart: 29, End: 29},
		{Name: "flag", Kind: strict.String, Text: "", Start: 30, ValueStart: 34, End: 34},
		{Name: "e", Kind: strict.String, Text: "a=b", Start: 35, ValueStart: 37, End: 40},
		{Name: "n", Kind: strict.String, Text: "100.50", Start: 41, ValueStart: 43, End: 49},
	}
	got, err := decodeForm(t, body)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("error %v, fields\n%+v, want\n%+v", err, got, want)
	}
	head := []strict.Field{{Name: "before"}}
	got, err = strict.Form(head, body)
	if err != nil || !reflect.DeepEqual(got, append(head, want...)) {
		t.Errorf("appending: %v, %+v", err, got)
	}
}

// pairs returns a form with n pairs.
func pairs(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "&m%d=%d", i, i)
	}
	return b.String()[1:]
}

var acceptedForms = []struct{ name, body string }{
	{"nothing", ""},
	{"one pair", "a=1"},
	{"no value", "a"},
	{"an empty value", "a="},
	{"an equals sign in a value", "a=b=c=="},
	{"empty pairs", "&&a=1&&&b=2&&"},
	{"only empty pairs", "&&&"},
	{"an escaped ampersand", "a=1%26b%3D2"},
	{"an escaped semicolon", "a=1%3B2"},
	{"a blank in a name", "a+b=1&a%20c=2"},
	{"non-ASCII", "%C3%A9=%E6%97%A5&b=é"},
	{"brackets in a name", "a[]=1&a[b][c]=2&a%5B0%5D=3"},
	{"one bracket", "a[=1&b%5D=2"},
	{"brackets after a letter that is not ASCII", "%C3%A9[a]=1"},
	{"depth 64", "a" + strings.Repeat("[b]", 63) + "=1"},
	{"braces in a value", `a={"b":[1]}`},
	{"an escaped NUL", "a=%00"},
	{"names that differ by case", "a=1&A=2"},
	{"a line feed", "a=1\n&b=2\r\n"},
	{"a byte-order mark in a value", "a=%EF%BB%BF"},
	{"512 pairs", pairs(512)},
}

var refusedForms = []struct{ name, body string }{
	{"a percent sign alone", "a=%"},
	{"a short escape", "a=%4"},
	{"an escape that is no hex", "a=%zz"},
	{"a broken escape in a name", "a%=1"},
	{"a wide escape", "a=%u0041"},
	{"invalid UTF-8", "a=\xff"},
	{"invalid UTF-8, escaped", "a=%FF"},
	{"invalid UTF-8 in a name", "%C3=1"},
	{"overlong UTF-8", "a=%C0%AF"},
	{"a surrogate in UTF-8", "a=%ED%A0%BD"},
	{"a character cut by the separator", "a=%C3&b=%A9"},
	{"a name twice", "a=1&a=1"},
	{"a name twice, escaped", "status=3000&st%61tus=2000"},
	{"a name twice, other hex case", "%c3%a9=1&%C3%A9=2"},
	{"a name twice, raw and escaped", "é=1&%C3%A9=2"},
	{"a name twice, blank and plus", "a+b=1&a%20b=2"},
	{"a name twice, without values", "a&a"},
	{"a name twice, not adjoining", "a=1&b=2&c=3&a=4"},
	{"an empty name", "=1"},
	{"an empty name among others", "a=1&=2"},
	{"an equals sign only", "="},
	{"depth 65", "a" + strings.Repeat("[b]", 64) + "=1"},
	{"depth 65 without names", "a" + strings.Repeat("%5b%5d", 64) + "=1"},
	{"brackets only", "[]=1"},
	{"brackets first", "[a]=1"},
	{"brackets first, escaped", "%5Ba%5D=1"},
	{"brackets after a digit", "1[a]=1"},
	{"brackets after an underscore", "_[a]=1"},
	{"brackets after a blank", "+a[b]=1"},
	{"brackets after a dot", ".a[b]=1"},
	{"brackets after NUL", "%00[a]=1"},
	{"a name with brackets twice", "a[]=1&a[]=2"},
	{"a name with brackets twice, escaped", "a[b]=1&a%5Bb%5D=2"},
	{"a brace in brackets", "a[{]=1"},
	{"a quote in brackets", `a["b"]=1`},
	{"a brace in a name", "{a=1"},
	{"a closing brace in a name", "a}=1"},
	{"a brace in a name, escaped", "%7Ba=1"},
	{"a quote in a name", `"a"=1`},
	{"a quote in a name, escaped", "a%22=1"},
	{"a semicolon", "a=1;b=2"},
	{"a semicolon in a name", "a;b=2"},
	{"a semicolon among pairs", "a=1&b=2;c=3"},
	{"a semicolon first", "a=1&;b=2"},
	{"513 pairs", pairs(513)},
	{"JSON", `{"a":1}`},
	{"JSON with a form inside", `{"message":"x&success=1&order_id=O1&transaction_id=t"}`},
	{"JSON after white space", "\n\t {\"a\":\"&b=1\"}"},
	{"an empty object", "{}"},
}

func TestFormAccepts(t *testing.T) {
	for _, c := range acceptedForms {
		t.Run(c.name, func(t *testing.T) {
			if _, err := decodeForm(t, c.body); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFormRefuses(t *testing.T) {
	for _, c := range refusedForms {
		t.Run(c.name, func(t *testing.T) {
			if _, err := decodeForm(t, c.body); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestFormErrorsHoldNothingOfTheInput(t *testing.T) {
	for _, body := range []string{
		"HOSTILE=%", "HOSTILE%=1", "a=HOSTILE%FF", "HOSTILE%FF=1", "HOSTILE=1&HOSTILE=2", "=HOSTILE", "[HOSTILE]=1", "HOSTILE;a=1",
		pairs(512) + "&HOSTILE=1",
	} {
		_, err := decodeForm(t, body)
		if err == nil {
			t.Errorf("%s: accepted", body)
		}
		for e := err; e != nil; e = errors.Unwrap(e) {
			if s := fmt.Sprintf("%v %+v %#v", e, e, e); strings.Contains(s, "HOSTILE") {
				t.Errorf("%s: %s", body, s)
			}
		}
	}
}

// twin reports whether a field was refused because of its name's case.
func twin(fields []strict.Field, known []string) bool {
	var e *strict.Error
	return errors.As(strict.Know(fields, known), &e) && strings.Contains(e.What, "by case only")
}

func TestKnow(t *testing.T) {
	known := []string{"status", "order_id"}
	fields, err := decode(t, `{"order_id":"a","other":"\u0000","status":2,"third":null}`)
	if err == nil {
		err = strict.Know(fields, known)
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false, true, false} {
		if fields[i].Known != want {
			t.Errorf("%s: %v", fields[i].Name, fields[i].Known)
		}
	}
	if err := strict.Know(fields, nil); err != nil || fields[0].Known {
		t.Errorf("a second list is added to the first, %v", err)
	}
	for body, want := range map[string]strict.Error{
		`{"other":1,"order_id":"a\u0000b"}`: {What: "U+0000", Member: "order_id", Offset: 22},
		`{"other":1,"order_id":"\u0000b"}`:  {What: "U+0000", Member: "order_id", Offset: 22},
		`{"other":1,"Order_id":"a"}`:        {What: "a member's name differs from order_id by case only", Offset: 11},
	} {
		fields, err := decode(t, body)
		if err != nil {
			t.Fatal(err)
		}
		var e *strict.Error
		if err := strict.Know(fields, known); !errors.As(err, &e) || *e != want {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// Every field is looked at, and the names themselves are no twins.
func TestTwins(t *testing.T) {
	names := []string{"amount", "received_amount"}
	for _, c := range []struct {
		fields []string
		twin   bool
	}{
		{[]string{"other", "amount", "received_amount", "amounts"}, false},
		{[]string{"Amount", "other"}, true},
		{[]string{"other", "amount", "RECEIVED_amount"}, true},
		{nil, false},
	} {
		var fields []strict.Field
		for i, name := range c.fields {
			fields = append(fields, strict.Field{Name: name, Start: i})
		}
		var e *strict.Error
		if err := strict.Twins(fields, names); errors.As(err, &e) != c.twin {
			t.Errorf("%q: %v", c.fields, err)
		}
	}
}

func TestKnowTwin(t *testing.T) {
	known := []string{"status", "success", "sign", "order_id", "bank_ref", "ref_code"}
	for _, c := range []struct {
		name string
		want bool
	}{
		{"Status", true}, {"STATUS", true}, {"statuS", true},
		{"\u017Ftatus", true},       // LATIN SMALL LETTER LONG S
		{"\u017Ftatu\u017F", true},  // the same letter twice
		{"\u017F\u0055CCESS", true}, // the same letter, and upper case
		{"ban\u212A_ref", true},     // KELVIN SIGN
		{"BAN\u212A_REF", true},
		{"Order_ID", true},

		{"status", false}, {"order_id", false}, // the members themselves
		{"statu", false}, {"statuss", false}, {"status ", false}, {" status", false}, {"", false},
		{"ﬅatus", false},         // LATIN SMALL LIGATURE LONG S T does not fold to a single letter
		{"order\u005fid", false}, // the member itself
		{"order-id", false}, {"orderid", false}, {"order_i\u0131", false},
		{"ＳTATUS", false}, // FULLWIDTH LATIN CAPITAL LETTER S
		{"ѕtatus", false}, // CYRILLIC SMALL LETTER DZE
		{"s\u0300tatus", false},
		{"other", false}, {strings.Repeat("s", 1000), false}, {strings.Repeat("\u212A", 1000), false},
	} {
		fields := []strict.Field{{Name: "other"}, {Name: "status"}, {Name: c.name}}
		if found := twin(fields, known); found != c.want {
			t.Errorf("%q: %v", c.name, found)
		}
	}
	if found := twin(nil, known); found {
		t.Error("a twin among no fields")
	}
	if found := twin([]strict.Field{{Name: "Status"}}, nil); found {
		t.Error("a twin of nothing")
	}
	// Two known names may be each other's twins.
	if found := twin([]strict.Field{{Name: "ID"}, {Name: "id"}}, []string{"id", "ID"}); found {
		t.Error("a known name is taken for a twin")
	}

	// The names are read from a body, in every spelling.
	for _, body := range []string{`{"\u017Ftatus":"2000"}`, `{"\u017ftatus":"2000"}`, `{"ſtatus":"2000"}`, `{"St\u0061tus":1}`, `{"ban\u212A_ref":1}`} {
		fields, err := decode(t, body)
		if found := twin(fields, known); err != nil || !found {
			t.Errorf("%s: %v, %v", body, err, found)
		}
	}
	for _, body := range []string{"%C5%BFtatus=1", "Status=1", "%53tatus=1", "ban%E2%84%AA_ref=1"} {
		fields, err := decodeForm(t, body)
		if found := twin(fields, known); err != nil || !found {
			t.Errorf("%s: %v, %v", body, err, found)
		}
	}
}

// Every name that strings.EqualFold equates with a known name is a twin, however long
// it is.
func FuzzKnow(f *testing.F) {
	f.Add("Status", "status")
	f.Add("\u017Ftatu\u017F", "status")
	f.Add("\u212A\u212A\u212A", "kkk")
	f.Fuzz(func(t *testing.T, name, known string) {
		for i := range len(known) {
			if known[i] >= utf8.RuneSelf {
				t.Skip("the providers' names are ASCII")
			}
		}
		found := twin([]strict.Field{{Name: name}}, []string{known})
		if want := name != known && strings.EqualFold(name, known); found != want {
			t.Fatalf("%q and %q: %v, want %v", name, known, found, want)
		}
	})
}

func FuzzForm(f *testing.F) {
	addBodies(f)
	f.Fuzz(func(t *testing.T, body string) {
		fields, err := decodeForm(t, body)
		values, refErr := url.ParseQuery(body)
		if err != nil {
			return
		}
		if refErr != nil || len(values) != len(fields) {
			t.Fatalf("%q: %d pairs, the reference says %d, %v", body, len(fields), len(values), refErr)
		}
		for _, f := range fields {
			if v := values[f.Name]; len(v) != 1 || v[0] != f.Text {
				t.Fatalf("%q: %s=%q, the reference says %q", body, f.Name, f.Text, v)
			}
			if !utf8.ValidString(f.Name) || !utf8.ValidString(f.Text) || f.Name == "" || strings.ContainsAny(f.Name, `{}"`) {
				t.Fatalf("%q: %q=%q", body, f.Name, f.Text)
			}
			if first := []rune(f.Name)[0]; strings.ContainsAny(f.Name, "[]") && !unicode.IsLetter(first) {
				t.Fatalf("%q: %q has brackets and begins with %q", body, f.Name, first)
			}
		}
	})
}

// The content type is not signed, so no body may be valid JSON and a valid form.
func FuzzNoBodyIsBoth(f *testing.F) {
	addBodies(f)
	f.Add("%7B%22a%22:1%7D")
	f.Add("&{\"a\":\"&b=1\"}")
	f.Fuzz(func(t *testing.T, body string) {
		_, jsonErr := decode(t, body)
		_, formErr := decodeForm(t, body)
		if jsonErr == nil && formErr == nil {
			t.Fatalf("%q is a JSON object and a form", body)
		}
	})
}

// An error names the known member with the mistake, and the offset.
func TestFormErrorsNameThePlace(t *testing.T) {
	known := []string{"order_id", "bank_ref"}
	for body, want := range map[string]strict.Error{
		"order_id=1&bank_ref=a%ffb":        {What: "invalid escape or UTF-8 in a value", Member: "bank_ref", Offset: 21},
		"order_id=1&bank%5fref=%e2%82":     {What: "invalid escape or UTF-8 in a value", Member: "bank_ref", Offset: 22},
		"order_id=%41%4":                   {What: "invalid escape or UTF-8 in a value", Member: "order_id", Offset: 12},
		"order_id=%zz":                     {What: "invalid escape or UTF-8 in a value", Member: "order_id", Offset: 9},
		"other=%zz":                        {What: "invalid escape or UTF-8 in a value", Offset: 6},
		"o%zz=1":                           {What: "invalid escape or UTF-8 in a name", Offset: 1},
		"order_id=1&bank_ref=2&order_id=3": {What: "a name is given twice", Member: "order_id", Offset: 22},
		"a=1&a=2":                          {What: "a name is given twice", Offset: 4},
	} {
		_, err := strict.Form(nil, body, known...)
		var got *strict.Error
		if !errors.As(err, &got) || *got != want {
			t.Errorf("%s: %v", body, err)
		}
	}
}
