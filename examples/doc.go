// Package examples holds one small shop for each of five frameworks, to be copied:
// stdmux for net/http, chi, gin, echo and fiber. Each shop is a whole server. It has
// timeouts, a probe at /healthz, the inspector, and an SQLite file with the inbox and
// the orders. A shutdown still answers callbacks that have begun, and unprocessed
// events wait in the inbox for the next start. Keys come from the environment.
//
// A shop receives callbacks at 127.0.0.1:8080 unless ADDRESS is set, and serves the
// inspector at 127.0.0.1:8081 unless INSPECTOR_ADDRESS is set. When a shop starts, it
// logs the inspector's URL with the token. The tests send callbacks that payacktest
// signs.
//
//	stdmux  PTS by handler, Payatom wrapped
//	chi     Payatom by handler, PTS wrapped
//	gin     Ptop by handler (with a payment-check), PTS wrapped
//	echo    PTS by handler, Payatom wrapped
//	fiber   PTS and Payatom by handler
//
// Handlers use the inbox. A wrapped handler, which the shop already had, runs in the
// request.
//
// Package frameworks shows what gorilla/mux and httprouter need. Package orm shows how
// to use an ORM within the transaction of sqlstore.InTx. Folder webhook has shops in
// Node, Python and PHP, to which the command "payack listen" forwards events.
//
// The orders in each example stand for a merchant's database.
package examples
