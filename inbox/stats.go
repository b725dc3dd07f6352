package inbox

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/payack/payack"
)

// Stats counts the pending, running and dead rows of an inbox.
type Stats = payack.InboxStats

// Stats counts the pending, running and dead rows, all at one moment. The
// database reads each of these rows, so call Stats every few seconds at most.
func (in *Inbox) Stats(ctx context.Context) (Stats, error) {
	// One statement, because between two statements a row could change its state
	// and be missed.
	states := []int{pending, running, dead}
	parts := make([]string, len(states))
	for i, state := range states {
		parts[i] = strings.Replace(in.sql.stats, "STATE", strconv.Itoa(state), 2)
	}
	rows, err := in.db.QueryContext(ctx, strings.Join(parts, " UNION ALL "))
	if err != nil {
		return Stats{}, explain(in.cfg.Dialect, "Stats", err)
	}
	defer rows.Close()
	var s Stats
	for rows.Next() {
		var state, count int
		var oldest, now int64
		if err := rows.Scan(&state, &count, &oldest, &now); err != nil {
			return Stats{}, explain(in.cfg.Dialect, "Stats", err)
		}
		switch state {
		case pending:
			s.Pending = count
		case running:
			s.Running = count
		case dead:
			s.Dead = count
		}
		if oldest > 0 && state != dead {
			s.Oldest = max(s.Oldest, time.Duration(now-oldest)*time.Microsecond)
		}
	}
	if err := rows.Err(); err != nil {
		return Stats{}, explain(in.cfg.Dialect, "Stats", err)
	}
	return s, nil
}
