package payack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"unicode/utf8"
)

// encodingVersion is the version of the encoding that [EncodeEvent] writes.
const encodingVersion = 1

// ErrNewer means that a newer version of this module encoded the event.
// [DecodeEvent] returns it together with [ErrMalformed]. Keep the bytes for a
// process with that version.
var ErrNewer = errors.New("payack: encoded by a newer version")

// encodedEvent is an event together with the data that the event's JSON form omits.
type encodedEvent struct {
	Version   int      `json:"v"`
	Provider  Provider `json:"provider"`
	Tenant    string   `json:"tenant,omitempty"`
	Scheme    Scheme   `json:"scheme"`
	Key       int      `json:"key"`
	Signature string   `json:"signature"`
	// Amounts holds both texts of each amount whose signed text is not the literal.
	// The key is the name of the amount's field.
	Amounts map[string]encodedAmount `json:"amounts,omitempty"`
	Event   json.RawMessage          `json:"event"`
}

type encodedAmount struct {
	Literal Text   `json:"literal"`
	Signed  string `json:"signed"`
}

// kinds maps each provider to the type of its events.
var kinds = map[Provider]reflect.Type{
	Ptop:    reflect.TypeOf((*PtopEvent)(nil)),
	PTS:     reflect.TypeOf((*PTSEvent)(nil)),
	Payatom: reflect.TypeOf((*PayatomEvent)(nil)),
}

// EncodeEvent returns an event as JSON, together with how it was verified.
// [DecodeEvent] returns an event with the same ID, fingerprint and contents, but
// without Findings: ask the provider and your records again.
//
// Store the result as bytes. The result holds the received signature. It may also
// hold the escape of U+0000. Text and JSON columns of some databases refuse this
// escape.
//
// EncodeEvent returns an error for a nil event, for a type that does not belong to
// this package, and for contents that JSON can't hold, such as text that is not
// UTF-8. A verified event never causes an error.
func EncodeEvent(ev Event) ([]byte, error) {
	v := reflect.ValueOf(ev)
	if !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, errors.New("payack: EncodeEvent: the event is nil; give one that was verified")
	}
	if !isKind(v.Type()) {
		return nil, fmt.Errorf("payack: EncodeEvent: a %T is not an event of this package; give the event itself, not a type made of it", ev)
	}
	if err := encodable(v.Elem(), true); err != nil {
		return nil, fmt.Errorf("payack: EncodeEvent: %w", err)
	}
	event, err := json.Marshal(ev)
	if err != nil {
		return nil, fmt.Errorf("payack: EncodeEvent: %w", err)
	}
	by := ev.VerifiedBy()
	return json.Marshal(encodedEvent{
		Version: encodingVersion, Provider: ev.Provider(),
		Tenant: by.Tenant, Scheme: by.Scheme, Key: by.Key, Signature: by.Signature,
		Amounts: signedApart(v.Elem()), Event: event,
	})
}

func isKind(t reflect.Type) bool {
	for _, kind := range kinds {
		if kind == t {
			return true
		}
	}
	return false
}

// encodable returns an error if v would change by encoding and decoding. top says
// that v is the event itself: the signed texts of its amounts are encoded, too.
func encodable(v reflect.Value, top bool) error {
	switch v.Kind() {
	case reflect.String:
		if !utf8.ValidString(v.String()) {
			return errors.New("a text of the event is not UTF-8")
		}
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Field(i)
			if field.Type() == reflect.TypeFor[Findings]() {
				continue // findings are never encoded
			}
			if field.Type() == reflect.TypeFor[Amount]() && !top && field.Interface().(Amount).signed != "" {
				return errors.New("an unsigned amount has a signed text")
			}
			if err := encodable(field, false); err != nil {
				return err
			}
		}
	case reflect.Map:
		for members := v.MapRange(); members.Next(); {
			if text, ok := members.Value().Interface().(Text); ok && text.IsZero() {
				return errors.New("a member of Extra is absent; delete it from the map")
			}
			if err := errors.Join(encodable(members.Key(), false), encodable(members.Value(), false)); err != nil {
				return err
			}
		}
	}
	return nil
}

// signedApart returns those amounts of an event that have a signed text other than
// their literal, keyed by the names of their fields.
func signedApart(event reflect.Value) map[string]encodedAmount {
	var apart map[string]encodedAmount
	for i := range event.NumField() {
		amount, ok := event.Field(i).Interface().(Amount)
		if !ok || amount.signed == "" {
			continue
		}
		if apart == nil {
			apart = map[string]encodedAmount{}
		}
		apart[event.Type().Field(i).Name] = encodedAmount{Literal: amount.text, Signed: amount.signed}
	}
	return apart
}

// DecodeEvent returns the event that [EncodeEvent] encoded. Any other input is an
// error that matches [ErrMalformed]; the encoding of a newer version of this module
// matches [ErrNewer] as well.
//
// DecodeEvent verifies nothing. Decode only what you have stored yourself: anybody
// who can write the bytes can make any event.
func DecodeEvent(encoded []byte) (Event, error) {
	fail := func(what string) (Event, error) {
		return nil, fmt.Errorf("payack: DecodeEvent: %s: %w", what, ErrMalformed)
	}
	var e encodedEvent
	if !utf8.Valid(encoded) || json.Unmarshal(encoded, &e) != nil || repeatsName(encoded) {
		return fail("it is not an encoded event")
	}
	if e.Version > encodingVersion {
		return nil, fmt.Errorf("payack: DecodeEvent: a newer version of this module wrote it, in form %d; this one reads form %d: %w (%w)",
			e.Version, encodingVersion, ErrMalformed, ErrNewer)
	}
	kind, known := kinds[e.Provider]
	switch {
	case e.Version != encodingVersion:
		return fail("it names no version of the encoding")
	case !known:
		return fail("the provider is not known to this version")
	case len(e.Event) == 0 || e.Event[0] != '{': // encoding/json decodes null without an error
		return fail("it has no event")
	}
	ev := reflect.New(kind.Elem()).Interface().(Event)
	if json.Unmarshal(e.Event, ev) != nil {
		return fail("its event can't be read")
	}
	ev.restore(Verification{Tenant: e.Tenant, Scheme: e.Scheme, Key: e.Key, Signature: e.Signature})
	fields := reflect.ValueOf(ev).Elem()
	for name, texts := range e.Amounts {
		field := fields.FieldByName(name)
		if !field.IsValid() || field.Type() != reflect.TypeFor[Amount]() {
			return fail("it has an amount that is not a member of its event")
		}
		amount := AmountOf(texts.Literal).Signed(texts.Signed)
		if shown := field.Interface().(Amount); amount.signed == "" || amount.Text() != shown.text {
			return fail("the two texts of an amount contradict each other")
		}
		field.Set(reflect.ValueOf(amount))
	}
	return ev, nil
}

// repeatsName reports whether any object in a JSON text has the same name twice.
func repeatsName(text []byte) bool {
	type level struct {
		names  map[string]bool // nil in an array
		isName bool            // the next token is a name
	}
	var levels []level
	tokens := json.NewDecoder(bytes.NewReader(text))
	tokens.UseNumber()
	for {
		token, err := tokens.Token()
		if err != nil {
			return false // the end of the text, since the text is valid JSON
		}
		switch token {
		case json.Delim('{'):
			levels = append(levels, level{map[string]bool{}, true})
			continue
		case json.Delim('['):
			levels = append(levels, level{})
			continue
		case json.Delim('}'), json.Delim(']'):
			levels = levels[:len(levels)-1]
		}
		if len(levels) == 0 {
			continue
		}
		in := &levels[len(levels)-1]
		if in.isName {
			name := token.(string)
			if in.names[name] {
				return true
			}
			in.names[name], in.isName = true, false
			continue
		}
		in.isName = in.names != nil
	}
}
