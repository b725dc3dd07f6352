//go:build cgo

package sqlstore_test

import (
	"path/filepath"
	"testing"

	_ "github.com/mattn/go-sqlite3"

	"github.com/payack/payack/store/sqlstore"
)

func init() {
	otherDrivers = append(otherDrivers, database{"mattn", "sqlite3", sqlstore.SQLite, func(t testing.TB) string {
		return "file:" + filepath.Join(t.TempDir(), "once.db") + "?_txlock=immediate&_busy_timeout=10000&_journal_mode=WAL&_synchronous=FULL"
	}, nil, []string{"WAL to DELETE"}})
}
