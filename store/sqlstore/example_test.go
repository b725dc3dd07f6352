package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	stdlog "log"
	"net/http"
	"os"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/store/sqlstore"
)

// mount makes a handler of PTS callbacks on the merchant's pool.
func mount(ctx context.Context, db *sql.DB, d sqlstore.Dialect, pts handlers.PTSConfig, settle func(context.Context, *sql.Tx, *payack.PTSEvent) error) (http.Handler, error) {
	cfg := sqlstore.Config{DB: db, Dialect: d}
	if err := sqlstore.Migrate(ctx, cfg); err != nil {
		return nil, err
	}
	store, err := sqlstore.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	pts.Store = store
	return handlers.NewPTS(pts, sqlstore.InTx(settle))
}

// PostgreSQL, with pgx's driver for database/sql.
func ExampleInTx_postgreSQL() {
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL")) // postgres://shop@host/shop
	if err != nil {
		stdlog.Fatal(err)
	}
	db.SetMaxOpenConns(32) // the server must accept as many connections from each replica
	h, err := mount(context.Background(), db, sqlstore.PostgreSQL, handlers.PTSConfig{ /* keys */ },
		func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
			if !ev.Paid() {
				return nil
			}
			_, err := tx.ExecContext(ctx, `UPDATE orders SET paid = $1 WHERE id = $2`, ev.AcceptAmount.String(), ev.OrderID)
			return err // an error rolls back the writes and the mark, and the provider delivers again
		})
	if err != nil {
		stdlog.Fatal(err)
	}
	http.Handle("POST /callbacks/pts", h)
}

// MariaDB, with go-sql-driver.
func ExampleInTx_mariaDB() {
	db, err := sql.Open("mysql", os.Getenv("DATABASE_DSN")) // shop:password@tcp(host)/shop
	if err != nil {
		stdlog.Fatal(err)
	}
	db.SetMaxOpenConns(32)
	h, err := mount(context.Background(), db, sqlstore.MySQL, handlers.PTSConfig{ /* keys */ },
		func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
			if !ev.Paid() {
				return nil
			}
			// Return every error: a deadlock has rolled the transaction back.
			_, err := tx.ExecContext(ctx, `UPDATE orders SET paid = ? WHERE id = ?`, ev.AcceptAmount.String(), ev.OrderID)
			return err
		})
	if err != nil {
		stdlog.Fatal(err)
	}
	http.Handle("POST /callbacks/pts", h)
}

// SQLite with modernc's driver. The pragmas matter: without them a power failure
// loses commits, and concurrent writers fail.
func ExampleInTx_sqlite() {
	folder, err := os.MkdirTemp("", "shop")
	if err != nil {
		stdlog.Fatal(err)
	}
	defer os.RemoveAll(folder)
	db, err := sql.Open("sqlite", "file:"+folder+"/shop.db?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		stdlog.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`CREATE TABLE payments (order_id TEXT, amount TEXT)`); err != nil {
		stdlog.Fatal(err)
	}
	keys := payacktest.NewPTSKeys()
	h, err := mount(context.Background(), db, sqlstore.SQLite, keys.Config(),
		func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
			if !ev.Paid() {
				return nil
			}
			_, err := tx.ExecContext(ctx, `INSERT INTO payments VALUES (?, ?)`, ev.OrderID, ev.AcceptAmount.String())
			return err
		})
	if err != nil {
		stdlog.Fatal(err)
	}
	callback, err := payacktest.PTS(keys).Order("ORD-1").Amount("100.50").Build()
	if err != nil {
		stdlog.Fatal(err)
	}
	for range 3 {
		callback.Deliver(h)
	}
	var payments int
	if err := db.QueryRow(`SELECT COUNT(*) FROM payments`).Scan(&payments); err != nil {
		stdlog.Fatal(err)
	}
	fmt.Println(payments, "payment")
	// Output: 1 payment
}

// Conn leads to pgx's own connection, so pgx's features can be used in the same
// transaction.
func ExampleConn() {
	_ = sqlstore.InTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
		conn, _ := sqlstore.Conn(ctx)
		return conn.Raw(func(driver any) error {
			_, err := driver.(*stdlib.Conn).Conn().Exec(ctx, `UPDATE orders SET paid = true WHERE id = $1`, ev.OrderID)
			return err
		})
	})
}
