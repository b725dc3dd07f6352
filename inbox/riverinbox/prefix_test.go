package riverinbox_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inbox/riverinbox"
	"github.com/payack/payack/payacktest"
)

// Inboxes with different prefixes share a database and River's tables, but no
// jobs.
func TestPrefixesShareNoJobs(t *testing.T) {
	t.Parallel()
	dsn := fresh(t)
	db := pool(t, dsn)
	count := func(query string) (n int) {
		require.NoError(t, db.QueryRow(query).Scan(&n))
		return n
	}
	var other atomic.Int64
	prefixes := []string{"", "a_", "b_"}
	done := make([]atomic.Int64, len(prefixes))
	const events = 20
	for i, prefix := range prefixes {
		cfg := config(pool(t, dsn))
		cfg.Inbox.Prefix = prefix
		in, err := riverinbox.Open(t.Context(), cfg)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, in.Close()) })
		pts := payacktest.NewPTSKeys().Config()
		pts.Options = handlers.Options{Inbox: in, Name: "pts", Logger: quiet}
		mine := func(n int) string { return fmt.Sprintf("%s-%d", prefix, n) }
		own := map[string]bool{}
		for n := range events {
			own[mine(n)] = true
		}
		h, err := handlers.NewPTS(pts, func(_ context.Context, ev *payack.PTSEvent) error {
			done[i].Add(1)
			if !own[ev.OrderID] {
				other.Add(1)
			}
			return nil
		})
		require.NoError(t, err)
		for n := range events {
			payacktest.Accepted(t, payack.PTS, payacktest.PTS(payacktest.NewPTSKeys()).Order(mine(n)).Callback(t).Deliver(h))
		}
		if i < len(prefixes)-1 {
			go func() { _ = in.Run(context.Background()) }()
			continue
		}
		// The last inbox doesn't run, and no other one touches its rows.
	}
	s := &shop{t: t, db: db}
	s.eventually("two of three", func() bool { return done[0].Load() == events && done[1].Load() == events })
	s.eventually("recorded", func() bool { return count(`SELECT COUNT(*) FROM river_job WHERE state = 'completed'`) == 2*events })
	assert.Equal(t, events, count(`SELECT COUNT(*) FROM river_job WHERE state = 'available' AND attempt = 0 AND args->>'inbox_prefix' = 'b_'`))
	assert.Equal(t, 3, count(`SELECT COUNT(DISTINCT queue) FROM river_job`))
	assert.Zero(t, other.Load())
	assert.Zero(t, done[2].Load())
}
