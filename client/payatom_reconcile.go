package client

import (
	"context"
	"fmt"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/strict"
)

// PayatomUnsignedDay is Payatom's reconciliation list of a day. Only the TLS
// connection authenticates it: compare your records with it, and ask by
// StatusPolling before money moves.
type PayatomUnsignedDay struct {
	Rows []PayatomUnsignedRow
	// Extra holds the undocumented members of the answer, as their text.
	Extra map[string]payack.Text
}

// PayatomUnsignedRow is one order of a [PayatomUnsignedDay], with the members that
// Payatom's public documents (doc.payatom.in) name. It is not signed.
type PayatomUnsignedRow struct {
	OrderID string
	RefCode payack.Text
	// Created and Changed are orderCreateDateTime and statusChangeDateTime, such as
	// "October 15, 2023, 2:30 pm". See Times.
	Created, Changed payack.Text
	// RequestedAmount is amount_requested. SettledAmount is amount_received for a
	// payin and amount_processed for a payout. Their unit is unconfirmed: see
	// MinorDigits in [PayatomBooks].
	RequestedAmount, SettledAmount payack.Amount
	// Status is transaction_status. According to the documents, a list of payouts
	// has approved payouts only.
	Status  payack.PayatomStatus
	BankRef payack.Text
	// Extra holds the undocumented members, as their text.
	Extra map[string]payack.Text
}

// Times parses Created and Changed in the given time zone. Payatom's documents don't
// say which one applies. The error is [ErrResponse] and names the member.
func (r *PayatomUnsignedRow) Times(in *time.Location) (created, changed time.Time, err error) {
	const layout = "January 2, 2006, 3:04 pm"
	if created, err = time.ParseInLocation(layout, r.Created.String(), in); err != nil {
		return time.Time{}, time.Time{}, fmt.Errorf("payack: payatom: orderCreateDateTime is no time such as October 15, 2023, 2:30 pm: %w", ErrResponse)
	}
	if changed, err = time.ParseInLocation(layout, r.Changed.String(), in); err != nil {
		return time.Time{}, time.Time{}, fmt.Errorf("payack: payatom: statusChangeDateTime is no time such as October 15, 2023, 2:30 pm: %w", ErrResponse)
	}
	return created, changed, nil
}

// maxDay is the default of MaxResponse for a reconciliation. It is enough for
// about sixty thousand rows.
const maxDay = 16 << 20

// ReconcilePayins asks for the list of a day's payins (POST
// /api/reconcile_polling.php). The day is the date of the argument in its own
// location; Payatom's documents don't say in which time zone its days are. The call
// is sent once, because Payatom limits the number of calls. An answer without a
// list is [ErrResponse], not an empty day. The answer is not signed.
func (c *Payatom) ReconcilePayins(ctx context.Context, day time.Time) (*PayatomUnsignedDay, error) {
	return c.reconcile(ctx, "reconcile", "/api/reconcile_polling.php", "amount_received", day)
}

// ReconcilePayouts is like ReconcilePayins, but asks for payouts (POST
// /payout/api/payout_reconcile_polling.php). Payatom allows 10 calls a day. The
// answer is not signed.
func (c *Payatom) ReconcilePayouts(ctx context.Context, day time.Time) (*PayatomUnsignedDay, error) {
	return c.reconcile(ctx, "payout_reconcile", "/payout/api/payout_reconcile_polling.php", "amount_processed", day)
}

const payatomDate = "02-01-2006"

func (c *Payatom) reconcile(ctx context.Context, name, path, settled string, day time.Time) (*PayatomUnsignedDay, error) {
	if c.token.IsZero() {
		return nil, c.t.invalid(name, "ReconcileToken is not configured; give the token that Payatom's back office shows")
	}
	if day.IsZero() {
		return nil, c.t.invalid(name, "the day is the zero time; give one")
	}
	date := day.Format(payatomDate)
	signature := c.signer.ReconcileSignature(c.pid, date)
	body := map[string]string{"pid": c.pid, "date": date, "signature": signature}
	m, a, err := c.typed(ctx, call{name: name, path: path, max: maxDay}, map[string]string{"Token": c.token.Reveal()}, body, signature)
	if err != nil {
		return nil, err
	}
	rows, wrong := m.list("data")
	out := &PayatomUnsignedDay{Extra: m.extra()}
	for i := 0; i < len(rows) && wrong == nil; i++ {
		r := &rows[i]
		wrong = strict.Know(r.fields, []string{"order_id", "ref_code", "orderCreateDateTime", "statusChangeDateTime",
			"amount_requested", settled, "transaction_status", "bank_ref"})
		out.Rows = append(out.Rows, PayatomUnsignedRow{
			OrderID: r.required("order_id"), RefCode: r.shown("ref_code"),
			Created: r.shown("orderCreateDateTime"), Changed: r.shown("statusChangeDateTime"),
			RequestedAmount: payack.AmountOf(r.word("amount_requested")), SettledAmount: payack.AmountOf(r.word(settled)),
			Status: payack.PayatomStatus(r.required("transaction_status")), BankRef: r.shown("bank_ref"), Extra: r.extra(),
		})
		if wrong == nil {
			wrong = r.err
		}
		if wrong != nil {
			wrong = fmt.Errorf("row %d: %w", i+1, wrong)
		}
	}
	if wrong != nil {
		return nil, c.t.unreadable(a, payack.ErrMalformed, wrong.Error())
	}
	return out, nil
}
