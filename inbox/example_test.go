package inbox_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/inbox/sqlite"
	"github.com/payack/payack/payacktest"
)

// A receiver's events outlive the process. The function's writes commit with the
// event, or not at all.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dir, _ := os.MkdirTemp("", "shop")
	defer os.RemoveAll(dir)

	db, err := sqlite.OpenFile(filepath.Join(dir, "payack.db"))
	if err != nil {
		panic(err)
	}
	defer db.Close()
	if _, err := db.Exec(`CREATE TABLE orders (id TEXT PRIMARY KEY, paid TEXT); INSERT INTO orders (id) VALUES ('ORD-1')`); err != nil {
		panic(err)
	}

	in, err := inbox.Open(ctx, inbox.Config{DB: db, Dialect: sqlite.Dialect, Logger: quiet})
	if err != nil {
		panic(err)
	}
	keys := payacktest.NewPTSKeys() // in production, the keys from PTS
	config := keys.Config()
	config.Options = handlers.Options{Inbox: in, Logger: quiet} // events outlive the process
	pts, err := handlers.NewPTS(config, inbox.InTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
		if !ev.Paid() {
			return nil
		}
		done, err := tx.ExecContext(ctx, `UPDATE orders SET paid = ? WHERE id = ? AND paid IS NULL`, ev.AcceptAmount.String(), ev.OrderID)
		if err != nil {
			return err // tried again
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return payack.ErrUnexpected // no open order: tried again for 15 minutes, then kept for a person
		}
		return nil // commits together with the mark that the event is done
	}))
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /callbacks/pts", pts)
	done := make(chan error)
	go func() { done <- in.Run(ctx) }()

	// PTS delivers a callback.
	server := httptest.NewServer(mux)
	defer server.Close()
	callback, _ := payacktest.PTS(keys).Order("ORD-1").Amount("100.50").Build()
	res, err := callback.Post(ctx, nil, server.URL+"/callbacks/pts")
	if err != nil {
		panic(err)
	}
	fmt.Println(res.StatusCode)

	var paid sql.NullString
	for !paid.Valid { // processed a moment later
		time.Sleep(time.Millisecond)
		_ = db.QueryRow(`SELECT paid FROM orders`).Scan(&paid)
	}
	fmt.Println("paid", paid.String)
	cancel()
	fmt.Println(<-done)
	// Output:
	// 200
	// paid 100.50
	// <nil>
}
