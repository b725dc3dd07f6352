package handlers

import (
	"context"
	"net/http"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
)

// NewPTS returns a handler of PTS (Pagarstar) payment and withdraw callbacks.
func NewPTS(c middleware.PTSConfig, fn func(ctx context.Context, ev *payack.PTSEvent) error) (http.Handler, error) {
	return handler(fn)(middleware.NewPTS(c))
}
