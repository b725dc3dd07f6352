package strict_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/internal/strict"
)

// The mistakes in the examples of the providers' documents have their own texts, with
// the offset.
func TestCauses(t *testing.T) {
	const (
		quote = "a name without its closing quote, so that its colon is within the quotes"
		comma = "a comma where the colon after a name should be"
		space = "white space that is U+00A0, a no-break space, which JSON doesn't have; write a plain blank"
	)
	for src, want := range map[string]string{
		`{"order_id":"1","amount:"100"}`:         quote + " at byte 25",
		`{"order_id":"1", "amount:" "100"}`:      quote + " at byte 27",
		`{"a":{"amount:"100"}}`:                  quote + " in a at byte 15",
		`{"webhook_acknowledged", "0"}`:          comma + " in webhook_acknowledged at byte 23",
		`{"a":[{"webhook_acknowledged" , "0"}]}`: comma + " in a at byte 30",
		"{\u00a0\"a\":1}":                        space + " at byte 1",
		"{\"a\":\u00a01}":                        space + " in a at byte 5",
		"{\"a\":1,\u00a0\"b\":2}":                space + " at byte 7",
		"{\"a\":1}\u00a0":                        space + " at byte 7",
		"\u00a0{\"a\":1}":                        space + " at byte 0",
		"{\"a\":[1,\u00a02]}":                    space + " in a at byte 8",
		"{\u2003\"a\":1}":                        "white space that JSON doesn't have; write a plain blank at byte 1",
		`{"a" 1}`:                                "not valid JSON in a at byte 5",
		`{"a":1,,"b":2}`:                         "not valid JSON at byte 7",
		`{"a:":1 "b"}`:                           "not valid JSON at byte 8",
	} {
		_, err := strict.JSON(nil, src, "a", "webhook_acknowledged")
		require.Error(t, err, src)
		assert.Equal(t, want, err.Error(), src)
	}
	fields, err := strict.JSON(nil, "{\"a\":\"\u00a0,\u00a0\"}", "a")
	require.NoError(t, err, "within a string it is text")
	assert.Equal(t, "\u00a0,\u00a0", fields[0].Text)
}
