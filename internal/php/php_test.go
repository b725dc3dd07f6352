package php_test

import (
	"bytes"
	"encoding/json"
	"math"
	"math/big"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/internal/php"
)

// The number of entries of each table. They change only with generate.php.
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

	longest := "1." + strings.Repeat("0", 4094)
	text, ok = php.NumberText(longest)
	assert.True(t, ok)
	assert.Equal(t, "1", text)
	_, ok = php.NumberText(longest + "0")
	assert.False(t, ok)
	for body, ok := range map[string]bool{`{"v":` + longest + `}`: true, `{"v":` + longest + `0}`: false} {
		arrays, _ := reencode(t, []byte(body), "signature")
		assert.Equal(t, ok, arrays != nil, len(body))
	}
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

// immoderate reports whether a literal has an exponent beyond 40, as written or
// after normalisation to one digit before the point. It uses math/big.
func immoderate(literal string) bool {
	_, exponent, found := strings.Cut(strings.ToLower(literal), "e")
	if found {
		if n, ok := new(big.Int).SetString(strings.TrimPrefix(exponent, "+"), 10); !ok || n.CmpAbs(big.NewInt(40)) > 0 {
			return true
		}
	} else if !strings.Contains(literal, ".") {
		return false
	}
	value, ok := new(big.Rat).SetString(literal)
	if !ok {
		return true
	}
	power := func(n int64) *big.Rat {
		return new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(n), nil))
	}
	value.Abs(value)
	return value.Sign() != 0 && (value.Cmp(power(41)) >= 0 || value.Cmp(new(big.Rat).Inv(power(40))) < 0)
}

func TestReencodeNumbers(t *testing.T) {
	seen, refused := 0, 0
	for _, e := range numberTable(t) {
		seen++
		_, out, err := php.Reencode([]byte(`{"v":`+e.literal+`}`), "signature")
		beyond := !strings.ContainsAny(e.literal, ".eE")
		if beyond {
			_, parseErr := strconv.ParseInt(e.literal, 10, 64)
			beyond = parseErr != nil
		}
		if beyond || e.json == "INF" || immoderate(e.literal) {
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

// reencode returns the results of Reencode, or nil if it refuses the body.
func reencode(t testing.TB, body []byte, drop string) (arrays, objects []byte) {
	t.Helper()
	arrays, objects, err := php.Reencode(body, drop)
	if err != nil {
		require.Nil(t, arrays)
		require.Nil(t, objects)
		return nil, nil
	}
	require.NotNil(t, arrays, "arrays take all that objects do")
	return arrays, objects
}

func TestReencode(t *testing.T) {
	seen, refused, bounded := 0, 0, 0
	check := func(e reencodeEntry, want *string, out []byte, as string) {
		seen++
		if want == nil {
			refused++
			assert.Nil(t, out, "%s without %q, %s", e.body, e.drop, as)
			return
		}
		if out == nil && overBounds(t, e) {
			bounded++
			return
		}
		assert.Equal(t, *want, string(out), "%s without %q, %s", e.body, e.drop, as)
	}
	for _, e := range reencodeTable(t) {
		arrays, objects := reencode(t, []byte(e.body), e.drop)
		check(e, e.arrays, arrays, "arrays")
		check(e, e.objects, objects, "objects")
	}
	assert.Equal(t, 2*reencodeEntries, seen)
	assert.Positive(t, refused)
	t.Logf("%d entries hold numbers out of bounds", bounded)
	assert.Less(t, bounded, reencodeEntries/4)
}

var numbers = regexp.MustCompile(`-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?`)

// overBounds reports whether an entry has a number that PHP accepts and this package
// refuses.
func overBounds(t testing.TB, e reencodeEntry) bool {
	t.Helper()
	floats := 0
	for _, literal := range numbers.FindAllString(e.body, -1) {
		if strings.ContainsAny(literal, ".eE") {
			floats++
		}
		if immoderate(literal) {
			return true
		}
	}
	return floats > 64
}

// Bodies that testdata/reencode.jsonl can't hold, or on which this package is stricter
// than PHP.
func TestReencodeRefuses(t *testing.T) {
	deep := func(n int) string {
		return `{"v":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	for _, body := range []string{
		"{\"a\":\"\xff\"}", "{\"a\":\"\x80\"}", "{\"\xc3\":1}", "{\"a\":\"\xc0\x80\"}", "{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"\xf4\x90\x80\x80\"}", "{\"a\":\"\xe2\x80\"}",
		"[]", `[{"a":1}]`, "1", `"a"`, "null", "true",
		`{"a":TRUE}`, `{"a":Null}`,
		`{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"v":{"b":1,"c":2,"b":3}}`, `{"signature":1,"signature":2}`, `{"signature":{"a":1,"a":2}}`,
		deep(511), deep(100000), strings.Repeat(`{"a":`, 100000), strings.Repeat("[", 100000),
		`{"a":1` + strings.Repeat("0", 4096) + `.0}`, `{"a":0.` + strings.Repeat("0", 20000) + `1e20001}`,
		`{"signature":1` + strings.Repeat("0", 4096) + `}`,
		`{"a":"\u`, `{"a":"\u00`, `{"a":"\u004`, `{"a":"\ud83d`, `{"a":"\ud83d\`, `{"a":"\ud83d\ude0`,
		`{"a":"\ud83dxude00"}`, `{"a":"\ud83d\nde00"}`, `{"a":"\ud83d\u004"}`,
		`{"v":[`, `{"v":[[`, `{"v":[[1]`, `{"v":[[[]]`, `{"v":[1]]`, `{"v":[1]]}`,
	} {
		arrays, objects := reencode(t, slices.Clip([]byte(body)), "signature") // so that nothing behind the body can be read
		assert.Nil(t, arrays, "%.60q", body)
		assert.Nil(t, objects)
	}
}

// Only objects and lists that are open count for the depth, not those that are
// closed again.
func TestReencodeDepth(t *testing.T) {
	lists := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	objects := func(n int) string { return strings.Repeat(`{"x":`, n) + "{}" + strings.Repeat("}", n) }
	for body, ok := range map[string]bool{
		`{"a":` + lists(510) + `,"b":` + lists(510) + `}`:                                             true,
		`{"a":` + lists(510) + `,"b":` + lists(511) + `}`:                                             false,
		`{"a":` + objects(509) + `,"b":` + objects(509) + `}`:                                         true,
		`{"a":` + objects(509) + `,"b":` + objects(510) + `}`:                                         false,
		`{"a":[` + strings.Repeat(lists(5)+",{},", 300) + lists(509) + `]}`:                           true,
		`{"a":[` + strings.Repeat(lists(5)+",{},", 300) + lists(510) + `]}`:                           false,
		`{"a":` + strings.Repeat(`{"x":[{}],"y":`, 300) + lists(210) + strings.Repeat("}", 300) + `}`: true,
		`{"a":` + strings.Repeat(`{"x":[{}],"y":`, 300) + lists(211) + strings.Repeat("}", 300) + `}`: false,
	} {
		arrays, _ := reencode(t, []byte(body), "signature")
		assert.Equal(t, ok, arrays != nil, "%.80s", body)
	}
}

// Numbers that PHP accepts and that would be expensive to convert.
func TestReencodeBoundsNumbers(t *testing.T) {
	floats := func(n int) string { return `{"v":[` + strings.TrimSuffix(strings.Repeat("1.5,", n), ",") + `]}` }
	for body, ok := range map[string]bool{
		floats(64): true, floats(65): false,
		`{"signature":` + floats(500) + `,"v":` + floats(64) + `}`:             true, // numbers in the dropped member don't count
		`{"v":[` + strings.TrimSuffix(strings.Repeat("15,", 5000), ",") + `]}`: true,
		`{"v":1e40}`:     true,
		`{"v":1e41}`:     false,
		`{"v":-9.99e40}`: true,
		`{"v":10e40}`:    false,
		`{"v":0.1e41}`:   false, // as written
		`{"v":0.1e40}`:   true,
		`{"v":1e-40}`:    true,
		`{"v":1e-41}`:    false,
		`{"v":0.9e-40}`:  false,
		`{"v":0e41}`:     false,
		`{"v":0.00e-40}`: true,
		`{"v":0.` + strings.Repeat("0", 39) + `1}`:  true,
		`{"v":0.` + strings.Repeat("0", 40) + `1}`:  false,
		`{"v":0.` + strings.Repeat("0", 2000) + `}`: true,
		`{"v":1` + strings.Repeat("0", 40) + `.0}`:  true,
		`{"v":1` + strings.Repeat("0", 41) + `.0}`:  false,
		`{"v":1e-320}`:                                 false,
		`{"v":1e99999999999999999999999}`:              false,
		`{"v":1.` + strings.Repeat("0", 3000) + `1}`:   true,
		`{"v":1` + strings.Repeat("0", 41) + `.0e-41}`: false,
		`{"v":1` + strings.Repeat("0", 41) + `.0e-40}`: true,
	} {
		arrays, objects := reencode(t, []byte(body), "signature")
		assert.Equal(t, ok, arrays != nil && objects != nil, "%.60s", body)
	}
}

// A value may contain U+0000. The name of a property can't begin with it.
func TestReencodeNUL(t *testing.T) {
	for body, want := range map[string][2]string{
		`{"a":"\u0000"}`: {`{"a":"\u0000"}`, `{"a":"\u0000"}`},
		`{"a":["x\u0000/y",{"b":"\u0000\u0000"}]}`: {`{"a":["x\u0000\/y",{"b":"\u0000\u0000"}]}`, `{"a":["x\u0000\/y",{"b":"\u0000\u0000"}]}`},
		`{"a\u0000":1}`:                     {`{"a\u0000":1}`, `{"a\u0000":1}`},
		`{"\u0000a":1}`:                     {`{"\u0000a":1}`, ``},
		`{"x":[{"\u0000":1}],"y":{}}`:       {`{"x":[{"\u0000":1}],"y":[]}`, ``},
		`{"signature":{"\u0000":1},"y":{}}`: {`{"y":[]}`, ``}, // decoding fails before anything is dropped
	} {
		arrays, objects := reencode(t, []byte(body), "signature")
		assert.Equal(t, want, [2]string{string(arrays), string(objects)}, body)
	}
}

// For any body, Reencode reads it once, converts few numbers, and writes two texts of
// at most six times its length each.
func TestReencodeWork(t *testing.T) {
	bodies := []string{
		`{"v":[` + strings.Repeat("1e-320,", 9000) + `0]}`, `{"v":[` + strings.Repeat("1.5,", 16000) + `0]}`,
		`{"v":` + strings.Repeat(`{"0":`, 500) + "{}" + strings.Repeat("}", 501), `{"v":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + "}",
		`{"v":[` + strings.Repeat(`{},`, 20000) + `0]}`, `{"v":[` + strings.Repeat(`{"0":[]},`, 7000) + `0]}`,
		`{"v":"` + strings.Repeat("\x7f/é日😀", 5000) + `"}`, `{"v":"` + strings.Repeat(`\u0000`, 10000) + `"}`,
		`{"signature":[` + strings.Repeat("1e-320,", 9000) + `0]}`,
	}
	for _, e := range reencodeTable(t) {
		bodies = append(bodies, e.body)
	}
	most := 0
	for _, body := range bodies {
		read, floats, written := php.Work([]byte(strings.TrimLeft(body, " \t\r\n")), "signature")
		assert.LessOrEqual(t, read, len(body)+1, "%.50s", body) // one beyond the end if the body is cut off
		assert.LessOrEqual(t, floats, 64, "%.50s", body)
		assert.LessOrEqual(t, written, 12*len(body), "%.50s", body)
		most = max(most, floats)
	}
	assert.Equal(t, 64, most)
}

// If no object becomes a list, both results are the same slice, so that a caller hashes
// it once.
func TestReencodeOnce(t *testing.T) {
	arrays, objects := reencode(t, []byte(`{"a":{"b":1.5,"1":[1,2]},"signature":{"0":{}},"c":"{}"}`), "signature")
	assert.Same(t, &arrays[0], &objects[0])
	assert.Len(t, arrays, len(objects))
	arrays, objects = reencode(t, []byte(`{"a":{"0":{"0":[{}],"1":{"x":{"0":{}}}},"2":{}},"signature":{}}`), "signature")
	assert.Equal(t, `{"a":{"0":[[[]],{"x":[[]]}],"2":[]}}`, string(arrays))
	assert.Equal(t, `{"a":{"0":{"0":[{}],"1":{"x":{"0":{}}}},"2":{}}}`, string(objects))
}

func TestReencodeErrorsSayWhat(t *testing.T) {
	for body, says := range map[string]string{"{\"a\":\"\x80\"}": "UTF-8", "{\"a\":\"\xff\"}": "UTF-8", "{\"a\":\"\x1f\"}": "not one JSON object"} {
		_, _, err := php.Reencode([]byte(body), "signature")
		assert.ErrorContains(t, err, says, "%q", body)
	}
}

func TestReencodeErrorsSayNothingOfTheBody(t *testing.T) {
	for _, body := range []string{`{"secret":99999999999999999999}`, `{"secret":1e999}`, `{"secret":secret}`, `{"secret":1,"secret":1}`} {
		_, _, err := php.Reencode([]byte(body), "signature")
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "secret")
		assert.NotContains(t, err.Error(), "9")
	}
}

func TestReencodeDropsNothingForANameThatIsNotUTF8(t *testing.T) {
	_, out := reencode(t, []byte("{\"\uFFFD\":1}"), "\xff")
	assert.Equal(t, `{"\ufffd":1}`, string(out))
}

func TestReencodeLeavesTheBodyAlone(t *testing.T) {
	body := []byte(`{"0":{"0":"a/b","1":"c"},"signature":"x","1":[{}]}`)
	before := bytes.Clone(body)
	arrays, objects := reencode(t, body[:len(body):len(body)], "signature")
	require.NotNil(t, arrays)
	require.NotNil(t, objects)
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
	// Without brackets, both results are what a real PHP makes of the name.
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

// PHP's text of a number is a number close to the original value, and a fixed point
// of NumberText. Only -0 and a text with trailing zeros need one more round.
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
		if err != nil { // the text of the largest doubles is rounded up beyond them
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

// The result is valid JSON in ASCII without white space, with the same values as the
// body. It is a fixed point of Reencode, except that the float -0 needs one more
// round: it is written as the integer -0, which is read as 0.
func FuzzReencode(f *testing.F) {
	for i, e := range reencodeTable(f) {
		if i%10 == 0 && len(e.body) < 1000 {
			f.Add([]byte(e.body), e.drop)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, drop string) {
		arrays, objects := reencode(t, body, drop)
		if arrays != nil {
			require.True(t, json.Valid(arrays), "%s", arrays)
			require.LessOrEqual(t, len(arrays), 6*len(body))
		}
		if objects == nil {
			return
		}
		require.True(t, json.Valid(objects), "%s", objects)
		require.LessOrEqual(t, len(objects), 6*len(body))
		require.LessOrEqual(t, len(arrays), len(objects))
		require.Equal(t, !hasLists(objects), bytes.Equal(arrays, objects))
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

		_, second := reencode(t, objects, drop)
		if second == nil {
			require.Contains(t, string(objects), "1.0e+41", "only what was rounded up is out of bounds then")
			return
		}
		if !bytes.Contains(objects, []byte("-0")) {
			require.Equal(t, string(objects), string(second))
		}
		_, third := reencode(t, second, drop)
		require.Equal(t, string(second), string(third))
	})
}

// hasLists reports whether decoding PHP's text to arrays turns one of its objects into
// a list.
func hasLists(text []byte) bool {
	var walk func(dec *json.Decoder) bool
	walk = func(dec *json.Decoder) (found bool) {
		tok, _ := dec.Token()
		delim, ok := tok.(json.Delim)
		if !ok {
			return false
		}
		isList := delim == '{'
		for i := 0; dec.More(); i++ {
			if delim == '{' {
				name, _ := dec.Token()
				isList = isList && name == strconv.Itoa(i)
			}
			found = walk(dec) || found
		}
		_, _ = dec.Token()
		return found || isList
	}
	return walk(json.NewDecoder(bytes.NewReader(text)))
}

// A mangled name is a fixed point, is no longer than the original, and has no byte
// that PHP replaces.
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
	large := `{"v":[` + strings.TrimSuffix(strings.Repeat(`{"0":"a/b","1":{"amount":100,"id":12345}},`, 1000), ",") + `]}`
	for name, text := range map[string]string{"webhook": webhook, "large": large} {
		b.Run(name, func(b *testing.B) {
			body := []byte(text)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := php.Reencode(body, "signature"); err != nil {
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
