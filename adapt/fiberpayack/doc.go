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
// Fiber runs on fasthttp, which reuses the memory of a request once its handler
// has returned. Payack keeps requests longer: in an inbox, in recordings, in the
// log. So Handler copies method, target, path values, headers and body into a
// request of its own. That request has the values of c.Context(), and the path
// parameters as r.PathValue, which a KeyFunc needs to distinguish tenants. The path
// values are unescaped, as in net/http. A catch-all has fiber's name, "*1" for the
// first one.
//
// Fiber's own adaptor copies nothing, and must not be used for payack.
//
// # No Wrap
//
// A handler of fiber can't run behind payack: it reads and writes fasthttp's
// request and response, which payack does not see. Move its work into a function,
// and give that to a constructor of package handlers. With
// adaptor.HTTPMiddleware(rc.Wrap), fiber would run the handler after the provider
// was answered. Payack recognises this: the event fails, and the log names the
// fix.
//
// # Limits of the server
//
// Fiber reads the body before it calls a handler. So its limits come first, and
// two of them must be set:
//
//   - fiber.Config.ReadTimeout ends a body that does not arrive. Fiber has
//     none by default, and payack warns once about that. ReadTimeout of
//     payack's options has no effect.
//   - fiber.Config.BodyLimit bounds what fiber holds in memory for any
//     sender: 4 MiB by default. Fiber answers 413 to a larger body. Payack's
//     MaxBody, 64 KiB by default, is checked later.
//
// With StreamRequestBody, payack reads the body itself, within its MaxBody.
// Handlers of other packages must then not keep the body.
//
// Fiber does not report that the client has hung up, so payack goes on
// processing.
//
// # Panics
//
// On fasthttp, a panic in a handler ends the process unless middleware recovers
// it. Payack recovers a panic of the merchant's function, and the event fails.
// Handler recovers every other panic, logs it and answers 500. For
// http.ErrAbortHandler it ends the connection without an answer, as net/http
// does.
//
// # Addresses
//
// The client is the peer of the connection. Payack does not use c.IP and fiber's
// ProxyHeader; AllowedAddresses and TrustedProxies of its options decide.
package fiberpayack
