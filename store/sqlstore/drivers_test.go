package sqlstore_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	_ "github.com/lib/pq"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/dialect"
	"github.com/payack/payack/store/sqlstore"
)

// otherDrivers are less common drivers. The variable databases has the usual ones.
var otherDrivers = []database{{"lib/pq", "postgres", sqlstore.PostgreSQL, postgresDSN, nil, []string{"&default_transaction_isolation=serializable"}}}

// The errors that real servers give are classified correctly with every driver.
func TestFaults(t *testing.T) {
	for _, d := range append(otherDrivers, databases...) {
		t.Run(d.name, func(t *testing.T) {
			p := d.place(t)
			fault := func(statement string, want dialect.Fault) {
				t.Helper()
				_, err := p.db.Exec(statement)
				require.Error(t, err)
				assert.Equal(t, want, d.dialect.Fault(err), "%v", err)
			}
			fault(`INSERT INTO payack_schema (one, version, home) SELECT one, version, home FROM payack_schema`, dialect.Duplicate)
			fault(`SELECT 1 FROM nowhere`, dialect.NoTable)
			fault(`SELECT absent FROM effects`, dialect.NoColumn)
			fault(`SELEKT 1`, dialect.Syntax)
			assert.Equal(t, dialect.Other, d.dialect.Fault(context.Canceled))
			assert.Equal(t, dialect.Other, d.dialect.Fault(nil))

			// The error for a lock that is not free.
			_, err := p.store.Bind(t.Context(), "a", "f")
			require.NoError(t, err)
			q := p.open(t, p.dsn)
			q.SetMaxOpenConns(1)
			again := func(lock, want string) {
				t.Helper()
				if d.dialect == sqlstore.SQLite {
					_, err := q.Exec(`PRAGMA busy_timeout = 0`)
					require.NoError(t, err)
				}
				tx, err := p.db.Begin()
				require.NoError(t, err)
				defer tx.Rollback()
				_, err = tx.Exec(lock)
				require.NoError(t, err)
				_, err = q.Exec(want)
				require.Error(t, err)
				assert.Equal(t, dialect.Again, d.dialect.Fault(err), "%v", err)
			}
			if d.dialect == sqlstore.SQLite {
				again(`UPDATE effects SET part = 0`, `UPDATE effects SET part = 1`)
			} else {
				again(`SELECT * FROM payack_once FOR UPDATE`, `SELECT * FROM payack_once FOR UPDATE NOWAIT`)
			}
		})
	}
}

func TestOtherDrivers(t *testing.T) {
	for _, d := range otherDrivers {
		t.Run(d.name, func(t *testing.T) {
			d.place(t).exactlyOnce(t)
			for _, flag := range d.hostile {
				d.placeAt(t, with(d.dsn(t), flag)).exactlyOnce(t)
			}
			p := d.place(t)
			_, err := p.deliver(t.Context(), "a", func(ctx context.Context, tx *sql.Tx) error {
				if err := p.settle(ctx, tx, "a"); err != nil {
					return err
				}
				run(ctx, tx, `ROLLBACK`)
				return nil
			})
			require.Error(t, err)
			require.Zero(t, p.count(t, "a"))
			p.keepsWrites(t)
			clear(t, open1(sqlstore.Config{DB: p.db, Dialect: d.dialect, Prefix: "missing_"}), "run sqlstore.Migrate")
			wrong := sqlstore.MySQL
			clear(t, open1(sqlstore.Config{DB: p.db, Dialect: wrong}), "the database behind Config.DB is "+d.dialect.String())
			if !testing.Short() && !race {
				conform(t, d.place(t))
			}
		})
	}
}

// A serialization failure is classified like a deadlock, so that it is retried.
func TestSerializationFailure(t *testing.T) {
	p := databases[1].place(t)
	p.exec(t, `INSERT INTO effects VALUES ('a', 1)`)
	tx, err := p.db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	require.NoError(t, err)
	defer tx.Rollback()
	_, err = tx.Exec(`SELECT * FROM effects`)
	require.NoError(t, err)
	p.exec(t, `UPDATE effects SET part = 2`)
	_, err = tx.Exec(`UPDATE effects SET part = 3`)
	require.Equal(t, dialect.Again, p.dialect.Fault(err), "%v", err)
}

// Under MariaDB's repeatable read, a plain SELECT does not see the row that an
// INSERT of the same transaction has just conflicted with. SELECT … FOR UPDATE
// does. So the store looks events up outside of transactions, and reads the
// result of a commit FOR UPDATE.
func TestRepeatableReadHidesARow(t *testing.T) {
	p := databases[2].place(t)
	p.exec(t, `CREATE TABLE keyed (k INTEGER PRIMARY KEY)`)
	tx, err := p.db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	require.NoError(t, err)
	defer tx.Rollback()
	var n int
	require.NoError(t, tx.QueryRow(`SELECT COUNT(*) FROM keyed`).Scan(&n)) // takes the snapshot
	p.exec(t, `INSERT INTO keyed VALUES (1)`)
	_, err = tx.Exec(`INSERT INTO keyed VALUES (1)`)
	require.Equal(t, dialect.Duplicate, p.dialect.Fault(err), "%v", err)
	require.ErrorIs(t, tx.QueryRow(`SELECT k FROM keyed WHERE k = 1`).Scan(&n), sql.ErrNoRows)
	require.NoError(t, tx.QueryRow(`SELECT k FROM keyed WHERE k = 1 FOR UPDATE`).Scan(&n))
}

// The statements for MySQL look for an event's row before they insert one. Those
// for MariaDB don't need to, because their insert doesn't wait for a lock.
func TestStatementsForMySQL(t *testing.T) {
	p := databases[2].place(t)
	p.store.AsOnMySQL()
	p.exactlyOnce(t)
	claim, err := p.store.Claim(t.Context(), "a", "f", time.Minute)
	require.NoError(t, err)
	tx, err := p.db.Begin()
	require.NoError(t, err)
	defer tx.Rollback()
	_, err = tx.Exec(`UPDATE payack_once SET state = 2`) // like the transaction of a running function
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	again, err := p.store.Claim(ctx, "a", "f", time.Minute)
	require.NoError(t, err)
	require.Equal(t, payack.ClaimBusy, again.State)
	require.NoError(t, tx.Rollback())
	require.NoError(t, p.store.Commit(t.Context(), "a", claim.Token))
	if !testing.Short() && !race {
		conform(t, p)
	}
}
