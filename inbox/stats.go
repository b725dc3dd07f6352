package inbox

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// Stats says how much waits.
type Stats struct {
	// Pending, Running and Dead count the rows in these states.
	Pending, Running, Dead int
	// Oldest is how long ago the oldest row that is pending or running was
	// received, 0 where there is none.
	Oldest time.Duration
}

// Stats returns how much waits. It counts rows, so ask once in a few seconds.
func (in *Inbox) Stats(ctx context.Context) (Stats, error) {
	var s Stats
	for state, count := range map[int]*int{pending: &s.Pending, running: &s.Running, dead: &s.Dead} {
		var oldest, now int64
		query := strings.Replace(in.sql.stats, "STATE", strconv.Itoa(state), 1)
		if err := in.cfg.DB.QueryRowContext(ctx, query).Scan(count, &oldest, &now); err != nil {
			return Stats{}, explain(in.cfg.Dialect, "Stats", err)
		}
		if oldest > 0 && state != dead {
			s.Oldest = max(s.Oldest, time.Duration(now-oldest)*time.Microsecond)
		}
	}
	return s, nil
}
