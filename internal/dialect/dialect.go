// Package dialect holds what SQLite, PostgreSQL and MariaDB or MySQL spell each
// their own way, for payack's modules on database/sql. It links no driver:
// errors are recognised by their shape.
package dialect

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Dialect is a way to speak SQL. The zero Dialect is none.
type Dialect struct{ kind kind }

type kind uint8

const (
	sqlite kind = iota + 1
	postgres
	mysql
)

// The dialects.
var (
	SQLite     = Dialect{sqlite}
	PostgreSQL = Dialect{postgres}
	MySQL      = Dialect{mysql}
)

// String names the database.
func (d Dialect) String() string {
	switch d.kind {
	case sqlite:
		return "SQLite"
	case postgres:
		return "PostgreSQL"
	case mysql:
		return "MariaDB/MySQL"
	}
	return "none"
}

// Valid reports whether d is one of the dialects.
func (d Dialect) Valid() bool { return d.kind >= sqlite && d.kind <= mysql }

// Rebind writes a query's placeholders, which are question marks, as the database
// spells them. The query holds no other question mark.
func (d Dialect) Rebind(query string) string {
	if d.kind != postgres {
		return query
	}
	var b strings.Builder
	n := 0
	for {
		i := strings.IndexByte(query, '?')
		if i < 0 {
			return b.String() + query
		}
		n++
		b.WriteString(query[:i])
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
		query = query[i+1:]
	}
}

// Bind returns a statement and its arguments as the database takes them soonest:
// numbered for PostgreSQL, and written out for MariaDB and MySQL, whose drivers
// otherwise prepare each statement in a round trip of its own. Arguments are
// []byte, string, int or int64; bytes and texts are written out as hexadecimal, so
// that nothing in them means anything.
func (d Dialect) Bind(query string, args []any) (string, []any) {
	if d.kind != mysql {
		return d.Rebind(query), args
	}
	var b strings.Builder
	for _, arg := range args {
		i := strings.IndexByte(query, '?')
		b.WriteString(query[:i])
		query = query[i+1:]
		switch arg := arg.(type) {
		case []byte:
			fmt.Fprintf(&b, "x'%x'", arg)
		case string:
			fmt.Fprintf(&b, "x'%x'", arg)
		default:
			fmt.Fprintf(&b, "%d", arg)
		}
	}
	return b.String() + query, nil
}

// Now is the expression for the database server's clock: microseconds since 1970
// as an integer, never through a local time, which has some hours twice. Within a
// PostgreSQL transaction it moves on. SQLite's clock is that of this machine, in
// whole milliseconds.
func (d Dialect) Now() string {
	switch d.kind {
	case postgres:
		return "(extract(epoch from clock_timestamp()) * 1000000)::bigint"
	case mysql:
		return "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))"
	}
	return "(CAST(strftime('%s','now') AS INTEGER) * 1000000 + CAST(substr(strftime('%f','now'), 4) AS INTEGER) * 1000)"
}

// Binary is the type of a column of at most n bytes that are compared byte for
// byte.
func (d Dialect) Binary(n int) string {
	switch {
	case d.kind == postgres:
		return "BYTEA"
	case d.kind == mysql && n > 4096:
		return "LONGBLOB"
	case d.kind == mysql:
		return fmt.Sprintf("VARBINARY(%d)", n)
	}
	return "BLOB"
}

// Text is the type of a column of at most n characters that are compared by code
// point.
func (d Dialect) Text(n int) string {
	if d.kind == mysql {
		return fmt.Sprintf("VARCHAR(%d) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", n)
	}
	return "TEXT"
}

// TableOptions ends a CREATE TABLE.
func (d Dialect) TableOptions() string {
	if d.kind == mysql {
		return " ENGINE=InnoDB"
	}
	return ""
}

// Random is an expression for a text of 32 to 36 characters that no other call
// returns.
func (d Dialect) Random() string {
	switch d.kind {
	case postgres:
		return "CAST(gen_random_uuid() AS text)"
	case mysql:
		return "UUID()"
	}
	return "lower(hex(randomblob(16)))"
}

// Dual ends the list of a SELECT that reads no table and has a condition.
func (d Dialect) Dual() string {
	if d.kind == mysql {
		return " FROM DUAL"
	}
	return ""
}

// Fault says what kind of error a database gave.
type Fault int

// The kinds.
const (
	// Other is everything that is not told apart.
	Other Fault = iota
	// Duplicate: a unique key is taken.
	Duplicate
	// Again: a deadlock, a serialization failure, or a lock that was not free in
	// time. The same thing may succeed when it is tried again.
	Again
	// NoTable: a table is missing.
	NoTable
	// NoColumn: a column is missing.
	NoColumn
	// Syntax: the statement is not understood, as if for another database.
	Syntax
	// ReadOnly: nothing can be written.
	ReadOnly
	// NotADatabase: the file is none.
	NotADatabase
	// Denied: the user may not.
	Denied
	// Aborted: the transaction has failed before, and takes nothing any more.
	Aborted
	// Full: there is no space left on the server's disk.
	Full
	// Crowded: the server takes no more connections.
	Crowded
)

// Fault tells the kind of an error of this database, from whichever of its
// drivers: pgx and lib/pq; modernc's and mattn's SQLite; go-sql-driver.
func (d Dialect) Fault(err error) Fault {
	switch d.kind {
	case postgres:
		var coded interface{ SQLState() string }
		if errors.As(err, &coded) {
			return postgresFaults[coded.SQLState()]
		}
	case mysql:
		if number, ok := field(err, "Number"); ok {
			return mysqlFaults[number]
		}
	case sqlite:
		code, ok := sqliteCode(err)
		if !ok {
			return Other
		}
		if code == 1 { // SQLITE_ERROR: only the text tells
			return sqliteText(err.Error())
		}
		if fault, ok := sqliteFaults[code]; ok {
			return fault
		}
		return sqliteFaults[code&0xff]
	}
	return Other
}

var postgresFaults = map[string]Fault{
	"23505": Duplicate,
	"40001": Again, "40P01": Again, "55P03": Again,
	"42P01": NoTable, "3F000": NoTable, "42703": NoColumn,
	"42601": Syntax, "42883": Syntax,
	"25006": ReadOnly,
	"42501": Denied,
	"25P02": Aborted,
	"53100": Full,
	"53300": Crowded,
}

var mysqlFaults = map[uint64]Fault{
	1062: Duplicate,
	1213: Again, 1205: Again, 1020: Again, 3572: Again,
	1146: NoTable, 1054: NoColumn,
	1064: Syntax, 1305: Syntax,
	1290: ReadOnly, 1792: ReadOnly, 1836: ReadOnly,
	1142: Denied, 1143: Denied, 1044: Denied,
	1021: Full, 1114: Full,
	1040: Crowded, 1203: Crowded, 1226: Crowded,
}

var sqliteFaults = map[uint64]Fault{
	1555: Duplicate, 2067: Duplicate,
	5: Again, 6: Again,
	8:  ReadOnly,
	13: Full,
	26: NotADatabase,
	23: Denied,
}

func sqliteText(text string) Fault {
	switch {
	case strings.Contains(text, "no such table"):
		return NoTable
	case strings.Contains(text, "no such column"), strings.Contains(text, "has no column"):
		return NoColumn
	case strings.Contains(text, "syntax error"), strings.Contains(text, "no such function"), strings.Contains(text, "unrecognized token"):
		return Syntax
	}
	return Other
}

// sqliteCode finds modernc's Code method or mattn's code fields, the extended
// code where there is one.
func sqliteCode(err error) (uint64, bool) {
	var coded interface{ Code() int }
	if errors.As(err, &coded) {
		return uint64(coded.Code()), true
	}
	if code, ok := field(err, "ExtendedCode"); ok && code != 0 {
		return code, true
	}
	return field(err, "Code")
}

// field finds an integer field of an error, or of one that it wraps.
func field(err error, name string) (uint64, bool) {
	for ; err != nil; err = errors.Unwrap(err) {
		v := reflect.Indirect(reflect.ValueOf(err))
		if v.Kind() != reflect.Struct {
			continue
		}
		switch f := v.FieldByName(name); {
		case !f.IsValid():
		case f.CanUint():
			return f.Uint(), true
		case f.CanInt():
			return uint64(f.Int()), true
		}
	}
	return 0, false
}
