// Package dialect has the differences between the SQL of SQLite, PostgreSQL and
// MariaDB or MySQL, for payack's modules on database/sql. It links no driver: it
// recognises the drivers' errors by their methods and fields.
package dialect

import (
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Dialect is the SQL of one kind of database. The zero Dialect is invalid.
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

// Rebind replaces a query's placeholders, which are question marks, by the database's
// placeholders. The query must have no other question mark.
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

// Bind returns a statement and its arguments in the form that needs the fewest round
// trips. PostgreSQL gets numbered placeholders. MariaDB and MySQL get the arguments
// as literals within the statement, because their driver would prepare each statement
// in another round trip. Bytes and texts become hexadecimal literals, so they can't
// inject SQL. Arguments are nil, []byte, string, bool, int or int64. A statement with
// an argument of another type, or with more than 1 MiB of arguments, stays as it is:
// a server refuses statements that are too long.
func (d Dialect) Bind(query string, args []any) (string, []any) {
	if d.kind != mysql {
		return d.Rebind(query), args
	}
	if bound, ok := inline(query, args); ok {
		return bound, nil
	}
	return query, args
}

// longestInline bounds the bytes of the arguments of one statement that become
// literals.
const longestInline = 1 << 20

// inline returns the statement with the arguments as literals. It reports false for
// a statement that has to stay as it is.
func inline(query string, args []any) (string, bool) {
	if strings.Count(query, "?") != len(args) {
		return "", false // the driver has an error for this
	}
	var b strings.Builder
	size := 0
	for _, arg := range args {
		i := strings.IndexByte(query, '?')
		b.WriteString(query[:i])
		query = query[i+1:]
		switch arg := arg.(type) {
		case nil:
			b.WriteString("NULL")
		case []byte:
			size += len(arg)
			b.WriteString("x'")
			b.WriteString(hex.EncodeToString(arg))
			b.WriteByte('\'')
		case string: // _utf8mb4 makes it a text: a comparison of a text column with bytes would not use the column's index
			size += len(arg)
			b.WriteString("_utf8mb4 x'")
			b.WriteString(hex.EncodeToString([]byte(arg)))
			b.WriteByte('\'')
		case bool:
			b.WriteString(strconv.FormatBool(arg))
		case int:
			b.WriteString(strconv.Itoa(arg))
		case int64:
			b.WriteString(strconv.FormatInt(arg, 10))
		default:
			return "", false
		}
		if size > longestInline {
			return "", false
		}
	}
	return b.String() + query, true
}

// Now returns the expression for the database server's clock: an integer of
// microseconds since 1970. The expression never uses local time, in which some hours
// occur twice. On PostgreSQL, its value advances within a transaction. On SQLite, the
// expression reads the clock of this machine, in whole milliseconds.
func (d Dialect) Now() string {
	switch d.kind {
	case postgres:
		return "(extract(epoch from clock_timestamp()) * 1000000)::bigint"
	case mysql:
		return "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))"
	}
	return "(CAST(strftime('%s','now') AS INTEGER) * 1000000 + CAST(substr(strftime('%f','now'), 4) AS INTEGER) * 1000)"
}

// Binary returns the type of a column of at most n bytes, which is compared byte for
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

// Text returns the type of a column of at most n characters, which is compared by
// code point.
func (d Dialect) Text(n int) string {
	if d.kind == mysql {
		return fmt.Sprintf("VARCHAR(%d) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", n)
	}
	return "TEXT"
}

// TableOptions returns the text after the column list of a CREATE TABLE.
func (d Dialect) TableOptions() string {
	if d.kind == mysql {
		return " ENGINE=InnoDB"
	}
	return ""
}

// Random returns an expression for a random text of 32 to 36 characters.
func (d Dialect) Random() string {
	switch d.kind {
	case postgres:
		return "CAST(gen_random_uuid() AS text)"
	case mysql:
		return "UUID()"
	}
	return "lower(hex(randomblob(16)))"
}

// Dual returns the FROM clause of a SELECT that reads no table and has a condition.
func (d Dialect) Dual() string {
	if d.kind == mysql {
		return " FROM DUAL"
	}
	return ""
}

// Fault is a kind of error of a database.
type Fault int

// The kinds.
const (
	// Other is every other error.
	Other Fault = iota
	// Duplicate: the unique key exists.
	Duplicate
	// Again: a deadlock, a serialization failure, or a lock that was not free in
	// time. A repetition may succeed.
	Again
	// NoTable: a table is missing.
	NoTable
	// NoColumn: a column is missing.
	NoColumn
	// Syntax: the database does not understand the statement. The statement may be in
	// another dialect.
	Syntax
	// ReadOnly: the database can't be written.
	ReadOnly
	// NotADatabase: the file is not a database.
	NotADatabase
	// Denied: the user lacks a permission.
	Denied
	// Aborted: an earlier statement of the transaction failed, so the database refuses
	// all further ones.
	Aborted
	// Full: the server's disk is full.
	Full
	// Crowded: the server accepts no more connections.
	Crowded
)

// Fault returns the kind of an error of this database. It knows the drivers pgx,
// lib/pq, modernc.org/sqlite, mattn/go-sqlite3 and go-sql-driver/mysql.
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
		if code == 1 { // SQLITE_ERROR: only the text says which kind of error it is
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

// sqliteCode returns the code from modernc's method Code or from mattn's fields. Of
// mattn's two fields, it prefers ExtendedCode.
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

// field returns an integer field of err, or of the first wrapped error that has it.
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
