package riverinbox

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"github.com/payack/payack/inbox"
	"github.com/payack/payack/store/sqlstore"
)

// How long a job of River may run, and when one whose process ended is taken to be
// stuck. They go together: what may still run must not be taken to be stuck. An
// attempt has its receiver's deadline, which is shorter, and one that crashed is
// found by the lease of its row, within 15 seconds; what remains for River is to
// clear up.
const (
	jobTimeout  = 5 * time.Minute
	rescueAfter = jobTimeout + time.Minute
)

// Config says where the inbox is, and which River is to work for it.
type Config struct {
	// Inbox is that of the tables. Its Dialect is inbox.PostgreSQL, which may be left
	// out. Give the pool as many connections more than the workers of all receivers
	// as requests come at the same time.
	Inbox inbox.Config

	// Client is the merchant's own client of River, on the same database; nil has
	// Open make one, and River's tables unless Inbox.NoMigrate is set. Its settings,
	// migrations, Start and Stop are its owner's: start it after [Open]. The inbox
	// adds its queues when Run begins, and removes them when Run ends. It must be made
	// with a queue and with Workers.
	//
	// Its RescueStuckJobsAfter may be as it is: jobs of the inbox say themselves for
	// how long they may run, 5 minutes.
	Client *river.Client[*sql.Tx]
	// Workers are what Client was made with. Open adds its own to them.
	Workers *river.Workers
}

func (c Config) withDefaults() (Config, error) {
	if c.Inbox.Dialect == (inbox.Dialect{}) {
		c.Inbox.Dialect = inbox.PostgreSQL
	}
	switch {
	case c.Inbox.Dialect != inbox.PostgreSQL:
		return c, fmt.Errorf("riverinbox: Config.Inbox.Dialect is that of %v; River works here on PostgreSQL, so give inbox.PostgreSQL, or use package inbox alone", c.Inbox.Dialect)
	case c.Client != nil && c.Workers == nil:
		return c, errors.New("riverinbox: Config.Workers is nil beside a Client; give the *river.Workers that the client was made with")
	case c.Client == nil && c.Workers != nil:
		return c, errors.New("riverinbox: Config.Workers is set without a Client; give the client, or leave both out")
	}
	if c.Inbox.DB != nil && c.Inbox.DB.Stats().MaxOpenConnections == 1 {
		return c, errors.New("riverinbox: Config.Inbox.DB has one connection, for which the inbox and River would wait without an end; give DB.SetMaxOpenConns more than the workers of all receivers")
	}
	return c, nil
}

// prefix is what tells the inbox's jobs from those of others in the database. It is
// empty for the default.
func (c *Config) prefix() string {
	if c.Inbox.Prefix == sqlstore.DefaultPrefix {
		return ""
	}
	return c.Inbox.Prefix
}

// workers is how many attempts of one receiver run at the same time.
func (c *Config) workers() int {
	switch {
	case c.Inbox.PerReceiver > 0:
		return c.Inbox.PerReceiver
	case c.Inbox.Workers > 0:
		return c.Inbox.Workers
	}
	return inbox.DefaultWorkers
}

// queue returns the configuration of a receiver's queue. Poll-only clients look as
// often as the inbox's poller would; the cooldown bounds how fast a queue is worked.
func (c *Config) queue() river.QueueConfig {
	poll := c.Inbox.Poll
	if poll == 0 {
		poll = inbox.DefaultPoll
	}
	poll = max(poll, river.FetchPollIntervalMin)
	return river.QueueConfig{MaxWorkers: c.workers(), FetchPollInterval: poll, FetchCooldown: min(5*time.Millisecond, poll)}
}
