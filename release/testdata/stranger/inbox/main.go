// A stranger's program: one line makes a receiver durable, in a file.
package main

import (
	"context"
	"log"
	"os"
	"path/filepath"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/inbox/sqlite"
)

func main() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "inbox")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	db, err := sqlite.OpenFile(filepath.Join(dir, "payack.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	in, err := inbox.Open(ctx, inbox.Config{DB: db, Dialect: sqlite.Dialect})
	if err != nil {
		log.Fatal(err)
	}
	defer in.Close()
	config := handlers.PtopConfig{SigningKeys: payack.Secrets("throwaway"), ConfirmInCallback: true, Options: handlers.Options{Inbox: in}}
	settle := func(context.Context, *payack.PtopEvent) error { return nil }
	if _, err := handlers.NewPtop(config, settle); err != nil {
		log.Fatal(err)
	}
	if _, err := handlers.NewPtop(config, settle); err == nil {
		log.Fatal("two receivers have one name")
	}
	if err := in.Drain(ctx); err != nil {
		log.Fatal(err)
	}
}
