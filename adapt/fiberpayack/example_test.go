package fiberpayack_test

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/gofiber/fiber/v3"

	"github.com/payack/payack"
	"github.com/payack/payack/adapt/fiberpayack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/payacktest"
)

func ExampleHandler() {
	keys := payacktest.NewPTSKeys() // in production, from the environment
	h, err := handlers.NewPTS(handlers.PTSConfig{
		UserID: keys.UserID, Safecode: keys.Safecode, PublicKeys: []string{keys.PublicKey},
	}, func(_ context.Context, ev *payack.PTSEvent) error {
		fmt.Println(ev.OrderID, ev.AcceptAmount)
		return nil
	})
	if err != nil {
		fmt.Println(err) // an empty key is refused here, not while serving
		return
	}
	app := fiber.New(fiber.Config{ReadTimeout: 5 * time.Second, BodyLimit: 64 << 10})
	app.Post("/callbacks/pts", fiberpayack.Handler(h))

	paid, _ := payacktest.PTS(keys).Order("ORD-1").Amount("100.50").Build()
	answer, err := app.Test(paid.Request("/callbacks/pts"), fiber.TestConfig{Timeout: 0})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	fmt.Println(string(text))
	// Output:
	// ORD-1 100.50
	// SUCCESS
}
