// A stranger's program: a receiver in echo that refuses a forged callback.
package main

import (
	"context"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/labstack/echo/v5"

	"github.com/payack/payack"
	"github.com/payack/payack/adapt/echopayack"
	"github.com/payack/payack/handlers"
)

func main() {
	receiver, err := handlers.NewPayatom(handlers.PayatomConfig{
		SecretKeys:       payack.Secrets("a-secret-of-nobody"),
		ExpectInCallback: true,
	}, func(context.Context, *payack.PayatomEvent) error { panic("a forged callback was taken") })
	if err != nil {
		log.Fatal(err)
	}
	router := echo.New()
	router.POST("/callbacks/payatom", echopayack.Handler(receiver))
	r := httptest.NewRequest(http.MethodPost, "/callbacks/payatom", strings.NewReader(`{"order_id":"ORD1"}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	router.ServeHTTP(w, r)
	if !strings.Contains(w.Body.String(), "HashMismatch") {
		log.Fatalf("a forged callback was answered %q", w.Body)
	}
}
