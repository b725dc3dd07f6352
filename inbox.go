package payack

import (
	"context"
	"time"
)

// Inbox keeps verified deliveries durably before the provider is answered. It
// processes each of them later, and retries after a failure that may pass. Module
// inbox implements Inbox on SQL databases.
//
// A receiver works in two halves: it verifies a callback, and it processes the
// event. With an inbox the first half ends with Keep. The inbox runs the second
// half: it calls the [Desk] that is mounted under the receipt's Receiver.
type Inbox interface {
	// The second half claims the event in the Store. So if two deliveries of an
	// event are kept, only one of them calls the merchant's function.
	Store
	// Mount registers a receiver under its name, so that kept events find it after
	// a restart. It returns an error if the name is taken.
	Mount(name string, d Desk) error
	// Keep commits a receipt to durable storage. An error means that the receipt
	// may not be kept, and the provider is asked to send again. Otherwise the state
	// is one of:
	//   - [ClaimGranted]: the receipt is kept.
	//   - [ClaimWaits]: the event was kept before, and is not processed yet.
	//   - [ClaimDone]: the receipt is not kept, because the event will not be
	//     processed any more.
	//   - [ClaimBusy]: there is no room for another variant of the event
	//     ([Receipt.Variant]).
	//   - [ClaimConflict]: the event came before with other Details. This delivery
	//     is not processed; a person has to look at it.
	Keep(ctx context.Context, r *Receipt) (ClaimState, error)
}

// Desk is the second half of a receiver: it processes kept events. An inbox calls
// the Desk; middleware.Handler implements it.
type Desk interface {
	// Process calls the merchant's function for a kept event, unless the event was
	// accepted before, and fills o. The error is nil for an event that is accepted
	// now or was accepted before, and an [*Error] otherwise.
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
	// Confirm asks by signed members only. An inbox keeps one copy of a delivery
	// for each variant. Otherwise a copy with a forged identifier could take the
	// place of the genuine delivery.
	Variant string
	// Details is a digest of unsigned members that may make this a different event:
	// a second partial refund differs from the first only in such members. It is
	// empty for events without such members.
	Details string
	// Differs reports that the event was done before with other Details, according to
	// the inbox or to the store that the receiver used before it had an inbox.
	Differs bool
	// Allowed reports whether the sender is in the receiver's AllowedAddresses.
	// Deliveries from such senders are kept even if there is no room for others.
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
