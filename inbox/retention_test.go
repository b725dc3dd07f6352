package inbox_test

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
	"github.com/payack/payack/payacktest"
)

// age makes all marks, and all rows that have ended, older than the retention.
func (s *shop) age() {
	const ago = int64(91 * 24 * time.Hour / time.Microsecond)
	s.exec(fmt.Sprintf(`UPDATE payack_inbox SET received_us = received_us - %d, ended_us = ended_us - %d WHERE ended_us > 0`, ago, ago))
	s.exec(fmt.Sprintf(`UPDATE payack_once SET at_us = at_us - %d`, ago))
}

// Retention drops the contents of at most 50 rows in one transaction, so that
// receipts can be kept in between. Retention that runs again changes nothing.
func TestRetentionInSmallSteps(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		const events = 130
		for range events {
			_, err := s.in.Keep(t.Context(), newReceipt("pts"))
			require.NoError(t, err)
		}
		s.exec(`UPDATE payack_inbox SET state = 3, ended_us = received_us`)
		s.age()

		dsn := s.dsn
		if d.dialect == inbox.SQLite {
			dsn = "file:" + dsn + "?_txlock=immediate&_pragma=busy_timeout(5000)"
		}
		dropped := func() (n int) {
			require.NoError(t, s.db.QueryRow(`SELECT COUNT(*) FROM payack_inbox WHERE dropped = 1`).Scan(&n))
			return n
		}
		var steps []int
		db := sql.OpenDB(&lossy{s.db.Driver(), dsn, func() bool { // at each commit
			steps = append(steps, dropped())
			return false
		}})
		defer db.Close()
		in, err := inbox.Open(t.Context(), d.quick(db, s.log))
		require.NoError(t, err)
		defer in.Close()
		steps = nil
		require.NoError(t, in.Retain(t.Context()))
		assert.Equal(t, events, dropped())
		before := 0
		for _, n := range steps {
			assert.LessOrEqual(t, n-before, 50, steps)
			before = n
		}
		assert.GreaterOrEqual(t, len(steps), 3)
		require.NoError(t, in.Retain(t.Context()))
		assert.Equal(t, events, dropped(), "there is nothing left to do")
	})
}

// An event that was done longer than Retention ago is still known. A redelivery
// is a duplicate, another amount is a conflict, and another event with its hash
// is rejected as spliced. The row's keys and times stay; its event, delivery and
// body are dropped.
func TestRetentionKeepsWhatOnceOnlyNeeds(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d)
		cfg := payacktest.NewPayatomKeys().Config()
		cfg.Options, cfg.ExpectInCallback = s.options("payatom"), false
		cfg.Expect = func(_ context.Context, ev *payack.PayatomEvent) (payack.Expectation, error) {
			return payack.Expectation{Found: true, Amount: ev.ReceivedAmount}, nil
		}
		h, err := handlers.NewPayatom(cfg, func(ctx context.Context, ev *payack.PayatomEvent) error { return s.call(ctx, ev) })
		require.NoError(t, err)
		atom := func(order, amount string) payacktest.Callback {
			return payacktest.Payatom(payacktest.NewPayatomKeys()).Order(order).Amount(amount).Callback(t)
		}
		s.kept(payack.Payatom, h, atom("ORD1", "505"))
		s.drain()
		s.age()
		row := func() (event, fingerprint, k []byte, received, ended int64, encoded, delivery, body []byte) {
			require.NoError(t, s.db.QueryRow(`SELECT event, fingerprint, k, received_us, ended_us, encoded, delivery, body FROM payack_inbox ORDER BY id`).
				Scan(&event, &fingerprint, &k, &received, &ended, &encoded, &delivery, &body))
			return
		}
		marks := func() (n int) {
			require.NoError(t, s.db.QueryRow(`SELECT COUNT(*) FROM payack_once WHERE state = 2`).Scan(&n))
			return n
		}
		event, fingerprint, k, received, ended, _, _, _ := row()
		before := marks()
		require.Equal(t, 2, before, "the event, and what its hash belongs to")
		require.NoError(t, s.in.Retain(t.Context()))
		event2, fingerprint2, k2, received2, ended2, encoded, delivery, body := row()
		assert.Equal(t, [][]byte{event, fingerprint, k}, [][]byte{event2, fingerprint2, k2})
		assert.Equal(t, []int64{received, ended}, []int64{received2, ended2})
		assert.Empty(t, string(encoded)+string(delivery)+string(body))
		assert.Equal(t, before, marks())

		s.kept(payack.Payatom, h, atom("ORD1", "505"))
		assert.Equal(t, payack.OutcomeDuplicate, s.last().Outcome)
		s.kept(payack.Payatom, h, atom("ORD1", "300"))
		s.kept(payack.Payatom, h, atom("ORD150", "5"))
		s.until("ended", func() bool {
			return assert.ObjectsAreEqual([]string{"done", "dead conflict", "dead spliced"}, s.states())
		})
		assert.Len(t, s.calls(), 1)
	})
}
