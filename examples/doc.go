// Package examples holds one small server for each of three routers, to be
// copied: stdmux for net/http, chi and gin. Each has a route with a handler of
// payack's own and an existing route with payack's middleware in front, reads
// its keys from the environment, and is tested with callbacks as the providers
// sign them.
//
//	stdmux  PTS by handler, Payatom wrapped
//	chi     Payatom by handler, PTS wrapped
//	gin     Ptop by handler (with a payment-check), PTS wrapped
//
// Package orm shows how functions of sqlstore.InTx write by ORMs.
//
// Folder webhook holds shops in Node, Python and PHP behind payack listen, which
// forwards verified events to them.
//
// What they call orders stands for a merchant's database.
package examples
