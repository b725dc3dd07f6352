package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-playground/validator/v10"
	"github.com/shopspring/decimal"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/payatom"
)

// encode returns the JSON of a request. encoding/json would replace invalid
// UTF-8, but the rules of requests have already refused such a text.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return nil, errors.New("it can't be written as JSON")
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

const typeJSON = "application/json"

// rules checks requests by the tags of their fields. The package documentation lists
// the words of the tags.
var rules = sync.OnceValue(func() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterCustomTypeFunc(func(field reflect.Value) any {
		return field.Interface().(payack.Amount).String()
	}, payack.Amount{})
	for tag, holds := range map[string]func(string) bool{
		"text":       cleanText,
		"hashable":   payatom.OrderID,
		"secure_url": func(s string) bool { return checkPayURL(s) == nil },
		"positive":   func(s string) bool { return sign(s) > 0 },
		"plain":      plain,
		"six":        func(s string) bool { _, decimals, _ := strings.Cut(s, "."); return plain(s) && len(decimals) <= 6 },
	} {
		if err := v.RegisterValidation(tag, func(fl validator.FieldLevel) bool { return holds(fl.Field().String()) }); err != nil {
			panic(err) // unreachable: the words are valid tags
		}
	}
	return v
})

var fixes = map[string]string{
	"required":   "is empty; give it",
	"text":       "is not UTF-8, or has a control character; leave that out",
	"hashable":   tooLong,
	"positive":   "is not a number above zero; give one such as 100.50",
	"plain":      "is not a plain decimal of at most 18 digits; give one such as 100.50",
	"six":        "is not a plain decimal with at most 6 decimals; give one such as 100.50",
	"secure_url": "is not an absolute https URL; give one (http is for loopback only)",
	"http_url":   "is not an absolute http or https URL; give one",
	"email":      "is not an e-mail address; give one",
	"min":        "is too short",
	"max":        "is too long",
}

// tooLong is the problem of an order_id that is too long for Payatom's hash.
var tooLong = fmt.Sprintf("has %d bytes or more, so that another one may have the same hash; give a shorter one", payatom.MaxOrderID)

// check returns the error of a request that breaks a rule of its type. It names
// the field and the fix, never the value.
func (t *transport) check(name string, request any) *Error {
	err := rules().Struct(request)
	var broken validator.ValidationErrors
	switch {
	case err == nil:
		return nil
	case errors.As(err, &broken) && len(broken) > 0:
		fix, known := fixes[broken[0].Tag()]
		if !known {
			fix = "breaks the rule " + broken[0].Tag()
		}
		if broken[0].Param() != "" {
			fix += " (" + broken[0].Tag() + " " + broken[0].Param() + ")"
		}
		return t.invalid(name, broken[0].Field()+" "+fix)
	}
	return t.invalid(name, "it can't be checked")
}

// foreign refuses additional members under a name that the request already has.
// Names that differ by case count as equal, because the provider's parser may
// treat them as equal.
func (t *transport) foreign(name string, members map[string]string, own ...string) *Error {
	for _, member := range own {
		for given := range members {
			if strings.EqualFold(given, member) {
				return t.invalid(name, "Members has "+member+", which the client sends itself; leave it out")
			}
		}
	}
	return nil
}

func cleanText(s string) bool {
	for _, r := range s {
		if r < 0x20 || r == 0x7f {
			return false
		}
	}
	return utf8.ValidString(s)
}

func plain(s string) bool { return payatom.Amount(s) }

// sign returns the sign of an amount's value, or -2 for a text that is not a number.
func sign(s string) int {
	d, err := payack.NewAmount(s).Decimal()
	if err != nil {
		return -2
	}
	return d.Sign()
}

// atLeast reports whether an amount is a number that is not below least.
func atLeast(a payack.Amount, least int64) bool {
	d, err := a.Decimal()
	return err == nil && d.GreaterThanOrEqual(decimal.NewFromInt(least))
}

// hiddenFormat writes a client's name in place of its fields, which hold secrets.
func hiddenFormat(f fmt.State, name string) { _, _ = io.WriteString(f, "client."+name+"{…}") }
