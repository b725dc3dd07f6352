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
	"github.com/payack/payack/store/sqlstore"
)

// Inbox is a [payack.Inbox] on a SQL database, with the workers that process what
// it keeps. It is safe for concurrent use, and any number of processes may work on
// the same tables at once.
type Inbox struct {
	// Store is where receivers claim events, and what says that one is done.
	*sqlstore.Store

	cfg     Config
	sql     statements
	headers []string
	group   group
	// pageWindow is the constant, smaller in tests.
	pageWindow int64
	keepNew    *sql.Stmt    // on SQLite, where to understand a statement takes as long as to run it
	due        schedule.Due // nil for the inbox's own poller

	mu    sync.Mutex
	desks map[string]payack.Desk
	busy  map[string]int // attempts that run, by receiver
	// held are the leases of the attempts that run here. Only these are renewed: a
	// lease whose commit was not confirmed may be in the table, and nobody works
	// for it.
	held map[lease]bool
	// Of an engine other than the poller: whether it may begin attempts, and how many
	// are about to.
	serving  bool
	entering int

	stop <-chan struct{} // closed when Run is to end
	// Of Run's own goroutine: when it last looked for crashed attempts, whether its
	// last round found something due, and of what it has reminded an engine.
	recovered time.Time
	plenty    bool
	reminded  map[string]reminded

	running  atomic.Bool
	attempts sync.WaitGroup
	wake     chan struct{} // something may be due
	freed    chan struct{} // an attempt has ended
	closed   chan struct{}
	close    sync.Once
	warned   limiter
}

var _ interface {
	payack.Inbox
	payack.Binder
} = (*Inbox)(nil)

// Open returns an inbox on tables that it makes, or brings up to date, unless
// Config.NoMigrate is set. The error says what to do when they can't be made, are
// newer than this module, when the database is another than the dialect says, or
// can't be written. Settings with which a crash loses what was committed are
// logged as warnings.
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
		Store: store, cfg: cfg, sql: newStatements(cfg.Dialect, cfg.Prefix),
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
	_, _ = rand.Read(token) // never fails
	return token
}

// Close has Run end, waits for the attempts that run, and makes Keep fail. The
// database's pool is its owner's to close, after this.
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

// Claim implements [payack.Store]. The lease is at most that of the inbox, so that
// an event whose process ended is free again soon; nobody else works on the event
// meanwhile, because its payment is held for as long as the attempt runs.
func (in *Inbox) Claim(ctx context.Context, id, fingerprint string, lease time.Duration) (payack.Claim, error) {
	return in.Store.Claim(ctx, id, fingerprint, min(lease, in.cfg.Lease))
}

// stir wakes whoever waits for something to do.
func (in *Inbox) stir() { signal(in.wake) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// limiter lets a message through once in a while.
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
