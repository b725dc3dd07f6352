package inbox

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/payack/payack"
)

// Filter selects rows: those that match every member that is set.
type Filter struct {
	// IDs are the IDs of rows.
	IDs      []int64
	States   []State
	Reason   payack.Reason
	Provider payack.Provider
	Receiver string
	OrderID  string
	EventID  string
	// Find matches the ID of an order, event or transaction, or a reference.
	Find string
	// From and Before bound the time of the receipt: From inclusive, Before
	// exclusive.
	From, Before time.Time
}

// indexed reports whether an index finds the rows that match one member of the
// filter, in the order of their IDs.
func (f *Filter) indexed() bool {
	return f.IDs != nil || f.Find != "" || f.OrderID != "" || f.EventID != "" || f.Reason != "" ||
		len(f.States) == 1 && (f.States[0] == Dead || f.States[0] == Running)
}

// few reports whether to use the index on the state. The states pending, dead and
// running have few rows and an index.
func (f *Filter) few() bool {
	return len(f.States) == 1 && (f.States[0] == Pending || f.States[0] == Dead || f.States[0] == Running)
}

// where returns the condition that the matching rows meet, and its arguments.
// scanned means that the statement walks the rows by ID, so it must use no index
// on state or time.
func (f *Filter) where(cfg *Config, scanned bool) (string, []any, error) {
	conditions, args := []string{"1 = 1"}, []any(nil)
	state, received := "state", "received_us"
	switch {
	case scanned:
		state, received = "state + 0", "received_us + 0"
	case f.few():
		received = "received_us + 0" // the index on the state finds fewer rows than the index on the time
	}
	add := func(condition string, value any) {
		conditions, args = append(conditions, condition), append(args, value)
	}
	if f.IDs != nil {
		list := []string{"0"} // an ID that no row has
		for _, id := range f.IDs {
			list = append(list, strconv.FormatInt(id, 10))
		}
		conditions = append(conditions, "id IN ("+strings.Join(list, ", ")+")")
	}
	if len(f.States) > 0 {
		var list []string
		for _, s := range f.States {
			n := stateNumber(s)
			if n == 0 {
				return "", nil, fmt.Errorf("inbox: Filter.States has %.20q; give states of this package", s)
			}
			list = append(list, fmt.Sprint(n))
		}
		if len(list) == 1 {
			conditions = append(conditions, state+" = "+list[0]) // the form that the partial index needs
		} else {
			conditions = append(conditions, state+" IN ("+strings.Join(list, ", ")+")")
		}
	}
	for _, c := range []struct{ column, value string }{
		{"reason", string(f.Reason)}, {"provider", string(f.Provider)}, {"receiver", f.Receiver}, {"order_id", f.OrderID},
	} {
		if text := readable(c.value, 512); text != "" { // databases refuse what is no text
			add(c.column+" = ?", text)
		}
	}
	if id := readable(f.EventID, 512); id != "" {
		payments, values := paymentsOf(id)
		conditions, args = append(conditions, payments+" AND event_id = ?"), append(append(args, values...), id)
	}
	if f.Reason != "" {
		conditions = append(conditions, "reason <> ''") // the form that the partial index needs
	}
	if find := readable(f.Find, 512); find != "" {
		condition, values := found(cfg.Prefix+"inbox", find)
		conditions, args = append(conditions, condition), append(args, values...)
	}
	if !f.From.IsZero() {
		add(received+" >= ?", f.From.UnixMicro())
	}
	if !f.Before.IsZero() {
		add(received+" < ?", f.Before.UnixMicro())
	}
	return strings.Join(conditions, " AND "), args, nil
}

// found returns the condition for Filter.Find. Each part of it uses an index of
// its own, whatever the other members of the filter select.
func found(table, name string) (condition string, args []any) {
	payments, args := paymentsOf(name)
	parts := []string{payments + " AND event_id = ?", "order_id = ?", "transaction_id = ? AND transaction_id <> ''", "reference = ? AND reference <> ''"}
	for i, p := range parts {
		parts[i] = "SELECT id FROM " + table + " WHERE " + p
		args = append(args, name)
	}
	return "id IN (" + strings.Join(parts, " UNION ") + ")", args
}

// maxParts bounds how many parts an event's identity may have.
const maxParts = 16

// paymentsOf returns a condition on the indexed column payment for an event's
// identity. An event's identity begins with the identity of its payment, and a
// separator follows. So the condition lists each beginning that ends before a
// separator. The condition misses an event whose identity was too long: this
// identity is a digest, and does not begin with the payment's identity.
func paymentsOf(eventID string) (condition string, args []any) {
	for i, c := range eventID {
		if c == ':' && len(args) < maxParts {
			args = append(args, digest(eventID[:i]))
		}
	}
	args = append(args, digest(eventID))
	return "payment IN (?" + strings.Repeat(", ?", len(args)-1) + ")", args
}
