package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/reconcile"
)

// asker is a section whose provider can be asked about an order.
type asker interface {
	// account returns the account that the section's confirm describes. receiver
	// takes the answers; it may be nil. If a question needs the provider's id of
	// the payment besides the order, handle is the provider's name for that id.
	// Otherwise handle is empty.
	account(receiver *middleware.Handler) (a reconcile.Account, handle string, err error)
}

// errNoConfirm is the error for a section without confirm.
var errNoConfirm = errors.New("confirm: it is missing, and says whom to ask and as who; payack config -example shows it")

func runAsk(ctx context.Context, std stdio, args []string) error {
	fs := newFlags(std, "ask", "ask "+providers.Join("|")+" -config FILE ORDER…\n\n"+
		"Asks the provider about orders, by the confirm of the configuration, and shows\n"+
		"what it says. An ORDER is its order_id, of ptop ORDER=TRANSACTION_ID, and of\n"+
		"payatom ORDER=REF_CODE, as the create answered them.",
		"payack ask pts -config payack.json ORD-1")
	file := fs.String("config", "", "the configuration `file` of listen")
	settle := fs.Bool("settle", false, "hands what is paid or final to the inbox; listen then processes it")
	operands, err := parseOperands(fs, args, -1)
	if err != nil {
		return err
	}
	if len(operands) < 2 {
		return usagef("ask: the provider or the orders are missing; give one of %s, and orders", providers.Names())
	}
	c, err := loadConfig(*file)
	if err != nil {
		return err
	}
	p, err := c.provider(operands[0])
	if err != nil {
		return usagef("ask: %w", err)
	}
	asks, ok := c.sections[p].(asker)
	if !ok {
		return usagef("ask: %s can't be asked about an order", p)
	}
	q := questions{config: c, provider: p, std: std}
	var receiver *middleware.Handler
	if *settle {
		l, h, err := c.settling(ctx, p, slog.New(slog.NewTextHandler(std.err, &slog.HandlerOptions{Level: slog.LevelError})))
		if err != nil {
			return err
		}
		defer l.Close()
		receiver = h
	}
	account, handle, err := asks.account(receiver)
	if err != nil {
		return usageError{providerError(p, err)}
	}
	orders, err := ordersOf(p, handle, operands[1:])
	if err != nil {
		return err
	}
	q.ask = account.Look
	if receiver != nil {
		r, err := reconcile.New(reconcile.Config{Orders: noOrders, Accounts: []reconcile.Account{account}})
		if err != nil {
			return usageError{errors.New(reworded(p, err.Error()))}
		}
		q.ask, q.settles = r.Ask, true
	}
	return q.all(ctx, orders)
}

// noOrders is an empty source of orders, because the command line or the inspector
// names each order.
func noOrders(context.Context) iter.Seq2[reconcile.Order, error] {
	return func(func(reconcile.Order, error) bool) {}
}

// settling opens the inbox that listen works on, with a receiver that keeps
// events in it.
func (c *config) settling(ctx context.Context, p payack.Provider, logger *slog.Logger) (*ledger, *middleware.Handler, error) {
	if *c.Database == "" {
		return nil, nil, usagef(`-settle: "database" is "" (memory only), so there is no inbox; give the configuration of a listen that has a database`)
	}
	l, err := c.openLedger(ctx, logger, false)
	if err != nil {
		return nil, nil, err
	}
	h, err := c.handler(p, middleware.Options{Inbox: l, Logger: slog.New(slog.DiscardHandler)}, nothing)
	if err != nil {
		_ = l.Close()
		return nil, nil, usageError{err}
	}
	return l, h, nil
}

// ordersOf parses the orders of the command line.
func ordersOf(p payack.Provider, handle string, texts []string) ([]reconcile.Order, error) {
	orders := make([]reconcile.Order, len(texts))
	for i, text := range texts {
		o := reconcile.Order{Provider: p, OrderID: text}
		if handle != "" {
			at := strings.LastIndexByte(text, '=')
			if at < 1 || at == len(text)-1 {
				return nil, usagef("ask: %s is asked by the %s that the create answered; write %s=%s", p, handle, text, strings.ToUpper(handle))
			}
			o.OrderID, o.Handle = text[:at], text[at+1:]
		}
		orders[i] = o
	}
	return orders, nil
}

// questions asks a provider about the orders of the command line.
type questions struct {
	config   *config
	provider payack.Provider
	std      stdio
	ask      func(context.Context, reconcile.Order) (reconcile.Answer, error)
	settles  bool
}

// all asks about each order. The error says how many orders have no answer, or
// an answer that could not be handed on.
func (q *questions) all(ctx context.Context, orders []reconcile.Order) error {
	failed := 0
	for _, o := range orders {
		answer, err := q.ask(ctx, o)
		var b bytes.Buffer
		fmt.Fprintf(&b, "%s\n", plain(o.OrderID))
		ok := q.show(&b, answer, err)
		if !ok {
			failed++
		}
		if _, err := q.std.out.Write(q.config.redact(b.Bytes())); err != nil {
			return fmt.Errorf("standard output: %w", err)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d orders: see above", failed, len(orders))
	}
	return nil
}

// show writes the result of a question, and reports whether it was a success.
func (q *questions) show(b *bytes.Buffer, a reconcile.Answer, err error) (ok bool) {
	line := func(name, text string) { fmt.Fprintf(b, "  %-9s %s\n", name, plain(text)) }
	if err != nil {
		line("no answer", reworded(q.provider, libraryText(q.provider, err)))
		return false
	}
	says := "status " + a.Status
	if !a.Amount.IsEmpty() {
		says += ", amount " + a.Amount.String()
	}
	line("says", says)
	word := "neither paid nor final"
	switch {
	case a.Paid():
		word = "paid"
	case a.Final():
		word = "final, not paid"
	}
	line("that is", word)
	verified := "not signed: only the TLS connection authenticates it"
	if a.Signed {
		verified = "yes, by the provider's signature (" + string(a.Event.VerifiedBy().Scheme) + ")"
	}
	line("verified", verified)
	if a.Event != nil {
		line("event_id", a.Event.ID())
	}
	if !q.settles {
		return true
	}
	came, ok := q.came(&a)
	line("inbox", came)
	return ok
}

// came returns the result of handing an event on, and whether it was a success.
func (q *questions) came(a *reconcile.Answer) (text string, ok bool) {
	switch o := &a.Observation; {
	case !a.Delivered:
		return "not handed on: it is neither paid nor final", true
	case o.Outcome == payack.OutcomeAccepted:
		return "kept; listen processes it", true
	case o.Outcome == payack.OutcomeDuplicate:
		return "known already: done, or waiting; payack inbox list shows what isn't done", true
	default:
		text = string(cmp.Or(o.Reason, payack.Reason(o.Outcome)))
		if o.Err != nil {
			text = reworded(q.provider, libraryText(q.provider, o.Err))
		}
		return text, false
	}
}
