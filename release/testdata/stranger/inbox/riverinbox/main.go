// A stranger's program: module riverinbox refuses an inbox that is not on
// PostgreSQL.
package main

import (
	"context"
	"database/sql"
	"log"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/payack/payack"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/inbox/riverinbox"
)

var _ payack.Inbox = (*riverinbox.Inbox)(nil)

func main() {
	db, err := sql.Open("pgx", "postgres://127.0.0.1:1/orders?connect_timeout=2")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := riverinbox.Open(ctx, riverinbox.Config{Inbox: inbox.Config{DB: db}}); err == nil {
		log.Fatal("opened without a database")
	}
	_, err = riverinbox.Open(ctx, riverinbox.Config{Inbox: inbox.Config{DB: db, Dialect: inbox.MySQL}})
	if err == nil || !strings.Contains(err.Error(), "PostgreSQL") {
		log.Fatal("River was to work on MySQL: ", err)
	}
}
