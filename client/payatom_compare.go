package client

import (
	"iter"

	"github.com/shopspring/decimal"

	"github.com/payack/payack"
)

// PayatomBooks are the merchant's own records of a day, to be compared with
// Payatom's.
type PayatomBooks struct {
	// Records gives each record once, in any order. An error ends the comparison
	// and is passed on.
	Records iter.Seq2[PayatomRecord, error]
	// MinorDigits is how many digits the amounts of Payatom's list must be shifted
	// by to be in the unit of the records: 2 where the list is in paise and the
	// records are in rupees. Which of the two it is is unconfirmed (the documents
	// say the smallest unit, and their examples look like whole ones); 0 takes both
	// as they are. A wrong choice shows in every row.
	MinorDigits int
}

// PayatomRecord is what the merchant's books say about one order.
type PayatomRecord struct {
	OrderID string
	// Amount is what came in, or was paid out, by the books; empty is nothing.
	Amount payack.Amount
	// Status is the books' own. Approved and Late Approved are the same.
	Status payack.PayatomStatus
}

// PayatomDifferenceKind says in what two books differ.
type PayatomDifferenceKind string

// The kinds.
const (
	// PayatomMissingHere: Payatom lists an order that the merchant's records don't.
	PayatomMissingHere PayatomDifferenceKind = "missing here"
	// PayatomMissingThere: the merchant has a record that Payatom doesn't list.
	PayatomMissingThere PayatomDifferenceKind = "missing there"
	// PayatomOtherAmount: the amounts differ by value, or the listed one is none.
	PayatomOtherAmount PayatomDifferenceKind = "other amount"
	// PayatomOtherStatus: the statuses differ.
	PayatomOtherStatus PayatomDifferenceKind = "other status"
	// PayatomListedTwice: Payatom lists the order again. Row is the later one; each
	// is compared.
	PayatomListedTwice PayatomDifferenceKind = "listed twice"
)

// PayatomDifference is one difference between the books. An order may have several.
// What Payatom lists is not signed.
type PayatomDifference struct {
	Kind PayatomDifferenceKind
	// OrderID is the order's, as the list or the record has it.
	OrderID string
	// Row is Payatom's, nil where it is missing there. It is not authenticated: ask
	// by StatusPolling before money moves.
	Row *PayatomUnsignedRow
	// Record is the merchant's, nil where it is missing here.
	Record *PayatomRecord
}

// Compare returns an iterator over the differences between a day's list and the
// merchant's records of that day: first those of the records, in their order, then
// what only Payatom lists. It holds the list in memory and no record.
//
// A day is Payatom's, in a time zone that isn't documented: an order near midnight
// may be missing on one day and be listed on the next. Of payouts Payatom lists
// the approved ones only, so give records of those. The error is that of the
// records, and the last that comes.
//
// It changes nothing, and may be called several times and at once as far as the
// records can.
func (d *PayatomUnsignedDay) Compare(books PayatomBooks) iter.Seq2[PayatomDifference, error] {
	return func(yield func(PayatomDifference, error) bool) {
		rows := make(map[string][]*PayatomUnsignedRow, len(d.Rows))
		for i := range d.Rows {
			rows[d.Rows[i].OrderID] = append(rows[d.Rows[i].OrderID], &d.Rows[i])
		}
		seen := make(map[string]bool, len(rows))
		if books.Records != nil {
			for record, err := range books.Records {
				if err != nil {
					yield(PayatomDifference{}, err)
					return
				}
				seen[record.OrderID] = true
				for _, diff := range books.compare(&record, rows[record.OrderID]) {
					if !yield(diff, nil) {
						return
					}
				}
			}
		}
		for i := range d.Rows {
			row := &d.Rows[i]
			if !seen[row.OrderID] && !yield(PayatomDifference{PayatomMissingHere, row.OrderID, row, nil}, nil) {
				return
			}
		}
	}
}

func (b *PayatomBooks) compare(record *PayatomRecord, rows []*PayatomUnsignedRow) (out []PayatomDifference) {
	add := func(kind PayatomDifferenceKind, row *PayatomUnsignedRow) {
		out = append(out, PayatomDifference{kind, record.OrderID, row, record})
	}
	if len(rows) == 0 {
		add(PayatomMissingThere, nil)
	}
	for i, row := range rows {
		if i > 0 {
			add(PayatomListedTwice, row)
		}
		if !b.sameAmount(record.Amount, row.SettledAmount) {
			add(PayatomOtherAmount, row)
		}
		if record.Status != row.Status && !(record.Status.Paid() && row.Status.Paid()) {
			add(PayatomOtherStatus, row)
		}
	}
	return out
}

// sameAmount reports whether the amounts have one value. What is no amount has
// none.
func (b *PayatomBooks) sameAmount(ours, theirs payack.Amount) bool {
	value := func(a payack.Amount) (decimal.Decimal, bool) {
		if a.IsEmpty() {
			return decimal.Decimal{}, true
		}
		d, err := a.Decimal()
		return d, err == nil
	}
	our, known := value(ours)
	their, listed := value(theirs)
	return known && listed && our.Equal(their.Shift(-int32(min(max(b.MinorDigits, 0), 18))))
}
