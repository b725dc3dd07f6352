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

// Order is an open order of the merchant's, and what the provider is asked by.
type Order struct {
	// Provider is whom to ask, and Account the name of the account there; it is
	// empty for the one that has no name.
	Provider payack.Provider
	Account  string
	// OrderID is the merchant's own number. An answer about another order is
	// refused.
	OrderID string
	// Handle is what the provider named the payment when it was created, where it is
	// asked by that: the constructors of accounts say so. Keep it byte for byte as the
	// create answered it. Ptop's events are known by it, so that a provider which is
	// lenient about case or space would have another spelling of it settled as
	// another payment. Neither it nor OrderID may begin or end in white space, or have
	// control characters.
	Handle string
	// Amount is what the order was made out for. Only [client.PollingExample] of
	// Payatom needs it: nothing is compared with it here.
	Amount payack.Amount
	// Tenant is the scope of the keys, needed where the receiver has a KeyFunc.
	Tenant string
	// Created is when the order was created. In the future counts as now.
	Created time.Time
}

// age is how old the order is. A clock that is behind makes nobody younger than
// new.
func (o *Order) age(now time.Time) time.Duration {
	if o.Created.IsZero() {
		return 0
	}
	return max(0, now.Sub(o.Created))
}

// Account is where orders are asked about, and the receiver that takes what is
// found. The functions of this package named after the providers make one.
type Account struct {
	provider payack.Provider
	name     string
	receiver *middleware.Handler
	// handle is what the provider calls Order.Handle, empty where it needs none.
	handle string
	// asks names what is asked about, where a provider has several kinds of it whose
	// events nothing tells apart.
	asks string
	// ask asks the provider. It is nil for a nil client.
	ask func(ctx context.Context, o Order, tenant string) (finding, error)
}

// finding is what a provider said of an order.
type finding struct {
	// event is what its callback would have said, nil where none would.
	event  payack.Event
	status string
	amount payack.Amount
	signed bool
}

// Named returns the account under another name, for orders whose Account says it.
func (a Account) Named(name string) Account {
	a.name = name
	return a
}

// title is how errors call an account.
func (a *Account) title() string {
	if a.name == "" {
		return string(a.provider)
	}
	return fmt.Sprintf("%s account %q", a.provider, a.name)
}

// check refuses an account with which something would be settled twice, or never.
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
		return fmt.Errorf("%s: the receiver remembers events in memory only, so that after a restart, or in another replica, the callback of what was found here would settle it again; give its Options a Store on Redis or SQL, or an Inbox", a.title())
	}
	return nil
}

// tenant is the scope in which the order's event is known. It must be that of its
// callback, or the two would be two events.
func (a *Account) tenant(o *Order) (string, error) {
	if a.receiver == nil { // nothing is handed on
		return o.Tenant, nil
	}
	tenant, static := a.receiver.Tenant()
	switch {
	case !static && o.Tenant == "":
		return "", errors.New("the receiver finds its tenant for each request; name the order's in Order.Tenant, as KeyFunc does")
	case !static:
		return o.Tenant, nil
	case o.Tenant != "" && o.Tenant != tenant:
		return "", errors.New("Order.Tenant is not that of the receiver; leave it out, or name the account whose receiver has this tenant")
	}
	return tenant, nil
}

// askable says why an order can't be asked about, nil where it can.
func (a *Account) askable(o *Order) error {
	switch {
	case o.OrderID == "":
		return errors.New("the order has no OrderID")
	case a.handle != "" && o.Handle == "":
		return fmt.Errorf("the order has no Handle; keep the %s that the create answered", a.handle)
	case !exact(o.OrderID):
		return errors.New("the OrderID begins or ends in white space, or is no plain text; give it as it was sent to the provider")
	case a.handle != "" && !exact(o.Handle):
		return fmt.Errorf("the Handle begins or ends in white space, or is no plain text; give the %s byte for byte as the create answered it", a.handle)
	}
	_, err := a.tenant(o)
	return err
}

// exact reports whether a text can be what the provider knows. Events are known by
// it, and one beside which a lenient provider knows another is settled twice.
func exact(s string) bool {
	return utf8.ValidString(s) && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
	})
}
