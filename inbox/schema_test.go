package inbox_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/inbox"
	"github.com/payack/payack/inbox/internal/crashtest"
	"github.com/payack/payack/inbox/sqlite"
)

// Each database accepts the statements of its dialect.
func TestStatements(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d)
		for name, text := range inbox.Statements(d.dialect, "payack_") {
			require.NotEmpty(t, text, name)
			if strings.HasSuffix(text, " IN") || strings.Contains(text, " ROW") || strings.Contains(text, "STATE") {
				continue // incomplete until it runs
			}
			stmt, err := s.db.Prepare(text)
			if assert.NoError(t, err, "%s: %s", name, text) {
				stmt.Close()
			}
		}
	})
}

// Ten processes that start at once create the missing tables.
func TestTenProcessesStartAtOnce(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		dsn := d.dsn(t)
		var all []*crashtest.Process
		for range 10 {
			all = append(all, crashtest.Launch(t, d.name, dsn, "1s", "this"))
		}
		for _, p := range all {
			p.Ready(t)
		}
		db := d.pool(t, dsn)
		var versions, version int
		require.NoError(t, db.QueryRow(`SELECT COUNT(*), MAX(version) FROM payack_inbox_schema`).Scan(&versions, &version))
		require.Equal(t, []int{1, 1}, []int{versions, version})
	})
}

// Ten pools that open at once create one set of tables.
func TestTenPoolsOpenAtOnce(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		dsn := d.dsn(t)
		var all sync.WaitGroup
		homes := make([]string, 10)
		for i := range homes {
			db := d.pool(t, dsn)
			all.Go(func() {
				in, err := inbox.Open(t.Context(), d.quick(db, &log{}))
				if assert.NoError(t, err) {
					homes[i] = in.Home()
				}
			})
		}
		all.Wait()
		for _, home := range homes {
			assert.Equal(t, homes[0], home)
		}
	})
}

// Missing tables are refused with NoMigrate. Current tables are accepted, and
// newer ones are refused.
func TestVersions(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		db := d.pool(t, d.dsn(t))
		cfg := d.quick(db, &log{})
		cfg.NoMigrate = true
		_, err := inbox.Open(t.Context(), cfg)
		require.ErrorContains(t, err, "Migrate")
		for statement := range strings.SplitSeq(strings.TrimSuffix(inbox.Schema(d.dialect, ""), ";\n"), ";\n") {
			_, err := db.Exec(statement)
			require.NoError(t, err)
		}
		require.NoError(t, inbox.Migrate(t.Context(), cfg))
		_, err = inbox.Open(t.Context(), cfg)
		require.NoError(t, err)
		_, err = db.Exec(`UPDATE payack_inbox_schema SET version = 99`)
		require.NoError(t, err)
		for _, no := range []bool{true, false} {
			cfg.NoMigrate = no
			_, err = inbox.Open(t.Context(), cfg)
			require.ErrorContains(t, err, "upgrade this program")
		}
	})
}

// The package's example and the README show the same code.
func TestExampleIsTheReadmes(t *testing.T) {
	function := func(path string) (lines []string) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		_, after, found := strings.Cut(string(text), "inbox.InTx(")
		require.True(t, found, path)
		after, _, _ = strings.Cut(after, "}))")
		for line := range strings.Lines(after) {
			line, _, _ = strings.Cut(line, " //")
			lines = append(lines, strings.TrimSpace(line))
		}
		return lines
	}
	readme := function("../README.md")
	require.Greater(t, len(readme), 4)
	assert.Equal(t, readme, function("example_test.go"))
}

func TestConfigIsChecked(t *testing.T) {
	db, err := sqlite.OpenFile(filepath.Join(t.TempDir(), "x.db"))
	require.NoError(t, err)
	defer db.Close()
	for want, cfg := range map[string]inbox.Config{
		"Config.DB":            {Dialect: sqlite.Dialect},
		"Config.Dialect":       {DB: db},
		"Config.Workers":       {DB: db, Dialect: sqlite.Dialect, Workers: -1},
		"Config.GiveUp":        {DB: db, Dialect: sqlite.Dialect, GiveUp: -1},
		"Config.Lease":         {DB: db, Dialect: sqlite.Dialect, Lease: inbox.DefaultGiveUp},
		"Config.RetryMax":      {DB: db, Dialect: sqlite.Dialect, RetryMax: 1, RetryFirst: 2},
		"Config.Prefix":        {DB: db, Dialect: sqlite.Dialect, Prefix: "no good"},
		"the database behind ": {DB: db, Dialect: inbox.PostgreSQL},
	} {
		_, err := inbox.Open(t.Context(), cfg)
		require.ErrorContains(t, err, want)
	}
}

// A new file belongs to its owner only. A file that is no database, or can't be
// written, is an error that names the fix.
func TestOpenFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ü ?#%.db")
	db, err := sqlite.OpenFile(path)
	require.NoError(t, err)
	_, err = inbox.Open(t.Context(), inbox.Config{DB: db, Dialect: sqlite.Dialect})
	require.NoError(t, err)
	for _, end := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + end)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), end)
	}
	var sync, timeout int
	require.NoError(t, db.QueryRow(`PRAGMA synchronous`).Scan(&sync))
	require.NoError(t, db.QueryRow(`PRAGMA busy_timeout`).Scan(&timeout))
	assert.Equal(t, []int{2, 5000}, []int{sync, timeout})
	require.NoError(t, db.Close())

	_, err = sqlite.OpenFile("")
	require.ErrorContains(t, err, "name a file")
	text := filepath.Join(dir, "text")
	require.NoError(t, os.WriteFile(text, []byte("this is a text, and quite long enough for a header of a database file"), 0o600))
	_, err = sqlite.OpenFile(text)
	require.ErrorContains(t, err, "no SQLite database")
	_, err = sqlite.OpenFile(filepath.Join(dir, "no", "such"))
	require.ErrorContains(t, err, "may write to")

	ro, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "ro.db")+"?mode=ro")
	require.NoError(t, err)
	defer ro.Close()
	_, err = inbox.Open(context.Background(), inbox.Config{DB: ro, Dialect: sqlite.Dialect})
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "\n")
}
