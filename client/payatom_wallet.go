package client

import (
	"context"
	"net/http"
	"time"

	"github.com/payack/payack"
)

// PayatomOperator is who asks for the wallets' balances: the e-mail address and
// the MD5 of the password of an operator in Payatom's back office. Whoever has
// that MD5 can ask as well, so keep it as the password. The request is not signed:
// it and the header Authorization are all that authenticates it.
type PayatomOperator struct {
	Email            string        `validate:"required,text,email"`
	VerificationCode payack.Secret `validate:"-"`
}

// PayatomUnsignedWallets are the wallets of an operator, by the members of
// Payatom's public documents. Nothing of it is authenticated but by the TLS
// connection.
type PayatomUnsignedWallets struct {
	OperatorName, OperatorEmail payack.Text
	UPI, IMPS                   []PayatomUnsignedWallet
	// Extra holds the other members, as their text.
	Extra map[string]payack.Text
}

// PayatomUnsignedWallet is one wallet. Which members it has depends on its kind.
// None of it is authenticated.
type PayatomUnsignedWallet struct {
	// Account and UPI are those of a UPI wallet.
	Account, UPI payack.Text
	// AccountHolder, AccountNumber and Bank are those of an IMPS wallet.
	AccountHolder, AccountNumber, Bank       payack.Text
	MinimumBalance, LimitVolume, UsageVolume payack.Amount
	// Extra holds the other members, as their text.
	Extra map[string]payack.Text
}

// WalletBalance asks for the wallets and their limits. It is repeated when no
// answer comes. Nothing of the answer is signed.
func (c *Payatom) WalletBalance(ctx context.Context, o PayatomOperator) (*PayatomUnsignedWallets, error) {
	const name = "wallet_balance"
	switch {
	case c.authorization.IsZero():
		return nil, c.t.invalid(name, "WalletAuthorization is not configured; give the header's whole value")
	case o.VerificationCode.IsZero() || !cleanText(o.VerificationCode.Reveal()):
		return nil, c.t.invalid(name, "VerificationCode is empty or no text; give the MD5 of the operator's password")
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
			number = w.shown("Account_number") // as one of the documents' examples has it
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

// PayatomDateType says by which date transactions are picked.
type PayatomDateType string

// The dates that the documents name. What they stand for is inferred: of the last
// change, and of creation.
const (
	PayatomActionDate  PayatomDateType = "action_date"
	PayatomCreatedDate PayatomDateType = "c_date"
)

// PayatomWalletDay asks for the transactions of an account on a day: the date that
// Day has in its own location. The request is not signed: the header Api-Key is all
// that authenticates it.
type PayatomWalletDay struct {
	AccountNumber string          `validate:"required,text"`
	By            PayatomDateType `validate:"required,oneof=action_date c_date"`
	Day           time.Time       `validate:"required"`
}

// PayatomUnsignedSummary is the summary of a day's transactions, by their status.
// Nothing of it is authenticated but by the TLS connection.
type PayatomUnsignedSummary struct {
	ByStatus map[string]PayatomUnsignedTotal
	// Message is there where no wallet was found, say.
	Message payack.Text
	// Extra holds the other members, as their text.
	Extra map[string]payack.Text
}

// PayatomUnsignedTotal is what the transactions of one status come to. None of it
// is authenticated, and the unit of the amounts is not documented.
type PayatomUnsignedTotal struct {
	Count                           payack.Text
	ReceivedAmount, RequestedAmount payack.Amount
	// Extra holds the other members, as their text.
	Extra map[string]payack.Text
}

// WalletTransactions asks for the summary of an account's transactions. It is not
// repeated: its path, account_deposit.php, doesn't say that it only asks. Nothing
// of the answer is signed.
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
		total.shown("status") // which is the name once more
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

// PayatomUnsignedAccounts are the accounts of an operator. Nothing of it is
// authenticated but by the TLS connection.
type PayatomUnsignedAccounts struct {
	Active, Inactive []PayatomUnsignedAccount
	// Extra holds the other members, as their text.
	Extra map[string]payack.Text
}

// PayatomUnsignedAccount is one account. None of it is authenticated, and what
// the amounts are in is not documented.
type PayatomUnsignedAccount struct {
	Detail, UPI, Phone, Status, Number, UsageEnabled         payack.Text
	UsageVolume, LimitVolume, RollingBalance, AvailableLimit payack.Amount
	// Extra holds the other members, as their text.
	Extra map[string]payack.Text
}

// WalletData asks for the operator's accounts by GET, at the configured
// WalletDataPath. It is repeated when no answer comes. Nothing of the answer is
// signed.
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
