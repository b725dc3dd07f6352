package reconcile

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
)

// Answer is what a provider says of an order, and what came of it.
type Answer struct {
	// Event is what the callback would have said, with how it was verified. It is nil
	// where the provider has no callback for what it says (Ptop, while a payment is
	// pending).
	Event payack.Event
	// Status is the provider's own word or number, and Amount the sum that it names.
	Status string
	Amount payack.Amount
	// Signed reports whether the provider has signed the answer; it did verify then.
	// What isn't signed is as good as the TLS connection.
	Signed bool
	// Delivered reports whether the event was handed to the receiver, and
	// Observation what came of it: with an inbox, accepted is kept.
	Delivered   bool
	Observation payack.Observation
}

// Paid reports whether the provider says that the money came in.
func (a *Answer) Paid() bool { return a.Event != nil && a.Event.Paid() }

// Final reports whether what it says does not change again.
func (a *Answer) Final() bool { return a.Event != nil && a.Event.Final() }

// Ask asks about one order at once, within the rate, and hands what is paid or final
// to the receiver, as Run does. It is for a support desk: the order needs not be in
// the source, nor have a time.
//
// The error is that of the question: an *[client.Error], one that says what the
// order lacks, or the context's. What became of the event is no error of Ask:
// Observation has it.
func (r *Reconciler) Ask(ctx context.Context, o Order) (Answer, error) { return r.now(ctx, o, true) }

// Look is Ask, and hands nothing on.
func (r *Reconciler) Look(ctx context.Context, o Order) (Answer, error) { return r.now(ctx, o, false) }

func (r *Reconciler) now(ctx context.Context, o Order, deliver bool) (Answer, error) {
	a, err := r.find(&o)
	if err != nil {
		return Answer{}, fmt.Errorf("reconcile: %w", err)
	}
	if err := r.limiters[o.Provider].turn(ctx); err != nil {
		return Answer{}, fmt.Errorf("reconcile: %w", err)
	}
	return r.ask(ctx, a, &o, deliver)
}

// ask asks about an order, and has the receiver told of what it was answered.
func (r *Reconciler) ask(ctx context.Context, a *account, o *Order, deliver bool) (Answer, error) {
	r.counts.asked.Add(1)
	answer, err := a.answer(ctx, o)
	if err != nil {
		if deliver {
			r.failed(ctx, a, o, err)
		}
		return Answer{}, err
	}
	if deliver && answer.Event != nil && (r.cfg.NotFinal || answer.Paid() || answer.Final()) {
		r.deliver(ctx, a, o, &answer)
	}
	return answer, nil
}

// Look asks about an order without a [Reconciler], and hands nothing on. It heeds no
// rate and not the account's name, and needs no receiver: without one the event has
// the order's tenant. The error is that of [Reconciler.Ask].
func (a Account) Look(ctx context.Context, o Order) (Answer, error) {
	switch {
	case a.ask == nil:
		return Answer{}, errors.New("reconcile: the account has no client; look at the error that its constructor returned")
	case o.Provider != a.provider:
		return Answer{}, fmt.Errorf("reconcile: the order is of %q, and the account of %s", string(o.Provider), a.provider)
	}
	if err := a.askable(&o); err != nil {
		return Answer{}, fmt.Errorf("reconcile: %w", err)
	}
	return a.answer(ctx, &o)
}

// answer asks about an order.
func (a *Account) answer(ctx context.Context, o *Order) (Answer, error) {
	tenant, err := a.tenant(o)
	if err != nil { // checked before
		return Answer{}, err
	}
	found, err := a.ask(ctx, *o, tenant)
	if err == nil && found.event != nil && found.event.Order() != o.OrderID {
		err = otherOrder(o.Provider, "query")
	}
	if err != nil {
		return Answer{}, err
	}
	return Answer{Event: found.event, Status: found.status, Amount: found.amount, Signed: found.signed}, nil
}

// deliver hands an event to the receiver.
func (r *Reconciler) deliver(ctx context.Context, a *account, o *Order, answer *Answer) {
	now := time.Now()
	d := &payack.Delivery{Provider: o.Provider, Source: payack.SourceQuery, Received: now, Event: answer.Event}
	answer.Delivered = true
	// Deferred, because the function may end the goroutine.
	defer func() {
		answer.Observation.Age = o.age(now)
		if answer.Observation.Outcome == payack.OutcomeAccepted && answer.Paid() {
			r.counts.found.Add(1)
		}
		a.receiver.Observe(ctx, &answer.Observation)
	}()
	_ = a.receiver.Deliver(ctx, d, &answer.Observation) // which has the error
}

// failed has the receiver tell its log and observer of a question without a usable
// answer. That the provider knows no such order (yet) is one.
func (r *Reconciler) failed(ctx context.Context, a *account, o *Order, err error) {
	switch {
	case ctx.Err() != nil || errors.Is(err, client.ErrNotFound):
		return
	case errors.Is(err, client.ErrRequest):
		r.cannot(o, err)
		return
	}
	now := time.Now()
	reason := reasonOf(err)
	a.receiver.Observe(ctx, &payack.Observation{
		Delivery: &payack.Delivery{Provider: o.Provider, Source: payack.SourceQuery, Received: now},
		Outcome:  reason.Outcome(), Reason: reason, Age: o.age(now),
		Err: &payack.Error{Provider: o.Provider, Stage: payack.StageGuard, Reason: reason, Err: err, Detail: "the question about an open order has no usable answer"},
	})
}

// reasonOf is the reason that goes with a client's error.
func reasonOf(err error) payack.Reason {
	for _, kind := range []struct {
		is     error
		reason payack.Reason
	}{
		{payack.ErrSignature, payack.ReasonSignature},
		{payack.ErrEnvelope, payack.ReasonEnvelope},
		{payack.ErrMalformed, payack.ReasonMalformed},
		{payack.ErrInvalid, payack.ReasonInvalid},
		{client.ErrMismatch, payack.ReasonUnconfirmed},
	} {
		if errors.Is(err, kind.is) {
			return kind.reason
		}
	}
	return payack.ReasonUnreachable
}

// unwell reports whether an error says that the provider, or what it knows us by,
// doesn't work, whatever the order.
func unwell(err error) bool {
	for _, kind := range []error{
		client.ErrUnreachable, client.ErrRedirect, client.ErrResponse,
		client.ErrUnauthorized, client.ErrRequestSignature, client.ErrDecryption, client.ErrAddress,
		client.ErrQuota, client.ErrService, client.ErrGateway,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return errors.Is(err, client.ErrStatus) && !refuses(err)
}

// ofOrder reports whether an error says something of the order that was asked about:
// that the provider doesn't know it, or that it can't be asked about at all.
func ofOrder(err error) bool {
	if errors.Is(err, client.ErrNotFound) || errors.Is(err, client.ErrRequest) {
		return true
	}
	// Ptop has no other word for an order that it doesn't know than its 400. Other
	// refusals may be about us, such as our clock, or about nothing.
	var said *client.Error
	return errors.As(err, &said) && said.Kind == client.ErrDeclined && said.Cause == client.ErrField && said.Code == ""
}

// refuses reports whether an HTTP status is one that may be about the order alone.
func refuses(err error) bool {
	var said *client.Error
	return errors.As(err, &said) && (said.Status == http.StatusNotFound || said.Status == http.StatusBadRequest)
}

// otherOrder is the error of an answer about another order.
func otherOrder(p payack.Provider, call string) error {
	return &client.Error{Provider: p, Call: call, Kind: client.ErrMismatch, Detail: "order_id is not the one that was asked for"}
}
