package gateway

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/payack/payack/internal/strict"
	"github.com/payack/payack/verify"
)

func ptsBody(code, message, data string) []byte {
	return object(textMember("code", code), textMember("message", message), member{"data", data})
}

// ptsNames are the documented meanings of the codes.
var ptsNames = map[string]string{
	"1001": "field", "1002": "not found", "1003": "duplicate order", "1004": "quota", "1005": "too large", "1006": "too small",
	"1007": "balance", "1008": "currency", "1009": "unauthorized", "1010": "signature", "1011": "service",
	"1015": "channel mismatch", "1017": "decryption", "1018": "IP", "1020": "request", "9999": "unrecognised",
}

func ptsRefusal(code, why string) answer {
	return answer{
		status: http.StatusOK, contentType: "application/json",
		body: ptsBody(code, orText(ptsNames[code], "refused"), "null"), refusal: code + ": " + why,
	}
}

// ptsSkew is how far a request's timestamp may be off.
const ptsSkew = 5 * time.Second

var (
	tenDigits = regexp.MustCompile(`^[1-9][0-9]{9}$`)
	ptsAmount = regexp.MustCompile(`^(0|[1-9][0-9]{0,17})(\.[0-9]{1,6})?$`)
)

// ptsSigned are the members that each message signs, in the order of their names.
var ptsSigned = map[verify.PTSMessage][]string{
	verify.PTSPayment:          {"amount", "channel", "currency", "order_id", "timestamp", "user_id"},
	verify.PTSWithdraw:         {"amount", "channel", "currency", "order_id", "timestamp", "user_id"},
	verify.PTSPaymentQuery:     {"order_id", "timestamp", "user_id"},
	verify.PTSWithdrawQuery:    {"order_id", "timestamp", "user_id"},
	verify.PTSBalance:          {"timestamp", "user_id"},
	verify.PTSBalanceResponse:  {"user_id"},
	verify.PTSPaymentResponse:  append(ptsCreated[:5:5], "pay_url", "submit_amount", "submit_currency", "transaction_id", "user_id"),
	verify.PTSWithdrawResponse: ptsCreated,
	verify.PTSQueryResponse:    ptsState,
	verify.PTSCallback:         ptsState,
}

var (
	ptsCreated = []string{"accept_amount", "accept_currency", "channel", "exchange_rate", "order_id",
		"submit_amount", "submit_currency", "transaction_id", "user_id"}
	ptsState = []string{"accept_amount", "accept_currency", "channel", "exchange_rate", "order_id", "status",
		"submit_amount", "submit_currency", "timestamp", "transaction_id", "user_id"}
)

type ptsEndpoint struct {
	message  verify.PTSMessage
	required []string
	do       func(fields) answer
}

func (gw *PTS) endpoint(path string) *ptsEndpoint {
	order := []string{"user_id", "order_id", "amount", "currency", "channel", "timestamp", "callback_url", "sign"}
	query := []string{"user_id", "order_id", "timestamp", "sign"}
	switch path {
	case "payment":
		return &ptsEndpoint{verify.PTSPayment, order, func(f fields) answer { return gw.order(f, false) }}
	case "withdraw":
		return &ptsEndpoint{verify.PTSWithdraw, order, func(f fields) answer { return gw.order(f, true) }}
	case "payment/query":
		return &ptsEndpoint{verify.PTSPaymentQuery, query, func(f fields) answer { return gw.query(f, false) }}
	case "withdraw/query":
		return &ptsEndpoint{verify.PTSWithdrawQuery, query, func(f fields) answer { return gw.query(f, true) }}
	case "balance":
		return &ptsEndpoint{verify.PTSBalance, []string{"user_id", "timestamp", "sign"}, gw.balance}
	}
	return nil
}

// answer is called with mu held.
func (gw *PTS) answer(r *http.Request, body []byte) answer {
	if id, isPage := strings.CutPrefix(r.URL.Path, "/pay/"); isPage && gw.pages[id] {
		return customerPage()
	}
	rest, found := strings.CutPrefix(r.URL.Path, "/merchant/v2/")
	guid, path, _ := strings.Cut(rest, "/")
	e := gw.endpoint(path)
	switch {
	case !found || e == nil:
		return unknownPath()
	case r.Method != http.MethodPost:
		return wrongMethod(http.MethodPost)
	case guid != gw.config.GUID:
		return ptsRefusal("1009", "the GUID is another's")
	}
	sealed, refusal := gw.sealed(r, body)
	covered := sealed
	if sealed == nil || gw.config.TransactionWholeBody {
		covered = body
	}
	if !sameSecret(strings.Join(r.Header.Values(verify.PTSTransactionHeader), ","), gw.signer.transaction(covered)) {
		return ptsRefusal("1010", verify.PTSTransactionHeader+" is missing, given twice or wrong")
	}
	if refusal != nil {
		return *refusal
	}
	f, refusal := gw.open(sealed)
	if refusal != nil {
		return *refusal
	}
	if name := f.missing(e.required...); name != "" {
		return ptsRefusal("1001", name+" is missing, empty or of the wrong type")
	}
	if f.text("user_id") != gw.config.UserID {
		return ptsRefusal("1009", "the user_id is another's")
	}
	if why := gw.unsigned(e.message, f); why != "" {
		return ptsRefusal("1010", why)
	}
	timestamp := f.text("timestamp")
	sec, err := strconv.ParseInt(timestamp, 10, 64)
	if !tenDigits.MatchString(timestamp) || err != nil {
		return ptsRefusal("1001", "timestamp has not 10 digits")
	}
	// A request's timestamp has whole seconds, so ignore the clock's fraction of a
	// second.
	if off := time.Duration(gw.options.Now().Unix()-sec) * time.Second; off > ptsSkew || off < -ptsSkew {
		return ptsRefusal("1020", "timestamp is more than 5 seconds off")
	}
	return e.do(f)
}

// sealed returns the base64 text of a request's envelope, or the refusal.
func (gw *PTS) sealed(r *http.Request, body []byte) ([]byte, *answer) {
	refuse := func(why string) ([]byte, *answer) {
		a := ptsRefusal("1020", why)
		return nil, &a
	}
	switch mediaType(r) {
	case "text/plain":
		return body, nil
	case "application/json":
	default:
		return refuse("the content type is neither text/plain nor application/json")
	}
	f, wrong := readJSON(body, []string{"data"})
	if wrong != "" {
		return refuse(wrong)
	}
	if data := strict.Find(f, "data"); data == nil || data.Kind != strict.String {
		return refuse("data is missing or not a string")
	}
	return []byte(f.str("data")), nil
}

// open returns the members in an envelope, or the refusal.
func (gw *PTS) open(sealed []byte) (fields, *answer) {
	plain, err := gw.signer.open(sealed)
	if err != nil {
		a := ptsRefusal("1017", "the envelope does not open")
		return nil, &a
	}
	f, wrong := readJSON(plain, []string{"user_id", "order_id", "amount", "currency", "channel", "timestamp",
		"callback_url", "redirect_url", "error_url", "remark", "details", "email", "bank_code", "sign"})
	if wrong != "" {
		a := ptsRefusal("1020", wrong)
		return nil, &a
	}
	return f, nil
}

// unsigned says why a request's signature is refused. It returns "" if the
// merchant's key has signed the request.
func (gw *PTS) unsigned(m verify.PTSMessage, f fields) string {
	values := make(map[string]string)
	for _, name := range ptsSigned[m] {
		values[name] = f.text(name)
	}
	texts := []string{values["amount"]}
	if m := strict.Find(f, "amount"); m != nil && m.Kind == strict.Number && ptsAmount.MatchString(m.Text) {
		texts = append(texts, phpNumber(m.Text))
	}
	signature, err := strictBase64(f.str("sign"))
	if err != nil {
		return "sign is not base64"
	}
	for _, values["amount"] = range texts {
		text, err := gw.signer.text(ptsSigned[m], values)
		if err != nil {
			return "the signed text would be ambiguous"
		}
		digest := sha256.Sum256([]byte(text))
		if rsa.VerifyPKCS1v15(gw.merchant, crypto.SHA256, digest[:], signature) == nil {
			return ""
		}
	}
	return "sign does not verify with the merchant's key"
}
