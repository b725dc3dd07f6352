package inbox

import (
	"bytes"
	"encoding/hex"
	"encoding/json"

	"github.com/payack/payack"
)

// kind says by what copies of one event, of the same identity and fingerprint, are
// told apart.
type kind int

const (
	// single: by nothing. There is one row.
	single kind = iota
	// asked: by the unsigned handle that Confirm asks by. Which is genuine the
	// provider says.
	asked
	// detailed: by unsigned details that may make another event of it, such as
	// those of a second partial refund. The first is processed, and the others are
	// kept for a person.
	detailed
	// ruled: by all that they say. A rule of the merchant's own refused it, and may
	// take another copy, or be changed.
	ruled
)

// kindOf returns the kind of a receipt, and what tells it apart from others.
func kindOf(r *payack.Receipt) (k kind, variant string, err error) {
	switch d := r.Delivery; {
	case d.Invalid != "" && d.OwnRule:
		contents, err := json.Marshal(d.Event) // without the signature, which a sender may renew
		return ruled, hex.EncodeToString(digest(string(contents))), err
	case d.Invalid != "": // whatever its copies say
		return single, "", nil
	case r.Variant != "":
		return asked, r.Variant, nil
	case r.Details != "":
		return detailed, r.Details, nil
	}
	return single, "", nil
}

// judgeDetailed decides about a receipt with unsigned details. What comes while the
// event waits with others, or after it was done with others, is kept for a person,
// in one of max places; from allowed addresses always. A first one that is a dead
// letter becomes due again, or gives way to others.
func judgeDetailed(r *receipt, rows []kept, max int) verdict {
	var v verdict
	first := r.differs // there is one with other details that was processed, or will be
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
		case row.waits(), settled && row.reason != string(payack.ReasonConflict): // which was kept for a person
			first = true
		}
		if row.slot != nil {
			taken[string(row.slot)] = true
		}
	}
	if !first {
		v.slot = slotOf(r, 0) // of two that come at the same time one is the first
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

// judgeRuled decides about a receipt that a rule of the merchant's own refused. Of
// those that say different things max are kept, dead ones included; from allowed
// addresses any number.
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
