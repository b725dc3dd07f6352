package inspector_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inspector"
)

// A receiver with its page. The page is the receiver's observer, so the page
// is made first.
func Example() {
	page, err := inspector.New(inspector.Config{})
	if err != nil {
		log.Fatal(err)
	}
	ptop, err := handlers.NewPtop(handlers.PtopConfig{
		SigningKeys: payack.Secrets("of the back office"), ConfirmInCallback: true, Options: handlers.Options{Observer: page, Logger: quiet},
	}, func(context.Context, *payack.PtopEvent) error { return nil })
	if err != nil {
		log.Fatal(err)
	}
	if err := page.Add(ptop); err != nil {
		log.Fatal(err)
	}
	callbacks, admin := http.NewServeMux(), http.NewServeMux()
	callbacks.Handle("/callbacks/ptop", ptop) // reached by the provider
	admin.Handle("/", page)                   // reached only by you

	server := httptest.NewServer(admin)
	defer server.Close()
	browser := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := browser.Get(page.URL(server.URL)) // the printed address
	if err != nil {
		log.Fatal(err)
	}
	res.Body.Close()
	fmt.Println(res.Header.Get("Location"), len(res.Cookies()), "cookie")
	// Output: / 1 cookie
}
