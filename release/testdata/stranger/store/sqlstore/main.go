// A stranger's program: a store wants a database, and InTx the store.
package main

import (
	"context"
	"database/sql"
	"log"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/store/sqlstore"
)

func main() {
	if _, err := sqlstore.Open(context.Background(), sqlstore.Config{Dialect: sqlstore.SQLite}); err == nil {
		log.Fatal("opened without a database")
	}
	if len(sqlstore.Schema(sqlstore.PostgreSQL, "")) == 0 {
		log.Fatal("no schema")
	}
	settle := sqlstore.InTx(func(context.Context, *sql.Tx, *payack.PtopEvent) error { return nil })
	_, err := handlers.NewPtop(handlers.PtopConfig{SigningKeys: payack.Secrets("throwaway"), ConfirmInCallback: true}, settle)
	if err == nil {
		log.Fatal("a function in a transaction was mounted without the store")
	}
}
