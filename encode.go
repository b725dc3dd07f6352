package payack

import (
	"encoding/json"
	"fmt"
	"reflect"
)

// encodingVersion is that of the form that [EncodeEvent] writes.
const encodingVersion = 1

// encodedEvent is an event with what its own JSON form leaves out.
type encodedEvent struct {
	Version   int      `json:"v"`
	Provider  Provider `json:"provider"`
	Tenant    string   `json:"tenant,omitempty"`
	Scheme    Scheme   `json:"scheme"`
	Key       int      `json:"key"`
	Signature string   `json:"signature"`
	// Amounts holds, by the field's name, both texts of each amount whose signed
	// text is not the literal.
	Amounts map[string]encodedAmount `json:"amounts,omitempty"`
	Event   json.RawMessage          `json:"event"`
}

type encodedAmount struct {
	Literal Text   `json:"literal"`
	Signed  string `json:"signed"`
}

// kinds makes an empty event of each provider.
var kinds = map[Provider]func() Event{
	Ptop:    func() Event { return new(PtopEvent) },
	PTS:     func() Event { return new(PTSEvent) },
	Payatom: func() Event { return new(PayatomEvent) },
}

// EncodeEvent returns an event as JSON with all of how it was verified, so that
// [DecodeEvent] returns an event with the same ID, fingerprint and contents.
// What was found by asking (Found) is left out: ask again.
//
// The result holds the signature that was received. It may hold U+0000 as an
// escape, which text and JSON columns of some databases refuse: keep it as
// bytes.
func EncodeEvent(ev Event) ([]byte, error) {
	v := reflect.ValueOf(ev)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return nil, fmt.Errorf("payack: EncodeEvent: the event is nil; give one that was verified")
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

// signedApart returns the amounts of an event whose signed text is not the
// literal.
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

// DecodeEvent reads what [EncodeEvent] wrote. The error is [ErrMalformed] for
// anything else, a form that a newer version of this module wrote included.
// Nothing is verified: whoever can write what is decoded can make any event.
func DecodeEvent(encoded []byte) (Event, error) {
	fail := func(what string) (Event, error) {
		return nil, fmt.Errorf("payack: DecodeEvent: %s: %w", what, ErrMalformed)
	}
	var e encodedEvent
	if json.Unmarshal(encoded, &e) != nil {
		return fail("it is not an encoded event")
	}
	if e.Version != encodingVersion {
		return fail(fmt.Sprintf("the form has version %d and this module reads version %d; a newer one wrote it", e.Version, encodingVersion))
	}
	make, known := kinds[e.Provider]
	if !known {
		return fail("the provider is not known to this version")
	}
	ev := make()
	if len(e.Event) == 0 || json.Unmarshal(e.Event, ev) != nil {
		return fail("its event can't be read")
	}
	ev.(interface{ restore(Verification) }).restore(Verification{Tenant: e.Tenant, Scheme: e.Scheme, Key: e.Key, Signature: e.Signature})
	fields := reflect.ValueOf(ev).Elem()
	for name, amount := range e.Amounts {
		field := fields.FieldByName(name)
		if !field.IsValid() || field.Type() != reflect.TypeFor[Amount]() {
			return fail("it has an amount that its event has not")
		}
		field.Set(reflect.ValueOf(AmountOf(amount.Literal).Signed(amount.Signed)))
	}
	return ev, nil
}
