package handlers

import (
	"context"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
)

// NewPayatom returns a handler of Payatom webhooks that calls fn. Act on
// ev.ReceivedAmount, not on Unsigned.RequestedAmount. An error names the member of
// the configuration and the fix. fn may be called concurrently for different
// events; see [middleware.Handle].
func NewPayatom[F ~func(context.Context, *payack.PayatomEvent) error](c PayatomConfig, fn F) (*Handler, error) {
	rc, err := middleware.NewPayatom(c)
	if err != nil {
		return nil, err
	}
	return middleware.Handle(rc, fn)
}
