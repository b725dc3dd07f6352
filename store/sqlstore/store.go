package sqlstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/dialect"
)

// Store is a [payack.Store] in a SQL database. It is safe for concurrent use, and
// holds no connection between its calls.
type Store struct {
	cfg    Config
	home   string
	sql    statements
	writer writer      // nil except on SQLite
	silent atomic.Bool // the server has not answered the end of a transaction
}

var _ interface {
	payack.Store
	payack.Binder
} = (*Store)(nil)

// States of a row.
const (
	claimed = 1
	done    = 2
)

// statements are composed once, when the store is opened.
type statements struct {
	look, insert, takeOver, lockExpired, commit, release, mark, marked, old, forget, drop string
	// lookFirst means that a row must be looked up before it is inserted, because
	// the insert would wait for a transaction that holds the row.
	lookFirst bool
}

func newStatements(d Dialect, prefix string, mariaDB bool) statements {
	write := strings.NewReplacer("{table}", prefix+"once", "{now}", d.Now()).Replace
	s := statements{
		look: write(`SELECT fingerprint, state, at_us > {now} FROM {table} WHERE k = ?`),
		// For a claim, at_us is the end of the lease. For a done event, it is the
		// time of the commit.
		insert:      write(`INSERT INTO {table} (k, fingerprint, state, token, at_us, id) VALUES (?, ?, ?, ?, {now} + ?, ?)`),
		lookFirst:   true,
		takeOver:    write(`UPDATE {table} SET fingerprint = ?, state = ?, token = ?, at_us = {now} + ?, id = ? WHERE k = ? AND state = 1 AND at_us <= {now}`),
		lockExpired: write(`SELECT 1 FROM {table} WHERE k = ? AND state = 1 AND at_us <= {now} FOR UPDATE NOWAIT`),
		commit:      write(`UPDATE {table} SET state = 2, at_us = {now} WHERE k = ? AND token = ? AND state = 1 AND at_us > {now}`),
		release:     write(`DELETE FROM {table} WHERE k = ? AND token = ? AND state = 1 AND at_us > {now}`),
		mark:        write(`UPDATE {table} SET state = 2, at_us = {now} WHERE state = 1`),
		marked:      write(`SELECT state FROM {table} WHERE 1 = 1`),
		old:         write(`SELECT k FROM {table} WHERE k > ? AND (state = 2 AND id <> '' AND at_us <= {now} - ? OR state = 1 AND at_us <= {now} - ?) ORDER BY k LIMIT 500`),
		forget:      write(`UPDATE {table} SET id = '' WHERE state = 2`),
		drop:        write(`DELETE FROM {table} WHERE state = 1 AND at_us <= {now} - ?`),
	}
	switch {
	case d == PostgreSQL:
		// This statement looks the row up before it inserts.
		s.insert = write(`INSERT INTO {table} (k, fingerprint, state, token, at_us, id)
SELECT ?::bytea, ?::bytea, ?::smallint, ?::bytea, {now} + ?::bigint, ?::text WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE k = ?::bytea)
ON CONFLICT (k) DO NOTHING`)
		s.lookFirst = false
	case mariaDB:
		// The insert fails at once instead of waiting for a lock.
		s.insert, s.lookFirst = `SET STATEMENT innodb_lock_wait_timeout=0 FOR `+s.insert, false
	}
	return s
}

// exec and query run a statement on a pool, connection or transaction.
func (s *Store) exec(ctx context.Context, q dialect.Querier, statement string, args ...any) (int64, error) {
	statement, args = s.cfg.Dialect.Bind(statement, args)
	result, err := q.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (s *Store) query(ctx context.Context, q dialect.Querier, statement string, args ...any) (*sql.Rows, error) {
	statement, args = s.cfg.Dialect.Bind(statement, args)
	return q.QueryContext(ctx, statement, args...)
}

// Open returns a store on tables that [Migrate] or [Schema] made.
//
// Open returns an error if the tables are missing, older or newer, or if the
// database is not the one that Dialect names. It also returns an error if the
// database can't be written, if autocommit is off, or if the table of events has no
// transactions (MyISAM). These errors name the fix. Open logs a warning for settings
// with which a crash can lose committed writes, and on SQLite for a short
// busy_timeout.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	server, err := recognise(ctx, &cfg)
	if err != nil {
		return nil, err
	}
	version, home, err := readSchema(ctx, &cfg)
	switch {
	case errors.Is(err, errNoSchema):
		return nil, fmt.Errorf("sqlstore: the tables with the prefix %s are missing; run sqlstore.Migrate, or the statements of sqlstore.Schema", cfg.Prefix)
	case err != nil:
		return nil, err
	case version > schemaVersion:
		return nil, newerSchema(version)
	case version < schemaVersion:
		return nil, fmt.Errorf("sqlstore: the tables have version %d and this module works with version %d; run sqlstore.Migrate", version, schemaVersion)
	}
	if err := warnAbout(ctx, &cfg); err != nil {
		return nil, err
	}
	if err := writable(ctx, &cfg); err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg, home: "sql " + home, sql: newStatements(cfg.Dialect, cfg.Prefix, strings.Contains(server, "MariaDB"))}
	if cfg.Dialect == SQLite {
		s.writer = make(writer, 1)
	}
	return s, nil
}

// Home implements [payack.Store]. The home is stored in the tables, so all stores on
// the same tables have the same home, whichever pool they use.
func (s *Store) Home() string { return s.home }

// Ping reports whether the database answers and the tables are there. It changes
// nothing.
func (s *Store) Ping(ctx context.Context) error {
	var version int
	err := s.cfg.DB.QueryRowContext(ctx, `SELECT version FROM `+s.cfg.Prefix+`schema WHERE one = 1`).Scan(&version)
	if err != nil {
		return explain(s.cfg.Dialect, "the database does not answer", err)
	}
	return nil
}

func digest(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// readable returns an id in a form that a text column can hold. The text is for
// people only: the store identifies events by the digest.
func readable(id string) string {
	if len(id) > 512 {
		id = id[:512]
	}
	id = strings.ToValidUTF8(id, "\uFFFD")
	id = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return utf8.RuneError
		}
		return r
	}, id)
	return string([]rune(id)[:min(512, utf8.RuneCountInString(id))])
}

// newToken returns 16 random bytes.
func newToken() []byte {
	token := make([]byte, 16)
	_, _ = rand.Read(token) // never fails
	return token
}

func tokenOf(text string) ([]byte, bool) {
	token, err := hex.DecodeString(text)
	return token, err == nil && len(token) == 16 && text == hex.EncodeToString(token)
}

// stateOf returns the answer to a claim of this row with this fingerprint.
func stateOf(row row, fingerprint []byte) payack.ClaimState {
	switch {
	case row.state == claimed && !row.held:
		return payack.ClaimUnknown
	case !bytes.Equal(row.fingerprint, fingerprint):
		return payack.ClaimConflict
	case row.state == done:
		return payack.ClaimDone
	}
	return payack.ClaimBusy
}

type row struct {
	fingerprint []byte
	state       int
	held        bool // at_us is in the future: the lease of a claim is running
}

// look reads a row without waiting for locks; found is false when there is none.
func (s *Store) look(ctx context.Context, key []byte) (r row, found bool, err error) {
	statement, args := s.cfg.Dialect.Bind(s.sql.look, []any{key})
	err = s.cfg.DB.QueryRowContext(ctx, statement, args...).Scan(&r.fingerprint, &r.state, &r.held)
	if errors.Is(err, sql.ErrNoRows) {
		return row{}, false, nil
	}
	return r, err == nil, err
}

// Lookup implements [payack.Store]. After an error nothing is known.
func (s *Store) Lookup(ctx context.Context, id, fingerprint string) (payack.ClaimState, error) {
	r, found, err := s.look(ctx, digest(id))
	switch {
	case err != nil:
		return payack.ClaimUnknown, explain(s.cfg.Dialect, "lookup", err)
	case !found:
		return payack.ClaimUnknown, nil
	}
	return stateOf(r, digest(fingerprint)), nil
}

// Claim implements [payack.Store]. The lease must be above 0; it is rounded up to
// whole milliseconds and runs by the database server's clock. After an error, the
// claim may have been made nevertheless. Such a claim is released in the background,
// or ends with its lease.
func (s *Store) Claim(ctx context.Context, id, fingerprint string, lease time.Duration) (payack.Claim, error) {
	if lease <= 0 {
		return payack.Claim{}, fmt.Errorf("sqlstore: claim: the lease is %v; give one above 0", lease)
	}
	if err := ctx.Err(); err != nil {
		return payack.Claim{}, fmt.Errorf("sqlstore: claim: %w", err)
	}
	token := newToken()
	state, err := s.take(ctx, id, entry{digest(id), digest(fingerprint), claimed, token, microseconds(lease)})
	switch {
	case err != nil:
		go s.giveUp(context.WithoutCancel(ctx), id, token)
		return payack.Claim{}, explain(s.cfg.Dialect, "claim", err)
	case state != payack.ClaimGranted:
		return payack.Claim{State: state}, nil
	}
	return payack.Claim{State: payack.ClaimGranted, Token: hex.EncodeToString(token)}, nil
}

// Bind implements [payack.Binder]. After an error the event may or may not be
// done with this fingerprint; calling Bind again is safe.
func (s *Store) Bind(ctx context.Context, id, fingerprint string) (payack.ClaimState, error) {
	state, err := s.take(ctx, id, entry{digest(id), digest(fingerprint), done, newToken(), 0})
	switch {
	case err != nil:
		return payack.ClaimUnknown, explain(s.cfg.Dialect, "bind", err)
	case state == payack.ClaimGranted:
		return payack.ClaimDone, nil
	}
	return state, nil
}

// microseconds rounds up to whole milliseconds, the resolution of SQLite's clock,
// and caps leases so that they fit the column.
func microseconds(d time.Duration) int64 {
	const century = 100 * 365 * 24 * time.Hour
	return int64((min(d, century)-1)/time.Millisecond+1) * 1000
}

// giveUp releases a claim whose answer was lost.
func (s *Store) giveUp(ctx context.Context, id string, token []byte) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, _ = s.write(ctx, s.sql.release, digest(id), token) // if this fails, the claim ends with its lease
}

// tries bounds how often a call starts over because another process was quicker.
const tries = 5

// entry is a row to be written.
type entry struct {
	key, fingerprint []byte
	state            int
	token            []byte
	lease            int64 // in microseconds from now
}

// take writes the row, or returns the state that prevents it.
func (s *Store) take(ctx context.Context, id string, e entry) (payack.ClaimState, error) {
	name := readable(id)
	var err error
	for try := range tries {
		var r row
		var found, granted bool
		r, found, granted, err = s.insert(ctx, e, name)
		switch {
		case err != nil && s.cfg.Dialect.Fault(err) == dialect.Again && pause(ctx, try):
			continue
		case err != nil:
			return payack.ClaimUnknown, err
		case granted:
			return payack.ClaimGranted, nil
		case !found:
			continue // inserted by another process at the same time: look again
		}
		if known := stateOf(r, e.fingerprint); known != payack.ClaimUnknown {
			return known, nil
		}
		granted, err = s.takeOver(ctx, e, name)
		switch {
		case err != nil && s.cfg.Dialect.Fault(err) == dialect.Again:
			// The row is locked by its holder's transaction, or by another process
			// that is taking it over.
			return payack.ClaimBusy, nil
		case err != nil:
			return payack.ClaimUnknown, err
		case granted:
			return payack.ClaimGranted, nil
		}
	}
	if err != nil {
		return payack.ClaimUnknown, err
	}
	return payack.ClaimBusy, nil
}

// pause waits before another try, longer each time. It reports false when ctx
// ends first.
func pause(ctx context.Context, try int) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Duration(math.Pow(3, float64(try))) * time.Millisecond):
		return true
	}
}

// insert writes a new row, or returns the existing one. It doesn't wait for a
// transaction that holds the row.
func (s *Store) insert(ctx context.Context, e entry, name string) (r row, found, granted bool, err error) {
	if s.sql.lookFirst {
		if r, found, err = s.look(ctx, e.key); err != nil || found {
			return r, found, false, err
		}
	}
	args := []any{e.key, e.fingerprint, e.state, e.token, e.lease, name}
	if s.cfg.Dialect == PostgreSQL {
		args = append(args, e.key)
	}
	n, err := s.write(ctx, s.sql.insert, args...)
	switch {
	case n == 1:
		return row{}, false, true, nil
	case err != nil && s.cfg.Dialect.Fault(err) != dialect.Duplicate && (s.sql.lookFirst || s.cfg.Dialect.Fault(err) != dialect.Again):
		return row{}, false, false, err
	}
	r, found, lookErr := s.look(ctx, e.key)
	if lookErr != nil || found {
		return r, found, false, lookErr
	}
	if s.cfg.Dialect.Fault(err) == dialect.Again {
		return row{}, false, false, err // the conflicting row is gone, or not visible
	}
	return row{}, false, false, nil
}

// takeOver takes a claim whose lease has ended. It doesn't wait for a transaction
// that still holds the row.
func (s *Store) takeOver(ctx context.Context, e entry, name string) (bool, error) {
	args := []any{e.fingerprint, e.state, e.token, e.lease, name, e.key}
	if s.cfg.Dialect == SQLite { // one writer, so no other transaction holds the row
		n, err := s.write(ctx, s.sql.takeOver, args...)
		return n == 1, err
	}
	tx, err := s.cfg.DB.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	var one int
	statement, keys := s.cfg.Dialect.Bind(s.sql.lockExpired, []any{e.key})
	err = tx.QueryRowContext(ctx, statement, keys...).Scan(&one)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, err
	}
	if n, err := s.exec(ctx, tx, s.sql.takeOver, args...); n != 1 || err != nil {
		return false, err
	}
	return true, tx.Commit()
}

// write runs a statement as a transaction of its own.
func (s *Store) write(ctx context.Context, statement string, args ...any) (int64, error) {
	if err := s.writer.enter(ctx); err != nil {
		return 0, err
	}
	defer s.writer.leave()
	return s.exec(ctx, s.cfg.DB, statement, args...)
}

// Turn waits for the caller's turn to write through the store's pool. Call the
// returned function to end the turn; further calls of it do nothing. The error is the
// error of ctx.
//
// SQLite allows one writer and makes the others poll, so writers that take turns get
// the lock sooner. On other databases Turn returns at once.
func (s *Store) Turn(ctx context.Context) (end func(), err error) {
	if err := s.writer.enter(ctx); err != nil {
		return nil, fmt.Errorf("sqlstore: waiting for another writer: %w", err)
	}
	return sync.OnceFunc(s.writer.leave), nil
}

// writer admits one writer at a time. A caller that waits for SQLite's own lock
// polls it and holds a connection. A caller that waits here is woken, and holds
// none. A nil writer admits every caller.
type writer chan struct{}

func (w writer) enter(ctx context.Context) error {
	if w == nil {
		return nil
	}
	select {
	case w <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w writer) leave() {
	if w != nil {
		<-w
	}
}

// Commit implements [payack.Store]. It returns [payack.ErrNotHeld] when the claim
// is not held. After any other error the event may be done, or still claimed.
func (s *Store) Commit(ctx context.Context, id, token string) error {
	return s.end(ctx, "commit", s.sql.commit, id, token)
}

// releasePatience bounds how long the caller waits for a release. It is a variable
// for tests only.
var releasePatience = time.Second

// releaseTimeout bounds how long the release is tried.
const releaseTimeout = 5 * time.Second

// Release implements [payack.Store]. It returns [payack.ErrNotHeld] when the
// claim is not held. After any other error the event may be free, or still
// claimed.
//
// On PostgreSQL, MariaDB and MySQL, Release waits at most a second, so that it
// hardly delays the answer to the provider. If the server has not answered the end
// of a transaction of [InTx], Release doesn't wait at all. The release goes on in
// the background for up to 5 seconds, even after ctx has ended.
func (s *Store) Release(ctx context.Context, id, token string) error {
	if s.cfg.Dialect == SQLite { // no server that could fail to answer
		return s.end(ctx, "release", s.sql.release, id, token)
	}
	released := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
		defer cancel()
		err := s.end(ctx, "release", s.sql.release, id, token)
		if err == nil {
			s.silent.Store(false)
		}
		released <- err
	}()
	patience := releasePatience
	if s.silent.Load() {
		patience = 0
	}
	wait := time.NewTimer(patience)
	defer wait.Stop()
	select {
	case err := <-released:
		return err
	case <-wait.C:
		return explain(s.cfg.Dialect, "release", errUnanswered)
	}
}

func (s *Store) end(ctx context.Context, op, statement, id, token string) error {
	raw, ok := tokenOf(token)
	if !ok {
		return payack.ErrNotHeld
	}
	for try := 0; ; try++ {
		n, err := s.write(ctx, statement, digest(id), raw)
		switch {
		case err != nil && s.cfg.Dialect.Fault(err) == dialect.Again && try < tries && pause(ctx, try):
			continue
		case err != nil:
			return explain(s.cfg.Dialect, op, err)
		case n != 1:
			return payack.ErrNotHeld
		}
		return nil
	}
}

// crashedAfter is how long a claim is kept after its lease has ended. Until then
// its row shows which event a crash interrupted.
const crashedAfter = 24 * time.Hour

// Prune drops the readable identities of events that have been done for longer than
// Config.Retention. It also drops the claims of crashed processes a day after their
// lease ended. Of a done event, the commit's time and the digests of identity and
// fingerprint stay, so that the event is never processed again. Prune returns how
// many rows it changed, even if it returns an error.
//
// Run it about once a day; several processes may run it at once. It reads the whole
// table once and writes in steps of at most 500 rows, each a transaction of its own.
// No delivery waits for a row that Prune has locked.
func (s *Store) Prune(ctx context.Context) (changed int64, err error) {
	for last := []byte{}; ; {
		keys, err := s.old(ctx, last)
		if err != nil || len(keys) == 0 {
			return changed, err
		}
		last = keys[len(keys)-1].([]byte)
		in := " AND k IN (?" + strings.Repeat(", ?", len(keys)-1) + ")"
		for _, step := range []struct {
			statement string
			args      []any
		}{
			{s.sql.forget, keys},
			{s.sql.drop, append([]any{crashedAfter.Microseconds()}, keys...)},
		} {
			n, err := s.write(ctx, step.statement+in, step.args...)
			if err != nil {
				return changed, explain(s.cfg.Dialect, "prune", err)
			}
			changed += n
		}
	}
}

// old returns the keys of the next rows for Prune to change, beginning after the key
// last.
func (s *Store) old(ctx context.Context, last []byte) (keys []any, err error) {
	rows, err := s.query(ctx, s.cfg.DB, s.sql.old, last, s.cfg.Retention.Microseconds(), crashedAfter.Microseconds())
	if err != nil {
		return nil, explain(s.cfg.Dialect, "prune", err)
	}
	defer rows.Close()
	for rows.Next() {
		var key []byte
		if err := rows.Scan(&key); err != nil {
			return nil, explain(s.cfg.Dialect, "prune", err)
		}
		keys = append(keys, key)
	}
	if err := rows.Err(); err != nil {
		return nil, explain(s.cfg.Dialect, "prune", err)
	}
	return keys, nil
}
