package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/payack/payack"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/inbox/sqlite"
	"github.com/payack/payack/middleware"
)

const defaultDatabase = "payack.db"

// openTimeout bounds the wait for a database server when the program starts.
const openTimeout = 15 * time.Second

// serverConns bounds the connections to a database server: one for each worker of
// the inbox, and some for receipts that arrive meanwhile.
const serverConns = inbox.DefaultWorkers + 8

// completeDatabase sets the defaults of the database and of the members that need
// one.
func (c *config) completeDatabase() error {
	if c.Database == nil {
		c.Database = new(defaultDatabase)
	}
	if *c.Database == "" {
		switch {
		case c.Retry != nil:
			return errors.New(`retry: it needs a database, and "database" is "" (memory only); name a file, like payack.db, or leave retry out`)
		case c.Forward != nil:
			return errors.New(`forward: it needs a database, and "database" is "" (memory only); name a file, like payack.db, or leave forward out`)
		}
		return nil
	}
	if scheme, _, isURL := strings.Cut(*c.Database, "://"); isURL {
		if scheme != "postgres" && scheme != "postgresql" && scheme != "mysql" {
			return errors.New(`database: it is a URL of something else; give a SQLite file, like payack.db, or a postgres:// or mysql:// URL`)
		}
		if u, err := url.Parse(*c.Database); err != nil || u.Host == "" && (scheme == "mysql" || u.Query().Get("host") == "") {
			return fmt.Errorf("database: no URL can be read from it; write it like %s://user:password@host/name, and special characters as %%40", scheme)
		}
	}
	if c.Retry == nil {
		c.Retry = new(retry)
	}
	return c.Retry.complete()
}

// ledger is the configured inbox and its database.
type ledger struct {
	*inbox.Inbox
	db *sql.DB
}

// openLedger opens the database. If create is false, it makes neither a file nor
// tables.
func (c *config) openLedger(ctx context.Context, logger *slog.Logger, create bool) (*ledger, error) {
	l, err := c.tryLedger(ctx, logger, create)
	if err != nil {
		return nil, usagef("database: %s", c.withoutPassword(ledgerTexts.Replace(err.Error())))
	}
	return l, nil
}

// ledgerTexts rewrites the library's errors for a user of the command.
var ledgerTexts = strings.NewReplacer(
	"sqlite: ", "", "sqlstore: ", "", "inbox: ", "",
	"run inbox.Migrate, or the statements of inbox.Schema, or leave Config.NoMigrate out", "start payack listen once with this configuration",
	"run inbox.Migrate, or the statements of inbox.Schema", "start payack listen once with this configuration",
	"run sqlstore.Migrate, or the statements of sqlstore.Schema", "start payack listen once with this configuration",
	"run sqlstore.Migrate", "start payack listen once with this configuration",
)

func (c *config) tryLedger(ctx context.Context, logger *slog.Logger, create bool) (*ledger, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	db, dialect, err := openDatabase(*c.Database, logger, create)
	if err != nil {
		return nil, err
	}
	in, err := inbox.Open(ctx, inbox.Config{
		DB: db, Dialect: dialect, NoMigrate: !create, Logger: logger,
		RetryFirst: c.Retry.first, RetryMax: c.Retry.max, GiveUp: c.Retry.giveUp,
	})
	if err != nil {
		db.Close()
		return nil, err
	}
	return &ledger{in, db}, nil
}

// Keep keeps a receipt within the time that providers wait for an answer. If events
// are forwarded, the receivers' deadline is longer, because it also covers an attempt.
func (l *ledger) Keep(ctx context.Context, r *payack.Receipt) (payack.ClaimState, error) {
	ctx, cancel := context.WithDeadline(ctx, r.Delivery.Received.Add(middleware.DefaultDeadline))
	defer cancel()
	return l.Inbox.Keep(ctx, r)
}

// Close closes the inbox, which waits for its attempts, and then the database.
func (l *ledger) Close() error { return errors.Join(l.Inbox.Close(), l.db.Close()) }

// work processes events until stop is called. stop waits for running attempts.
// Without forwarding, an attempt writes the event's line. So if nobody will ever
// read lines again, work without forwarding ends by itself, and the events wait for
// the next start.
func (l *ledger) work(ctx context.Context, out *lines) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = l.Run(ctx) // fails only if it runs twice
	}()
	if !out.forwarded {
		go func() {
			select {
			case <-out.gone:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	return func() {
		cancel()
		<-ended
	}
}

// openDatabase returns a pool on the configured database.
func openDatabase(name string, logger *slog.Logger, create bool) (db *sql.DB, d inbox.Dialect, err error) {
	scheme, _, isURL := strings.Cut(name, "://")
	switch {
	case !isURL:
		if _, err := os.Stat(name); err != nil && !create {
			return nil, d, fmt.Errorf("%w; start payack listen first, in the same folder, or correct the path", err)
		}
		db, err = sqlite.OpenFile(name)
		return db, sqlite.Dialect, err
	case scheme == "mysql":
		db, err = openMySQL(name, logger)
		d = inbox.MySQL
	default:
		var pg *pgx.ConnConfig
		if pg, err = pgx.ParseConfig(name); err == nil {
			db = stdlib.OpenDB(*pg)
		}
		d = inbox.PostgreSQL
	}
	if err == nil {
		db.SetMaxOpenConns(serverConns)
		db.SetMaxIdleConns(serverConns)
	}
	return db, d, err
}

// openMySQL opens a mysql:// URL, which the driver itself doesn't accept.
func openMySQL(name string, logger *slog.Logger) (*sql.DB, error) {
	u, err := url.Parse(name)
	if err != nil { // can't fail: the URL was parsed with the configuration
		return nil, errors.New("no URL can be read from it")
	}
	dsn, err := mysql.ParseDSN("tcp(" + u.Host + ")/" + url.PathEscape(strings.TrimPrefix(u.Path, "/")) + "?" + u.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("an option of the URL is wrong: %w", err)
	}
	dsn.User = u.User.Username()
	dsn.Passwd, _ = u.User.Password()
	dsn.Logger = slog.NewLogLogger(logger.Handler(), slog.LevelWarn)
	connector, err := mysql.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// databaseName returns the file, or the server without the password.
func (c *config) databaseName() string {
	u, err := url.Parse(*c.Database)
	if err != nil || u.Scheme == "" {
		return plain(*c.Database)
	}
	return plain(u.Scheme + "://" + u.Host + u.Path)
}

// withoutPassword removes the database's password from a text.
func (c *config) withoutPassword(text string) string {
	for _, s := range c.databaseSecrets() {
		text = strings.ReplaceAll(text, s, "***")
	}
	return text
}

func (c *config) databaseSecrets() (out []string) {
	u, err := url.Parse(*c.Database)
	if err != nil || u.Scheme == "" {
		return nil
	}
	if p, _ := u.User.Password(); p != "" {
		out = append(out, p)
		if escaped := url.QueryEscape(p); escaped != p {
			out = append(out, escaped)
		}
	}
	for _, p := range []string{u.Query().Get("password"), u.Query().Get("sslpassword")} {
		if p != "" {
			out = append(out, p)
		}
	}
	return out
}
