package inspector

import (
	"context"
	"strconv"

	"github.com/payack/payack/inbox"
)

// changed returns the deliveries that came or changed since the last call. It
// looks at the memory, the rows whose IDs are in watch, and the newest rows. The
// newest rows come last, the oldest of them first. more reports whether it may
// have left some out. The caller holds i.live.mu.
func (i *Inspector) changed(ctx context.Context, watch []int64) (out []*Entry, more bool, err error) {
	l := &i.live
	seen := i.memory.since(l.seen, liveRows)
	more = len(seen) >= liveRows
	for _, s := range seen {
		out = append(out, s.entry().redacted(i.redact))
		l.seen = max(l.seen, s.seq)
	}
	if i.cfg.Inbox == nil {
		return out, more, nil
	}
	rows, err := i.cfg.Inbox.List(ctx, inbox.Filter{}, 0, liveRows)
	if err == nil && len(rows) > 0 {
		more = more || len(rows) == liveRows && rows[liveRows-1].ID > l.row
		l.row = rows[0].ID
	}
	if err == nil && len(watch) > 0 {
		var watched []inbox.Item
		watched, err = i.cfg.Inbox.List(ctx, inbox.Filter{IDs: watch}, 0, len(watch))
		rows = append(rows, watched...)
	}
	if err != nil {
		return out, more, err
	}
	before, now := l.rows, make(map[int64]string, len(rows))
	for n := len(rows) - 1; n >= 0; n-- {
		row := &rows[n]
		like := string(row.State) + " " + string(row.Reason) + " " + strconv.Itoa(row.Attempts) + " " + row.Next.String()
		if now[row.ID] == "" && before[row.ID] != like {
			out = append(out, entryOf(row).redacted(i.redact))
		}
		now[row.ID] = like
	}
	l.rows = now
	return out, more, nil
}
