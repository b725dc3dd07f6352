package nilness_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/payack/payack/internal/nilness"
)

func TestOf(t *testing.T) {
	var handler http.Handler
	for name, v := range map[string]any{
		"nil": nil, "an interface": handler, "a pointer": (*http.Server)(nil), "a function": http.HandlerFunc(nil),
		"a map": http.Header(nil), "a slice": []int(nil), "a channel": (chan int)(nil),
	} {
		if !nilness.Of(v) {
			t.Error(name, "is not found")
		}
	}
	for name, v := range map[string]any{
		"a value": 0, "an error": errors.New("x"), "a pointer": &http.Server{}, "a function": http.NotFoundHandler(), "an empty map": http.Header{}, "a struct": struct{}{},
	} {
		if nilness.Of(v) {
			t.Error(name, "is taken for nil")
		}
	}
}
