package diagnose_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/payack/payack/diagnose"
	"github.com/payack/payack/internal/strict"
)

// The first cases are examples in the providers' documents.
func TestBroken(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"a quote behind the colon": {`{"order_id":"ORD1","amount:"100","status":"Approved"}`, "the quote after a name is missing: it comes after the colon, at byte 26 (line 1, column 27)"},
		"a comma for a colon":      {"{\n\"webhook_acknowledged\", \"0\"}", "there is a comma between a name and its value instead of a colon, at byte 24 (line 2, column 23)"},
		"U+00A0 before a name":     {"{\"a\":1,\n\u00a0\u00a0\"b\":2}", "there is U+00A0 in place of white space: it looks like a blank, but JSON allows blank, tab, CR and LF only, at byte 8 (line 2, column 1)"},
		"U+00A0 before a value":    {"{\"a\":\u00a01}", "there is U+00A0 in place of white space"},
		"U+00A0 before all":        {"\u00a0{\"a\":1}", "there is U+00A0 in place of white space"},
		"U+00A0 in Latin-1":        {"{\"a\":\xa01}", "a no-break space of Latin-1 (byte A0)"},
		"a zero-width space":       {"{\u200b\"a\":1}", "there is U+200B in place of white space"},
		"a mark before it":         {"\ufeff{}", "there is a byte-order mark before the JSON"},
		"UTF-16":                   {"{\x00}\x00", "it is UTF-16"},
		"a page":                   {"<html>", "it is HTML or XML"},
		"encoded twice":            {`"{\"a\":1}"`, "it was encoded twice"},
		"escaped":                  {`{\"a\":1}`, `every quote has a \ before it`},
		"cut in a text":            {`{"a":"b`, "a text that begins here has no end: a quote is missing, or it was cut short, at byte 5"},
		"cut after a value":        {`{"a":1`, "it ends in the middle of a list of members: it was cut short, at byte 6"},
		"cut after a name":         {`{"a"`, "it ends in the middle of a member"},
		"cut after a colon":        {`{"a":`, "it ends in the middle of a member"},
		"a comma before the end":   {`{"a":1,}`, "there is a comma before }"},
		"in a list":                {`{"a":[1,]}`, "there is a comma before ]"},
		"two commas":               {`{"a":1,,"b":2}`, "there is one comma too many"},
		"no comma":                 {`{"a":1 "b":2}`, "a comma is missing, at byte 7"},
		"no value":                 {`{"a":,"b":2}`, "a value is missing before ,"},
		"no colon":                 {`{"a" 1}`, "a name has no colon"},
		"an equals sign":           {`{"a"=1}`, "there is = between a name and its value"},
		"no opening quote":         {`{a":1}`, "a name doesn't begin with a quote"},
		"single quotes":            {`{'a':1}`, "a name has single quotes"},
		"a text in single quotes":  {`{"a":'b'}`, "a text has single quotes"},
		"typographic quotes":       {`{“a”:1}`, "typographic quotes"},
		"a text in such":           {`{"a":“b”}`, "typographic quotes"},
		"a word of Python":         {`{"a":None}`, "a word of a programming language"},
		"a text without quotes":    {`{"a":Approved}`, "a text has no quotes around it"},
		"a leading zero":           {`{"a":007}`, "a number is not as JSON writes it"},
		"no digit before a point":  {`{"a":.5}`, "a number is not as JSON writes it"},
		"a line break in a text":   {"{\"a\":\"b\n\"}", "there is a line break within a text"},
		"a control character":      {"{\"a\":\"b\x01\"}", "there is the control character U+0001 within a text"},
		"something between":        {`{"a":1;"b":2}`, "a text has no quotes around it"},

		// A strict parser describes these, except the last, which is valid.
		"nothing":         {"", ""},
		"no JSON":         {"a=b", ""},
		"an array":        {"[1]", ""},
		"a name twice":    {`{"a":1,"a":2}`, ""},
		"something after": {`{} {}`, ""},
		"genuine":         {`{"a":[{"b":"\u00a0 \" \\"},-0.5e+3,true,null,{}],"c":[]}` + "\r\n\t ", ""},
	} {
		got := diagnose.Broken(tc.text)
		assert.Contains(t, got, tc.want, name)
		assert.Equal(t, tc.want == "", got == "", name)
	}
}

// FuzzBroken: broken returns "" for JSON, and never panics.
func FuzzBroken(f *testing.F) {
	for _, text := range []string{`{"a":[1,{"b":"c"}],"d":null}`, `{"amount:"100"}`, "{\u00a0}", `{"a", "b"}`, "{\"a\":\"\\", "{\"a\":-0.1e5}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := diagnose.Broken(text)
		if _, err := strict.JSON(nil, text); err == nil && got != "" {
			t.Errorf("%q is JSON, and it says %q", text, got)
		}
	})
}
