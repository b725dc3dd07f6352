package inbox

import (
	"bytes"
	"encoding/hex"
	"encoding/json"

	"github.com/payack/payack"
)

// kind says what distinguishes the copies of one event. All copies have the same
// identity and fingerprint.
type kind int

const (
	// single: nothing distinguishes copies, so there is one row.
	single kind = iota
	// asked: the unsigned handle, an identifier that Confirm asks the provider
	// by. The provider's answer shows which copy is genuine.
	asked
	// detailed: unsigned details that may make the copy another event, such as
	// those of a second partial refund. The first copy is processed; others are
	// kept for a person.
	detailed
	// ruled: the whole content. A rule of the merchant's own refused the copy.
	// The rule may accept another copy, or may be changed.
	ruled
)

// kindOf returns the kind of a receipt, and the text that distinguishes it from
// other copies.
func kindOf(r *payack.Receipt) (k kind, variant string, err error) {
	switch d := r.Delivery; {
	case d.Invalid != "" && d.OwnRule:
		contents, err := json.Marshal(d.Event) // without the signature, which a sender may renew
		return ruled, hex.EncodeToString(digest(string(contents))), err
	case d.Invalid != "": // one row, however the copies differ
		return single, "", nil
	case r.Variant != "":
		return asked, r.Variant, nil
	case r.Details != "":
		return detailed, r.Details, nil
	}
	return single, "", nil
}

// judgeDetailed decides about a receipt with unsigned details. If the event waits
// or is done with other details, the receipt is kept for a person, in one of max
// places. Copies from allowed addresses need no place. If the event neither waits
// nor is done with other details, the receipt is kept for processing. If the
// table then has a dead letter with the same details, this row becomes due again
// instead.
func judgeDetailed(r *receipt, rows []kept, max int) verdict {
	var v verdict
	first := r.differs // another copy with other details was or will be processed
	taken := map[string]bool{}
	for _, row := range rows {
		settled := row.state == done || row.state == superseded || row.state == closed
		switch same := bytes.Equal(row.k, r.k); {
		case same && row.waits():
			return verdict{end: payack.ClaimWaits}
		case same && settled:
			return verdict{end: payack.ClaimDone}
		case same:
			v.revive = row.id
		case row.waits(), settled && row.reason != string(payack.ReasonConflict): // not a row that was closed as a conflict: it was only kept for a person
			first = true
		}
		if row.slot != nil {
			taken[string(row.slot)] = true
		}
	}
	if !first {
		v.slot = slotOf(r, 0) // of two concurrent copies only one gets this slot
		return v
	}
	if v.revive != 0 {
		return verdict{end: payack.ClaimConflict}
	}
	if !r.allowed {
		if v.slot = freeSlot(r, 1, max, taken); v.slot == nil {
			return verdict{end: payack.ClaimConflict}
		}
	}
	v.aside = true
	return v
}

// judgeRuled decides about a receipt that a rule of the merchant's own refused.
// It keeps up to max copies with different contents, and dead letters count among
// them. Copies from allowed addresses are not bounded.
func judgeRuled(r *receipt, rows []kept, max int) verdict {
	var v verdict
	there := 0
	taken := map[string]bool{}
	for _, row := range rows {
		switch same := bytes.Equal(row.k, r.k); {
		case same && row.waits():
			return verdict{end: payack.ClaimWaits}
		case same && row.state != dead:
			return verdict{end: payack.ClaimDone}
		case same:
			v.revive = row.id
		case row.waits(), row.state == dead:
			there++
		}
		if row.slot != nil {
			taken[string(row.slot)] = true
		}
	}
	if r.allowed {
		return v
	}
	v.slot = freeSlot(r, 0, max, taken)
	if v.slot == nil || v.revive == 0 && there >= max {
		return verdict{end: payack.ClaimBusy}
	}
	return v
}
