package inbox

import (
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/payack/payack/store/sqlstore"
)

// Dialect is a database's variant of SQL: [SQLite], [PostgreSQL] or [MySQL].
type Dialect = sqlstore.Dialect

// Dialects. Package inbox/sqlite, which opens a file, also has the dialect of
// SQLite. MySQL is tested with MariaDB 10.11; MySQL itself is untested.
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

// Config says where the inbox is and how it works. DB and Dialect are required;
// zero means the default for every other member.
type Config struct {
	// DB is the merchant's own pool, on any driver. The inbox neither configures
	// nor closes the pool. Allow the pool a few more connections than Workers.
	DB *sql.DB
	// Dialect names the database behind DB.
	Dialect Dialect
	// Prefix begins the names of all tables, [sqlstore.DefaultPrefix] if empty.
	// Configurations with the same prefix in the same database name the same
	// inbox.
	Prefix string
	// NoMigrate makes Open refuse missing or older tables instead of creating or
	// upgrading them. Run [Migrate], or the statements of [Schema], beforehand.
	NoMigrate bool

	// Workers is how many attempts run at once in this process, 16 if zero.
	Workers int
	// PerReceiver is how many attempts of one receiver run at once, so that a
	// provider whose query hangs doesn't stop the others. If zero, it is Workers
	// while only one receiver is mounted, and half of Workers while several are.
	PerReceiver int

	// RetryFirst bounds the wait after the first failed attempt, 5 seconds if
	// zero. The bound doubles with each attempt up to RetryMax, 1 hour if zero.
	// The wait is a random part of the bound.
	RetryFirst, RetryMax time.Duration
	// GiveUp is the age at which an event that keeps failing becomes a dead
	// letter, 72 hours if zero. Such an event first gets LeastAttempts attempts,
	// 10 if zero, so that no event becomes a dead letter only because its process
	// was down.
	GiveUp        time.Duration
	LeastAttempts int
	// Grace is how long two kinds of refused events are retried, 15 minutes if
	// zero. One is an event that the merchant doesn't expect: its order may be
	// stored a moment later. The other is a spliced event where only the function
	// can find out which of the two events with this signature is genuine
	// ([payack.ErrUndecided]): the earlier event may turn out to be forged.
	Grace time.Duration

	// MaxVariants bounds how many copies of one event are kept, 8 if zero. Each
	// of three kinds of copies has this bound of its own:
	//
	//   - Waiting copies with different unsigned handles, at most one for each
	//     sender. A handle is an identifier that Confirm asks by, such as
	//     Payatom's ref_code. About as many copies that the provider refuted are
	//     kept in addition.
	//   - Copies with different unsigned details, which are kept for a person.
	//   - Copies that a rule of the merchant's own refused.
	//
	// Copies from the AllowedAddresses of a receiver are not bounded.
	MaxVariants int
	// Revive is the least time between a dead letter's last attempt and the next
	// one that a redelivery causes, 1 minute if zero.
	Revive time.Duration

	// Retention is how long the body, headers, event and attempts of a row are
	// kept after the row was done, superseded, closed or refuted, 90 days if
	// zero. The row's identity, fingerprint and times stay forever. Dead letters
	// stay complete.
	Retention time.Duration

	// Lease is how long an attempt counts as running after its process has
	// crashed: 10 seconds if zero, and at most 12. A running attempt renews its
	// lease.
	Lease time.Duration
	// Poll is how often the inbox asks the database for events that other
	// processes have kept, 100 milliseconds if zero. Events that this process
	// keeps are processed at once.
	Poll time.Duration
	// Late is how long a due event may wait before [Inbox.Healthy] fails, 5
	// minutes if zero.
	Late time.Duration

	// KeepHeaders names headers to keep in addition to a closed list (content,
	// date, host, trace context and the signature headers). All other headers are
	// dropped before the receipt is written.
	KeepHeaders []string

	// Isolation is the isolation level of the transactions of [InTx]; zero is the
	// database's default.
	Isolation sql.IsolationLevel
	// Logger gets warnings about the database's settings, and the database's
	// errors; nil is slog.Default. The receivers log the outcomes of events.
	Logger *slog.Logger
}

// withDefaults returns the completed configuration, or an error that names the
// member and the fix. Package sqlstore checks Prefix, and whether DB is a
// database of Dialect.
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

// store returns the configuration of the store that the inbox embeds.
func (c *Config) store() sqlstore.Config {
	return sqlstore.Config{DB: c.DB, Dialect: c.Dialect, Prefix: c.Prefix, Retention: c.Retention, Isolation: c.Isolation, Logger: c.Logger}
}
