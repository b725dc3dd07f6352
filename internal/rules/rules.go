// Package rules configures validator/v10 with payack's types and the tags of its
// events, so that rules are written once, as struct tags.
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

// NewValidator returns a validator with the tags of payack's events. Texts and
// amounts are validated as strings; absent and null ones are empty.
//
//	amount             a number within the bounds of [payack.Amount]
//	pts_accept_amount  above zero if the event is paid, otherwise empty or a number
//	payatom_amount     a plain decimal, above zero if the event is paid; empty only if nothing was paid or refunded
//	payatom_status     begins with an ASCII letter
//	payatom_order_id   1 to 63 bytes
//	amount_eq, …       the tags that [Amount] returns
func NewValidator() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterCustomTypeFunc(func(field reflect.Value) any {
		if amount, ok := field.Interface().(payack.Amount); ok {
			return amount.SignedText() // an amount's value is that of its signed text
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
			panic(err) // unreachable: the names are valid tags
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

// byValue has the comparing tags for amounts. validator/v10 itself would compare the
// length of the text.
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

// Amount translates the tags of a rule for an amount into tags that compare by
// value. A tag that has no meaning for an amount, and a bound that is not a number, are
// errors.
func Amount(tags string) (string, error) {
	parts := strings.FieldsFunc(tags, func(r rune) bool { return r == ',' || r == '|' })
	for _, part := range parts {
		name, bound, _ := strings.Cut(part, "=")
		switch {
		case name == "required", name == "omitempty", name == "amount":
		case byValue[name] == nil:
			return "", fmt.Errorf("the tag %q has no meaning for an amount; use required, omitempty, eq, ne, gt, gte, lt or lte", name)
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

// AsWritten reverses [Amount] for one tag.
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
