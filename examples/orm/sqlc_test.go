package orm_test

import (
	"context"
	"database/sql"

	"github.com/payack/payack"
)

// DBTX, Queries and InsertPayment are as sqlc generates them.
type DBTX interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
	PrepareContext(context.Context, string) (*sql.Stmt, error)
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
	QueryRowContext(context.Context, string, ...any) *sql.Row
}

type Queries struct{ db DBTX }

func New(db DBTX) *Queries { return &Queries{db: db} }

func (q *Queries) WithTx(tx *sql.Tx) *Queries { return &Queries{db: tx} }

type InsertPaymentParams struct{ OrderID, Amount string }

func (q *Queries) InsertPayment(ctx context.Context, arg InsertPaymentParams) error {
	_, err := q.db.ExecContext(ctx, `INSERT INTO payments (order_id, amount) VALUES (?, ?)`, arg.OrderID, arg.Amount)
	return err
}

// The Queries that sqlc generates for database/sql accept the transaction unchanged.
func Example_sqlc() {
	receive(func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
		return New(tx).InsertPayment(ctx, InsertPaymentParams{ev.OrderID, ev.AcceptAmount.String()})
	})
	// Output: ORD1000001 100.50
}
