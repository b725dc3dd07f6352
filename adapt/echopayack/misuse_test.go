package echopayack_test

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"

	"github.com/labstack/echo/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/adapt/adapttest"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
)

// echo.WrapMiddleware hides the errors of handlers, so payack can't see whether the
// handler has succeeded. Payack therefore fails every event. It doesn't call the
// handler, because each redelivery would call the handler again. The log names the
// fix.
func TestWrapMiddleware(t *testing.T) {
	for name, handler := range map[string]echo.HandlerFunc{
		"an error":  func(c *echo.Context) error { asks(c); return errors.New("not settled") },
		"nil":       func(c *echo.Context) error { asks(c); return nil },
		"an answer": func(c *echo.Context) error { return c.Blob(200, "text/plain", []byte("SUCCESS")) },
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			keys := payacktest.NewPTSKeys()
			config := keys.Config()
			config.Logger = slog.New(slog.NewTextHandler(&log, nil))
			rc, err := middleware.NewPTS(config)
			require.NoError(t, err)
			called := false
			e := quiet()
			e.POST("/pts", func(c *echo.Context) error { called = true; return handler(c) }, echo.WrapMiddleware(rc.Wrap))
			url := adapttest.Serve(t, e)

			res, err := payacktest.PTS(keys).Callback(t).Post(t.Context(), nil, url+"/pts")
			require.NoError(t, err)
			assert.Equal(t, "FAILED", text(t, res))
			assert.False(t, called)
			assert.Contains(t, log.String(), "echopayack.Wrap(receiver)")
		})
	}
}

func asks(c *echo.Context) { payack.EventFrom[*payack.PTSEvent](c.Request().Context()) }
