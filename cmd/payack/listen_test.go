package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/payacktest/gateway"
	"github.com/payack/payack/verify"
)

const (
	jsonType = "application/json"
	textType = "text/plain"
)

const (
	payatomJSONType = "application/json;charset=utf-8"
	payatomYes      = `{"hash_status":"HashMatched","acknowledge":"yes"}`
	payatomNo       = `{"hash_status":"HashMatched","acknowledge":"no"}`
	payatomMismatch = `{"hash_status":"HashMismatch","acknowledge":"no"}`
)

// signedPTS signs and seals a message. The member sign comes last.
func signedPTS(t *testing.T, texts map[string]string, body string) payacktest.Callback {
	t.Helper()
	private, _ := testPair()
	signer, err := verify.NewPTSSigner(verify.PTSSignerConfig{Safecode: payack.NewSecret(testSafecode), PrivateKey: payack.NewSecret(private)})
	require.NoError(t, err)
	sign, err := signer.Sign(verify.PTSCallback, texts)
	require.NoError(t, err)
	sealed, err := signer.Seal([]byte(strings.TrimSuffix(body, "}") + `,"sign":"` + sign + `"}`))
	require.NoError(t, err)
	return bare(textType, string(sealed))
}

func signedPayatom(t *testing.T, orderID, amount, status, body string) payacktest.Callback {
	t.Helper()
	signer, err := verify.NewPayatomSigner(payack.NewSecret(testPayatom))
	require.NoError(t, err)
	return bare(jsonType, strings.TrimSuffix(body, "}")+`,"post_hash":"`+signer.PostHash(orderID, amount, status)+`"}`)
}

func signedPtop(t *testing.T, scheme payack.Scheme, body string) payacktest.Callback {
	t.Helper()
	m, err := verify.SignPtopCallback(payack.NewSecret(testPtopKey), scheme, verify.PtopLast, body)
	require.NoError(t, err)
	cb := bare(m.ContentType, m.Body)
	for name, values := range m.Header {
		cb.Header[name] = values
	}
	return cb
}

// The events of each provider have the documented format.
func TestEvents(t *testing.T) {
	l := startListener(t, with(testConfig(), object{"ptop.schemes": []any{"spliced", "header"}}))

	t.Run("pts", func(t *testing.T) {
		resp, body, line := l.post("/pts", signedPTS(t, map[string]string{
			"user_id": "1", "order_id": "ORD1", "transaction_id": "T1", "channel": "GCASH",
			"submit_currency": "PHP", "submit_amount": "100.50", "accept_currency": "", "accept_amount": "100.50",
			"exchange_rate": "", "status": "2000", "timestamp": "1700000000",
		}, `{"user_id":"1","order_id":"ORD1","transaction_id":"T1","channel":"GCASH",`+
			`"submit_currency":"PHP","submit_amount":100.50,"accept_currency":null,"accept_amount":"100.50",`+
			`"exchange_rate":null,"status":2000,"timestamp":1700000000,`+
			`"reference_number":"R1","submit_promo":0.50,"error_message":null,`+
			`"x_null":null,"x_number":1.50,"x_true":true,"x_object":{"a": [1, 2.0]},"x_text":"<é>"}`))
		require.Equal(t, "SUCCESS", body)
		require.Equal(t, "text/plain", resp.Header.Get("Content-Type"))
		require.Equal(t, "pts accepted", line.verdict())
		require.Equal(t, "literal", line.Scheme)
		require.Equal(t, "pts:v1::1:ORD1:T1:2000", line.EventID)
		require.JSONEq(t, `{"user_id":"1","order_id":"ORD1","transaction_id":"T1","channel":"GCASH",
			"submit_currency":"PHP","submit_amount":"100.50","accept_currency":null,"accept_amount":"100.50",
			"exchange_rate":null,"status":"2000","timestamp":"1700000000",
			"unsigned":{"reference_number":"R1","submit_promo":"0.50","error_message":null,
			"extra":{"x_null":null,"x_number":"1.50","x_true":"true","x_object":"{\"a\": [1, 2.0]}","x_text":"<é>"}}}`, string(line.Event))
	})

	t.Run("payatom", func(t *testing.T) {
		resp, body, line := l.post("/payatom", signedPayatom(t, "ORD1000001", "500", "Approved",
			`{"order_id":"ORD1000001","requested_amount":500.00,"status":"Approved","received_amount":500.00,`+
				`"bank_ref":null,"sender_upi":"a@b","ref_code":"9","refund_info":{"refund_amount": null},"x_false":false,"x_list":[ 1 ]}`))
		require.Equal(t, `{"hash_status":"HashMatched","acknowledge":"yes"}`, body)
		require.Equal(t, []string{payatomJSONType}, resp.Header["Content-Type"])
		require.Equal(t, "payatom accepted", line.verdict())
		require.Equal(t, "php", line.Scheme)
		require.Equal(t, "payatom:v1::ORD1000001:Approved", line.EventID)
		require.JSONEq(t, `{"order_id":"ORD1000001","received_amount":"500.00","status":"Approved",
			"unsigned":{"requested_amount":"500.00","bank_ref":null,"sender_upi":"a@b","ref_code":"9",
			"refund_info":"{\"refund_amount\": null}","extra":{"x_false":"false","x_list":"[ 1 ]"}}}`, string(line.Event))
	})

	t.Run("ptop", func(t *testing.T) {
		resp, body, line := l.post("/ptop", signedPtop(t, payack.SchemeSpliced,
			`{"success":true,"transaction_id":7,"order_id":"ORD1","message":null,"x_number":1e2,"x_object":{},"x_null":null}`))
		require.Empty(t, body)
		require.Empty(t, resp.Header.Get("Content-Type"))
		require.Equal(t, "ptop accepted", line.verdict())
		require.Equal(t, "spliced", line.Scheme)
		require.Equal(t, "ptop:v1::7:true", line.EventID)
		require.JSONEq(t, `{"success":true,"transaction_id":"7","order_id":"ORD1","message":null,
			"extra":{"x_number":"1e2","x_object":"{}","x_null":null}}`, string(line.Event))
	})

	t.Run("without the optional members", func(t *testing.T) {
		_, _, line := l.post("/ptop", signedPtop(t, payack.SchemeHeader, `{"success":false,"transaction_id":"8","order_id":"ORD1"}`))
		require.Equal(t, "header", line.Scheme)
		require.JSONEq(t, `{"success":false,"transaction_id":"8","order_id":"ORD1"}`, string(line.Event))
	})

	t.Run("verified and rejected", func(t *testing.T) {
		_, body, line := l.post("/payatom", signedPayatom(t, "ORD9", "500", "Approved", `{"order_id":"ORD9","status":"Approved","received_amount":"500"}`))
		require.Equal(t, payatomNo, body)
		require.Equal(t, "payatom rejected unexpected", line.verdict())
		require.JSONEq(t, `{"order_id":"ORD9","status":"Approved","received_amount":"500"}`, string(line.Event))
	})
	l.end()
}

// Genuine and tampered callbacks, wrong methods and unknown paths of all
// providers are answered as documented.
func TestAnswers(t *testing.T) {
	c := testConfig()
	l := startListener(t, c)
	for _, tt := range []struct {
		provider      string
		yes, no, gate string
		rejected      int
		signature     string // the reason for a tampered callback
	}{
		{"ptop", "", "Invalid signature", "", 403, "signature"},
		{"pts", "SUCCESS", "FAILED", "FAILED", 200, "signature"},
		{"payatom", payatomYes, payatomMismatch, payatomMismatch, 200, "envelope"},
	} {
		t.Run(tt.provider, func(t *testing.T) {
			path, s := "/"+tt.provider, testSender(t, c, tt.provider)
			genuine := built(t, s, tamperNothing)
			for _, want := range []string{"accepted", "duplicate"} {
				resp, body, line := l.post(path, genuine)
				require.Equal(t, 200, resp.StatusCode)
				require.Equal(t, tt.yes, body)
				require.Equal(t, tt.provider+" "+want, line.verdict())
				require.NotEmpty(t, line.Scheme)
				require.NotNil(t, line.Event)
			}
			for tamper, reason := range map[tampering]string{tamperSignature: tt.signature, tamperBody: "signature"} {
				resp, body, line := l.post(path, built(t, s, tamper))
				require.Equal(t, tt.rejected, resp.StatusCode)
				require.Equal(t, tt.no, body)
				require.Equal(t, tt.provider+" rejected "+reason, line.verdict())
				require.Nil(t, line.Event)
				require.Empty(t, line.Scheme)
				require.NotEmpty(t, line.Detail)
			}
			for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"} {
				resp, body := l.do(method, path, genuine)
				require.Equal(t, 405, resp.StatusCode, method)
				require.Equal(t, "POST", resp.Header.Get("Allow"))
				if method != "HEAD" {
					require.Equal(t, tt.gate, body)
				}
				require.Equal(t, tt.provider+" refused method", l.line().verdict())
			}
			resp, body, line := l.post(path, bare("text/html", string(genuine.Body)))
			require.Equal(t, 415, resp.StatusCode)
			require.Equal(t, tt.gate, body)
			require.Equal(t, tt.provider+" refused content_type", line.verdict())

			packed := genuine.Tampered(t, payacktest.SetHeader("Content-Encoding", "gzip"))
			resp, _, line = l.post(path, packed)
			require.Equal(t, 415, resp.StatusCode)
			require.Equal(t, tt.provider+" refused content_encoding", line.verdict())

			resp, body, line = l.post(path, genuine.Tampered(t, payacktest.Pad(64<<10+1)))
			require.Equal(t, 413, resp.StatusCode)
			require.Equal(t, tt.gate, body)
			require.Equal(t, tt.provider+" refused too_large", line.verdict())

			resp, body, _ = l.post(path+"?status=3000&success=0", genuine)
			require.Equal(t, 200, resp.StatusCode)
			require.Equal(t, tt.yes, body, "the query never counts")
		})
	}
	for _, path := range []string{"/", "/pts/", "//pts", "/PTS", "/pts/../pts", "/other"} {
		for _, method := range []string{"GET", "POST"} {
			resp, body := l.do(method, path, bare(jsonType, "{}"))
			require.Equal(t, 404, resp.StatusCode, path)
			require.Equal(t, "404 page not found\n", body)
		}
	}
	l.end() // there must be no line for an unknown path
	// All requests came within a moment, so there is one warning.
	require.Equal(t, 1, strings.Count(l.stderr.String(), "nothing is mounted at the path of a request"), l.stderr.String())
	for _, secret := range []string{testSafecode, testPtopKey, testPayatom} {
		require.NotContains(t, l.stderr.String(), secret)
	}
}

// listen warns about requests to unknown paths, but at most once in
// unknownPathsEvery. The warning names the path and the nearest mounted one,
// escaped.
func TestUnknownPaths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		c := parsed(t, with(testConfig(), object{"payatom.path": "/callbacks/payatom"}))
		h, err := newHandler(c, middleware.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, nothing, unwrapped)
		require.NoError(t, err)
		get := func(path string) []string {
			log.Reset()
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			r.URL.Path = path
			h.ServeHTTP(w, r)
			require.Equal(t, http.StatusNotFound, w.Code)
			require.Equal(t, "404 page not found\n", w.Body.String())
			var lines []string
			for line := range strings.Lines(log.String()) {
				_, rest, found := strings.Cut(line, " level=WARN msg=")
				require.True(t, found, line)
				lines = append(lines, strings.TrimSuffix(rest, "\n"))
			}
			return lines
		}
		const msg = `"nothing is mounted at the path of a request; if it is a provider's, correct the URL that it was given" `
		require.Equal(t, []string{msg + "path=/Ptop/ nearest=/ptop others_since=0"}, get("/Ptop/"))
		for range 3 {
			time.Sleep(3 * time.Second)
			require.Empty(t, get("/callback/payatom"))
		}
		time.Sleep(2 * time.Second)
		require.Equal(t, []string{msg + "path=/callback/payatom nearest=/callbacks/payatom others_since=3"}, get("/callback/payatom"))
		for path, shown := range map[string]string{
			"/pts\x1b[2J\n\u202e\u009b\xff": `/pts\u001b[2J\u000a\u202e\u009b\xff`,
			"/" + strings.Repeat("é", 5000): "/" + strings.Repeat("é", 99) + "…",
			"/a b":                          `"/a b"`,
		} {
			time.Sleep(time.Minute)
			lines := get(path)
			require.Len(t, lines, 1)
			require.Contains(t, lines[0], " path="+shown+" nearest=/")
		}
	})
}

// listen asks a fake Ptop and follows its answer, even if insecure_no_confirm is
// set as well.
func TestPtopConfirm(t *testing.T) {
	for _, insecure := range []any{nil, false, true} {
		gw, err := gateway.NewPtop(gateway.PtopConfig{Options: gateway.Options{Retries: -1}})
		require.NoError(t, err)
		defer gw.Close()
		merchant, err := client.NewPtop(client.PtopConfig{BaseURL: gw.URL, WebsiteID: gw.WebsiteID(), SecretKey: gw.SecretKey()})
		require.NoError(t, err)
		t.Setenv("PAYACK_TEST_SECRET", gw.SecretKey().Reveal())
		c := with(testConfig(), object{
			"ptop.signing_keys": []any{gw.SigningKey().Reveal()}, "ptop.insecure_no_confirm": insecure,
			"ptop.confirm": confirmBy(gw.URL, gw.WebsiteID(), "${PAYACK_TEST_SECRET}"),
		})
		l := startListener(t, c)
		ctx, claim := context.Background(), func(c *gateway.PtopCallback) { c.Success = true }
		called := func(id string, edit ...func(*gateway.PtopCallback)) (answer payack.Answer, line logged) {
			d, err := gw.Deliver(ctx, id, edit...)
			require.NoError(t, err)
			answer, err = answerTo(d)
			require.NoError(t, err)
			return answer, l.line()
		}
		create := func(id string) string {
			made, err := merchant.CreatePayment(ctx, client.PtopPayment{
				OrderID: id, Amount: payack.NewAmount("100.50"), Product: "Tea",
				WebhookURL: l.url + "/ptop", SuccessURL: demoShop, FailURL: demoShop,
			})
			require.NoError(t, err)
			return made.TransactionID
		}
		queries := func() (n int) {
			for _, r := range gw.Requests() {
				if r.Path == "/api/v3/payment-check" {
					n++
				}
			}
			return n
		}

		transaction := create("O1")
		answer, line := called("O1", claim)
		require.Equal(t, payacktest.Answer(payack.Ptop, payack.ReasonUnreachable), answer)
		require.Equal(t, "ptop failed unreachable", line.verdict(), "it is pending")
		require.NoError(t, gw.SetStatus("O1", gateway.PtopPaid))
		answer, line = called("O1")
		require.Equal(t, payacktest.Answer(payack.Ptop, ""), answer)
		require.Equal(t, "ptop accepted", line.verdict())
		require.JSONEq(t, `{"success":true,"transaction_id":"`+transaction+`","order_id":"O1","message":"Payment successful"}`, string(line.Event))
		require.Equal(t, 2, queries())
		_, line = called("O1")
		require.Equal(t, "ptop duplicate", line.verdict())
		require.Equal(t, 2, queries(), "what was accepted is not asked again")

		create("O2")
		require.NoError(t, gw.SetStatus("O2", gateway.PtopCancelled))
		answer, line = called("O2", claim)
		require.Equal(t, payacktest.Answer(payack.Ptop, payack.ReasonUnconfirmed), answer)
		require.Equal(t, "ptop rejected unconfirmed", line.verdict())
		require.Equal(t, 3, queries())
		_, line = called("O2")
		require.Equal(t, "ptop accepted", line.verdict(), "no money is claimed")
		require.Equal(t, 3, queries())

		create("O3")
		require.NoError(t, gw.SetStatus("O3", gateway.PtopPaid))
		require.NoError(t, gw.SetFaults(gateway.Faults{Status: 401}))
		_, line = called("O3")
		require.Equal(t, "ptop failed unreachable", line.verdict())
		l.end()
		require.NotContains(t, l.stderr.String(), gw.SecretKey().Reveal())
		require.NotContains(t, l.stderr.String(), gw.SigningKey().Reveal())
	}
}

func TestProviderThatIsAbsentIsNotMounted(t *testing.T) {
	l := startListener(t, with(testConfig(), object{"ptop": nil, "payatom": nil, "pts.path": "/a b/callback"}))
	for _, path := range []string{"/ptop", "/payatom", "/pts"} {
		resp, _ := l.do("POST", path, bare(jsonType, "{}"))
		require.Equal(t, 404, resp.StatusCode)
	}
	_, body, _ := l.post("/a%20b/callback", built(t, testSender(t, testConfig(), "pts"), tamperNothing))
	require.Equal(t, "SUCCESS", body)
	l.end()
}

func TestUserID(t *testing.T) {
	c := with(testConfig(), object{"pts.user_id": "77"})
	l := startListener(t, c)
	_, body, _ := l.post("/pts", built(t, testSender(t, c, "pts"), tamperNothing))
	require.Equal(t, "SUCCESS", body)
	_, body, line := l.post("/pts", built(t, testSender(t, c, "pts"), tamperNothing, assignment{"user_id", "1"}))
	require.Equal(t, "FAILED", body)
	require.Equal(t, "pts rejected invalid", line.verdict())
	l.end()
}

func TestMaxBodyBytes(t *testing.T) {
	c := with(testConfig(), object{"max_body_bytes": 400})
	l := startListener(t, c)
	resp, _, line := l.post("/pts", built(t, testSender(t, c, "pts"), tamperNothing))
	require.Equal(t, 413, resp.StatusCode)
	require.Equal(t, "pts refused too_large", line.verdict())
	resp, _, _ = l.post("/ptop", built(t, testSender(t, c, "ptop"), tamperNothing))
	require.Equal(t, 200, resp.StatusCode)
	l.end()
}

func TestRateLimit(t *testing.T) {
	slow := object{"per_second": 0.01, "burst": 2} // no budget comes back during a test

	t.Run("failures", func(t *testing.T) {
		c := with(testConfig(), object{"rate_limit": slow})
		l := startListener(t, c)
		s := testSender(t, c, "ptop")
		for range 4 {
			_, _, line := l.post("/ptop", built(t, s, tamperNothing))
			require.Equal(t, "ptop accepted", line.verdict(), "what verifies pays nothing")
		}
		for range 2 {
			_, _, line := l.post("/ptop", built(t, s, tamperSignature))
			require.Equal(t, "ptop rejected signature", line.verdict())
		}
		resp, _, line := l.post("/ptop", built(t, s, tamperNothing))
		require.Equal(t, 429, resp.StatusCode)
		require.Regexp(t, `^[1-9][0-9]?$|^100$`, resp.Header.Get("Retry-After"))
		require.Equal(t, "ptop refused rate", line.verdict())
		_, body, _ := l.post("/pts", built(t, testSender(t, c, "pts"), tamperNothing))
		require.Equal(t, "SUCCESS", body, "it is by provider")
		l.end()
	})

	t.Run("all", func(t *testing.T) {
		c := with(testConfig(), object{"rate_limit": with(object{"charge": "all"}, slow)})
		l := startListener(t, c)
		s := testSender(t, c, "payatom")
		for range 2 {
			_, body, _ := l.post("/payatom", built(t, s, tamperNothing))
			require.Equal(t, payatomYes, body)
		}
		resp, body, line := l.post("/payatom", built(t, s, tamperNothing))
		require.Equal(t, 429, resp.StatusCode)
		require.NotEmpty(t, resp.Header.Get("Retry-After"))
		require.Equal(t, payatomMismatch, body)
		require.Equal(t, "payatom refused rate", line.verdict())
		l.end()
	})

	t.Run("by client behind a proxy", func(t *testing.T) {
		c := with(testConfig(), object{"rate_limit": with(object{"charge": "all"}, slow), "trusted_proxies": []any{"127.0.0.1"}})
		l := startListener(t, c)
		s := testSender(t, c, "ptop")
		from := func(client string) string {
			cb := built(t, s, tamperNothing)
			cb.Header.Set("X-Forwarded-For", "198.51.100.9, "+client)
			_, _, line := l.post("/ptop", cb)
			return strings.TrimPrefix(line.verdict(), "ptop ")
		}
		for _, client := range []string{"192.0.2.1", "192.0.2.2"} {
			require.Equal(t, "accepted", from(client))
			require.Equal(t, "accepted", from(client))
			require.Equal(t, "refused rate", from(client))
		}
		require.Equal(t, "refused address", from("unknown"))
		l.end()
	})

	t.Run("off", func(t *testing.T) {
		c := with(testConfig(), object{"rate_limit": object{"per_second": 0, "burst": 1, "charge": "all"}})
		l := startListener(t, c)
		for range 5 {
			_, _, line := l.post("/ptop", built(t, testSender(t, c, "ptop"), tamperNothing))
			require.Equal(t, "ptop accepted", line.verdict())
		}
		l.end()
	})
}

func TestAllowedAddresses(t *testing.T) {
	c := with(testConfig(), object{"allowed_addresses": []any{"192.0.2.0/24"}, "trusted_proxies": []any{"127.0.0.0/8"}})
	l := startListener(t, c)
	s := testSender(t, c, "pts")
	cb := built(t, s, tamperNothing)
	resp, body, line := l.post("/pts", cb)
	require.Equal(t, 403, resp.StatusCode)
	require.Equal(t, "FAILED", body)
	require.Equal(t, "pts refused address", line.verdict())
	cb.Header.Set("X-Forwarded-For", "192.0.2.7")
	_, body, _ = l.post("/pts", cb)
	require.Equal(t, "SUCCESS", body)
	l.end()

	c = with(testConfig(), object{"allowed_addresses": []any{"192.0.2.0/24"}})
	l = startListener(t, c)
	_, _, line = l.post("/pts", cb)
	require.Equal(t, "pts refused address", line.verdict(), "nobody is a proxy who isn't configured")
	l.end()
}

// A signal ends the process after the running callback.
func TestShutdown(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(s.String(), func(t *testing.T) {
			c := testConfig()
			l := startListener(t, c)
			cb := built(t, testSender(t, c, "pts"), tamperNothing)
			conn, err := net.Dial("tcp", strings.TrimPrefix(l.url, "http://"))
			require.NoError(t, err)
			defer conn.Close()
			_, err = fmt.Fprintf(conn, "POST /pts HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", len(cb.Body))
			require.NoError(t, err)
			answers := bufio.NewReader(conn)
			resp, err := http.ReadResponse(answers, nil)
			require.NoError(t, err)
			require.Equal(t, 100, resp.StatusCode) // the body is being read
			l.signal(s)
			l.letsNobodyIn()
			_, err = conn.Write(cb.Body)
			require.NoError(t, err)
			resp, err = http.ReadResponse(answers, nil)
			require.NoError(t, err)
			defer resp.Body.Close()
			require.Equal(t, 200, resp.StatusCode)
			require.Equal(t, "pts accepted", l.line().verdict())
			require.Equal(t, exitDone, l.status(), l.stderr.String())
		})
	}
}

func TestPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	p := startProcess(t, "listen", "-config", configFile(t, with(testConfig(), object{"addr": taken.Addr().String()})))
	require.Equal(t, exitUsage, p.status())
	require.Regexp(t, `^payack: addr: .*address already in use; give another addr, or port 0 for a free one\n$`, p.stderr.String())
	_, err = p.stdout.ReadByte()
	require.Error(t, err, "nothing was on standard output")
}

// The reader of standard output goes away. An event whose line can't be written
// is not acknowledged, and its redelivery is not a duplicate.
func TestReaderGoesAway(t *testing.T) {
	c := testConfig()
	l := startListener(t, c)
	require.NoError(t, l.pipe.Close())
	for range 3 {
		_, body := l.do("POST", "/pts", built(t, testSender(t, c, "pts"), tamperNothing))
		require.Equal(t, "FAILED", body)
		_, body = l.do("POST", "/payatom", built(t, testSender(t, c, "payatom"), tamperNothing))
		require.Equal(t, payatomNo, body)
		resp, _ := l.do("POST", "/ptop", built(t, testSender(t, c, "ptop"), tamperNothing))
		require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
		_, body = l.do("POST", "/pts", built(t, testSender(t, c, "pts"), tamperSignature))
		require.Equal(t, "FAILED", body)
	}
	l.signal(syscall.SIGTERM)
	require.Equal(t, exitDone, l.status(), l.stderr.String())
	require.Equal(t, 1, strings.Count(l.stderr.String(), "standard output can't be written"))
	require.Equal(t, 9, strings.Count(l.stderr.String(), "reason=callback"))
}

// disk fails once it has accepted room bytes, like a full disk.
type disk struct {
	bytes.Buffer
	room int
}

func (d *disk) Write(b []byte) (int, error) {
	if len(b) <= d.room {
		d.room -= len(b)
		return d.Buffer.Write(b)
	}
	n, _ := d.Buffer.Write(b[:d.room])
	d.room = 0
	return n, errors.New("no space left on device")
}

// A line that was written in part does not spoil another one.
func TestLinesAfterAFullDisk(t *testing.T) {
	out := &disk{room: 30}
	l := newLines(out, slog.New(slog.DiscardHandler))
	defer l.end()
	say := func(text string) error { return l.say(t.Context(), text) }
	require.NoError(t, say("first"))
	require.Error(t, say(strings.Repeat("second", 10)))
	require.Error(t, say("third"), "and nothing of it")
	out.room = 1000
	require.NoError(t, say("fourth"))
	require.NoError(t, say("fifth"))
	got := strings.Split(out.String(), "\n")
	require.Equal(t, []string{`"first"`, `"secondsecondsecondsec`, `"fourth"`, `"fifth"`, ""}, got)
}
