package client

import (
	"context"
	"net/http"
	"time"

	"github.com/payack/payack"
)

// PayatomOperator is an operator of Payatom's back office: the e-mail address and
// the MD5 of the password. The MD5 and the header Authorization alone authenticate
// a request, so keep the MD5 as secret as the password. The package documentation
// explains the tags.
type PayatomOperator struct {
	Email            string        `validate:"required,text,email"`
	VerificationCode payack.Secret `validate:"-"`
}

// PayatomUnsignedWallets are the wallets of an operator, with the members that
// Payatom's public documents name. Only the TLS connection authenticates them.
type PayatomUnsignedWallets struct {
	OperatorName, OperatorEmail payack.Text
	UPI, IMPS                   []PayatomUnsignedWallet
	// Extra holds the other members, as their text.
	Extra map[string]payack.Text
}

// PayatomUnsignedWallet is one wallet. It is not signed.
type PayatomUnsignedWallet struct {
	// Account and UPI are set for a UPI wallet.
	Account, UPI payack.Text
	// AccountHolder, AccountNumber and Bank are set for an IMPS wallet.
	AccountHolder, AccountNumber, Bank       payack.Text
	MinimumBalance, LimitVolume, UsageVolume payack.Amount
	// Extra holds the other members, as their text.
	Extra map[string]payack.Text
}

// WalletBalance asks for the wallets and their limits (POST
// /api/wallet_balance.php). It requires [PayatomConfig].WalletAuthorization. The
// answer is not signed. The call is repeatable: see [Options].Retries.
func (c *Payatom) WalletBalance(ctx context.Context, o PayatomOperator) (*PayatomUnsignedWallets, error) {
	const name = "wallet_balance"
	switch {
	case c.authorization.IsZero():
		return nil, c.t.invalid(name, "WalletAuthorization is not configured; give the header's whole value")
	case o.VerificationCode.IsZero() || !cleanText(o.VerificationCode.Reveal()):
		return nil, c.t.invalid(name, "VerificationCode is empty or not plain UTF-8; give the MD5 of the operator's password")
	}
	if e := c.t.check(name, o); e != nil {
		return nil, e
	}
	code := o.VerificationCode.Reveal()
	m, a, err := c.typed(ctx, call{name: name, path: "/api/wallet_balance.php", repeatable: true},
		map[string]string{"Authorization": c.authorization.Reveal()}, map[string]string{"email": o.Email, "verification_code": code}, code)
	if err != nil {
		return nil, err
	}
	operator, wallets := m.within("operator_details"), m.within("wallets")
	out := &PayatomUnsignedWallets{
		OperatorName: operator.shown("name"), OperatorEmail: operator.shown("email"),
		UPI: wallets.wallets("upi"), IMPS: wallets.wallets("imps_upi"), Extra: m.extra(),
	}
	for _, part := range []*members{m, operator, wallets} {
		if part.err != nil {
			return nil, c.t.unreadable(a, payack.ErrMalformed, part.err.Error())
		}
	}
	return out, nil
}

func (m *members) wallets(name string) (out []PayatomUnsignedWallet) {
	list := m.listed(name)
	for i := range list {
		w := &list[i]
		number := w.shown("account_number")
		if _, found := number.Get(); !found {
			number = w.shown("Account_number") // the spelling of one example in the documents
		}
		out = append(out, PayatomUnsignedWallet{
			Account: w.shown("account"), UPI: w.shown("upi"),
			AccountHolder: w.shown("account_holder"), AccountNumber: number, Bank: w.shown("bank"),
			MinimumBalance: payack.AmountOf(w.shown("minimum_balance")), LimitVolume: payack.AmountOf(w.shown("limit_volume")),
			UsageVolume: payack.AmountOf(w.shown("usage_volume")), Extra: w.extra(),
		})
	}
	return out
}

// PayatomDateType is the kind of date that selects transactions. Payatom documents
// the words; their meaning is inferred.
type PayatomDateType string

// The dates.
const (
	PayatomActionDate  PayatomDateType = "action_date" // the last change
	PayatomCreatedDate PayatomDateType = "c_date"      // the creation
)

// PayatomWalletDay asks for the transactions of an account on one day. The day is
// the date of Day in Day's own location. The request is not signed: the header
// Api-Key authenticates it. The package documentation explains the tags.
type PayatomWalletDay struct {
	AccountNumber string          `validate:"required,text"`
	By            PayatomDateType `validate:"required,oneof=action_date c_date"`
	Day           time.Time       `validate:"required"`
}

// PayatomUnsignedSummary is the summary of a day's transactions. Only the TLS
// connection authenticates it.
type PayatomUnsignedSummary struct {
	// ByStatus has the totals under the gateway's words for the statuses.
	ByStatus map[string]PayatomUnsignedTotal
	// Message is set if, for example, Payatom found no wallet.
	Message payack.Text
	// Extra holds the other members, as their text.
	Extra map[string]payack.Text
}

// PayatomUnsignedTotal is the total of the transactions with one status. It is not
// signed, and Payatom doesn't document the unit of the amounts.
type PayatomUnsignedTotal struct {
	Count                           payack.Text
	ReceivedAmount, RequestedAmount payack.Amount
	// Extra holds the other members, as their text.
	Extra map[string]payack.Text
}

// WalletTransactions asks for the summary of an account's transactions (POST
// /bot/api_v2/account_deposit.php). It requires [PayatomConfig].APIKey. It is
// sent once, because the documents don't say whether the call changes anything.
// The answer is not signed.
func (c *Payatom) WalletTransactions(ctx context.Context, w PayatomWalletDay) (*PayatomUnsignedSummary, error) {
	const name = "wallet_transactions"
	if c.apiKey.IsZero() {
		return nil, c.t.invalid(name, "APIKey is not configured; give the one that Payatom's back office shows")
	}
	if e := c.t.check(name, w); e != nil {
		return nil, e
	}
	m, a, err := c.typed(ctx, call{name: name, path: "/bot/api_v2/account_deposit.php"}, map[string]string{"Api-Key": c.apiKey.Reveal()},
		map[string]string{"account_number": w.AccountNumber, "filter_date_type": string(w.By), "filter_date": w.Day.Format(payatomDate)})
	if err != nil {
		return nil, err
	}
	out := &PayatomUnsignedSummary{Message: m.shown("message"), ByStatus: map[string]PayatomUnsignedTotal{}}
	data := m.within("data")
	for i := range data.fields {
		name := data.fields[i].Name
		total := data.within(name)
		total.shown("status") // it repeats the name
		out.ByStatus[name] = PayatomUnsignedTotal{
			Count: total.shown("transaction_count"), ReceivedAmount: payack.AmountOf(total.shown("received_amount")),
			RequestedAmount: payack.AmountOf(total.shown("request_amount")), Extra: total.extra(),
		}
	}
	if m.err == nil {
		m.err = data.err
	}
	if m.err != nil {
		return nil, c.t.unreadable(a, payack.ErrMalformed, m.err.Error())
	}
	out.Extra = m.extra()
	return out, nil
}

// PayatomUnsignedAccounts are the accounts of an operator. Only the TLS connection
// authenticates them.
type PayatomUnsignedAccounts struct {
	Active, Inactive []PayatomUnsignedAccount
	// Extra holds the other members, as their text.
	Extra map[string]payack.Text
}

// PayatomUnsignedAccount is one account. It is not signed, and Payatom doesn't
// document the unit of the amounts.
type PayatomUnsignedAccount struct {
	Detail, UPI, Phone, Status, Number, UsageEnabled         payack.Text
	UsageVolume, LimitVolume, RollingBalance, AvailableLimit payack.Amount
	// Extra holds the other members, as their text.
	Extra map[string]payack.Text
}

// WalletData asks for the operator's accounts (GET [PayatomConfig].WalletDataPath).
// It requires [PayatomConfig].APIKey. The answer is not signed. The call is
// repeatable: see [Options].Retries.
func (c *Payatom) WalletData(ctx context.Context) (*PayatomUnsignedAccounts, error) {
	const name = "wallet_data"
	if c.apiKey.IsZero() {
		return nil, c.t.invalid(name, "APIKey is not configured; give the one that Payatom's back office shows")
	}
	m, a, err := c.typed(ctx, call{name: name, method: http.MethodGet, path: c.walletDataPath, repeatable: true},
		map[string]string{"Api-Key": c.apiKey.Reveal()}, nil)
	if err != nil {
		return nil, err
	}
	data := m.within("data")
	out := &PayatomUnsignedAccounts{Active: data.accounts("active"), Inactive: data.accounts("inactive"), Extra: m.extra()}
	for _, part := range []*members{m, data} {
		if part.err != nil {
			return nil, c.t.unreadable(a, payack.ErrMalformed, part.err.Error())
		}
	}
	return out, nil
}

func (m *members) accounts(name string) (out []PayatomUnsignedAccount) {
	group := m.within(name)
	list := group.listed("accounts")
	if group.err != nil {
		m.fail(nil, name, "has no list of accounts")
	}
	for i := range list {
		a := &list[i]
		out = append(out, PayatomUnsignedAccount{
			Detail: a.shown("account_detail"), UPI: a.shown("upi"), Phone: a.shown("phone_number"), Status: a.shown("status"),
			Number: a.shown("account_no"), UsageEnabled: a.shown("usage_enable"),
			UsageVolume: payack.AmountOf(a.shown("usage_volum")), LimitVolume: payack.AmountOf(a.shown("limit_volum")),
			RollingBalance: payack.AmountOf(a.shown("rolling_balance")), AvailableLimit: payack.AmountOf(a.shown("available_limit")),
			Extra: a.extra(),
		})
	}
	return out
}
