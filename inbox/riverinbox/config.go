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

// jobTimeout is how long a job of River may run. rescueAfter is the time after
// which River takes a job for stuck. It is longer than jobTimeout, so that River
// takes no running job for stuck.
//
// An attempt ends before jobTimeout, because its receiver's deadline is shorter.
// A crashed attempt is found before rescueAfter, because the lease of its row
// ends within 15 seconds. So the two times only serve to clean up jobs of crashed
// processes.
const (
	jobTimeout  = 5 * time.Minute
	rescueAfter = jobTimeout + time.Minute
)

// Config says where the inbox is and which client of River works for it.
type Config struct {
	// Inbox configures the inbox. Its Dialect must be inbox.PostgreSQL or zero,
	// which means the same. Allow the pool one connection for each worker of all
	// receivers, and one more for each concurrent request.
	Inbox inbox.Config

	// Client is the merchant's own client of River, on the same database. If
	// Client is nil, Open makes a client. Open then makes River's tables as well,
	// unless Inbox.NoMigrate is set.
	//
	// The owner of Client configures, migrates, starts and stops it. Make it with
	// a queue and with Workers, and start it after [Open]. The inbox adds its
	// queues when Run begins and removes them when Run ends. RescueStuckJobsAfter
	// of the client needs no change: the inbox's jobs set a timeout of their own,
	// 5 minutes.
	Client *river.Client[*sql.Tx]
	// Workers are the workers that Client was made with. Open adds its own worker
	// to them.
	Workers *river.Workers
}

func (c Config) withDefaults() (Config, error) {
	if c.Inbox.Dialect == (inbox.Dialect{}) {
		c.Inbox.Dialect = inbox.PostgreSQL
	}
	switch {
	case c.Inbox.Dialect != inbox.PostgreSQL:
		return c, fmt.Errorf("riverinbox: Config.Inbox.Dialect is %v; riverinbox needs inbox.PostgreSQL: give that, or use package inbox alone", c.Inbox.Dialect)
	case c.Client != nil && c.Workers == nil:
		return c, errors.New("riverinbox: Config.Workers is nil beside a Client; give the *river.Workers that the client was made with")
	case c.Client == nil && c.Workers != nil:
		return c, errors.New("riverinbox: Config.Workers is set without a Client; give the client, or leave both out")
	}
	if c.Inbox.DB != nil && c.Inbox.DB.Stats().MaxOpenConnections == 1 {
		return c, errors.New("riverinbox: Config.Inbox.DB allows one connection, so the inbox and River would block each other forever; give DB.SetMaxOpenConns more than the workers of all receivers")
	}
	return c, nil
}

// prefix distinguishes the inbox's jobs from those of other inboxes in the
// database. It is empty for the default prefix.
func (c *Config) prefix() string {
	if c.Inbox.Prefix == sqlstore.DefaultPrefix {
		return ""
	}
	return c.Inbox.Prefix
}

// workers returns how many attempts of one receiver run at once.
func (c *Config) workers() int {
	switch {
	case c.Inbox.PerReceiver > 0:
		return c.Inbox.PerReceiver
	case c.Inbox.Workers > 0:
		return c.Inbox.Workers
	}
	return inbox.DefaultWorkers
}

// queue returns the configuration of a receiver's queue. A client of River that
// only polls asks for jobs as often as the inbox's own poller asks for rows. The
// cooldown is the least time between two fetches.
func (c *Config) queue() river.QueueConfig {
	poll := c.Inbox.Poll
	if poll == 0 {
		poll = inbox.DefaultPoll
	}
	poll = max(poll, river.FetchPollIntervalMin)
	return river.QueueConfig{MaxWorkers: c.workers(), FetchPollInterval: poll, FetchCooldown: min(5*time.Millisecond, poll)}
}
