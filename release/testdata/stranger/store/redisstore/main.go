// A stranger's program: a store without its Redis claims nothing.
package main

import (
	"context"
	"log"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/store/redisstore"
)

func main() {
	store, err := redisstore.Open("redis://127.0.0.1:1", redisstore.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	var home payack.Store = store
	if _, err := home.Claim(context.Background(), "id", "fingerprint", time.Minute); err == nil {
		log.Fatal("claimed without a Redis")
	}
}
