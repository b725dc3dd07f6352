package echopayack_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/labstack/echo/v5"

	"github.com/payack/payack"
	"github.com/payack/payack/adapt/echopayack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
)

// An existing handler stays as it is: if it returns an error, PTS delivers again.
func ExampleWrap() {
	keys := payacktest.NewPTSKeys() // in production, from the environment
	rc, err := middleware.NewPTS(middleware.PTSConfig{
		UserID: keys.UserID, Safecode: keys.Safecode, PublicKeys: []string{keys.PublicKey},
	})
	if err != nil {
		fmt.Println(err) // an empty key is refused here, not while serving
		return
	}
	e := echo.New()
	e.POST("/callbacks/pts", func(c *echo.Context) error {
		ev, _ := payack.EventFrom[*payack.PTSEvent](c.Request().Context())
		fmt.Println(ev.OrderID, ev.AcceptAmount)
		return nil
	}, echopayack.Wrap(rc))

	paid, _ := payacktest.PTS(keys).Order("ORD-1").Amount("100.50").Build()
	answer := httptest.NewRecorder()
	e.ServeHTTP(answer, paid.Request("/callbacks/pts"))
	fmt.Println(answer.Body)
	// Output:
	// ORD-1 100.50
	// SUCCESS
}

func ExampleHandler() {
	keys := payacktest.NewPTSKeys() // in production, from the environment
	h, err := handlers.NewPTS(handlers.PTSConfig{
		UserID: keys.UserID, Safecode: keys.Safecode, PublicKeys: []string{keys.PublicKey},
	}, func(_ context.Context, ev *payack.PTSEvent) error {
		fmt.Println(ev.OrderID, ev.AcceptAmount)
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	e := echo.New()
	e.POST("/callbacks/pts", echopayack.Handler(h))

	paid, _ := payacktest.PTS(keys).Order("ORD-1").Amount("100.50").Build()
	answer := httptest.NewRecorder()
	e.ServeHTTP(answer, paid.Request("/callbacks/pts"))
	fmt.Println(answer.Body)
	// Output:
	// ORD-1 100.50
	// SUCCESS
}
