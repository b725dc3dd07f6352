// A stranger's program: a page that says why a callback was refused.
package main

import (
	"context"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inspector"
)

func main() {
	token := payack.NewSecret("a stranger's own token")
	page, err := inspector.New(inspector.Config{Token: token})
	if err != nil {
		log.Fatal(err)
	}
	h, err := handlers.NewPtop(handlers.PtopConfig{
		SigningKeys: payack.Secrets("a stranger's key"), ConfirmInCallback: true, Options: handlers.Options{Observer: page},
	}, func(context.Context, *payack.PtopEvent) error { return nil })
	if err != nil {
		log.Fatal(err)
	}
	if err := page.Add(h); err != nil {
		log.Fatal(err)
	}
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	r := httptest.NewRequest(http.MethodGet, "http://localhost/deliveries/m1", nil)
	w := httptest.NewRecorder()
	if page.ServeHTTP(w, r); w.Code != http.StatusUnauthorized {
		log.Fatalf("without a token it answers %d", w.Code)
	}
	r.Header.Set("Authorization", "Bearer "+token.Reveal())
	w = httptest.NewRecorder()
	if page.ServeHTTP(w, r); !strings.Contains(w.Body.String(), "Have it sent with POST") {
		log.Fatal("the refused request is not explained")
	}
}
