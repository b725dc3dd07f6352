package crashtest

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/payacktest"
)

// Quiet logs nothing.
var Quiet = slog.New(slog.DiscardHandler)

// Fatal is the order for which the function ends the process.
const Fatal = "FATAL"

// MakeTables creates the merchant's tables. They have no unique column, so that a
// second effect shows as a second row.
func MakeTables(t testing.TB, db *sql.DB) {
	t.Helper()
	for _, table := range []string{"effects", "mails"} {
		_, err := db.Exec(`CREATE TABLE IF NOT EXISTS ` + table + ` (id VARCHAR(200) NOT NULL)`)
		require.NoError(t, err)
	}
}

// Serve runs two receivers until the process is killed, and prints their address.
// The function of PTS writes into the table effects in the event's transaction.
// The function of Payatom writes into the table mails outside of any transaction
// of the event.
func Serve(in payack.Inbox, run func(context.Context) error, db *sql.DB, d inbox.Dialect) error {
	pts := payacktest.NewPTSKeys().Config()
	pts.Options = handlers.Options{Inbox: in, Name: "pts", Logger: Quiet}
	exactly, err := handlers.NewPTS(pts, inbox.InTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
		_, err := tx.ExecContext(ctx, d.Rebind(`INSERT INTO effects (id) VALUES (?)`), ev.OrderID)
		return err
	}))
	if err != nil {
		return err
	}
	atom := payacktest.NewPayatomKeys().Config()
	atom.Options = handlers.Options{Inbox: in, Name: "payatom", Logger: Quiet}
	least, err := handlers.NewPayatom(atom, func(ctx context.Context, ev *payack.PayatomEvent) error {
		if ev.OrderID == Fatal {
			os.Exit(3)
		}
		_, err := db.ExecContext(ctx, d.Rebind(`INSERT INTO mails (id) VALUES (?)`), ev.OrderID)
		return err
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/pts", exactly)
	mux.Handle("/payatom", least)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = run(context.Background()) }()
	fmt.Println("http://" + l.Addr().String())
	return http.Serve(l, mux)
}
