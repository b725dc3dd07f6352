package orm_test

import (
	"context"
	"database/sql"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"

	"github.com/payack/payack"
)

// ent's generated client takes a driver on the transaction:
//
//	client := ent.NewClient(ent.Driver(entsql.NewDriver(dialect.Postgres, entsql.Conn{ExecQuerier: tx})))
//	err := client.Payment.Create().SetOrderID(ev.OrderID).Exec(ctx)
//
// This example has no generated client, so it builds the statement with ent's SQL
// builder. Do not call the client's Tx.
func Example_ent() {
	receive(func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
		driver := entsql.NewDriver(dialect.SQLite, entsql.Conn{ExecQuerier: tx})
		query, args := entsql.Dialect(dialect.SQLite).Insert("payments").Columns("order_id", "amount").Values(ev.OrderID, ev.AcceptAmount.String()).Query()
		return driver.Exec(ctx, query, args, nil)
	})
	// Output: ORD1000001 100.50
}
