// Package handlers turns a configuration and a typed function into an
// http.Handler, in one statement for each provider:
//
//	pts, err := handlers.NewPTS(handlers.PTSConfig{…}, func(ctx context.Context, ev *payack.PTSEvent) error {
//		…
//	})
//	mux.Handle("POST /callbacks/pts", pts)
//
// The function is called with verified events only, once for each that it
// returns nil for, within what the store remembers. When it returns an error,
// panics or runs out of time, the provider is asked to send the callback again.
// What the provider is told follows from that; the function never writes a
// response.
//
// The constructors return an error for a configuration that could not be
// served safely: an empty key, a nil function, a hook that must not be
// forgotten. It names the member and the fix.
//
// To keep an existing handler instead, see Receiver.Wrap in package middleware.
package handlers

import "github.com/payack/payack/middleware"

// Options are what all receivers have in common.
type Options = middleware.Options

// The configurations, one for each provider.
type (
	// PtopConfig is for [NewPtop].
	PtopConfig = middleware.PtopConfig
	// PTSConfig is for [NewPTS].
	PTSConfig = middleware.PTSConfig
	// PayatomConfig is for [NewPayatom].
	PayatomConfig = middleware.PayatomConfig
)

// Handler is what the constructors return: an http.Handler that can also
// process, explain and report its health without a request.
type Handler = middleware.Handler
