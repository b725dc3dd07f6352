package handlers

import (
	"context"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
)

// NewPTS returns a handler of PTS (Pagarstar) payment and withdraw callbacks that
// calls fn. An error names the member of the configuration and the fix. fn may be
// called concurrently for different events; see [middleware.Handle].
func NewPTS[F ~func(context.Context, *payack.PTSEvent) error](c PTSConfig, fn F) (*Handler, error) {
	rc, err := middleware.NewPTS(c)
	if err != nil {
		return nil, err
	}
	return middleware.Handle(rc, fn)
}
