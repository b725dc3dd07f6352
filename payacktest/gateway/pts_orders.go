package gateway

import (
	"maps"
	"net/http"
	"slices"

	"github.com/shopspring/decimal"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

func (gw *PTS) order(f fields, withdraw bool) answer {
	text, currency, id := f.text("amount"), f.str("currency"), f.text("order_id")
	amount, ok := parseDecimal(text)
	switch {
	case !ok || !ptsAmount.MatchString(text) || !amount.IsPositive():
		return ptsRefusal("1001", "amount is not a number above 0 of at most 6 decimals")
	case !isURL(f.str("callback_url")):
		return ptsRefusal("1001", "callback_url is no URL")
	case len(gw.config.Currencies) > 0 && !slices.Contains(gw.config.Currencies, currency):
		return ptsRefusal("1008", "currency")
	case len(gw.config.Channels) > 0 && !slices.Contains(gw.config.Channels, f.text("channel")):
		return ptsRefusal("1015", "channel")
	case gw.min.Valid && amount.LessThan(gw.min.Decimal):
		return ptsRefusal("1006", "the amount is too small")
	case gw.max.Valid && amount.GreaterThan(gw.max.Decimal):
		return ptsRefusal("1005", "the amount is too large")
	case gw.orders[id] != nil:
		return ptsRefusal("1003", "order_id was used before")
	case withdraw && amount.GreaterThan(gw.balances[currency]):
		return ptsRefusal("1007", "the balance is lower")
	}
	o := &PTSOrder{
		Withdraw: withdraw, OrderID: id, TransactionID: gw.nextID("pts-"), Channel: f.text("channel"),
		SubmitAmount: text, SubmitCurrency: currency, AcceptAmount: text, AcceptCurrency: orText(gw.config.AcceptCurrency, currency),
		ExchangeRate: gw.config.ExchangeRate, CallbackURL: f.str("callback_url"),
		Status: payack.PTSWaiting, Updated: gw.options.Now(),
	}
	if !gw.rate.Equal(decimal.NewFromInt(1)) {
		o.AcceptAmount = amount.Mul(gw.rate).Round(6).String()
	}
	if !withdraw {
		o.PayURL = gw.base + "/pay/" + o.TransactionID
	}
	c := gw.bend(gw.callback(o))
	message, members, more := verify.PTSWithdrawResponse, gw.head(c), map[string]string(nil)
	if !withdraw {
		message, members, more = verify.PTSPaymentResponse, append(members, textMember("pay_url", o.PayURL)), map[string]string{"pay_url": o.PayURL}
	}
	data, err := gw.signed(message, c, members, more)
	if err != nil {
		return ptsRefusal("1001", "the signed text of the answer would be ambiguous")
	}
	gw.orders[id] = o
	if withdraw {
		gw.balances[currency] = gw.balances[currency].Sub(amount)
	} else {
		gw.pages[o.TransactionID] = true
	}
	return gw.accept(data)
}

// bend applies the gateway's faults to the members of an answer.
func (gw *PTS) bend(c PTSCallback) PTSCallback {
	if a := gw.faults.Amount; a != "" {
		c.SubmitAmount, c.AcceptAmount = a, a
	}
	c.OrderID = orText(gw.faults.OrderID, c.OrderID)
	c.BadSignature = gw.faults.BadSignature
	return c
}

func (gw *PTS) query(f fields, withdraw bool) answer {
	o := gw.orders[f.text("order_id")]
	if o == nil || o.Withdraw != withdraw {
		return ptsRefusal("1002", "there is no such order")
	}
	data, err := gw.say(verify.PTSQueryResponse, gw.bend(gw.callback(o)))
	if err != nil {
		return ptsRefusal("1011", "the answer can't be signed")
	}
	return gw.accept(data)
}

func (gw *PTS) balance(fields) answer {
	var figures []member
	for _, currency := range slices.Sorted(maps.Keys(gw.balances)) {
		figures = append(figures, textMember(currency, orText(gw.faults.Amount, gw.balances[currency].String())))
	}
	data, err := gw.signed(verify.PTSBalanceResponse, PTSCallback{UserID: gw.config.UserID, BadSignature: gw.faults.BadSignature},
		[]member{textMember("user_id", gw.config.UserID), {"balances", string(object(figures...))}}, nil)
	if err != nil {
		return ptsRefusal("1011", "the answer can't be signed")
	}
	return gw.accept(data)
}

func (gw *PTS) accept(data []byte) answer {
	if gw.config.SealResponses {
		data = []byte(textMember("", string(gw.signer.seal(data))).raw)
	}
	return answer{status: http.StatusOK, contentType: "application/json", body: ptsBody("1000", "accepted", string(data))}
}
