package inbox

import (
	"context"
	"sync"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/dialect"
)

// maxBatch bounds how many receipts share a transaction.
const maxBatch = 256

// batchTimeout bounds a batch's transaction. A caller may stop waiting sooner.
const batchTimeout = 8 * time.Second

// group puts concurrent receipts into one transaction, because a database in a
// file waits for the disk once per transaction.
type group struct {
	keep func([]*waiting)

	mu      sync.Mutex
	queue   []*waiting
	working bool
}

// waiting is a queued receipt; state and err are set when done is closed.
type waiting struct {
	row   *receipt
	done  chan struct{}
	state payack.ClaimState
	err   error
}

// do keeps a receipt together with others. It returns when the receipt is
// committed or has failed, or when ctx ends.
func (g *group) do(ctx context.Context, row *receipt) (payack.ClaimState, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	w := &waiting{row: row, done: make(chan struct{})}
	g.mu.Lock()
	g.queue = append(g.queue, w)
	if !g.working {
		g.working = true
		go g.work()
	}
	g.mu.Unlock()
	select {
	case <-w.done:
		return w.state, w.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// wait returns when no receipt is queued or being kept.
func (g *group) wait() {
	for {
		g.mu.Lock()
		working := g.working
		g.mu.Unlock()
		if !working {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// work keeps queued receipts until the queue is empty.
func (g *group) work() {
	for {
		g.mu.Lock()
		n := min(len(g.queue), maxBatch)
		batch := g.queue[:n:n]
		g.queue = g.queue[n:]
		if n == 0 {
			g.queue, g.working = nil, false
			g.mu.Unlock()
			return
		}
		g.mu.Unlock()
		g.keep(batch)
		for _, w := range batch {
			close(w.done)
		}
	}
}

// keepBatch keeps the receipts in one transaction. If the transaction fails,
// keepBatch keeps each receipt in a transaction of its own.
func (in *Inbox) keepBatch(batch []*waiting) {
	ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
	defer cancel()
	for try := 0; ; try++ {
		err := in.keepTogether(ctx, batch)
		if err == nil {
			return
		}
		if in.cfg.Dialect.Fault(err) == dialect.Again && pause(ctx, try) {
			continue
		}
		if len(batch) == 1 {
			batch[0].state, batch[0].err = 0, err
			return
		}
		for _, w := range batch { // so that a receipt that fails doesn't fail the others
			if w.err = in.keepTogether(ctx, []*waiting{w}); w.err != nil {
				w.state = 0
			}
		}
		return
	}
}

func (in *Inbox) keepTogether(ctx context.Context, batch []*waiting) error {
	tx, err := in.begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	ctx = context.WithoutCancel(ctx) // a driver would watch a cancellable context for each statement
	for _, w := range batch {
		if w.state, err = in.keep(ctx, tx.Querier, w.row); err != nil {
			return err
		}
	}
	return tx.Commit()
}
