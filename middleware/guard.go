package middleware

import (
	"context"

	"github.com/payack/payack"
)

// guard compares an event with what the merchant expects, and has the provider
// confirm it. done reports that the event is done already, so nobody was asked.
func (rc *receiver) guard(ctx context.Context, d *delivery, ev payack.Event, fingerprint string) (done bool, err error) {
	if rc.stages.asks == nil || !rc.stages.asks(ev) {
		return false, nil
	}
	defer func() { d.observation.Took.Guard = d.lap() }()
	switch state, err := rc.once.lookup(ctx, d.observation.EventID, fingerprint); {
	case err != nil:
		return false, err
	case state != payack.ClaimUnknown:
		return d.known(state)
	}
	return false, rc.stages.ask(ctx, ev)
}

func guardError(p payack.Provider, reason payack.Reason, err error, detail string) error {
	return &payack.Error{Provider: p, Stage: payack.StageGuard, Reason: reason, Err: err, Detail: detail}
}
