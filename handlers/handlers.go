// Package handlers turns a configuration and a typed function into an
// http.Handler, in one statement for each provider:
//
//	pts, err := handlers.NewPTS(middleware.PTSConfig{…}, func(ctx context.Context, ev *payack.PTSEvent) error {
//		…
//	})
//	mux.Handle("POST /callbacks/pts", pts)
//
// The function is called with verified events only, once for each that it
// returns nil for. When it returns an error, panics or runs out of time, the
// provider is asked to send the callback again. What the provider is told
// follows from that; the function never writes a response.
//
// The constructors return an error for a configuration that could not be
// served safely: an empty key, a nil function, a hook that must not be
// forgotten. It names the member and the mend.
//
// To keep an existing handler instead, see Receiver.Wrap in package middleware.
package handlers

import (
	"context"
	"net/http"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
)

// handler completes a constructor's result.
func handler[E payack.Event](fn func(context.Context, E) error) func(*middleware.Receiver[E], error) (http.Handler, error) {
	return func(rc *middleware.Receiver[E], err error) (http.Handler, error) {
		if err != nil {
			return nil, err
		}
		return rc.Handler(fn)
	}
}
