package gateway

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/payack/payack"
)

const payatomDate = "02-01-2006"

// reconcileWrong checks the members that both reconciliations require.
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

// list answers with the orders that were created on a day. As the documents say,
// a list of payouts has approved payouts only.
func (gw *Payatom) list(date string, payouts bool) answer {
	on := func(t time.Time) bool { return t.UTC().Format(payatomDate) == date }
	rows := []string{}
	for _, id := range gw.order {
		if p := gw.payments[id]; p != nil && !payouts && on(p.Created) {
			rows = append(rows, gw.row(p.Created, id, p.RefCode, p.RequestedAmount, "amount_received", p.ReceivedAmount, p.Status))
		}
		if p := gw.payouts[id]; p != nil && payouts && on(p.Created) && p.Status.Paid() {
			rows = append(rows, gw.row(p.Created, id, "", p.Amount, "amount_processed", p.Amount, p.Status))
		}
	}
	return jsonAnswer(http.StatusOK, "", textMember("status", "success"), textMember("message", "Success"),
		member{"data", "[" + strings.Join(rows, ",") + "]"})
}

func (gw *Payatom) row(created time.Time, id, ref, requested, settledAs, settled string, status payack.PayatomStatus) string {
	const layout = "January 2, 2006, 3:04 pm"
	bank := ""
	if status.Paid() {
		bank = "bank-" + id
	}
	return string(object(textMember("orderCreateDateTime", created.UTC().Format(layout)),
		textMember("statusChangeDateTime", created.UTC().Format(layout)), textMember("order_id", id), textMember("ref_code", ref),
		gw.listed("amount_requested", requested), gw.listed(settledAs, orText(gw.faults.Amount, settled)),
		textMember("transaction_status", string(status)), textMember("bank_ref", bank)))
}

// listed returns an amount as a member of a list, in hundredths if PaiseInLists is
// set.
func (gw *Payatom) listed(name, amount string) member {
	if d, ok := parseDecimal(amount); ok && gw.config.PaiseInLists {
		amount = d.Shift(2).String()
	}
	return Literal.member(name, amount)
}

func (gw *Payatom) balance(f fields) answer {
	if f.str("email") != gw.config.OperatorEmail || !sameSecret(f.str("verification_code"), gw.config.VerificationCode.Reveal()) {
		return payatomRefusal("email or verification_code is wrong")
	}
	wallet := object(textMember("account", "Account"), textMember("upi", "merchant@upi"),
		textMember("minimum_balance", orText(gw.faults.Amount, gw.config.Balance)), textMember("limit_volume", "10000"), textMember("usage_volume", "0"))
	imps := object(textMember("account_holder", "Account"), textMember("Account_number", payatomAccount), textMember("bank", "bank"),
		textMember("minimum_balance", "0"), textMember("limit_volume", "10000"), textMember("usage_volume", "0"))
	return jsonAnswer(http.StatusOK, "", textMember("status", "success"),
		member{"operator_details", string(object(textMember("name", "Operator"), textMember("email", gw.config.OperatorEmail)))},
		member{"wallets", string(object(member{"upi", "[" + string(wallet) + "]"}, member{"imps_upi", "[" + string(imps) + "]"}))})
}

// payatomAccount is the number of the only account.
const payatomAccount = "1234567890"

// summary answers with the number and the sums of a day's payments for each status.
func (gw *Payatom) summary(f fields) answer {
	refuse := func(message string) answer {
		a := payatomRefusal(message)
		a.status = http.StatusUnauthorized // as Payatom's documents say for errors of this call
		return a
	}
	date, err := time.Parse(payatomDate, f.str("filter_date"))
	switch kind := f.str("filter_date_type"); {
	case kind != "action_date" && kind != "c_date":
		return refuse("Un Supported Filter Type")
	case err != nil:
		return refuse("Invalid Filter Date Format")
	case f.text("account_number") != payatomAccount:
		return jsonAnswer(http.StatusOK, "", textMember("status", "success"), member{"data", "[]"}, textMember("message", "No wallets found"))
	}
	type sum struct {
		count               int
		received, requested decimal.Decimal
	}
	sums := map[string]*sum{}
	for _, p := range gw.payments {
		if p.Created.UTC().Format(payatomDate) != date.Format(payatomDate) {
			continue
		}
		s := sums[string(p.Status)]
		if s == nil {
			s = &sum{}
			sums[string(p.Status)] = s
		}
		received, _ := parseDecimal(p.ReceivedAmount)
		requested, _ := parseDecimal(p.RequestedAmount)
		s.count, s.received, s.requested = s.count+1, s.received.Add(received), s.requested.Add(requested)
	}
	var groups []member
	for _, status := range slices.Sorted(maps.Keys(sums)) {
		s := sums[status]
		groups = append(groups, member{status, string(object(member{"transaction_count", fmt.Sprint(s.count)},
			member{"received_amount", orText(gw.faults.Amount, s.received.String())}, member{"request_amount", s.requested.String()},
			textMember("status", status)))})
	}
	return jsonAnswer(http.StatusOK, "", textMember("status", "success"), member{"data", string(object(groups...))})
}

func (gw *Payatom) accounts(fields) answer {
	account := object(textMember("account_detail", "Account"), textMember("upi", "merchant@upi"), member{"phone_number", "null"},
		textMember("status", "active"), textMember("account_no", payatomAccount), textMember("usage_enable", "1"), textMember("usage_volum", "0"),
		textMember("limit_volum", "10000"), textMember("rolling_balance", orText(gw.faults.Amount, gw.config.Balance)), member{"available_limit", "10000"})
	active := object(member{"count", "1"}, member{"accounts", "[" + string(account) + "]"})
	inactive := object(member{"count", "0"}, member{"accounts", "[]"})
	return jsonAnswer(http.StatusOK, "", textMember("status", "success"),
		member{"data", string(object(member{"active", string(active)}, member{"inactive", string(inactive)}))})
}
