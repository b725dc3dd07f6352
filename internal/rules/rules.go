// Package rules has validator/v10 know payack's types and the tags of its
// events, so that rules are written once, as tags.
package rules

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/go-playground/validator/v10"
	"github.com/shopspring/decimal"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/payatom"
)

// NewValidator returns a validator that knows the tags of payack's events:
// amount, pts_accept_amount, payatom_amount, payatom_status and
// payatom_order_id. Texts and amounts are validated as strings, absent and null
// ones as empty.
func NewValidator() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterCustomTypeFunc(func(field reflect.Value) any {
		if amount, ok := field.Interface().(payack.Amount); ok {
			return amount.SignedText() // whose value it has
		}
		return field.Interface().(fmt.Stringer).String()
	}, payack.Text{}, payack.Amount{})
	tags := map[string]validator.Func{
		"amount":            func(fl validator.FieldLevel) bool { return payack.NewAmount(fl.Field().String()).Valid() },
		"payatom_status":    func(fl validator.FieldLevel) bool { return payatom.Status(fl.Field().String()) },
		"payatom_order_id":  func(fl validator.FieldLevel) bool { return payatom.OrderID(fl.Field().String()) },
		"payatom_amount":    payatomAmount,
		"pts_accept_amount": ptsAcceptAmount,
	}
	for name, how := range byValue {
		tags[valuePrefix+name] = compares(how)
	}
	for tag, fn := range tags {
		if err := v.RegisterValidation(tag, fn, true); err != nil {
			panic(err) // a name that is no tag
		}
	}
	return v
}

func payatomAmount(fl validator.FieldLevel) bool {
	ev, ok := reflect.Indirect(fl.Parent()).Interface().(payack.PayatomEvent)
	if !ok {
		return false
	}
	refund := ev.Status == payack.PayatomRefundInitiated || ev.Status == payack.PayatomRefundCompleted
	if text := ev.ReceivedAmount.Literal(); text != "" {
		return payatom.Amount(text) && ev.ReceivedAmount.Valid() && (!ev.Paid() || above0(ev.ReceivedAmount))
	}
	return !ev.Paid() && !refund
}

func ptsAcceptAmount(fl validator.FieldLevel) bool {
	ev, ok := reflect.Indirect(fl.Parent()).Interface().(payack.PTSEvent)
	switch {
	case !ok:
		return false
	case ev.Paid():
		return above0(ev.AcceptAmount)
	}
	return ev.AcceptAmount.IsEmpty() || ev.AcceptAmount.Valid()
}

func above0(a payack.Amount) bool {
	d, err := a.Decimal()
	return err == nil && d.IsPositive()
}

// byValue is what the tags that compare mean for an amount: its value, where
// validator/v10 would compare the length of its text.
var byValue = map[string]func(amount, bound decimal.Decimal) bool{
	"eq":  decimal.Decimal.Equal,
	"ne":  func(a, b decimal.Decimal) bool { return !a.Equal(b) },
	"gt":  decimal.Decimal.GreaterThan,
	"gte": decimal.Decimal.GreaterThanOrEqual,
	"min": decimal.Decimal.GreaterThanOrEqual,
	"lt":  decimal.Decimal.LessThan,
	"lte": decimal.Decimal.LessThanOrEqual,
	"max": decimal.Decimal.LessThanOrEqual,
}

const valuePrefix = "amount_"

// Amount returns the tags of a rule for an amount so that they compare by value.
// The error names a tag that means nothing for an amount, or a bound that is no
// number.
func Amount(tags string) (string, error) {
	parts := strings.FieldsFunc(tags, func(r rune) bool { return r == ',' || r == '|' })
	for _, part := range parts {
		name, bound, _ := strings.Cut(part, "=")
		switch {
		case name == "required", name == "omitempty", name == "amount":
		case byValue[name] == nil:
			return "", fmt.Errorf("the tag %q says nothing of an amount's value; use required, omitempty, eq, ne, gt, gte, lt or lte", name)
		case !payack.NewAmount(bound).Valid():
			return "", fmt.Errorf("the bound of %q is no number", part)
		}
	}
	var out strings.Builder
	for tags != "" {
		end := strings.IndexAny(tags, ",|")
		part := tags
		if end >= 0 {
			part = tags[:end]
		}
		if name, _, _ := strings.Cut(part, "="); byValue[name] != nil {
			out.WriteString(valuePrefix)
		}
		out.WriteString(part)
		if end < 0 {
			break
		}
		out.WriteByte(tags[end])
		tags = tags[end+1:]
	}
	return out.String(), nil
}

// AsWritten returns the tag that [Amount] was given for one of its own.
func AsWritten(tag string) string { return strings.ReplaceAll(tag, valuePrefix, "") }

func compares(how func(amount, bound decimal.Decimal) bool) validator.Func {
	return func(fl validator.FieldLevel) bool {
		amount, err := payack.NewAmount(fl.Field().String()).Decimal()
		if err != nil {
			return false
		}
		bound, err := payack.NewAmount(fl.Param()).Decimal()
		return err == nil && how(amount, bound)
	}
}
