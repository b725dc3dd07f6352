package fiberpayack_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/adapt/fiberpayack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
)

// answer is what a client receives.
type answer struct {
	status            int
	contentType, body string
}

func request(t testing.TB, method, url, contentType, body string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", contentType)
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return answer{res.StatusCode, res.Header.Get("Content-Type"), string(got)}
}

// A handler's answer arrives as from net/http.
func TestAnswers(t *testing.T) {
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
		want    answer
	}{
		{"nothing", func(http.ResponseWriter, *http.Request) {}, answer{status: 200}},
		{"a status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, answer{status: 503}},
		{"the first status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(202); w.WriteHeader(500) }, answer{status: 202}},
		{"an announcement first", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(201) }, answer{status: 201}},
		{"a body", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "taken") },
			answer{200, "text/plain; charset=utf-8", "taken"}},
		{"a body with a type", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(400)
			_, _ = io.WriteString(w, "{")
			_, _ = io.WriteString(w, "}")
		}, answer{400, "application/json", "{}"}},
		{"a header that comes too late", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "taken")
			w.Header().Set("Content-Type", "application/json")
		}, answer{200, "text/plain; charset=utf-8", "taken"}},
		{"no body where there is none", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(204)
			_, err := io.WriteString(w, "taken")
			assert.ErrorIs(t, err, http.ErrBodyNotAllowed)
		}, answer{status: 204}},
		{"a panic", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "taken")
			panic("in the handler")
		}, answer{500, "text/plain; charset=utf-8", "Internal Server Error"}},
		{"no status of an answer", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(1000) },
			answer{500, "text/plain; charset=utf-8", "Internal Server Error"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			app := fiber.New()
			app.Post("/", fiberpayack.Handler(test.handler))
			url := serve(t, app)
			for range 2 { // the server survives
				assert.Equal(t, test.want, request(t, "POST", url, "text/plain", "body"))
			}
		})
	}
}

// A handler gets the request that net/http would have made.
func TestRequest(t *testing.T) {
	app := fiber.New()
	type key struct{}
	app.Use(func(c fiber.Ctx) error {
		c.SetContext(context.WithValue(c.Context(), key{}, "of middleware"))
		return c.Next()
	})
	app.All("/of/:tenant/*", fiberpayack.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.Equal(t, "the body", string(body))
		assert.Equal(t, int64(8), r.ContentLength)
		assert.Equal(t, "PUT", r.Method)
		assert.Equal(t, "/of/a shop/x/y", r.URL.Path)
		assert.Equal(t, "q=1", r.URL.RawQuery)
		assert.Equal(t, "/of/a%20shop/x/y?q=1", r.RequestURI)
		assert.Equal(t, "a shop", r.PathValue("tenant"))
		assert.Equal(t, "x/y", r.PathValue("*1"))
		assert.Equal(t, "of middleware", r.Context().Value(key{}))
		assert.Equal(t, "HTTP/1.1", r.Proto)
		assert.True(t, r.ProtoAtLeast(1, 1))
		assert.Contains(t, r.RemoteAddr, "127.0.0.1:")
		assert.Contains(t, r.Host, "127.0.0.1:")
		assert.Empty(t, r.Header.Get("Host"))
		assert.Equal(t, []string{"a/b"}, r.Header["Content-Type"])
	})))
	assert.Equal(t, answer{status: 200}, request(t, "PUT", serve(t, app)+"/of/a%20shop/x/y?q=1", "a/b", "the body"))
}

// If a request has two content types, fasthttp keeps only the last one. payack must
// refuse such a request.
func TestTwoContentTypes(t *testing.T) {
	keys := payacktest.NewPtopKeys()
	h, err := handlers.NewPtop(quiet(keys.Config(), io.Discard), func(context.Context, *payack.PtopEvent) error { return nil })
	require.NoError(t, err)
	app := fiber.New(fiber.Config{ReadTimeout: time.Minute, IdleTimeout: time.Second})
	app.Post("/ptop", fiberpayack.Handler(h))
	url := serve(t, app) + "/ptop"
	cb := payacktest.Ptop(keys).Callback(t)
	cb.Header["Content-Type"] = []string{"text/plain", "application/json"}
	res, err := cb.Post(t.Context(), nil, url)
	require.NoError(t, err)
	payacktest.Answered(t, payack.Ptop, payack.ReasonContentType, res)
	cb.Header["Content-Type"] = []string{"application/json"}
	res, err = cb.Post(t.Context(), nil, url)
	require.NoError(t, err)
	payacktest.Accepted(t, payack.Ptop, res)
}

func quiet(config middleware.PtopConfig, log io.Writer) middleware.PtopConfig {
	config.Logger = slog.New(slog.NewTextHandler(log, nil))
	return config
}

// With adaptor.HTTPMiddleware, fiber runs the handler after the provider was
// answered. The event must fail, and the log names the fix.
func TestHTTPMiddleware(t *testing.T) {
	var log bytes.Buffer
	keys := payacktest.NewPtopKeys()
	rc, err := middleware.NewPtop(quiet(keys.Config(), &log))
	require.NoError(t, err)
	app := fiber.New(fiber.Config{ReadTimeout: time.Minute, IdleTimeout: time.Second})
	app.Post("/ptop", adaptor.HTTPMiddleware(rc.Wrap), func(fiber.Ctx) error { return nil })
	res, err := payacktest.Ptop(keys).Callback(t).Post(t.Context(), nil, serve(t, app)+"/ptop")
	require.NoError(t, err)
	payacktest.Failed(t, payack.Ptop, res)
	assert.Contains(t, log.String(), "adapt/fiberpayack")
}

// Fiber's own adaptor passes on memory that fasthttp reuses. The log says what to
// use instead.
func TestFibersAdaptor(t *testing.T) {
	var log bytes.Buffer
	keys := payacktest.NewPtopKeys()
	h, err := handlers.NewPtop(quiet(keys.Config(), &log), func(context.Context, *payack.PtopEvent) error { return nil })
	require.NoError(t, err)
	app := fiber.New(fiber.Config{ReadTimeout: time.Minute, IdleTimeout: time.Second})
	app.Post("/ptop", adaptor.HTTPHandler(h))
	res, err := payacktest.Ptop(keys).Callback(t).Post(t.Context(), nil, serve(t, app)+"/ptop")
	require.NoError(t, err)
	payacktest.Accepted(t, payack.Ptop, res)
	assert.Equal(t, 1, strings.Count(log.String(), "use fiberpayack.Handler"), log.String())
}

// Without a ReadTimeout nothing ends a slow body, and the log says so.
func TestReadTimeout(t *testing.T) {
	for timeout, warns := range map[time.Duration]bool{0: true, time.Minute: false} {
		var log bytes.Buffer
		keys := payacktest.NewPtopKeys()
		h, err := handlers.NewPtop(quiet(keys.Config(), &log), func(context.Context, *payack.PtopEvent) error { return nil })
		require.NoError(t, err)
		app := fiber.New(fiber.Config{ReadTimeout: timeout, IdleTimeout: time.Second})
		app.Post("/ptop", fiberpayack.Handler(h))
		res, err := payacktest.Ptop(keys).Callback(t).Post(t.Context(), nil, serve(t, app)+"/ptop")
		require.NoError(t, err)
		payacktest.Accepted(t, payack.Ptop, res)
		assert.Equal(t, warns, strings.Contains(log.String(), "set the server's own read timeout"), log.String())
	}
}

// Fiber answers 413 to a body over its own limit, and doesn't call the handler.
func TestBodyLimit(t *testing.T) {
	app := fiber.New(fiber.Config{BodyLimit: 1 << 10})
	app.Post("/", fiberpayack.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("called") })))
	assert.Equal(t, 413, request(t, "POST", serve(t, app), "text/plain", strings.Repeat("x", 2<<10)).status)
}

func TestNilIsRefusedWhenMounted(t *testing.T) {
	for name, h := range map[string]http.Handler{"nil": nil, "of a constructor that failed": (*middleware.Handler)(nil), "a function": http.HandlerFunc(nil)} {
		assert.PanicsWithValue(t, "fiberpayack: Handler: the handler is nil; look at the error that its constructor returned", func() { fiberpayack.Handler(h) }, name)
	}
}
