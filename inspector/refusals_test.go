package inspector_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/payack/payack"
	"github.com/payack/payack/inspector"
)

// Guesses of tokens are bounded, and so are the log lines about them. A valid
// cookie keeps working meanwhile.
func TestTokenGuessingIsBounded(t *testing.T) {
	var log strings.Builder // the page's lock serialises writes
	logger := slog.New(slog.NewTextHandler(&log, nil))
	s := withoutInbox(t, func(c *inspector.Config) { c.Logger = logger })
	cookie := call(t, "GET", s.url+"/?token="+url.QueryEscape(token)).Cookies()[0]
	limited := 0
	for i := range 300 {
		var a answer
		switch i % 2 {
		case 0:
			a = call(t, "GET", s.url+"/", header("Authorization", fmt.Sprint("Bearer guess ", i)))
		default:
			a = call(t, "GET", s.url+fmt.Sprint("/?token=guess", i))
		}
		if a.StatusCode == http.StatusTooManyRequests {
			assert.NotEmpty(t, a.Header.Get("Retry-After"))
			limited++
		}
	}
	assert.Greater(t, limited, 0)
	assert.Equal(t, http.StatusOK, call(t, "GET", s.url+"/", func(r *http.Request) { r.AddCookie(cookie) }).StatusCode)
	a := call(t, "POST", s.url+"/token", func(r *http.Request) { r.AddCookie(cookie) })
	assert.Equal(t, http.StatusSeeOther, a.StatusCode, "the form of another tab")
	assert.Equal(t, "/", a.Header.Get("Location"))
	s.server.Close()
	assert.Contains(t, log.String(), "a wrong token was given")
	assert.NotContains(t, log.String(), "guess")
	assert.Less(t, strings.Count(log.String(), "\n"), 100)

	log.Reset()
	s = withoutInbox(t, func(c *inspector.Config) {
		c.Token, c.Logger, c.Authorize = payack.Secret{}, logger, func(*http.Request) error { return errors.New("nobody") }
	})
	for range 200 {
		assert.Equal(t, http.StatusForbidden, call(t, "GET", s.url+"/").StatusCode)
	}
	s.server.Close()
	assert.Contains(t, log.String(), "nobody")
	assert.Less(t, strings.Count(log.String(), "\n"), 100)
}
