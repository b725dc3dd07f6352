package ginpayack_test

import (
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/payack/payack"
	"github.com/payack/payack/adapt/adapttest"
	"github.com/payack/payack/adapt/ginpayack"
	"github.com/payack/payack/middleware"
)

func TestConformance(t *testing.T) {
	serve := func(t testing.TB, handlers ...gin.HandlerFunc) string {
		engine := gin.New()
		engine.Use(gin.Recovery())
		engine.POST("/callbacks/:tenant", handlers...)
		return adapttest.Serve(t, engine)
	}
	adapttest.Run(t, adapttest.Framework{
		Handler: func(t testing.TB, h http.Handler) string { return serve(t, ginpayack.Handler(h)) },
		Wrap: func(t testing.TB, rc *middleware.Receiver[*payack.PayatomEvent], shop adapttest.Shop) string {
			return serve(t, ginpayack.Wrap(rc), func(c *gin.Context) {
				body, err := c.GetRawData()
				if err != nil {
					t.Error(err)
				}
				answer, err := shop(c.Request.Context(), adapttest.Seen{
					Tenant: c.Param("tenant"), Body: string(body), Order: c.Query("order_id"),
				})
				if err != nil {
					_ = c.Error(err)
				}
				if answer != nil {
					c.Data(answer.Status, answer.ContentType, []byte(answer.Body))
				}
			})
		},
	})
}
