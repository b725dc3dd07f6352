// Package frameworks shows how payack is mounted in routers that need no adaptor
// of payack's: chi, gorilla/mux and httprouter. Its tests hold each of them to
// adapttest, the suite that the adaptors of gin, echo and fiber pass, too.
//
// [PathVars] and [PathParams] make a router's path parameters known as
// r.PathValue, where a KeyFunc looks for the tenant.
package frameworks
