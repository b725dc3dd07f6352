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
// The exact body is in c.Request().Body, to be read and bound as if nobody had.
// Path parameters are in c.Param as ever, and in r.PathValue for payack's KeyFunc.
//
// The query and forms are not signed, and behind Wrap c.QueryParam and
// c.FormValue find none; except a query that middleware in front of it has asked
// c.QueryParams for, which echo keeps. Settle by the event, never by them.
//
// # What becomes of the event
//
// The event is accepted, and not delivered again, when the handler returns nil
//
//   - with nothing written, and it has asked for the event or the delivery: the
//     provider is answered by its contract;
//   - with a 2xx written: it stands as it is, so it has to be what the provider
//     expects to read. c.NoContent(200) is an answer too, with an empty body
//     instead of the contract's words.
//
// It failed, so that the provider's next delivery of it is processed again,
// when the handler
//
//   - returned an error, of whatever type and whatever was answered before. If
//     nothing was, the provider is answered by its contract: echo's error handler
//     does not see the error, which is in payack's log;
//   - called middleware.Fail(c.Request().Context(), err);
//   - answered with another status than 2xx;
//   - panicked. Payack sees it first and answers by contract; middleware.Recover
//     of echo in front has nothing to do, and one behind makes an error of it.
//
// An event fails too where nobody has processed it: echo matched no route, or the
// handler neither asked for the event or the delivery nor wrote anything. A
// handler that needs nothing of the event says so by
// middleware.Fail(c.Request().Context(), nil).
//
// Afterwards c.Response() and c.Request() are what they were. The answer has been
// sent, so middleware in front sees its status and size, and can't add to it.
//
// # Not echo.WrapMiddleware
//
// echo.WrapMiddleware(rc.Wrap) hides the errors that handlers return: echo writes
// them behind payack's back, after the provider was told that all is well. Payack
// recognises it: the handler is not called, the event fails, and the log names this
// package. echo.WrapHandler is right for
// handlers of package handlers, as [Handler] is.
//
// # Bodies that were read before
//
// Middleware in front of payack must leave the body alone: the signature covers
// its exact bytes. c.Bind consumes it; middleware.BodyDump of echo puts it back;
// middleware.Decompress changes it. Payack recognises a consumed body, answers
// "send again" and logs the reason body_consumed. Mount payack first.
//
// # Addresses
//
// c.RealIP is not used. AllowedAddresses and TrustedProxies of payack's options
// decide.
package echopayack
