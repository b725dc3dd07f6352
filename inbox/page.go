package inbox

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

const (
	// pageWindow is how many IDs a page searches where no index finds the rows.
	pageWindow = 20_000
	// clockSlack is how many IDs a search by time adds at each end. Concurrent
	// receipts may get IDs in another order than their receipt times.
	clockSlack = 1000
)

// Page is [Inbox.List] with a bounded cost, for pages that a person waits for. It
// returns the rows that match, the newest first, at most limit (100 if 0, and
// never more than [MaxPage]). Pass next as older for the next page, until next is
// 0.
//
// If no index finds the rows, for example with a filter by provider alone, Page
// searches at most 20,000 IDs. So a page may have few rows or none although more
// pages follow.
func (in *Inbox) Page(ctx context.Context, f Filter, older int64, limit int) (items []Item, next int64, err error) {
	if limit <= 0 {
		limit = 100
	}
	limit = min(limit, MaxPage)
	if f.indexed() {
		if items, err = in.List(ctx, f, older, limit); err == nil && len(items) == limit {
			next = items[limit-1].ID
		}
		return items, next, err
	}
	where, args, err := f.where(&in.cfg, true)
	if err != nil {
		return nil, 0, err
	}
	newest, oldest, err := in.window(ctx, f, older)
	if err != nil || newest < oldest {
		return nil, 0, err
	}
	least := max(oldest, newest-in.pageWindow+1)
	items, err = in.selected(ctx, "Page", where+" AND id <= ? AND id >= ?", append(args, newest, least), limit)
	switch {
	case err != nil:
		return nil, 0, err
	case len(items) == limit:
		next = items[limit-1].ID
	case least > oldest:
		next = least
	}
	return items, next, nil
}

// window returns the range of IDs that can match. newest is less than oldest if
// no ID can match.
func (in *Inbox) window(ctx context.Context, f Filter, older int64) (newest, oldest int64, err error) {
	table := in.cfg.Prefix + "inbox"
	condition, args := "1 = 1", []any(nil)
	if older > 0 {
		condition, args = "id < ?", []any{older}
	}
	if newest, err = in.oneID(ctx, "SELECT id FROM "+table+" WHERE "+condition+" ORDER BY id DESC LIMIT 1", args...); err != nil || newest == 0 {
		return 0, 1, err
	}
	if !f.Before.IsZero() {
		last, err := in.lastBefore(ctx, f.Before)
		if err != nil || last == 0 {
			return 0, 1, err
		}
		newest = min(newest, last+clockSlack)
	}
	oldest = 1
	if !f.From.IsZero() {
		first, err := in.oneID(ctx, "SELECT id FROM "+table+" WHERE received_us >= ? ORDER BY received_us, id LIMIT 1", f.From.UnixMicro())
		if err != nil || first == 0 {
			return 0, 1, err
		}
		oldest = max(1, first-clockSlack)
	}
	return newest, oldest, nil
}

func (in *Inbox) lastBefore(ctx context.Context, t time.Time) (int64, error) {
	return in.oneID(ctx, "SELECT id FROM "+in.cfg.Prefix+"inbox WHERE received_us < ? ORDER BY received_us DESC, id DESC LIMIT 1", t.UnixMicro())
}

// oneID returns the ID that a query finds, 0 if there is none.
func (in *Inbox) oneID(ctx context.Context, query string, args ...any) (id int64, err error) {
	err = in.db.QueryRowContext(ctx, in.cfg.Dialect.Rebind(query), args...).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, explain(in.cfg.Dialect, "Page", err)
	}
	return id, nil
}

// Count returns how many rows match. It stops counting at limit.
func (in *Inbox) Count(ctx context.Context, f Filter, limit int) (n int, err error) {
	where, args, err := f.where(&in.cfg, false)
	if err != nil {
		return 0, err
	}
	query := in.cfg.Dialect.Rebind(`SELECT COUNT(*) FROM (SELECT 1 AS one FROM ` + in.cfg.Prefix + `inbox WHERE ` + where + ` LIMIT ?) AS found`)
	if err := in.db.QueryRowContext(ctx, query, append(args, limit)...).Scan(&n); err != nil {
		return 0, explain(in.cfg.Dialect, "Count", err)
	}
	return n, nil
}
