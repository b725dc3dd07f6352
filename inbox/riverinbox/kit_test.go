package riverinbox_test

import (
	"database/sql"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/inbox/internal/crashtest"
	"github.com/payack/payack/internal/testserver"
)

func TestMain(m *testing.M) {
	if role := crashtest.Role(); len(role) > 0 {
		os.Exit(play(role[0]))
	}
	flag.Parse()
	code := m.Run()
	testserver.StopAll()
	os.Exit(code)
}

var quiet = slog.New(slog.DiscardHandler)

var made atomic.Int64

// fresh makes an empty schema, and returns its data source name.
func fresh(t testing.TB) string {
	t.Helper()
	dsn := testserver.Postgres(t).DSN
	db, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	defer db.Close()
	name := fmt.Sprintf("t%d_%d", os.Getpid(), made.Add(1))
	_, err = db.Exec("CREATE SCHEMA " + name)
	require.NoError(t, err)
	return dsn + "&search_path=" + name
}

// pool returns a pool on a data source. The end of the test closes it.
func pool(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := connect(dsn)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

func connect(dsn string) (*sql.DB, error) {
	db, err := sql.Open("pgx", dsn)
	if err == nil {
		db.SetMaxOpenConns(40)
		db.SetMaxIdleConns(40)
	}
	return db, err
}
