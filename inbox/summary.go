package inbox

import (
	"strings"

	"github.com/payack/payack"
)

// summary is what a list shows of an event, in a form that the text columns can
// hold.
type summary struct{ transaction, reference, amount, status string }

func summaryOf(ev payack.Event) summary {
	s := ev.Summary()
	return summary{
		transaction: readable(s.Transaction, 512),
		reference:   readable(s.Reference, 512),
		amount:      readable(strings.TrimSpace(s.Amount.String()+" "+s.Currency.String()), 64),
		status:      readable(s.Status, 64),
	}
}
