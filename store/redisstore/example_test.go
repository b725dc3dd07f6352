package redisstore_test

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/store/redisstore"
)

// Replicas share a store on Redis. For each event, the function runs in one replica
// at a time, and never again once it has returned nil.
func Example() {
	store, err := redisstore.Open(os.Getenv("REDIS_URL"), redisstore.Config{})
	if err != nil {
		fmt.Println(err) // an invalid URL; Redis is not called yet
		return
	}
	defer store.Close()
	pts, err := handlers.NewPTS(handlers.PTSConfig{
		Safecode: payack.NewSecret(os.Getenv("PTS_SAFECODE")), PublicKeys: []string{os.Getenv("PTS_PUBLIC_KEY")},
		Options: handlers.Options{Store: store},
	}, func(context.Context, *payack.PTSEvent) error { return nil })
	if err != nil {
		fmt.Println(err)
		return
	}
	http.Handle("POST /callbacks/pts", pts)
}
