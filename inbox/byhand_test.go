package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/payacktest"
)

// Retry and RetryAll make rows due that aren't done, and never change a done row.
// RetryAll reports its progress and obeys its limit.
func TestRetry(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d, func(c *inbox.Config) { c.GiveUp, c.LeastAttempts = time.Nanosecond, 1 }).mount()
		s.kept(payack.PTS, s.pts, ptsCallback(t, "DONE", payack.PTSSuccess))
		s.drain()
		s.says(func(context.Context, payack.Event) error { return errShop }, nil)
		for n := range 6 {
			s.kept(payack.PTS, s.pts, ptsCallback(t, fmt.Sprint("ORD-", n), payack.PTSSuccess))
		}
		s.drain()
		dead, err := s.in.List(t.Context(), inbox.Filter{States: []inbox.State{inbox.Dead}}, 0, 0)
		require.NoError(t, err)
		require.Len(t, dead, 6)
		s.says(nil, nil)

		done := s.items()[6]
		require.ErrorIs(t, s.in.Retry(t.Context(), done.ID), inbox.ErrDone)
		require.ErrorIs(t, s.in.Retry(t.Context(), 12345), inbox.ErrNotFound)
		require.NoError(t, s.in.Retry(t.Context(), dead[0].ID))
		s.drain()
		assert.Len(t, s.calls(), 2)

		var progress []int
		n, err := s.in.RetryAll(t.Context(), inbox.Filter{Reason: payack.ReasonCallback}, 3, func(n int) { progress = append(progress, n) })
		require.NoError(t, err)
		assert.Equal(t, 3, n)
		assert.Equal(t, []int{1, 2, 3}, progress)
		s.drain()
		assert.Len(t, s.calls(), 5)
		n, err = s.in.RetryAll(t.Context(), inbox.Filter{OrderID: dead[5].OrderID}, 100, nil)
		require.NoError(t, err)
		assert.Equal(t, 1, n)
		_, err = s.in.RetryAll(t.Context(), inbox.Filter{}, 0, nil)
		require.ErrorContains(t, err, "limit")
		_, err = s.in.RetryAll(t.Context(), inbox.Filter{States: []inbox.State{inbox.Done}}, 5, nil)
		require.ErrorIs(t, err, inbox.ErrDone)
		n, err = s.in.RetryAll(t.Context(), inbox.Filter{}, 100, nil)
		require.NoError(t, err)
		assert.Equal(t, 1, n)
		s.drain()
		assert.Len(t, s.calls(), 7)
		assert.NotContains(t, strings.Join(s.states(), " "), "dead")

		// A refuted copy of an event that is done through another copy.
		s.says(nil, refuting("bad"))
		s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", "bad"))
		s.drain()
		s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", "good"))
		s.drain()
		require.ErrorIs(t, s.in.Retry(t.Context(), s.items()[1].ID), inbox.ErrDone)
	})
}

// A row that is retried by hand gets as many attempts, and as much time, as a new
// one before it is given up again.
func TestRetryBeginsAnew(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d, func(c *inbox.Config) {
			c.GiveUp, c.LeastAttempts, c.RetryFirst, c.RetryMax = time.Hour, 2, time.Hour, time.Hour
		}).mount()
		s.says(func(context.Context, payack.Event) error { return errShop }, nil)
		const old, due = `since_us = 1`, `next_us = 1`
		fails := func(set ...string) string {
			s.exec(`UPDATE payack_inbox SET ` + strings.Join(append(set, due), ", ") + ` WHERE state = 1`)
			s.drain()
			return s.states()[0]
		}
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess))
		require.Equal(t, "pending callback", fails(old))
		require.Equal(t, "dead callback", fails(old))
		require.NoError(t, s.in.Retry(t.Context(), s.items()[0].ID))
		assert.Zero(t, s.items()[0].Ended)
		assert.Equal(t, "pending callback", fails(old), "its first attempt since")
		assert.Equal(t, "dead callback", fails(old))
		// The store has a claim on the event, as while an attempt runs elsewhere.
		// Retry must not take the claim for the mark of a done event.
		s.exec(`INSERT INTO payack_once (k, fingerprint, state, token, at_us, id) SELECT event, fingerprint, 1, token, 1, '' FROM payack_inbox`)
		require.NoError(t, s.in.Retry(t.Context(), s.items()[0].ID))
		fails()
		assert.Equal(t, "pending callback", fails(), "the hour counts from the retry")
		// The row waits for its next attempt. Retry makes the row due now.
		before := len(s.attempts())
		s.drain()
		require.Len(t, s.attempts(), before)
		require.NoError(t, s.in.Retry(t.Context(), s.items()[0].ID))
		s.drain()
		assert.Len(t, s.attempts(), before+1)
	})
}

// Retry refuses a running row, which would otherwise run twice, and a superseded
// row.
func TestRetryRefuses(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess))
		id := s.items()[0].ID
		for state, want := range map[int]error{2: inbox.ErrRunning, 5: inbox.ErrDone} {
			s.exec(fmt.Sprintf(`UPDATE payack_inbox SET state = %d`, state))
			before := s.states()
			require.ErrorIs(t, s.in.Retry(t.Context(), id), want)
			assert.Equal(t, before, s.states())
		}
	})
}

// A refuted copy can be retried by hand, when the provider knows better now.
func TestRetryOfARefutedCopy(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		s.says(nil, refuting("bad"))
		for i := range 2 {
			s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", fmt.Sprint("bad", i)))
			s.drain()
		}
		require.Equal(t, []string{"refuted unconfirmed", "dead unconfirmed"}, s.states())
		s.says(nil, nil)
		require.NoError(t, s.in.Retry(t.Context(), s.items()[1].ID))
		s.drain()
		assert.Equal(t, []string{"done", "refuted unconfirmed"}, s.states())
		assert.Len(t, s.calls(), 1)
	})
}

func TestCloseByHand(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d, func(c *inbox.Config) { c.GiveUp, c.LeastAttempts = time.Nanosecond, 1 }).mount()
		s.says(func(context.Context, payack.Event) error { return errShop }, nil)
		cb := ptsCallback(t, "ORD-1", payack.PTSSuccess)
		s.kept(payack.PTS, s.pts, cb)
		s.drain()
		id := s.items()[0].ID
		require.ErrorContains(t, s.in.CloseByHand(t.Context(), id, "  "), "note")
		require.ErrorContains(t, s.in.CloseByHand(t.Context(), id, strings.Repeat("x", 1001)), "note")
		require.NoError(t, s.in.CloseByHand(t.Context(), id, "paid by hand, ü"))
		require.ErrorIs(t, s.in.CloseByHand(t.Context(), id, "again"), inbox.ErrDone)
		require.ErrorIs(t, s.in.CloseByHand(t.Context(), 999, "x"), inbox.ErrNotFound)
		item := s.items()[0]
		assert.Equal(t, inbox.Closed, item.State)
		assert.Equal(t, "paid by hand, ü", item.Note)
		assert.False(t, item.Ended.IsZero())
		s.kept(payack.PTS, s.pts, cb)
		assert.Equal(t, payack.OutcomeDuplicate, s.last().Outcome)
		s.says(nil, nil)
		require.NoError(t, s.in.Retry(t.Context(), id), "a person may change their mind")
		s.drain()
		assert.Len(t, s.calls(), 1)
	})
}

// Rows are found by state, reason, provider, receiver, order, event and time, and
// listed by pages.
func TestList(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		began := time.Now()
		for n := range 7 {
			s.kept(payack.PTS, s.pts, ptsCallback(t, fmt.Sprint("ORD-", n), payack.PTSSuccess))
		}
		s.drain()
		s.says(nil, refuting("bad"))
		s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-3", "bad"))
		s.drain()
		s.kept(payack.Ptop, s.ptop, payacktest.Ptop(payacktest.NewPtopKeys()).Order("ORD-é").Callback(t))

		for name, tc := range map[string]struct {
			f inbox.Filter
			n int
		}{
			"all":       {inbox.Filter{}, 9},
			"done":      {inbox.Filter{States: []inbox.State{inbox.Done}}, 7},
			"two":       {inbox.Filter{States: []inbox.State{inbox.Dead, inbox.Pending}}, 2},
			"reason":    {inbox.Filter{Reason: payack.ReasonUnconfirmed}, 1},
			"provider":  {inbox.Filter{Provider: payack.PTS}, 7},
			"receiver":  {inbox.Filter{Receiver: "ptop"}, 1},
			"order":     {inbox.Filter{OrderID: "ORD-3"}, 2},
			"both":      {inbox.Filter{OrderID: "ORD-3", Provider: payack.PTS}, 1},
			"event":     {inbox.Filter{EventID: "payatom:v1::ORD-3:Approved"}, 1},
			"case":      {inbox.Filter{OrderID: "ord-3"}, 0},
			"non-ASCII": {inbox.Filter{OrderID: "ORD-é"}, 1},
			"since":     {inbox.Filter{From: began.Add(-time.Minute), Before: began.Add(time.Hour)}, 9},
			"before":    {inbox.Filter{Before: began.Add(-time.Minute)}, 0},
			"no text":   {inbox.Filter{Receiver: "\xff\x00'"}, 0},
			"no reason": {inbox.Filter{Reason: "\xff\x00'"}, 0},
		} {
			items, err := s.in.List(t.Context(), tc.f, 0, 0)
			require.NoError(t, err, name)
			assert.Len(t, items, tc.n, name)
		}
		_, err := s.in.List(t.Context(), inbox.Filter{States: []inbox.State{"no such"}}, 0, 0)
		require.ErrorContains(t, err, "States")

		var seen []int64
		for older := int64(0); ; {
			page, err := s.in.List(t.Context(), inbox.Filter{}, older, 4)
			require.NoError(t, err)
			if len(page) == 0 {
				break
			}
			for _, i := range page {
				seen = append(seen, i.ID)
				assert.WithinDuration(t, time.Now(), i.Received, time.Minute)
			}
			older = page[len(page)-1].ID
		}
		assert.Len(t, seen, 9)
		assert.IsDecreasing(t, seen)
	})
}

// A row holds the exact body, the event and how it was verified, the headers of a
// closed list, and the trace context.
func TestGet(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		cb := ptsCallback(t, "ORD-1", payack.PTSSuccess, "error_message", "a\x00b", "details_url", "ü\u2028")
		r := cb.Clone()
		trace := "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		for name, value := range map[string]string{"Authorization": "Basic secret", "Cookie": "secret", "X-Forwarded-For": "1.2.3.4", "Traceparent": trace, "User-Agent": "PTS/1 \xff"} {
			r.Header.Set(name, value)
		}
		s.kept(payack.PTS, s.pts, r)
		record, err := s.in.Get(t.Context(), s.items()[0].ID)
		require.NoError(t, err)
		require.NoError(t, record.Unreadable)
		assert.Equal(t, string(cb.Body), record.Delivery.Body)
		assert.Equal(t, trace, record.Trace)
		assert.Equal(t, "/callback", record.Delivery.Path)
		assert.Equal(t, "192.0.2.1", record.Delivery.Client.String())
		h := record.Delivery.Header
		assert.Equal(t, []string{"PTS/1 \xff", trace, ""}, []string{h.Get("User-Agent"), h.Get("Traceparent"), h.Get("Authorization") + h.Get("Cookie") + h.Get("X-Forwarded-For")})
		ev := record.Delivery.Event.(*payack.PTSEvent)
		assert.Equal(t, "a\x00b", ev.Unsigned.ErrorMessage.String())
		assert.Equal(t, payack.SchemeLiteral, ev.VerifiedBy().Scheme)
		_, err = s.in.Get(t.Context(), 777)
		require.ErrorIs(t, err, inbox.ErrNotFound)
	})
}

// Retention drops the contents of rows that have ended, but keeps those of dead
// letters: a person may still retry them.
func TestRetentionByState(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		states := []inbox.State{inbox.Pending, inbox.Running, inbox.Done, inbox.Dead, inbox.Superseded, inbox.Closed, inbox.Refuted}
		for i := range states {
			s.kept(payack.PTS, s.pts, ptsCallback(t, fmt.Sprint("ORD-", i), payack.PTSSuccess))
			s.exec(fmt.Sprintf(`UPDATE payack_inbox SET state = %d, received_us = 1, ended_us = 1 WHERE order_id = 'ORD-%d'`, i+1, i))
		}
		columns := []string{"error", "trace", "reference", "amount", "status"}
		for _, c := range columns {
			s.exec(`UPDATE payack_inbox SET ` + c + ` = 'x'`)
		}
		require.NoError(t, s.in.Retain(t.Context()))
		for _, c := range columns {
			var n int
			require.NoError(t, s.db.QueryRow(`SELECT COUNT(*) FROM payack_inbox WHERE `+c+` <> ''`).Scan(&n))
			assert.Equal(t, 3, n, c)
		}
		for _, item := range s.items() {
			record, err := s.in.Get(t.Context(), item.ID)
			require.NoError(t, err)
			waits := item.State == inbox.Pending || item.State == inbox.Running || item.State == inbox.Dead
			assert.Equal(t, waits, record.Delivery != nil, item.State)
		}
		assert.Len(t, s.items(), len(states))
	})
}

// A row that was done longer than Retention ago keeps its identity and times, and
// loses its contents. Dead letters keep everything.
func TestRetention(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		cb := ptsCallback(t, "ORD-1", payack.PTSSuccess)
		s.kept(payack.PTS, s.pts, cb)
		s.says(nil, refuting("bad"))
		s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-2", "bad"))
		s.drain()
		s.kept(payack.PTS, s.pts, ptsCallback(t, "SETTLED-LATE", payack.PTSSuccess))
		s.kept(payack.PTS, s.pts, ptsCallback(t, "YOUNG", payack.PTSSuccess))
		s.drain()
		const ago = int64(91 * 24 * time.Hour / time.Microsecond)
		s.exec(fmt.Sprintf(`UPDATE payack_inbox SET received_us = received_us - %d, ended_us = ended_us - %d WHERE order_id NOT IN ('SETTLED-LATE', 'YOUNG')`, ago, ago))
		s.exec(fmt.Sprintf(`UPDATE payack_inbox SET received_us = received_us - %d WHERE order_id = 'SETTLED-LATE'`, ago))
		require.NoError(t, s.in.Retain(t.Context()))
		items := s.items()
		young, late, dead, done := items[0], items[1], items[2], items[3]
		for _, tc := range []struct {
			item inbox.Item
			kept bool
		}{{young, true}, {late, true}, {dead, true}, {done, false}} {
			record, err := s.in.Get(t.Context(), tc.item.ID)
			require.NoError(t, err)
			assert.Equal(t, tc.kept, record.Delivery != nil, tc.item.OrderID)
			assert.Equal(t, tc.kept, len(record.Log) > 0)
			assert.NotEmpty(t, record.EventID)
			assert.False(t, record.Ended.IsZero())
		}
		s.kept(payack.PTS, s.pts, cb)
		assert.Equal(t, payack.OutcomeDuplicate, s.last().Outcome, "what is done stays known")
		s.drain()
		assert.Len(t, s.calls(), 3)
	})
}

// If the database's clock was ahead and is set back, no row waits until the clock
// is as far ahead again.
func TestClockThatJumped(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess))
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-2", payack.PTSSuccess))
		s.exec(fmt.Sprintf(`UPDATE payack_inbox SET next_us = next_us + %d WHERE order_id = 'ORD-1'`, decade))
		s.exec(`UPDATE payack_inbox SET state = 2, attempts = 1, token = ` + d.bytes("00") + ` WHERE order_id = 'ORD-2'`)
		s.exec(fmt.Sprintf(`INSERT INTO payack_running (payment, token, lease_us) SELECT payment, token, received_us + %d FROM payack_inbox WHERE order_id = 'ORD-2'`, decade))
		s.run()
		require.Eventually(t, func() bool { return len(s.calls()) == 2 }, 30*time.Second, 5*time.Millisecond)
	})
}

// Run's repeated check of the table makes a row due only if the row waits longer
// than any back-off. The check warns of an unmounted receiver only if rows wait for
// it, and of a row without a lease only if there is such a row.
func TestCheckOfTheTable(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		s.kept(payack.PTS, s.pts, ptsCallback(t, "DONE", payack.PTSSuccess))
		s.drain()
		s.exec(`UPDATE payack_inbox SET receiver = 'gone'`)
		for _, order := range []string{"JUMPED", "LATER"} {
			s.kept(payack.PTS, s.pts, ptsCallback(t, order, payack.PTSSuccess))
		}
		const minutes = int64(10 * time.Minute / time.Microsecond)
		s.exec(fmt.Sprintf(`UPDATE payack_inbox SET next_us = next_us + %d WHERE order_id = 'JUMPED'`, decade))
		s.exec(fmt.Sprintf(`UPDATE payack_inbox SET next_us = next_us + %d WHERE order_id = 'LATER'`, minutes))
		stop := s.run()
		require.Eventually(t, func() bool { return s.statesOf("JUMPED")[0] == "done" }, 30*time.Second, 5*time.Millisecond)
		stop()
		assert.Equal(t, []string{"pending"}, s.statesOf("LATER"), "a wait as long as any back-off")
		assert.NotContains(t, s.log.String(), "not mounted", "nothing waits for it")
		assert.NotContains(t, s.log.String(), "without a lease")
	})
}

// A copy that is closed by hand gives its place to the next one from its sender.
func TestCloseByHandOfCopies(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		s.says(nil, refuting("bad"))
		s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", "waits"))
		payacktest.Failed(t, payack.Payatom, send(s.atom, atomCallback(t, "ORD-1", "another"), "192.0.2.1"))
		require.NoError(t, s.in.CloseByHand(t.Context(), s.items()[0].ID, "not ours"))
		assert.WithinDuration(t, time.Now(), s.items()[0].Ended, time.Minute)
		s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", "another"))

		for i := range 2 {
			s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-2", fmt.Sprint("bad", i)))
			s.drain()
		}
		refuted, err := s.in.List(t.Context(), inbox.Filter{States: []inbox.State{inbox.Refuted}}, 0, 10)
		require.NoError(t, err)
		require.Len(t, refuted, 1)
		require.NoError(t, s.in.CloseByHand(t.Context(), refuted[0].ID, "a forgery"))
		assert.Contains(t, s.statesOf("ORD-2"), "closed unconfirmed")
	})
}

// A failed query to the provider costs an attempt and nothing else.
func TestQueryThatIsDown(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		n := 0
		s.says(nil, func(string) error {
			if n++; n < 6 {
				return errors.New("no answer")
			}
			return nil
		})
		s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", "r"))
		s.until("settled", func() bool { return len(s.calls()) == 1 })
		assert.Equal(t, payack.ReasonUnreachable, s.attempts()[0].Reason)
		assert.Len(t, s.attempts(), 6)
	})
}
