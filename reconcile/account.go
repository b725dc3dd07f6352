package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
)

// Order is an open order of the merchant.
type Order struct {
	// Provider is the provider to ask. Account is the name of an [Account] of this
	// provider; empty is the account without a name.
	Provider payack.Provider
	Account  string
	// OrderID is the merchant's id of the order. An answer about another order is
	// [client.ErrMismatch]. OrderID must not begin or end with white space, or
	// contain control characters or invisible format characters.
	OrderID string
	// Handle is the provider's id of the payment. [Ptop] and [Payatom] say which one
	// they require. Store it byte for byte as the provider answered it when the
	// payment was created.
	// Ptop's events are identified by the handle. If Ptop accepted another spelling
	// of it, the same payment would be settled twice. The rules for the text of
	// OrderID apply.
	Handle string
	// Amount is the amount of the order. Only [client.PollingExample] of Payatom
	// sends it. Nothing is compared with it.
	Amount payack.Amount
	// Tenant is the tenant of the keys. It is required if the receiver has a KeyFunc.
	Tenant string
	// Created is when the order was created. A time in the future counts as now.
	Created time.Time
}

// age returns the age of the order, which is never negative: the merchant's clock
// may be ahead.
func (o *Order) age(now time.Time) time.Duration {
	if o.Created.IsZero() {
		return 0
	}
	return max(0, now.Sub(o.Created))
}

// Account is a client of a provider with the receiver that processes its answers.
// Make one by [Ptop], [PTS], [PTSWithdraws] or [Payatom].
type Account struct {
	provider payack.Provider
	name     string
	receiver *middleware.Handler
	// handle is the provider's name for Order.Handle, empty if none is required.
	handle string
	// asks is the kind of order, if the provider has several kinds whose events can't
	// be told apart.
	asks string
	// ask asks the provider. It is nil for a nil client.
	ask func(ctx context.Context, o Order, tenant string) (finding, error)
}

// finding is a provider's answer about an order.
type finding struct {
	// event is the event of the callback, nil if the provider sends no callback in
	// this state.
	event  payack.Event
	status string
	amount payack.Amount
	signed bool
}

// Named returns a copy of the account with another name. Order.Account refers to the
// account by its name. Several accounts of one provider need different names.
func (a Account) Named(name string) Account {
	a.name = name
	return a
}

// title returns the name of an account in errors.
func (a *Account) title() string {
	if a.name == "" {
		return string(a.provider)
	}
	return fmt.Sprintf("%s account %q", a.provider, a.name)
}

// check refuses an account that would settle an event twice or never.
func (a *Account) check() error {
	switch {
	case a.provider == "":
		return errors.New("an account is the zero value; make it by a function of this package, such as reconcile.PTS")
	case a.ask == nil:
		return fmt.Errorf("%s: the client is nil; look at the error that its constructor returned", a.title())
	case a.receiver == nil:
		return fmt.Errorf("%s: the receiver is nil; look at the error that its constructor returned", a.title())
	case a.receiver.Provider() != a.provider:
		return fmt.Errorf("%s: the receiver is for %s; give the one for %s", a.title(), a.receiver.Provider(), a.provider)
	}
	if m, ok := a.receiver.Store().(payack.InMemory); ok && m.InMemory() {
		return fmt.Errorf("%s: the receiver remembers events in memory only, so that after a restart, or in another replica, a late callback would settle the order again; give its Options a Store on Redis or SQL, or an Inbox", a.title())
	}
	return nil
}

// tenant returns the tenant of the order's event. It must be the tenant of the
// callback. Otherwise the event of the answer and that of the callback would have
// different IDs.
func (a *Account) tenant(o *Order) (string, error) {
	if a.receiver == nil { // for Account.Look
		return o.Tenant, nil
	}
	tenant, static := a.receiver.Tenant()
	switch {
	case !static && o.Tenant == "":
		return "", errors.New("the receiver has a KeyFunc; give the order's tenant in Order.Tenant, as KeyFunc returns it")
	case !static:
		return o.Tenant, nil
	case o.Tenant != "" && o.Tenant != tenant:
		return "", errors.New("Order.Tenant is not that of the receiver; leave it out, or name the account whose receiver has this tenant")
	}
	return tenant, nil
}

// askable returns an error for an order that can't be asked about.
func (a *Account) askable(o *Order) error {
	switch {
	case o.OrderID == "":
		return errors.New("the order has no OrderID; give the id that was sent to the provider")
	case a.handle != "" && o.Handle == "":
		return fmt.Errorf("the order has no Handle; keep the %s that the create answered", a.handle)
	case !exact(o.OrderID):
		return errors.New("the OrderID begins or ends with white space, or is not plain text; give it as it was sent to the provider")
	case a.handle != "" && !exact(o.Handle):
		return fmt.Errorf("the Handle begins or ends with white space, or is not plain text; give the %s byte for byte as the create answered it", a.handle)
	}
	_, err := a.tenant(o)
	return err
}

// exact reports whether a text can be an id as the provider has it. If a lenient
// provider accepted two spellings of an id, the order would be settled twice.
func exact(s string) bool {
	return utf8.ValidString(s) && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
	})
}
