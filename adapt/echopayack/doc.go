// Package echopayack mounts payack in echo v5: [Wrap] puts a receiver in front of
// echo handlers, [Handler] serves a handler of package handlers.
//
//	rc, err := middleware.NewPTS(config)
//	…
//	e.POST("/callbacks/:tenant/pts", existing, echopayack.Wrap(rc))
//
// # What a handler behind Wrap finds
//
// The verified event and the delivery are in c.Request().Context():
//
//	ev, ok := payack.EventFrom[*payack.PTSEvent](c.Request().Context())
//
// The exact body is in c.Request().Body and can be read and bound as usual. Path
// parameters are in c.Param as usual, and in r.PathValue for payack's KeyFunc.
//
// The query and forms are not signed, so c.QueryParam and c.FormValue find
// nothing behind Wrap. There is one exception: echo keeps a query that middleware
// in front of Wrap has read by c.QueryParams. Settle by the event, never by the
// query or a form.
//
// # What becomes of the event
//
// The event is accepted, and not delivered again, when the handler returns nil
// and
//
//   - has asked for the event or the delivery and has written nothing: the
//     provider gets the answer of its contract;
//   - or has written an answer with a status of 2xx. This answer is sent as
//     it is, so it must be the one that the provider expects.
//     c.NoContent(200) is such an answer, with an empty body instead of the
//     contract's words.
//
// The event fails, so that the provider's next delivery of it is processed again,
// when the handler
//
//   - returns an error of any type, whatever it has answered. If it has
//     answered nothing, the provider gets the answer of its contract; the
//     error is in payack's log, and echo's error handler does not see it;
//   - calls middleware.Fail(c.Request().Context(), err);
//   - answers with another status than 2xx;
//   - panics. Payack recovers the panic first and answers by the contract, so
//     echo's middleware.Recover in front sees none. Behind Wrap,
//     middleware.Recover turns the panic into an error.
//
// The event also fails when nobody has processed it: when no route matched, or
// when the handler neither asked for the event or the delivery nor wrote
// anything. A handler that needs nothing of the event accepts it by
// middleware.Fail(c.Request().Context(), nil).
//
// After Wrap, c.Response() and c.Request() are restored. The answer has been
// sent, so middleware in front sees its status and size, and can't add to it.
//
// # Not echo.WrapMiddleware
//
// echo.WrapMiddleware(rc.Wrap) hides the errors that handlers return: echo writes
// them after payack has told the provider that the event was accepted. Payack
// recognises this: it does not call the handler, the event fails, and the log
// names this package. echo.WrapHandler is right for handlers of package handlers,
// and so is Handler.
//
// # Bodies that were read before
//
// The signature covers the exact bytes of the body, so middleware in front of
// payack must leave the body unchanged. c.Bind consumes it; middleware.BodyDump of
// echo puts it back; middleware.Decompress changes it. Payack recognises a consumed
// body, asks the provider to deliver again, and logs the reason body_consumed.
// Mount payack first.
//
// # Addresses
//
// Payack does not use c.RealIP. AllowedAddresses and TrustedProxies of its
// options decide.
package echopayack
