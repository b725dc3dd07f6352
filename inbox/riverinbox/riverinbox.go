package riverinbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/payack/payack"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/internal/dialect"
)

// Inbox is an [inbox.Inbox] whose attempts River schedules. It is safe for
// concurrent use.
type Inbox struct {
	*inbox.Inbox

	cfg     Config
	client  *river.Client[*sql.Tx]
	own     bool // Open made the client
	log     *slog.Logger
	running atomic.Bool
}

// Open opens the inbox, and makes a client of River unless one is given. It makes
// the tables of both unless Inbox.NoMigrate is set; those of a client that is given
// are its owner's. The error says what is wrong with the configuration, or what to
// do about the database; see also [inbox.Open].
//
// Mount receivers by giving the inbox to their constructors (Options.Inbox), then
// call Run.
func Open(ctx context.Context, cfg Config) (*Inbox, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	rows, err := inbox.Open(ctx, cfg.Inbox)
	if err != nil {
		return nil, err
	}
	in := &Inbox{Inbox: rows, cfg: cfg, client: cfg.Client, own: cfg.Client == nil, log: cfg.Inbox.Logger}
	if in.log == nil {
		in.log = slog.Default()
	}
	in.log = slog.New(warnings{in.log.Handler()})
	w := &worker{attempt: rows.Schedule(in.due)}
	if err := in.connect(ctx, w); err != nil {
		return nil, errors.Join(err, rows.Close())
	}
	return in, nil
}

// connect has River know the worker, by a client of its own if need be.
func (in *Inbox) connect(ctx context.Context, w *worker) error {
	workers := in.cfg.Workers
	if in.own {
		workers = river.NewWorkers()
	}
	if err := river.AddWorkerSafely(workers, w); err != nil {
		return fmt.Errorf("riverinbox: the client's Workers have one of an inbox already: %w; give each inbox a client", err)
	}
	if !in.own {
		return nil
	}
	driver := riverdatabasesql.New(in.cfg.Inbox.DB)
	if err := in.migrate(ctx, driver); err != nil {
		return err
	}
	queue := in.cfg.queue()
	var err error
	in.client, err = river.NewClient(driver, &river.Config{
		Workers: workers, Logger: in.log, JobTimeout: jobTimeout, RescueStuckJobsAfter: rescueAfter,
		// A client that is to work needs a queue from the start. Receivers add theirs.
		Queues:            map[string]river.QueueConfig{"payack": {MaxWorkers: 1, FetchPollInterval: time.Minute}},
		FetchPollInterval: queue.FetchPollInterval, FetchCooldown: queue.FetchCooldown,
	})
	if err != nil {
		return fmt.Errorf("riverinbox: River's client: %w", err)
	}
	return nil
}

func (in *Inbox) migrate(ctx context.Context, driver *riverdatabasesql.Driver) error {
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: in.log})
	if err != nil {
		return fmt.Errorf("riverinbox: River's tables: %w", err)
	}
	r, err := migrator.Validate(ctx, nil)
	switch {
	case err == nil && r.OK:
		return nil
	case in.cfg.Inbox.NoMigrate:
		return fmt.Errorf("riverinbox: River's tables are missing or older (%v); run river migrate-up, or leave Config.Inbox.NoMigrate out", errors.Join(err, text(r)))
	}
	conn, err := in.cfg.Inbox.DB.Conn(ctx)
	if err != nil {
		return fmt.Errorf("riverinbox: River's tables: %w", err)
	}
	defer conn.Close()
	// River doesn't expect that several processes migrate at once.
	err = dialect.Exclusively(ctx, conn, dialect.PostgreSQL, "payack_river_migrate", func(dialect.Querier) error {
		_, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
		return err
	})
	if err != nil {
		return fmt.Errorf("riverinbox: River's tables can't be made: %w; give the pool's user the right to create tables, or run river migrate-up and set Config.Inbox.NoMigrate", err)
	}
	return nil
}

// text is what a validation found, as an error.
func text(r *rivermigrate.ValidateResult) error {
	if r == nil || len(r.Messages) == 0 {
		return nil
	}
	return errors.New(r.Messages[0])
}

// Mount implements [payack.Inbox]: it also has this process work the receiver's
// queue.
func (in *Inbox) Mount(name string, d payack.Desk) error {
	if err := in.Inbox.Mount(name, d); err != nil {
		return err
	}
	if err := in.client.Queues().Add(queueOf(name), in.cfg.queue()); err != nil {
		return fmt.Errorf("riverinbox: Mount: the receiver's queue: %w; make the client with a queue and with Workers", err)
	}
	return nil
}

// Run processes what is kept, until ctx ends or Close is called, and returns when
// the attempts that run by then have ended. A client that Open made works for as
// long; one that was given is its owner's to start and to stop, and works nothing of
// the inbox while Run doesn't run. Run may be called once at a time. While the
// database can't be reached it tries again.
func (in *Inbox) Run(ctx context.Context) error { return in.serve(ctx, in.Inbox.Run) }

// Drain processes what is due now and returns when nothing is, and nothing runs.
// What waits for another try after a failure is left. It is for tests; where Run
// runs, it waits for it.
func (in *Inbox) Drain(ctx context.Context) error {
	if in.running.Load() {
		return in.Inbox.Drain(ctx)
	}
	return in.serve(ctx, in.Inbox.Drain)
}

// serve has River work for as long as the rows' own work goes on, which renews
// leases and therefore ends after it.
func (in *Inbox) serve(ctx context.Context, rows func(context.Context) error) error {
	if !in.running.CompareAndSwap(false, true) {
		return errors.New("riverinbox: Run is running already; call it once, and Config.Inbox.Workers says how much runs at the same time")
	}
	defer in.running.Store(false)
	apart, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- rows(apart) }()
	err := in.work(ctx, ended)
	if err != errEndOfContext {
		return err
	}
	end()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		return err // nil, of Run
	}
	return ctx.Err()
}

var errEndOfContext = errors.New("the context has ended")

// work has a client that Open made work, until ctx ends or the rows' work does,
// whose error it returns then.
func (in *Inbox) work(ctx context.Context, ended <-chan error) error {
	apart := context.WithoutCancel(ctx) // a client that is cancelled doesn't wait for its jobs
	for again := time.After(0); ; {
		select {
		case err := <-ended:
			in.stop(apart)
			return err
		case <-ctx.Done():
			in.stop(apart)
			return errEndOfContext
		case <-again:
		}
		again = nil
		if in.own {
			if err := in.client.Start(apart); err != nil {
				in.log.Error("riverinbox: River's client did not start; it is tried again", "error", err)
				again = time.After(time.Second)
			}
		}
	}
}

// stop waits for the jobs that run.
func (in *Inbox) stop(ctx context.Context) {
	if in.own {
		_ = in.client.Stop(ctx) // which fails when ctx ends
	}
}
