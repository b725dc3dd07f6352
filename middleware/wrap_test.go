package middleware_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/verify"
)

func TestWrap(t *testing.T) {
	for _, tc := range []struct {
		name    string
		next    http.HandlerFunc
		status  int
		body    string
		outcome payack.Outcome
		reason  payack.Reason
		is      error
	}{
		{name: "asked for the event, nothing written", next: func(_ http.ResponseWriter, r *http.Request) {
			_, ok := payack.EventFrom[*payack.PtopEvent](r.Context())
			assert.True(t, ok)
		}, status: 200, outcome: payack.OutcomeAccepted},
		{name: "asked for the delivery, a header and nothing written", next: func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			_, ok := payack.DeliveryFrom(ctx)
			assert.True(t, ok)
			w.Header().Set("X-Shop", "7")
		}, status: 200, outcome: payack.OutcomeAccepted},
		{name: "asked for the event of another provider", next: func(_ http.ResponseWriter, r *http.Request) {
			_, ok := payack.EventFrom[*payack.PTSEvent](r.Context())
			assert.False(t, ok)
		}, status: 200, outcome: payack.OutcomeAccepted},
		{name: "neither asked nor written", next: func(http.ResponseWriter, *http.Request) {},
			status: 500, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback},
		{name: "only looked at the body and other values", next: func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body)
			r.Context().Value("of somebody else")
			w.Header().Set("X-Shop", "7")
		}, status: 500, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback},
		{name: "200 written", next: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "mine") },
			status: 200, body: "mine", outcome: payack.OutcomeAccepted},
		{name: "an empty write", next: func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(nil) },
			status: 200, outcome: payack.OutcomeAccepted},
		{name: "204 written", next: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) },
			status: 204, outcome: payack.OutcomeAccepted},
		{name: "299 written", next: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(299) },
			status: 299, outcome: payack.OutcomeAccepted},
		{name: "302 written", next: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusFound) },
			status: 302, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback},
		{name: "500 written", next: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "mine", 500) },
			status: 500, body: "mine\n", outcome: payack.OutcomeFailed, reason: payack.ReasonCallback},
		{name: "418 written, then a body", next: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(418)
			_, _ = io.WriteString(w, "mine")
		}, status: 418, body: "mine", outcome: payack.OutcomeFailed, reason: payack.ReasonCallback},
		{name: "Fail and nothing written", next: func(_ http.ResponseWriter, r *http.Request) {
			assert.True(t, middleware.Fail(r.Context(), errMerchant))
		}, status: 500, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback, is: errMerchant},
		{name: "Fail and 200 written", next: func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "mine")
			assert.False(t, middleware.Fail(r.Context(), errMerchant), "the provider has been told that all is well")
			assert.True(t, middleware.Fail(r.Context(), nil))
		}, status: 200, body: "mine", outcome: payack.OutcomeFailed, reason: payack.ReasonCallback, is: errMerchant},
		{name: "Fail and 500 written", next: func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(500)
			assert.True(t, middleware.Fail(r.Context(), errMerchant))
		}, status: 500, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback, is: errMerchant},
		{name: "the first of several Fails counts", next: func(_ http.ResponseWriter, r *http.Request) {
			middleware.Fail(r.Context(), errMerchant)
			middleware.Fail(r.Context(), io.ErrNoProgress)
		}, status: 500, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback, is: errMerchant},
		{name: "Fail without an error", next: func(_ http.ResponseWriter, r *http.Request) { assert.True(t, middleware.Fail(r.Context(), nil)) },
			status: 200, outcome: payack.OutcomeAccepted},
		{name: "Fail with a derived context", next: func(_ http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			middleware.Fail(ctx, errMerchant)
		}, status: 500, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback, is: errMerchant},
		{name: "a panic and nothing written", next: func(http.ResponseWriter, *http.Request) { panic("slip") },
			status: 500, outcome: payack.OutcomeFailed, reason: payack.ReasonPanic},
		{name: "a panic after 500", next: func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "mine", http.StatusInternalServerError)
			panic("slip")
		}, status: 500, body: "mine\n", outcome: payack.OutcomeFailed, reason: payack.ReasonPanic},
		{name: "a flush", next: func(w http.ResponseWriter, _ *http.Request) {
			require.NoError(t, http.NewResponseController(w).Flush())
		}, status: 200, outcome: payack.OutcomeAccepted},
		{name: "Fail after a flush", next: func(w http.ResponseWriter, r *http.Request) {
			require.NoError(t, http.NewResponseController(w).Flush())
			assert.False(t, middleware.Fail(r.Context(), errMerchant))
		}, status: 200, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback, is: errMerchant},
		{name: "500 after early hints", next: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(500)
		}, status: 500, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback},
		{name: "a second WriteHeader has no effect", next: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(201)
			w.WriteHeader(500)
		}, status: 201, outcome: payack.OutcomeAccepted},
		{name: "early hints and nothing else", next: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusEarlyHints) },
			status: 500, outcome: payack.OutcomeFailed, reason: payack.ReasonCallback},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, c := newWatch(), &counter{}
			s := httptest.NewUnstartedServer(ptopReceiver(t, w.options()).Wrap(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				c.add()
				tc.next(rw, r)
			})))
			superfluous := &logCatcher{}
			s.Config.ErrorLog = superfluous.logger()
			s.Start()
			defer s.Close()
			post := func() (int, string) {
				conn := dial(t, s)
				head, body := ptopRaw(t, "T1", fmt.Sprintf("Content-Length: %d", len(ptopBody("T1"))))
				conn.write(head + body)
				for {
					res, text := conn.answer()
					if res.StatusCode >= 200 {
						return res.StatusCode, text
					}
				}
			}
			status, text := post()
			assert.Equal(t, tc.status, status)
			assert.Equal(t, tc.body, text)
			seen := w.last(t)
			assert.Equal(t, tc.outcome, seen.Outcome)
			assert.Equal(t, tc.reason, seen.Reason)
			assert.Equal(t, tc.status, seen.Status)
			if tc.is != nil {
				assert.ErrorIs(t, seen.Err, tc.is)
			}
			if tc.name != "a second WriteHeader has no effect" {
				assert.Empty(t, superfluous.String(), "it must be answered once")
			}

			status, text = post()
			again := w.last(t)
			if tc.outcome == payack.OutcomeAccepted {
				assert.Equal(t, payack.OutcomeDuplicate, again.Outcome)
				assert.Equal(t, 1, c.get())
				assert.Equal(t, http.StatusOK, status)
				assert.Empty(t, text)
			} else {
				assert.Equal(t, 2, c.get(), "an event that is not done is tried again")
				assert.Equal(t, tc.status, status)
			}
		})
	}
}

func TestFailOutsideOfWrap(t *testing.T) {
	assert.False(t, middleware.Fail(t.Context(), errMerchant))
	h := ptopHandler(t, middleware.Options{}, func(ctx context.Context, _ *payack.PtopEvent) error {
		assert.False(t, middleware.Fail(ctx, errMerchant), "a typed callback returns its error")
		return nil
	})
	assert.Equal(t, http.StatusOK, serve(h, ptopRequest(t, "T1")).Code)
}

func TestInformationalResponsesAreNotAnswers(t *testing.T) {
	s := server(t, ptopReceiver(t, middleware.Options{}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = payack.DeliveryFrom(r.Context())
		w.Header().Set("Link", "</style.css>")
		w.WriteHeader(http.StatusEarlyHints)
	})))
	var hints []int
	r := ptopRequest(t, "T1")
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
		hints = append(hints, code)
		return nil
	}})
	out, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, r.Body)
	require.NoError(t, err)
	out.Header = r.Header
	res, err := s.Client().Do(out)
	require.NoError(t, err)
	defer res.Body.Close()
	assert.Equal(t, []int{http.StatusEarlyHints}, hints)
	assert.Equal(t, http.StatusOK, res.StatusCode)
}

func TestResponseControllerThroughTheWrapper(t *testing.T) {
	done := make(chan struct{})
	s := server(t, ptopReceiver(t, middleware.Options{}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		defer close(done)
		rc := http.NewResponseController(w)
		assert.NoError(t, rc.SetReadDeadline(time.Now().Add(time.Minute)))
		assert.NoError(t, rc.SetWriteDeadline(time.Now().Add(time.Minute)))
		assert.NoError(t, rc.EnableFullDuplex())
		_, err := io.WriteString(w, "first")
		assert.NoError(t, err)
		assert.NoError(t, rc.Flush())
		_, err = io.WriteString(w, "second")
		assert.NoError(t, err)
	})))
	r := ptopRequest(t, "T1")
	out, err := http.NewRequest(http.MethodPost, s.URL, r.Body)
	require.NoError(t, err)
	out.Header = r.Header
	res, err := s.Client().Do(out)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	assert.Equal(t, "firstsecond", string(b))
	assert.Empty(t, res.Header.Get("Content-Length"), "it was flushed")
	<-done
	// A flush that fails is not an answer.
	in := &bareWriter{header: http.Header{}}
	ptopReceiver(t, middleware.Options{}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		assert.ErrorIs(t, http.NewResponseController(w).Flush(), http.ErrNotSupported)
	})).ServeHTTP(in, ptopRequest(t, "T1"))
	assert.Equal(t, 500, in.status, "nothing was written and nothing asked for")
}

// bareWriter implements http.ResponseWriter and nothing else.
type bareWriter struct {
	header http.Header
	status int
}

func (b *bareWriter) Header() http.Header { return b.header }

func (b *bareWriter) WriteHeader(status int) { b.status = status }

func (b *bareWriter) Write(p []byte) (int, error) { return len(p), nil }

func TestWrapRefusesANilHandler(t *testing.T) {
	rc := ptopReceiver(t, middleware.Options{})
	assert.PanicsWithValue(t, "payack: Wrap: the wrapped handler is nil; give the handler that settles an event", func() { rc.Wrap(nil) })
}

// Some frameworks' adaptors run the handler after the answer. The event is not
// settled then, so it must not be acknowledged. The log names the fix.
func TestWrappedHandlerThatRunsLater(t *testing.T) {
	w := newWatch()
	var later func()
	h := ptopReceiver(t, w.options()).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		later = func() {
			_, ok := payack.EventFrom[*payack.PtopEvent](r.Context())
			assert.True(t, ok)
			assert.False(t, middleware.Fail(r.Context(), errMerchant), "too late")
			assert.False(t, middleware.Fail(r.Context(), nil))
		}
	}))
	for range 2 { // a redelivery is not answered as a duplicate
		assert.Equal(t, http.StatusInternalServerError, serve(h, ptopRequest(t, "T1")).Code)
		seen := w.last(t)
		assert.Equal(t, payack.ReasonCallback, seen.Reason)
		assert.ErrorContains(t, seen.Err, "package handlers")
		later()
	}
	lines := w.lines(t)
	last := lines[len(lines)-1]
	assert.Equal(t, "ERROR", last["level"])
	assert.Contains(t, last["msg"], "Fail was called after the wrapped handler had returned")
	assert.Equal(t, errMerchant.Error(), last["error"])
}

// When a wrapped handler writes nothing, payack writes the answer that Payatom's
// contract prescribes.
func TestWrapAnswersInTheProvidersWords(t *testing.T) {
	rc, err := middleware.NewPayatom(middleware.PayatomConfig{SecretKeys: payack.Secrets(payatomKey), ExpectInCallback: true,
		Options: middleware.Options{Logger: quiet}})
	require.NoError(t, err)
	failing := false
	h := rc.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ev, ok := payack.EventFrom[*payack.PayatomEvent](r.Context())
		require.True(t, ok)
		assert.Equal(t, "500", ev.ReceivedAmount.String())
		if failing {
			middleware.Fail(r.Context(), errMerchant)
		}
	}))
	failing = true
	assert.Equal(t, `{"hash_status":"HashMatched","acknowledge":"no"}`, serve(h, payatomRequest(t, "ORD1", "500", "Approved")).Body.String())
	failing = false
	in := serve(h, payatomRequest(t, "ORD1", "500", "Approved"))
	assert.Equal(t, `{"hash_status":"HashMatched","acknowledge":"yes"}`, in.Body.String())
	assert.Equal(t, "application/json;charset=utf-8", in.Header().Get("Content-Type"))
}

// A wrapped handler may accept an event and write an answer that does not
// acknowledge it. The log warns of this once, and names the acknowledgement.
func TestWrappedAnswersThatDoNotAcknowledge(t *testing.T) {
	const yes = `{"hash_status":"HashMatched","acknowledge":"yes"}`
	writes := func(status int, parts ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if parts == nil {
				payack.DeliveryFrom(r.Context())
				return
			}
			w.WriteHeader(status)
			for _, part := range parts {
				_, _ = io.WriteString(w, part)
			}
		}
	}
	for name, tc := range map[string]struct {
		provider payack.Provider
		next     http.HandlerFunc
		warned   string // the acknowledgement that the warning names
	}{
		"pts, nothing":              {payack.PTS, writes(200), ""},
		"pts, in its words":         {payack.PTS, writes(200, "SUCC", "ESS"), ""},
		"pts, in others":            {payack.PTS, writes(200, "ok"), "SUCCESS"},
		"pts, with a line break":    {payack.PTS, writes(200, "SUCCESS\n"), "SUCCESS"},
		"pts, an empty body":        {payack.PTS, writes(204, ""), "SUCCESS"},
		"pts, a body not sent":      {payack.PTS, writes(204, "SUCCESS"), "SUCCESS"},
		"pts, another 2xx":          {payack.PTS, writes(201, "SUCCESS"), "SUCCESS"},
		"pts, a long body":          {payack.PTS, writes(200, strings.Repeat("x", 5000), "SUCCESS"), "SUCCESS"},
		"pts, a failure":            {payack.PTS, writes(500, "no"), ""},
		"payatom, nothing":          {payack.Payatom, writes(200), ""},
		"payatom, in its words":     {payack.Payatom, writes(200, yes), ""},
		"payatom, with white space": {payack.Payatom, writes(200, `{"acknowledge": "yes", "hash_status": "HashMatched"}`+"\n"), ""},
		"payatom, no":               {payack.Payatom, writes(200, strings.Replace(yes, "yes", "no", 1)), yes},
		"payatom, in others":        {payack.Payatom, writes(200, "SUCCESS"), yes},
		"ptop, whatever":            {payack.Ptop, writes(200, "mine"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWatch()
			var h http.Handler
			var genuine func() *http.Request
			switch tc.provider {
			case payack.PTS:
				builder := payacktest.PTS(payacktest.FreshPTSKeys())
				c := builder.Config()
				c.Options = w.options()
				rc, err := middleware.NewPTS(c)
				require.NoError(t, err)
				h, genuine = rc.Wrap(tc.next), func() *http.Request { return builder.Fresh().Callback(t).Request("/pts") }
			case payack.Payatom:
				rc, err := middleware.NewPayatom(middleware.PayatomConfig{SecretKeys: payack.Secrets(payatomKey), ExpectInCallback: true, Options: w.options()})
				require.NoError(t, err)
				n := 0
				h, genuine = rc.Wrap(tc.next), func() *http.Request {
					n++
					return payatomRequest(t, fmt.Sprintf("ORD%d", n), "500", "Approved")
				}
			case payack.Ptop:
				h, genuine = ptopReceiver(t, w.options()).Wrap(tc.next), func() *http.Request { return ptopRequest(t, "T1") }
			}
			var warned []string
			for range 2 {
				serve(h, genuine())
			}
			for _, line := range w.lines(t) {
				if want, found := line["acknowledgement"].(string); found {
					assert.Equal(t, "WARN", line["level"])
					assert.Contains(t, line["msg"], "write nothing, and payack answers")
					warned = append(warned, want)
				}
			}
			if tc.warned == "" {
				assert.Empty(t, warned)
			} else {
				assert.Equal(t, []string{tc.warned}, warned)
			}
		})
	}
}

// A request that is refused or does not verify does not reach the wrapped handler.
func TestWrapCallsNextForVerifiedEventsOnly(t *testing.T) {
	called := &counter{}
	h := ptopConfigured(t, middleware.PtopConfig{SigningKeys: payack.Secrets("another key"), ConfirmInCallback: true, Body: verify.BodyJSON}).
		Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called.add() }))
	assert.Equal(t, http.StatusForbidden, serve(h, ptopRequest(t, "T1")).Code)
	assert.Equal(t, http.StatusMethodNotAllowed, serve(h, httptest.NewRequest(http.MethodGet, "/", nil)).Code)
	assert.Zero(t, called.get())
}

// A wrapped handler could take the query, or a form that was parsed earlier, for
// signed data. So Wrap removes both.
func TestWrappedHandlerFindsNothingUnsigned(t *testing.T) {
	ran := false
	h := ptopReceiver(t, middleware.Options{}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ran = true
		assert.Empty(t, r.URL.RawQuery)
		assert.Equal(t, "/ptop", r.RequestURI)
		assert.Equal(t, "/ptop", r.URL.Path)
		assert.Equal(t, "shop", r.PathValue("tenant"))
		assert.Nil(t, r.Form)
		assert.Nil(t, r.PostForm)
		assert.Nil(t, r.MultipartForm)
		assert.Empty(t, r.FormValue("order_id"))
		w.WriteHeader(http.StatusOK)
	}))
	r := ptopRequest(t, "T1")
	forged := httptest.NewRequest(http.MethodPost, "/ptop?order_id=forged", r.Body)
	forged.Header = r.Header
	forged.SetPathValue("tenant", "shop")
	forged.Form = url.Values{"order_id": {"forged"}}
	require.Equal(t, http.StatusOK, serve(h, forged).Code)
	assert.True(t, ran)
	assert.Equal(t, "order_id=forged", forged.URL.RawQuery, "the request in front is left alone")
}
