package handlers

import (
	"context"
	"net/http"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
)

// NewPayatom returns a handler of Payatom webhooks. Act on ev.ReceivedAmount.
func NewPayatom(c middleware.PayatomConfig, fn func(ctx context.Context, ev *payack.PayatomEvent) error) (http.Handler, error) {
	return handler(fn)(middleware.NewPayatom(c))
}
