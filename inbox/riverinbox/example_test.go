package riverinbox_test

import (
	"context"
	"database/sql"
	"log"
	"net/http"
	"os"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/inbox/riverinbox"
)

// River schedules a receiver's events. Only Open differs from package inbox.
func Example() {
	ctx := context.Background()
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	in, err := riverinbox.Open(ctx, riverinbox.Config{Inbox: inbox.Config{DB: db}})
	if err != nil {
		log.Fatal(err)
	}
	pts, err := handlers.NewPTS(handlers.PTSConfig{
		UserID: "1", Safecode: payack.NewSecret(os.Getenv("PTS_SAFECODE")), PublicKeys: []string{os.Getenv("PTS_PUBLIC_KEY")},
		Options: handlers.Options{Inbox: in},
	}, inbox.InTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
		if !ev.Paid() {
			return nil
		}
		_, err := tx.ExecContext(ctx, `UPDATE orders SET paid = true WHERE id = $1`, ev.OrderID)
		return err // the update commits with the event and its job, or not at all
	}))
	if err != nil {
		log.Fatal(err)
	}
	go func() { _ = in.Run(ctx) }()
	http.Handle("POST /callbacks/pts", pts)
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", nil))
}
