// Package inspector is a web page for the person on call. It shows the callbacks
// that were received. For a refused callback, it shows why it was refused and
// which setting would accept it. It also shows the events that wait, and those
// that need a person.
//
//	page, err := inspector.New(inspector.Config{Inbox: in})
//	pts, err := handlers.NewPTS(handlers.PTSConfig{…, Options: handlers.Options{Inbox: in, Observer: page}}, settle)
//	err = page.Add(pts)
//	mux.Handle("/", page)
//	log.Print("the inspector is at ", page.URL("http://127.0.0.1:8081"))
//
// An [Inspector] is an [http.Handler] and a [payack.Observer]. It remembers the
// deliveries that it observes, bounded in number and bytes. Beside them, it shows
// the events that the inbox keeps. Looking changes nothing. A person can retry or
// close a kept event, or ask the provider about its order. Nothing can be
// deleted, and a done event is never processed again.
//
// # Who may look
//
// Config.Authorize decides. Without it, the page asks for a token. It answers
// only requests to loopback names and to Config.Hosts, so that another site can't
// point a name of its own at the page (DNS rebinding). The token is random unless
// Config.Token is set. [Inspector.URL] returns an address that holds the random
// token. The address works once: opening it sets a cookie. A request through a
// proxy on the same host needs the token like any other request. Don't mount the
// page on a public server without TLS.
//
// Pages hold payments: order ids, amounts and, with Config.ShowBodies, whole
// messages. The page removes the keys of all its receivers from the texts that a
// sender wrote. The keys of a KeyFunc are known for one delivery only, so they
// are removed from that delivery's page but not from lists. While a KeyFunc
// fails, the message isn't shown. A sender's text is shown as text: markup has no
// effect, and control characters and marks that change the direction of writing
// are spelled out.
//
// # Explaining
//
// When a refused delivery is opened, the page explains it with package diagnose.
// This calls Expect at most once and KeyFunc a few times, and no other function
// of the merchant. The page waits at most 5 seconds for the keys, and then at most
// 5 seconds for the explanation. A call that takes longer goes on in the
// background, and its result is dropped.
//
// # Programs
//
// With "Accept: application/json" each page is JSON; docs/inspector.md describes
// the members. Send the token as "Authorization: Bearer TOKEN".
package inspector
