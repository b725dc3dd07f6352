package e2e

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/internal/testserver"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/payacktest/gateway"
	"github.com/payack/payack/verify"
)

// The programs in testdata/senders are the other side of the protocols. They are
// written in languages that providers and merchants use. For JSON, forms, AES and RSA
// they use the libraries of those languages. They share no code with this library.

// language is the language of one of these programs.
type language struct {
	name, program string
	interpreter   testserver.Interpreter
}

var languages = []language{
	{"php", "sender.php", testserver.PHP},
	{"python", "sender.py", testserver.Python.That("try:\n import Crypto.Cipher\nexcept ImportError:\n import Cryptodome.Cipher", "python3 with pycryptodome")},
	{"node", "sender.js", testserver.Node},
}

// sender is a program whose interpreter is installed.
type sender struct {
	language
	command []string
}

// eachLanguage runs a test for each language that is installed.
func eachLanguage(t *testing.T, test func(t *testing.T, s sender)) {
	for _, l := range languages {
		t.Run(l.name, func(t *testing.T) {
			test(t, sender{l, []string{l.interpreter.Command(t), filepath.Join("testdata", "senders", l.program)}})
		})
	}
}

// task is an instruction to a program. If the member What is set, the program must
// check a message. If it is empty, the program must make one.
type task struct {
	Provider payack.Provider `json:"provider,omitempty"`
	Members  json.RawMessage `json:"members,omitempty"`
	How      string          `json:"how,omitempty"`
	What     string          `json:"what,omitempty"`
	Body     string          `json:"body,omitempty"`
	Header   string          `json:"header,omitempty"`
	// Whole makes Header cover the whole body instead of the envelope in it. PTS's
	// document doesn't say which is meant for a request in JSON.
	Whole  bool              `json:"whole,omitempty"`
	Signed []string          `json:"signed,omitempty"`
	Keys   map[string]string `json:"keys"`
}

// result is a program's result for a task.
type result struct {
	Type    string            `json:"type"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	OK      *bool             `json:"ok"`
}

// run makes a program do all tasks.
func (s sender) run(t *testing.T, tasks []task) []result {
	t.Helper()
	in, err := json.Marshal(tasks)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), serverPatience)
	defer cancel()
	c := exec.CommandContext(ctx, s.command[0], s.command[1:]...)
	var out, complaints bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(in), &out, &complaints
	require.NoError(t, c.Run(), "%s%s", complaints.String(), out.String())
	var results []result
	require.NoError(t, json.Unmarshal(out.Bytes(), &results), out.String())
	require.Len(t, results, len(tasks))
	return results
}

func (r result) message() Message {
	h := http.Header{"Content-Type": {r.Type}}
	for name, value := range r.Headers {
		h.Set(name, value)
	}
	return Message{http.MethodPost, "/callback", h, r.Body}
}

// posted is a callback that the programs make, with the expected event.
type posted struct {
	task
	// scheme is the expected scheme by language. "" stands for all languages that are
	// not listed.
	scheme map[string]payack.Scheme
	// show is the expected text of one member of the event, by language like scheme.
	// The field member has the member's name.
	show   map[string]string
	member string
	config func(m *Merchant)
}

func (p posted) in(language string) (payack.Scheme, string) {
	scheme, found := p.scheme[language]
	if !found {
		scheme = p.scheme[""]
	}
	show, found := p.show[language]
	if !found {
		show = p.show[""]
	}
	return scheme, show
}

// senderCallbacks returns callbacks whose numbers and texts the languages spell
// differently.
func senderCallbacks(t *testing.T) []posted {
	key := PTSKey(t)
	ptsKeys := map[string]string{"safecode": key.Safecode, "private_pem": key.PrivatePEM, "transaction_secret": key.TransactionSecret}
	ptopKeys, payatomKeys := map[string]string{"the_signature": PtopKey}, map[string]string{"secret_key": PayatomKey}
	all := func(s payack.Scheme) map[string]payack.Scheme { return map[string]payack.Scheme{"": s} }
	php := map[string]payack.Scheme{"": payack.SchemeLiteral, "php": payack.SchemePHP}
	same := func(text string) map[string]string { return map[string]string{"": text} }
	forms := func(m *Merchant) { m.Body = verify.BodyForm }
	var out []posted
	for _, amount := range []struct {
		literal string
		scheme  map[string]payack.Scheme
		show    map[string]string
	}{
		{`100.5`, all(payack.SchemeLiteral), same("100.5")},
		{`1500`, all(payack.SchemeLiteral), same("1500")},
		{`"63.00"`, all(payack.SchemeLiteral), same("63.00")},
		{`63.0`, all(payack.SchemeLiteral), map[string]string{"php": "63", "python": "63.0", "node": "63"}},
		{`123456789.123456`, php, map[string]string{"": "123456789.123456", "php": "123456789.12346"}},
		{`0.30000000000000004`, php, map[string]string{"": "0.30000000000000004", "php": "0.3"}},
		{`0.00001`, php, map[string]string{"php": "1.0e-5", "python": "1e-05", "node": "0.00001"}},
	} {
		for _, how := range []string{"flat", "text", "data", "object"} {
			out = append(out, posted{
				task: task{Provider: payack.PTS, How: how, Signed: PTSNames, Keys: ptsKeys, Members: json.RawMessage(
					`{"user_id":"277","order_id":"ORD/é-1","transaction_id":"7001","channel":"QRPH","submit_currency":"PHP","submit_amount":` + amount.literal +
						`,"accept_currency":"PHP","accept_amount":` + amount.literal + `,"exchange_rate":1,"status":"2000","timestamp":1731000000,"error_message":[],"reference_number":null}`)},
				scheme: amount.scheme, show: amount.show, member: "accept_amount",
			})
		}
	}
	for _, amount := range []struct{ literal, show string }{{`"500"`, "500"}, {`499.5`, "499.5"}, {`500`, "500"}, {`"500.00"`, "500.00"}} {
		for _, how := range []string{"json", "form"} {
			for _, refund := range []string{`[]`, `{"refund_amount":"20","refund_notes":"für / dich"}`} {
				p := posted{
					task: task{Provider: payack.Payatom, How: how, Keys: payatomKeys, Members: json.RawMessage(
						`{"order_id":"ORD/é-1","requested_amount":"500","status":"Late Approved","received_amount":` + amount.literal +
							`,"bank_ref":"838","sender_upi":"user@bank","ref_code":"b73ea664","refund_info":` + refund + `}`)},
					scheme: all(payack.SchemeLiteral), show: same(amount.show), member: "received_amount",
				}
				if how == "form" {
					p.config = forms
				}
				out = append(out, p)
			}
		}
	}
	for _, how := range []payack.Scheme{payack.SchemeHeader, payack.SchemeSpliced, payack.SchemeReencoded, payack.SchemeBlanked, payack.SchemeForm} {
		success := "true"
		p := posted{scheme: all(how), show: same("bezahlt: é / ok"), member: "message"}
		if how == payack.SchemeForm {
			success, p.config = `"1"`, forms
		}
		p.task = task{Provider: payack.Ptop, How: string(how), Keys: ptopKeys, Members: json.RawMessage(
			`{"success":` + success + `,"transaction_id":"T1","order_id":"O/1","message":"bezahlt: é / ok"}`)}
		out = append(out, p)
	}
	return out
}

// Callbacks of programs in other languages are accepted, and the event has the amount
// that the program signed. They are rejected if a signed text is changed.
func TestCallbacksOfOtherLanguages(t *testing.T) {
	eachLanguage(t, func(t *testing.T, s sender) {
		var list []posted
		var tasks []task
		for _, p := range senderCallbacks(t) {
			if p.How == string(payack.SchemeReencoded) && s.name != "php" {
				continue // only PHP signs re-encoded JSON
			}
			list, tasks = append(list, p), append(tasks, p.task)
		}
		for i, r := range s.run(t, tasks) {
			p := list[i]
			w, c := &Watch{}, &Calls{}
			m := Merchant{Options: w.Options(), Callback: c.Take}
			if p.config != nil {
				p.config(&m)
			}
			h := m.Handler(t, p.Provider)
			if p.How == "text" || p.How == "data" {
				h = ptsWithSecret(t, w, c)
			}
			message := r.message()
			AssertContract(t, p.Provider, payack.OutcomeAccepted, "", Send(h, message))
			if !assert.Len(t, c.Events, 1, "%v: %s", w.Last(t).Err, r.Body) {
				continue
			}
			ev := c.Events[0]
			scheme, show := p.in(s.name)
			assert.Equal(t, scheme, ev.VerifiedBy().Scheme, r.Body)
			assert.Equal(t, show, payacktest.MembersOf(ev)[p.member], r.Body)
			if e, ok := ev.(*payack.PayatomEvent); ok {
				refund, ok := e.Unsigned.Refund()
				assert.Equal(t, strings.Contains(string(p.Members), "refund_notes"), ok, r.Body)
				if ok {
					assert.Equal(t, "20 für / dich", refund.Amount.String()+" "+refund.Notes.String())
				}
			}
			AssertContract(t, p.Provider, payack.OutcomeDuplicate, "", Send(h, message))

			// Change the order, the status or another signed text, and keep the
			// signature. The search texts are such that they hardly ever occur in a
			// base64 hash.
			for _, change := range [][2]string{{`"2000"`, `"3000"`}, {"Late", "Lbte"}, {`"ORD`, `"PRD`}, {`"O/1"`, `"P/1"`}, {`"O\/1"`, `"P\/1"`}, {"O%2F1", "P%2F1"}} {
				if forged := message.Replace(change[0], change[1]); forged.Body != message.Body {
					AssertContract(t, p.Provider, payack.OutcomeRejected, payack.ReasonSignature, Send(h, forged))
				}
			}
			if p.How == "text" || p.How == "data" { // an envelope can't be edited
				AssertContract(t, p.Provider, payack.OutcomeRejected, payack.ReasonSignature, Send(h, message.With(verify.PTSTransactionHeader, "AAAA")))
			}
			assert.Len(t, c.Events, 1)
			assert.Equal(t, payack.ReasonSignature, w.Last(t).Reason, "something was forged")
		}
	})
}

// ptsWithSecret returns a receiver that requires X-Transaction-Signature.
func ptsWithSecret(t *testing.T, w *Watch, c *Calls) http.Handler {
	t.Helper()
	key := PTSKey(t)
	h, err := handlers.NewPTS(handlers.PTSConfig{
		Safecode: payack.NewSecret(key.Safecode), PublicKeys: []string{key.PublicPEM},
		TransactionSecret: payack.NewSecret(key.TransactionSecret), Options: w.Options(),
	}, func(ctx context.Context, ev *payack.PTSEvent) error { return c.Take(ctx, ev) })
	require.NoError(t, err)
	return h
}

// tee keeps the answers that a client gets, by path.
type tee struct {
	mu   sync.Mutex
	said map[string]string
}

func (r *tee) RoundTrip(q *http.Request) (*http.Response, error) {
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(q)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(body))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said[q.URL.Path] = string(body)
	return res, err
}

func (r *tee) options() client.Options {
	r.said = map[string]string{}
	return client.Options{Retries: -1, HTTPClient: &http.Client{Transport: r}}
}

// acknowledging starts a merchant's server that answers every callback with body, and
// returns its URL.
func acknowledging(t *testing.T, body string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
	t.Cleanup(s.Close)
	return s.URL
}

// checked is a message that the programs must accept, with a change after which they
// must refuse it.
type checked struct {
	name string
	task
	spoil func(c *task)
}

func replaced(old, text string) func(*task) {
	return func(c *task) { c.Body = strings.Replace(c.Body, old, text, 1) }
}

func anotherHeader(c *task) {
	last := map[bool]byte{true: 'B', false: 'A'}[c.Header[0] == 'A']
	c.Header = string(last) + c.Header[1:]
}

// Programs in other languages verify the requests of our clients, and the answers and
// callbacks of the fake gateways.
func TestRequestsAndAnswersInOtherLanguages(t *testing.T) {
	eachLanguage(t, func(t *testing.T, s sender) {
		// A language whose JSON parser drops literals can't check the text of 100.50. So
		// each language gets numbers in a spelling that it can check.
		numbers := map[string]gateway.Numbers{
			"php": gateway.PHP, "python": gateway.Literal, "node": gateway.Quoted,
		}[s.name]
		list := append(checkPTS(t, numbers), checkPayatom(t)...)
		list = append(list, checkPtop(t, s.name)...)
		var tasks []task
		for _, c := range list {
			spoiled := c.task
			c.spoil(&spoiled)
			require.NotEqual(t, c.task, spoiled, c.name)
			tasks = append(tasks, c.task, spoiled)
		}
		results := s.run(t, tasks)
		for i, c := range list {
			assert.True(t, *results[2*i].OK, "%s: %s", c.name, c.Body)
			assert.False(t, *results[2*i+1].OK, "%s, spoiled: %s", c.name, tasks[2*i+1].Body)
		}
	})
}

// PTS's fake gateway accepts payments as PTS's samples send them: with a number or a string as
// the amount, and with members that no document signs.
func TestPaymentsOfOtherLanguages(t *testing.T) {
	eachLanguage(t, func(t *testing.T, s sender) {
		start := time.Now() // the gateway's clock stands still while the program starts
		gw, err := gateway.NewPTS(gateway.PTSConfig{Options: gateway.Options{Now: func() time.Time { return start }}})
		require.NoError(t, err)
		t.Cleanup(gw.Close)
		keys := map[string]string{
			"safecode": gw.Safecode().Reveal(), "private_pem": gw.MerchantKey().Reveal(), "transaction_secret": gw.TransactionSecret().Reveal(),
		}
		var tasks []task
		amounts := []string{`100.5`, `1500`, `"100.50"`, `0.25`, `123456789.123456`}
		for i, amount := range amounts {
			for j, how := range []string{"text", "data"} {
				tasks = append(tasks, task{Provider: payack.PTS, How: how, Signed: verify.PTSPayment.SignedMembers(), Keys: keys, Members: json.RawMessage(
					fmt.Sprintf(`{"user_id":%q,"order_id":"O%d-%d","amount":%s,"currency":"PHP","channel":"GCASH","timestamp":%d,`+
						`"callback_url":"https://shop.example/pts","email":"a@b.example","bank_code":""}`, gw.UserID(), i, j, amount, start.Unix()))})
			}
		}
		for i, r := range s.run(t, tasks) {
			q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, gw.URL+"/merchant/v2/"+gw.GUID()+"/payment", strings.NewReader(r.Body))
			require.NoError(t, err)
			q.Header = r.message().Header
			res, err := http.DefaultClient.Do(q)
			require.NoError(t, err)
			answer, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			require.NoError(t, err)
			assert.Contains(t, string(answer), `"code":"1000"`, "%s: %s", s.name, tasks[i].Members)
			o, _ := gw.Order(fmt.Sprintf("O%d-%d", i/2, i%2))
			assert.Equal(t, strings.Trim(amounts[i/2], `"`), o.SubmitAmount)
		}
	})
}

func publicPEM(t *testing.T, private payack.Secret) string {
	t.Helper()
	block, _ := pem.Decode([]byte(private.Reveal()))
	require.NotNil(t, block)
	var key any
	var err error
	if key, err = x509.ParsePKCS8PrivateKey(block.Bytes); err != nil {
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(&key.(*rsa.PrivateKey).PublicKey)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// checkPTS returns the messages between a client and a fake of PTS. The client sends
// its requests in each form, and the fake sends its callbacks in each shape.
func checkPTS(t *testing.T, numbers gateway.Numbers) []checked {
	t.Helper()
	var out []checked
	keys := func(gw *gateway.PTS, public string) map[string]string {
		return map[string]string{"safecode": gw.Safecode().Reveal(), "transaction_secret": gw.TransactionSecret().Reveal(), "public_pem": public}
	}
	shop := acknowledging(t, "SUCCESS")
	for _, c := range []struct {
		form  client.PTSBody
		whole bool
	}{{client.PTSText, false}, {client.PTSJSON, false}, {client.PTSJSON, true}} {
		form := c.form
		gw, err := gateway.NewPTS(gateway.PTSConfig{Numbers: numbers, TransactionWholeBody: c.whole})
		require.NoError(t, err)
		t.Cleanup(gw.Close)
		var answers tee
		pts, err := client.NewPTS(client.PTSConfig{
			BaseURL: gw.URL, GUID: gw.GUID(), UserID: gw.UserID(), Safecode: gw.Safecode(), PrivateKey: gw.MerchantKey(),
			PublicKeys: []string{gw.PublicKey()}, TransactionSecret: gw.TransactionSecret(), Body: form, TransactionWholeBody: c.whole, Options: answers.options(),
		})
		require.NoError(t, err)
		_, err = pts.Payment(t.Context(), client.PTSPayment{
			OrderID: "ORD/é-1", Amount: payack.NewAmount("100.50"), Currency: "PHP", Channel: "GCASH", CallbackURL: shop, Remark: "für / dich",
			Members: map[string]string{"bank_code": ""},
		})
		require.NoError(t, err)
		_, err = pts.Withdraw(t.Context(), client.PTSWithdraw{
			OrderID: "OUT-1", Amount: payack.NewAmount("20.25"), Currency: "PHP", Channel: "GCASH", CallbackURL: shop,
		})
		require.NoError(t, err)
		_, err = pts.PaymentQuery(t.Context(), "ORD/é-1")
		require.NoError(t, err)
		_, err = pts.Balance(t.Context())
		require.NoError(t, err)

		kinds := map[string][2]verify.PTSMessage{
			"/payment": {verify.PTSPayment, verify.PTSPaymentResponse}, "/withdraw": {verify.PTSWithdraw, verify.PTSWithdrawResponse},
			"/payment/query": {verify.PTSPaymentQuery, verify.PTSQueryResponse}, "/balance": {verify.PTSBalance, verify.PTSBalanceResponse},
		}
		requests := gw.Requests()
		require.Len(t, requests, len(kinds))
		for _, r := range requests {
			require.Empty(t, r.Refusal)
			path := strings.TrimPrefix(r.Path, "/merchant/v2/"+gw.GUID())
			require.Contains(t, kinds, path)
			out = append(out, checked{"PTS's request " + path + " as " + string(form), task{
				What: "pts", Body: string(r.Body), Header: r.Header.Get(verify.PTSTransactionHeader), Whole: c.whole,
				Signed: kinds[path][0].SignedMembers(), Keys: keys(gw, publicPEM(t, gw.MerchantKey())),
			}, anotherHeader})
			spoil := replaced(`"user_id":"1"`, `"user_id":"2"`)
			out = append(out, checked{"PTS's answer to " + path, task{
				What: "pts", Body: answers.said[r.Path], Signed: kinds[path][1].SignedMembers(), Keys: keys(gw, gw.PublicKey()),
			}, spoil})
		}
	}
	for _, shape := range []gateway.PTSShape{
		gateway.PTSFlat, gateway.PTSSealed, gateway.PTSData, gateway.PTSNested,
	} {
		sealed := shape == gateway.PTSSealed || shape == gateway.PTSData
		gw, err := gateway.NewPTS(gateway.PTSConfig{Numbers: numbers, Shape: shape, SignEnvelopes: sealed})
		require.NoError(t, err)
		t.Cleanup(gw.Close)
		pts, err := client.NewPTS(client.PTSConfig{
			BaseURL: gw.URL, GUID: gw.GUID(), UserID: gw.UserID(), Safecode: gw.Safecode(), PrivateKey: gw.MerchantKey(),
			PublicKeys: []string{gw.PublicKey()}, TransactionSecret: gw.TransactionSecret(),
		})
		require.NoError(t, err)
		_, err = pts.Payment(t.Context(), client.PTSPayment{OrderID: "ORD1", Amount: payack.NewAmount("100.50"), Currency: "PHP", Channel: "GCASH", CallbackURL: shop})
		require.NoError(t, err)
		require.NoError(t, gw.Pay("ORD1"))
		require.NoError(t, gw.Wait(t.Context()))
		d := gw.Deliveries("ORD1")
		require.Len(t, d, 1)
		require.True(t, d[0].Acknowledged)
		c := checked{"PTS's callback, " + string(shape), task{
			What: "pts", Body: string(d[0].Body), Header: d[0].Header.Get(verify.PTSTransactionHeader),
			Signed: verify.PTSCallback.SignedMembers(), Keys: keys(gw, gw.PublicKey()),
		}, replaced(`"2000"`, `"3000"`)}
		if sealed {
			c.spoil = anotherHeader
		}
		out = append(out, c)
	}
	return out
}

// checkPayatom returns the messages between a client and a fake of Payatom. The client
// creates, queries, pays out and reconciles.
func checkPayatom(t *testing.T) []checked {
	t.Helper()
	gw, err := gateway.NewPayatom(gateway.PayatomConfig{WebhookURL: acknowledging(t, `{"hash_status":"HashMatched","acknowledge":"yes"}`)})
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	var answers tee
	c, err := client.NewPayatom(client.PayatomConfig{
		BaseURL: gw.URL, PID: gw.PID(), SecretKeys: []payack.Secret{gw.SecretKey()}, ReconcileToken: gw.Token(), Options: answers.options(),
	})
	require.NoError(t, err)
	const id = "ORD1000001"
	_, err = c.Payin(t.Context(), client.PayatomPayin{
		OrderID: id, Amount: payack.NewAmount("500.00"), Name: "Ann", Email: "ann@example.com", Phone: "0123456789",
	})
	require.NoError(t, err)
	require.NoError(t, gw.Pay(id))
	require.NoError(t, gw.Wait(t.Context()))
	made, found := gw.Payment(id)
	require.True(t, found)
	_, err = c.StatusPolling(t.Context(), client.PayatomQuery{RefCode: made.RefCode, OrderID: id})
	require.NoError(t, err)
	_, err = c.Payout(t.Context(), client.PayatomPayout{OrderID: "OUT1000001", Amount: payack.NewAmount("20"), PaymentMode: "upi"})
	require.NoError(t, err)
	_, err = c.PayoutStatus(t.Context(), "OUT1000001")
	require.NoError(t, err)
	_, err = c.ReconcilePayins(t.Context(), time.Now())
	require.NoError(t, err)

	keys := map[string]string{"secret_key": gw.SecretKey().Reveal()}
	sent := func(path string) string {
		for _, r := range gw.Requests() {
			if r.Path == path {
				require.Empty(t, r.Refusal)
				return string(r.Body)
			}
		}
		require.Fail(t, "no request to "+path)
		return ""
	}
	d := gw.Deliveries(id)
	require.Len(t, d, 1)
	require.True(t, d[0].Acknowledged)
	hashed := []string{"order_id", "received_amount", "status"}
	return []checked{
		{"Payatom's status polling", task{What: "payatom", Body: sent("/api/status_polling.php"), Signed: []string{"ref_code", "pid"}, Keys: keys},
			replaced(`"pid":"`, `"pid":"1`)},
		{"Payatom's answer to it", task{What: "payatom", Body: answers.said["/api/status_polling.php"], Signed: []string{"order_id", "amount", "status"}, Keys: keys},
			replaced("Approved", "Declined")},
		{"Payatom's payout status", task{What: "payatom", Body: sent("/payout/api/order_status_polling.php"), Signed: []string{"order_id", "pid"}, Keys: keys},
			replaced("OUT1", "OUT2")},
		{"Payatom's reconciliation", task{What: "payatom-reconcile", Body: sent("/api/reconcile_polling.php"), Keys: keys},
			replaced(`"date":"`, `"date":"1`)},
		{"Payatom's webhook", task{What: "payatom", Body: string(d[0].Body), Signed: hashed, Keys: keys}, replaced(id, "ORD1000002")},
	}
}

// checkPtop returns the messages between a client and a fake of Ptop. The client pays
// out, and the fake sends a callback.
func checkPtop(t *testing.T, language string) []checked {
	t.Helper()
	keysOf := func(gw *gateway.Ptop) map[string]string {
		return map[string]string{"the_signature": gw.SigningKey().Reveal()}
	}
	shop := acknowledging(t, "")
	var out []checked
	schemes := []payack.Scheme{payack.SchemeHeader}
	if language == "php" {
		schemes = append(schemes, payack.SchemeReencoded)
	}
	for i, scheme := range schemes {
		gw, err := gateway.NewPtop(gateway.PtopConfig{Scheme: scheme})
		require.NoError(t, err)
		t.Cleanup(gw.Close)
		amount := []client.PtopAmount{client.PtopNumber, client.PtopString}[i]
		c, err := client.NewPtop(client.PtopConfig{
			BaseURL: gw.URL, WebsiteID: gw.WebsiteID(), SecretKey: gw.SecretKey(), SigningKey: gw.SigningKey(), PayoutAmount: amount,
		})
		require.NoError(t, err)
		_, err = c.CreatePayment(t.Context(), client.PtopPayment{
			OrderID: "O/1", Amount: payack.NewAmount("25.5"), Product: "Tea", WebhookURL: shop, SuccessURL: shop, FailURL: shop,
		})
		require.NoError(t, err)
		require.NoError(t, gw.Pay("O/1"))
		require.NoError(t, gw.Wait(t.Context()))
		_, err = c.Payout(t.Context(), client.PtopPayout{SendingTrx: "S1", ReceiverEmail: "ann@example.com", Amount: payack.NewAmount("50.5")})
		require.NoError(t, err)
		for _, r := range gw.Requests() {
			if r.Path == "/api/api-payout" {
				require.Empty(t, r.Refusal)
				out = append(out, checked{"Ptop's payout, amount as " + string(amount), task{What: "ptop-payout", Body: string(r.Body), Keys: keysOf(gw)},
					replaced("50.5", "90.5")})
			}
		}
		d := gw.Deliveries("O/1")
		require.Len(t, d, 1)
		require.True(t, d[0].Acknowledged)
		out = append(out, checked{"Ptop's webhook, " + string(scheme), task{
			What: "ptop-" + string(scheme), Body: string(d[0].Body), Header: d[0].Header.Get("X-Signature"), Keys: keysOf(gw),
		}, replaced("true", "false")})
	}
	require.Len(t, out, 2*len(schemes))
	return out
}
