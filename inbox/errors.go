package inbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/payack/payack/internal/dialect"
)

var (
	// ErrNotFound: no row has this ID.
	ErrNotFound = errors.New("inbox: there is no row with this ID")
	// ErrDone: the row is done or superseded, or its event is done through
	// another row. [Inbox.CloseByHand] returns ErrDone for a closed row, too.
	ErrDone = errors.New("inbox: the event is done, and is never processed again")
	// ErrRunning: an attempt is running; call again when it has ended.
	ErrRunning = errors.New("inbox: an attempt is running; call again when it has ended")
	// ErrClosed: the inbox was closed.
	ErrClosed = errors.New("inbox: the inbox is closed; close it after the server has shut down")
)

// explain wraps err in one line that names the fix where one is known.
func explain(d Dialect, op string, err error) error {
	fix := ""
	switch d.Fault(err) {
	case dialect.NoTable, dialect.NoColumn:
		fix = "; run inbox.Migrate, or the statements of inbox.Schema"
	case dialect.ReadOnly:
		fix = "; the database is read-only: give the primary, or make the file writable"
	case dialect.NotADatabase:
		fix = "; the file is no SQLite database: check its path"
	case dialect.Denied:
		fix = "; give the pool's user the right to read and write payack's tables (and to create them, for Migrate)"
	case dialect.Again:
		fix = "; another transaction held the lock: trying again"
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		fix = "; the database did not answer in time"
	case err.Error() == "sql: database is closed":
		fix = "; the pool is closed: close it after Run has returned"
	}
	return fmt.Errorf("inbox: %s: %w%s", op, line{err}, fix)
}

// line is an error whose text has no line breaks.
type line struct{ error }

func (l line) Error() string { return oneLine(l.error.Error()) }
func (l line) Unwrap() error { return l.error }

func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

// readable returns a text in a form that a text column of n characters can hold.
// The result is for people and for searching only.
func readable(s string, n int) string {
	if len(s) > 4*n {
		s = s[:4*n]
	}
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if utf8.RuneCountInString(s) > n {
		s = string([]rune(s)[:n])
	}
	return s
}
