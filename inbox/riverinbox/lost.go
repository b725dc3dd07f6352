package riverinbox

import (
	"context"
	"database/sql"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/payack/payack/inbox/internal/schedule"
)

// waiting finds which of some rows have a job that River begins by itself soon. One
// that runs doesn't count: the row of an attempt that runs is not late, so its
// process has ended before it began. Nor does one that is to run much later than its
// row, whose time has been changed. The index of what River fetches finds them, which
// has no finished job.
const waiting = `SELECT args->>'inbox_row' FROM JOBS
	WHERE state IN ('available', 'pending', 'retryable', 'scheduled') AND queue = $1 AND scheduled_at < now() + interval '10 seconds'
	AND args->>'inbox_row' IN (SELECT unnest(string_to_array($2, ',')))`

// lost returns those of a receiver's late rows that have no job. One process at a
// time looks, so that a row gets one.
func (in *Inbox) lost(ctx context.Context, tx *sql.Tx, rows []schedule.Row) ([]schedule.Row, error) {
	queue := queueOf(in.cfg.prefix(), rows[0].Receiver)
	var alone bool
	err := tx.QueryRowContext(ctx, `SELECT pg_try_advisory_xact_lock(hashtextextended(concat(current_schema(), ' ', $1::text), 0))`, queue).Scan(&alone)
	if err != nil || !alone {
		return nil, err
	}
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = strconv.FormatInt(row.ID, 10)
	}
	found, err := tx.QueryContext(ctx, strings.Replace(waiting, "JOBS", in.jobs(), 1), queue, strings.Join(ids, ","))
	if err != nil {
		return nil, err
	}
	defer found.Close()
	known := map[string]bool{}
	for found.Next() {
		var id string
		if err := found.Scan(&id); err != nil {
			return nil, err
		}
		known[id] = true
	}
	var out []schedule.Row
	for i, row := range rows {
		if !known[ids[i]] {
			out = append(out, row)
		}
	}
	return out, found.Err()
}

// jobs names River's table.
func (in *Inbox) jobs() string {
	if schema := in.client.Schema(); schema != "" {
		return pgx.Identifier{schema, "river_job"}.Sanitize()
	}
	return "river_job"
}
