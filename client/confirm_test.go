package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/internal/confirming"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/verify"
)

// confirms returns the Confirm methods of clients with these options, each with an
// event to confirm and the client's ConfirmTimeout.
func confirms(t *testing.T, o client.Options) map[string]struct {
	ask    func(context.Context) error
	atMost time.Duration
} {
	t.Helper()
	const base = "https://api.example"
	a, b, d := ptopConfig(base), ptsConfig(base), payatomConfig(base)
	a.Options, b.Options, d.Options = o, o, o
	ptop, pts, payatom := newClients(t, a, b, d)
	ptsEvent := &payack.PTSEvent{UserID: "1", OrderID: "O1", TransactionID: "T1", Status: payack.PTSSuccess}
	return map[string]struct {
		ask    func(context.Context) error
		atMost time.Duration
	}{
		"ptop": {func(ctx context.Context) error {
			_, err := ptop.Confirm(ctx, &payack.PtopEvent{Success: true, TransactionID: "T1", OrderID: "O1"})
			return err
		}, ptop.ConfirmTimeout()},
		"pts":          {func(ctx context.Context) error { _, err := pts.Confirm(ctx, ptsEvent); return err }, pts.ConfirmTimeout()},
		"pts withdraw": {func(ctx context.Context) error { _, err := pts.ConfirmWithdraw(ctx, ptsEvent); return err }, pts.ConfirmTimeout()},
		"payatom": {func(ctx context.Context) error {
			ev := &payack.PayatomEvent{OrderID: "ORD1000001", Status: payack.PayatomApproved, ReceivedAmount: payack.NewAmount("5")}
			ev.Unsigned.RefCode = payack.NewText("R1")
			_, err := payatom.Confirm(ctx, ev)
			return err
		}, payatom.ConfirmTimeout()},
	}
}

// If the provider does not answer, Confirm takes at most ConfirmTimeout with all its
// repetitions, even if the context allows more.
func TestConfirmTakesAtMostConfirmTimeout(t *testing.T) {
	for name, c := range map[string]struct {
		options client.Options
		fails   bool // the provider fails at once instead of hanging
		atMost  time.Duration
		asked   int
	}{
		"by default":                 {client.Options{}, false, client.DefaultConfirmTimeout, 3},
		"by default, failing fast":   {client.Options{}, true, client.DefaultConfirmTimeout, 3},
		"a time of its own":          {client.Options{ConfirmTimeout: 2 * time.Second, Retries: 1}, false, 2 * time.Second, 2},
		"attempts that need less":    {client.Options{Timeout: time.Second, Retries: -1}, false, time.Second, 1},
		"repeated, and still less":   {client.Options{Timeout: time.Second, Retries: 1}, false, 2200 * time.Millisecond, 2},
		"the HTTP client needs less": {client.Options{HTTPClient: &http.Client{Timeout: time.Second}, Retries: -1}, false, time.Second, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				hung := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					asked++
					if c.fails {
						return nil, errors.New("no route")
					}
					<-r.Context().Done()
					return nil, r.Context().Err()
				})}
				if c.options.HTTPClient != nil {
					hung.Timeout = c.options.HTTPClient.Timeout
				}
				c.options.HTTPClient = hung
				c.options.Now = func() time.Time { return clock }
				for provider, confirm := range confirms(t, c.options) {
					asked = 0
					assert.Equal(t, c.atMost, confirm.atMost, provider)
					start := time.Now()
					err := confirm.ask(t.Context())
					assert.ErrorIs(t, err, client.ErrUnreachable, provider)
					assert.False(t, isUnconfirmed(err), provider)
					assert.LessOrEqual(t, time.Since(start), c.atMost, provider)
					assert.Equal(t, c.asked, asked, provider)
				}
			})
		})
	}
	assert.Less(t, client.DefaultConfirmTimeout, middleware.DefaultDeadline)
}

// The first attempt gets half of ConfirmTimeout, so Confirm gets the answer of a
// provider that is always slow.
func TestConfirmWaitsForASlowProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		c := ptopConfig("https://api.example")
		c.Options = client.Options{HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			asked++
			select {
			case <-time.After(2400 * time.Millisecond):
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
			return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
		})}}
		ptop, err := client.NewPtop(c)
		require.NoError(t, err)
		_, err = ptop.Confirm(t.Context(), &payack.PtopEvent{Success: true, TransactionID: "T1", OrderID: "O1"})
		assert.ErrorIs(t, err, client.ErrResponse, "it came, and was empty")
		assert.Equal(t, 1, asked)

		// An earlier deadline of the context wins.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err = ptop.Confirm(ctx, &payack.PtopEvent{Success: true, TransactionID: "T1", OrderID: "O1"})
		assert.ErrorIs(t, err, client.ErrUnreachable)
		assert.LessOrEqual(t, time.Since(start), time.Second)
	})
}

// confirming.Timeout, which a receiver's constructor calls, returns the ConfirmTimeout
// of a client's Confirm method. It does not call a function of the merchant.
func TestConfirmTimeoutOfAHook(t *testing.T) {
	ptop, pts, payatom := newPtop(t, "https://api.example"), newPTS(t, "https://api.example"), newPayatom(t, "https://api.example")
	c := ptsConfig("https://api.example")
	c.Options = client.Options{ConfirmTimeout: time.Minute, Retries: 99}
	slow, err := client.NewPTS(c)
	require.NoError(t, err)
	type asked struct {
		atMost time.Duration
		known  bool
	}
	got := func(atMost time.Duration, known bool, err error) asked {
		require.NoError(t, err)
		return asked{atMost, known}
	}
	assert.Equal(t, asked{client.DefaultConfirmTimeout, true}, got(confirming.Timeout(ptop.Confirm)))
	assert.Equal(t, asked{client.DefaultConfirmTimeout, true}, got(confirming.Timeout(payatom.Confirm)))
	for _, hook := range []middleware.ConfirmFunc[*payack.PTSEvent]{pts.Confirm, pts.ConfirmWithdraw} {
		assert.Equal(t, asked{client.DefaultConfirmTimeout, true}, got(confirming.Timeout(confirming.Func[*payack.PTSEvent](hook))))
	}
	assert.Equal(t, asked{time.Minute, true}, got(confirming.Timeout(slow.Confirm)))
	assert.Equal(t, asked{time.Minute, true}, got(confirming.Timeout(slow.ConfirmWithdraw)))

	mine := func(context.Context, *payack.PTSEvent) (*payack.Confirmation, error) { panic("it is called") }
	assert.Equal(t, asked{}, got(confirming.Timeout(mine)))
	around := func(ctx context.Context, ev *payack.PTSEvent) (*payack.Confirmation, error) {
		assert.Fail(t, "it is called")
		return slow.Confirm(ctx, ev)
	}
	assert.Equal(t, asked{}, got(confirming.Timeout(around)))
	assert.Equal(t, asked{}, got(confirming.Timeout[*payack.PTSEvent](nil)))
}

// One byte-order mark before an answer is skipped, but not two.
func TestByteOrderMark(t *testing.T) {
	const mark = "\ufeff"
	sealed := ptsAnswer(t, verify.PTSPaymentResponse, ptsCreated(), true)
	// answers are valid answers by call.
	answers := map[string]string{
		"ptop create":           `{"success":true,"transaction_id":"T1","payment_url":"https://pay.example/T1"}`,
		"ptop check":            `{"status":1,"amount":5}`,
		"ptop payout":           `{"success":true}`,
		"ptop confirm":          `{"status":1,"amount":5}`,
		"pts payment":           ptsAnswer(t, verify.PTSPaymentResponse, ptsCreated(), false),
		"pts payment, sealed":   sealed,
		"pts withdraw":          ptsAnswer(t, verify.PTSWithdrawResponse, ptsCreated(), false),
		"pts query":             ptsAnswer(t, verify.PTSQueryResponse, ptsState(), false),
		"pts withdraw query":    ptsAnswer(t, verify.PTSQueryResponse, ptsState(), false),
		"payatom payin":         `{"hash_value":"x","status":"ok"}`,
		"payatom polling":       polled(t, "ORD1000001", "500", "Approved"),
		"payatom payout":        `{"status":"ok"}`,
		"payatom payout status": `{"status":"Pending"}`,
		"payatom balance":       `{"wallets":{"upi":[{"upi":"x"}]}}`,
		"payatom confirm":       polled(t, "ORD1000001", "100.50", "Approved"),
	}
	for name, answer := range answers {
		call := strings.TrimSuffix(name, ", sealed")
		for body, want := range map[string]error{
			answer:                     nil,
			mark + answer:              nil,
			mark + " \r\n" + answer:    nil,
			mark + mark + answer:       payack.ErrMalformed,
			" " + mark + answer:        payack.ErrMalformed,
			mark + " " + mark + answer: payack.ErrMalformed,
			answer + mark:              payack.ErrMalformed,
			"\xef\xbb" + answer:        client.ErrResponse,
			"\xff\xfe" + answer:        client.ErrResponse,
			strings.Replace(answer, "{", "{"+mark, 1): payack.ErrMalformed,
		} {
			err := calls(t, says(t, 200, body).URL)[call](t.Context())
			if want == nil {
				assert.NoError(t, err, "%s: %q", name, body)
				continue
			}
			assert.ErrorIs(t, err, want, "%s: %q", name, body)
			assert.ErrorIs(t, err, client.ErrResponse, "%s: %q", name, body)
			assert.False(t, isUnconfirmed(err))
		}
	}
	// A byte-order mark before an answer of failure is skipped too.
	var e *client.Error
	err := calls(t, says(t, 400, mark+`{"success":false,"message":"why"}`).URL)["ptop create"](t.Context())
	require.ErrorAs(t, err, &e)
	assert.Equal(t, "why", e.Message)
	// The JSON of a report has no byte-order mark.
	report, err := newPayatom(t, says(t, 200, mark+`{"balance":"5"}`).URL).PayoutStatus(t.Context(), "P1")
	require.NoError(t, err)
	assert.Equal(t, `{"balance":"5"}`, string(report.JSON))
}

// An order_id that could have the same hash as another order_id is refused before
// anything is sent.
func TestPayatomLongOrderIDs(t *testing.T) {
	g := says(t, 200, `{"hash_value":"x","status":"ok"}`)
	payatom := newPayatom(t, g.URL)
	long, euros := strings.Repeat("9", 64), strings.Repeat("€", 22) // 22 characters, 66 bytes
	for _, id := range []string{long, euros, strings.Repeat("9", 1000)} {
		p := payin()
		p.OrderID = id
		_, err := payatom.Payin(t.Context(), p)
		assert.ErrorIs(t, err, client.ErrRequest)
		assert.ErrorContains(t, err, "OrderID has 64 bytes or more, so that another one may have the same hash; give a shorter one")
		assert.NotContains(t, err.Error(), id)
		_, err = payatom.Payout(t.Context(), client.PayatomPayout{OrderID: id, Amount: payack.NewAmount("5"), PaymentMode: "upi"})
		assert.ErrorIs(t, err, client.ErrRequest)
		assert.ErrorContains(t, err, "64 bytes")
		_, err = payatom.PayoutStatus(t.Context(), id)
		assert.ErrorIs(t, err, client.ErrRequest)
		assert.ErrorContains(t, err, "64 bytes")
		_, err = payatom.StatusPolling(t.Context(), client.PayatomQuery{RefCode: "R1", OrderID: id})
		assert.ErrorIs(t, err, client.ErrRequest)
		assert.ErrorContains(t, err, "64 bytes")
		ev := &payack.PayatomEvent{OrderID: id, Status: payack.PayatomApproved, ReceivedAmount: payack.NewAmount("5")}
		ev.Unsigned.RefCode = payack.NewText("R1")
		_, err = payatom.Confirm(t.Context(), ev)
		assert.ErrorIs(t, err, client.ErrRequest)
	}
	assert.Empty(t, g.requests())
	p := payin()
	p.OrderID = long[:63]
	_, err := payatom.Payin(t.Context(), p)
	assert.NoError(t, err)
	assert.Contains(t, g.only(t).Body, long[:63])
}

// Confirm asks by the ref_code of the merchant's record, if there is one.
func TestPayatomConfirmAsksByTheMerchantsRecord(t *testing.T) {
	for name, c := range map[string]struct {
		expected payack.Expectation
		webhook  payack.Text
		want     string
	}{
		"of the record":                 {payack.Expectation{Found: true, RefCode: "MINE"}, payack.NewText("THEIRS"), "MINE"},
		"of the record alone":           {payack.Expectation{Found: true, RefCode: "MINE"}, payack.Text{}, "MINE"},
		"of the webhook":                {payack.Expectation{Found: true}, payack.NewText("THEIRS"), "THEIRS"},
		"nobody was asked":              {payack.Expectation{}, payack.NewText("THEIRS"), "THEIRS"},
		"a record that was not found":   {payack.Expectation{RefCode: "MINE"}, payack.NewText("THEIRS"), "THEIRS"},
		"none":                          {payack.Expectation{Found: true}, payack.Text{}, ""},
		"none, an empty one and null":   {payack.Expectation{Found: true}, payack.NullText(), ""},
		"none that was found":           {payack.Expectation{RefCode: "MINE"}, payack.NewText(""), ""},
		"one that can't be sent":        {payack.Expectation{Found: true}, payack.NewText("R\x00"), ""},
		"the webhook's can't, mine can": {payack.Expectation{Found: true, RefCode: "MINE"}, payack.NewText("R\x00"), "MINE"},
	} {
		g := says(t, 200, polled(t, "ORD1000001", "500", "Approved"))
		ev := &payack.PayatomEvent{OrderID: "ORD1000001", Status: payack.PayatomApproved, ReceivedAmount: payack.NewAmount("500")}
		ev.Expected, ev.Unsigned.RefCode = c.expected, c.webhook
		got, err := newPayatom(t, g.URL).Confirm(t.Context(), ev)
		if c.want == "" {
			assert.ErrorIs(t, err, client.ErrRequest, name)
			assert.False(t, isUnconfirmed(err), name)
			assert.Empty(t, g.requests(), name)
			continue
		}
		require.NoError(t, err, name)
		assert.True(t, got.Paid)
		assert.Contains(t, g.only(t).Body, `"ref_code":"`+c.want+`"`, name)
	}
}

// If the gateway declines because the ref_code does not exist, Confirm returns
// ErrUnconfirmed, which is final. For any other refusal, the error of Confirm is
// not final.
func TestPayatomConfirmDeclined(t *testing.T) {
	ask := func(status int, body string, unknown func(string) bool) error {
		c := payatomConfig(says(t, status, body).URL)
		c.UnknownRefCode = unknown
		payatom, err := client.NewPayatom(c)
		require.NoError(t, err)
		ev := &payack.PayatomEvent{OrderID: "ORD1000001", Status: payack.PayatomApproved, ReceivedAmount: payack.NewAmount("500")}
		ev.Unsigned.RefCode = payack.NewText("R1")
		got, err := payatom.Confirm(t.Context(), ev)
		assert.Nil(t, got)
		require.Error(t, err)
		silent(t, err)
		return err
	}
	said := func(message string) string { return fmt.Sprintf(`{"status":"error","message":%q}`, message) }
	for _, message := range []string{
		"no such payment", "No such ref_code", "There is no such reference code.", "Transaction not found", "transaction was not found!",
		"Reference Code not found", "ref_code does not exist", "ref code doesn't exist", "Order doesn't exist", "Invalid ref_code",
		"invalid reference code.", "Unknown ref_code", "No transaction found", "no record found for this ref_code", "Data not found",
		"Payment with ref_code could not be found", "The order cannot be found", "ref_code: unknown", "Payment details not found", "orders not found",
	} {
		err := ask(200, said(message), nil)
		assert.True(t, isUnconfirmed(err), message)
		assert.ErrorIs(t, err, client.ErrNotFound, message)
		assert.Contains(t, err.Error(), message[:5])
	}
	for _, message := range []string{
		"", "1011", "1002", "error", "busy", "service unavailable", "Invalid post_hash", "post_hash is wrong", "pid is another's", "Invalid pid",
		"merchant not found", "unknown error while fetching the payment", "Something went wrong, please try again", "too many requests",
		"Unknown payment status, try again", "invalid request", "payment is being processed", "IP not allowed", "order not yet settled",
		"the database was not found", "Not found", "transaction hash not found", "invalid payment mode", "could not connect to the payment server",
	} {
		err := ask(200, said(message), nil)
		assert.False(t, isUnconfirmed(err), message)
		assert.ErrorIs(t, err, client.ErrDeclined, message)
		assert.NotErrorIs(t, err, client.ErrNotFound, message)
	}
	// Confirm returns ErrUnconfirmed only if the HTTP status shows that the gateway
	// understood the request.
	for status, refutes := range map[int]bool{200: true, 400: true, 404: true, 422: true, 401: false, 403: false, 408: false, 429: false, 500: false, 503: false} {
		assert.Equal(t, refutes, isUnconfirmed(ask(status, said("no such ref_code"), nil)), status)
	}
	for _, body := range []string{
		`{"status":"ok","message":"no such ref_code"}`, `{"status":"Error","message":"no such ref_code"}`, `{"message":"no such ref_code"}`,
		`{"status":"error","message":{"x":"no such ref_code"}}`, `{"status":"error","status":"error","message":"no such ref_code"}`,
		`{"status":"error","error":"no such ref_code"}`, "<html>no such ref_code</html>", "no such ref_code", "",
	} {
		for _, status := range []int{200, 404} {
			assert.False(t, isUnconfirmed(ask(status, body, nil)), body)
		}
	}
	// UnknownRefCode replaces the recognition of the usual English words.
	own := func(message string) bool { return message == "E17" }
	assert.True(t, isUnconfirmed(ask(200, said("E17"), own)))
	assert.False(t, isUnconfirmed(ask(200, said("no such ref_code"), own)))
	// For the same answer, StatusPolling returns ErrNotFound.
	_, err := newPayatom(t, says(t, 200, said("no such ref_code")).URL).StatusPolling(t.Context(), client.PayatomQuery{RefCode: "R1"})
	assert.ErrorIs(t, err, client.ErrNotFound)
	assert.ErrorIs(t, err, client.ErrDeclined)
	assert.False(t, isUnconfirmed(err))
	// A similar answer to a payin is not about a ref_code.
	_, err = newPayatom(t, says(t, 200, said("no such order")).URL).Payin(t.Context(), payin())
	assert.ErrorIs(t, err, client.ErrDeclined)
	assert.NotErrorIs(t, err, client.ErrNotFound)
}

// An answer of Ptop that reports a failure confirms nothing, whatever its member
// status says.
func TestPtopDeniedAnswers(t *testing.T) {
	ev := &payack.PtopEvent{Success: true, TransactionID: "T1", OrderID: "O1"}
	for _, status := range []string{"0", "1", "2"} {
		for marker, want := range map[string]error{
			`"success":false`:                       client.ErrDeclined,
			`"success":false,"message":"try again"`: client.ErrDeclined,
			`"ok":false`:                            client.ErrDeclined,
			`"ok":0`:                                client.ErrDeclined,
			`"Success":false`:                       payack.ErrMalformed,
			`"OK":"false"`:                          client.ErrDeclined,
			`"error":"internal"`:                    client.ErrDeclined,
			`"error":true`:                          client.ErrDeclined,
			`"error":{"code":5}`:                    client.ErrDeclined,
			`"Error":1`:                             client.ErrDeclined,
			`"errors":["x"]`:                        client.ErrDeclined,
			`"failed":true`:                         client.ErrDeclined,
			`"success":"false"`:                     payack.ErrMalformed,
			`"success":0`:                           payack.ErrMalformed,
		} {
			body := `{"status":` + status + `,"amount":100.00,` + marker + `}`
			ptop := newPtop(t, says(t, 200, body).URL)
			got, err := ptop.Confirm(t.Context(), ev)
			assert.Nil(t, got, body)
			assert.ErrorIs(t, err, want, body)
			assert.False(t, isUnconfirmed(err), body)
			_, err = ptop.PaymentCheck(t.Context(), "T1")
			assert.ErrorIs(t, err, want, body)
		}
	}
	for _, marker := range []string{
		`"success":true`, `"success":null`, `"ok":true`, `"ok":null`, `"error":null`, `"error":false`, `"error":""`, `"error":0`, `"errors":[]`, `"errors":{}`,
		`"failed":false`, `"message":"error"`,
	} {
		got, err := newPtop(t, says(t, 200, `{"status":1,"amount":100.00,`+marker+`}`).URL).Confirm(t.Context(), ev)
		require.NoError(t, err, marker)
		assert.True(t, got.Paid)
	}
	var e *client.Error
	_, err := newPtop(t, says(t, 200, `{"status":1,"amount":5,"error":"gone"}`).URL).PaymentCheck(t.Context(), "T1")
	require.ErrorAs(t, err, &e)
	assert.Equal(t, "gone", e.Message)
}
