package client

import (
	"context"
	"fmt"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/strict"
)

// PayatomUnsignedDay is what Payatom's reconciliation lists for a day. Nothing of
// it is authenticated but by the TLS connection: compare your records with it, and
// ask by StatusPolling before money moves.
type PayatomUnsignedDay struct {
	Rows []PayatomUnsignedRow
	// Extra holds the other members of the answer, as their text.
	Extra map[string]payack.Text
}

// PayatomUnsignedRow is one order of a [PayatomUnsignedDay], by the members of
// Payatom's public documents (doc.payatom.in). None of it is authenticated.
type PayatomUnsignedRow struct {
	OrderID string
	RefCode payack.Text
	// Created and Changed are orderCreateDateTime and statusChangeDateTime, such as
	// "October 15, 2023, 2:30 pm". See Times.
	Created, Changed payack.Text
	// RequestedAmount is amount_requested. SettledAmount is amount_received of a
	// payin and amount_processed of a payout. Their unit is unconfirmed: the
	// documents say the smallest of the currency, and their examples look like whole
	// ones. See [PayatomBooks].
	RequestedAmount, SettledAmount payack.Amount
	// Status is transaction_status. By the documents a day of payouts lists the
	// approved ones only.
	Status  payack.PayatomStatus
	BankRef payack.Text
	// Extra holds the members that the documents don't know, as their text.
	Extra map[string]payack.Text
}

// Times reads Created and Changed. In which time zone they are is not documented,
// so it is the caller's to say. The error is [ErrResponse] and names the member.
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

// maxDay is the largest answer of a reconciliation, where MaxResponse is not set:
// some sixty thousand rows.
const maxDay = 16 << 20

// ReconcilePayins asks for the payins of a day: the date that day has in its
// own location. (Which time zone Payatom's days are in is not documented.) It
// is never repeated by itself, since these calls are counted. An answer without
// a list is [ErrResponse] and not an empty day. The request is signed with the
// secret key, the answer not at all.
func (c *Payatom) ReconcilePayins(ctx context.Context, day time.Time) (*PayatomUnsignedDay, error) {
	return c.reconcile(ctx, "reconcile", "/api/reconcile_polling.php", "amount_received", day)
}

// ReconcilePayouts is ReconcilePayins for payouts, unsigned too. Payatom takes 10
// calls a day.
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
