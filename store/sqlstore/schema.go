package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/payack/payack/internal/dialect"
)

// schemaVersion is the version of the tables that this module works with.
const schemaVersion = 1

// Schema returns the statements that create the tables, for migrations of your
// own. Each statement ends with a semicolon and a line break, and holds no other
// semicolon. Running them again is safe. prefix is the Prefix of a [Config]. If
// it is empty, [DefaultPrefix] is used. Schema doesn't check the prefix.
func Schema(d Dialect, prefix string) string {
	return strings.Join(schema(d, prefix), ";\n") + ";\n"
}

func schema(d Dialect, prefix string) []string {
	if prefix == "" {
		prefix = DefaultPrefix
	}
	fill := strings.NewReplacer("PREFIX", prefix, "DIGEST", d.Binary(32), "TOKEN", d.Binary(16), "ID", d.Text(512), "HOME", d.Text(64),
		"RANDOM", d.Random(), "DUAL", d.Dual(), "OPTIONS", d.TableOptions(), "VERSION", strconv.Itoa(schemaVersion)).Replace
	return []string{
		fill(`CREATE TABLE IF NOT EXISTS PREFIXschema (
	one SMALLINT NOT NULL PRIMARY KEY,
	version INTEGER NOT NULL,
	home HOME NOT NULL
)OPTIONS`),
		// state is 1 for claimed and 2 for done. at_us is the end of the lease,
		// or the time of the commit. The token of a done row shows which delivery
		// committed it, in case the commit's answer was lost.
		fill(`CREATE TABLE IF NOT EXISTS PREFIXonce (
	k DIGEST NOT NULL PRIMARY KEY,
	fingerprint DIGEST NOT NULL,
	state SMALLINT NOT NULL,
	token TOKEN NOT NULL,
	at_us BIGINT NOT NULL,
	id ID NOT NULL
)OPTIONS`),
		// The first process that runs this statement writes the home, a random text
		// that all stores on these tables return from Store.Home.
		fill(`INSERT INTO PREFIXschema (one, version, home)
SELECT 1, VERSION, RANDOMDUAL WHERE NOT EXISTS (SELECT 1 FROM PREFIXschema)`),
		fill(`UPDATE PREFIXschema SET version = VERSION WHERE version < VERSION`),
	}
}

// Migrate creates the tables, or upgrades those of an older version. It can run
// at every start, in any number of processes at once. The pool's user needs the
// right to create tables. The error names the fix; tables of a newer version are
// an error.
func Migrate(ctx context.Context, cfg Config) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return err
	}
	if _, err := recognise(ctx, &cfg); err != nil {
		return err
	}
	version, _, err := readSchema(ctx, &cfg)
	switch {
	case err == nil && version == schemaVersion:
		return nil
	case err == nil && version > schemaVersion:
		return newerSchema(version)
	case err != nil && !errors.Is(err, errNoSchema):
		return err
	}
	conn, err := cfg.DB.Conn(ctx)
	if err != nil {
		return explain(cfg.Dialect, "Migrate", err)
	}
	defer conn.Close()
	err = dialect.Exclusively(ctx, conn, cfg.Dialect, cfg.Prefix+"migrate", func(q dialect.Querier) error {
		for _, statement := range schema(cfg.Dialect, cfg.Prefix) {
			if _, err := q.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return explain(cfg.Dialect, "Migrate", err)
	}
	return nil
}

var errNoSchema = errors.New("no schema")

// readSchema returns the tables' version and the home stored in them.
func readSchema(ctx context.Context, cfg *Config) (version int, home string, err error) {
	err = cfg.DB.QueryRowContext(ctx, `SELECT version, home FROM `+cfg.Prefix+`schema WHERE one = 1`).Scan(&version, &home)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, "", errNoSchema
	case err == nil:
		return version, home, nil
	}
	switch cfg.Dialect.Fault(err) {
	case dialect.NoTable, dialect.NoColumn:
		return 0, "", errNoSchema
	}
	return 0, "", explain(cfg.Dialect, "the schema's version can't be read", err)
}

func newerSchema(version int) error {
	return fmt.Errorf("sqlstore: the tables have version %d and this module works with version %d; a newer version migrated them, so upgrade this program", version, schemaVersion)
}

// probes are queries that only one of the databases understands.
var probes = map[Dialect]string{
	SQLite:     `SELECT sqlite_version()`,
	PostgreSQL: `SELECT current_setting('server_version_num')`,
	MySQL:      `SELECT @@version`,
}

// recognise returns the database's version. It fails when the database does not
// answer or is not the one that the dialect names.
func recognise(ctx context.Context, cfg *Config) (version string, err error) {
	// While several processes open a SQLite file for the first time, it can be
	// locked in a way that busy_timeout doesn't wait for. So Ping is tried again.
	for try := 0; ; try++ {
		err := cfg.DB.PingContext(ctx)
		if err == nil {
			break
		}
		if cfg.Dialect.Fault(err) != dialect.Again || try == 20 || !pause(ctx, min(try, tries)) {
			return "", explain(cfg.Dialect, "the database does not answer", err)
		}
	}
	understands := func(d Dialect) error { return cfg.DB.QueryRowContext(ctx, probes[d]).Scan(&version) }
	if err = understands(cfg.Dialect); err == nil {
		return version, nil
	}
	for _, other := range []Dialect{SQLite, PostgreSQL, MySQL} {
		if understands(other) == nil {
			return "", fmt.Errorf("sqlstore: the database behind Config.DB is %v, and Config.Dialect says %v; give sqlstore.%s", other, cfg.Dialect, strings.TrimPrefix(other.String(), "MariaDB/"))
		}
	}
	return "", explain(cfg.Dialect, "the database does not answer", err)
}

// explain wraps err in one line, and names the fix if one is known.
func explain(d Dialect, op string, err error) error {
	fix := ""
	switch d.Fault(err) {
	case dialect.NoTable, dialect.NoColumn:
		fix = "; run sqlstore.Migrate, or the statements of sqlstore.Schema"
	case dialect.ReadOnly:
		fix = "; the database is read-only: give the primary, or make the file writable"
	case dialect.NotADatabase:
		fix = "; the file is no SQLite database: check its path"
	case dialect.Denied:
		fix = "; give the pool's user the right to read and write payack's tables (and to create them, for Migrate)"
	case dialect.Full:
		fix = "; the server's disk is full: free some space"
	case dialect.Crowded:
		fix = "; the server takes no more connections: bound the pools with SetMaxOpenConns, or raise the server's limit"
	case dialect.Again:
		fix = "; another transaction held the lock: the next delivery tries again"
	}
	switch {
	case errors.Is(err, sql.ErrConnDone), err.Error() == "sql: database is closed":
		fix = "; the pool is closed: close it after the server has shut down"
	}
	return fmt.Errorf("sqlstore: %s: %w%s", op, oneLine{err}, fix)
}

// oneLine is an error whose text has no line breaks.
type oneLine struct{ error }

func (e oneLine) Error() string {
	return strings.Join(strings.FieldsFunc(e.error.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

func (e oneLine) Unwrap() error { return e.error }

// warnAbout logs settings with which a crash can lose committed writes, and a short
// busy_timeout of SQLite. On MariaDB and MySQL it returns an error if autocommit is
// off, or if the table of events has no transactions.
func warnAbout(ctx context.Context, cfg *Config) error {
	var value string
	switch cfg.Dialect {
	case PostgreSQL:
		if err := cfg.DB.QueryRowContext(ctx, `SELECT current_setting('synchronous_commit')`).Scan(&value); err == nil && value == "off" {
			cfg.Logger.Warn("sqlstore: synchronous_commit is off, so a crash of the server can lose what was committed; set it on for payack's user")
		}
	case MySQL:
		if err := cfg.DB.QueryRowContext(ctx, `SELECT @@innodb_flush_log_at_trx_commit`).Scan(&value); err == nil && value != "1" {
			cfg.Logger.Warn("sqlstore: innodb_flush_log_at_trx_commit is not 1, so a crash of the server can lose what was committed; set it to 1", "value", value)
		}
		if err := cfg.DB.QueryRowContext(ctx, `SELECT @@autocommit`).Scan(&value); err == nil && value != "1" {
			return errors.New("sqlstore: autocommit is off on the pool's connections, so single statements would not be committed; leave it on in the DSN and in init_connect")
		}
		var engine string
		err := cfg.DB.QueryRowContext(ctx, `SELECT engine FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?`, cfg.Prefix+"once").Scan(&engine)
		if err == nil && !strings.EqualFold(engine, "InnoDB") {
			return fmt.Errorf("sqlstore: the table %sonce has the engine %s, which has no transactions; ALTER TABLE %sonce ENGINE=InnoDB", cfg.Prefix, engine, cfg.Prefix)
		}
	case SQLite:
		var level int
		if err := cfg.DB.QueryRowContext(ctx, `PRAGMA synchronous`).Scan(&level); err == nil && level < 2 {
			cfg.Logger.Warn("sqlstore: PRAGMA synchronous is below FULL, so a power failure can lose what was committed; set _pragma=synchronous(FULL) in the DSN")
		}
		if err := cfg.DB.QueryRowContext(ctx, `PRAGMA busy_timeout`).Scan(&level); err == nil && level < 1000 {
			cfg.Logger.Warn("sqlstore: PRAGMA busy_timeout is below a second, so concurrent writers fail; set _pragma=busy_timeout(5000) in the DSN", "milliseconds", level)
		}
	}
	return nil
}

// writable fails when the table of events is missing or can't be written. It
// changes no row.
func writable(ctx context.Context, cfg *Config) error {
	_, err := cfg.DB.ExecContext(ctx, `UPDATE `+cfg.Prefix+`once SET fingerprint = fingerprint, state = state, token = token, at_us = at_us, id = id WHERE k IS NULL`)
	if err != nil && cfg.Dialect.Fault(err) != dialect.Again { // a locked table is writable
		return explain(cfg.Dialect, "the events can't be written", err)
	}
	return nil
}
