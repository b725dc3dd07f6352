package echopayack_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/labstack/echo/v5"
	echomiddleware "github.com/labstack/echo/v5/middleware"

	"github.com/payack/payack"
	"github.com/payack/payack/adapt/adapttest"
	"github.com/payack/payack/adapt/echopayack"
	"github.com/payack/payack/middleware"
)

func TestConformance(t *testing.T) {
	serve := func(t testing.TB, h echo.HandlerFunc, m ...echo.MiddlewareFunc) string {
		e := quiet()
		e.Use(echomiddleware.Recover())
		e.POST("/callbacks/:tenant", h, m...)
		return adapttest.Serve(t, e)
	}
	adapttest.Run(t, adapttest.Framework{
		Handler: func(t testing.TB, h http.Handler) string { return serve(t, echopayack.Handler(h)) },
		Wrap: func(t testing.TB, rc *middleware.Receiver[*payack.PayatomEvent], shop adapttest.Shop) string {
			return serve(t, func(c *echo.Context) error {
				body, err := io.ReadAll(c.Request().Body)
				if err != nil {
					t.Error(err)
				}
				answer, err := shop(c.Request().Context(), adapttest.Seen{
					Tenant: c.Param("tenant"), Body: string(body), Order: c.QueryParam("order_id"),
				})
				if answer != nil {
					if err := c.Blob(answer.Status, answer.ContentType, []byte(answer.Body)); err != nil {
						t.Error(err)
					}
				}
				return err
			}, echopayack.Wrap(rc))
		},
	})
}

// echo.WrapHandler mounts a handler correctly, too.
func TestWrapHandler(t *testing.T) {
	adapttest.Run(t, adapttest.Framework{Handler: func(t testing.TB, h http.Handler) string {
		e := quiet()
		e.POST("/callbacks/:tenant", echo.WrapHandler(h))
		return adapttest.Serve(t, e)
	}})
}
