package php_test

import (
	"bytes"
	"encoding/json"
	"math"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/internal/php"
)

// How many entries each table has. They change only with generate.php.
const (
	numberEntries   = 7049
	reencodeEntries = 2142
	nameEntries     = 1401
	queryEntries    = 769
)

// lines returns the lines of a table without the first, which names PHP's
// version.
func lines(t testing.TB, file string) []string {
	t.Helper()
	data, err := os.ReadFile("testdata/" + file)
	require.NoError(t, err)
	all := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	require.Regexp(t, `^(# PHP |\{"php":")8\.\d+\.\d+`, all[0])
	return all[1:]
}

type numberEntry struct{ literal, text, json string }

func numberTable(t testing.TB) []numberEntry {
	t.Helper()
	var table []numberEntry
	for _, line := range lines(t, "numbers.tsv") {
		fields := strings.Split(line, "\t")
		require.Len(t, fields, 3)
		table = append(table, numberEntry{fields[0], fields[1], fields[2]})
	}
	return table
}

type reencodeEntry struct {
	body, drop      string
	arrays, objects *string
}

func reencodeTable(t testing.TB) []reencodeEntry {
	t.Helper()
	var table []reencodeEntry
	for _, line := range lines(t, "reencode.jsonl") {
		var fields []*string
		require.NoError(t, json.Unmarshal([]byte(line), &fields))
		require.Len(t, fields, 4)
		table = append(table, reencodeEntry{*fields[0], *fields[1], fields[2], fields[3]})
	}
	return table
}

func unescape(t testing.TB, s string) string {
	t.Helper()
	text, err := url.PathUnescape(s)
	require.NoError(t, err)
	return text
}

type queryEntry struct {
	pairs []php.Pair
	query string
}

func queryTable(t testing.TB) []queryEntry {
	t.Helper()
	var table []queryEntry
	for _, line := range lines(t, "queries.jsonl") {
		var fields []json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(line), &fields))
		require.Len(t, fields, 2)
		var escaped [][2]string
		require.NoError(t, json.Unmarshal(fields[0], &escaped))
		var e queryEntry
		for _, p := range escaped {
			e.pairs = append(e.pairs, php.Pair{Name: unescape(t, p[0]), Value: unescape(t, p[1])})
		}
		require.NoError(t, json.Unmarshal(fields[1], &e.query))
		table = append(table, e)
	}
	return table
}

func TestTablesAreWhole(t *testing.T) {
	assert.GreaterOrEqual(t, numberEntries+reencodeEntries+nameEntries+queryEntries, 6000)
}

func TestNumberText(t *testing.T) {
	infinite, same := 0, 0
	table := numberTable(t)
	for _, e := range table {
		text, ok := php.NumberText(e.literal)
		if e.text == "INF" {
			infinite++
			assert.False(t, ok, e.literal)
			assert.Empty(t, text)
			continue
		}
		assert.True(t, ok, e.literal)
		assert.Equal(t, e.text, text, e.literal)
		if text == e.literal {
			same++
		}
	}
	assert.Equal(t, numberEntries, len(table))
	assert.Positive(t, infinite)
	assert.Positive(t, same)
}

func TestNumberTextKnown(t *testing.T) {
	for literal, want := range map[string]string{
		"100.50":               "100.5",
		"40000.0":              "40000",
		"0.00001":              "1.0E-5",
		"0.0001":               "0.0001",
		"1e3":                  "1000",
		"500":                  "500",
		"-0":                   "0",
		"-0.0":                 "-0",
		"9223372036854775807":  "9223372036854775807",
		"9223372036854775808":  "9.2233720368548E+18",
		"-9223372036854775808": "-9223372036854775808",
		"168879950046905.0":    "1.6887995004690E+14",
		"-100000000000005.0":   "-1.0000000000000E+14",
		"100000000000015.0":    "1.0000000000002E+14",
		"100000000000015":      "100000000000015",
	} {
		text, ok := php.NumberText(literal)
		assert.True(t, ok, literal)
		assert.Equal(t, want, text, literal)
	}
}

func TestNumberTextRefuses(t *testing.T) {
	for _, literal := range []string{
		"", "-", "+1", "01", "-01", "00", ".5", "1.", "1.e1", "1e", "1e+", "1E-", "--1", "1-", "1 ", " 1", "1\n", "1,0", "1.0.0",
		"1e1.5", "0x10", "1_000", "NaN", "Infinity", "INF", "-INF", "inf", "null", "true", `"1"`, "1\x00", "\x001", "١", "1e400", "-1e400",
		"1" + strings.Repeat("0", 400), "1" + strings.Repeat("0", 4096), "0." + strings.Repeat("0", 20000) + "1e20001",
	} {
		text, ok := php.NumberText(literal)
		assert.False(t, ok, "%.50q", literal)
		assert.Empty(t, text)
	}
}

func TestNumberTextLongest(t *testing.T) {
	text, ok := php.NumberText("0." + strings.Repeat("0", 4000) + "1e4001")
	assert.True(t, ok)
	assert.Equal(t, "1", text)
}

func TestNumberTextAllocatesNothingForItself(t *testing.T) {
	for _, literal := range []string{"0", "100", "100.5", "0.0001", "1.0E-5", "9.2233720368548E+18", "-0.25", "9223372036854775807"} {
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			if text, ok := php.NumberText(literal); !ok || text != literal {
				panic(literal)
			}
		}), literal)
	}
}

func TestReencodeNumbers(t *testing.T) {
	seen, refused := 0, 0
	for _, e := range numberTable(t) {
		seen++
		out, err := php.Reencode([]byte(`{"v":`+e.literal+`}`), "signature", true)
		beyond := !strings.ContainsAny(e.literal, ".eE")
		if beyond {
			_, parseErr := strconv.ParseInt(e.literal, 10, 64)
			beyond = parseErr != nil
		}
		if beyond || e.json == "INF" {
			refused++
			assert.Error(t, err, e.literal)
			continue
		}
		if assert.NoError(t, err, e.literal) {
			assert.Equal(t, `{"v":`+e.json+`}`, string(out), e.literal)
		}
	}
	assert.Equal(t, numberEntries, seen)
	assert.Positive(t, refused)
}

func TestReencode(t *testing.T) {
	seen, refused := 0, 0
	check := func(e reencodeEntry, want *string, objects bool) {
		seen++
		out, err := php.Reencode([]byte(e.body), e.drop, objects)
		if want == nil {
			refused++
			assert.Error(t, err, "%s without %q, objects %t", e.body, e.drop, objects)
			assert.Nil(t, out)
			return
		}
		if assert.NoError(t, err, "%s without %q, objects %t", e.body, e.drop, objects) {
			assert.Equal(t, *want, string(out), "%s without %q, objects %t", e.body, e.drop, objects)
		}
	}
	for _, e := range reencodeTable(t) {
		check(e, e.arrays, false)
		check(e, e.objects, true)
	}
	assert.Equal(t, 2*reencodeEntries, seen)
	assert.Positive(t, refused)
}

// What the table cannot hold, or where this package is stricter than PHP.
func TestReencodeRefuses(t *testing.T) {
	deep := func(n int) string {
		return `{"v":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	for _, body := range []string{
		"{\"a\":\"\xff\"}", "{\"\xc3\":1}", "{\"a\":\"\xc0\x80\"}", "{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"\xf4\x90\x80\x80\"}", "{\"a\":\"\xe2\x80\"}",
		"[]", `[{"a":1}]`, "1", `"a"`, "null", "true",
		`{"a":TRUE}`, `{"a":Null}`,
		`{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"v":{"b":1,"c":2,"b":3}}`, `{"signature":1,"signature":2}`, `{"signature":{"a":1,"a":2}}`,
		deep(511), deep(100000), strings.Repeat(`{"a":`, 100000), strings.Repeat("[", 100000),
		`{"a":1` + strings.Repeat("0", 4096) + `.0}`, `{"a":0.` + strings.Repeat("0", 20000) + `1e20001}`,
		`{"signature":1` + strings.Repeat("0", 4096) + `}`,
	} {
		for _, objects := range []bool{false, true} {
			out, err := php.Reencode([]byte(body), "signature", objects)
			assert.Error(t, err, "%.60q", body)
			assert.Nil(t, out)
		}
	}
}

func TestReencodeErrorsSayNothingOfTheBody(t *testing.T) {
	for _, body := range []string{`{"secret":99999999999999999999}`, `{"secret":1e999}`, `{"secret":secret}`, `{"\u0000secret":1}`, `{"secret":1,"secret":1}`} {
		_, err := php.Reencode([]byte(body), "signature", true)
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "secret")
		assert.NotContains(t, err.Error(), "9")
	}
}

func TestReencodeDropsNothingForANameThatIsNotUTF8(t *testing.T) {
	out, err := php.Reencode([]byte("{\"\uFFFD\":1}"), "\xff", true)
	require.NoError(t, err)
	assert.Equal(t, `{"\ufffd":1}`, string(out))
}

func TestReencodeLeavesTheBodyAlone(t *testing.T) {
	body := []byte(`{"0":{"0":"a/b","1":"c"},"signature":"x","1":[{}]}`)
	before := bytes.Clone(body)
	_, err := php.Reencode(body[:len(body):len(body)], "signature", false)
	require.NoError(t, err)
	assert.Equal(t, before, body)
}

func TestFormName(t *testing.T) {
	seen, dropped := 0, 0
	for _, line := range lines(t, "names.tsv") {
		seen++
		name, want, found := strings.Cut(line, "\t")
		require.True(t, found)
		name, want = unescape(t, name), unescape(t, want)
		got, ok := php.FormName(name)
		assert.Equal(t, want, got, "%q", name)
		assert.Equal(t, want != "", ok, "%q", name)
		if !ok {
			dropped++
		}
	}
	assert.Equal(t, nameEntries, seen)
	assert.Positive(t, dropped)
}

func TestFormNameRefusesBrackets(t *testing.T) {
	for _, name := range []string{"a[b]", "a[", "[a]", "[", "a.b[c", " [a]"} {
		got, ok := php.FormName(name)
		assert.False(t, ok, name)
		assert.Empty(t, got)
	}
	got, ok := php.FormName("a\x00[b]")
	assert.True(t, ok)
	assert.Equal(t, "a", got)
}

func TestFormNames(t *testing.T) {
	for name, want := range map[string][2]string{
		"order_id":        {"order_id", "order_id"},
		"order.id":        {"order_id", "order_id"},
		" order id":       {"order_id", "order_id"},
		"order_id[]":      {"order_id", "order_id_]"},
		"order.id[a.b]":   {"order_id", "order_id_a_b]"},
		"order[id":        {"order", "order_id"},
		"order_id[":       {"order_id", "order_id_"},
		"order_id]":       {"order_id", "order_id]"},
		"order.id\x00[x]": {"order_id", "order_id"},
		" order_id[x]":    {"order_id", "order_id_x]"},
		"[order_id]":      {"", "_order_id]"},
		"\x00x":           {"", ""},
		"  ":              {"", ""},
		"":                {"", ""},
	} {
		base, whole := php.FormNames(name)
		assert.Equal(t, want, [2]string{base, whole}, "%q", name)
	}
	// Where there are no brackets it is what a real PHP makes of the name.
	for _, line := range lines(t, "names.tsv") {
		name, want, _ := strings.Cut(line, "\t")
		name, want = unescape(t, name), unescape(t, want)
		if strings.ContainsAny(name, "[]") {
			continue
		}
		base, whole := php.FormNames(name)
		assert.Equal(t, [2]string{want, want}, [2]string{base, whole}, "%q", name)
	}
}

func TestBuildQuery(t *testing.T) {
	table := queryTable(t)
	for _, e := range table {
		assert.Equal(t, e.query, php.BuildQuery(e.pairs), "%q", e.pairs)
	}
	assert.Equal(t, queryEntries, len(table))
}

// A number that PHP wrote is a number, close to the value it came from, and
// PHP's text of it is the same again. Only -0 and a text with zeros at its end
// take a round more.
func FuzzNumberText(f *testing.F) {
	for i, e := range numberTable(f) {
		if i%20 == 0 {
			f.Add(e.literal)
		}
	}
	f.Fuzz(func(t *testing.T, literal string) {
		text, ok := php.NumberText(literal)
		isNumber := len(literal) > 0 && strings.IndexByte("-0123456789", literal[0]) >= 0 &&
			strings.IndexByte("0123456789", literal[len(literal)-1]) >= 0 && json.Valid([]byte(literal))
		if !ok {
			assert.Empty(t, text)
			if isNumber && len(literal) <= 4096 {
				_, err := strconv.ParseFloat(literal, 64)
				assert.Error(t, err, "only an infinite number is refused")
			}
			return
		}
		require.True(t, isNumber)
		require.True(t, json.Valid([]byte(text)), text)
		want, err := strconv.ParseFloat(literal, 64)
		require.NoError(t, err)
		got, err := strconv.ParseFloat(text, 64)
		if err != nil { // the largest doubles round up beyond the largest
			assert.Greater(t, math.Abs(want), 1.7976931348623e308)
			return
		}
		assert.InDelta(t, want, got, math.Abs(want)*1e-13+5e-324)
		again, ok := php.NumberText(text)
		require.True(t, ok)
		if text != "-0" && !strings.Contains(text, "0E+14") {
			assert.Equal(t, text, again)
		}
		third, ok := php.NumberText(again)
		require.True(t, ok)
		assert.Equal(t, again, third)
	})
}

// What comes out is valid JSON in ASCII without white space, holds the same
// values as what went in, and is a fixed point, except that the float -0 takes
// a round more: it is written as the integer -0, which is read as 0.
func FuzzReencode(f *testing.F) {
	for i, e := range reencodeTable(f) {
		if i%10 == 0 && len(e.body) < 1000 {
			f.Add([]byte(e.body), e.drop)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, drop string) {
		arrays, arraysErr := php.Reencode(body, drop, false)
		objects, err := php.Reencode(body, drop, true)
		if arraysErr == nil {
			require.True(t, json.Valid(arrays), "%s", arrays)
		}
		if err != nil {
			return
		}
		require.NoError(t, arraysErr, "arrays take all that objects do")
		require.True(t, json.Valid(objects), "%s", objects)
		require.LessOrEqual(t, len(objects), 6*len(body))
		require.LessOrEqual(t, len(arrays), len(objects))
		for _, c := range objects {
			require.True(t, ' ' <= c && c < utf8.RuneSelf)
		}
		var compact bytes.Buffer
		require.NoError(t, json.Compact(&compact, objects))
		require.Equal(t, compact.String(), string(objects))

		var want, got map[string]any
		require.NoError(t, json.Unmarshal(objects, &got))
		if json.Unmarshal(body, &want) == nil { // a dropped number may overflow
			if utf8.ValidString(drop) {
				delete(want, drop)
			}
			require.Equal(t, want, got)
		}

		second, err := php.Reencode(objects, drop, true)
		require.NoError(t, err)
		if !bytes.Contains(objects, []byte("-0")) {
			require.Equal(t, string(objects), string(second))
		}
		third, err := php.Reencode(second, drop, true)
		require.NoError(t, err)
		require.Equal(t, string(second), string(third))
	})
}

// A mangled name is not mangled again, is no longer, and keeps no byte that
// PHP replaces.
func FuzzFormName(f *testing.F) {
	for i, line := range lines(f, "names.tsv") {
		if i%10 == 0 {
			name, _, _ := strings.Cut(line, "\t")
			f.Add(unescape(f, name))
		}
	}
	f.Add("a[b]")
	f.Fuzz(func(t *testing.T, name string) {
		got, ok := php.FormName(name)
		if !ok {
			assert.Empty(t, got)
			return
		}
		assert.NotEmpty(t, got)
		assert.LessOrEqual(t, len(got), len(name))
		assert.False(t, strings.ContainsAny(got, " .[\x00"))
		again, ok := php.FormName(got)
		assert.True(t, ok)
		assert.Equal(t, got, again)
	})
}

// A query reads back as the pairs it was built from, in their order.
func FuzzBuildQuery(f *testing.F) {
	for i, e := range queryTable(f) {
		if i%10 == 0 && len(e.pairs) > 0 {
			first, last := e.pairs[0], e.pairs[len(e.pairs)-1]
			f.Add(first.Name, first.Value, last.Name, last.Value)
		}
	}
	f.Fuzz(func(t *testing.T, name, value, name2, value2 string) {
		want := []php.Pair{{Name: name, Value: value}, {Name: name2, Value: value2}}
		var got []php.Pair
		for pair := range strings.SplitSeq(php.BuildQuery(want), "&") {
			n, v, found := strings.Cut(pair, "=")
			require.True(t, found)
			n, err := url.QueryUnescape(n)
			require.NoError(t, err)
			v, err = url.QueryUnescape(v)
			require.NoError(t, err)
			got = append(got, php.Pair{Name: n, Value: v})
		}
		assert.Equal(t, want, got)
	})
}

func BenchmarkNumberText(b *testing.B) {
	for _, literal := range []string{"500", "100.5", "100.50", "0.00001", "1234.567890123456789"} {
		b.Run(literal, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := php.NumberText(literal); !ok {
					b.Fatal(literal)
				}
			}
		})
	}
}

func BenchmarkReencode(b *testing.B) {
	webhook := `{"success":true,"transaction_id":"TX-20260131-000123","order_id":"ORD/1000000017","message":"Paid \u2713","signature":"` + strings.Repeat("0f", 32) + `"}`
	large := `{"v":[` + strings.TrimSuffix(strings.Repeat(`{"0":"a/b","1":{"amount":100.50,"id":12345}},`, 1000), ",") + `]}`
	for _, c := range []struct {
		name, body string
		objects    bool
	}{
		{"webhook/objects", webhook, true},
		{"webhook/arrays", webhook, false},
		{"large/objects", large, true},
		{"large/arrays", large, false},
	} {
		b.Run(c.name, func(b *testing.B) {
			body := []byte(c.body)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := php.Reencode(body, "signature", c.objects); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkFormName(b *testing.B) {
	for _, name := range []string{"order_id", "order.id"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := php.FormName(name); !ok {
					b.Fatal(name)
				}
			}
		})
	}
}

func BenchmarkBuildQuery(b *testing.B) {
	pairs := []php.Pair{{Name: "success", Value: "1"}, {Name: "transaction_id", Value: "TX-20260131-000123"}, {Name: "order_id", Value: "ORD/1000000017"}, {Name: "message", Value: "Paid in full ~"}}
	b.ReportAllocs()
	for b.Loop() {
		if php.BuildQuery(pairs) == "" {
			b.Fatal("empty")
		}
	}
}
