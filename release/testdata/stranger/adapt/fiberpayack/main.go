// A stranger's program: a receiver in fiber that refuses a forged callback.
package main

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/gofiber/fiber/v3"

	"github.com/payack/payack"
	"github.com/payack/payack/adapt/fiberpayack"
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
	app := fiber.New(fiber.Config{ReadTimeout: 5 * time.Second})
	app.Post("/callbacks/payatom", fiberpayack.Handler(receiver))
	r := httptest.NewRequest(http.MethodPost, "/callbacks/payatom", strings.NewReader(`{"order_id":"ORD1"}`))
	r.Header.Set("Content-Type", "application/json")
	answer, err := app.Test(r, fiber.TestConfig{Timeout: 0})
	if err != nil {
		log.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		log.Fatal(err)
	}
	if !strings.Contains(string(body), "HashMismatch") {
		log.Fatalf("a forged callback was answered %q", body)
	}
}
