package inbox_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/payacktest"
)

// everyByte returns n bytes that count through all byte values, again and again.
func everyByte(n int) string {
	all := make([]byte, n)
	for i := range all {
		all[i] = byte(i)
	}
	return string(all)
}

// A body of up to 1 MiB is kept byte for byte. Headers that are too long are left
// out.
func TestAnyBody(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		for _, size := range []int{0, 256, 64 << 10, 1 << 20} {
			r := receiptOf(t, s, fmt.Sprint("ORD-", size), "r")
			r.Delivery.Body = everyByte(size)
			r.Delivery.Path = everyByte(256)
			r.Delivery.Header.Set("User-Agent", everyByte(4096))
			r.Delivery.Header.Set("X-Signature", everyByte(64<<10))
			state, err := s.in.Keep(t.Context(), r)
			require.NoError(t, err, size)
			require.Equal(t, payack.ClaimGranted, state)
			record, err := s.in.Get(t.Context(), s.items()[0].ID)
			require.NoError(t, err)
			require.NoError(t, record.Unreadable)
			assert.True(t, record.Delivery.Body == everyByte(size), size)
			assert.True(t, record.Delivery.Path == everyByte(256))
			assert.True(t, record.Delivery.Header.Get("User-Agent") == everyByte(4096))
			assert.Empty(t, record.Delivery.Header.Get("X-Signature"))
		}
		s.drain()
		assert.Len(t, s.calls(), 4)
	})
}

// Unsigned members of any content and length can be kept, and so can huge
// headers.
func TestAnyMember(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount(func(o *handlers.Options) { o.MaxBody = 1 << 20 })
		text := strings.ToValidUTF8(strings.Repeat(everyByte(256), 200), "\ufffd")
		cb := payacktest.Payatom(payacktest.NewPayatomKeys()).Set("sender_upi", text).Callback(t)
		cb.Header.Set("User-Agent", strings.Repeat("x", 64<<10))
		s.kept(payack.Payatom, s.atom, cb)
		s.drain()
		assert.Len(t, s.calls(), 1)
		record, err := s.in.Get(t.Context(), s.items()[0].ID)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(cb.Body, []byte(record.Delivery.Body)))
		assert.Equal(t, text, record.Delivery.Event.(*payack.PayatomEvent).Unsigned.SenderUPI.String())
	})
}

// Order ids are distinguished even if a text column can't hold them unchanged.
func TestAnyOrder(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		orders := []string{"a", "A", "a ", "á", "ü", "u\u0308", strings.Repeat("x", 600), strings.Repeat("x", 601), "\U0001F600"}
		for _, order := range orders {
			s.kept(payack.PTS, s.pts, ptsCallback(t, order, payack.PTSSuccess))
			assert.Equal(t, payack.OutcomeAccepted, s.last().Outcome, "%q", order)
		}
		s.drain()
		assert.Len(t, s.calls(), len(orders))
	})
}

// If the function obeys the deadline in its context, the attempt ends at the
// deadline and the event is retried.
func TestDeadlineOfAttempts(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount(func(o *handlers.Options) { o.Deadline, o.Lease = 2*time.Second, time.Minute })
		n := 0
		s.says(func(ctx context.Context, _ payack.Event) error {
			if n++; n == 1 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}, nil)
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess))
		s.until("settled", func() bool { return len(s.calls()) == 1 })
		assert.Equal(t, payack.ReasonDeadline, s.attempts()[0].Reason)
		assert.ErrorIs(t, s.attempts()[0].Err, context.DeadlineExceeded)
	})
}

// A function fails for the first hour of each event, here at two thousand times
// the speed. Each event gets between 2 and 99 attempts, and is settled once.
func TestFailsForAnHour(t *testing.T) {
	t.Parallel()
	const hour = time.Hour / 2000
	each(t, func(t *testing.T, d database) {
		s := open(t, d, func(c *inbox.Config) {
			c.RetryFirst, c.RetryMax = inbox.DefaultRetryFirst/2000, inbox.DefaultRetryMax/2000
		}).mount()
		var began sync.Map // when each event was first attempted
		s.says(func(_ context.Context, ev payack.Event) error {
			first, _ := began.LoadOrStore(ev.ID(), time.Now())
			if time.Since(first.(time.Time)) < hour {
				return errShop
			}
			return nil
		}, nil)
		for n := range 5 {
			s.kept(payack.PTS, s.pts, ptsCallback(t, fmt.Sprint("ORD-", n), payack.PTSSuccess))
		}
		s.run()
		require.Eventually(t, func() bool { return len(s.calls()) == 5 }, 20*time.Second, 5*time.Millisecond)
		tries := map[string]int{}
		for _, o := range s.attempts() {
			tries[o.EventID]++
		}
		for id, n := range tries {
			assert.Greater(t, n, 1, id)
			assert.Less(t, n, 100, id)
		}
	})
}
