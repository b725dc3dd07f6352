package riverinbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/payack/payack"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/inbox/internal/schedule"
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
	idle    schedule.Idle
	mounted chan struct{} // signals new queues

	mu      sync.Mutex
	queues  []string      // of the mounted receivers
	serving chan struct{} // closed when the current Run or Drain has ended; nil if none runs
	closed  chan struct{}
	close   sync.Once
}

// Open opens the inbox and, unless Config.Client is set, makes a client of River.
// It creates or upgrades the inbox's tables. If it makes a client, it creates or
// upgrades River's tables, too. With Config.Inbox.NoMigrate it does neither. The
// error names what is wrong with the configuration or the database, and the fix;
// see also [inbox.Open].
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
	in := &Inbox{
		Inbox: rows, cfg: cfg, client: cfg.Client, own: cfg.Client == nil, log: cfg.Inbox.Logger,
		mounted: make(chan struct{}, 1), closed: make(chan struct{}),
	}
	if in.log == nil {
		in.log = slog.Default()
	}
	in.log = slog.New(warnings{in.log.Handler()})
	w := &worker{prefix: cfg.prefix()}
	w.attempt, in.idle = rows.Schedule(in.due)
	if err := in.connect(ctx, w); err != nil {
		return nil, errors.Join(err, rows.Close())
	}
	return in, nil
}

// connect adds the worker to the given client, or makes a client with the worker.
func (in *Inbox) connect(ctx context.Context, w *worker) error {
	workers := in.cfg.Workers
	if in.own {
		workers = river.NewWorkers()
	}
	if err := river.AddWorkerSafely(workers, w); err != nil {
		return fmt.Errorf("riverinbox: the client's Workers already have an inbox's worker: %w; give each inbox a client", err)
	}
	if !in.own {
		// This call tests whether the client works jobs at all. It removes no
		// queue, since no queue has an empty name.
		if err := in.client.Queues().Remove(ctx, ""); !errors.As(err, new(*river.QueueNotFoundError)) {
			return errors.New("riverinbox: Config.Client only inserts jobs; make the client with a queue and with Workers")
		}
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
		// A client that works jobs needs a queue from the start. Run adds the
		// receivers' queues.
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
	// River's migration is not safe in several processes at once.
	err = dialect.Exclusively(ctx, conn, dialect.PostgreSQL, "payack_river_migrate", func(dialect.Querier) error {
		_, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
		return err
	})
	if err != nil {
		return fmt.Errorf("riverinbox: River's tables can't be made: %w; give the pool's user the right to create tables, or run river migrate-up and set Config.Inbox.NoMigrate", err)
	}
	return nil
}

// text returns the first message of a validation as an error, nil if there is
// none.
func text(r *rivermigrate.ValidateResult) error {
	if r == nil || len(r.Messages) == 0 {
		return nil
	}
	return errors.New(r.Messages[0])
}

// Mount implements [payack.Inbox]. It may be called while Run runs; Run then
// works the new receiver's queue, too.
func (in *Inbox) Mount(name string, d payack.Desk) error {
	if err := in.Inbox.Mount(name, d); err != nil {
		return err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.queues = append(in.queues, queueOf(in.cfg.prefix(), name))
	select {
	case in.mounted <- struct{}{}:
	default:
	}
	return nil
}

// Close ends Run, waits until running attempts have ended and River has recorded
// them, and makes Keep fail with [inbox.ErrClosed]. It leaves the database's pool
// open; close the pool afterwards.
func (in *Inbox) Close() error {
	in.mu.Lock()
	in.close.Do(func() { close(in.closed) })
	ended := in.serving
	in.mu.Unlock()
	if ended != nil {
		<-ended
	}
	return in.Inbox.Close()
}
