package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/payacktest"
)

// receiver serves listen's handler for a configuration. The method lines returns
// what the handler has written.
type receiver struct {
	url string
	out *buffer
	to  *lines
}

func newReceiver(t *testing.T, c object) *receiver {
	t.Helper()
	out := new(buffer)
	cfg := parsed(t, c)
	l := newLines(out, slog.New(slog.DiscardHandler))
	t.Cleanup(l.end)
	o, err := cfg.options(l, l.logger)
	require.NoError(t, err)
	h, err := newHandler(cfg, o, l.accept, unwrapped)
	require.NoError(t, err)
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return &receiver{s.URL, out, l}
}

func (r *receiver) lines(t *testing.T) (all []logged) {
	t.Helper()
	require.NoError(t, r.to.write(t.Context(), nil), "what waits is written")
	for dec := json.NewDecoder(strings.NewReader(r.out.String())); ; {
		var l logged
		err := dec.Decode(&l)
		if err == io.EOF {
			return all
		}
		require.NoError(t, err)
		all = append(all, l)
	}
}

// send sends every provider's callbacks, genuine and tampered with, signed by
// every scheme that a configuration can pin.
func TestSend(t *testing.T) {
	hexed := object{"pts.safecode_encoding": "hex"}
	for _, tt := range []struct {
		provider string
		changes  object
		scheme   string
	}{
		{"ptop", nil, "header"},
		{"ptop", object{"ptop.signature_headers": []any{"the_signature"}}, "header"},
		{"ptop", object{"ptop.schemes": []any{"spliced"}}, "spliced"},
		{"ptop", object{"ptop.schemes": []any{"reencoded"}}, "reencoded"},
		{"ptop", object{"ptop.schemes": []any{"blanked"}}, "blanked"},
		{"ptop", object{"ptop.body": "form"}, "header"},
		{"ptop", object{"ptop.body": "form", "ptop.schemes": []any{"form"}}, "form"},
		{"ptop", object{"ptop.body": "form", "ptop.schemes": []any{"form-rebuilt"}}, "form-rebuilt"},
		{"pts", nil, "literal"},
		{"pts", hexed, "literal"},
		{"pts", object{"pts.numbers": []any{"php"}}, "php"},
		{"pts", object{"pts.transaction_secret": testTxSecret}, "literal"},
		{"pts", object{"pts.transaction_secret": testTxSecret, "pts.transaction_signature": "hex"}, "literal"},
		{"payatom", nil, "literal"},
		{"payatom", object{"payatom.body": "form"}, "literal"},
		{"payatom", object{"payatom.numbers": []any{"php"}}, "php"},
		{"payatom", object{"payatom.orders": nil, "payatom.insecure_no_expectation": true}, "literal"},
	} {
		t.Run(tt.provider+" "+fmt.Sprint(tt.changes), func(t *testing.T) {
			c := with(testConfig(), tt.changes)
			r := newReceiver(t, c)
			send := func(more ...string) (status int, stdout, stderr string) {
				args := []string{"send", tt.provider, "-config", configFile(t, c), "-url", r.url + "/" + tt.provider}
				if tt.provider == "pts" {
					args = append(args, "-key", keyFile(t))
				}
				return call(context.Background(), append(args, more...)...)
			}
			last := func() logged {
				all := r.lines(t)
				return all[len(all)-1]
			}

			status, stdout, stderr := send()
			require.Equal(t, exitDone, status, stdout, stderr)
			require.Empty(t, stderr)
			require.True(t, strings.HasPrefix(stdout, "HTTP 200"), stdout)
			require.Equal(t, tt.provider+" accepted", last().verdict())
			require.Equal(t, tt.scheme, last().Scheme)

			for _, tamper := range []string{"signature", "body", "envelope"} {
				status, stdout, stderr := send("-tamper", tamper)
				if tamper == "envelope" && tt.provider == "ptop" {
					require.Equal(t, exitUsage, status)
					require.Contains(t, stderr, "-tamper envelope")
					continue
				}
				require.Equal(t, exitFailed, status)
				require.True(t, strings.HasPrefix(stdout, "HTTP "), stdout)
				require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
				require.Equal(t, "rejected", last().Outcome)
				if tamper == "body" {
					require.Equal(t, "signature", last().Reason)
				}
			}

			before := len(r.lines(t))
			status, stdout, _ = send(map[string][]string{
				"ptop": {"-tamper", "replay", "-set", "transaction_id=again"}, "pts": {"-tamper", "replay", "-set", "transaction_id=again"},
				"payatom": {"-tamper", "replay", "-set", "order_id=ORD2000002", "-set", "received_amount=700"},
			}[tt.provider]...)
			require.Equal(t, exitDone, status)
			require.Equal(t, 2, strings.Count(stdout, "HTTP 200"))
			all := r.lines(t)[before:]
			require.Len(t, all, 2)
			require.Equal(t, []string{"accepted", "duplicate"}, []string{all[0].Outcome, all[1].Outcome})
			require.Equal(t, all[0].EventID, all[1].EventID)
		})
	}
}

// An answer that is no acknowledgement is compared with the one that the provider
// expects.
func TestSendSaysWhatIsExpected(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	defer server.Close()
	file := configFile(t, testConfig())
	for provider, want := range map[string]string{
		"ptop":    "ptop expects the status 200;",
		"pts":     "pts expects the status 200 and the body SUCCESS;",
		"payatom": "payatom expects the status 200 and the body " + payatomYes + ";",
	} {
		args := []string{"send", provider, "-config", file, "-url", server.URL}
		if provider == "pts" {
			args = append(args, "-key", keyFile(t))
		}
		status, _, stderr := call(context.Background(), args...)
		require.Equal(t, exitFailed, status)
		require.Equal(t, "payack: the answer is no acknowledgement: "+want+" the receiver's own output gives the reason\n", stderr)
	}
}

// send needs no orders and no confirm, which listen compares callbacks with.
func TestSendComparesNothing(t *testing.T) {
	r := newReceiver(t, testConfig())
	file := configFile(t, with(testConfig(), object{"payatom.orders": nil, "payatom.insecure_no_expectation": nil, "ptop.insecure_no_confirm": nil, "ptop.confirm": nil}))
	for _, provider := range []string{"ptop", "payatom"} {
		_, stdout, stderr := call(context.Background(), "send", provider, "-config", file, "-url", r.url+"/"+provider)
		require.Contains(t, stdout, "HTTP 200", stderr)
	}
	status, _, stderr := call(context.Background(), "config", "-check", file)
	require.Equal(t, exitUsage, status)
	require.Contains(t, stderr, "ptop.confirm: ")
}

func TestSendPrintsTheAnswer(t *testing.T) {
	c := testConfig()
	r := newReceiver(t, c)
	file := configFile(t, c)
	_, stdout, _ := call(context.Background(), "send", "payatom", "-config", file, "-url", r.url+"/payatom")
	require.Equal(t, "HTTP 200 application/json;charset=utf-8\n"+payatomYes+"\n", stdout)
	_, stdout, _ = call(context.Background(), "send", "pts", "-config", file, "-url", r.url+"/pts", "-key", keyFile(t))
	require.Equal(t, "HTTP 200 text/plain\nSUCCESS\n", stdout)
	_, stdout, _ = call(context.Background(), "send", "ptop", "-config", file, "-url", r.url+"/ptop")
	require.Equal(t, "HTTP 200\n\n", stdout)
	status, stdout, stderr := call(context.Background(), "send", "ptop", "-config", file, "-url", r.url+"/elsewhere")
	require.Equal(t, exitFailed, status)
	require.True(t, strings.HasPrefix(stdout, "HTTP 404 text/plain"), stdout)
	require.Equal(t, "payack: nothing is at the path of -url (404); give the path at which your server mounts ptop (payack listen mounts it at /ptop)\n", stderr)
}

// hostile has characters that a terminal would obey or misrepresent.
const hostile = "a\x00\x07\x1b[2J\x1b]0;x\x07\x7f\u0085\u009b2J\u202eb\u2066\u2069\u200f\u061c\u2028\r\nHTTP 200\r\n"

const hostileShown = `a\u0000\u0007\u001b[2J\u001b]0;x\u0007\u007f\u0085\u009b2J\u202eb\u2066\u2069\u200f\u061c\u2028\u000d\u000aHTTP 200`

// A server's answer is printed escaped.
func TestAnswersReachNoTerminal(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; x=\u202e\u009b")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, hostile)
	}))
	defer s.Close()
	for _, args := range [][]string{
		{"send", "ptop", "-config", configFile(t, testConfig()), "-url", s.URL + "/x"},
		{"replay", "-url", s.URL, writeFile(t, "body", "{}")},
	} {
		status, stdout, stderr := call(context.Background(), args...)
		require.Equal(t, exitFailed, status)
		require.True(t, strings.HasSuffix(stdout, `HTTP 418 text/plain; x=\u202e\u009b`+"\n"+hostileShown+"\n"), "%q", stdout)
		for _, r := range stdout + stderr {
			require.True(t, r == '\n' || strconv.IsPrint(r), "%q", stdout+stderr)
		}
	}
}

func TestSendSet(t *testing.T) {
	c := testConfig()
	r := newReceiver(t, c)
	file, key := configFile(t, c), keyFile(t)
	event := func(status int, provider string, set ...string) string {
		t.Helper()
		args := []string{"send", provider, "-config", file, "-url", r.url + "/" + provider}
		if provider == "pts" {
			args = append(args, "-key", key)
		}
		for _, s := range set {
			if name, _, _ := strings.Cut(s, "="); len(name) == 1 {
				args = append(args, "-extra", s)
			} else {
				args = append(args, "-set", s)
			}
		}
		got, stdout, stderr := call(context.Background(), args...)
		require.Equal(t, status, got, stdout+stderr)
		all := r.lines(t)
		return string(all[len(all)-1].Event)
	}
	require.JSONEq(t, `{"success":false,"transaction_id":"T=1","order_id":"7","message":"a, \"b\"","extra":{"z":"1","a":"true"}}`,
		event(exitDone, "ptop", "success=false", "transaction_id=T=1", "order_id=7", `message=a, "b"`, "z=1", "a=true"))
	require.JSONEq(t, `{"user_id":"2","order_id":"O","transaction_id":"T","channel":"","submit_currency":"USD","submit_amount":"40000.0",
		"accept_currency":"PHP","accept_amount":"1E2","exchange_rate":"2","status":"3000","timestamp":"1700000000",
		"unsigned":{"reference_number":"R","error_message":"no"}}`,
		event(exitDone, "pts", "user_id=2", "order_id=O", "transaction_id=T", "channel=", "submit_currency=USD", "submit_amount=40000.0",
			"accept_amount=1", "accept_amount=1E2", "exchange_rate=2", "status=3000", "timestamp=1700000000", "reference_number=R", "error_message=no"))
	require.JSONEq(t, `{"order_id":"ORD2000002","received_amount":"0","status":"Declined","unsigned":{"requested_amount":"700",
		"bank_ref":"","sender_upi":"x@y","ref_code":"1","refund_info":"{\"refund_status\":\"done\"}"}}`,
		event(exitDone, "payatom", "order_id=ORD2000002", "received_amount=0", "status=Declined", "requested_amount=700",
			"bank_ref=", "sender_upi=x@y", "ref_code=1", `refund_info={"refund_status":"done"}`))

	// send also sends callbacks that the receiver refuses.
	event(exitFailed, "ptop", "success=maybe")
	event(exitFailed, "pts", "accept_amount=a lot")
	event(exitFailed, "payatom", "order_id=ORD2000002")
}

// The same call builds the same message.
func TestSameCallBuildsTheSameMessage(t *testing.T) {
	set := assignments{{"transaction_id", "T"}, {"order_id", "O"}, {"z", "1"}, {"y", "2"}, {"x", "3"}, {"w", "4"}}
	s := testSender(t, testConfig(), "ptop")
	first := built(t, s, tamperNothing, set...)
	require.Contains(t, string(first.Body), `"z":"1","y":"2","x":"3","w":"4"`)
	orders := object{}
	for i := range 20 {
		orders[fmt.Sprintf("ORD%02d", i)] = fmt.Sprint(100 + i)
	}
	p := testSender(t, with(testConfig(), object{"payatom.orders": orders}), "payatom")
	for range 20 {
		require.Equal(t, first, built(t, s, tamperNothing, set...))
		require.Contains(t, string(built(t, p, tamperNothing).Body), `{"order_id":"ORD00","requested_amount":"100"`)
	}
}

// -tamper body sends another message with the same signature.
func TestTamperedBodies(t *testing.T) {
	for _, body := range []string{"json", "form"} {
		s := testSender(t, with(testConfig(), object{"ptop.body": body}), "ptop")
		set := assignments{{"transaction_id", "T"}, {"order_id", "O"}, {"message", "hello"}, {"my_order_id", "O"}}
		genuine, tampered := built(t, s, tamperNothing, set...), built(t, s, tamperBody, set...)
		require.Equal(t, genuine.Header, tampered.Header)
		require.Equal(t, string(genuine.Body), string(bytes.Replace(tampered.Body, []byte("9O"), []byte("O"), 1)))
		require.NotEqual(t, genuine.Body, tampered.Body)
	}
}

func TestSendCalls(t *testing.T) {
	c := testConfig()
	file := configFile(t, c)
	_, public := testPair()
	base := func(provider string, more ...string) []string {
		return append([]string{"send", provider, "-config", file, "-url", "http://127.0.0.1:1/x"}, more...)
	}
	for _, tt := range []struct {
		args   []string
		status int
		stderr string
	}{
		{[]string{"send"}, exitUsage, "the provider is missing"},
		{[]string{"send", "-config", file}, exitUsage, "the provider is missing"},
		{[]string{"send", "pts", "-url", "http://127.0.0.1:1/x"}, exitUsage, "-config is missing"},
		{[]string{"send", "pts", "-config", file}, exitUsage, "-url"},
		{[]string{"send", "pts", "-config", file, "-url", "127.0.0.1:1/pts"}, exitUsage, "-url"},
		{base("stripe"), exitUsage, `"stripe"; there are ptop, pts and payatom`},
		{base("pts"), exitUsage, "-key is missing"},
		{base("pts", "-key", "/nonexistent/key.pem"), exitUsage, "-key"},
		{base("pts", "-key", writeFile(t, "public.pem", public)), exitUsage, "-key"},
		{base("pts", "-key", keyFile(t), "-set", "sign=x"), exitUsage, "-set sign"},
		{base("ptop", "-set", "signature=x"), exitUsage, "-set signature"},
		{base("payatom", "-set", "post_hash=x"), exitUsage, "-set post_hash"},
		{base("ptop", "-extra", "Order_id=1"), exitUsage, "-set: such a message can't be signed"},
		{base("ptop", "-set", "Order_id=1"), exitUsage, "-set Order_id: ptop knows no such member, the nearest is order_id; -extra Order_id=… sends it all the same"},
		{base("ptop", "-set", "status=1"), exitUsage, "-set status: ptop knows no such member"},
		{base("payatom", "-set", "statsu=Declined", "-set", "order_id=O"), exitUsage, "the nearest is status;"},
		{base("payatom", "-set", "amount=5"), exitUsage, "knows no such member, there are order_id, requested_amount, status, received_amount,"},
		{base("ptop", "-key", keyFile(t)), exitUsage, "-key is for pts only"},
		{base("payatom", "-key", "/nonexistent/key.pem"), exitUsage, "-key is for pts only"},
		{base("pts", "-key", writeFile(t, "other.pem", payacktest.FreshPTSKeys().PrivateKey.Reveal())), exitUsage, "-key: its public key is not among pts.public_keys;"},
		{base("pts", "-key", writeFile(t, "name.pem", "pts.pem")), exitUsage, "-key: it is no PEM, which begins with -----BEGIN; give the file's content"},
		{base("pts", "-key", keyFile(t), "-set", "acceptamount=1"), exitUsage, "the nearest is accept_amount;"},
		{base("pts", "-key", keyFile(t), "-set", "a\x1b[2Jb=1"), exitUsage, `-set a\u001b[2Jb: pts knows no such member`},
		{base("payatom", "-extra", "status=Declined"), exitUsage, "-extra status: it is a member of payatom's; use -set"},
		{base("payatom", "-extra", "post_hash=x"), exitUsage, "use -set"},
		{base("payatom", "-extra", "x"), exitUsage, "name=value"},
		{base("pts", "-key", keyFile(t), "-set", "order_id=1&status=2000"), exitUsage, "-set order_id: it contains &"},
		{base("payatom", "-set", "status"), exitUsage, "name=value"},
		{base("payatom", "-set", "=1"), exitUsage, "name=value"},
		{base("payatom", "-tamper", "all"), exitUsage, "-tamper"},
		{base("payatom", "-twice"), exitUsage, "-twice"},
		{base("payatom", "and more"), exitUsage, `"and more" is left over`},
		{base("payatom"), exitFailed, "connection refused"},
		{[]string{"send", "pts", "-config", configFile(t, with(testConfig(), object{"pts": nil})), "-url", "http://127.0.0.1:1/x"}, exitUsage, "no pts"},
		{[]string{"send", "ptop", "-config", configFile(t, with(testConfig(), object{"ptop.schemes": []any{"form"}})), "-url", "http://127.0.0.1:1/x"}, exitUsage, "ptop.schemes"},
		{[]string{"send", "ptop", "-config", configFile(t, with(testConfig(), object{"ptop.signing_keys": []any{""}})), "-url", "http://127.0.0.1:1/x"}, exitUsage, "ptop.signing_keys"},
		{[]string{"send", "pts", "-key", keyFile(t), "-config", configFile(t, with(testConfig(), object{"pts.safecode": "short"})), "-url", "http://127.0.0.1:1/x"}, exitUsage, "pts.safecode"},
	} {
		status, stdout, stderr := call(context.Background(), tt.args...)
		require.Equal(t, tt.status, status, tt.args)
		require.Empty(t, stdout)
		require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
		require.Equal(t, 1, strings.Count(stderr, "payack: "), stderr)
		require.Contains(t, stderr, tt.stderr)
		require.NotContains(t, stderr, testPayatom)
		require.NotContains(t, stderr, testSafecode)
	}
}

// The command knows which answers acknowledge.
func TestAcknowledgements(t *testing.T) {
	for _, tt := range []struct {
		p    payack.Provider
		a    payack.Answer
		want bool
	}{
		{payack.Ptop, payack.Answer{Status: 200}, true},
		{payack.Ptop, payack.Answer{Status: 204}, false},
		{payack.Ptop, payack.Answer{Status: 403, Body: "Invalid signature"}, false},
		{payack.PTS, payack.Answer{Status: 200, Body: "SUCCESS"}, true},
		{payack.PTS, payack.Answer{Status: 200, Body: "FAILED"}, false},
		{payack.PTS, payack.Answer{Status: 500, Body: "SUCCESS"}, false},
		{payack.Payatom, payack.Answer{Status: 200, Body: payatomYes}, true},
		{payack.Payatom, payack.Answer{Status: 200, Body: "{ \"hash_status\": \"Hash Matched\", \"acknowledge\": \"yes\" }\n"}, true},
		{payack.Payatom, payack.Answer{Status: 200, Body: `{"hash_status":"HashMatched","acknowledge":"no"}`}, false},
		{payack.Payatom, payack.Answer{Status: 429, Body: payatomYes}, false},
		{payack.Payatom, payack.Answer{Status: 200, Body: "yes"}, false},
		// The provider is not known.
		{"", payack.Answer{Status: 200}, true},
		{"", payack.Answer{Status: 204}, true},
		{"", payack.Answer{Status: 200, Body: "SUCCESS"}, true},
		{"", payack.Answer{Status: 200, Body: payatomYes}, true},
		{"", payack.Answer{Status: 200, Body: "FAILED"}, false},
		{"", payack.Answer{Status: 200, Body: payatomMismatch}, false},
		{"", payack.Answer{Status: 307}, false},
		{"", payack.Answer{Status: 422}, false},
	} {
		require.Equal(t, tt.want, acknowledges(tt.p, tt.a), "%s %v", tt.p, tt.a)
	}
}

func TestSendFollowsNoRedirect(t *testing.T) {
	s := httptest.NewServer(http.RedirectHandler("/elsewhere", http.StatusTemporaryRedirect))
	defer s.Close()
	status, stdout, _ := call(context.Background(), "send", "ptop", "-config", configFile(t, testConfig()), "-url", s.URL)
	require.Equal(t, exitFailed, status)
	require.True(t, strings.HasPrefix(stdout, "HTTP 307"), stdout)
}
