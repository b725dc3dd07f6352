// Package examples holds one small shop for each of five frameworks, to be copied:
// stdmux for net/http, chi, gin, echo and fiber. Each is a whole server: timeouts, a
// probe at /healthz, an inbox and the orders in one SQLite file, the inspector, and a
// shutdown that answers what has begun and keeps what is not done for the next start.
// Keys come from the environment.
//
// A shop receives callbacks at 127.0.0.1:8080 unless ADDRESS says otherwise, and
// serves the inspector at 127.0.0.1:8081 unless INSPECTOR_ADDRESS does. It logs the
// inspector's URL with its token when it starts. The tests send callbacks that
// payacktest signs.
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
// functions of sqlstore.InTx write by ORMs. Folder webhook has shops in Node, Python
// and PHP, to which payack listen forwards events.
//
// The orders of all of them stand for a merchant's database.
package examples
