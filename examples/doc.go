// Package examples holds one small shop for each of five frameworks, to be copied:
// stdmux for net/http, chi, gin, echo and fiber. Each is a whole server, with
// timeouts, a probe at /healthz, an inbox and its orders in one SQLite file, and an
// end that loses nothing. It listens on loopback unless ADDRESS says otherwise,
// reads its keys from the environment, and is tested with callbacks as the
// providers sign them.
//
//	stdmux  PTS by handler, Payatom wrapped
//	chi     Payatom by handler, PTS wrapped
//	gin     Ptop by handler (with a payment-check), PTS wrapped
//	echo    PTS by handler, Payatom wrapped
//	fiber   PTS and Payatom by handler
//
// What is taken by handler goes through the inbox. Behind the middleware a handler
// that was there before runs in the request.
//
// Package frameworks shows what gorilla/mux and httprouter need.
//
// Package orm shows how functions of sqlstore.InTx write by ORMs.
//
// Folder webhook holds shops in Node, Python and PHP behind payack listen, which
// forwards verified events to them.
//
// Their orders stand for a merchant's database.
package examples
