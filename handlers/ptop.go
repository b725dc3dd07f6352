package handlers

import (
	"context"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
)

// NewPtop returns a handler of Ptop (API v3) webhooks that calls fn. The webhooks
// carry no amount. With [middleware.PtopConfig].Confirm, credit ev.Confirmed.Amount
// of a paid event. With ConfirmInCallback, fn asks Ptop for the amount. An error
// names the member of the configuration and the fix. fn may be called concurrently
// for different events; see [middleware.Handle].
func NewPtop[F ~func(context.Context, *payack.PtopEvent) error](c PtopConfig, fn F) (*Handler, error) {
	rc, err := middleware.NewPtop(c)
	if err != nil {
		return nil, err
	}
	return middleware.Handle(rc, fn)
}
