package client

import (
	"iter"

	"github.com/shopspring/decimal"

	"github.com/payack/payack"
)

// PayatomBooks are the merchant's own records of a day, for
// [PayatomUnsignedDay.Compare].
type PayatomBooks struct {
	// Records yields each record once, in any order. An error ends the comparison:
	// Compare yields it as the last pair.
	Records iter.Seq2[PayatomRecord, error]
	// MinorDigits is the number of decimal places, from 0 to 18, between the unit of
	// Payatom's list and the unit of the records. It is 2 if the list is in paise
	// and the records are in rupees, and 0 if the units are equal. The list's unit
	// is unconfirmed: Payatom's documents say the smallest unit, but their examples
	// look like whole units. With a wrong value, all amounts differ.
	MinorDigits int
}

// PayatomRecord is one order in the merchant's books.
type PayatomRecord struct {
	OrderID string
	// Amount is the amount received or paid out; empty counts as zero.
	Amount payack.Amount
	// Status is the status in the books. Compare treats Approved and Late Approved
	// as equal.
	Status payack.PayatomStatus
}

// PayatomDifferenceKind is a kind of difference between Payatom's list and the
// merchant's records.
type PayatomDifferenceKind string

// The kinds.
const (
	// PayatomMissingHere: Payatom lists an order that the records don't have.
	PayatomMissingHere PayatomDifferenceKind = "missing here"
	// PayatomMissingThere: Payatom does not list an order of the records.
	PayatomMissingThere PayatomDifferenceKind = "missing there"
	// PayatomOtherAmount: the amounts differ by value, or one is not a number.
	PayatomOtherAmount PayatomDifferenceKind = "other amount"
	// PayatomOtherStatus: the statuses differ.
	PayatomOtherStatus PayatomDifferenceKind = "other status"
	// PayatomListedTwice: Payatom lists the order more than once. Row is the second
	// or a later row. Every row is compared with the record.
	PayatomListedTwice PayatomDifferenceKind = "listed twice"
)

// PayatomDifference is one difference between Payatom's list and the merchant's
// records. An order may have several. Payatom does not sign its list.
type PayatomDifference struct {
	Kind    PayatomDifferenceKind
	OrderID string
	// Row is Payatom's row, nil for PayatomMissingThere. It is not authenticated:
	// ask by StatusPolling before money moves.
	Row *PayatomUnsignedRow
	// Record is the merchant's record, nil for PayatomMissingHere.
	Record *PayatomRecord
}

// Compare returns an iterator over the differences between a day's list and the
// merchant's records of that day. It yields the differences of records first, in
// the order of the records, then the orders that only Payatom lists. An error of
// the records is the last pair. Compare keeps the order ids in memory, but no
// records.
//
// Payatom's documents don't say in which time zone a day begins: an order near
// midnight may be missing on one day and listed on the next. A list of payouts
// contains only approved payouts, so give only the records of approved payouts.
//
// Compare does not change d. It is safe for concurrent use if the records are.
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

// sameAmount reports whether an amount of the records and one of the list have the
// same value. An empty amount counts as zero. A text that is not a number equals
// nothing.
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
