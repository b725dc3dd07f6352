package payack

import (
	"context"
	"time"
)

// Inbox keeps verified deliveries durably before the provider is answered, and has
// each processed later, again and again until it succeeds. Module inbox implements
// it on SQL databases.
//
// A receiver works in two halves: it verifies a callback, and it processes the
// event. With an inbox the first half ends with Keep. The inbox runs the second
// half: it calls the [Desk] that is mounted under the receipt's Receiver.
type Inbox interface {
	// In the Store the second half claims the event. So the event is settled only
	// once, even if it was delivered again and both deliveries are processed.
	Store
	// Mount registers a receiver under its name, so that kept events find it after
	// a restart. It returns an error if the name is taken.
	Mount(name string, d Desk) error
	// Keep commits a receipt to durable storage. An error means that nothing is
	// known, and the provider is asked to send again. Otherwise the state is one
	// of:
	//   - [ClaimGranted]: the receipt is kept.
	//   - [ClaimWaits]: the event was kept before, and is not processed yet.
	//   - [ClaimDone]: the event needs no keeping, because nothing more will be
	//     done about it.
	//   - [ClaimBusy]: there is no room for another variant of the event.
	//   - [ClaimConflict]: the event came before with other Details. A person has
	//     to look at it; it is not processed.
	Keep(ctx context.Context, r *Receipt) (ClaimState, error)
}

// Desk is the second half of a receiver. An inbox calls it; middleware.Handler
// implements it.
type Desk interface {
	// Process takes a kept event to the merchant's function, once only, and fills
	// o. The error is nil for an event that is accepted now or was accepted before,
	// and an [*Error] otherwise.
	Process(ctx context.Context, d *Delivery, o *Observation) error
	// Observe logs an observation and hands it to the receiver's observer.
	Observe(ctx context.Context, o *Observation)
}

// Receipt is a verified delivery that is handed to an inbox.
type Receipt struct {
	// Receiver is the name under which the receiver is mounted.
	Receiver string
	// Delivery is the callback, with its event.
	Delivery *Delivery
	// Variant is the unsigned identifier that Confirm would ask by. It is empty if
	// Confirm asks by signed members only. An inbox keeps one copy of a delivery for
	// each variant, so that a forged identifier can't keep the genuine delivery out.
	Variant string
	// Details is a digest of unsigned members that may make this a different event:
	// a second partial refund differs from the first in those only. It is empty for
	// events without such members.
	Details string
	// Differs reports that the event was done before with other Details, in the
	// inbox or in the former store.
	Differs bool
	// Allowed reports whether the sender is in the receiver's AllowedAddresses. Its
	// deliveries are kept even if there is no room for others.
	Allowed bool
}

// InboxStats says how many events wait in an inbox.
type InboxStats struct {
	// Pending, Running and Dead count the events in these states.
	Pending, Running, Dead int
	// Oldest is the age of the oldest event that is pending or running, 0 if there
	// is none.
	Oldest time.Duration
}
