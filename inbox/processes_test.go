package inbox_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack/inbox"
	"github.com/payack/payack/inbox/internal/crashtest"
)

// Two processes share the tables (on SQLite, one file) and get the same
// callbacks. One is killed, paused, and replaced by a newer version. No
// acknowledged event is lost, no function in a transaction has two effects, and
// work goes on.
//
// There is no earlier version yet, so this version is the older one here. The
// newer version is the same code with another format of stored deliveries. The
// older version can't read this format. Its attempts of such rows fail, and the
// rows must stay due until the newer version processes them.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d database) {
		if testing.Short() && d.dialect != inbox.SQLite {
			t.Skip("processes take long to start under the race detector")
		}
		dsn := d.dsn(t)
		db := d.pool(t, dsn)
		crashtest.MakeTables(t, db)
		one, two := d.start(t, dsn, "1s"), d.start(t, dsn, "1s")
		first, endFirst := crashtest.Begin(t, one.URL, "C", 3)
		second, endSecond := crashtest.Begin(t, two.URL, "C", 3)

		crashtest.Works(t, db, "both", first, second)
		two.Kill()
		crashtest.Works(t, db, "one while the other is dead", first)
		two = d.start(t, dsn, "1s")
		second.At(two.URL)
		crashtest.Works(t, db, "both after a kill", first, second)

		two.Pause(t)
		if d.dialect != inbox.SQLite { // a paused process could hold SQLite's write lock
			crashtest.Works(t, db, "one while the other is paused", first)
		}
		time.Sleep(2 * time.Second) // until the leases of the paused process have ended
		two.Continue(t)
		crashtest.Works(t, db, "both after a pause", first, second)

		two.Kill()
		order := d.keptByNext(t, dsn)
		first.Acknowledge(order)
		require.Eventually(t, func() bool { return crashtest.Counts(t, db, "payack_attempts", "reason")["inbox"] > 0 },
			time.Minute, 50*time.Millisecond, "the older one has not tried the newer one's row")
		newer := func() *crashtest.Process { return crashtest.Start(t, d.name, dsn, "1s", next) }
		two = newer()
		second.At(two.URL)
		crashtest.Works(t, db, "an older one beside a newer one", first, second)
		one.Kill()
		one = newer()
		first.At(one.URL)
		crashtest.Works(t, db, "two newer ones", first, second)
		endFirst()
		endSecond()
		crashtest.SettledAll(t, db, first, 30*time.Second)
		crashtest.SettledAll(t, db, second, 30*time.Second)
	})
}

// keptByNext keeps an event in the format of the next version, and returns its
// order.
func (d database) keptByNext(t *testing.T, dsn string) (order string) {
	t.Helper()
	s := d.openAt(t, dsn)
	r := newReceipt("nobody yet")
	_, err := s.in.Keep(t.Context(), r)
	require.NoError(t, err)
	var delivery []byte
	require.NoError(t, s.db.QueryRow(`SELECT delivery FROM payack_inbox WHERE receiver = 'nobody yet'`).Scan(&delivery))
	newer := bytes.Replace(delivery, []byte(`{"v":1,`), []byte(`{"v":2,`), 1)
	require.NotEqual(t, delivery, newer)
	_, err = s.db.Exec(d.dialect.Rebind(`UPDATE payack_inbox SET delivery = ?, receiver = 'pts' WHERE receiver = 'nobody yet'`), newer)
	require.NoError(t, err)
	return r.Delivery.Event.Order()
}
