// Package ginpayack mounts payack in gin: [Wrap] puts a receiver in front of gin
// handlers, [Handler] serves a handler of package handlers.
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
// Pass c.Request.Context(), never c itself, to payack's functions and to every
// call that must keep the deadline. Unless the engine sets ContextWithFallback,
// gin's context passes on neither values nor deadline: payack.EventFrom(c) finds
// nothing, and middleware.Fail(c, err) does nothing and returns false.
//
// The exact body is in c.Request.Body and can be read as usual. Path parameters
// are in c.Param as usual, and in r.PathValue for payack's KeyFunc.
//
// The query and forms are not signed, so c.Query and c.PostForm find nothing
// behind Wrap. There is one exception: gin keeps what middleware in front of Wrap
// has read by these functions. Settle by the event, never by the query or a form.
//
// # What becomes of the event
//
// The event is accepted, and not delivered again, when the handlers return and
//
//   - one of them has asked for the event or the delivery and nothing is
//     written: the provider gets the answer of its contract;
//   - or an answer with a status of 2xx is written. This answer is sent as it
//     is, so it must be the one that the provider expects.
//
// The event fails, so that the provider's next delivery of it is processed again,
// when a handler
//
//   - calls c.Error (or c.AbortWithError or c.Bind, which call it): attaching
//     an error to the context is how handlers of gin report one. Its type
//     does not matter, nor what was answered. Errors attached in front of
//     payack don't count;
//   - calls middleware.Fail(c.Request.Context(), err);
//   - answers with another status than 2xx. A status alone is an answer, too:
//     c.Status(500) sends 500 with an empty body, and c.Status(200) sends 200
//     with an empty body instead of the contract's words;
//   - calls c.Abort and answers nothing: the handlers behind it have not run;
//   - panics. Payack recovers the panic first and answers by the contract, so
//     a gin.Recovery in front sees none. A gin.Recovery behind Wrap turns the
//     panic into a 500, which is sent.
//
// The event also fails when nobody has processed it: when no handler is behind
// Wrap; when gin matched no route and nothing answered; or when the handlers
// neither asked for the event or the delivery nor wrote anything. Setting a
// header or calling c.Set does not count. A handler that needs nothing of the
// event accepts it by c.Status(200), or by middleware.Fail(c.Request.Context(),
// nil).
//
// After Wrap, c.Writer and c.Request are restored. The answer has been sent, so
// middleware in front sees its status and size, and can't add to it.
//
// # Bodies that were read before
//
// The signature covers the exact bytes of the body, so middleware in front of
// payack must leave the body unchanged. c.ShouldBind and c.GetRawData consume it; so
// does c.ShouldBindBodyWith, which keeps the bytes for gin's own functions only.
// Payack recognises a consumed body, asks the provider to deliver again, and logs
// the reason body_consumed. Mount payack first, or make such middleware put the
// bytes back:
//
//	body, err := c.GetRawData() // bounded by an http.MaxBytesReader
//	…
//	c.Request.Body = io.NopCloser(bytes.NewReader(body))
//
// Behind Wrap all of these functions work.
//
// # Addresses
//
// Gin trusts forwarded headers from every peer by default, so payack does not use
// c.ClientIP. AllowedAddresses and TrustedProxies of its options decide.
package ginpayack
