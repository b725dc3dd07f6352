package inbox

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"

	"github.com/payack/payack"
)

// kept is a row of the same event and fingerprint that was there before.
type kept struct {
	id     int64
	k      []byte
	state  int
	slot   []byte
	sender string
	reason string
}

func (k kept) waits() bool { return k.state == pending || k.state == running }

// unconfirmed reports whether the provider has refuted it. Its reason stands until
// another attempt has ended.
func (k kept) unconfirmed() bool { return k.reason == string(payack.ReasonUnconfirmed) }

// verdict says what follows for a receipt from the rows that were there before.
type verdict struct {
	// end is the answer where nothing is to be written: ClaimDone, ClaimWaits,
	// ClaimBusy or ClaimConflict.
	end payack.ClaimState
	// aside reports that a new row is kept for a person, and not processed.
	aside bool
	// revive is the row that becomes due again; 0 is a new row.
	revive int64
	slot   []byte
	// giveWay reports that refuted copies are no dead letters any more, and drop
	// names those for which there is no room.
	giveWay bool
	drop    []int64
}

// judge decides about a receipt whose event is not done. The rules:
//
//   - What waits in the same variant, and what a person or a later event has
//     settled, is a duplicate.
//   - A dead letter becomes due again, in its own variant.
//   - Another variant gets a row of its own: one that waits for each sender, and
//     max of them together. Those of allowed addresses, and what is asked about
//     by nothing unsigned, need no place among them.
//   - What the provider refuted gives way to another variant. Sent again it is asked
//     about again, by and by, and meanwhile takes none of the places of those that
//     were not asked about yet.
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

// places returns the first of the max places that a row may take when it is to be
// tried again: those of refuted copies are apart.
func places(row kept, max int) int {
	if row.unconfirmed() {
		return max
	}
	return 0
}

// freeSlot returns the first of n places that is free, nil where none is.
func freeSlot(r *receipt, from, n int, taken map[string]bool) []byte {
	for place := from; place < from+n; place++ {
		if slot := slotOf(r, place); !taken[string(slot)] {
			return slot
		}
	}
	return nil
}

// slotOf is one of the places for variants of an event that wait. Places are
// unique in the table, so that copies that come at the same time can't be more.
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
