package ginpayack_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/gin-gonic/gin"

	"github.com/payack/payack"
	"github.com/payack/payack/adapt/ginpayack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
)

// An existing handler stays as it is: if it attaches an error to gin's context,
// PTS delivers again.
func ExampleWrap() {
	keys := payacktest.NewPTSKeys() // in production, from the environment
	rc, err := middleware.NewPTS(middleware.PTSConfig{
		UserID: keys.UserID, Safecode: keys.Safecode, PublicKeys: []string{keys.PublicKey},
	})
	if err != nil {
		fmt.Println(err) // an empty key is refused here, not while serving
		return
	}
	router := gin.New()
	router.POST("/callbacks/pts", ginpayack.Wrap(rc), func(c *gin.Context) {
		ev, _ := payack.EventFrom[*payack.PTSEvent](c.Request.Context())
		if err := settle(ev); err != nil {
			_ = c.Error(err) // PTS is asked to send again
		}
	})

	paid, _ := payacktest.PTS(keys).Order("ORD-1").Amount("100.50").Build()
	answer := httptest.NewRecorder()
	router.ServeHTTP(answer, paid.Request("/callbacks/pts"))
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
	router := gin.New()
	router.POST("/callbacks/pts", ginpayack.Handler(h))

	paid, _ := payacktest.PTS(keys).Order("ORD-1").Amount("100.50").Build()
	answer := httptest.NewRecorder()
	router.ServeHTTP(answer, paid.Request("/callbacks/pts"))
	fmt.Println(answer.Body)
	// Output:
	// ORD-1 100.50
	// SUCCESS
}

func settle(ev *payack.PTSEvent) error {
	_, err := fmt.Println(ev.OrderID, ev.AcceptAmount)
	return err
}
