// Package fiberpayack mounts payack in fiber v3: [Handler] serves a handler of
// package handlers.
//
//	h, err := handlers.NewPTS(config, settle)
//	…
//	app := fiber.New(fiber.Config{ReadTimeout: 5 * time.Second, BodyLimit: 64 << 10})
//	app.Post("/callbacks/:tenant/pts", fiberpayack.Handler(h))
//
// # What it does
//
// Fiber runs on fasthttp, which reuses the memory of a request as soon as its
// handler has returned. Payack keeps requests longer: in an inbox, in recordings,
// in the log. So the handler gets a request of its own: method, target, path
// values, headers and body are copied. It has the values of c.Context(), and the
// path parameters as r.PathValue, which a KeyFunc needs to tell tenants apart;
// they are unescaped, as those of net/http are. A catch-all's name is that of
// fiber, "*1" for the first one.
//
// Fiber's own adaptor copies none of it, and must not be used for payack.
//
// # No Wrap
//
// Handlers of fiber can't stand behind payack: they read and write fasthttp's
// request and response, which payack does not see. Give receivers a function, by
// package handlers; what a handler of fiber did goes into it. With
// adaptor.HTTPMiddleware(rc.Wrap) fiber runs the handler after the provider was
// answered. Payack recognises that: the event fails, and the log names the fix.
//
// # Limits of the server
//
// Fiber reads a body before it calls a handler. So fiber's limits come first, and
// two of them must be set:
//
//   - fiber.Config.ReadTimeout ends a body that does not arrive; there is none by
//     default. ReadTimeout of payack's options has no effect. Where fiber has none
//     payack warns once.
//   - fiber.Config.BodyLimit is what fiber keeps in memory for anybody who sends it,
//     4 MiB by default; payack's MaxBody, 64 KiB by default, is looked at later. What
//     is over fiber's limit is answered by fiber, with 413.
//
// With StreamRequestBody payack reads the body itself, within its MaxBody. It is
// then not to be kept by handlers of other packages.
//
// Fiber does not tell a handler that the client has hung up. Payack goes on then
// anyway.
//
// # Panics
//
// A panic in a handler ends a process that runs on fasthttp, unless a middleware
// recovers it. Payack makes a failure of one in the merchant's function. What
// panics else, Handler logs, and answers 500; for http.ErrAbortHandler it ends the
// connection without an answer, as net/http does.
//
// # Addresses
//
// The client is the peer of the connection; c.IP and fiber's ProxyHeader are not
// used. AllowedAddresses and TrustedProxies of payack's options decide.
package fiberpayack
