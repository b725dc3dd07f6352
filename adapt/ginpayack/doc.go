// Package ginpayack mounts payack in gin: [Wrap] puts a receiver in front of
// gin handlers, [Handler] serves a handler of package handlers.
//
//	rc, err := middleware.NewPTS(config)
//	…
//	router.POST("/callbacks/:tenant/pts", ginpayack.Wrap(rc), existing)
//
// # What a handler behind Wrap finds
//
// The verified event and the delivery are in c.Request.Context():
//
//	ev, ok := payack.EventFrom[*payack.PTSEvent](c.Request.Context())
//
// Always pass c.Request.Context(), never c itself, to payack's functions and
// to whatever should keep the deadline: unless the engine sets
// ContextWithFallback, gin's context hands on neither values nor deadline:
// payack.EventFrom(c) finds nothing, and middleware.Fail(c, err) does nothing but
// return false.
//
// The exact body is in c.Request.Body, to be read as if nobody had. Path
// parameters are in c.Param as ever, and in r.PathValue for payack's KeyFunc.
//
// The query and forms are not signed, and behind Wrap c.Query and c.PostForm find
// none; except what middleware in front of it has asked gin for, which gin keeps.
// Settle by the event, never by them.
//
// # What becomes of the event
//
// The event is accepted, and not delivered again, when the handlers return
//
//   - with nothing written, and one of them has asked for the event or the
//     delivery: the provider is answered by its contract;
//   - with a 2xx written: it stands as it is, so it has to be what the provider
//     expects to read.
//
// It failed, so that the provider's next delivery of it is processed again,
// when a handler
//
//   - called c.Error (c.AbortWithError, c.Bind): attaching an error to the
//     context is how handlers of gin report one, whatever its type and whatever
//     was answered. Errors attached before payack don't count;
//   - called middleware.Fail(c.Request.Context(), err);
//   - answered with another status than 2xx. A status alone is an answer too:
//     c.Status(500) sends 500 with an empty body, and c.Status(200) sends 200
//     with an empty body instead of the contract's words;
//   - called c.Abort and answered nothing: handlers behind it have not run;
//   - panicked. Payack sees it first and answers by contract; a gin.Recovery in
//     front has nothing to do, one behind makes it a 500 that stands.
//
// An event fails too where nobody has processed it: no handler stands behind
// Wrap; gin matched no route and nothing answered; or the handlers neither asked
// for the event or the delivery nor wrote anything. A header or c.Set is no sign
// of having processed it. A handler that needs nothing of the event says so with
// c.Status(200), or by middleware.Fail(c.Request.Context(), nil).
//
// Afterwards c.Writer and c.Request are what they were. The answer has been
// sent, so middleware in front sees its status and size, and can't add to it.
//
// # Bodies that were read before
//
// Middleware in front of payack must leave the body alone: the signature covers
// its exact bytes. c.ShouldBind, c.GetRawData and c.ShouldBindBodyWith (which
// keeps the bytes for gin's own functions only) consume it. Payack recognises
// that, answers "send again" and logs the reason body_consumed. Mount payack
// first, or let such middleware put the bytes back:
//
//	body, err := c.GetRawData() // bounded by an http.MaxBytesReader
//	…
//	c.Request.Body = io.NopCloser(bytes.NewReader(body))
//
// Behind Wrap all of these work.
//
// # Addresses
//
// Gin believes forwarded headers from everybody unless told otherwise, so
// c.ClientIP is not used. AllowedAddresses and TrustedProxies of payack's
// options decide.
package ginpayack
