package payack_test

import (
	"bytes"
	"context"
	"encoding"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/payack/payack"
)

// A Secret must have the interfaces that printers, loggers and encoders look for.
var _ interface {
	fmt.Formatter
	fmt.Stringer
	fmt.GoStringer
	slog.LogValuer
	json.Marshaler
	encoding.TextMarshaler
} = payack.Secret{}

const hidden = "8b998abba49ae33a194cb9677b13ecbe"

// leaks reports whether s shows the secret or a part of it, in any spelling that a
// printer may use.
func leaks(s string) bool {
	s = strings.ToLower(strings.ReplaceAll(s, " ", ""))
	for _, part := range []string{hidden, hidden[:8], hidden[24:]} {
		bytesOf := strings.Trim(strings.ReplaceAll(fmt.Sprint([]byte(part)), " ", ""), "[]")
		for _, spelling := range []string{part, fmt.Sprintf("%x", part), bytesOf} {
			if strings.Contains(s, spelling) {
				return true
			}
		}
	}
	return false
}

type secretNest struct {
	Name     string
	Exported payack.Secret
	Pointer  *payack.Secret
	List     []payack.Secret
	Array    [2]payack.Secret
	ByName   map[string]payack.Secret
	Any      any
	private  payack.Secret
	pointer  *payack.Secret
	list     []payack.Secret
	byName   map[string]payack.Secret
	any      any
}

type secretEmbedder struct{ payack.Secret }

func newSecretNest() secretNest {
	s := payack.NewSecret(hidden)
	return secretNest{
		Name: "visible", Exported: s, Pointer: &s, List: payack.Secrets(hidden, hidden),
		Array: [2]payack.Secret{s, s}, ByName: map[string]payack.Secret{"a": s}, Any: s,
		private: s, pointer: &s, list: []payack.Secret{s}, byName: map[string]payack.Secret{"b": s}, any: &s,
	}
}

// secretHolders returns values that contain a secret, each in a different way.
func secretHolders() map[string]any {
	s := payack.NewSecret(hidden)
	nest := newSecretNest()
	return map[string]any{
		"the secret":          s,
		"a pointer":           &s,
		"a slice":             []payack.Secret{s},
		"a slice of pointers": []*payack.Secret{&s},
		"an array":            [1]payack.Secret{s},
		"a map":               map[string]payack.Secret{"k": s},
		"a map's key":         map[payack.Secret]int{s: 1},
		"a map of any":        map[string]any{"k": s, "p": &s, "l": []any{s}},
		"a struct":            nest,
		"a struct's pointer":  &nest,
		"a slice of structs":  []secretNest{nest},
		"an anonymous struct": struct{ s payack.Secret }{s},
		"an embedded secret":  secretEmbedder{s},
		"a nested struct":     struct{ inner struct{ s []payack.Secret } }{struct{ s []payack.Secret }{[]payack.Secret{s}}},
		"a reflect.Value":     reflect.ValueOf(nest),
	}
}

func TestSecretIsNotPrinted(t *testing.T) {
	verbs := []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%#x", "%d", "%08d", "%t", "%c", "%U", "%e", "%b", "%p", "%T", "%w", "%y", "%50v", "%.3s"}
	for name, holder := range secretHolders() {
		for _, verb := range verbs {
			if out := fmt.Sprintf(verb, holder); leaks(out) {
				t.Errorf("%s with %s: %s", name, verb, out)
			}
		}
		for _, out := range []string{fmt.Sprint(holder), fmt.Sprintln(holder), fmt.Errorf("x %v: %w", holder, errors.New("y")).Error()} {
			if leaks(out) {
				t.Errorf("%s: %s", name, out)
			}
		}
	}

	s := payack.NewSecret(hidden)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{s, &s} {
			if out := fmt.Sprintf(verb, v); out != "[redacted]" {
				t.Errorf("%s of %T: %s", verb, v, out)
			}
		}
	}
	if s.String() != "[redacted]" || s.GoString() != "[redacted]" {
		t.Error("String or GoString shows something else")
	}
}

func TestSecretIsNotLogged(t *testing.T) {
	handlers := map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	}
	for kind, newHandler := range handlers {
		for name, holder := range secretHolders() {
			var b bytes.Buffer
			log := slog.New(newHandler(&b))
			log.Info("plain", "k", holder)
			log.Info("attr", slog.Any("k", holder))
			log.Info("group", slog.Group("g", slog.Any("k", holder), slog.Group("h", "k", holder)))
			log.With("k", holder).WithGroup("g").Info("with", "k", holder)
			log.Info("value", "k", slog.GroupValue(slog.Any("k", holder)))
			log.Info("error", "err", fmt.Errorf("wrapped: %v", holder))
			if leaks(b.String()) {
				t.Errorf("%s handler, %s: %s", kind, name, b.String())
			}
			if strings.Count(b.String(), "\n") != 6 {
				t.Errorf("%s handler, %s: a record is missing", kind, name)
			}
		}
		var b bytes.Buffer
		slog.New(newHandler(&b)).Info("m", "key", payack.NewSecret(hidden))
		if !strings.Contains(b.String(), "[redacted]") {
			t.Errorf("%s handler: %s", kind, b.String())
		}
	}
}

func TestSecretIsNotMarshalled(t *testing.T) {
	for name, holder := range secretHolders() {
		b, err := json.Marshal(holder)
		if leaks(string(b)) || err != nil && leaks(err.Error()) {
			t.Errorf("JSON of %s: %s, %v", name, b, err)
		}
		b, err = xml.Marshal(holder)
		if leaks(string(b)) || err != nil && leaks(err.Error()) {
			t.Errorf("XML of %s: %s, %v", name, b, err)
		}
		var g bytes.Buffer
		err = gob.NewEncoder(&g).Encode(holder)
		if leaks(g.String()) || err != nil && leaks(err.Error()) {
			t.Errorf("gob of %s: %q, %v", name, g.String(), err)
		}
	}
	b, err := json.Marshal(struct {
		A payack.Secret
		B []payack.Secret
		C *payack.Secret
	}{payack.NewSecret(hidden), payack.Secrets(hidden), nil})
	if want := `{"A":"[redacted]","B":["[redacted]"],"C":null}`; err != nil || string(b) != want {
		t.Errorf("JSON %s, %v; want %s", b, err, want)
	}
}

func TestSecretReveals(t *testing.T) {
	for _, text := range []string{hidden, "a", " ", "\x00\xff", "p%ss&=+/"} {
		s := payack.NewSecret(text)
		if s.Reveal() != text || s.IsZero() {
			t.Errorf("a secret of %q reveals %q", text, s.Reveal())
		}
		if c := s; c.Reveal() != text {
			t.Error("a copy reveals something else")
		}
	}
	list := payack.Secrets("a", "", "b")
	if len(list) != 3 || list[0].Reveal() != "a" || !list[1].IsZero() || list[2].Reveal() != "b" {
		t.Errorf("Secrets gives %d", len(list))
	}
	if len(payack.Secrets()) != 0 {
		t.Error("Secrets of nothing gives something")
	}
}

func TestSecretZero(t *testing.T) {
	for _, s := range []payack.Secret{{}, payack.NewSecret("")} {
		if !s.IsZero() || s.Reveal() != "" {
			t.Errorf("IsZero %v, Reveal %q", s.IsZero(), s.Reveal())
		}
		// An empty secret looks like any other: a log must not reveal that a secret
		// is empty.
		if out := fmt.Sprintf("%v %s", s, s); out != "[redacted] [redacted]" {
			t.Error(out)
		}
		if b, err := json.Marshal(s); err != nil || string(b) != `"[redacted]"` {
			t.Errorf("%s, %v", b, err)
		}
		var b bytes.Buffer
		slog.New(slog.NewTextHandler(&b, nil)).InfoContext(context.Background(), "m", "k", s)
		if !strings.Contains(b.String(), "k=[redacted]") {
			t.Error(b.String())
		}
	}
	var none *payack.Secret
	_ = fmt.Sprintf("%v %s %#v", none, none, none) // must not panic
}

// failureText collects what a failing assertion prints.
type failureText struct{ text string }

func (f *failureText) Errorf(format string, args ...any) { f.text += fmt.Sprintf(format, args...) }

// Test libraries make diffs by reflection and don't call a type's own methods.
func TestSecretStaysOutOfFailingAssertions(t *testing.T) {
	type config struct{ Key payack.Secret }
	var f failureText
	if assert.Equal(&f, config{payack.NewSecret("LEAKED-1")}, config{payack.NewSecret("LEAKED-2")}) {
		t.Fatal("two different secrets count as equal")
	}
	if f.text == "" || strings.Contains(f.text, "LEAKED") {
		t.Errorf("the failure shows a secret, or nothing at all: %q", f.text)
	}
}
