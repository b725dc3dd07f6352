// A stranger's program: a limiter without its Redis decides by itself.
package main

import (
	"context"
	"log"

	"github.com/payack/payack/ratelimit"
	"github.com/payack/payack/ratelimit/redislimit"
)

func main() {
	limiter, err := redislimit.Open("redis://127.0.0.1:1", redislimit.Config{
		Budget: ratelimit.Config{PerSecond: 1, Burst: 1},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer limiter.Close()
	if _, err := limiter.Allow(context.Background(), "key"); err != nil {
		log.Fatal(err)
	}
}
