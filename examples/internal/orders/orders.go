// Package orders stands for a merchant's orders in the examples: one table, in the
// same SQLite file as the inbox.
package orders

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/payack/payack"
)

// Orders are what customers were asked to pay. They are safe for concurrent
// use.
type Orders struct{ db *sql.DB }

// Open creates the table if there is none. The table has two open orders to try.
func Open(ctx context.Context, db *sql.DB) (*Orders, error) {
	_, err := db.ExecContext(ctx, `
		CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, amount TEXT NOT NULL, paid INTEGER NOT NULL DEFAULT 0);
		INSERT INTO orders (id, amount) VALUES ('ORD-1', '100.50'), ('ORD-2', '500') ON CONFLICT DO NOTHING`)
	if err != nil {
		return nil, fmt.Errorf("orders: %w", err)
	}
	return &Orders{db}, nil
}

// Expect returns an order's amount, for comparison with an event.
func (o *Orders) Expect(ctx context.Context, ev *payack.PayatomEvent) (payack.Expectation, error) {
	amount, err := amountOf(ctx, o.db, ev.OrderID)
	if errors.Is(err, sql.ErrNoRows) {
		return payack.Expectation{}, nil
	}
	return payack.Expectation{Found: err == nil, Amount: amount}, err
}

// Settle calls the function Settle in a transaction of its own.
func (o *Orders) Settle(ctx context.Context, id string, paid payack.Amount) error {
	tx, err := o.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after the commit
	if err := Settle(ctx, tx, id, paid); err != nil {
		return err
	}
	return tx.Commit()
}

// Settle marks an order as paid. It compares the amount, and settling an order
// again changes nothing. The error is [payack.ErrUnexpected] if there is no such
// order, or if it has another amount.
func Settle(ctx context.Context, tx *sql.Tx, id string, paid payack.Amount) error {
	amount, err := amountOf(ctx, tx, id)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("there is no order %q: %w", id, payack.ErrUnexpected)
	case err != nil:
		return err
	case !amount.Equal(paid):
		return fmt.Errorf("order %q was made out for another amount: %w", id, payack.ErrUnexpected)
	}
	_, err = tx.ExecContext(ctx, `UPDATE orders SET paid = 1 WHERE id = ?`, id)
	return err
}

// Paid reports whether an order was settled.
func (o *Orders) Paid(ctx context.Context, id string) (paid bool, err error) {
	err = o.db.QueryRowContext(ctx, `SELECT paid FROM orders WHERE id = ?`, id).Scan(&paid)
	return paid, err
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func amountOf(ctx context.Context, db querier, id string) (payack.Amount, error) {
	var amount string
	err := db.QueryRowContext(ctx, `SELECT amount FROM orders WHERE id = ?`, id).Scan(&amount)
	return payack.NewAmount(amount), err
}
