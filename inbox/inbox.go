package inbox

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/textproto"
	"sync"
	"sync/atomic"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/inbox/internal/schedule"
	"github.com/payack/payack/internal/dialect"
	"github.com/payack/payack/store/sqlstore"
)

// Inbox is a [payack.Inbox] on a SQL database, with workers that process what it
// keeps. It is safe for concurrent use. Any number of processes may work on the
// same tables at once.
type Inbox struct {
	// Store is where receivers claim events. Its marks decide whether an event is
	// done.
	*sqlstore.Store

	cfg     Config
	db      dialect.Querier // cfg.DB, with statements in the dialect's form
	sql     statements
	headers []string
	group   group
	// pageWindow is the constant of the same name; tests set a smaller value.
	pageWindow int64
	keepNew    *sql.Stmt    // prepared on SQLite, where parsing takes as long as running
	due        schedule.Due // nil with the inbox's own poller

	mu    sync.Mutex
	desks map[string]payack.Desk
	busy  map[string]int // running attempts, by receiver
	// held are the leases of this process's running attempts. Only these leases
	// are renewed. The table of leases may also have a lease of this process
	// whose commit was not confirmed, and whose attempt never began.
	held map[lease]bool
	// For an engine that decides when attempts begin, in place of the poller
	// ([Inbox.Schedule]). serving means that the engine may begin attempts.
	// entering counts the attempts that are about to begin.
	serving  bool
	entering int

	stop <-chan struct{} // closed when Run must end
	// Only the goroutine of Run or Drain uses these. recovered is when it last
	// looked for crashed attempts. plenty says whether its last round found a due
	// row. reminded holds, by receiver, the last late row that it passed to an
	// engine.
	recovered time.Time
	plenty    bool
	reminded  map[string]reminded

	running  atomic.Bool
	attempts sync.WaitGroup
	wake     chan struct{} // signals that something may be due
	freed    chan struct{} // signals that an attempt has ended
	closed   chan struct{}
	close    sync.Once
	warned   limiter
}

var _ interface {
	payack.Inbox
	payack.Binder
} = (*Inbox)(nil)

// Open returns an inbox. It creates or upgrades the tables, unless
// Config.NoMigrate is set.
//
// The error names the fix when the tables can't be made, when they are newer than
// this module, when the database is not the one that Dialect names, or when it
// can't be written. Open logs a warning for database settings that can lose
// committed writes in a crash.
//
// Mount receivers by giving the inbox to their constructors (Options.Inbox), then
// call Run.
func Open(ctx context.Context, cfg Config) (*Inbox, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if !cfg.NoMigrate {
		if err := Migrate(ctx, cfg); err != nil {
			return nil, err
		}
	}
	store, err := sqlstore.Open(ctx, cfg.store())
	if err != nil {
		return nil, err
	}
	switch version, err := readVersion(ctx, &cfg); {
	case err != nil:
		return nil, err
	case version > schemaVersion:
		return nil, newer(version)
	case version < schemaVersion:
		return nil, fmt.Errorf("inbox: the tables with the prefix %s are missing, or older than this module; run inbox.Migrate, or the statements of inbox.Schema, or leave Config.NoMigrate out", cfg.Prefix)
	}
	in := &Inbox{
		Store: store, cfg: cfg, db: cfg.Dialect.Bound(cfg.DB), sql: newStatements(cfg.Dialect, cfg.Prefix),
		pageWindow: pageWindow,
		desks:      map[string]payack.Desk{}, busy: map[string]int{}, held: map[lease]bool{},
		wake: make(chan struct{}, 1), freed: make(chan struct{}, 1), closed: make(chan struct{}),
	}
	for _, name := range append(append([]string(nil), keptHeaders...), cfg.KeepHeaders...) {
		in.headers = append(in.headers, textproto.CanonicalMIMEHeaderKey(name))
	}
	in.group.keep = in.keepBatch
	if cfg.Dialect == SQLite {
		if in.keepNew, err = cfg.DB.PrepareContext(ctx, in.sql.keepNew); err != nil {
			return nil, explain(cfg.Dialect, "Open", err)
		}
	}
	return in, nil
}

func newToken() []byte {
	token := make([]byte, 16)
	_, _ = rand.Read(token) // rand.Read never fails
	return token
}

// Close ends Run, waits for running attempts, and makes Keep fail with
// [ErrClosed]. It leaves the database's pool open; close the pool afterwards.
func (in *Inbox) Close() error {
	in.close.Do(func() { close(in.closed) })
	for in.running.Load() {
		time.Sleep(5 * time.Millisecond)
	}
	in.attempts.Wait()
	in.group.wait()
	if in.keepNew != nil {
		return in.keepNew.Close()
	}
	return nil
}

// Mount implements [payack.Inbox]. It may be called while Run runs.
func (in *Inbox) Mount(name string, d payack.Desk) error {
	switch {
	case d == nil:
		return errors.New("inbox: Mount: the receiver is nil; look at the error that its constructor returned")
	case name == "" || name != readable(name, 200):
		return fmt.Errorf("inbox: Mount: the name %.40q can't be kept; give 1 to 200 characters without control characters", name)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.desks[name] != nil {
		return fmt.Errorf("inbox: Mount: the name %q is taken; give the receivers of one inbox a Name each in their Options", name)
	}
	in.desks[name] = d
	in.stir()
	return nil
}

// Claim implements [payack.Store]. It shortens the claim's lease to Config.Lease,
// so that the claim of a crashed process soon ends. The claim of a running
// attempt may end before the attempt does. No other attempt of the payment begins
// meanwhile, because the attempt has a lease on the payment and renews it.
func (in *Inbox) Claim(ctx context.Context, id, fingerprint string, lease time.Duration) (payack.Claim, error) {
	return in.Store.Claim(ctx, id, fingerprint, min(lease, in.cfg.Lease))
}

// stir wakes Run's loop.
func (in *Inbox) stir() { signal(in.wake) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// limiter lets a message through once per interval.
type limiter struct {
	mu   sync.Mutex
	last map[string]time.Time
}

func (l *limiter) allow(what string, every time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if before, ok := l.last[what]; ok && now.Sub(before) < every {
		return false
	}
	if l.last == nil || len(l.last) > 1000 {
		l.last = map[string]time.Time{}
	}
	l.last[what] = now
	return true
}
