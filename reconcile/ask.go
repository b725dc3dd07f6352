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

// Answer is a provider's answer about an order, and the receiver's outcome.
type Answer struct {
	// Event is the event that the callback would have had. It is nil if the provider
	// sends no callback in this state (Ptop, while a payment is pending).
	Event payack.Event
	// Status is the provider's word or number for the state. Amount is the amount in
	// the answer.
	Status string
	Amount payack.Amount
	// Signed reports whether the answer was signed and verified. Only the TLS
	// connection authenticates an answer that is not signed.
	Signed bool
	// Delivered reports whether the event was passed to the receiver. Observation is
	// the receiver's outcome. With an inbox, accepted means that the inbox keeps the
	// event.
	Delivered   bool
	Observation payack.Observation
}

// Paid reports whether the provider says that the money came in, or for a withdraw,
// that it went out.
func (a *Answer) Paid() bool { return a.Event != nil && a.Event.Paid() }

// Final reports whether the provider says that the state will not change again.
func (a *Answer) Final() bool { return a.Event != nil && a.Event.Final() }

// Ask asks about one order now and, like Run, passes an answer that is paid or
// final to the receiver. It waits for its turn at the configured rate. It is
// meant for a support desk: the source need not list the order, and Created may
// be zero.
//
// The error is a *[client.Error], the context's error, or one that names what is
// wrong with the order. A failure of the receiver is not an error: see
// Answer.Observation.
func (r *Reconciler) Ask(ctx context.Context, o Order) (Answer, error) { return r.now(ctx, o, true) }

// Look is Ask without passing anything to the receiver.
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

// ask asks about an order. If deliver is set, it passes an event that is paid or
// final (with Config.NotFinal, any event) to the receiver, and an error to the
// receiver's observer.
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

// Look asks about an order without a [Reconciler] and passes nothing to a receiver.
// It ignores the rate and the account's name. The account may have a nil receiver;
// the event then has the order's tenant. The errors are those of [Reconciler.Ask].
func (a Account) Look(ctx context.Context, o Order) (Answer, error) {
	switch {
	case a.ask == nil:
		return Answer{}, errors.New("reconcile: the account has no client; look at the error that its constructor returned")
	case o.Provider != a.provider:
		return Answer{}, fmt.Errorf("reconcile: the order's provider is %q and the account's is %s; ask with an account of the order's provider", string(o.Provider), a.provider)
	}
	if err := a.askable(&o); err != nil {
		return Answer{}, fmt.Errorf("reconcile: %w", err)
	}
	return a.answer(ctx, &o)
}

// answer asks about an order and refuses an answer about another order.
func (a *Account) answer(ctx context.Context, o *Order) (Answer, error) {
	tenant, err := a.tenant(o)
	if err != nil { // unreachable: askable has checked it
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

// deliver passes an event to the receiver.
func (r *Reconciler) deliver(ctx context.Context, a *account, o *Order, answer *Answer) {
	now := time.Now()
	d := &payack.Delivery{Provider: o.Provider, Source: payack.SourceQuery, Received: now, Event: answer.Event}
	answer.Delivered = true
	// Deferred: the merchant's function may end the goroutine.
	defer func() {
		answer.Observation.Age = o.age(now)
		if answer.Observation.Outcome == payack.OutcomeAccepted && answer.Paid() {
			r.counts.found.Add(1)
		}
		a.receiver.Observe(ctx, &answer.Observation)
	}()
	_ = a.receiver.Deliver(ctx, d, &answer.Observation) // Observation has the error
}

// failed tells the receiver's log and observer that a question got no usable
// answer. If the provider says that it does not know the order, the answer is
// usable.
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

// reasonOf returns the reason for a client's error.
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

// unwell reports whether an error concerns the whole account: the provider does not
// work, or refuses our credentials.
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

// ofOrder reports whether an error concerns the order alone: the provider does
// not know the order, or the order can't be asked about.
func ofOrder(err error) bool {
	if errors.Is(err, client.ErrNotFound) || errors.Is(err, client.ErrRequest) {
		return true
	}
	// Ptop answers 400 for a transaction that it does not know. Other refusals may
	// concern the client, such as a wrong clock.
	var said *client.Error
	return errors.As(err, &said) && said.Kind == client.ErrDeclined && said.Cause == client.ErrField && said.Code == ""
}

// refuses reports whether an error has an HTTP status that may concern the order
// alone.
func refuses(err error) bool {
	var said *client.Error
	return errors.As(err, &said) && (said.Status == http.StatusNotFound || said.Status == http.StatusBadRequest)
}

// otherOrder returns the error of an answer about another order.
func otherOrder(p payack.Provider, call string) error {
	return &client.Error{Provider: p, Call: call, Kind: client.ErrMismatch, Detail: "order_id is not that of the request"}
}
