package gateway

import (
	"errors"
	"fmt"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// PayatomConfig configures a fake Payatom. The zero value is usable: it generates
// keys and sends no webhooks.
type PayatomConfig struct {
	// PID and SecretKey are the merchant's. An empty PID is pid-1; an empty key is
	// generated.
	PID       string
	SecretKey payack.Secret
	// Token, APIKey and Authorization are the values of the headers Token,
	// Api-Key and Authorization; empty ones are generated.
	Token, APIKey, Authorization payack.Secret

	// WebhookURL is the URL for webhooks, which a merchant sets in the back office.
	// If it is empty, no webhooks are sent until [Payatom.SetWebhookURL] is called.
	WebhookURL string
	// Body is the format of webhooks; empty is JSON.
	Body verify.Body
	// FormAmount is the name of the received amount in a form: received_amount or
	// amount. An older generation of the gateway writes either. Empty is
	// received_amount.
	FormAmount string
	// Numbers is how amounts are written and signed; empty is quoted.
	Numbers Numbers
	// PollingAmount is the name of the received amount in the answer of
	// status_polling.php: amount, received_amount or recieved_amount. Empty is
	// amount. With the other two names, the member amount has the requested amount.
	PollingAmount string
	// Balance is the minimum_balance of the only UPI wallet that wallet_balance.php
	// lists, and the rolling_balance of the only account of account_status.php;
	// empty is 0.
	Balance string
	// OperatorEmail and VerificationCode are required by wallet_balance.php. An
	// empty address is operator@shop.example; an empty code is generated.
	OperatorEmail    string
	VerificationCode payack.Secret
	// PaiseInLists lists the amounts of reconciliations in hundredths, as the text
	// of Payatom's documents says. By default the lists have whole units, as the
	// documents' examples do. Which unit Payatom uses is unconfirmed.
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
		return errors.New("gateway: WebhookURL: it is not a URL; give one such as http://127.0.0.1:8080/payatom")
	case !balanceOK:
		return errors.New("gateway: Balance: it is not a plain decimal; write it like 500 or 100.50")
	}
	gw.forger, gw.config = payack.NewSecret(freshHex()), c
	return nil
}
