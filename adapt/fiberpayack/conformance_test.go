package fiberpayack_test

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/adapt/adapttest"
	"github.com/payack/payack/adapt/fiberpayack"
)

// serve starts the app's server and returns its URL.
func serve(t testing.TB, app *fiber.App) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- app.Listener(listener, fiber.ListenConfig{DisableStartupMessage: true}) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		assert.NoError(t, app.ShutdownWithContext(ctx))
		assert.NoError(t, <-ended)
	})
	return "http://" + listener.Addr().String()
}

func TestConformance(t *testing.T) {
	for name, stream := range map[string]bool{"whole bodies": false, "streamed bodies": true} {
		t.Run(name, func(t *testing.T) {
			adapttest.Run(t, adapttest.Framework{
				ReadsAhead: true,
				Handler: func(t testing.TB, h http.Handler) string {
					app := fiber.New(fiber.Config{ReadTimeout: 5 * time.Second, IdleTimeout: 5 * time.Second, StreamRequestBody: stream})
					app.Post("/callbacks/:tenant", fiberpayack.Handler(h))
					return serve(t, app)
				},
			})
		})
	}
}
