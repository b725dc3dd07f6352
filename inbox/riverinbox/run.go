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

// Run processes what is kept, until ctx ends or Close is called, and returns when
// the attempts that run by then have ended. A client that Open made works for as
// long; one that was given is its owner's to start and to stop, and works nothing of
// the inbox while Run doesn't run. Run may be called once at a time. While the
// database can't be reached it tries again.
func (in *Inbox) Run(ctx context.Context) error {
	ended, err := in.begin()
	switch {
	case err != nil:
		return err
	case ended != nil:
		return errors.New("riverinbox: Run is running already; call it once, and Config.Inbox.Workers says how much runs at the same time")
	}
	return in.serve(ctx, in.Inbox.Run)
}

// Drain processes what is due now and returns when nothing is, and nothing runs.
// What waits for another try after a failure is left. It is for tests; where Run
// runs, it waits for it.
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

// begin has the caller serve. Where somebody does it returns what is closed when
// they have ended.
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

// serve has River work for as long as the rows' own work goes on, which renews
// leases and therefore ends after it.
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
		return err // nil, of Run
	}
	if ctx.Err() == nil {
		return inbox.ErrClosed
	}
	return ctx.Err()
}

var errToEnd = errors.New("the context has ended, or the inbox is closed")

// work has River work, until ctx or the inbox ends, or the rows' work does, whose
// error it returns then.
func (in *Inbox) work(ctx context.Context, ended <-chan error) error {
	apart := context.WithoutCancel(ctx) // a client that is cancelled doesn't wait for its jobs
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
			in.log.Error("riverinbox: River does not work; it is tried again", "error", err)
			again = time.After(time.Second)
		}
	}
}

// start adds the queues that River doesn't work yet, and starts a client that Open
// made.
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
		if err != nil { // it is there all the same, and doesn't work
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

// stop has River work nothing of the inbox, and waits for the jobs that run.
func (in *Inbox) stop(ctx context.Context, worked []string) {
	if in.own { // first: a client that is still starting waits for its queues
		_ = in.client.Stop(ctx)
	}
	ended, end := context.WithCancel(ctx)
	end()
	for _, ctx := range []context.Context{ended, ctx} { // all are to end before one is waited for
		for _, queue := range worked {
			_ = in.client.Queues().Remove(ctx, queue) // which fails when ctx ends
		}
	}
}
