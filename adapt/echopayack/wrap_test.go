package echopayack_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v5"
	echomiddleware "github.com/labstack/echo/v5/middleware"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/adapt/adapttest"
	"github.com/payack/payack/adapt/echopayack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
)

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

// observed waits for n observations and returns them. It has to wait because, on a
// real server, the client may have the answer before the observer is called.
func (w *watch) observed(t testing.TB, n int) []payack.Observation {
	t.Helper()
	require.Eventually(t, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.seen) == n
	}, 30*time.Second, time.Millisecond)
	return w.seen
}

// front is what middleware in front of payack sees after the call.
type front struct {
	status    int
	size      int64
	committed bool
	restored  bool // c.Request and c.Response
	err       error
}

func (f *front) look(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		r, w := c.Request(), c.Response()
		f.err = next(c)
		f.restored = c.Request() == r && c.Response() == w
		response, err := echo.UnwrapResponse(c.Response())
		if err != nil {
			return err
		}
		f.status, f.size, f.committed = response.Status, response.Size, response.Committed
		return f.err
	}
}

// shop is an echo with a receiver of PTS in front of a handler.
type shop struct {
	watch
	front
	echo *echo.Echo
	keys payacktest.PTSKeys
}

func newShop(t testing.TB) (*shop, echo.MiddlewareFunc) {
	t.Helper()
	s := &shop{echo: quiet(), keys: payacktest.NewPTSKeys()}
	config := s.keys.Config()
	config.Logger, config.Observer = slog.New(slog.DiscardHandler), s
	rc, err := middleware.NewPTS(config)
	require.NoError(t, err)
	return s, echopayack.Wrap(rc)
}

func (s *shop) post(t testing.TB, path string) (status int, contentType, body string) {
	t.Helper()
	res, err := payacktest.PTS(s.keys).Callback(t).Post(t.Context(), nil, adapttest.Serve(t, s.echo)+path)
	require.NoError(t, err)
	return res.StatusCode, res.Header.Get("Content-Type"), text(t, res)
}

// Each case is something that a handler of echo may do. The test checks the answer
// to the provider and what happens to the event.
func TestWrap(t *testing.T) {
	asked := func(err error) echo.HandlerFunc {
		return func(c *echo.Context) error { asks(c); return err }
	}
	for _, test := range []struct {
		name    string
		handler echo.HandlerFunc
		behind  []echo.MiddlewareFunc
		status  int
		body    string
		reason  payack.Reason // empty if accepted
		is      error
	}{
		{name: "asked", handler: asked(nil), status: 200, body: "SUCCESS"},
		{name: "an error", handler: asked(errReported), status: 200, body: "FAILED", reason: payack.ReasonCallback, is: errReported},
		{name: "an error of echo's with a status", handler: asked(echo.NewHTTPError(409, "taken")), status: 200, body: "FAILED", reason: payack.ReasonCallback},
		{name: "an unexpected event", handler: asked(payack.ErrUnexpected), status: 200, body: "FAILED", reason: payack.ReasonUnexpected},
		{name: "no sign of having run", handler: func(*echo.Context) error { return nil }, status: 200, body: "FAILED", reason: payack.ReasonCallback},
		{name: "Fail", handler: func(c *echo.Context) error { middleware.Fail(c.Request().Context(), errReported); return nil },
			status: 200, body: "FAILED", reason: payack.ReasonCallback, is: errReported},
		{name: "Fail without an error", handler: func(c *echo.Context) error { middleware.Fail(c.Request().Context(), nil); return nil },
			status: 200, body: "SUCCESS"},
		{name: "NoContent 204", handler: func(c *echo.Context) error { return c.NoContent(204) }, status: 204},
		{name: "String", handler: func(c *echo.Context) error { return c.String(200, "SUCCESS") }, status: 200, body: "SUCCESS"},
		{name: "JSON", handler: func(c *echo.Context) error { return c.JSON(201, 7) }, status: 201, body: "7\n"},
		{name: "JSON that can't be made", handler: func(c *echo.Context) error { return c.JSON(200, func() {}) },
			status: 200, body: "FAILED", reason: payack.ReasonCallback},
		{name: "500", handler: func(c *echo.Context) error { return c.String(500, "mine") }, status: 500, body: "mine", reason: payack.ReasonCallback},
		{name: "200 and an error", handler: func(c *echo.Context) error { _ = c.String(200, "mine"); return errReported },
			status: 200, body: "mine", reason: payack.ReasonCallback, is: errReported},
		{name: "a panic", handler: func(*echo.Context) error { panic("in the handler") }, status: 200, body: "FAILED", reason: payack.ReasonPanic},
		{name: "a panic with a Recover behind", handler: func(*echo.Context) error { panic("in the handler") },
			behind: []echo.MiddlewareFunc{echomiddleware.Recover()}, status: 200, body: "FAILED", reason: payack.ReasonCallback},
		{name: "no status of an answer", handler: func(c *echo.Context) error { return c.NoContent(1000) },
			status: 200, body: "FAILED", reason: payack.ReasonPanic},
		{name: "bound as if nobody had read it", handler: func(c *echo.Context) error {
			asks(c)
			var bound struct {
				OrderID string `json:"order_id"`
			}
			if err := c.Bind(&bound); err != nil {
				return err
			}
			if bound.OrderID == "" {
				return errors.New("nothing was bound")
			}
			return nil
		}, status: 200, body: "SUCCESS"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, wrap := newShop(t)
			s.echo.Use(echomiddleware.Recover(), s.look)
			s.echo.POST("/pts", test.handler, append([]echo.MiddlewareFunc{wrap}, test.behind...)...)
			status, _, body := s.post(t, "/pts")
			assert.Equal(t, test.status, status)
			assert.Equal(t, test.body, body)
			s.observed(t, 1)
			assert.Equal(t, front{status: test.status, size: int64(len(test.body)), committed: true, restored: true}, s.front)

			// Delivered again, an accepted event is a duplicate, and a failed one
			// is processed.
			s.post(t, "/pts")
			seen := s.observed(t, 2)
			if test.reason == "" {
				assert.Equal(t, payack.OutcomeAccepted, seen[0].Outcome)
				assert.Equal(t, payack.OutcomeDuplicate, seen[1].Outcome)
				return
			}
			for _, o := range seen {
				assert.Equal(t, test.reason, o.Reason)
				if test.is != nil {
					assert.ErrorIs(t, o.Err, test.is)
				}
			}
		})
	}
}

// Wrap can be installed with Echo.Use. It then runs for a path without a route,
// too, and the event fails.
func TestNoRoute(t *testing.T) {
	s, wrap := newShop(t)
	s.echo.Use(wrap)
	_, _, body := s.post(t, "/nowhere")
	assert.Equal(t, "FAILED", body)
}

// A consumed body is recognised. A body that was read and put back is accepted.
func TestBodyReadBefore(t *testing.T) {
	read := func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			_, _ = io.Copy(io.Discard, c.Request().Body)
			return next(c)
		}
	}
	dump := echomiddleware.BodyDump(func(*echo.Context, []byte, []byte, error) {})
	for _, test := range []struct {
		name   string
		before echo.MiddlewareFunc
		body   string
		reason payack.Reason
	}{
		{"consumed", read, "FAILED", payack.ReasonBodyConsumed},
		{"put back", dump, "SUCCESS", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, wrap := newShop(t)
			s.echo.POST("/pts", func(c *echo.Context) error { asks(c); return nil }, test.before, wrap)
			_, _, body := s.post(t, "/pts")
			assert.Equal(t, test.body, body)
			assert.Equal(t, test.reason, s.observed(t, 1)[0].Reason)
		})
	}
}

func TestNilIsRefusedWhenMounted(t *testing.T) {
	assert.Panics(t, func() { echopayack.Wrap[*payack.PTSEvent](nil) })
	assert.Panics(t, func() { echopayack.Wrap(&middleware.Receiver[*payack.PTSEvent]{}) })
	for name, h := range map[string]http.Handler{"nil": nil, "of a constructor that failed": (*middleware.Handler)(nil), "a function": http.HandlerFunc(nil)} {
		assert.PanicsWithValue(t, "echopayack: Handler: the handler is nil; look at the error that its constructor returned", func() { echopayack.Handler(h) }, name)
	}
}
