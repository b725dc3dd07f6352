package payack

import (
	"context"
	"net/http"
)

// KeyFunc finds the keys for a request, for example by the tenant in its path.
// It is called after the gate and after the body was read, and must be safe for
// concurrent use. Keys name their tenant, which is part of every event's
// identity: give the name in your records, not the request's spelling of it.
//
// Return [ErrUnknownTenant] when there are none for this request: it is then
// answered like a wrong signature. Any other error means that the source could
// not tell, and is answered "send again".
type KeyFunc[K any] func(ctx context.Context, r *http.Request) (K, error)
