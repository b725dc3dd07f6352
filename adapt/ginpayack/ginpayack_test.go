package ginpayack_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/gin-gonic/gin/binding"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/adapt/ginpayack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/verify"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	gin.DefaultErrorWriter = io.Discard // where gin.Recovery reports panics
	m.Run()
}

const (
	safecode   = "0123456789abcdef0123456789abcdef" // 32 bytes, as PTS gives out
	signingKey = "a signing key of this test only"
)

// throwaway is the key pair that the tests use as PTS's.
var throwaway = sync.OnceValues(func() (private payack.Secret, public string) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		panic(err)
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	return payack.NewSecret(string(block)), string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
})

// signed returns a flat PTS callback.
func signed(t testing.TB, order string) string {
	t.Helper()
	private, _ := throwaway()
	signer, err := verify.NewPTSSigner(verify.PTSSignerConfig{Safecode: payack.NewSecret(safecode), PrivateKey: private})
	require.NoError(t, err)
	values := map[string]string{
		"user_id": "1", "order_id": order, "transaction_id": "T-" + order, "channel": "2",
		"submit_currency": "PHP", "submit_amount": "100.50", "accept_currency": "PHP", "accept_amount": "100.50",
		"exchange_rate": "1", "status": "2000", "timestamp": "1700000000",
	}
	values["sign"], err = signer.Sign(verify.PTSCallback, values)
	require.NoError(t, err)
	body, err := json.Marshal(values)
	require.NoError(t, err)
	return string(body)
}

// watch records what payack observed.
type watch struct {
	mu   sync.Mutex
	seen []payack.Observation
}

func (w *watch) Observe(_ context.Context, o *payack.Observation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, *o)
}

// last returns the only observation since the previous call of last.
func (w *watch) last(t testing.TB) payack.Observation {
	t.Helper()
	// On a real server the client may have the answer before the observer is
	// called.
	require.Eventually(t, func() bool { w.mu.Lock(); defer w.mu.Unlock(); return len(w.seen) > 0 }, 30*time.Second, time.Millisecond)
	w.mu.Lock()
	defer w.mu.Unlock()
	require.Len(t, w.seen, 1)
	o := w.seen[0]
	w.seen = nil
	return o
}

func options(w *watch) middleware.Options {
	return middleware.Options{Logger: slog.New(slog.DiscardHandler), Observer: w}
}

func ptsReceiver(t testing.TB, w *watch) *middleware.Receiver[*payack.PTSEvent] {
	t.Helper()
	_, public := throwaway()
	rc, err := middleware.NewPTS(middleware.PTSConfig{
		UserID: "1", Safecode: payack.NewSecret(safecode), PublicKeys: []string{public}, Options: options(w),
	})
	require.NoError(t, err)
	return rc
}

func ptopReceiver(t testing.TB, w *watch) *middleware.Receiver[*payack.PtopEvent] {
	t.Helper()
	rc, err := middleware.NewPtop(middleware.PtopConfig{
		SigningKeys: payack.Secrets(signingKey), ConfirmInCallback: true, Options: options(w),
	})
	require.NoError(t, err)
	return rc
}

// answer is what a provider receives.
type answer struct {
	status      int
	contentType string
	body        string
}

var (
	success = answer{200, "text/plain", "SUCCESS"}
	failed  = answer{200, "text/plain", "FAILED"}
)

func request(path string, m verify.Message) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(m.Body))
	r.Header.Set("Content-Type", m.ContentType)
	return r
}

// post sends over a real connection, and expects exactly one answer.
func post(t testing.TB, h http.Handler, path string, m verify.Message) answer {
	t.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	response, err := http.Post(server.URL+path, m.ContentType, strings.NewReader(m.Body))
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{response.StatusCode, response.Header.Get("Content-Type"), string(body)}
}

// record sends through httptest's recorder.
func record(h http.Handler, path string, m verify.Message) answer {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, request(path, m))
	return answer{w.Code, w.Header().Get("Content-Type"), w.Body.String()}
}

func ptsMessage(t testing.TB, order string) verify.Message {
	return verify.Message{ContentType: "application/json", Body: signed(t, order)}
}

func ptopMessage(t testing.TB, order string) verify.Message {
	t.Helper()
	body := fmt.Sprintf(`{"success":true,"transaction_id":"T-%s","order_id":"%s","message":"ok"}`, order, order)
	m, err := verify.SignPtopCallback(payack.NewSecret(signingKey), payack.SchemeSpliced, verify.PtopLast, body)
	require.NoError(t, err)
	return m
}

// outside is what middleware in front of payack sees after the call.
type outside struct {
	status, size int
	written      bool
	restored     bool // c.Writer and c.Request
}

func (o *outside) look(c *gin.Context) {
	w, r := c.Writer, c.Request
	c.Next()
	o.status, o.size, o.written = c.Writer.Status(), c.Writer.Size(), c.Writer.Written()
	o.restored = c.Writer == w && c.Request == r
}

var errReported = errors.New("the order could not be settled")

// Each case is something that gin handlers may do. The test checks the answer to the
// provider and what happens to the event. It sends each case to a recorder and over a
// connection.
func TestWrap(t *testing.T) {
	for _, test := range []struct {
		name    string
		handler []gin.HandlerFunc
		// PTS's answer is in its body, Ptop's in its status.
		pts, ptop answer
		outcome   payack.Outcome
		reason    payack.Reason
		err       error
	}{
		{name: "asked for the event", handler: chain(asks),
			pts: success, ptop: answer{status: 200}, outcome: payack.OutcomeAccepted},
		{name: "asked for the delivery", handler: chain(func(c *gin.Context) { payack.DeliveryFrom(c.Request.Context()) }),
			pts: success, ptop: answer{status: 200}, outcome: payack.OutcomeAccepted},
		{name: "asked for another provider's event", handler: chain(func(c *gin.Context) { payack.EventFrom[*payack.PayatomEvent](c.Request.Context()) }),
			pts: success, ptop: answer{status: 200}, outcome: payack.OutcomeAccepted},
		{name: "one of a chain asked", handler: chain(idle, asks, idle),
			pts: success, ptop: answer{status: 200}, outcome: payack.OutcomeAccepted},
		{name: "Fail without an error", handler: chain(func(c *gin.Context) { middleware.Fail(c.Request.Context(), nil) }),
			pts: success, ptop: answer{status: 200}, outcome: payack.OutcomeAccepted},
		{name: "no sign of having run", handler: chain(idle),
			pts: failed, ptop: answer{status: 500}, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback},
		{name: "no sign of a chain", handler: chain(func(c *gin.Context) { c.Next() }, idle),
			pts: failed, ptop: answer{status: 500}, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback},
		{name: "headers only", handler: chain(func(c *gin.Context) { c.Header("X-Handler", "1") }),
			pts: failed, ptop: answer{status: 500}, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback},
		{name: "asked gin's context, which hands on nothing", handler: chain(func(c *gin.Context) { payack.EventFrom[*payack.PTSEvent](c) }),
			pts: failed, ptop: answer{status: 500}, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback},
		{name: "asked and aborted", handler: chain(asks, func(c *gin.Context) { c.Abort() }, mustNotRun),
			pts: failed, ptop: answer{status: 500}, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback},
		{name: "Status 200", handler: chain(func(c *gin.Context) { c.Status(200) }),
			pts: answer{status: 200}, ptop: answer{status: 200}, outcome: payack.OutcomeAccepted},
		{name: "Status 204", handler: chain(func(c *gin.Context) { c.Status(204) }),
			pts: answer{status: 204}, ptop: answer{status: 204}, outcome: payack.OutcomeAccepted},
		{name: "Status 500", handler: chain(func(c *gin.Context) { c.Status(500) }),
			pts: answer{status: 500}, ptop: answer{status: 500}, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback},
		{name: "Status 500, then another", handler: chain(func(c *gin.Context) { c.Status(500); c.Status(202) }),
			pts: answer{status: 202}, ptop: answer{status: 202}, outcome: payack.OutcomeAccepted},
		{name: "String", handler: chain(func(c *gin.Context) { c.String(200, "SUC%s", "CESS") }),
			pts: answer{200, "text/plain; charset=utf-8", "SUCCESS"}, ptop: answer{200, "text/plain; charset=utf-8", "SUCCESS"}, outcome: payack.OutcomeAccepted},
		{name: "JSON 200", handler: chain(func(c *gin.Context) { c.JSON(200, gin.H{"ok": true}) }),
			pts:  answer{200, "application/json; charset=utf-8", `{"ok":true}`},
			ptop: answer{200, "application/json; charset=utf-8", `{"ok":true}`}, outcome: payack.OutcomeAccepted},
		{name: "JSON 422", handler: chain(func(c *gin.Context) { c.JSON(422, gin.H{"ok": false}) }),
			pts:  answer{422, "application/json; charset=utf-8", `{"ok":false}`},
			ptop: answer{422, "application/json; charset=utf-8", `{"ok":false}`}, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback},
		{name: "JSON -1 keeps the status", handler: chain(func(c *gin.Context) { c.Status(500); c.JSON(-1, 1) }),
			pts:  answer{500, "application/json; charset=utf-8", `1`},
			ptop: answer{500, "application/json; charset=utf-8", `1`}, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback},
		{name: "net/http's way", handler: chain(gin.WrapF(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, "SUCCESS")
		})),
			pts: answer{200, "text/plain", "SUCCESS"}, ptop: answer{200, "text/plain", "SUCCESS"}, outcome: payack.OutcomeAccepted},
		{name: "flushed", handler: chain(func(c *gin.Context) { c.Status(503); c.Writer.Flush(); c.Status(200) }),
			pts: answer{status: 503}, ptop: answer{status: 503}, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback},
		{name: "AbortWithStatus", handler: chain(func(c *gin.Context) { c.AbortWithStatus(409) }, mustNotRun),
			pts: answer{status: 409}, ptop: answer{status: 409}, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback},
		{name: "AbortWithStatusJSON 200", handler: chain(func(c *gin.Context) { c.AbortWithStatusJSON(200, 1) }, mustNotRun),
			pts: answer{200, "application/json; charset=utf-8", "1"}, ptop: answer{200, "application/json; charset=utf-8", "1"}, outcome: payack.OutcomeAccepted},
		{name: "Abort", handler: chain(func(c *gin.Context) { c.Abort() }, mustNotRun),
			pts: failed, ptop: answer{status: 500}, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback},
		{name: "Error", handler: chain(func(c *gin.Context) { _ = c.Error(errReported) }),
			pts: failed, ptop: answer{status: 500}, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback, err: errReported},
		{name: "Error in a chain", handler: chain(func(c *gin.Context) { c.Next(); _ = c.Error(errReported) }, idle),
			pts: failed, ptop: answer{status: 500}, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback, err: errReported},
		{name: "Error and 200", handler: chain(func(c *gin.Context) { _ = c.Error(errReported); c.Status(200) }),
			pts: answer{status: 200}, ptop: answer{status: 200}, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback, err: errReported},
		{name: "AbortWithError", handler: chain(func(c *gin.Context) { _ = c.AbortWithError(400, errReported) }, mustNotRun),
			pts: answer{status: 400}, ptop: answer{status: 400}, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback, err: errReported},
		{name: "Fail", handler: chain(func(c *gin.Context) { middleware.Fail(c.Request.Context(), errReported) }),
			pts: failed, ptop: answer{status: 500}, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback, err: errReported},
		{name: "Fail before Error", handler: chain(func(c *gin.Context) {
			middleware.Fail(c.Request.Context(), errReported)
			_ = c.Error(errors.New("another"))
		}),
			pts: failed, ptop: answer{status: 500}, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback, err: errReported},
		{name: "panic", handler: chain(func(*gin.Context) { panic("in the handler") }, mustNotRun),
			pts: failed, ptop: answer{status: 500}, outcome: payack.OutcomeFailed, reason: payack.ReasonPanic},
		{name: "panic after a status", handler: chain(func(c *gin.Context) { c.Status(200); panic("in the handler") }),
			pts: failed, ptop: answer{status: 500}, outcome: payack.OutcomeFailed, reason: payack.ReasonPanic},
		{name: "panic with a Recovery behind", handler: chain(gin.Recovery(), func(*gin.Context) { panic("in the handler") }),
			pts: answer{status: 500}, ptop: answer{status: 500}, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback},
		{name: "no status of an answer", handler: chain(func(c *gin.Context) { c.Status(1000) }),
			pts: failed, ptop: answer{status: 500}, outcome: payack.OutcomeFailed, reason: payack.ReasonPanic},
		{name: "Hijack", handler: chain(func(c *gin.Context) {
			_, _, err := c.Writer.Hijack()
			_ = c.Error(err)
		}),
			pts: failed, ptop: answer{status: 500}, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback, err: http.ErrNotSupported},
		{name: "nothing behind", handler: nil,
			pts: failed, ptop: answer{status: 500}, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, send := range []func(http.Handler, string, verify.Message) answer{
				record,
				func(h http.Handler, path string, m verify.Message) answer { return post(t, h, path, m) },
			} {
				w, seen := &watch{}, &outside{}
				engine := gin.New()
				engine.Use(gin.Recovery(), seen.look)
				engine.POST("/pts", append(chain(ginpayack.Wrap(ptsReceiver(t, w))), test.handler...)...)
				engine.POST("/ptop", append(chain(ginpayack.Wrap(ptopReceiver(t, w))), test.handler...)...)
				for path, want := range map[string]answer{"/pts": test.pts, "/ptop": test.ptop} {
					m := ptsMessage(t, "O-1")
					if path == "/ptop" {
						m = ptopMessage(t, "O-1")
					}
					assert.Equal(t, want, send(engine, path, m), path)
					o := w.last(t)
					assert.Equal(t, test.outcome, o.Outcome)
					assert.Equal(t, test.reason, o.Reason)
					assert.Equal(t, want.status, o.Status)
					if test.err != nil {
						assert.ErrorIs(t, o.Err, test.err)
					}
					assert.Equal(t, outside{status: want.status, size: len(want.body), written: true, restored: true}, *seen)

					// A second delivery is a duplicate if the event was accepted. Otherwise
					// it is processed again, with the same outcome.
					send(engine, path, m)
					again := test.outcome
					if again == payack.OutcomeAccepted {
						again = payack.OutcomeDuplicate
					}
					assert.Equal(t, again, w.last(t).Outcome)
				}
			}
		})
	}
}

func chain(handlers ...gin.HandlerFunc) []gin.HandlerFunc { return handlers }

// asks is a handler that asks for the event, so payack knows that it has run.
func asks(c *gin.Context) { payack.EventFrom[*payack.PTSEvent](c.Request.Context()) }

// idle is a handler that does nothing, so payack can't know whether it has run.
func idle(*gin.Context) {}

func mustNotRun(*gin.Context) { panic("this handler was not to run") }

func TestWrapRefuses(t *testing.T) {
	w := &watch{}
	engine := gin.New()
	seen := &outside{}
	engine.Use(seen.look)
	engine.POST("/pts", ginpayack.Wrap(ptsReceiver(t, w)), mustNotRun)
	engine.POST("/ptop", ginpayack.Wrap(ptopReceiver(t, w)), mustNotRun)

	tampered := ptsMessage(t, "O-1")
	tampered.Body = strings.Replace(tampered.Body, `"accept_amount":"100.50"`, `"accept_amount":"900.50"`, 1)
	assert.Equal(t, failed, post(t, engine, "/pts", tampered))
	assert.Equal(t, payack.ReasonSignature, w.last(t).Reason)

	tampered = ptopMessage(t, "O-1")
	tampered.Body = strings.Replace(tampered.Body, `O-1`, `O-2`, 1)
	assert.Equal(t, answer{403, "text/plain", "Invalid signature"}, post(t, engine, "/ptop", tampered))
	assert.Equal(t, payack.ReasonSignature, w.last(t).Reason)

	assert.Equal(t, answer{415, "text/plain", "FAILED"}, post(t, engine, "/pts", verify.Message{ContentType: "text/html", Body: signed(t, "O-1")}))
	assert.Equal(t, payack.ReasonContentType, w.last(t).Reason)
	assert.Equal(t, outside{status: 415, size: 6, written: true, restored: true}, *seen)

	large := verify.Message{ContentType: "application/json", Body: strings.Repeat(" ", middleware.DefaultMaxBody+1)}
	assert.Equal(t, answer{413, "text/plain", "FAILED"}, post(t, engine, "/pts", large))
	assert.Equal(t, payack.ReasonTooLarge, w.last(t).Reason)
}

// http.ErrAbortHandler ends the connection without an answer. If gin.Recovery
// swallows it, gin still sends no success.
func TestWrapAbortsAConnection(t *testing.T) {
	abort := func(*gin.Context) { panic(http.ErrAbortHandler) }
	w := &watch{}
	bare, recovering := gin.New(), gin.New()
	recovering.Use(gin.Recovery())
	for _, engine := range []*gin.Engine{bare, recovering} {
		engine.POST("/wrapped", ginpayack.Wrap(ptopReceiver(t, w)), abort, mustNotRun)
		h, err := handlers.NewPtop(middleware.PtopConfig{
			SigningKeys: payack.Secrets(signingKey), ConfirmInCallback: true, Options: options(w),
		}, func(context.Context, *payack.PtopEvent) error { panic(http.ErrAbortHandler) })
		require.NoError(t, err)
		engine.POST("/handler", ginpayack.Handler(h))
	}
	for _, path := range []string{"/wrapped", "/handler"} {
		server := httptest.NewServer(bare)
		m := ptopMessage(t, "O-1")
		response, err := http.Post(server.URL+path, m.ContentType, strings.NewReader(m.Body))
		if assert.Error(t, err) {
			assert.ErrorIs(t, err, io.EOF)
		} else {
			response.Body.Close()
		}
		server.Close()
		assert.Equal(t, payack.ReasonPanic, w.last(t).Reason)

		assert.Equal(t, 500, post(t, recovering, path, m).status)
		assert.Equal(t, payack.ReasonPanic, w.last(t).Reason)
	}
}

func TestWrapHandsOnTheEvent(t *testing.T) {
	body := signed(t, "O-1")
	ran := 0
	engine := gin.New()
	engine.Use(func(c *gin.Context) { // an earlier error is not the handler's
		_ = c.Error(errors.New("attached before payack"))
	})
	engine.POST("/pts/:tenant", ginpayack.Wrap(ptsReceiver(t, &watch{})), func(c *gin.Context) {
		ran++
		ctx := c.Request.Context()
		ev, ok := payack.EventFrom[*payack.PTSEvent](ctx)
		require.True(t, ok)
		assert.Equal(t, "O-1", ev.OrderID)
		assert.Equal(t, "100.50", ev.AcceptAmount.String())
		_, ok = payack.EventFrom[*payack.PtopEvent](ctx)
		assert.False(t, ok)
		d, ok := payack.DeliveryFrom(ctx)
		require.True(t, ok)
		assert.Equal(t, body, d.Body)
		_, ok = ctx.Deadline()
		assert.True(t, ok)
		assert.Equal(t, "shop", c.Param("tenant"))
		assert.Equal(t, "shop", c.Request.PathValue("tenant"))
		assert.Equal(t, int64(len(body)), c.Request.ContentLength)

		var bound struct {
			OrderID string `json:"order_id"`
		}
		require.NoError(t, c.ShouldBindBodyWith(&bound, binding.JSON))
		assert.Equal(t, "O-1", bound.OrderID)
		raw, _ := c.Get(gin.BodyBytesKey)
		assert.Equal(t, []byte(body), raw)

		assert.Equal(t, 200, c.Writer.Status())
		assert.False(t, c.Writer.Written())
		assert.Equal(t, -1, c.Writer.Size())
		assert.NoError(t, http.NewResponseController(c.Writer).SetWriteDeadline(time.Now().Add(time.Minute)))
	})
	assert.Equal(t, success, post(t, engine, "/pts/shop", verify.Message{ContentType: "application/json", Body: body}))
	assert.Equal(t, 1, ran)
}

// Gin's own context passes on the event only with ContextWithFallback, as the
// package documentation warns.
func TestWrapKnowsGinsContext(t *testing.T) {
	for fallback, want := range map[bool]answer{false: failed, true: success} {
		engine := gin.New()
		engine.ContextWithFallback = fallback
		engine.POST("/pts", ginpayack.Wrap(ptsReceiver(t, &watch{})), func(c *gin.Context) {
			_, ok := payack.EventFrom[*payack.PTSEvent](c)
			assert.Equal(t, fallback, ok)
		})
		assert.Equal(t, want, record(engine, "/pts", ptsMessage(t, "O-1")))
		engine.POST("/fail", ginpayack.Wrap(ptsReceiver(t, &watch{})), func(c *gin.Context) {
			assert.Equal(t, fallback, middleware.Fail(c, nil))
		})
		assert.Equal(t, want, record(engine, "/fail", ptsMessage(t, "O-1")))
	}
}

// A tenant's callback is refused under another tenant's path.
func TestTenants(t *testing.T) {
	_, public := throwaway()
	keys := map[string]*verify.PTSKeys{}
	for tenant, code := range map[string]string{"shop": safecode, "other": strings.Repeat("f", 32)} {
		k, err := verify.NewPTSKeys(verify.PTSKeyConfig{Tenant: tenant, Safecode: payack.NewSecret(code), PublicKeys: []string{public}})
		require.NoError(t, err)
		keys[tenant] = k
	}
	w := &watch{}
	config := middleware.PTSConfig{
		KeyFunc: func(_ context.Context, r *http.Request) (*verify.PTSKeys, error) {
			if k, found := keys[r.PathValue("tenant")]; found {
				return k, nil
			}
			return nil, payack.ErrUnknownTenant
		},
		Options: options(w),
	}
	rc, err := middleware.NewPTS(config)
	require.NoError(t, err)
	h, err := handlers.NewPTS(config, func(_ context.Context, ev *payack.PTSEvent) error {
		assert.Equal(t, "shop", ev.Tenant)
		return nil
	})
	require.NoError(t, err)

	engine := gin.New()
	engine.POST("/callbacks/:tenant/wrapped", ginpayack.Wrap(rc), asks)
	engine.POST("/callbacks/:tenant/handler", ginpayack.Handler(h))
	engine.POST("/callbacks/:tenant/bare", gin.WrapH(h))
	for _, route := range []string{"wrapped", "handler"} {
		m := ptsMessage(t, "O-"+route)
		assert.Equal(t, success, post(t, engine, "/callbacks/shop/"+route, m))
		assert.Equal(t, payack.OutcomeAccepted, w.last(t).Outcome)
		assert.Equal(t, failed, post(t, engine, "/callbacks/other/"+route, m))
		assert.Equal(t, payack.ReasonSignature, w.last(t).Reason)
		assert.Equal(t, failed, post(t, engine, "/callbacks/nobody/"+route, m))
		assert.Equal(t, payack.ReasonUnknownTenant, w.last(t).Reason)
	}
	// gin.WrapH does not pass on path parameters, so the tenant is unknown.
	assert.Equal(t, failed, post(t, engine, "/callbacks/shop/bare", ptsMessage(t, "O-1")))
	assert.Equal(t, payack.ReasonUnknownTenant, w.last(t).Reason)
}

func TestHandler(t *testing.T) {
	w := &watch{}
	var fail error
	h, err := handlers.NewPtop(middleware.PtopConfig{
		SigningKeys: payack.Secrets(signingKey), ConfirmInCallback: true, Options: options(w),
	}, func(context.Context, *payack.PtopEvent) error { return fail })
	require.NoError(t, err)
	seen := &outside{}
	engine := gin.New()
	engine.Use(seen.look)
	engine.POST("/files/*path", ginpayack.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.PathValue("path"))
	})))
	engine.POST("/ptop", ginpayack.Handler(h))

	assert.Equal(t, "/a/b", record(engine, "/files/a/b", verify.Message{}).body)

	fail = errReported
	assert.Equal(t, answer{status: 500}, post(t, engine, "/ptop", ptopMessage(t, "O-1")))
	assert.Equal(t, outside{status: 500, written: true, restored: true}, *seen)
	assert.Equal(t, payack.OutcomeFailed, w.last(t).Outcome)
	fail = nil
	assert.Equal(t, answer{status: 200}, post(t, engine, "/ptop", ptopMessage(t, "O-1")))
	assert.Equal(t, outside{status: 200, written: true, restored: true}, *seen)
	assert.Equal(t, payack.OutcomeAccepted, w.last(t).Outcome)
}

// A body that middleware in front has consumed is recognised. A body that was read and
// put back is accepted.
func TestBodyReadBefore(t *testing.T) {
	restore := func(c *gin.Context) {
		body, err := c.GetRawData()
		assert.NoError(t, err)
		c.Request.Body = io.NopCloser(bytes.NewReader(body))
	}
	for _, test := range []struct {
		name   string
		before gin.HandlerFunc
		want   answer
		reason payack.Reason
	}{
		{"GetRawData", func(c *gin.Context) { _, _ = c.GetRawData() }, failed, payack.ReasonBodyConsumed},
		{"ShouldBindJSON", func(c *gin.Context) { assert.NoError(t, c.ShouldBindJSON(&map[string]any{})) }, failed, payack.ReasonBodyConsumed},
		{"ShouldBindBodyWith", func(c *gin.Context) { assert.NoError(t, c.ShouldBindBodyWithJSON(&map[string]any{})) }, failed, payack.ReasonBodyConsumed},
		{"put back", restore, success, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := &watch{}
			rc := ptsReceiver(t, w)
			behind := asks
			if test.reason != "" {
				behind = mustNotRun
			}
			engine := gin.New()
			engine.POST("/pts", test.before, ginpayack.Wrap(rc), behind)
			assert.Equal(t, test.want, post(t, engine, "/pts", ptsMessage(t, "O-1")))
			assert.Equal(t, test.reason, w.last(t).Reason)

			// Behind payack the same middleware may read the body.
			engine.POST("/first", ginpayack.Wrap(rc), test.before, asks)
			assert.Equal(t, success, post(t, engine, "/first", ptsMessage(t, "O-2")))
			assert.Equal(t, payack.OutcomeAccepted, w.last(t).Outcome)
		})
	}
}

// With Wrap on the whole engine, an event for which no route matches fails. A
// NoRoute handler that answers has processed it.
func TestNoRoute(t *testing.T) {
	w := &watch{}
	engine := gin.New()
	engine.Use(ginpayack.Wrap(ptsReceiver(t, w)), func(c *gin.Context) { c.Next() })
	assert.Equal(t, failed, post(t, engine, "/nowhere", ptsMessage(t, "O-1")))
	assert.Equal(t, payack.ReasonCallback, w.last(t).Reason)

	engine.NoRoute(func(c *gin.Context) { c.String(200, "SUCCESS") })
	assert.Equal(t, "SUCCESS", post(t, engine, "/nowhere", ptsMessage(t, "O-1")).body)
	assert.Equal(t, payack.OutcomeAccepted, w.last(t).Outcome)
}

// Gin's logger writes the status that the provider received.
func TestLoggedStatus(t *testing.T) {
	var log bytes.Buffer
	engine := gin.New()
	engine.Use(gin.LoggerWithConfig(gin.LoggerConfig{Output: &log, Formatter: func(p gin.LogFormatterParams) string {
		return fmt.Sprintf("%s %d %d\n", p.Path, p.StatusCode, p.BodySize)
	}}), gin.Recovery())
	w := &watch{}
	engine.POST("/contract", ginpayack.Wrap(ptopReceiver(t, w)), func(c *gin.Context) { _ = c.Error(errReported) })
	engine.POST("/own", ginpayack.Wrap(ptopReceiver(t, w)), func(c *gin.Context) { c.String(202, "taken") })
	record(engine, "/contract", ptopMessage(t, "O-1"))
	record(engine, "/own", ptopMessage(t, "O-1"))
	assert.Equal(t, "/contract 500 0\n/own 202 5\n", log.String())
}

func TestNilIsRefusedWhenMounted(t *testing.T) {
	assert.Panics(t, func() { ginpayack.Wrap[*payack.PTSEvent](nil) })
	assert.Panics(t, func() { ginpayack.Wrap(&middleware.Receiver[*payack.PTSEvent]{}) })
	for name, h := range map[string]http.Handler{"nil": nil, "of a constructor that failed": (*middleware.Handler)(nil), "a function": http.HandlerFunc(nil)} {
		assert.PanicsWithValue(t, "ginpayack: Handler: the handler is nil; look at the error that its constructor returned", func() { ginpayack.Handler(h) }, name)
	}
}
