// Package inspector is a page for whoever is on call: which callbacks came, why one
// was refused and which setting would take it, what waits, what needs a person.
//
//	page, err := inspector.New(inspector.Config{Inbox: in})
//	pts, err := handlers.NewPTS(handlers.PTSConfig{…, Options: handlers.Options{Inbox: in, Observer: page}}, settle)
//	err = page.Add(pts)
//	mux.Handle("/", page)
//	log.Print("the inspector is at ", page.URL("http://127.0.0.1:8081"))
//
// An [Inspector] is an [http.Handler], and a [payack.Observer]: what it is told of it
// remembers, in a number of deliveries and bytes that is bounded. With an inbox it
// shows what is kept there besides. Reading changes nothing, neither in the database
// nor elsewhere. Somebody's click has a kept event tried again, closes it, or asks
// the provider about its order; nothing is deleted, and what is done is never touched
// again.
//
// # Who may look
//
// Whoever Config.Authorize lets in. Without it a token is asked for, and only requests
// to loopback names are answered, so that no other site's name can be pointed at the
// page (DNS rebinding). The token is random unless Config.Token is set; [Inspector.URL]
// returns an address with it, which works once, for a cookie. A request through a proxy
// on the same host needs the token like any other. Give the page no path on a public
// server without TLS.
//
// Pages hold payments: order ids, amounts, and, with Config.ShowBodies, whole messages.
// Secrets of all receivers that were added are taken out wherever a sender wrote one.
// Those that a KeyFunc has are known for one delivery only, so they are taken out of
// its page and not of lists. While a KeyFunc fails its message isn't shown. Texts of senders
// are shown as text: markup is none, and control characters and marks that turn the
// direction of writing are spelled out.
//
// # Explaining
//
// Why a delivery was refused is found out when its page is opened, by package
// diagnose, and not for each refusal. It calls Expect once at the most and KeyFunc a
// few times, and nothing else. The page waits 5 seconds for each of them; one that
// takes longer goes on without a reader.
//
// # Programs
//
// With "Accept: application/json" each page is JSON; docs/inspector.md has the members.
// Send the token as "Authorization: Bearer TOKEN".
package inspector
