package handlers

import (
	"context"
	"net/http"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
)

// NewPtop returns a handler of Ptop (API v3) webhooks. They carry no amount:
// credit what ev.Confirmed says.
func NewPtop(c middleware.PtopConfig, fn func(ctx context.Context, ev *payack.PtopEvent) error) (http.Handler, error) {
	return handler(fn)(middleware.NewPtop(c))
}
