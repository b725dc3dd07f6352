// Package frameworks shows how to mount payack in routers that need no adaptor: chi,
// gorilla/mux and httprouter. Each of them passes adapttest, the suite of the adaptors
// for gin, echo and fiber.
//
// [PathVars] and [PathParams] copy a router's path parameters to r.PathValue, where a
// KeyFunc looks for the tenant.
package frameworks
