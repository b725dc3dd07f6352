package client_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// calls returns all calls of the clients, each with a valid request.
func calls(t *testing.T, base string) map[string]func(context.Context) error {
	ptop, pts, payatom := newPtop(t, base), newPTS(t, base), newPayatom(t, base)
	return callsOf(ptop, pts, payatom)
}

func callsOf(ptop *client.Ptop, pts *client.PTS, payatom *client.Payatom) map[string]func(context.Context) error {
	amount := payack.NewAmount("100.50")
	const url = "https://shop.example/x"
	return map[string]func(context.Context) error{
		"ptop create": func(ctx context.Context) error {
			_, err := ptop.CreatePayment(ctx, client.PtopPayment{OrderID: "O1", Amount: amount, Product: "p", WebhookURL: url, SuccessURL: url, FailURL: url})
			return err
		},
		"ptop check": func(ctx context.Context) error { _, err := ptop.PaymentCheck(ctx, "T1"); return err },
		"ptop payout": func(ctx context.Context) error {
			_, err := ptop.Payout(ctx, client.PtopPayout{SendingTrx: "S1", ReceiverEmail: "a@b.example", Amount: amount})
			return err
		},
		"ptop confirm": func(ctx context.Context) error {
			_, err := ptop.Confirm(ctx, &payack.PtopEvent{Success: true, TransactionID: "T1", OrderID: "O1"})
			return err
		},
		"pts payment": func(ctx context.Context) error { _, err := pts.Payment(ctx, ptsPayment()); return err },
		"pts withdraw": func(ctx context.Context) error {
			_, err := pts.Withdraw(ctx, client.PTSWithdraw{OrderID: "O1", Amount: amount, Currency: "PHP", Channel: "GCASH", CallbackURL: url})
			return err
		},
		"pts query":          func(ctx context.Context) error { _, err := pts.PaymentQuery(ctx, "O1"); return err },
		"pts withdraw query": func(ctx context.Context) error { _, err := pts.WithdrawQuery(ctx, "O1"); return err },
		"pts balance":        func(ctx context.Context) error { _, err := pts.Balance(ctx); return err },
		"pts confirm": func(ctx context.Context) error {
			_, err := pts.Confirm(ctx, &payack.PTSEvent{UserID: "1", OrderID: "O1", TransactionID: "T1", Status: payack.PTSSuccess})
			return err
		},
		"payatom payin": func(ctx context.Context) error {
			_, err := payatom.Payin(ctx, client.PayatomPayin{OrderID: "ORD1000001", Amount: amount, Name: "n", Email: "a@b.example", Phone: "1"})
			return err
		},
		"payatom polling": func(ctx context.Context) error {
			_, err := payatom.StatusPolling(ctx, client.PayatomQuery{RefCode: "R1", OrderID: "ORD1000001"})
			return err
		},
		"payatom payout": func(ctx context.Context) error {
			_, err := payatom.Payout(ctx, client.PayatomPayout{OrderID: "ORD1000001", Amount: amount, PaymentMode: "upi"})
			return err
		},
		"payatom payout status": func(ctx context.Context) error { _, err := payatom.PayoutStatus(ctx, "ORD1000001"); return err },
		"payatom reconcile":     func(ctx context.Context) error { _, err := payatom.ReconcilePayins(ctx, clock); return err },
		"payatom reconcile payouts": func(ctx context.Context) error {
			_, err := payatom.ReconcilePayouts(ctx, clock)
			return err
		},
		"payatom balance": func(ctx context.Context) error { _, err := payatom.WalletBalance(ctx, payatomOperator()); return err },
		"payatom transactions": func(ctx context.Context) error {
			_, err := payatom.WalletTransactions(ctx, payatomWalletDay())
			return err
		},
		"payatom data": func(ctx context.Context) error { _, err := payatom.WalletData(ctx); return err },
		"payatom confirm": func(ctx context.Context) error {
			ev := &payack.PayatomEvent{OrderID: "ORD1000001", Status: payack.PayatomApproved, ReceivedAmount: amount}
			ev.Unsigned.RefCode = payack.NewText("R1")
			_, err := payatom.Confirm(ctx, ev)
			return err
		},
	}
}

// repeated are the repeatable calls.
var repeated = []string{
	"ptop check", "ptop payout", "ptop confirm", "pts query", "pts withdraw query", "pts balance", "pts confirm",
	"payatom polling", "payatom payout status", "payatom balance", "payatom data", "payatom confirm",
}

func secrets() []string {
	merchant, _ := ptsKey()
	return []string{ptopSecret, ptopSigning, ptsSafecode, ptsTxSecret, payatomKey, payatomAPI, "payatom-token-0123", "payatom-auth-0123",
		strings.Split(merchant.PrivatePEM, "\n")[3]}
}

// silent checks that an error shows no secret and no path of a URL, however it is
// printed.
func silent(t *testing.T, err error, more ...string) {
	t.Helper()
	var all strings.Builder
	var walk func(error)
	walk = func(err error) {
		if err == nil {
			return
		}
		fmt.Fprintf(&all, "%v %+v %#v %q %s\n", err, err, err, err, err)
		b, _ := json.Marshal(err)
		all.Write(b)
		slog.New(slog.NewJSONHandler(&all, nil)).Info("x", "error", err)
		switch u := err.(type) {
		case interface{ Unwrap() error }:
			walk(u.Unwrap())
		case interface{ Unwrap() []error }:
			for _, e := range u.Unwrap() {
				walk(e)
			}
		}
	}
	walk(err)
	for _, s := range append(secrets(), append(more, "/merchant/v2")...) {
		assert.NotContains(t, all.String(), s)
	}
	assert.NotContains(t, err.Error(), "\n")
}

func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		kind    error
		cause   error
		status  int
		excerpt string
	}{
		"an HTML page": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "<html>\n <body>Maintenance\x1b[31m</body></html>"+strings.Repeat("x", 5000))
		}, client.ErrResponse, nil, 200, "<html> <body>Maintenance.[31m</body></html>xxx"},
		"an HTML page with 502": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(502)
			_, _ = io.WriteString(w, "<h1>Bad Gateway</h1>")
		}, client.ErrStatus, nil, 502, "<h1>Bad Gateway</h1>"},
		"nothing":         {func(http.ResponseWriter, *http.Request) {}, client.ErrResponse, nil, 200, ""},
		"only blanks":     {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, " \n\t") }, client.ErrResponse, nil, 200, ""},
		"nothing and 204": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, client.ErrResponse, nil, 204, ""},
		"no JSON":         {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "Access denied") }, client.ErrResponse, nil, 200, "Access denied"},
		"JSON cut short": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"status":1,"amo`)
		}, client.ErrResponse, payack.ErrMalformed, 200, `{"status":1,"amo`},
		"a body cut short": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "500")
			_, _ = io.WriteString(w, `{"status":1,`)
		}, client.ErrResponse, nil, 200, `{"status":1,`},
		"too much": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"x":"`+strings.Repeat("y", client.DefaultMaxResponse)+`"}`)
		}, client.ErrResponse, payack.ErrTooLarge, 200, `{"x":"yyyy`},
		"a name twice": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"status":0,"statu\u0073":1,"amount":1}`)
		}, client.ErrResponse, payack.ErrMalformed, 200, `{"status":0,`},
		"a nested name twice": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"code":"1000","status":1,"amount":1,"data":{"a":1,"a":2}}`)
		}, client.ErrResponse, payack.ErrMalformed, 200, `{"code"`},
		"something after it": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"status":1,"amount":1} {}`)
		}, client.ErrResponse, payack.ErrMalformed, 200, `{"status"`},
		"no UTF-8": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "{\"status\":\"\xff\"}")
		}, client.ErrResponse, payack.ErrMalformed, 200, `{"status":"."}`},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere?"+ptopSecret, http.StatusTemporaryRedirect)
		}, client.ErrRedirect, nil, 307, ""},
		"a redirect to nowhere": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "::"+ptopSecret)
			w.WriteHeader(302)
		}, client.ErrRedirect, nil, 302, ""},
		"a closed connection": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, client.ErrUnreachable, nil, 0, ""},
		"silence": {func(_ http.ResponseWriter, r *http.Request) { // until the client gives up
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}, client.ErrUnreachable, context.DeadlineExceeded, 0, ""},
		"429": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(429)
			_, _ = io.WriteString(w, `{"message":"slow down"}`)
		}, client.ErrStatus, nil, 429, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var elsewhere atomic.Int32
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/elsewhere") {
					elsewhere.Add(1)
					return
				}
				c.handler(w, r)
			}))
			defer s.Close()
			ptopC, ptsC, payatomC := ptopConfig(s.URL), ptsConfig(s.URL), payatomConfig(s.URL)
			payatomC.MaxResponse = client.DefaultMaxResponse // overrides the default for reconciliations
			if errors.Is(c.cause, context.DeadlineExceeded) {
				ptopC.Timeout = 100 * time.Millisecond
				ptsC.HTTPClient = &http.Client{Timeout: 100 * time.Millisecond}
				payatomC.Timeout = 100 * time.Millisecond
			}
			some := callsOf(newClients(t, ptopC, ptsC, payatomC))
			for _, name := range sortedKeys(some) {
				if errors.Is(c.cause, context.DeadlineExceeded) && !slices.Contains([]string{"ptop check", "pts query", "payatom polling"}, name) {
					continue
				}
				err := some[name](t.Context())
				if err == nil {
					// The client accepts a faulty answer if the answer is neither signed nor
					// documented.
					assert.True(t, c.kind == nil, name)
					continue
				}
				var e *client.Error
				require.ErrorAs(t, err, &e, name)
				assert.ErrorIs(t, err, c.kind, name)
				if c.cause != nil {
					assert.ErrorIs(t, err, c.cause, name)
				}
				assert.NotErrorIs(t, err, payack.ErrUnconfirmed, name)
				assert.Equal(t, c.status, e.Status, name)
				if c.excerpt != "" {
					assert.True(t, strings.HasPrefix(e.Excerpt, c.excerpt), "%s: %q", name, e.Excerpt)
				}
				assert.LessOrEqual(t, len(e.Excerpt), 210, name)
				assert.True(t, e.Uncertain(), name)
				silent(t, err)
			}
			assert.Zero(t, elsewhere.Load(), "a redirect was followed")
		})
	}
}

// Half a response and silence. In a bubble the half comes before the timeout on any
// machine.
func TestHalfAResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const half, timeout = `{"status":1,`, 100 * time.Millisecond
		transport := &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				r, err := http.ReadRequest(bufio.NewReader(theirs))
				if assert.NoError(t, err) {
					_, _ = io.Copy(io.Discard, r.Body)
				}
				_, _ = io.WriteString(theirs, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"+half)
				_, _ = io.Copy(io.Discard, theirs) // until the client gives up
			}()
			return ours, nil
		}}
		const base = "http://127.0.0.1"
		ptopC, ptsC, payatomC := ptopConfig(base), ptsConfig(base), payatomConfig(base)
		ptopC.Timeout, ptopC.HTTPClient = timeout, &http.Client{Transport: transport}
		ptsC.HTTPClient = &http.Client{Transport: transport, Timeout: timeout}
		payatomC.Timeout, payatomC.HTTPClient = timeout, &http.Client{Transport: transport}
		all := callsOf(newClients(t, ptopC, ptsC, payatomC))
		for _, name := range []string{"ptop check", "pts query", "payatom polling"} {
			start := time.Now()
			err := all[name](t.Context())
			assert.Equal(t, timeout, time.Since(start), name)
			var e *client.Error
			require.ErrorAs(t, err, &e, name)
			assert.ErrorIs(t, err, client.ErrUnreachable, name)
			assert.ErrorIs(t, err, context.DeadlineExceeded, name)
			assert.NotErrorIs(t, err, payack.ErrUnconfirmed, name)
			assert.Equal(t, 200, e.Status, name)
			assert.Equal(t, half, e.Excerpt, name)
			assert.True(t, e.Uncertain(), name)
			silent(t, err)
		}
	})
}

// A caller's http.Client that follows redirects is not changed, and redirects are
// not followed.
func TestRedirectsAreNotFollowedByTheCallersClient(t *testing.T) {
	followed := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/to" {
			followed++
			_, _ = io.WriteString(w, `{"status":1,"amount":5}`)
			return
		}
		assert.Empty(t, r.Header["Cookie"])
		http.Redirect(w, r, "/to", http.StatusPermanentRedirect)
	}))
	defer s.Close()
	used := 0
	mine := &http.Client{
		Transport:     roundTrip(func(r *http.Request) (*http.Response, error) { used++; return http.DefaultTransport.RoundTrip(r) }),
		CheckRedirect: func(*http.Request, []*http.Request) error { return nil },
	}
	c := ptopConfig(s.URL)
	c.HTTPClient = mine
	ptop, err := client.NewPtop(c)
	require.NoError(t, err)
	_, err = ptop.PaymentCheck(t.Context(), "T1")
	require.ErrorIs(t, err, client.ErrRedirect)
	assert.Equal(t, 1, used)
	assert.Zero(t, followed)
	assert.NotNil(t, mine.CheckRedirect)
	assert.Zero(t, mine.Timeout)
}

func TestBaseURL(t *testing.T) {
	for base, ok := range map[string]bool{
		"https://api.example": true, "https://api.example/": true, "https://api.example:8443/v1/": true, "HTTPS://api.example": true,
		"http://127.0.0.1:8080": true, "http://localhost": true, "http://[::1]:80": true, "http://127.9.9.9": true,
		"": false, "http://api.example": false, "http://10.0.0.1": false, "http://localhost.example": false, "http://127.0.0.1.example": false,
		"http://0.0.0.0": false, "ftp://api.example": false, "api.example": false, "//api.example": false, "https://": false, "https://:443": false,
		"https:api.example": false, "https://user:HOSTILE@api.example": false, "https://api.example?a=HOSTILE": false, "https://api.example#HOSTILE": false,
		"https://api.example/%zzHOSTILE": false, "unix:///x": false, "file:///y": false,
	} {
		_, err := client.NewPtop(ptopConfig(base))
		_, err2 := client.NewPTS(ptsConfig(base))
		_, err3 := client.NewPayatom(payatomConfig(base))
		for _, err := range []error{err, err2, err3} {
			if ok {
				assert.NoError(t, err, base)
			} else if assert.Error(t, err, base) {
				assert.Contains(t, err.Error(), "BaseURL")
				assert.NotContains(t, err.Error(), "HOSTILE")
			}
		}
	}
}

// Constructors refuse credentials that a terminal, a file or a template has mangled.
func TestMangledCredentialsAreRefused(t *testing.T) {
	secret := payack.NewSecret
	for member, build := range map[string]func(text string) error{
		"ptop: WebsiteID": func(text string) error {
			c := ptopConfig("https://api.example")
			c.WebsiteID = text
			_, err := client.NewPtop(c)
			return err
		},
		"ptop: SecretKey": func(text string) error {
			c := ptopConfig("https://api.example")
			c.SecretKey = secret(text)
			_, err := client.NewPtop(c)
			return err
		},
		"ptop: SigningKey": func(text string) error {
			c := ptopConfig("https://api.example")
			c.SigningKey = secret(text)
			_, err := client.NewPtop(c)
			return err
		},
		"pts: UserID": func(text string) error {
			c := ptsConfig("https://api.example")
			c.UserID = text
			_, err := client.NewPTS(c)
			return err
		},
		"pts: TransactionSecret": func(text string) error {
			c := ptsConfig("https://api.example")
			c.TransactionSecret = secret(text)
			_, err := client.NewPTS(c)
			return err
		},
		"payatom: PID": func(text string) error {
			c := payatomConfig("https://api.example")
			c.PID = text
			_, err := client.NewPayatom(c)
			return err
		},
		"payatom: APIKey": func(text string) error {
			c := payatomConfig("https://api.example")
			c.APIKey = secret(text)
			_, err := client.NewPayatom(c)
			return err
		},
		"payatom: ReconcileToken": func(text string) error {
			c := payatomConfig("https://api.example")
			c.ReconcileToken = secret(text)
			_, err := client.NewPayatom(c)
			return err
		},
		"payatom: WalletAuthorization": func(text string) error {
			c := payatomConfig("https://api.example")
			c.WalletAuthorization = secret(text)
			_, err := client.NewPayatom(c)
			return err
		},
	} {
		require.NoError(t, build("Bearer HOSTILE"), member)
		for text, want := range map[string]string{
			"HOSTILE\n": "ends with a line break", " HOSTILE": "white space", "HOS\tTILE": "control character",
			"HOSTILE\u200b": "invisible character", "\ufeffHOSTILE": "byte-order mark", "${HOSTILE}": "begins with ${",
		} {
			assert.ErrorContains(t, build(text), want, member)
			assert.ErrorContains(t, build(text), "payack: "+member+": it ", member)
			assert.NotContains(t, build(text).Error(), "HOSTILE")
		}
	}
}

func TestConfigurations(t *testing.T) {
	for _, c := range []struct {
		member string
		change func(*client.PtopConfig, *client.PTSConfig, *client.PayatomConfig)
		which  int
	}{
		{"WebsiteID", func(c *client.PtopConfig, _ *client.PTSConfig, _ *client.PayatomConfig) { c.WebsiteID = "" }, 0},
		{"SecretKey", func(c *client.PtopConfig, _ *client.PTSConfig, _ *client.PayatomConfig) {
			c.SecretKey = payack.Secret{}
		}, 0},
		{"PayoutAmount", func(c *client.PtopConfig, _ *client.PTSConfig, _ *client.PayatomConfig) { c.PayoutAmount = "float" }, 0},
		{"WebsiteID", func(c *client.PtopConfig, _ *client.PTSConfig, _ *client.PayatomConfig) { c.WebsiteID = "a|b" }, 0},
		{"SecretKey", func(c *client.PtopConfig, _ *client.PTSConfig, _ *client.PayatomConfig) {
			c.SecretKey = payack.NewSecret("HOSTILE|b")
		}, 0},
		{"Timeout", func(c *client.PtopConfig, _ *client.PTSConfig, _ *client.PayatomConfig) { c.Timeout = -1 }, 0},
		{"ConfirmTimeout", func(c *client.PtopConfig, _ *client.PTSConfig, _ *client.PayatomConfig) { c.ConfirmTimeout = -1 }, 0},
		{"MaxResponse", func(c *client.PtopConfig, _ *client.PTSConfig, _ *client.PayatomConfig) { c.MaxResponse = -1 }, 0},
		{"GUID", func(_ *client.PtopConfig, c *client.PTSConfig, _ *client.PayatomConfig) { c.GUID = "" }, 1},
		{"GUID", func(_ *client.PtopConfig, c *client.PTSConfig, _ *client.PayatomConfig) { c.GUID = "../x" }, 1},
		{"UserID", func(_ *client.PtopConfig, c *client.PTSConfig, _ *client.PayatomConfig) { c.UserID = "" }, 1},
		{"Safecode", func(_ *client.PtopConfig, c *client.PTSConfig, _ *client.PayatomConfig) { c.Safecode = payack.Secret{} }, 1},
		{"Safecode", func(_ *client.PtopConfig, c *client.PTSConfig, _ *client.PayatomConfig) {
			c.Safecode = payack.NewSecret("HOSTILE")
		}, 1},
		{"PrivateKey", func(_ *client.PtopConfig, c *client.PTSConfig, _ *client.PayatomConfig) {
			c.PrivateKey = payack.NewSecret("HOSTILE")
		}, 1},
		{"PublicKeys", func(_ *client.PtopConfig, c *client.PTSConfig, _ *client.PayatomConfig) { c.PublicKeys = nil }, 1},
		{"TransactionSecret", func(_ *client.PtopConfig, c *client.PTSConfig, _ *client.PayatomConfig) {
			c.TransactionSecret = payack.Secret{}
		}, 1},
		{"Body", func(_ *client.PtopConfig, c *client.PTSConfig, _ *client.PayatomConfig) { c.Body = "form" }, 1},
		{"Numbers", func(_ *client.PtopConfig, c *client.PTSConfig, _ *client.PayatomConfig) {
			c.Numbers = []payack.Scheme{"x"}
		}, 1},
		{"PID", func(_ *client.PtopConfig, _ *client.PTSConfig, c *client.PayatomConfig) { c.PID = "" }, 2},
		{"SecretKeys", func(_ *client.PtopConfig, _ *client.PTSConfig, c *client.PayatomConfig) { c.SecretKeys = nil }, 2},
		{"SecretKeys", func(_ *client.PtopConfig, _ *client.PTSConfig, c *client.PayatomConfig) {
			c.SecretKeys = payack.Secrets("")
		}, 2},
		{"Polling", func(_ *client.PtopConfig, _ *client.PTSConfig, c *client.PayatomConfig) { c.Polling = "x" }, 2},
		{"WalletDataPath", func(_ *client.PtopConfig, _ *client.PTSConfig, c *client.PayatomConfig) { c.WalletDataPath = "x" }, 2},
		{"WalletDataPath", func(_ *client.PtopConfig, _ *client.PTSConfig, c *client.PayatomConfig) {
			c.WalletDataPath = "//host/x"
		}, 2},
		{"APIKey", func(_ *client.PtopConfig, _ *client.PTSConfig, c *client.PayatomConfig) {
			c.APIKey = payack.NewSecret("HOSTILE\r\nX: y")
		}, 2},
	} {
		a, b, d := ptopConfig("https://api.example"), ptsConfig("https://api.example"), payatomConfig("https://api.example")
		c.change(&a, &b, &d)
		var err error
		switch c.which {
		case 0:
			_, err = client.NewPtop(a)
		case 1:
			_, err = client.NewPTS(b)
		default:
			_, err = client.NewPayatom(d)
		}
		if assert.Error(t, err, c.member) {
			assert.Contains(t, err.Error(), c.member)
			provider := []payack.Provider{payack.Ptop, payack.PTS, payack.Payatom}[c.which]
			assert.True(t, strings.HasPrefix(err.Error(), "payack: "+string(provider)+": "), err)
			assert.Equal(t, 1, strings.Count(err.Error(), string(provider)+": "), err)
			assert.NotContains(t, err.Error(), "NoEnvelopes", "no client does without")
			assert.NotContains(t, err.Error(), "HOSTILE")
		}
	}
}

// If an error page repeats the request, no secret of the request may get into a
// log. This holds for every spelling of a secret, and for parts of it.
func TestSecretsAreRedacted(t *testing.T) {
	const hostile = `k/é"<&+ey-0123456789`
	echo := func(spell func(string) string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.WriteHeader(500)
			_, _ = io.WriteString(w, spell(string(body)))
		}))
		defer s.Close()
		c := ptopConfig(s.URL)
		c.SecretKey = payack.NewSecret(hostile)
		ptop, err := client.NewPtop(c)
		require.NoError(t, err)
		_, err = ptop.PaymentCheck(t.Context(), "T1")
		require.Error(t, err)
		silent(t, err, hostile, "0123456", "-01234", "ey-012")
		return err.Error()
	}
	said := echo(func(body string) string { return "<pre>you sent " + body })
	assert.Contains(t, said, "you sent")
	assert.Contains(t, said, "T1")
	assert.Contains(t, said, "[redacted]")
	echo(func(body string) string { return strings.ReplaceAll(body, "/", `\/`) })
	echo(func(body string) string { return body[:strings.Index(body, "ey-")+9] })
	echo(func(string) string { return "invalid key " + hostile[:len(hostile)-2] + "…" })
	echo(func(string) string { return strings.Repeat("-", 190) + hostile })
	echo(func(string) string { return "k%2F%C3%A9%22%3C%26%2Bey-0123456789" })
	echo(func(string) string { return `{"message":"bad key k\/\u00e9\"<&+ey-0123456789"}` })

	// A transport that quotes the request in its error.
	c := ptsConfig("https://api.example")
	c.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		body, _ := io.ReadAll(r.Body)
		return nil, fmt.Errorf("sending %s %s to %s with %v: %w", body, ptsTxSecret, ptsSafecode, r.Header, errors.New(ptsSafecode))
	})}
	pts, err := client.NewPTS(c)
	require.NoError(t, err)
	_, err = pts.Balance(t.Context())
	require.ErrorIs(t, err, client.ErrUnreachable)
	silent(t, err)
	c.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		return new(http.Client).Get(r.URL.String()[:8] + "\x7f") // a *url.Error
	})}
	pts, err = client.NewPTS(c)
	require.NoError(t, err)
	_, err = pts.Balance(t.Context())
	silent(t, err)
}

func TestPrintersShowNoSecret(t *testing.T) {
	a, b, d := ptopConfig("https://api.example"), ptsConfig("https://api.example"), payatomConfig("https://api.example")
	ptop, pts, payatom := newClients(t, a, b, d)
	type holder struct {
		a    *client.Ptop
		b    client.PTS
		c, d any
	}
	var all strings.Builder
	for _, v := range []any{a, &a, b, &b, d, &d, ptop, *ptop, pts, *pts, payatom, *payatom, holder{ptop, *pts, payatom, *payatom}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%T", "%p"} {
			fmt.Fprintf(&all, verb+"\n", v)
		}
		j, _ := json.Marshal(v)
		all.Write(j)
		slog.New(slog.NewJSONHandler(&all, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&all, nil)).Info("x", "v", v)
	}
	for _, s := range secrets() {
		assert.NotContains(t, all.String(), s)
		assert.NotContains(t, all.String(), fmt.Sprintf("%x", s))
	}
	assert.Contains(t, all.String(), "client.PTS{…}")
}

// The number of attempts and the pauses between them, under a fake clock.
func TestRetries(t *testing.T) {
	for name, fault := range map[string]func() (*http.Response, error){
		"no response": func() (*http.Response, error) { return nil, errors.New("no route") },
		"503": func() (*http.Response, error) {
			return &http.Response{StatusCode: 503, Body: io.NopCloser(strings.NewReader("busy"))}, nil
		},
		"429": func() (*http.Response, error) {
			return &http.Response{StatusCode: 429, Body: io.NopCloser(strings.NewReader("busy"))}, nil
		},
		"half a response": func() (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: io.NopCloser(io.MultiReader(strings.NewReader("{"), broken{}))}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var bodies []string
				var times []time.Time
				transport := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					b, _ := io.ReadAll(r.Body)
					bodies, times = append(bodies, string(b)), append(times, time.Now())
					return fault()
				})}
				o := client.Options{HTTPClient: transport, Retries: 4}
				a, b, c := ptopConfig("https://api.example"), ptsConfig("https://api.example"), payatomConfig("https://api.example")
				a.Options, b.Options, c.Options = o, o, o
				// PTS requires a Unix time of ten digits. The clock of synctest begins in 2000,
				// when a Unix time had nine.
				b.Now = func() time.Time { return time.Now().AddDate(20, 0, 0) }
				all := callsOf(newClients(t, a, b, c))
				for _, name := range sortedKeys(all) {
					bodies, times = nil, nil
					require.Error(t, all[name](t.Context()), name)
					if !slices.Contains(repeated, name) {
						assert.Len(t, bodies, 1, name)
						continue
					}
					require.Len(t, bodies, 5, name)
					for i, most := range []time.Duration{200, 400, 800, 1600} {
						gap := times[i+1].Sub(times[i])
						assert.Less(t, gap, most*time.Millisecond, name)
					}
					if strings.HasPrefix(name, "ptop") {
						assert.Equal(t, bodies[0], bodies[4], "the same sendingTrx, byte for byte")
					}
				}
			})
		})
	}

	synctest.Test(t, func(t *testing.T) { // the end of the context ends the retries
		n := 0
		c := ptopConfig("https://api.example")
		c.Options = client.Options{Retries: 1 << 20, HTTPClient: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			n++
			return nil, errors.New("no route")
		})}}
		ptop, err := client.NewPtop(c)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		_, err = ptop.PaymentCheck(ctx, "T1")
		require.ErrorIs(t, err, client.ErrUnreachable)
		assert.LessOrEqual(t, time.Since(start), 5*time.Second)
		assert.Greater(t, n, 2)
		cancel()
		n = 0
		_, err = ptop.PaymentCheck(ctx, "T1")
		require.Error(t, err)
		assert.LessOrEqual(t, n, 1)
	})

	synctest.Test(t, func(t *testing.T) { // each attempt has its own timeout
		n := 0
		c := ptopConfig("https://api.example")
		c.Options = client.Options{Timeout: time.Second, HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if n++; n < 3 {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(`{"status":"1","amount":"7.50"}`))}, nil
		})}}
		ptop, err := client.NewPtop(c)
		require.NoError(t, err)
		start := time.Now()
		check, err := ptop.PaymentCheck(t.Context(), "T1")
		require.NoError(t, err)
		assert.Equal(t, "7.50", check.Amount.String())
		assert.GreaterOrEqual(t, time.Since(start), 2*time.Second)
	})
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestConcurrency(t *testing.T) {
	g := says(t, 200, `{"status":1,"amount":100.00,"code":"1002","message":"not found"}`)
	all := calls(t, g.URL)
	var wait sync.WaitGroup
	for _, call := range all {
		for range 4 {
			wait.Go(func() { _ = call(context.Background()) })
		}
	}
	wait.Wait()
	assert.Len(t, g.requests(), 4*len(all))
}

func TestCancelledContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g := says(t, 200, `{}`)
	for name, call := range calls(t, g.URL) {
		err := call(ctx)
		assert.ErrorIs(t, err, context.Canceled, name)
		assert.ErrorIs(t, err, client.ErrUnreachable, name)
	}
}

func TestTLSIsVerified(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"status":1,"amount":5}`)
	}))
	defer s.Close()
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	_, err := newPtop(t, s.URL).PaymentCheck(t.Context(), "T1")
	require.ErrorIs(t, err, client.ErrUnreachable)
	silent(t, err)
	c := ptopConfig(s.URL)
	c.HTTPClient = s.Client()
	ptop, err := client.NewPtop(c)
	require.NoError(t, err)
	_, err = ptop.PaymentCheck(t.Context(), "T1")
	require.NoError(t, err)
}
