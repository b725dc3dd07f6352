package riverinbox_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/inbox/riverinbox"
	"github.com/payack/payack/payacktest"
)

// soon makes rows count as late after half a second.
func soon(cfg riverinbox.Config) riverinbox.Config {
	cfg.Inbox.Lease = time.Second
	return cfg
}

// atom mounts a receiver of Payatom. The function kept delivers a callback to it.
func (s *shop) atom(fn func(context.Context, *payack.PayatomEvent) error) (kept func(order string)) {
	s.t.Helper()
	cfg := payacktest.NewPayatomKeys().Config()
	cfg.Options = handlers.Options{Inbox: s.in, Name: "payatom", Logger: quiet}
	h, err := handlers.NewPayatom(cfg, fn)
	require.NoError(s.t, err)
	return func(order string) {
		s.t.Helper()
		payacktest.Accepted(s.t, payack.Payatom, payacktest.Payatom(payacktest.NewPayatomKeys()).Order(order).Callback(s.t).Deliver(h))
	}
}

// pause pauses a queue before any process works it.
func (s *shop) pause(queue string) {
	s.t.Helper()
	s.exec(`INSERT INTO river_queue (name, created_at, paused_at, updated_at) VALUES ($1, now(), now(), now())`, queue)
}

const jobOf = `SELECT COUNT(*) FROM river_job WHERE args->>'inbox_row' = $1`

func row(item inbox.Item) string { return fmt.Sprint(item.ID) }

// A paused queue gets no more jobs for the same rows, however often the rows are
// checked. A row that has lost its job gets another one, even if it comes after
// many rows with jobs.
func TestPausedQueueDoesNotGrow(t *testing.T) {
	t.Parallel()
	s := open(t, soon(config(pool(t, fresh(t)))))
	const rows = 510 // more than the 500 late rows that Run passes to River at once
	for n := range rows {
		s.kept(fmt.Sprint("P", n))
	}
	s.pause("payack_pts")
	last := row(s.item(fmt.Sprint("P", rows-1)))
	s.exec(`UPDATE payack_inbox SET next_us = next_us - 6000000`)
	s.run()
	for range 3 { // when the last row has a job again, all rows have been checked
		s.exec(`DELETE FROM river_job WHERE args->>'inbox_row' = $1`, last)
		s.eventually("it has a job again", func() bool { return s.count(jobOf, last) == 1 })
	}
	assert.Equal(t, rows, s.count(`SELECT COUNT(*) FROM river_job`))
	assert.Equal(t, 0, s.count(`SELECT COUNT(*) FROM effects`))
	s.exec(`UPDATE river_queue SET paused_at = NULL, updated_at = now()`)
}

// If a process is killed between fetching a job and beginning the attempt, the
// job stays running until River rescues it. Before that, the job's row gets
// exactly one other job.
func TestJobOfAKilledProcess(t *testing.T) {
	t.Parallel()
	s := open(t, soon(config(pool(t, fresh(t)))))
	s.kept("A")
	s.kept("B")
	s.pause("payack_pts")
	a, b := row(s.item("A")), row(s.item("B"))
	s.exec(`UPDATE payack_inbox SET next_us = next_us - 6000000`)
	s.exec(`UPDATE river_job SET state = 'running', attempt = 1, attempted_at = now(), attempted_by = '{gone}' WHERE args->>'inbox_row' = $1`, a)
	s.run()
	s.eventually("another", func() bool { return s.count(jobOf, a) == 2 })
	for range 3 {
		s.exec(`DELETE FROM river_job WHERE args->>'inbox_row' = $1`, b)
		s.eventually("all have been looked at", func() bool { return s.count(jobOf, b) == 1 })
	}
	assert.Equal(t, 2, s.count(jobOf, a))
	assert.Equal(t, 1, s.count(jobOf+` AND state = 'available'`, a))
}

// A job that is scheduled long after its row is due, for example by a wrong
// clock, doesn't count: the row gets another job.
func TestJobScheduledLongAfterItsRow(t *testing.T) {
	t.Parallel()
	s := open(t, soon(config(pool(t, fresh(t)))))
	s.kept("A")
	s.exec(`UPDATE river_job SET state = 'scheduled', scheduled_at = now() + interval '1 day'`)
	s.run()
	s.eventually("processed", func() bool { return s.count(`SELECT COUNT(*) FROM effects`) == 1 })
}

// A row that has lost its job is found even while all workers of another receiver
// hang.
func TestHangingReceiverDoesNotStopReminders(t *testing.T) {
	t.Parallel()
	cfg := soon(config(pool(t, fresh(t))))
	cfg.Inbox.Workers = 2
	s := open(t, cfg)
	hang := make(chan struct{})
	hangs := make(chan struct{}, 10)
	s.settle = func(context.Context, *sql.Tx, *payack.PTSEvent) error { hangs <- struct{}{}; <-hang; return nil }
	done := make(chan string, 10)
	kept := s.atom(func(_ context.Context, ev *payack.PayatomEvent) error { done <- ev.OrderID; return nil })
	kept("X")
	s.exec(`DELETE FROM river_job`)
	s.exec(`UPDATE payack_inbox SET next_us = next_us + 3600000000`)
	for n := range 4 {
		s.kept(fmt.Sprint("H", n))
	}
	s.run()
	t.Cleanup(func() { close(hang) })
	<-hangs
	<-hangs
	s.exec(`UPDATE payack_inbox SET next_us = next_us - 3606000000 WHERE order_id = 'X'`)
	select {
	case order := <-done:
		assert.Equal(t, "X", order)
	case <-time.After(time.Minute):
		t.Error("nobody found it")
	}
	assert.Empty(t, hangs)
}

// A retry writes its job at once. It doesn't wait until Run finds that the row is
// late and has no job.
func TestRetryWritesAJob(t *testing.T) {
	t.Parallel()
	cfg := config(pool(t, fresh(t)))
	cfg.Inbox.GiveUp, cfg.Inbox.LeastAttempts, cfg.Inbox.Revive = 1, 1, time.Millisecond
	s := open(t, cfg)
	s.settle = func(context.Context, *sql.Tx, *payack.PTSEvent) error { return errShop }
	s.kept("A")
	s.drain()
	a := row(s.item("A"))
	s.exec(`DELETE FROM river_job`)

	require.NoError(t, s.in.Retry(t.Context(), s.item("A").ID))
	assert.Equal(t, 1, s.count(jobOf, a), "by hand")
	s.exec(`UPDATE payack_inbox SET since_us = 1`)
	s.drain()
	require.Equal(t, inbox.Dead, s.item("A").State)
	s.exec(`DELETE FROM river_job`)

	s.kept("A")
	assert.Equal(t, inbox.Pending, s.item("A").State)
	assert.Equal(t, 1, s.count(jobOf, a), "by a redelivery")
}

// Recovery makes the row of a crashed attempt due again, and writes a job for its
// retry in the same transaction.
func TestRecoveryWritesAJob(t *testing.T) {
	t.Parallel()
	s := open(t, config(pool(t, fresh(t)))) // rows are late after 5 seconds
	s.kept("A")
	s.pause("payack_pts")
	s.exec(`UPDATE payack_inbox SET state = 2, token = '\x01', attempts = 1, next_us = next_us + 3000000, started_us = next_us`)
	s.exec(`INSERT INTO payack_running (payment, token, lease_us) SELECT payment, token, 1 FROM payack_inbox`)
	s.exec(`DELETE FROM river_job`)
	s.run()
	s.eventually("recovered", func() bool { return s.item("A").State == inbox.Pending })
	assert.Equal(t, 1, s.count(jobOf, row(s.item("A"))), "in one transaction")
}

// River retries the job of a failed attempt when its row is due.
func TestRetriedWhenTheRowSays(t *testing.T) {
	t.Parallel()
	cfg := config(pool(t, fresh(t)))
	cfg.Inbox.RetryFirst, cfg.Inbox.RetryMax = time.Hour, time.Hour
	s := open(t, cfg)
	s.settle = func(context.Context, *sql.Tx, *payack.PTSEvent) error { return errShop }
	s.kept("A")
	s.run()
	s.eventually("it failed", func() bool { return s.count(`SELECT COUNT(*) FROM river_job WHERE state = 'retryable'`) == 1 })
	var apart float64
	require.NoError(t, s.db.QueryRow(`SELECT extract(epoch FROM scheduled_at) - next_us / 1e6 FROM river_job, payack_inbox`).Scan(&apart))
	assert.InDelta(t, 0, apart, 10, "seconds, of a random part of an hour")
}
