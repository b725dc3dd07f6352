package payack_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/payack/payack"
)

func TestText(t *testing.T) {
	absent, null, empty, full := payack.Text{}, payack.NullText(), payack.NewText(""), payack.NewText("a<&>\u2028é\x00")
	for _, c := range []struct {
		name           string
		text           payack.Text
		s              string
		ok             bool
		isNull, isZero bool
		json           string
	}{
		{"absent", absent, "", false, false, true, `null`},
		{"null", null, "", false, true, false, `null`},
		{"empty", empty, "", true, false, false, `""`},
		{"full", full, "a<&>\u2028é\x00", true, false, false, `"a\u003c\u0026\u003e\u2028é\u0000"`},
		{"the word null", payack.NewText("null"), "null", true, false, false, `"null"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, ok := c.text.Get()
			if s != c.s || ok != c.ok || c.text.String() != c.s {
				t.Errorf("Get() = %q, %v; String() = %q", s, ok, c.text.String())
			}
			if c.text.IsNull() != c.isNull || c.text.IsZero() != c.isZero {
				t.Errorf("IsNull %v, IsZero %v", c.text.IsNull(), c.text.IsZero())
			}
			b, err := json.Marshal(c.text)
			if err != nil || string(b) != c.json {
				t.Errorf("JSON %s, %v; want %s", b, err, c.json)
			}
			var back payack.Text
			if err := json.Unmarshal(b, &back); err != nil || !c.isZero && back != c.text {
				t.Errorf("back from JSON: %#v, %v", back, err)
			}
		})
	}

	all := []payack.Text{absent, null, empty, full, payack.NewText("b")}
	for i := range all {
		for j := range all {
			if (all[i] == all[j]) != (i == j) {
				t.Errorf("%#v == %#v is %v", all[i], all[j], i != j)
			}
		}
	}
	if payack.NewText("ab"[:1]) != payack.NewText("a") || payack.AmountOf(payack.NullText()).Text() != payack.NullText() {
		t.Error("equal texts differ under ==")
	}

	for _, in := range []string{`1`, `true`, `{}`, `[]`, `{"hostile":"x"}`} {
		text := payack.NewText("before")
		err := json.Unmarshal([]byte(in), &text)
		if !errors.Is(err, payack.ErrMalformed) || strings.Contains(err.Error(), "hostile") {
			t.Errorf("%s: error %v", in, err)
		}
	}
	// A direct call may pass bytes that are not JSON.
	for _, in := range []string{``, `"hostile`, `hostile`, `"a" "b"`} {
		var text payack.Text
		err := text.UnmarshalJSON([]byte(in))
		if !errors.Is(err, payack.ErrMalformed) || strings.Contains(err.Error(), "hostile") {
			t.Errorf("%s: error %v", in, err)
		}
	}
}
