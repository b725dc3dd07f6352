package sqlstore

import (
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/payack/payack/internal/dialect"
)

// Dialect is a database's variant of SQL: [SQLite], [PostgreSQL] or [MySQL].
type Dialect = dialect.Dialect

// Dialects. Dialect MySQL is tested with MariaDB 10.11; MySQL itself is untested.
var (
	SQLite     = dialect.SQLite
	PostgreSQL = dialect.PostgreSQL
	MySQL      = dialect.MySQL
)

const (
	// DefaultPrefix is used if Config.Prefix is empty.
	DefaultPrefix = "payack_"
	// DefaultRetention is used if Config.Retention is zero.
	DefaultRetention = 90 * 24 * time.Hour
)

// Config says where and how events are remembered.
type Config struct {
	// DB is the merchant's own pool, on any driver. The store neither configures
	// nor closes it.
	DB *sql.DB
	// Dialect names the database behind DB.
	Dialect Dialect
	// Prefix is the beginning of the names of all tables. If it is empty,
	// [DefaultPrefix] is used. It is a lower-case letter, followed by lower-case
	// letters, digits and underscores, at most 30 characters in all. Stores with
	// the same prefix in the same database share their events.
	Prefix string
	// Retention is how long [Store.Prune] keeps the readable identity of a done
	// event, counted from its commit. Zero means [DefaultRetention]. The commit's
	// time and the digests of identity and fingerprint stay for ever. They take
	// about 100 bytes for each event.
	Retention time.Duration
	// Isolation is the isolation level of the transactions of [InTx]; zero is the
	// database's default.
	Isolation sql.IsolationLevel
	// Logger gets warnings about the database's settings and about functions that
	// ended their transaction themselves; nil is slog.Default.
	Logger *slog.Logger
}

var prefixes = regexp.MustCompile(`^[a-z][a-z0-9_]{0,29}$`)

// withDefaults returns the completed configuration, or an error that names the
// member and the fix.
func (c Config) withDefaults() (Config, error) {
	switch {
	case c.DB == nil:
		return c, errors.New("sqlstore: Config.DB is nil; give the pool that sql.Open returned")
	case !c.Dialect.Valid():
		return c, errors.New("sqlstore: Config.Dialect is missing; give sqlstore.SQLite, sqlstore.PostgreSQL or sqlstore.MySQL")
	case c.Prefix != "" && !prefixes.MatchString(c.Prefix):
		return c, fmt.Errorf("sqlstore: Config.Prefix %.40q can't begin a table's name; use a lower-case letter, then letters, digits and underscores, at most 30", c.Prefix)
	case c.Retention < 0:
		return c, fmt.Errorf("sqlstore: Config.Retention is %v; give how long readable identities are kept, or 0 for %v", c.Retention, DefaultRetention)
	}
	if c.Prefix == "" {
		c.Prefix = DefaultPrefix
	}
	if c.Retention == 0 {
		c.Retention = DefaultRetention
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, nil
}
