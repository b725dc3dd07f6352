// Package orders stands for a merchant's database in the examples. Replace it:
// this one forgets everything when the program ends.
package orders

import (
	"context"
	"errors"
	"sync"

	"github.com/payack/payack"
)

// Orders are what customers were asked to pay. They are safe for concurrent
// use.
type Orders struct {
	mu      sync.Mutex
	amounts map[string]payack.Amount
	settled map[string]bool
}

// New returns open orders: their ids with their amounts.
func New(amounts map[string]string) *Orders {
	o := &Orders{amounts: map[string]payack.Amount{}, settled: map[string]bool{}}
	for id, amount := range amounts {
		o.amounts[id] = payack.NewAmount(amount)
	}
	return o
}

// Expect returns what an order was made out for.
func (o *Orders) Expect(_ context.Context, ev *payack.PayatomEvent) (payack.Expectation, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	amount, found := o.amounts[ev.OrderID]
	return payack.Expectation{Found: found, Amount: amount}, nil
}

// Settle marks an order as paid. It compares the amount, and settling an order
// again changes nothing: providers send again, and payack's own memory of what
// was processed ends with the process.
func (o *Orders) Settle(_ context.Context, id string, paid payack.Amount) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	amount, found := o.amounts[id]
	switch {
	case !found:
		return errors.New("there is no such order")
	case !amount.Equal(paid):
		return errors.New("the order was made out for another amount")
	}
	o.settled[id] = true
	return nil
}

// Settled reports whether an order was marked as paid.
func (o *Orders) Settled(id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.settled[id]
}
