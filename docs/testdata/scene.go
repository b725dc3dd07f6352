// Package main is what the fragments of code in the pages speak of. A test puts
// each fragment into a package beside it.
package main

import (
	"context"
	"iter"
	"net/http"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/inspector"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/reconcile"
)

var (
	ctx    context.Context
	config handlers.PTSConfig
	settle func(context.Context, *payack.PTSEvent) error
	credit func(context.Context, *payack.PayatomEvent) error
	in     *inbox.Inbox
	mine   payack.Observer
	mux    *http.ServeMux
	shop   interface {
		OpenOrders(context.Context) iter.Seq2[reconcile.Order, error]
	}

	ptopClient    *client.Ptop
	ptsClient     *client.PTS
	payatomClient *client.Payatom

	metrics    payack.Observer
	reconciler *reconcile.Reconciler

	ptopReceiver, ptsReceiver, payatomReceiver *handlers.Handler

	wrapped *middleware.Receiver[*payack.PTSEvent]
	page    *inspector.Inspector
)

func main() {}
