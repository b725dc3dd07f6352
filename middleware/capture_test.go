package middleware_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/verify"
)

func TestBodyLimit(t *testing.T) {
	w, c := newWatch(), &counter{}
	o := w.options()
	o.MaxBody, o.ReadTimeout = 200, time.Second
	s := server(t, ptopHandler(t, o, c.accept))

	t.Run("an announced length over the limit is refused before anything is read", func(t *testing.T) {
		conn := dial(t, s)
		head, _ := ptopRaw(t, "T1", "Content-Length: 201", "Expect: 100-continue")
		conn.write(head) // and not one byte of the body
		res, body := conn.answer()
		assert.Equal(t, http.StatusRequestEntityTooLarge, res.StatusCode, "not even asked to go on")
		assert.Empty(t, body)
		assert.True(t, res.Close)
		assert.True(t, conn.closed())
		seen := w.last(t)
		assert.Equal(t, payack.ReasonTooLarge, seen.Reason)
		assert.ErrorIs(t, seen.Err, payack.ErrTooLarge)
		assert.ErrorIs(t, seen.Err, payack.ErrRefused)
		assert.Empty(t, seen.Delivery.Body)
		assert.Zero(t, seen.Took.Capture)
	})
	t.Run("chunks over the limit are refused while reading", func(t *testing.T) {
		conn := dial(t, s)
		head, _ := ptopRaw(t, "T1", "Transfer-Encoding: chunked")
		conn.write(head + "c8\r\n" + strings.Repeat(" ", 200) + "\r\n" + "1\r\n \r\n") // and no last chunk
		res, _ := conn.answer()
		assert.Equal(t, http.StatusRequestEntityTooLarge, res.StatusCode)
		assert.True(t, res.Close)
		seen := w.last(t)
		assert.Equal(t, payack.ReasonTooLarge, seen.Reason)
		assert.Equal(t, payack.OutcomeRefused, seen.Outcome)
	})
	t.Run("chunks up to the limit are accepted", func(t *testing.T) {
		conn := dial(t, s)
		body := ptopBody("T2") + strings.Repeat(" ", 200-len(ptopBody("T2")))
		conn.write("POST / HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nX-Signature: " + ptopSignature(t, body) +
			"\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n" + body[:1] + "\r\nc7\r\n" + body[1:] + "\r\n0\r\n\r\n")
		res, _ := conn.answer()
		assert.Equal(t, http.StatusOK, res.StatusCode)
		assert.False(t, res.Close)
		assert.Equal(t, body, w.last(t).Delivery.Body)
	})
	t.Run("a length up to the limit is accepted", func(t *testing.T) {
		body := ptopBody("T3") + strings.Repeat(" ", 200-len(ptopBody("T3")))
		res, err := http.DefaultTransport.RoundTrip(func() *http.Request {
			r, _ := http.NewRequest(http.MethodPost, s.URL, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-Signature", ptopSignature(t, body))
			r.Close = true
			return r
		}())
		require.NoError(t, err)
		defer res.Body.Close()
		assert.Equal(t, http.StatusOK, res.StatusCode)
		assert.Equal(t, payack.OutcomeAccepted, w.last(t).Outcome)
	})
	t.Run("a lower limit set by code in front counts, too", func(t *testing.T) {
		h := ptopHandler(t, w.options(), c.accept)
		in := serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(rw, r.Body, 10)
			h.ServeHTTP(rw, r)
		}), ptopRequest(t, "T4"))
		assert.Equal(t, http.StatusRequestEntityTooLarge, in.Code)
		assert.Equal(t, payack.ReasonTooLarge, w.last(t).Reason)
	})
	assert.Equal(t, 2, c.get())
}

func TestBodiesThatDoNotArrive(t *testing.T) {
	w, c := newWatch(), &counter{}
	o := w.options()
	o.ReadTimeout = 250 * time.Millisecond
	s := server(t, ptopHandler(t, o, c.accept))
	head, body := ptopRaw(t, "T1", fmt.Sprintf("Content-Length: %d", len(ptopBody("T1"))))

	failed := func(t *testing.T, conn *wire) {
		res, text := conn.answer()
		assert.Equal(t, http.StatusInternalServerError, res.StatusCode)
		assert.Empty(t, text)
		seen := w.last(t)
		assert.Equal(t, payack.ReasonBodyRead, seen.Reason)
		assert.Equal(t, payack.OutcomeFailed, seen.Outcome)
		assert.Empty(t, seen.EventID)
	}
	t.Run("half of the body, then the end", func(t *testing.T) {
		conn := dial(t, s)
		conn.write(head + body[:len(body)/2])
		require.NoError(t, conn.conn.CloseWrite())
		failed(t, conn)
	})
	t.Run("nothing, then the end", func(t *testing.T) {
		conn := dial(t, s)
		conn.write(head)
		require.NoError(t, conn.conn.CloseWrite())
		failed(t, conn)
	})
	t.Run("half of the body, then silence", func(t *testing.T) {
		conn := dial(t, s)
		conn.write(head + body[:len(body)/2])
		failed(t, conn)
	})
	t.Run("half a chunk, then silence", func(t *testing.T) {
		conn := dial(t, s)
		chunked, _ := ptopRaw(t, "T1", "Transfer-Encoding: chunked")
		conn.write(chunked + "ff\r\n{")
		failed(t, conn)
	})
	t.Run("invalid chunks", func(t *testing.T) {
		conn := dial(t, s)
		chunked, _ := ptopRaw(t, "T1", "Transfer-Encoding: chunked")
		conn.write(chunked + "zz\r\n{")
		failed(t, conn)
	})
	t.Run("less than the announced length", func(t *testing.T) {
		conn := dial(t, s)
		longer, _ := ptopRaw(t, "T1", fmt.Sprintf("Content-Length: %d", len(body)+1))
		conn.write(longer + body)
		require.NoError(t, conn.conn.CloseWrite())
		failed(t, conn)
	})
	t.Run("more than the announced length", func(t *testing.T) {
		conn := dial(t, s)
		shorter, _ := ptopRaw(t, "T1", fmt.Sprintf("Content-Length: %d", len(body)-1))
		conn.write(shorter + body)
		res, _ := conn.answer()
		assert.Equal(t, http.StatusBadRequest, res.StatusCode)
		assert.Equal(t, payack.ReasonMalformed, w.last(t).Reason, "the server cuts it")
	})
	assert.Zero(t, c.get())

	t.Run("the connection serves further requests after a body in time", func(t *testing.T) {
		patient := w.options()
		conn := dial(t, server(t, ptopHandler(t, patient, c.accept)))
		for i := range 3 {
			conn.write(head + body)
			res, _ := conn.answer()
			assert.Equal(t, http.StatusOK, res.StatusCode, "request %d", i+1)
			w.last(t)
		}
		assert.Equal(t, 1, c.get())
	})
	t.Run("the read deadline does not outlive the body", func(t *testing.T) {
		late := o
		late.ReadTimeout = time.Second // so that the deadline is lifted in time on a busy machine, too
		h := ptopHandler(t, late, func(ctx context.Context, _ *payack.PtopEvent) error {
			time.Sleep(2 * late.ReadTimeout) // until a read deadline would have passed
			return ctx.Err()
		})
		ended := make(chan error, 1)
		s := server(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			// At the end of the body, the server lifts the deadline and begins its watch for
			// a client that hangs up. So the body ends here, before payack sets the deadline.
			in, err := io.ReadAll(r.Body)
			assert.NoError(t, err)
			r.Body = io.NopCloser(bytes.NewReader(in))
			h.ServeHTTP(rw, r)
			ended <- r.Context().Err() // before the server ends the context
		}))
		conn := dial(t, s)
		conn.write(head + body)
		res, _ := conn.answer()
		assert.Equal(t, http.StatusOK, res.StatusCode)
		assert.NoError(t, <-ended, "the server took the end of the read deadline for a client that hung up")
		w.last(t)
	})
}

// The server reads the body even after payack has refused the request. A sender who
// never sends the announced body must not hold a goroutine.
func TestRefusedBodiesThatNeverCome(t *testing.T) {
	for name, change := range map[string]func(head string) string{
		"method":       func(head string) string { return strings.Replace(head, "POST", "PUT", 1) },
		"content type": func(head string) string { return strings.Replace(head, "application/json", "text/html", 1) },
		"too large": func(head string) string {
			return strings.Replace(head, "Content-Length: 100", "Content-Length: 70000", 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWatch()
			o := w.options()
			o.ReadTimeout = 50 * time.Millisecond
			s := server(t, ptopHandler(t, o, acceptAll))
			conn := dial(t, s)
			head, _ := ptopRaw(t, "T1", "Content-Length: 100")
			conn.write(change(head))
			res, _ := conn.answer()
			assert.GreaterOrEqual(t, res.StatusCode, 400)
			assert.True(t, conn.closed(), "the connection must end")
			assert.Equal(t, payack.OutcomeRefused, w.last(t).Outcome)
		})
	}
}

func TestAnnouncedLengthIsHeld(t *testing.T) {
	body := ptopBody("T1")
	for name, tc := range map[string]struct {
		announced int64
		reason    payack.Reason
	}{
		"exact":      {int64(len(body)), ""},
		"unknown":    {-1, ""},
		"too short":  {int64(len(body)) - 1, payack.ReasonBodyRead},
		"too long":   {int64(len(body)) + 1, payack.ReasonBodyRead},
		"none":       {0, payack.ReasonBodyRead},
		"over limit": {middleware.DefaultMaxBody + 1, payack.ReasonTooLarge},
	} {
		w := newWatch()
		serve(ptopHandler(t, w.options(), acceptAll), inMemory(t, tc.announced, iotestOneByte{strings.NewReader(body)}))
		assert.Equal(t, tc.reason, w.last(t).Reason, name)
	}
}

func TestBodyReadByAMiddlewareInFront(t *testing.T) {
	read := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			next.ServeHTTP(w, r)
		})
	}
	readAndRestored := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(b))
			next.ServeHTTP(w, r)
		})
	}
	parsed := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			next.ServeHTTP(w, r)
		})
	}
	json, form := ptopBody("T1"), "success=1&transaction_id=T1&order_id=ORD1"
	for _, tc := range []struct {
		name    string
		front   func(http.Handler) http.Handler
		body    string
		chunked bool
		reason  payack.Reason
	}{
		{"read", read, json, false, payack.ReasonBodyConsumed},
		{"read and restored", readAndRestored, json, false, ""},
		{"read and restored, chunked", readAndRestored, json, true, ""},
		{"ParseForm leaves JSON alone", parsed, json, false, ""},
		{"ParseForm leaves chunked JSON alone", parsed, json, true, ""},
		{"ParseForm reads a form", parsed, form, false, payack.ReasonBodyConsumed},
		{"ParseForm reads a chunked form", parsed, form, true, payack.ReasonBodyConsumed},
		{"read, chunked", read, json, true, payack.ReasonMalformed}, // looks like an empty body
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWatch()
			config := middleware.PtopConfig{SigningKeys: payack.Secrets(ptopKey), ConfirmInCallback: true, Options: w.options()}
			contentType := "application/json"
			if tc.body == form {
				config.Body, contentType = verify.BodyForm, "application/x-www-form-urlencoded"
			}
			h, err := middleware.Handle(ptopConfigured(t, config), acceptAll)
			require.NoError(t, err)
			s := server(t, tc.front(h))
			conn := dial(t, s)
			head := "POST / HTTP/1.1\r\nHost: shop\r\nContent-Type: " + contentType + "\r\nX-Signature: " + ptopSignature(t, tc.body) + "\r\n"
			if tc.chunked {
				conn.write(fmt.Sprintf("%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", head, len(tc.body), tc.body))
			} else {
				conn.write(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(tc.body), tc.body))
			}
			res, _ := conn.answer()
			seen := w.last(t)
			assert.Equal(t, tc.reason, seen.Reason)
			switch tc.reason {
			case "":
				assert.Equal(t, http.StatusOK, res.StatusCode)
				assert.Equal(t, tc.body, seen.Delivery.Body)
			case payack.ReasonMalformed:
				assert.Equal(t, http.StatusBadRequest, res.StatusCode)
				assert.Contains(t, seen.Err.Error(), "mount payack before it")
			case payack.ReasonBodyConsumed:
				assert.Equal(t, http.StatusInternalServerError, res.StatusCode, "it must be sent again once the set-up is fixed")
				assert.Contains(t, seen.Err.Error(), "mount payack before the code that reads it, or have that code put the bytes back into r.Body")
			}
		})
	}
}

func TestExactBytesAreAvailable(t *testing.T) {
	body := " {\"success\" : true,\r\n\t\"transaction_id\":\"T\\u0031\",\"order_id\":\"ORD1\", \"message\":\"\\/é\"} \n"
	request := func() *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/ptop?x=1", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Signature", ptopSignature(t, body))
		return r
	}
	t.Run("in a callback", func(t *testing.T) {
		called := false
		h := ptopHandler(t, middleware.Options{}, func(ctx context.Context, ev *payack.PtopEvent) error {
			d, ok := payack.DeliveryFrom(ctx)
			require.True(t, ok)
			assert.Equal(t, body, d.Body)
			assert.Same(t, ev, d.Event)
			assert.Equal(t, "/ptop", d.Path)
			assert.Equal(t, http.MethodPost, d.Method)
			assert.Equal(t, payack.Ptop, d.Provider)
			assert.NotEmpty(t, d.Header.Get("X-Signature"))
			assert.WithinDuration(t, time.Now(), d.Received, time.Minute)
			same, ok := payack.EventFrom[*payack.PtopEvent](ctx)
			assert.True(t, ok)
			assert.Same(t, ev, same)
			called = true
			return nil
		})
		assert.Equal(t, http.StatusOK, serve(h, request()).Code)
		assert.True(t, called)
	})
	t.Run("behind Wrap", func(t *testing.T) {
		called := false
		next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			assert.Equal(t, body, string(b))
			assert.Equal(t, int64(len(body)), r.ContentLength)
			d, ok := payack.DeliveryFrom(r.Context())
			require.True(t, ok)
			assert.Equal(t, body, d.Body)
			ev, ok := payack.EventFrom[*payack.PtopEvent](r.Context())
			require.True(t, ok)
			assert.Equal(t, "T1", ev.TransactionID)
			_, ok = payack.EventFrom[*payack.PTSEvent](r.Context())
			assert.False(t, ok)
			called = true
		})
		r := request()
		r.ContentLength, r.TransferEncoding = -1, []string{"chunked"}
		assert.Equal(t, http.StatusOK, serve(ptopReceiver(t, middleware.Options{}).Wrap(next), r).Code)
		assert.True(t, called)
	})
	t.Run("of a form that the wrapped handler parses", func(t *testing.T) {
		const form = "success=1&transaction_id=T1&order_id=ORD1"
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("X-Signature", ptopSignature(t, form))
		rc := ptopConfigured(t, middleware.PtopConfig{SigningKeys: payack.Secrets(ptopKey), ConfirmInCallback: true, Body: verify.BodyForm})
		called := false
		serve(rc.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			assert.Equal(t, "ORD1", r.PostFormValue("order_id"))
			called = true
		})), r)
		assert.True(t, called)
	})
}

// Buffers for bodies are reused. A later delivery must not change the body of an
// earlier one.
func TestDeliveriesShareNoBody(t *testing.T) {
	type kept struct{ sent, body, order, message string }
	var mu sync.Mutex
	var all []kept
	h := ptopHandler(t, middleware.Options{}, func(ctx context.Context, ev *payack.PtopEvent) error {
		d, _ := payack.DeliveryFrom(ctx)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, kept{ev.TransactionID, d.Body, ev.OrderID, ev.Message.String()})
		return nil
	})
	bodyOf := func(g, i int) string {
		return fmt.Sprintf(`{"success":true,"transaction_id":"T%d-%d","order_id":"O%d-%d","message":"%s"}`, g, i, g, i, strings.Repeat(string(rune('a'+g)), 700*(i%5)))
	}
	var n sync.WaitGroup
	for g := range 4 {
		n.Go(func() {
			for i := range 50 {
				body := bodyOf(g, i)
				r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
				if i%2 == 0 {
					r.ContentLength = -1 // in chunks
				}
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("X-Signature", ptopSignature(t, body))
				assert.Equal(t, http.StatusOK, serve(h, r).Code)
			}
		})
	}
	n.Wait()
	require.Len(t, all, 200)
	for _, k := range all {
		var g, i int
		_, err := fmt.Sscanf(k.sent, "T%d-%d", &g, &i)
		require.NoError(t, err)
		require.Equal(t, bodyOf(g, i), k.body)
		require.Equal(t, fmt.Sprintf("O%d-%d", g, i), k.order)
		require.Equal(t, strings.Repeat(string(rune('a'+g)), 700*(i%5)), k.message)
	}
}

// Where the writer supports no read deadlines, ReadTimeout has no effect, and the
// log says so once.
func TestReadTimeoutWithoutEffectIsLoggedOnce(t *testing.T) {
	for _, supported := range []bool{true, false} {
		w := newWatch()
		h := ptopHandler(t, w.options(), acceptAll)
		for range 3 {
			if supported {
				h.ServeHTTP(&discardWriter{header: http.Header{}}, ptopRequest(t, "T1"))
			} else {
				serve(h, ptopRequest(t, "T1"))
			}
		}
		n := 0
		for _, line := range w.lines(t) {
			if strings.Contains(line["msg"].(string), "ReadTimeout has no effect") {
				n++
			}
		}
		assert.Equal(t, map[bool]int{true: 0, false: 1}[supported], n)
	}
}

// The pool outlives a request, so its buffers must hold nothing of a body.
func TestRoomsKeepNoBody(t *testing.T) {
	if underRace() {
		t.Skip("the pool forgets at random under the race detector")
	}
	h := ptopHandler(t, middleware.Options{MaxBody: 1 << 20}, acceptAll)
	for _, body := range []string{"{}", ptopBody("T1"), strings.Repeat("x", middleware.DefaultMaxBody), strings.Repeat("x", 1<<20)} {
		for _, announced := range []int64{int64(len(body)), -1} {
			var room []byte
			for range 100 { // the pool may keep the used buffer for another processor
				r := httptest.NewRequest("POST", "/", strings.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				r.ContentLength = announced
				serve(h, r)
				if room = middleware.PooledRoom(); len(room) > 0 || len(body) > middleware.DefaultMaxBody {
					break
				}
			}
			if len(body) <= middleware.DefaultMaxBody {
				require.NotEmpty(t, room)
			}
			require.LessOrEqual(t, len(room), 2*middleware.DefaultMaxBody)
			require.Empty(t, bytes.Trim(room, "\x00"))
		}
	}
}

// givenUp is a body whose Read calls the function in the field late with the buffer,
// and returns an error. The function stands for a goroutine that still writes to the
// buffer after Read has returned.
type givenUp struct{ late func([]byte) }

func (b *givenUp) Read(p []byte) (int, error) {
	b.late(p)
	return 0, os.ErrDeadlineExceeded
}

func (*givenUp) Close() error { return nil }

func TestRoomOfAFailedReadIsNotUsedAgain(t *testing.T) {
	if underRace() {
		t.Skip("the pool forgets at random under the race detector")
	}
	var room []byte
	h := ptopHandler(t, middleware.Options{}, func(ctx context.Context, _ *payack.PtopEvent) error { return nil })
	r := ptopRequest(t, "late")
	r.Body = &givenUp{func(p []byte) { room = p }}
	require.Equal(t, 500, serve(h, r).Code)
	copy(middleware.PooledRoom(), "{}")
	require.NotContains(t, string(room), "{}")
	require.Equal(t, 200, serve(h, ptopRequest(t, "genuine")).Code)
}
