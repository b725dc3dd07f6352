package client

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/strict"
)

// PayatomUnsignedReport is an answer of Payatom that nothing signs and whose
// members the documents known here don't name. It is as trustworthy as the TLS
// connection: show it, or compare your own records with it, and confirm by
// status polling before money moves.
type PayatomUnsignedReport struct {
	// JSON is the answer, one valid JSON value without duplicate names.
	JSON json.RawMessage
	// Members holds its members as their text (a nested value as its literal)
	// when it is an object; nil otherwise.
	Members map[string]payack.Text
}

// ReconcilePayins asks for the payins of a day: the date that day has in its
// own location. (Which time zone Payatom's days are in is not documented.) It
// is never repeated by itself, since these calls are counted.
func (c *Payatom) ReconcilePayins(ctx context.Context, day time.Time) (*PayatomUnsignedReport, error) {
	return c.reconcile(ctx, "reconcile", "/api/reconcile_polling.php", day)
}

// ReconcilePayouts is ReconcilePayins for payouts. Payatom takes 10 calls a
// day.
func (c *Payatom) ReconcilePayouts(ctx context.Context, day time.Time) (*PayatomUnsignedReport, error) {
	return c.reconcile(ctx, "payout_reconcile", "/payout/api/payout_reconcile_polling.php", day)
}

func (c *Payatom) reconcile(ctx context.Context, name, path string, day time.Time) (*PayatomUnsignedReport, error) {
	if c.token.IsZero() {
		return nil, c.t.invalid(name, "ReconcileToken is not configured; give the token that Payatom's back office shows")
	}
	if day.IsZero() {
		return nil, c.t.invalid(name, "the day is the zero time; give one")
	}
	date := day.Format("02-01-2006")
	signature := c.signer.ReconcileSignature(c.pid, date)
	body := map[string]string{"pid": c.pid, "date": date, "signature": signature}
	return c.report(ctx, call{name: name, path: path}, map[string]string{"Token": c.token.Reveal()}, body, "", signature)
}

// WalletBalance asks for the wallet's balance. Which members the request has is
// not documented; give what Payatom's manual says, or nil for none. It is
// repeated when no answer comes.
func (c *Payatom) WalletBalance(ctx context.Context, members map[string]string) (*PayatomUnsignedReport, error) {
	const name = "wallet_balance"
	if c.authorization.IsZero() {
		return nil, c.t.invalid(name, "WalletAuthorization is not configured; give the header's whole value")
	}
	return c.free(ctx, call{name: name, path: "/api/wallet_balance.php", repeatable: true},
		map[string]string{"Authorization": c.authorization.Reveal()}, members)
}

// WalletTransactions asks for the summary of the wallet's transactions. Which
// members the request has is not documented; give what Payatom's manual says,
// or nil for none. It is not repeated: its path, account_deposit.php, doesn't
// say that it only asks.
func (c *Payatom) WalletTransactions(ctx context.Context, members map[string]string) (*PayatomUnsignedReport, error) {
	const name = "wallet_transactions"
	if c.apiKey.IsZero() {
		return nil, c.t.invalid(name, "APIKey is not configured; give the one that Payatom's back office shows")
	}
	return c.free(ctx, call{name: name, path: "/bot/api_v2/account_deposit.php"},
		map[string]string{"Api-Key": c.apiKey.Reveal()}, members)
}

// WalletData asks for the wallet's data by GET, at the configured
// WalletDataPath. It is repeated when no answer comes.
func (c *Payatom) WalletData(ctx context.Context) (*PayatomUnsignedReport, error) {
	const name = "wallet_data"
	switch {
	case c.apiKey.IsZero():
		return nil, c.t.invalid(name, "APIKey is not configured; give the one that Payatom's back office shows")
	case c.walletDataPath == "":
		return nil, c.t.invalid(name, "WalletDataPath is not configured; Payatom's manual for the account names it")
	}
	return c.report(ctx, call{name: name, method: http.MethodGet, path: c.walletDataPath, repeatable: true},
		map[string]string{"Api-Key": c.apiKey.Reveal()}, nil, "")
}

// free sends members that only the caller knows.
func (c *Payatom) free(ctx context.Context, k call, header, members map[string]string) (*PayatomUnsignedReport, error) {
	for member, value := range members {
		if member == "" || !cleanText(member) || !cleanText(value) {
			return nil, c.t.invalid(k.name, "a member is no text, or has no name; fix it")
		}
	}
	if members == nil {
		members = map[string]string{}
	}
	return c.report(ctx, k, header, members, "")
}

// report sends a request, nil for no body, and reads an answer of unknown
// members. An order_id in it must be the one that was asked for, if one was.
func (c *Payatom) report(ctx context.Context, k call, header, body map[string]string, orderID string, hide ...string) (*PayatomUnsignedReport, error) {
	k.build = func() (*message, error) {
		m := &message{header: header, hide: hide}
		if body == nil {
			return m, nil
		}
		var err error
		m.contentType = typeJSON
		m.body, err = encode(body)
		return m, err
	}
	a, err := c.t.do(ctx, k)
	if err != nil {
		return nil, err
	}
	if e := c.t.ok(a); e != nil {
		return nil, e
	}
	if e := c.t.opens(a, '{', '['); e != nil {
		return nil, e
	}
	a.body = bytes.TrimSpace(a.body)
	if a.body[0] == '[' {
		// The strict reader takes objects.
		wrapped := `{"list":` + string(a.body) + `}`
		if fields, err := strict.JSON(nil, wrapped); err != nil || len(fields) != 1 {
			return nil, c.t.unreadable(a, payack.ErrMalformed, "the list is not valid JSON, or gives a name twice")
		}
		return &PayatomUnsignedReport{JSON: a.body}, nil
	}
	m, e := c.answer(a, "status", "message", "order_id")
	if e != nil {
		return nil, e
	}
	if orderID != "" {
		if e := c.t.same(a, m, "order_id", orderID); e != nil {
			return nil, e
		}
	}
	_ = strict.Know(m.fields, nil) // none is known: extra returns all of them
	return &PayatomUnsignedReport{JSON: a.body, Members: m.extra()}, nil
}
