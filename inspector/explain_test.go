package inspector_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inspector"
	"github.com/payack/payack/payacktest"
)

// asking returns a page and the first of its receivers. All its receivers
// call expect.
func asking(t *testing.T, receivers int, expect func() (payack.Expectation, error)) (*inspector.Inspector, http.Handler) {
	page, err := inspector.New(inspector.Config{Token: payack.NewSecret(token), ShowBodies: true, Logger: quiet})
	require.NoError(t, err)
	var first http.Handler
	for range receivers {
		cfg := payacktest.NewPayatomKeys().Config()
		cfg.Options = handlers.Options{Logger: quiet, Observer: page}
		cfg.ExpectInCallback, cfg.Expect = false, func(context.Context, *payack.PayatomEvent) (payack.Expectation, error) { return expect() }
		h, err := handlers.NewPayatom(cfg, func(context.Context, *payack.PayatomEvent) error { return nil })
		require.NoError(t, err)
		require.NoError(t, page.Add(h))
		if first == nil {
			first = h
		}
	}
	return page, first
}

func payatomPaid(t *testing.T) payacktest.Callback {
	return payacktest.Payatom(payacktest.NewPayatomKeys()).Order("ORD-1").Callback(t)
}

func seenAt(ctx context.Context, page http.Handler, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, "GET", "http://localhost"+path, nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	page.ServeHTTP(w, r)
	return w
}

// A page calls Expect once, however many receivers are possible.
func TestExpectIsAskedOnce(t *testing.T) {
	var asked atomic.Int64
	page, h := asking(t, 3, func() (payack.Expectation, error) {
		asked.Add(1)
		return payack.Expectation{}, nil // no such order
	})
	deliver(h, payatomPaid(t))
	require.EqualValues(t, 1, asked.Swap(0), "by the receipt")
	text := seenAt(t.Context(), page, "/deliveries/m1").Body.String()
	assert.Contains(t, text, "It failed at: expectation")
	assert.Contains(t, text, "Compare it with the merchant&#39;s order")
	assert.EqualValues(t, 1, asked.Load())
	deliver(h, payatomPaid(t).Tampered(t, payacktest.FlipSignature))
	seenAt(t.Context(), page, "/deliveries/m2")
	assert.EqualValues(t, 1, asked.Load(), "nothing verified")
}

// A page waits for a hanging Expect no longer than documented, and not at all
// once the client has gone.
func TestSlowExpectHoldsNoPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		hangs := false
		page, h := asking(t, 3, func() (payack.Expectation, error) {
			if hangs {
				<-end
			}
			return payack.Expectation{}, nil
		})
		deliver(h, payatomPaid(t))
		hangs = true
		began := time.Now()
		text := seenAt(t.Context(), page, "/deliveries/m1?body=1").Body.String()
		assert.Contains(t, text, "Expect takes longer than 5 s")
		assert.Contains(t, text, "As it came")
		assert.LessOrEqual(t, time.Since(began), 5*time.Second)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		began = time.Now()
		seenAt(gone, page, "/deliveries/m1")
		assert.Zero(t, time.Since(began))
		close(end)
	})
}
