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

// TestWrapMiddleware: echo's own wrapping hides what handlers return. No event
// may be taken for processed then, and the log names the fix.
func TestWrapMiddleware(t *testing.T) {
	for _, test := range []struct {
		name     string
		handler  echo.HandlerFunc
		accepted bool
		hidden   bool
	}{
		{"an error", func(c *echo.Context) error { asks(c); return errors.New("not settled") }, false, true},
		{"an error of echo's", func(c *echo.Context) error { asks(c); return echo.NewHTTPError(409, "conflict") }, false, true},
		{"nil", func(c *echo.Context) error { asks(c); return nil }, false, true},
		{"nil and Fail without an error", func(c *echo.Context) error { middleware.Fail(c.Request().Context(), nil); return nil }, true, false},
		{"Fail", func(c *echo.Context) error { middleware.Fail(c.Request().Context(), errReported); return nil }, false, false},
		{"an answer", func(c *echo.Context) error {
			return c.Blob(200, "text/plain", []byte("SUCCESS"))
		}, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log bytes.Buffer
			keys := payacktest.NewPTSKeys()
			config := keys.Config()
			config.Logger = slog.New(slog.NewTextHandler(&log, nil))
			rc, err := middleware.NewPTS(config)
			require.NoError(t, err)
			e := quiet()
			e.POST("/pts", test.handler, echo.WrapMiddleware(rc.Wrap))
			url := adapttest.Serve(t, e)

			res, err := payacktest.PTS(keys).Callback(t).Post(t.Context(), nil, url+"/pts")
			require.NoError(t, err)
			assert.Equal(t, test.accepted, text(t, res) == "SUCCESS")
			if test.hidden {
				assert.Contains(t, log.String(), "echopayack.Wrap(receiver)")
			} else {
				assert.NotContains(t, log.String(), "echopayack")
			}
		})
	}
}

func asks(c *echo.Context) { payack.EventFrom[*payack.PTSEvent](c.Request().Context()) }
