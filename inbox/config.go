package inbox

import (
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/payack/payack/store/sqlstore"
)

// Dialect is the database's way to speak SQL.
type Dialect = sqlstore.Dialect

// The dialects. Package inbox/sqlite has SQLite's beside the function that opens
// a file. MySQL is tested with MariaDB 10.11; MySQL itself is untested.
var (
	SQLite     = sqlstore.SQLite
	PostgreSQL = sqlstore.PostgreSQL
	MySQL      = sqlstore.MySQL
)

// Defaults of [Config].
const (
	DefaultWorkers       = 16
	DefaultRetryFirst    = 5 * time.Second
	DefaultRetryMax      = time.Hour
	DefaultGiveUp        = 72 * time.Hour
	DefaultLeastAttempts = 10
	DefaultGrace         = 15 * time.Minute
	DefaultRetention     = 90 * 24 * time.Hour
	DefaultLease         = 10 * time.Second
	DefaultPoll          = 100 * time.Millisecond
	DefaultLate          = 5 * time.Minute
	DefaultMaxVariants   = 8
	DefaultRevive        = time.Minute

	maxLease = 12 * time.Second
)

// Config says where the inbox is and how it works. DB and Dialect are needed;
// the zero value of everything else is its default.
type Config struct {
	// DB is the merchant's own pool, with whatever driver. The inbox neither
	// configures nor closes it. Give it a few more connections than Workers.
	DB *sql.DB
	// Dialect names the database behind DB.
	Dialect Dialect
	// Prefix begins the names of all tables, [sqlstore.DefaultPrefix] if empty.
	// Inboxes with the same prefix in the same database are one.
	Prefix string
	// NoMigrate has Open refuse tables that are missing or older instead of
	// making them: run [Migrate], or the statements of [Schema].
	NoMigrate bool

	// Workers is how many attempts run at the same time in this process, 16 if
	// zero.
	Workers int
	// PerReceiver is how many of them one receiver may have, half of Workers if
	// zero (all of them where only one receiver is mounted), so that a provider
	// whose query hangs doesn't stop the others.
	PerReceiver int

	// RetryFirst is the longest wait after a first attempt that failed, 5 seconds
	// if zero. It doubles with each attempt, up to RetryMax, 1 hour if zero. The
	// wait is a random part of it.
	RetryFirst, RetryMax time.Duration
	// GiveUp is the age from which on an event that keeps failing is a dead
	// letter, 72 hours if zero; but never before LeastAttempts, 10 if zero: what
	// waited for a process that was down isn't given up untried.
	GiveUp        time.Duration
	LeastAttempts int
	// Grace is how long an event that the merchant doesn't expect is tried again,
	// because the order may be stored a moment later, and one that is spliced where
	// only the function can tell ([payack.ErrUndecided]), because the other one may be
	// given up; 15 minutes if zero.
	Grace time.Duration

	// MaxVariants bounds how many copies of one event with other unsigned handles
	// wait at the same time, 8 if zero. It also bounds, for each event, how many
	// copies with other unsigned details are kept for a person, and how many that a
	// rule of the merchant's own refused. Those of allowed addresses always find
	// room.
	MaxVariants int
	// Revive is the least time between a dead letter's last attempt and the next
	// that a redelivery causes, 1 minute if zero.
	Revive time.Duration

	// Retention is how long bodies, headers and events of what is done are kept,
	// 90 days if zero. Identity, fingerprint and times stay for good, and dead
	// letters as they are.
	Retention time.Duration

	// Lease is how long an attempt whose process has ended is taken to be
	// running, 10 seconds if zero, at most 12. It is renewed for as long as the
	// attempt runs.
	Lease time.Duration
	// Poll is how often the database is asked for what other processes kept, 100
	// milliseconds if zero. What this process keeps is processed at once.
	Poll time.Duration
	// Late is how long what is due may wait before [Inbox.Healthy] fails, 5 minutes
	// if zero.
	Late time.Duration

	// KeepHeaders names headers that are kept beside those of a closed list
	// (content, date, host, trace context and the signature headers). All others
	// are dropped before the receipt is written.
	KeepHeaders []string

	// Isolation is that of the transactions of [InTx]; zero is the database's
	// default.
	Isolation sql.IsolationLevel
	// Logger gets warnings about the set-up and errors of the database; nil is
	// slog.Default. What becomes of events is logged by their receivers.
	Logger *slog.Logger
}

// withDefaults returns the configuration completed, or an error that names the
// member and the fix. DB, Dialect and Prefix are sqlstore's to check.
func (c Config) withDefaults() (Config, error) {
	for _, n := range []struct {
		name  string
		value *int
		usual int
	}{
		{"Workers", &c.Workers, DefaultWorkers},
		{"PerReceiver", &c.PerReceiver, 0},
		{"LeastAttempts", &c.LeastAttempts, DefaultLeastAttempts},
		{"MaxVariants", &c.MaxVariants, DefaultMaxVariants},
	} {
		if *n.value < 0 {
			return c, fmt.Errorf("inbox: Config.%s is %d; give a number above 0, or 0 for the default", n.name, *n.value)
		}
		if *n.value == 0 {
			*n.value = n.usual
		}
	}
	for _, d := range []struct {
		name  string
		value *time.Duration
		usual time.Duration
	}{
		{"RetryFirst", &c.RetryFirst, DefaultRetryFirst},
		{"RetryMax", &c.RetryMax, max(DefaultRetryMax, c.RetryFirst)},
		{"GiveUp", &c.GiveUp, DefaultGiveUp},
		{"Grace", &c.Grace, DefaultGrace},
		{"Revive", &c.Revive, DefaultRevive},
		{"Retention", &c.Retention, DefaultRetention},
		{"Lease", &c.Lease, DefaultLease},
		{"Poll", &c.Poll, DefaultPoll},
		{"Late", &c.Late, DefaultLate},
	} {
		if *d.value < 0 {
			return c, fmt.Errorf("inbox: Config.%s is %v; give a duration above 0, or 0 for %v", d.name, *d.value, d.usual)
		}
		if *d.value == 0 {
			*d.value = d.usual
		}
	}
	switch {
	case c.DB == nil:
		return c, errors.New("inbox: Config.DB is nil; give the pool that sql.Open, or sqlite.OpenFile, returned")
	case !c.Dialect.Valid():
		return c, errors.New("inbox: Config.Dialect is missing; give sqlite.Dialect, inbox.PostgreSQL or inbox.MySQL")
	case c.Lease > maxLease:
		return c, fmt.Errorf("inbox: Config.Lease is %v; give at most %v, so that an attempt that crashed is due again soon", c.Lease, maxLease)
	case c.RetryMax < c.RetryFirst:
		return c, fmt.Errorf("inbox: Config.RetryMax is %v and RetryFirst is %v; give a RetryMax that is no shorter", c.RetryMax, c.RetryFirst)
	}
	if c.Prefix == "" {
		c.Prefix = sqlstore.DefaultPrefix
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, nil
}

// store is the configuration of what remembers the events.
func (c *Config) store() sqlstore.Config {
	return sqlstore.Config{DB: c.DB, Dialect: c.Dialect, Prefix: c.Prefix, Retention: c.Retention, Isolation: c.Isolation, Logger: c.Logger}
}
