package orm_test

import (
	"context"
	"database/sql"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"

	"github.com/payack/payack"
)

type bunPayment struct {
	bun.BaseModel `bun:"table:payments"`
	OrderID       string `bun:"order_id"`
	Amount        string
}

// With bun, Conn runs a query on the transaction. The query then doesn't use the pool
// of bun's DB. In this example that pool is an empty sql.DB.
func Example_bun() {
	shop := bun.NewDB(new(sql.DB), sqlitedialect.New())
	receive(func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
		_, err := shop.NewInsert().Conn(tx).Model(&bunPayment{OrderID: ev.OrderID, Amount: ev.AcceptAmount.String()}).Exec(ctx)
		return err
	})
	// Output: ORD1000001 100.50
}
