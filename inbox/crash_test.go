package inbox_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/inbox/internal/crashtest"
	"github.com/payack/payack/payacktest"
)

var kills = flag.Int("kills", 0, "how often TestKilled kills the receiver on each database; 0 is 30, or 3 with -short")

// play is the main function of a process that a test starts. It runs a receiver
// on the database that the role names, until the process is killed.
func play(role []string) int {
	for _, d := range databases {
		if d.name == role[0] {
			fmt.Fprintln(os.Stderr, d.serve(role[1], role[2], role[3] == next))
		}
	}
	return 1
}

// next is the role of a process that runs the next version of this module, which
// stores deliveries in a format that this version can't read.
const next = "next"

func (d database) serve(dsn, lease string, newer bool) error {
	if newer {
		inbox.AsNextVersion()
	}
	db, err := connect(d.driver, dsn)
	if err != nil {
		return err
	}
	cfg := inbox.Config{DB: db, Dialect: d.dialect, Logger: quiet, RetryFirst: 20 * time.Millisecond, RetryMax: 100 * time.Millisecond, LeastAttempts: 3}
	if cfg.Lease, err = time.ParseDuration(lease); err != nil {
		return err
	}
	in, err := inbox.Open(context.Background(), cfg)
	if err != nil {
		return err
	}
	return crashtest.Serve(in, in.Run, db, d.dialect)
}

// start starts a receiver in a process of its own.
func (d database) start(t testing.TB, dsn, lease string) *crashtest.Process {
	t.Helper()
	return crashtest.Start(t, d.name, dsn, lease, "this")
}

// A receiver is killed at random moments under load. Every acknowledged event is
// processed after the restart, and a function in a transaction has its effect
// exactly once.
//
//	go test -run TestKilled -kills 1000 -timeout 0 .
func TestKilled(t *testing.T) {
	t.Parallel()
	rounds := *kills
	switch {
	case rounds > 0:
	case testing.Short():
		rounds = 3
	default:
		rounds = 30
	}
	each(t, func(t *testing.T, d database) {
		dsn := d.dsn(t)
		crashtest.Killed(t, d.pool(t, dsn), rounds, func() *crashtest.Process { return d.start(t, dsn, "1s") })
	})
}

// With the default lease, the attempt of a killed process is due again within 15
// seconds.
func TestKilledIsDueAgainSoon(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it waits for the default lease")
	}
	each(t, func(t *testing.T, d database) {
		s := open(t, d, func(c *inbox.Config) { c.Lease = 0 }).mount()
		stuck, goOn := make(chan struct{}), make(chan struct{})
		t.Cleanup(func() { close(goOn) })
		s.says(func(context.Context, payack.Event) error { close(stuck); <-goOn; return nil }, nil)
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess))
		go func() { _ = s.in.Run(context.Background()) }()
		<-stuck
		began := time.Now()
		s.takeOver("00") // as if the first process had ended: no lease is renewed
		other := d.openAt(t, s.dsn, func(c *inbox.Config) { c.Lease = 0 }).mount()
		other.run()
		// The first process is still processing the event. The second process
		// can't know that.
		require.Eventually(t, func() bool {
			record, err := other.in.Get(t.Context(), 1)
			return err == nil && record.Attempts >= 2
		}, 20*time.Second, 20*time.Millisecond)
		t.Log(time.Since(began))
		assert.Less(t, time.Since(began), 15*time.Second)
	})
}

// A function that ends the process is called a few times only, because an attempt
// is counted when it begins. Other events are processed meanwhile.
func TestFunctionThatEndsTheProcess(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d database) {
		if testing.Short() && d.dialect != inbox.SQLite {
			t.Skip("processes take long to start under the race detector")
		}
		s := open(t, d)
		crashtest.MakeTables(t, s.db)
		p := d.start(t, s.dsn, "300ms")
		post := func(order string) {
			res, err := payacktest.Payatom(payacktest.NewPayatomKeys()).Order(order).Callback(t).Post(t.Context(), nil, p.URL+"/payatom")
			if err != nil && order == crashtest.Fatal {
				return // its function may end the process before the request is answered
			}
			require.NoError(t, err)
			payacktest.Accepted(t, payack.Payatom, res)
		}
		post("ORD-1")
		post(crashtest.Fatal)
		row := func() inbox.Item {
			items, err := s.in.List(t.Context(), inbox.Filter{OrderID: crashtest.Fatal}, 0, 1)
			require.NoError(t, err)
			require.Len(t, items, 1)
			return items[0]
		}
		starts := 1
		for ; row().State != inbox.Dead && starts < 30; starts++ {
			p.Wait()
			s.exec(`UPDATE payack_inbox SET since_us = 1 WHERE order_id = '` + crashtest.Fatal + `'`) // as if retried for days
			s.exec(`UPDATE payack_once SET at_us = 1 WHERE state = 1`)                                // as if the lease of its claim had ended, or the next attempt would be busy
			p = d.start(t, s.dsn, "300ms")
			for end := time.Now().Add(10 * time.Second); row().State != inbox.Dead && !p.Ended(); time.Sleep(20 * time.Millisecond) {
				require.True(t, time.Now().Before(end), "%+v", row())
			}
		}
		assert.Equal(t, inbox.Dead, row().State)
		assert.Equal(t, 3, row().Attempts)
		assert.EqualValues(t, "crashed", row().Reason)
		post("ORD-2")
		require.Eventually(t, func() bool {
			var n int
			err := s.db.QueryRow(`SELECT COUNT(DISTINCT id) FROM mails`).Scan(&n)
			return err == nil && n == 2
		}, 10*time.Second, 20*time.Millisecond)
	})
}
