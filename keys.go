package payack

import (
	"context"
	"net/http"
)

// KeyFunc returns the keys for a request, for example by the tenant in the
// request's path. It is called after the body was read, and must be safe for
// concurrent use. The tenant of the keys is part of every event's identity: take
// the tenant's name from your records, not from the request, which may spell the
// name in several ways.
//
// Return an error that matches [ErrUnknownTenant] if there are no keys for the
// request: the provider gets the answer for a wrong signature. Any other error
// means that the keys could not be looked up, and the provider is asked to send
// again.
type KeyFunc[K any] func(ctx context.Context, r *http.Request) (K, error)
