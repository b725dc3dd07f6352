// Package handlers turns a configuration and a typed function into an http.Handler,
// in one statement for each provider:
//
//	pts, err := handlers.NewPTS(handlers.PTSConfig{…}, func(ctx context.Context, ev *payack.PTSEvent) error {
//		…
//	})
//	mux.Handle("POST /callbacks/pts", pts)
//
// The function is called with verified events only. After it has returned nil, it
// is not called for that event again as long as the store remembers the event. When
// it returns an error or panics, the provider is asked to send the callback again.
// With an inbox, the inbox calls the function again instead. An error that matches
// [payack.ErrUnexpected] rejects the event. The handler writes the answer, in the
// provider's words; the function writes none.
//
// The constructors return an error for a configuration that is unsafe or can't
// work: an empty key, a nil function, a missing hook that the provider's callbacks
// need. The error names the member and the fix.
//
// To keep an existing handler instead, see Receiver.Wrap in package middleware.
package handlers

import "github.com/payack/payack/middleware"

// Options are common to all receivers. See the members at [middleware.Options], or by
// go doc github.com/payack/payack/middleware Options.
type Options = middleware.Options

// PtopConfig is for [NewPtop]. See its members at [middleware.PtopConfig], or by
// go doc github.com/payack/payack/middleware PtopConfig.
type PtopConfig = middleware.PtopConfig

// PTSConfig is for [NewPTS]. See its members at [middleware.PTSConfig], or by
// go doc github.com/payack/payack/middleware PTSConfig.
type PTSConfig = middleware.PTSConfig

// PayatomConfig is for [NewPayatom]. See its members at [middleware.PayatomConfig],
// or by go doc github.com/payack/payack/middleware PayatomConfig.
type PayatomConfig = middleware.PayatomConfig

// Handler is what the constructors return: an http.Handler that can also process
// events, explain recorded deliveries and report its health, all without a request.
// See its methods at [middleware.Handler], or by
// go doc github.com/payack/payack/middleware Handler.
type Handler = middleware.Handler
