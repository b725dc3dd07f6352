package crashtest

import (
	"database/sql"
	"math/rand/v2"
	"testing"
	"time"
)

// Killed kills the receiver that start returns so many times, at random moments
// under load, and lets the last one settle the rest. What was acknowledged must
// be processed after a restart; in a transaction, exactly once.
func Killed(t *testing.T, db *sql.DB, kills int, start func() *Process) {
	t.Helper()
	MakeTables(t, db)
	p := start()
	l, end := Begin(t, p.URL, "C", 6)
	for range kills {
		time.Sleep(time.Duration(50+rand.IntN(350)) * time.Millisecond)
		p.Kill()
		p = start()
		l.At(p.URL)
	}
	time.Sleep(200 * time.Millisecond)
	end()
	t.Logf("%d kills", kills)
	SettledAll(t, db, l, time.Minute)
}
