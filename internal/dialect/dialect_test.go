package dialect

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDialects(t *testing.T) {
	require.False(t, Dialect{}.Valid())
	for d, name := range map[Dialect]string{SQLite: "SQLite", PostgreSQL: "PostgreSQL", MySQL: "MariaDB/MySQL", {}: "none"} {
		require.Equal(t, name, d.String())
		require.Equal(t, name != "none", d.Valid())
	}
}

func TestBind(t *testing.T) {
	const query = `SELECT ? FROM t WHERE k = ? AND id = ?`
	args := []any{int64(-5), []byte("'\x00?"), "it's ?\\"}
	got, left := SQLite.Bind(query, args)
	require.Equal(t, query, got)
	require.Equal(t, args, left)
	got, left = PostgreSQL.Bind(query, args)
	require.Equal(t, `SELECT $1 FROM t WHERE k = $2 AND id = $3`, got)
	require.Equal(t, args, left)
	got, left = MySQL.Bind(query, args)
	require.Equal(t, `SELECT -5 FROM t WHERE k = x'27003f' AND id = _utf8mb4 x'69742773203f5c'`, got)
	require.Empty(t, left)
	got, left = MySQL.Bind(`?, ?, ?, ?, ?, ?`, []any{"", []byte{}, nil, true, false, 7})
	require.Equal(t, `_utf8mb4 x'', x'', NULL, true, false, 7`, got)
	require.Empty(t, left)
	// A statement with an argument of any other type is left to the driver.
	// A long statement would not reach the server, and the driver has errors for
	// arguments that don't fit.
	for _, args := range [][]any{{"a", time.Second}, {"a", make([]byte, 1<<20)}, {"a"}, {"a", "b", "c"}} {
		got, left = MySQL.Bind(`? ?`, args)
		require.Equal(t, `? ?`, got)
		require.Equal(t, args, left)
	}
	_, left = MySQL.Bind(`? ?`, []any{"", make([]byte, 1<<20)})
	require.Empty(t, left)
}

// Errors with the methods and fields of the drivers' errors. This package
// does not link the drivers.
type (
	stateError string   // pgx, lib/pq
	codeError  int      // modernc
	mattnError struct { // mattn
		Code, ExtendedCode int
	}
	numberError struct{ Number uint16 } // go-sql-driver
)

func (stateError) Error() string      { return "postgres" }
func (e stateError) SQLState() string { return string(e) }
func (codeError) Error() string       { return "SQL logic error: no such table: t (1)" }
func (e codeError) Code() int         { return int(e) }
func (mattnError) Error() string      { return "no such table: t" }
func (*numberError) Error() string    { return "mysql" }

func TestFault(t *testing.T) {
	for _, test := range []struct {
		d    Dialect
		err  error
		want Fault
	}{
		{PostgreSQL, stateError("23505"), Duplicate},
		{PostgreSQL, stateError("40001"), Again},
		{PostgreSQL, stateError("55P03"), Again},
		{PostgreSQL, stateError("53300"), Crowded},
		{PostgreSQL, stateError("00000"), Other},
		{SQLite, codeError(1555), Duplicate},
		{SQLite, codeError(5), Again},
		{SQLite, codeError(517), Again}, // an extended form of code 5
		{SQLite, codeError(1), NoTable},
		{SQLite, codeError(13), Full},
		{SQLite, mattnError{19, 1555}, Duplicate},
		{SQLite, mattnError{1, 1}, NoTable},
		{SQLite, mattnError{26, 0}, NotADatabase},
		{MySQL, &numberError{1062}, Duplicate},
		{MySQL, &numberError{1213}, Again},
		{MySQL, &numberError{1205}, Again},
		{MySQL, &numberError{1}, Other},
		{MySQL, stateError("23505"), Other}, // an error of another database
		{SQLite, &numberError{1062}, Other},
		{Dialect{}, codeError(5), Other},
		{MySQL, nil, Other},
		{SQLite, errors.New("database is locked"), Other},
	} {
		require.Equal(t, test.want, test.d.Fault(test.err), "%v %v", test.d, test.err)
		if test.err != nil {
			require.Equal(t, test.want, test.d.Fault(fmt.Errorf("wrapped: %w", test.err)))
		}
	}
}

// The column types and clauses of each database.
func TestSpelling(t *testing.T) {
	for _, tc := range []struct {
		d                                                              Dialect
		now, binary, largeBinary, text, options, random, dual, rebound string
	}{
		{SQLite,
			"(CAST(strftime('%s','now') AS INTEGER) * 1000000 + CAST(substr(strftime('%f','now'), 4) AS INTEGER) * 1000)",
			"BLOB", "BLOB", "TEXT", "", "lower(hex(randomblob(16)))", "", "a = ? AND b = ?"},
		{PostgreSQL,
			"(extract(epoch from clock_timestamp()) * 1000000)::bigint",
			"BYTEA", "BYTEA", "TEXT", "", "CAST(gen_random_uuid() AS text)", "", "a = $1 AND b = $2"},
		{MySQL,
			"TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))",
			"VARBINARY(4096)", "LONGBLOB", "VARCHAR(7) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", " ENGINE=InnoDB", "UUID()", " FROM DUAL", "a = ? AND b = ?"},
	} {
		require.Equal(t, tc.now, tc.d.Now())
		require.Equal(t, tc.binary, tc.d.Binary(4096))
		require.Equal(t, tc.largeBinary, tc.d.Binary(4097))
		require.Equal(t, tc.text, tc.d.Text(7))
		require.Equal(t, tc.options, tc.d.TableOptions())
		require.Equal(t, tc.random, tc.d.Random())
		require.Equal(t, tc.dual, tc.d.Dual())
		require.Equal(t, tc.rebound, tc.d.Rebind("a = ? AND b = ?"))
	}
}

func TestSQLiteText(t *testing.T) {
	for text, want := range map[string]Fault{
		"no such table: payack_events":              NoTable,
		"no such column: fingerprint":               NoColumn,
		"table payack_events has no column named x": NoColumn,
		`near "SELEC": syntax error`:                Syntax,
		"no such function: now":                     Syntax,
		`unrecognized token: ":"`:                   Syntax,
		"cannot start a transaction within another": Other,
	} {
		require.Equal(t, want, SQLite.Fault(&sqliteError{text}), text)
	}
}

// sqliteError is an error of SQLite whose kind is in its text only.
type sqliteError struct{ text string }

func (e *sqliteError) Error() string { return e.text }
func (*sqliteError) Code() int       { return 1 }
