package orm_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/store/sqlstore"
)

// receive delivers a callback three times, and prints the table of payments. The first
// time, the receiver's function fails after it has called settle, which has written the
// payment. So the payment is rolled back.
func receive(settle func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error) {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "example")
	check(err)
	defer os.RemoveAll(folder)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(folder, "shop.db")+"?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	check(err)
	defer db.Close()
	_, err = db.ExecContext(ctx, `CREATE TABLE payments (order_id TEXT, amount TEXT)`)
	check(err)

	cfg := sqlstore.Config{DB: db, Dialect: sqlstore.SQLite}
	check(sqlstore.Migrate(ctx, cfg))
	store, err := sqlstore.Open(ctx, cfg)
	check(err)
	keys := payacktest.NewPTSKeys()
	receiver := keys.Config()
	receiver.Options = handlers.Options{Store: store, Logger: slog.New(slog.DiscardHandler)}
	failed := false
	h, err := handlers.NewPTS(receiver, sqlstore.InTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
		if err := settle(ctx, tx, ev); err != nil || failed {
			return err
		}
		failed = true
		return fmt.Errorf("after the payment was written")
	}))
	check(err)
	callback := payacktest.PTS(keys)
	for range 3 {
		cb, err := callback.Build()
		check(err)
		cb.Deliver(h)
	}

	rows, err := db.QueryContext(ctx, `SELECT order_id, amount FROM payments`)
	check(err)
	defer rows.Close()
	for rows.Next() {
		var order, amount string
		check(rows.Scan(&order, &amount))
		fmt.Println(order, amount)
	}
	check(rows.Err())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
