package client

import (
	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// PTSCreated is what PTS answers to a payment or withdraw. What stands directly
// in it is signed. (That a withdraw's answer signs the same members as a
// payment's but pay_url is inferred in part.)
type PTSCreated struct {
	OrderID        string
	TransactionID  string
	Channel        payack.Text
	SubmitCurrency payack.Text
	SubmitAmount   payack.Amount
	AcceptCurrency payack.Text
	AcceptAmount   payack.Amount
	ExchangeRate   payack.Amount

	// Scheme is the text of numbers that was signed; pin it in Numbers.
	Scheme payack.Scheme
	// Unsigned holds the other members, as their text. They are not
	// authenticated.
	Unsigned map[string]payack.Text
}

// PTSPaymentCreated is what PTS answers to a payment. What stands directly in it is
// signed by PTS.
type PTSPaymentCreated struct {
	PTSCreated
	// PayURL is where the customer pays. It is signed, and not looked into:
	// what a channel gives here is not documented.
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
