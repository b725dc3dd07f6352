package client

import (
	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// PTSCreated is PTS's answer to a payment or withdraw. PTS signs all fields
// except Unsigned. For a withdraw this is partly inferred: the signed members are
// taken to be those of a payment's answer except pay_url.
type PTSCreated struct {
	OrderID        string
	TransactionID  string
	Channel        payack.Text
	SubmitCurrency payack.Text
	SubmitAmount   payack.Amount
	AcceptCurrency payack.Text
	AcceptAmount   payack.Amount
	ExchangeRate   payack.Amount

	// Scheme is the spelling of numbers that PTS signed: pin it in
	// [PTSConfig].Numbers.
	Scheme payack.Scheme
	// Unsigned holds the other members, as their text. They are not signed.
	Unsigned map[string]payack.Text
}

// PTSPaymentCreated is PTS's answer to a payment. PTS signs PayURL too.
type PTSPaymentCreated struct {
	PTSCreated
	// PayURL is where the customer pays. The client does not check that it is a URL:
	// what a channel sends here is not documented.
	PayURL payack.Text
}

func created(r *verify.PTSResponse) PTSCreated {
	s := r.Signed
	return PTSCreated{
		OrderID: s["order_id"].String(), TransactionID: s["transaction_id"].String(), Channel: s["channel"],
		SubmitCurrency: s["submit_currency"], SubmitAmount: payack.AmountOf(s["submit_amount"]),
		AcceptCurrency: s["accept_currency"], AcceptAmount: payack.AmountOf(s["accept_amount"]),
		ExchangeRate: payack.AmountOf(s["exchange_rate"]),
		Scheme:       r.Scheme, Unsigned: r.Unsigned,
	}
}
