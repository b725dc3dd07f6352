package gateway

import (
	"errors"
	"fmt"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// PayatomConfig says what a fake Payatom is like. The zero value is a
// working choice with throwaway keys, and no webhook URL.
type PayatomConfig struct {
	// PID and SecretKey are the merchant's; empty ones are made up.
	PID       string
	SecretKey payack.Secret
	// Token, APIKey and Authorization are the values of the headers Token,
	// Api-Key and Authorization; empty ones are made up.
	Token, APIKey, Authorization payack.Secret

	// WebhookURL is where webhooks go, as set in the back office; see also
	// SetWebhookURL. While it is empty none are sent.
	WebhookURL string
	// Body is the format of webhooks; empty is JSON.
	Body verify.Body
	// FormAmount is the name of the received amount in a form; empty is
	// received_amount, the older generation also writes amount.
	FormAmount string
	// Numbers is how amounts are written and signed; empty is quoted.
	Numbers Numbers
	// PollingAmount is the name of the received amount in the answer of
	// status_polling.php: amount (when empty), received_amount or
	// recieved_amount. With the latter two, amount is what was requested.
	PollingAmount string
	// Balance is the minimum_balance of the one UPI wallet that wallet_balance.php
	// lists, and the rolling_balance of the one account of account_status.php; empty
	// is 0.
	Balance string
	// OperatorEmail and VerificationCode are what wallet_balance.php asks for; empty
	// ones are made up.
	OperatorEmail    string
	VerificationCode payack.Secret
	// PaiseInLists lists the amounts of reconciliations in hundredths, as the
	// documents' words say; otherwise they are as everywhere else, as their examples
	// look. (Which one is real is unconfirmed.)
	PaiseInLists bool

	Options
}

func (gw *Payatom) configure(c PayatomConfig) error {
	var err error
	c.PID, c.SecretKey = orText(c.PID, "pid-1"), secretOr(c.SecretKey)
	c.Token, c.APIKey, c.Authorization = secretOr(c.Token), secretOr(c.APIKey), secretOr(c.Authorization)
	if c.Numbers, err = c.Numbers.orDefault(Quoted); err != nil {
		return err
	}
	c.PollingAmount = orText(c.PollingAmount, "amount")
	c.FormAmount = orText(c.FormAmount, "received_amount")
	c.Balance = orText(c.Balance, "0")
	c.OperatorEmail, c.VerificationCode = orText(c.OperatorEmail, "operator@shop.example"), secretOr(c.VerificationCode)
	if c.Body == "" {
		c.Body = verify.BodyJSON
	}
	_, balanceOK := parseDecimal(c.Balance)
	switch {
	case c.Body != verify.BodyJSON && c.Body != verify.BodyForm:
		return fmt.Errorf(`gateway: Body: unknown format %q; choose "json" or "form"`, string(c.Body))
	case c.FormAmount != "received_amount" && c.FormAmount != "amount":
		return errors.New("gateway: FormAmount: choose received_amount or amount")
	case c.PollingAmount != "amount" && c.PollingAmount != "received_amount" && c.PollingAmount != "recieved_amount":
		return errors.New("gateway: PollingAmount: choose amount, received_amount or recieved_amount")
	case c.WebhookURL != "" && !isURL(c.WebhookURL):
		return errors.New("gateway: WebhookURL: it is no URL")
	case !balanceOK:
		return errors.New("gateway: Balance: it is not a plain decimal number")
	}
	gw.forger, gw.config = payack.NewSecret(freshHex()), c
	return nil
}
