package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/store/sqlstore"
)

// connector opens connections with a database's own driver, records the statements
// sent over them, and can lose answers.
type connector struct {
	driver driver.Driver
	dsn    string

	mu   sync.Mutex
	sent []string // statements, including BEGIN, COMMIT and ROLLBACK
	// If lost is above 0, the answer to a commit is lost at once, and the server
	// works on the commit for as long as lost says. commits says whether that commit
	// succeeds.
	lost    time.Duration
	commits bool
	// late delays the answer to a commit that was made; slow delays each
	// statement.
	late, slow time.Duration
	// before, if there is one, is called with each statement before it is worked on.
	before func(query string)
}

func (c *connector) Driver() driver.Driver { return c.driver }

func (c *connector) Connect(context.Context) (driver.Conn, error) {
	conn, err := c.driver.Open(c.dsn)
	if err != nil {
		return nil, err
	}
	return &wrappedConn{driverConn: conn.(driverConn), c: c}, nil
}

func (c *connector) note(statement string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent = append(c.sent, statement)
}

// take returns the statements sent since the last call.
func (c *connector) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	sent := c.sent
	c.sent = nil
	return sent
}

// driverConn is implemented by the connections of all three drivers.
type driverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
	driver.SessionResetter
}

type wrappedConn struct {
	driverConn
	c    *connector
	work sync.WaitGroup // commits whose answers were lost
}

func (c *wrappedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.c.note(query)
	if before := c.c.before; before != nil {
		before(query)
	}
	select {
	case <-time.After(c.c.slow):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return c.driverConn.ExecContext(ctx, query, args)
}

func (c *wrappedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.c.note(query)
	return c.driverConn.QueryContext(ctx, query, args)
}

func (c *wrappedConn) CheckNamedValue(v *driver.NamedValue) error {
	if checks, ok := c.driverConn.(driver.NamedValueChecker); ok {
		return checks.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *wrappedConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.c.note("BEGIN")
	tx, err := c.driverConn.BeginTx(context.WithoutCancel(ctx), opts) // the end of ctx doesn't cancel a commit that was sent
	return wrappedTx{tx, c}, err
}

func (c *wrappedConn) Close() error {
	go func() {
		c.work.Wait()
		_ = c.driverConn.Close()
	}()
	return nil
}

type wrappedTx struct {
	driver.Tx
	conn *wrappedConn
}

func (t wrappedTx) Commit() error {
	t.conn.c.note("COMMIT")
	c := t.conn.c
	if c.lost == 0 {
		late := c.late
		err := t.Tx.Commit()
		time.Sleep(late)
		return err
	}
	lost, commits := c.lost, c.commits
	t.conn.work.Go(func() {
		time.Sleep(lost)
		if commits {
			_ = t.Tx.Commit()
		}
	})
	return errors.New("the connection was lost")
}

func (t wrappedTx) Rollback() error {
	t.conn.c.note("ROLLBACK")
	return t.Tx.Rollback()
}

// wrappedPlace returns a place whose pool uses a connector.
func (d database) wrappedPlace(t *testing.T) (*place, *connector) {
	t.Helper()
	p := d.place(t)
	c := &connector{driver: p.db.Driver(), dsn: p.dsn}
	p.db = sql.OpenDB(c)
	t.Cleanup(func() { p.db.Close() })
	var err error
	p.store, err = sqlstore.Open(t.Context(), sqlstore.Config{DB: p.db, Dialect: d.dialect, Logger: p.log.logger()})
	require.NoError(t, err)
	return p, c
}

// attempt claims an event and delivers it. The connector then holds the statements
// sent since the claim.
func (p *place) attempt(ctx context.Context, t *testing.T, c *connector, id string) (h *held, err error) {
	t.Helper()
	claim, err := p.store.Claim(t.Context(), id, "f", time.Minute)
	require.NoError(t, err)
	require.Equal(t, payack.ClaimGranted, claim.State)
	h = &held{store: p.store, claims: []payack.HeldClaim{{ID: id, Fingerprint: "f", Token: claim.Token}}}
	c.take()
	run := sqlstore.InTx(func(ctx context.Context, tx *sql.Tx, _ *payack.PayatomEvent) error { return p.settle(ctx, tx, id) })
	return h, run(payack.WithHeld(ctx, h), nothing)
}

// The answer to a commit is lost while the server still works on the commit. InTx
// must wait until the commit has ended before it reads the row. A plain read would
// find the row unmarked, so the claim would be released and the event settled again.
func TestLostAnswerToACommitUnderWay(t *testing.T) {
	for _, d := range databases[1:] { // SQLite has one writer, and no answers to lose
		t.Run(d.name, func(t *testing.T) {
			p, c := d.wrappedPlace(t)
			for _, commits := range []bool{true, false} {
				id := fmt.Sprint("commits ", commits)
				c.lost, c.commits = 300*time.Millisecond, commits
				h, err := p.attempt(bounded(t), t, c, id)
				c.lost = 0
				require.Equal(t, commits, h.committed, id)
				if commits {
					require.NoError(t, err)
					require.Equal(t, 1, p.count(t, id))
					continue
				}
				require.ErrorContains(t, err, "the connection was lost")
				require.Zero(t, p.count(t, id))
				require.NoError(t, p.store.Release(t.Context(), id, h.claims[0].Token))
			}
		})
	}
}

// A commit is made, but its answer comes after InTx has stopped waiting. InTx reads
// the result from the row: the event is done, and its claim is not released.
func TestLateAnswerToACommit(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		p, c := d.wrappedPlace(t)
		c.late = 2 * time.Second
		replace(t, sqlstore.LookTimeout, time.Minute) // this look opens a connection
		h, err := p.attempt(t.Context(), t, c, "a")   // without a deadline, InTx waits for a second
		require.NoError(t, err)
		require.True(t, h.committed)
		sent := c.take()
		require.Contains(t, strings.Join(sent[slices.Index(sent, "COMMIT"):], " "), "SELECT state", "it did not wait for the answer")
		require.Equal(t, 1, p.count(t, "a"))
	})
}

// A release is made even after its caller stopped waiting.
func TestReleaseInTheBackground(t *testing.T) {
	for _, d := range databases[1:] {
		t.Run(d.name, func(t *testing.T) {
			replace(t, sqlstore.ReleasePatience, time.Second)
			p, c := d.wrappedPlace(t)
			claim, err := p.store.Claim(t.Context(), "a", "f", time.Hour)
			require.NoError(t, err)
			c.slow = 1500 * time.Millisecond
			ctx, cancel := context.WithCancel(t.Context())
			err = p.store.Release(ctx, "a", claim.Token)
			cancel()
			require.ErrorContains(t, err, "does not answer")
			require.Eventually(t, func() bool {
				state, err := p.store.Lookup(t.Context(), "a", "f")
				return err == nil && state == payack.ClaimUnknown
			}, 10*time.Second, 10*time.Millisecond)
		})
	}
}

// InTx sends two statements more than the merchant's own transaction. On MariaDB it
// sends two further statements, which change the session.
func TestStatementsOfInTx(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		p, c := d.wrappedPlace(t)
		_, err := p.attempt(bounded(t), t, c, "a")
		require.NoError(t, err)
		// InTx returns when the commit is confirmed, before the session is restored.
		require.Eventually(t, func() bool { return p.db.Stats().InUse == 0 }, 10*time.Second, time.Millisecond)
		sent := c.take()
		want := []string{"BEGIN", "UPDATE payack_once", "INSERT INTO effects", "SELECT", "COMMIT"}
		if d.dialect == sqlstore.MySQL {
			want = slices.Concat([]string{"SET autocommit=0"}, want, []string{"SET autocommit=1"})
		}
		require.Len(t, sent, len(want), "%q", sent)
		for i := range want {
			require.Contains(t, sent[i], want[i])
		}
	})
}

// A store has looked at a claim whose lease has ended. Before the store takes the
// claim over, another process changes the claim. SQLite has no row locks, so the
// UPDATE that takes the claim over must itself detect the change.
func TestTakeOverThatComesTooLate(t *testing.T) {
	for name, c := range map[string]struct {
		quicker func(t *testing.T, other *sqlstore.Store) error
		want    payack.ClaimState
	}{
		"another holds it": {func(t *testing.T, other *sqlstore.Store) error {
			return grants(t, other, time.Minute)
		}, payack.ClaimBusy},
		"it is done": {func(t *testing.T, other *sqlstore.Store) error {
			claim, err := other.Claim(t.Context(), "a", "f", time.Minute)
			return errors.Join(err, other.Commit(t.Context(), "a", claim.Token))
		}, payack.ClaimDone},
	} {
		t.Run("SQLite/"+name, func(t *testing.T) {
			p, conn := databases[0].wrappedPlace(t)
			db := p.open(t, p.dsn)
			other, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: p.dialect, Logger: p.log.logger()})
			require.NoError(t, err)
			require.NoError(t, grants(t, other, time.Millisecond))
			require.Eventually(t, func() bool {
				state, err := other.Lookup(t.Context(), "a", "f")
				return err == nil && state == payack.ClaimUnknown
			}, time.Minute, time.Millisecond, "the lease ends")

			came := false
			conn.before = func(query string) {
				if strings.HasPrefix(query, "UPDATE") && !came {
					came = true
					require.NoError(t, c.quicker(t, other))
				}
			}
			claim, err := p.store.Claim(t.Context(), "a", "f", time.Minute)
			require.NoError(t, err)
			require.True(t, came)
			require.Equal(t, c.want, claim.State)
		})
	}
}

// grants claims an event. It returns an error if the claim is not granted.
func grants(t *testing.T, s *sqlstore.Store, lease time.Duration) error {
	claim, err := s.Claim(t.Context(), "a", "f", lease)
	if err == nil && claim.State != payack.ClaimGranted {
		err = fmt.Errorf("the claim is %v", claim.State)
	}
	return err
}
