package inbox

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/payack/payack"
)

// Filter says which rows are meant: those that fit all of what is set.
type Filter struct {
	// IDs are those of rows.
	IDs      []int64
	States   []State
	Reason   payack.Reason
	Provider payack.Provider
	Receiver string
	OrderID  string
	EventID  string
	// Find is the order, the event, the transaction or the reference.
	Find string
	// From and Before bound the time of the receipt.
	From, Before time.Time
}

// indexed reports whether an index finds the rows that fit, without those that
// don't, and in the order of their IDs.
func (f *Filter) indexed() bool {
	return f.IDs != nil || f.Find != "" || f.OrderID != "" || f.EventID != "" || f.Reason != "" ||
		len(f.States) == 1 && (f.States[0] == Dead || f.States[0] == Running)
}

// where ends a statement with the rows that fit. Scanned says that the rows are gone
// through by their IDs, so that no index on state or time is to be taken.
func (f *Filter) where(cfg *Config, scanned bool) (string, []any, error) {
	conditions, args := []string{"1 = 1"}, []any(nil)
	state, received := "state", "received_us"
	if scanned {
		state, received = "state + 0", "received_us + 0"
	}
	add := func(condition string, value any) {
		conditions, args = append(conditions, condition), append(args, value)
	}
	if f.IDs != nil {
		list := []string{"0"} // which no row has
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
			conditions = append(conditions, state+" = "+list[0]) // as its partial index has it
		} else {
			conditions = append(conditions, state+" IN ("+strings.Join(list, ", ")+")")
		}
	}
	for _, c := range []struct{ column, value string }{
		{"reason", string(f.Reason)}, {"provider", string(f.Provider)}, {"receiver", f.Receiver},
		{"order_id", readable(f.OrderID, 512)}, {"event_id", readable(f.EventID, 512)},
	} {
		if c.value != "" {
			add(c.column+" = ?", c.value)
		}
	}
	if f.Reason != "" {
		conditions = append(conditions, "reason <> ''") // as its partial index has it
	}
	if find := readable(f.Find, 512); find != "" {
		// One look into each index, whatever else is asked for.
		table := cfg.Prefix + "inbox"
		conditions = append(conditions, "id IN (SELECT id FROM "+table+" WHERE order_id = ? UNION SELECT id FROM "+table+" WHERE event_id = ?"+
			" UNION SELECT id FROM "+table+" WHERE transaction_id = ? AND transaction_id <> '' UNION SELECT id FROM "+table+" WHERE reference = ? AND reference <> '')")
		args = append(args, find, find, find, find)
	}
	if !f.From.IsZero() {
		add(received+" >= ?", f.From.UnixMicro())
	}
	if !f.Before.IsZero() {
		add(received+" < ?", f.Before.UnixMicro())
	}
	return strings.Join(conditions, " AND "), args, nil
}
