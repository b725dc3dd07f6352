package middleware

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/go-playground/validator/v10"

	"github.com/payack/payack"
	eventrules "github.com/payack/payack/internal/rules"
)

// rules holds the merchant's own rules; nil means none. The rules of the event
// types are not here: their Check methods implement them, and a test compares these
// methods with the types' tags.
type rules struct{ v *validator.Validate }

// newRules checks that every rule can be applied, so that a wrong one is found
// before serving.
func newRules(zero payack.Event, fields map[string]string) (r *rules, err error) {
	if len(fields) == 0 {
		return nil, nil
	}
	t := reflect.TypeOf(zero).Elem()
	defer func() {
		if p := recover(); p != nil { // validator/v10 panics for a tag that it doesn't know or can't apply
			r, err = nil, fmt.Errorf("payack: Validate: %v; see validator/v10's list of tags", p)
		}
	}()
	tags := make(map[string]string, len(fields))
	for name, tag := range fields {
		field, found := t.FieldByName(name)
		if !found || len(field.Index) != 1 {
			return nil, fmt.Errorf("payack: Validate: %s has no field %q; its fields are %s", t.Name(), name, fieldNames(t))
		}
		if field.Type == reflect.TypeFor[payack.Amount]() {
			if tag, err = eventrules.Amount(tag); err != nil {
				return nil, fmt.Errorf("payack: Validate: %s: %w", name, err)
			}
		}
		if field.Type.Kind() == reflect.String || field.Type == reflect.TypeFor[payack.Text]() {
			if part, found := comparison(tag); found {
				return nil, fmt.Errorf("payack: Validate: %s: %q would compare lengths, because %s is a text; write min, max or len for lengths, oneof for values", name, part, name)
			}
		}
		tags[name] = tag
		// compile checks an empty event, and validator/v10 reads no further than the
		// first part that the event breaks. So compile each part alone, too.
		for _, part := range strings.Split(tag, ",") {
			if strings.Contains(part, "=") && !strings.Contains(tag, "dive") {
				compile(t, map[string]string{name: part})
			}
		}
	}
	return &rules{v: compile(t, tags)}, nil
}

// comparison returns the first part of a tag that compares with a number.
func comparison(tag string) (part string, found bool) {
	for _, part := range strings.Split(tag, ",") {
		switch name, _, _ := strings.Cut(part, "="); name {
		case "gt", "gte", "lt", "lte":
			return part, true
		}
	}
	return "", false
}

// compile returns a validator for the merchant's rules in tags only. They replace
// the struct tags of the event type, which Event.Check implements. If the two were
// joined, an omitempty in one could switch off the other. A validator keeps one set
// of rules for each type, so every set needs a validator of its own.
func compile(t reflect.Type, tags map[string]string) *validator.Validate {
	v := eventrules.NewValidator()
	v.RegisterStructValidationMapRules(tags, reflect.New(t).Elem().Interface())
	_ = v.Struct(reflect.New(t).Interface())
	return v
}

func fieldNames(t reflect.Type) string {
	var names []string
	for _, f := range reflect.VisibleFields(t) {
		if len(f.Index) == 1 && !f.Anonymous {
			names = append(names, f.Name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// check returns an error that names the first member that breaks a rule, and the
// rule, but not the value.
func (r *rules) check(ev payack.Event) error {
	if r == nil {
		return nil
	}
	err := r.v.Struct(ev)
	var broken validator.ValidationErrors
	switch {
	case err == nil:
		return nil
	case errors.As(err, &broken) && len(broken) > 0:
		return fmt.Errorf("%s breaks the configured rule %q", broken[0].Field(), eventrules.AsWritten(broken[0].Tag()))
	}
	return errors.New("the configured rules can't be applied")
}
