package strictbase64_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/payack/payack/internal/strictbase64"
)

func TestDecode(t *testing.T) {
	for text, want := range map[string]string{"": "", "AA==": "\x00", "+/+/": "\xfb\xff\xbf", "TWFu": "Man"} {
		got, ok := strictbase64.Decode(nil, text)
		assert.True(t, ok, text)
		assert.Equal(t, want, string(got))
		got, ok = strictbase64.Decode([]byte("in front "), []byte(text))
		assert.True(t, ok)
		assert.Equal(t, "in front "+want, string(got))
	}
	for _, text := range []string{
		"+w==+w==", "+w======", "A", "AA", "AAA", "A===", "====", "AB==", "AAB=",
		"-_-_-_-_-w==", "+/+/\n+/+/+w==", "+/+/+/+/+w==\r\n", " +/+/+/+/+w==", "+/+/ +/+/+w==", "+/+/+/+/+w", "+/+/+/+/+x==", "+/+/+/+/+w==\x00",
	} {
		_, ok := strictbase64.Decode(nil, text)
		assert.False(t, ok, "%q", text)
	}
}
