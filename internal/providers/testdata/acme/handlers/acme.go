package handlers

import (
	"context"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
)

// AcmeConfig is for [NewAcme].
type AcmeConfig = middleware.AcmeConfig

// NewAcme returns a handler of Acme's callbacks.
func NewAcme[F ~func(context.Context, *payack.AcmeEvent) error](c AcmeConfig, fn F) (*Handler, error) {
	rc, err := middleware.NewAcme(c)
	if err != nil {
		return nil, err
	}
	return middleware.Handle(rc, fn)
}
