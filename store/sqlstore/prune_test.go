package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/store/sqlstore"
)

// Prune drops readable ids and the claims of crashed processes. It keeps
// everything that is needed to recognise a done event.
func TestPrune(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		p := d.place(t, func(c *sqlstore.Config) { c.Retention = time.Hour })
		ctx := t.Context()
		const old, young = 1203, 5 // more than two steps of Prune
		deliver := func(n int) {
			t.Helper()
			_, err := p.deliver(ctx, fmt.Sprint("event ", n), func(context.Context, *sql.Tx) error { return nil })
			require.NoError(t, err)
		}
		backdate := func(hours int, where string) {
			t.Helper()
			p.exec(t, fmt.Sprintf(`UPDATE payack_once SET at_us = at_us - %d WHERE %s`, hours*3_600_000_000, where))
		}
		count := func(where string) (n int) {
			t.Helper()
			require.NoError(t, p.db.QueryRow(`SELECT COUNT(*) FROM payack_once WHERE `+where).Scan(&n))
			return n
		}
		for n := range old {
			_, err := p.store.Bind(ctx, fmt.Sprint("event ", n), "f")
			require.NoError(t, err)
		}
		deliver(old)
		backdate(2, `state = 2`)
		for n := range young {
			deliver(old + 1 + n)
		}
		for id, hours := range map[string]int{"crashed lately": 2, "crashed long ago": 48, "running": 0} {
			_, err := p.store.Claim(ctx, id, "f", 10*time.Minute)
			require.NoError(t, err)
			backdate(hours, `id = '`+id+`'`)
		}
		require.Equal(t, old+1+young, count(`state = 2 AND id LIKE 'event %'`))
		times := count(`at_us > 0`)

		changed, err := p.store.Prune(ctx)
		require.NoError(t, err)
		require.Equal(t, int64(old+1+1), changed)
		changed, err = p.store.Prune(ctx)
		require.NoError(t, err)
		require.Zero(t, changed)

		require.Equal(t, young, count(`state = 2 AND id <> ''`), "the readable ids of young events stay")
		require.Equal(t, 2, count(`state = 1`), "and so do claims whose lease has not ended a day ago")
		require.Equal(t, times-1, count(`at_us > 0`))
		for n := range old + 1 + young {
			id := fmt.Sprint("event ", n)
			state, err := p.store.Lookup(ctx, id, "f")
			require.NoError(t, err)
			require.Equal(t, payack.ClaimDone, state, id)
			if n%100 == 0 {
				state, err = p.store.Lookup(ctx, id, "g")
				require.NoError(t, err)
				require.Equal(t, payack.ClaimConflict, state, "the fingerprint stays")
				claim, err := p.store.Claim(ctx, id, "f", time.Minute)
				require.NoError(t, err)
				require.Equal(t, payack.ClaimDone, claim.State)
			}
		}
		state, err := p.store.Lookup(ctx, "running", "f")
		require.NoError(t, err)
		require.Equal(t, payack.ClaimBusy, state)
	})
}

// A done event stays known for ever. Its retention begins at its commit, however
// long its lease was.
func TestPruneGoesByTheEnd(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		p := d.place(t, func(c *sqlstore.Config) { c.Retention = time.Hour })
		claim, err := p.store.Claim(t.Context(), "committed", "f", 100*time.Hour)
		require.NoError(t, err)
		require.NoError(t, p.store.Commit(t.Context(), "committed", claim.Token))
		claim, err = p.store.Claim(t.Context(), "in a transaction", "f", 100*time.Hour)
		require.NoError(t, err)
		h := &held{store: p.store, claims: []payack.HeldClaim{{ID: "in a transaction", Fingerprint: "f", Token: claim.Token}}}
		run := sqlstore.InTx(func(context.Context, *sql.Tx, *payack.PayatomEvent) error { return nil })
		require.NoError(t, run(payack.WithHeld(bounded(t), h), nothing))
		p.exec(t, fmt.Sprintf(`UPDATE payack_once SET at_us = at_us - %d`, 50*time.Hour.Microseconds()))

		changed, err := p.store.Prune(t.Context())
		require.NoError(t, err)
		require.Equal(t, int64(2), changed, "their readable ids are dropped")
		for _, id := range []string{"committed", "in a transaction"} {
			state, err := p.store.Lookup(t.Context(), id, "f")
			require.NoError(t, err)
			require.Equal(t, payack.ClaimDone, state, id)
		}
	})
}

// A claim that a crash left behind is taken over while Prune runs. Prune then
// doesn't drop it.
func TestPruneLeavesWhatIsTakenOver(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		p, conn := d.wrappedPlace(t)
		other, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: p.open(t, p.dsn), Dialect: d.dialect, Logger: p.log.logger()})
		require.NoError(t, err)
		require.NoError(t, grants(t, other, time.Minute))
		p.exec(t, fmt.Sprintf(`UPDATE payack_once SET at_us = at_us - %d`, 50*time.Hour.Microseconds()))
		conn.before = func(query string) {
			if strings.HasPrefix(query, "DELETE") {
				conn.before = nil
				require.NoError(t, grants(t, other, time.Minute))
			}
		}
		changed, err := p.store.Prune(t.Context())
		require.NoError(t, err)
		require.Zero(t, changed)
		require.Nil(t, conn.before, "it was taken over meanwhile")
		state, err := p.store.Lookup(t.Context(), "a", "f")
		require.NoError(t, err)
		require.Equal(t, payack.ClaimBusy, state)
	})
}

// Pruning and a function in its transaction don't wait for each other.
func TestPruneWhileAFunctionRuns(t *testing.T) {
	for _, d := range databases[1:] {
		t.Run(d.name, func(t *testing.T) {
			p := d.place(t)
			_, err := p.store.Bind(t.Context(), "old", "f")
			require.NoError(t, err)
			p.exec(t, `UPDATE payack_once SET at_us = 0`)
			_, err = p.deliver(t.Context(), "a", func(ctx context.Context, tx *sql.Tx) error {
				ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
				defer cancel()
				changed, err := p.store.Prune(ctx)
				require.Equal(t, int64(1), changed)
				return err
			})
			require.NoError(t, err)
		})
	}
}

// A replica's clock does not matter. Here it stands still in the year 2000, in a
// bubble of testing/synctest; the leases run by the database's clock.
func TestReplicaWithAWrongClock(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		p := d.place(t)
		claim, err := p.store.Claim(t.Context(), "a", "f", time.Hour)
		require.NoError(t, err)
		short, err := p.store.Claim(t.Context(), "short", "f", 10*time.Millisecond)
		require.NoError(t, err)
		time.Sleep(50 * time.Millisecond)
		synctest.Test(t, func(t *testing.T) {
			require.Equal(t, 2000, time.Now().Year())
			db, err := sql.Open(d.driver, p.dsn)
			require.NoError(t, err)
			defer db.Close()
			ctx := context.Background()
			other, err := sqlstore.Open(ctx, sqlstore.Config{DB: db, Dialect: d.dialect, Logger: p.log.logger()})
			require.NoError(t, err)
			got, err := other.Claim(ctx, "a", "f", time.Hour)
			require.NoError(t, err)
			require.Equal(t, payack.ClaimBusy, got.State, "another's lease holds")
			got, err = other.Claim(ctx, "short", "f", time.Hour)
			require.NoError(t, err)
			require.Equal(t, payack.ClaimGranted, got.State, "and ends")
			require.ErrorIs(t, other.Commit(ctx, "short", short.Token), payack.ErrNotHeld)
			require.NoError(t, other.Commit(ctx, "short", got.Token))
		})
		require.NoError(t, p.store.Commit(t.Context(), "a", claim.Token))
		var apart int64 // between two times of the database, in microseconds
		require.NoError(t, p.db.QueryRow(`SELECT MAX(at_us) - MIN(at_us) FROM payack_once`).Scan(&apart))
		require.Less(t, apart, time.Minute.Microseconds())
	})
}

// No code of this package takes the time from the replica's clock.
func TestNothingReadsTheClock(t *testing.T) {
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.SelectorExpr); ok {
				if of, ok := call.X.(*ast.Ident); ok && of.Name == "time" && (call.Sel.Name == "Now" || call.Sel.Name == "Since") {
					t.Errorf("%s uses time.%s", e.Name(), call.Sel.Name)
				}
			}
			return true
		})
	}
}

// The time zones of session, driver and process don't change leases.
func TestTimeZones(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		p := d.place(t)
		zones := map[string]string{"PostgreSQL": "&timezone=Asia/Kathmandu", "MariaDB": "&time_zone='%2B13:00'&loc=Asia%2FKathmandu&parseTime=true"}
		q := p.open(t, p.dsn+zones[d.name])
		now := `SELECT ` + d.dialect.Now()
		var here, there int64
		require.NoError(t, p.db.QueryRow(now).Scan(&here))
		require.NoError(t, q.QueryRow(now).Scan(&there))
		require.InDelta(t, here, there, 10e6)
		require.InDelta(t, time.Now().UnixMicro(), here, 10e6, "microseconds since 1970")
	})
}
