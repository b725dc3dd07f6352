// Package sqlite opens a SQLite file for an inbox. No other software is needed:
// the package links modernc.org/sqlite, which needs no C compiler. It is a
// package of its own so that programs on other databases don't compile SQLite.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	_ "modernc.org/sqlite"

	"github.com/payack/payack/internal/dialect"
	"github.com/payack/payack/store/sqlstore"
)

// Dialect is [sqlstore.SQLite], for inbox.Config.
var Dialect = sqlstore.SQLite

// OpenFile returns a pool on the SQLite file at path. It creates a missing file,
// readable and writable by its owner only. Commits survive a power failure
// (write-ahead log, synchronous=FULL). Writers wait up to 5 seconds for each
// other, in this process and in others. The caller closes the pool.
//
// Keep the file on a local disk; file locks may not work on a network file
// system. The error names the fix when the file is no SQLite database or can't be
// written.
func OpenFile(path string) (*sql.DB, error) {
	if path == "" {
		return nil, errors.New("sqlite: the path is empty; name a file, such as payack.db")
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w; give a path that this user may write to", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var mode string
	err = db.QueryRowContext(ctx, `PRAGMA journal_mode`).Scan(&mode)
	// While several processes switch a new file to WAL, SQLite fails at once,
	// whatever busy_timeout is. So try again.
	for err != nil && Dialect.Fault(err) == dialect.Again && ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond)
		err = db.QueryRowContext(ctx, `PRAGMA journal_mode`).Scan(&mode)
	}
	if err != nil {
		db.Close()
		if Dialect.Fault(err) == dialect.NotADatabase {
			return nil, fmt.Errorf("sqlite: %s is no SQLite database: %w; check its path", path, err)
		}
		return nil, fmt.Errorf("sqlite: %s can't be opened: %w", path, err)
	}
	return db, nil
}
