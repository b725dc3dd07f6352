package inspector

import (
	"strconv"
	"strings"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/inbox"
)

// Entry is a delivery in a list, on the page and as JSON.
type Entry struct {
	// ID identifies the delivery in links. It is a number for a row of the inbox,
	// and the letter m with a number for a delivery that is only in memory.
	ID       string          `json:"id"`
	Received time.Time       `json:"received"`
	Provider payack.Provider `json:"provider"`
	// Outcome is the outcome of the delivery. For a row of the inbox that is not
	// done, it is the row's state: pending, running, dead, superseded, closed or
	// refuted. A done row is accepted.
	Outcome string        `json:"outcome"`
	Reason  payack.Reason `json:"reason,omitempty"`
	Detail  string        `json:"detail,omitempty"`
	// Verified reports whether the signature was valid. Otherwise Order and
	// Transaction are the sender's claims.
	Verified    bool   `json:"verified"`
	Order       string `json:"order,omitempty"`
	Transaction string `json:"transaction,omitempty"`
	Reference   string `json:"reference,omitempty"`
	EventID     string `json:"event_id,omitempty"`
	Amount      string `json:"amount,omitempty"`
	Status      string `json:"status,omitempty"`
	Attempts    int    `json:"attempts"`
	// Next is when the next attempt is due. Ended is when the row was done, dead,
	// superseded, closed or refuted.
	Next   *time.Time    `json:"next,omitempty"`
	Ended  *time.Time    `json:"ended,omitempty"`
	Note   string        `json:"note,omitempty"`
	Source payack.Source `json:"source,omitempty"`
	Client string        `json:"client,omitempty"`
	// Answered is the HTTP status of the answer, 0 if it is not known.
	Answered int `json:"answered,omitempty"`
}

// Kept reports whether the inbox keeps the delivery.
func (e *Entry) Kept() bool { _, memory := memorySeq(e.ID); return !memory }

// Like returns a short text that is different after the delivery has changed.
func (e *Entry) Like() string {
	return e.Outcome + " " + string(e.Reason) + " " + strconv.Itoa(e.Attempts)
}

// Settled reports whether the delivery is expected to stay as it is.
func (e *Entry) Settled() bool {
	switch e.Outcome {
	case string(inbox.Pending), string(inbox.Running), string(inbox.Dead):
		return false
	}
	return true
}

// Open reports whether a person can retry or close the delivery. A delivery that
// was closed by hand stays closed.
func (e *Entry) Open() bool {
	switch e.Outcome {
	case string(inbox.Pending), string(inbox.Dead), string(inbox.Refuted):
		return e.Kept()
	}
	return false
}

// outcomeOf returns the outcome to show for a state of the inbox.
func outcomeOf(s inbox.State) string {
	if s == inbox.Done {
		return string(payack.OutcomeAccepted)
	}
	return string(s)
}

// entryOf returns the entry of a row of the inbox.
func entryOf(i *inbox.Item) *Entry {
	e := &Entry{
		ID: strconv.FormatInt(i.ID, 10), Received: i.Received.UTC(), Provider: i.Provider,
		Outcome: outcomeOf(i.State), Reason: i.Reason, Detail: withoutNames(i.Error, i.Provider, i.Reason), Verified: true,
		Order: i.OrderID, Transaction: i.Transaction, Reference: i.Reference, EventID: i.EventID, Amount: i.Amount, Status: i.Status,
		Attempts: i.Attempts, Next: moment(i.Next), Ended: moment(i.Ended), Note: i.Note,
	}
	return e
}

// withoutNames returns an error text without the names that the page shows beside
// it.
func withoutNames(text string, p payack.Provider, r payack.Reason) string {
	for _, name := range []string{"payack", string(p), string(r)} {
		text = strings.TrimPrefix(text, name+": ")
	}
	if text == string(r) {
		return ""
	}
	return strings.ReplaceAll(text, ": payack: ", ": ")
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// entry returns the entry of a remembered delivery.
func (s *seen) entry() *Entry {
	d := &s.delivery
	e := &Entry{
		ID: memoryKey(s.seq), Received: d.Received.UTC(), Provider: d.Provider, Outcome: string(s.outcome), Reason: s.reason,
		Detail: s.detail, Verified: s.verified, EventID: s.eventID, Source: d.Source, Answered: s.status,
	}
	if s.err != "" {
		e.Detail = strings.TrimPrefix(e.Detail+": "+s.err, ": ")
	}
	if d.Client.IsValid() {
		e.Client = d.Client.String()
	}
	if ev := d.Event; ev != nil {
		sum := ev.Summary()
		e.Order, e.Transaction, e.Reference, e.Status = ev.Order(), sum.Transaction, sum.Reference, sum.Status
		e.Amount = strings.TrimSpace(sum.Amount.String() + " " + sum.Currency.String())
	} else {
		c := s.claimed()
		e.Order, e.Transaction = c.order, c.transaction
	}
	return e
}
