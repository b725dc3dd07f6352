// Package inboxtest is the conformance suite for inboxes: any implementation of
// [Engine], on any database, must keep the promises of package inbox.
package inboxtest

import (
	"context"
	"testing"

	"github.com/payack/payack"
	"github.com/payack/payack/inbox"
)

// Engine is an inbox with its workers.
type Engine interface {
	payack.Inbox
	// Run processes events until ctx ends, and returns when running attempts have
	// ended.
	Run(ctx context.Context) error
	// Drain returns when nothing is due and nothing runs.
	Drain(ctx context.Context) error
	Close() error
	Healthy(ctx context.Context) error
	Stats(ctx context.Context) (inbox.Stats, error)
	List(ctx context.Context, f inbox.Filter, older int64, limit int) ([]inbox.Item, error)
	Get(ctx context.Context, id int64) (*inbox.Record, error)
	Retry(ctx context.Context, id int64) error
	RetryAll(ctx context.Context, f inbox.Filter, limit int, progress func(n int)) (int, error)
	CloseByHand(ctx context.Context, id int64, note string) error
}

// Factory makes an empty database and returns a function that opens engines on
// it. Each call of open returns another engine on the same tables, as in another
// process; the suite closes the engine. The engines must have the waits and
// bounds that [Config] sets, so that the suite takes seconds.
type Factory func(t *testing.T) (open func() Engine)

// Config sets the waits and bounds that [Factory] requires: RetryFirst 10 ms,
// RetryMax 50 ms, Revive 1 ms, Grace 2 s, Lease 10 s, GiveUp 1 ns, LeastAttempts 3
// and MaxVariants 3.
func Config(c inbox.Config) inbox.Config {
	c.RetryFirst, c.RetryMax, c.Revive, c.Grace, c.Lease = 10*ms, 50*ms, ms, 2000*ms, 10000*ms
	c.GiveUp, c.LeastAttempts, c.MaxVariants = 1, 3, 3
	return c
}

// Run runs the suite, each part in a subtest on a database of its own.
func Run(t *testing.T, factory Factory) {
	t.Helper()
	for _, part := range parts {
		t.Run(part.name, func(t *testing.T) {
			open := factory(t)
			part.run(newShop(t, open))
		})
	}
}
