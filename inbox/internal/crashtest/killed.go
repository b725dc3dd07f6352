package crashtest

import (
	"database/sql"
	"math/rand/v2"
	"testing"
	"time"
)

// Killed starts a receiver and kills it, as many times as kills says, at random
// moments under load. A last receiver settles the rest. Every acknowledged event
// must be processed after a restart. A function in a transaction must have its
// effect exactly once.
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
