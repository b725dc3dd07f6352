package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

const payatomDate = "02-01-2006"

// reconcileWrong checks what both reconciliations ask for.
func (gw *Payatom) reconcileWrong(f fields) string {
	date := f.str("date")
	if _, err := time.Parse(payatomDate, date); err != nil {
		return "date is not DD-MM-YYYY"
	}
	if !sameSecret(f.str("signature"), payatomDay(gw.config.SecretKey, gw.config.PID, date)) {
		return "signature is wrong"
	}
	return ""
}

func (gw *Payatom) reconcile(f fields) answer {
	if wrong := gw.reconcileWrong(f); wrong != "" {
		return payatomRefusal(wrong)
	}
	return gw.list(f.str("date"), false)
}

func (gw *Payatom) reconcilePayouts(f fields) answer {
	if wrong := gw.reconcileWrong(f); wrong != "" {
		return payatomRefusal(wrong)
	}
	if today := gw.options.Now().UTC().Format(payatomDate); gw.payoutDay != today {
		gw.payoutDay, gw.payoutAsks = today, 0
	}
	if gw.payoutAsks == 10 {
		return payatomRefusal("more than 10 calls a day")
	}
	gw.payoutAsks++
	return gw.list(f.str("date"), true)
}

// list answers with what was created on a day.
func (gw *Payatom) list(date string, payouts bool) answer {
	on := func(t time.Time) bool { return t.UTC().Format(payatomDate) == date }
	n := gw.config.Numbers
	var rows []string
	for _, id := range gw.order {
		if p := gw.payments[id]; p != nil && !payouts && on(p.Created) {
			rows = append(rows, string(object(textMember("order_id", id), textMember("ref_code", p.RefCode),
				n.member("requested_amount", p.RequestedAmount), n.member("received_amount", p.ReceivedAmount), textMember("status", string(p.Status)))))
		}
		if p := gw.payouts[id]; p != nil && payouts && on(p.Created) {
			rows = append(rows, string(object(textMember("order_id", id), n.member("amount", p.Amount), textMember("status", string(p.Status)))))
		}
	}
	return jsonAnswer(http.StatusOK, "", textMember("status", "ok"), member{"data", "[" + strings.Join(rows, ",") + "]"})
}

func (gw *Payatom) balance(fields) answer {
	return jsonAnswer(http.StatusOK, "", textMember("status", "ok"),
		gw.config.Numbers.member("balance", orText(gw.faults.Amount, gw.config.Balance)))
}

// summary tells the number of payments and the sum of what came in.
func (gw *Payatom) summary(fields) answer {
	var total decimal.Decimal
	for _, p := range gw.payments {
		d, _ := parseDecimal(p.ReceivedAmount)
		total = total.Add(d)
	}
	return jsonAnswer(http.StatusOK, "", textMember("status", "ok"), member{"count", fmt.Sprint(len(gw.payments))},
		gw.config.Numbers.member("total", orText(gw.faults.Amount, total.String())))
}
