package riverinbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/riverqueue/river"

	"github.com/payack/payack/inbox"
)

// Run processes kept events. When ctx ends or Close is called, it waits for
// running attempts and returns nil. Call Run once at a time; a second call
// returns an error. A call after Close returns [inbox.ErrClosed]. While the
// database is unreachable, Run logs that and keeps trying.
//
// A client that Open made works while Run runs. Config.Client is started and
// stopped by its owner, and works queues of the inbox only while Run runs.
func (in *Inbox) Run(ctx context.Context) error {
	ended, err := in.begin()
	switch {
	case err != nil:
		return err
	case ended != nil:
		return errors.New("riverinbox: Run is running already; call it once, and set Config.Inbox.Workers for more concurrency")
	}
	return in.serve(ctx, in.Inbox.Run)
}

// Drain processes what is due now. It returns when nothing is due and nothing
// runs; events that wait for a retry are left. While Run runs, Drain waits until
// Run has processed these events. Drain is for tests.
func (in *Inbox) Drain(ctx context.Context) error {
	for {
		ended, err := in.begin()
		if err != nil {
			return err
		}
		if ended == nil {
			return in.serve(ctx, in.Inbox.Drain)
		}
		if idle, err := in.idle(ctx); idle || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ended:
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// begin makes the caller the one that serves, and returns nil. If another Run or
// Drain serves already, begin returns a channel that is closed when the other one
// ends.
func (in *Inbox) begin() (ended <-chan struct{}, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	select {
	case <-in.closed:
		return nil, inbox.ErrClosed
	default:
	}
	if in.serving != nil {
		return in.serving, nil
	}
	in.serving = make(chan struct{})
	return nil, nil
}

func (in *Inbox) end() {
	in.mu.Lock()
	defer in.mu.Unlock()
	close(in.serving)
	in.serving = nil
}

// serve lets River work while rows runs. rows is Run or Drain of the embedded
// inbox. rows renews the leases, so it must end last.
func (in *Inbox) serve(ctx context.Context, rows func(context.Context) error) error {
	defer in.end()
	apart, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- rows(apart) }()
	err := in.work(ctx, ended)
	if err != errToEnd {
		return err
	}
	end()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		return err // rows is Run, which returns nil when its context ends
	}
	if ctx.Err() == nil {
		return inbox.ErrClosed
	}
	return ctx.Err()
}

var errToEnd = errors.New("the context has ended, or the inbox is closed")

// work lets River work until ctx ends or the inbox is closed, and returns
// errToEnd. ended receives the result of the function rows that serve has
// started. If rows ends first, work returns this result.
func (in *Inbox) work(ctx context.Context, ended <-chan error) error {
	apart := context.WithoutCancel(ctx) // a client whose context is cancelled doesn't wait for its jobs
	var worked []string
	defer func() { in.stop(apart, worked) }()
	for again := time.After(0); ; {
		select {
		case err := <-ended:
			return err
		case <-ctx.Done():
			return errToEnd
		case <-in.closed:
			return errToEnd
		case <-in.mounted:
		case <-again:
		}
		again = nil
		var err error
		if worked, err = in.start(apart, worked); err != nil {
			in.log.Error("riverinbox: River failed to start; trying again", "error", err)
			again = time.After(time.Second)
		}
	}
}

// start adds the queues that River doesn't work yet, and starts a client that
// Open made.
func (in *Inbox) start(ctx context.Context, worked []string) ([]string, error) {
	in.mu.Lock()
	queues := slices.Clone(in.queues)
	in.mu.Unlock()
	for _, queue := range queues {
		if slices.Contains(worked, queue) {
			continue
		}
		err := in.client.Queues().Add(queue, in.cfg.queue())
		if errors.As(err, new(*river.QueueAlreadyAddedError)) {
			return worked, fmt.Errorf("%w; leave it out of the client's Queues", err)
		}
		if err != nil { // River may have added the queue although the queue failed to start
			_ = in.client.Queues().Remove(ctx, queue)
			return worked, err
		}
		worked = append(worked, queue)
	}
	if !in.own {
		return worked, nil
	}
	return worked, in.client.Start(ctx)
}

// stop removes the inbox's queues from River, and waits for running jobs.
func (in *Inbox) stop(ctx context.Context, worked []string) {
	if in.own { // stop the client before its queues, because a client that is still starting waits for its queues
		_ = in.client.Stop(ctx)
	}
	ended, end := context.WithCancel(ctx)
	end()
	for _, ctx := range []context.Context{ended, ctx} { // first stop all queues without waiting, then wait for each queue
		for _, queue := range worked {
			_ = in.client.Queues().Remove(ctx, queue) // with an ended ctx, Remove only stops the queue
		}
	}
}
