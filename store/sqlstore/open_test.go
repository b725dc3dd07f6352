package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/internal/testserver"
	"github.com/payack/payack/store/sqlstore"
)

// clear asserts that an error is one line of this package's that names the fix.
func clear(t testing.TB, err error, fix string) {
	t.Helper()
	require.Error(t, err)
	assert.Regexp(t, `^sqlstore: [^\n]+$`, err.Error())
	assert.ErrorContains(t, err, fix)
	assert.NotContains(t, err.Error(), "hunter2")
}

// open1 returns the error of opening a store.
func open1(cfg sqlstore.Config) error {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	_, err := sqlstore.Open(context.Background(), cfg)
	return err
}

func TestConfigIsChecked(t *testing.T) {
	db := databases[0].open(t, databases[0].dsn(t))
	good := sqlstore.Config{DB: db, Dialect: sqlstore.SQLite}
	for _, test := range []struct {
		change func(*sqlstore.Config)
		fix    string
	}{
		{func(c *sqlstore.Config) { c.DB = nil }, "give the pool that sql.Open returned"},
		{func(c *sqlstore.Config) { c.Dialect = sqlstore.Dialect{} }, "give sqlstore.SQLite, sqlstore.PostgreSQL or sqlstore.MySQL"},
		{func(c *sqlstore.Config) { c.Retention = -1 }, "give how long readable identities are kept"},
	} {
		cfg := good
		test.change(&cfg)
		clear(t, open1(cfg), test.fix)
		clear(t, sqlstore.Migrate(t.Context(), cfg), test.fix)
	}
	for _, prefix := range []string{"1a", "_a", "a-b", "a b", "a;b", "a.b", "A", "ä", `a"`, "a`", "a'", "a\x00", "a\n", " ", strings.Repeat("a", 31), strings.Repeat("ä;\n", 1000)} {
		cfg := good
		cfg.Prefix = prefix
		clear(t, open1(cfg), "use a lower-case letter, then letters, digits and underscores, at most 30")
		clear(t, sqlstore.Migrate(t.Context(), cfg), "at most 30")
	}
	each(t, func(t *testing.T, d database) {
		for _, prefix := range []string{"a", strings.Repeat("z", 30), "shop_2_"} {
			s := d.place(t, func(c *sqlstore.Config) { c.Prefix = prefix }).store
			_, err := s.Claim(t.Context(), "a", "f", time.Minute)
			require.NoError(t, err)
		}
	})
}

func TestClosedPool(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		p := d.place(t)
		claim, err := p.store.Claim(t.Context(), "a", "f", time.Minute)
		require.NoError(t, err)
		require.NoError(t, p.db.Close())
		const fix = "the pool is closed: close it after the server has shut down"
		cfg := sqlstore.Config{DB: p.db, Dialect: d.dialect}
		clear(t, open1(cfg), fix)
		clear(t, sqlstore.Migrate(t.Context(), cfg), fix)
		_, err = p.store.Claim(t.Context(), "b", "f", time.Minute)
		clear(t, err, fix)
		_, err = p.store.Lookup(t.Context(), "a", "f")
		clear(t, err, fix)
		_, err = p.store.Bind(t.Context(), "b", "f")
		clear(t, err, fix)
		clear(t, p.store.Commit(t.Context(), "a", claim.Token), fix)
		clear(t, p.store.Release(t.Context(), "a", claim.Token), fix)
		clear(t, p.store.Ping(t.Context()), fix)
		_, err = p.store.Prune(t.Context())
		clear(t, err, fix)
		s := p.shop(t, sqlstore.InTx(noEffect))
		require.False(t, s.receive(t, "ORD-1"))
	})
}

func TestWrongDialect(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		p := d.place(t)
		for _, other := range databases {
			if other.name == d.name {
				continue
			}
			cfg := sqlstore.Config{DB: p.db, Dialect: other.dialect}
			fix := "the database behind Config.DB is " + d.dialect.String() + ", and Config.Dialect says " + other.dialect.String() + "; give sqlstore."
			clear(t, open1(cfg), fix)
			clear(t, sqlstore.Migrate(t.Context(), cfg), fix)
		}
	})
}

func TestSchemaThatDoesNotFit(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		db := d.open(t, d.dsn(t))
		cfg := sqlstore.Config{DB: db, Dialect: d.dialect}
		exec := func(statement string) {
			t.Helper()
			_, err := db.Exec(statement)
			require.NoError(t, err)
		}
		clear(t, open1(cfg), "the tables with the prefix payack_ are missing; run sqlstore.Migrate, or the statements of sqlstore.Schema")
		require.NoError(t, sqlstore.Migrate(t.Context(), cfg))
		require.NoError(t, open1(cfg))
		other := cfg
		other.Prefix = "other_"
		clear(t, open1(other), "the prefix other_")

		exec(`UPDATE payack_schema SET version = 2`)
		clear(t, open1(cfg), "the tables have version 2 and this module works with version 1; a newer version migrated them, so upgrade this program")
		clear(t, sqlstore.Migrate(t.Context(), cfg), "upgrade this program")
		exec(`UPDATE payack_schema SET version = 0`)
		clear(t, open1(cfg), "the tables have version 0 and this module works with version 1; run sqlstore.Migrate")
		require.NoError(t, sqlstore.Migrate(t.Context(), cfg))
		s, err := sqlstore.Open(t.Context(), cfg)
		require.NoError(t, err)

		exec(`DROP TABLE payack_once`)
		clear(t, open1(cfg), "run sqlstore.Migrate")
		const fix = "run sqlstore.Migrate, or the statements of sqlstore.Schema"
		_, err = s.Claim(t.Context(), "a", "f", time.Minute)
		clear(t, err, fix)
		_, err = s.Lookup(t.Context(), "a", "f")
		clear(t, err, fix)
		exec(`DROP TABLE payack_schema`)
		clear(t, s.Ping(t.Context()), fix)
		exec(`CREATE TABLE payack_schema (something INTEGER)`)
		clear(t, open1(cfg), fix)
	})
}

// The statements of Schema can be run by hand, more than once, one by one or as a file.
func TestSchemaByHand(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		db := d.open(t, d.dsn(t))
		for _, prefix := range []string{"", "shop_"} {
			cfg := sqlstore.Config{DB: db, Dialect: d.dialect, Prefix: prefix}
			text := sqlstore.Schema(d.dialect, prefix)
			homes := map[string]bool{}
			for range 2 {
				for statement := range strings.SplitSeq(text, ";\n") {
					if statement != "" {
						_, err := db.Exec(statement)
						require.NoError(t, err)
					}
				}
				s, err := sqlstore.Open(t.Context(), cfg)
				require.NoError(t, err)
				homes[s.Home()] = true
			}
			require.Len(t, homes, 1)
			require.Equal(t, 4, strings.Count(text, ";"))
			require.NoError(t, sqlstore.Migrate(t.Context(), cfg))
		}
	})
}

func TestReadOnly(t *testing.T) {
	const fix = "the database is read-only: give the primary, or make the file writable"
	for _, test := range []struct {
		name string
		database
		change string
	}{
		{"SQLite, mode=ro", databases[0], "?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL) to ?mode=ro"},
		{"SQLite, query_only", databases[0], "&_pragma=query_only(1)"},
		{"PostgreSQL, default_transaction_read_only", databases[1], "&default_transaction_read_only=on"},
		{"MariaDB, tx_read_only", databases[2], "&tx_read_only=1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := test.place(t)
			cfg := sqlstore.Config{DB: test.open(t, with(p.dsn, test.change)), Dialect: test.dialect}
			clear(t, open1(cfg), fix)
			cfg.Prefix = "new_"
			clear(t, sqlstore.Migrate(t.Context(), cfg), fix)
		})
	}
	t.Run("SQLite, file's mode", func(t *testing.T) {
		if os.Getuid() == 0 {
			t.Skip("root writes whatever the mode is")
		}
		p := databases[0].place(t)
		require.NoError(t, p.db.Close())
		path, _, _ := strings.Cut(strings.TrimPrefix(p.dsn, "file:"), "?")
		require.NoError(t, os.Chmod(path, 0o400))
		clear(t, open1(sqlstore.Config{DB: databases[0].open(t, p.dsn), Dialect: sqlstore.SQLite}), fix)
	})
}

func TestUserWithoutRights(t *testing.T) {
	const fix = "give the pool's user the right to read and write payack's tables"
	t.Run("PostgreSQL", func(t *testing.T) {
		p := databases[1].place(t)
		var schema string
		require.NoError(t, p.db.QueryRow(`SELECT current_schema()`).Scan(&schema))
		role := "reader_" + schema
		p.exec(t, `CREATE ROLE `+role+` LOGIN PASSWORD 'hunter2'`)
		p.exec(t, `GRANT USAGE ON SCHEMA `+schema+` TO `+role)
		p.exec(t, `GRANT SELECT ON ALL TABLES IN SCHEMA `+schema+` TO `+role)
		cfg := sqlstore.Config{DB: p.open(t, strings.Replace(p.dsn, "postgres@", role+":hunter2@", 1)), Dialect: p.dialect}
		clear(t, open1(cfg), fix)
		cfg.Prefix = "new_"
		clear(t, sqlstore.Migrate(t.Context(), cfg), fix)
	})
	t.Run("MariaDB", func(t *testing.T) {
		p := databases[2].place(t)
		var name string
		require.NoError(t, p.db.QueryRow(`SELECT DATABASE()`).Scan(&name))
		p.exec(t, `CREATE USER reader_`+name+` IDENTIFIED BY 'hunter2'`)
		p.exec(t, `GRANT SELECT ON `+name+`.* TO reader_`+name)
		dsn := strings.Replace(p.dsn, "root@", "reader_"+name+":hunter2@", 1)
		cfg := sqlstore.Config{DB: p.open(t, dsn), Dialect: p.dialect}
		clear(t, open1(cfg), fix)
		cfg.Prefix = "new_"
		clear(t, sqlstore.Migrate(t.Context(), cfg), fix)
		cfg.DB = p.open(t, strings.Replace(dsn, "hunter2", "hunter2wrong", 1))
		clear(t, open1(cfg), "the database does not answer")
	})
}

func TestNoDatabase(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "invoices.pdf")
		require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("%PDF-1.4 not a database\n", 100)), 0o600))
		for _, dsn := range []string{sqliteDSN(path), "file:" + path} {
			cfg := sqlstore.Config{DB: databases[0].open(t, dsn), Dialect: sqlstore.SQLite}
			clear(t, open1(cfg), "the file is no SQLite database: check its path")
			clear(t, sqlstore.Migrate(t.Context(), cfg), "the file is no SQLite database")
		}
		gone := sqliteDSN(filepath.Join(t.TempDir(), "no such folder", "once.db"))
		clear(t, open1(sqlstore.Config{DB: databases[0].open(t, gone), Dialect: sqlstore.SQLite}), "the database does not answer")
	})
	for name, dsn := range map[string]string{
		"PostgreSQL": "postgres://shop:hunter2@127.0.0.1:1/shop?sslmode=disable",
		"MariaDB":    "shop:hunter2@tcp(127.0.0.1:1)/shop",
	} {
		t.Run(name, func(t *testing.T) {
			for _, d := range databases {
				if d.name == name {
					cfg := sqlstore.Config{DB: d.open(t, dsn), Dialect: d.dialect}
					clear(t, open1(cfg), "the database does not answer")
					clear(t, sqlstore.Migrate(t.Context(), cfg), "the database does not answer")
				}
			}
		})
	}
}

// Open warns about settings that lose committed writes in a crash, and about a short
// busy_timeout. It returns an error if autocommit is off, if the table of events has
// no transactions, or if the database is read-only.
func TestSettings(t *testing.T) {
	opened := func(t *testing.T, d database, dsn string) (string, error) {
		l := &log{}
		err := open1(sqlstore.Config{DB: d.open(t, dsn), Dialect: d.dialect, Logger: l.logger()})
		return l.String(), err
	}
	each(t, func(t *testing.T, d database) {
		p := d.place(t)
		require.Empty(t, p.log.String(), "nothing to warn about by default")
		var changes map[string]string
		switch d.dialect {
		case sqlstore.SQLite:
			changes = map[string]string{
				"synchronous(FULL) to synchronous(NORMAL)": "set _pragma=synchronous(FULL)",
				"busy_timeout(10000) to busy_timeout(10)":  "set _pragma=busy_timeout(5000)",
			}
		case sqlstore.PostgreSQL:
			changes = map[string]string{"&synchronous_commit=off": "synchronous_commit is off"}
		}
		for change, warning := range changes {
			text, err := opened(t, d, with(p.dsn, change))
			require.NoError(t, err)
			require.Contains(t, text, warning)
			require.Equal(t, 1, strings.Count(text, "\n"), text)
		}
	})
	t.Run("autocommit is off", func(t *testing.T) {
		p := databases[2].place(t)
		_, err := opened(t, p.database, p.dsn+"&autocommit=0")
		clear(t, err, "leave it on in the DSN")
	})
	t.Run("no transactions", func(t *testing.T) {
		p := databases[2].place(t)
		p.exec(t, `ALTER TABLE payack_once ENGINE=MyISAM`)
		_, err := opened(t, p.database, p.dsn)
		clear(t, err, "ALTER TABLE payack_once ENGINE=InnoDB")
	})
	t.Run("flushed late", func(t *testing.T) {
		s := testserver.Own(t, testserver.NewMariaDB, "", "--innodb-flush-log-at-trx-commit=2")
		d := databases[2]
		d.dsn = func(t testing.TB) string { return mariaOn(t, s.DSN) }
		p := d.place(t)
		require.Contains(t, p.log.String(), "innodb_flush_log_at_trx_commit is not 1")

		// The same server, set up like a replica, is read-only for users without
		// the right to write there.
		p.exec(t, `CREATE USER shop IDENTIFIED BY 'hunter2'`)
		p.exec(t, `GRANT ALL ON *.* TO shop`)
		p.exec(t, `REVOKE SUPER, READ_ONLY ADMIN ON *.* FROM shop`)
		p.exec(t, `SET GLOBAL read_only = 1`)
		cfg := sqlstore.Config{DB: p.open(t, strings.Replace(p.dsn, "root@", "shop:hunter2@", 1)), Dialect: p.dialect}
		clear(t, open1(cfg), "the database is read-only: give the primary")
		cfg.Prefix = "new_"
		clear(t, sqlstore.Migrate(t.Context(), cfg), "the database is read-only: give the primary")
	})
}

// An id may be any bytes. No id is mistaken for another, truncated, or changed
// in case.
func TestIDsOfAnyBytes(t *testing.T) {
	var every [512]byte
	for i := range every {
		every[i] = byte(i)
	}
	ids := []string{string(every[:]), string(every[1:]), "", "abc", "ABC", "abc ", " abc", "ABC ", "äbc", "a\u0308bc", "abc\x00", "abc\x00d", strings.Repeat("x", 512), strings.Repeat("x", 513), strings.Repeat("x", 5000), strings.Repeat("€", 512), "\xff", "\xff\xfe", "'; DROP TABLE payack_once; --", "?", "$1", ":a", "@a"}
	each(t, func(t *testing.T, d database) {
		for _, dsn := range []string{d.dsn(t), with(d.dsn(t), d.hostile[0])} {
			p := d.placeAt(t, dsn)
			for i, id := range ids {
				for _, known := range ids[i:] {
					state, err := p.store.Lookup(t.Context(), known, known)
					require.NoError(t, err)
					require.Equal(t, "unknown", state.String(), "%.20q after %.20q", known, id)
				}
				_, err := p.deliver(t.Context(), id, func(ctx context.Context, tx *sql.Tx) error { return p.settle(ctx, tx, fmt.Sprint(i)) })
				require.NoError(t, err)
				state, err := p.store.Lookup(t.Context(), id, "f")
				require.NoError(t, err)
				require.Equal(t, "done", state.String())
			}
			p.once(t, len(ids))
			p.db.SetMaxIdleConns(0)
		}
	})
}
