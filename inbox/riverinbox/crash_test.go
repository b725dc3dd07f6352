package riverinbox_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/payack/payack/inbox"
	"github.com/payack/payack/inbox/internal/crashtest"
	"github.com/payack/payack/inbox/riverinbox"
)

var kills = flag.Int("kills", 0, "how often TestKilled kills the receiver; 0 is 30, or 5 with -short")

// play is the main function of a process that a test starts. It runs a receiver
// on the database with this data source name, until the process is killed.
func play(dsn string) int {
	fmt.Fprintln(os.Stderr, serve(dsn))
	return 1
}

func serve(dsn string) error {
	db, err := connect(dsn)
	if err != nil {
		return err
	}
	in, err := riverinbox.Open(context.Background(), riverinbox.Config{Inbox: inbox.Config{
		DB: db, Logger: quiet, Lease: time.Second, Poll: 20 * time.Millisecond,
		RetryFirst: 20 * time.Millisecond, RetryMax: 100 * time.Millisecond, LeastAttempts: 3,
	}})
	if err != nil {
		return err
	}
	return crashtest.Serve(in, in.Run, db, inbox.PostgreSQL)
}

// A receiver is killed at random moments under load. Every acknowledged event is
// processed after the restart, and a function in a transaction has its effect
// exactly once.
//
//	go test -run TestKilled -kills 1000 -timeout 0 -v .
func TestKilled(t *testing.T) {
	t.Parallel()
	rounds := *kills
	switch {
	case rounds > 0:
	case testing.Short():
		rounds = 5
	default:
		rounds = 30
	}
	dsn := fresh(t)
	crashtest.Killed(t, pool(t, dsn), rounds, func() *crashtest.Process { return crashtest.Start(t, dsn) })
}

// Two processes get the same callbacks. One of them is killed and replaced, and
// later the other is paused. No acknowledged event is lost, and work goes on.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("processes take long to start under the race detector")
	}
	dsn := fresh(t)
	db := pool(t, dsn)
	crashtest.MakeTables(t, db)
	one, two := crashtest.Start(t, dsn), crashtest.Start(t, dsn)
	first, endFirst := crashtest.Begin(t, one.URL, "C", 3)
	second, endSecond := crashtest.Begin(t, two.URL, "C", 3)
	crashtest.Works(t, db, "both", first, second)
	two.Kill()
	crashtest.Works(t, db, "one while the other is dead", first)
	two = crashtest.Start(t, dsn)
	second.At(two.URL)
	crashtest.Works(t, db, "both after a kill", first, second)
	one.Pause(t) // the first to start is River's leader
	crashtest.Works(t, db, "one while the other is paused", second)
	time.Sleep(2 * time.Second) // until the leases of the paused process have ended
	one.Continue(t)
	crashtest.Works(t, db, "both after a pause", first, second)
	endFirst()
	endSecond()
	crashtest.SettledAll(t, db, first, 30*time.Second)
	crashtest.SettledAll(t, db, second, 30*time.Second)
}
