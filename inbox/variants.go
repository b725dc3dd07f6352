package inbox

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"

	"github.com/payack/payack"
)

// kept is an existing row with the event and fingerprint of a receipt.
type kept struct {
	id     int64
	k      []byte
	state  int
	slot   []byte
	sender string
	reason string
}

func (k kept) waits() bool { return k.state == pending || k.state == running }

// unconfirmed reports whether the provider has refuted the copy. A row keeps its
// reason until another attempt has ended.
func (k kept) unconfirmed() bool { return k.reason == string(payack.ReasonUnconfirmed) }

// verdict is the decision about a receipt, given the existing rows.
type verdict struct {
	// end is the answer if nothing is written: ClaimDone, ClaimWaits, ClaimBusy
	// or ClaimConflict.
	end payack.ClaimState
	// aside means that a new row is kept for a person, and not processed.
	aside bool
	// revive is the ID of the row that becomes due again; 0 means a new row.
	revive int64
	slot   []byte
	// giveWay says that dead letters which the provider refuted must change to
	// the state refuted. drop lists the oldest rows in the state refuted, those
	// that exceed Config.MaxVariants.
	giveWay bool
	drop    []int64
}

// judge decides about a receipt, given the rows of its event. For the kinds
// detailed and ruled it calls judgeDetailed and judgeRuled. The rules for the
// other kinds:
//
//   - A variant is a duplicate if it waits already, or if a person closed it or a
//     later event superseded it. Every variant is a duplicate if a row of the
//     event is done.
//   - A dead letter becomes due again when its own variant is delivered.
//   - Another variant gets a row of its own. At most one variant of each sender
//     waits, and at most max variants in all. There is no bound for variants from
//     allowed addresses, and for events without an unsigned handle.
//   - A dead letter that the provider refuted changes to the state refuted when
//     another variant is kept. If a refuted variant is delivered again, the
//     provider is asked again. Refuted variants have places of their own, so they
//     take none from variants that the provider was not asked about yet.
func judge(r *receipt, rows []kept, max int) verdict {
	switch r.kind {
	case detailed:
		return judgeDetailed(r, rows, max)
	case ruled:
		return judgeRuled(r, rows, max)
	}
	var v verdict
	sameSender, from := false, 0
	taken := map[string]bool{}
	var gone []int64
	for _, row := range rows {
		same := bytes.Equal(row.k, r.k)
		switch {
		case row.state == done:
			return verdict{end: payack.ClaimDone}
		case same && row.waits():
			return verdict{end: payack.ClaimWaits}
		case same && (row.state == superseded || row.state == closed):
			return verdict{end: payack.ClaimDone}
		case same: // dead, or refuted
			v.revive, from = row.id, places(row, max)
		case row.waits():
			sameSender = sameSender || row.slot != nil && row.sender == r.sender && !row.unconfirmed()
		case row.state == dead && row.unconfirmed():
			v.giveWay = true
		}
		if row.slot != nil {
			taken[string(row.slot)] = true
		}
		if row.state == refuted && !same {
			gone = append(gone, row.id)
		}
	}
	if n := len(gone) - max; n > 0 {
		v.drop = gone[:n]
	}
	if r.allowed || r.kind == single {
		return v
	}
	if sameSender && from == 0 {
		return verdict{end: payack.ClaimBusy}
	}
	if v.slot = freeSlot(r, from, max, taken); v.slot == nil {
		return verdict{end: payack.ClaimBusy}
	}
	return v
}

// places returns the number of the first place for a row that becomes due again.
// The row may take one of max places from there on. Refuted copies have places of
// their own.
func places(row kept, max int) int {
	if row.unconfirmed() {
		return max
	}
	return 0
}

// freeSlot returns the slot of the first free place among n places beginning at
// from, nil if none is free.
func freeSlot(r *receipt, from, n int, taken map[string]bool) []byte {
	for place := from; place < from+n; place++ {
		if slot := slotOf(r, place); !taken[string(slot)] {
			return slot
		}
	}
	return nil
}

// slotOf returns the key of one of the event's places for copies. Slots are
// unique in the table, so not even concurrent receipts can exceed the bound.
func slotOf(r *receipt, place int) []byte {
	h := sha256.New()
	h.Write(r.event)
	h.Write(r.fingerprint)
	_ = binary.Write(h, binary.BigEndian, int64(place))
	return h.Sum(nil)
}

func scanKept(rows *sql.Rows) (out []kept, err error) {
	defer rows.Close()
	for rows.Next() {
		var k kept
		if err := rows.Scan(&k.id, &k.k, &k.state, &k.slot, &k.sender, &k.reason); err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	return out, rows.Err()
}
