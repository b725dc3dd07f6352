package riverinbox

import (
	"context"
	"database/sql"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/payack/payack/inbox/internal/schedule"
)

// waiting selects the given rows that have a job which River will begin soon.
//
// A running job doesn't count. The row of a running attempt is never late, so if
// a late row has a running job, the job's process ended before the attempt began.
// A job that is scheduled much later than its row is due doesn't count either.
// Such jobs exist after the clock was set back, for example. By its conditions on
// state and queue, the query can use the index by which River fetches jobs, and
// reads no finished jobs.
const waiting = `SELECT args->>'inbox_row' FROM JOBS
	WHERE state IN ('available', 'pending', 'retryable', 'scheduled') AND queue = $1 AND scheduled_at < now() + interval '10 seconds'
	AND args->>'inbox_row' IN (SELECT unnest(string_to_array($2, ',')))`

// lost returns the late rows of a receiver for which the query waiting finds no
// job. It returns none while another process holds the advisory lock of the
// receiver's queue, so that a row gets only one job.
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

// jobs returns the name of River's table of jobs.
func (in *Inbox) jobs() string {
	if schema := in.client.Schema(); schema != "" {
		return pgx.Identifier{schema, "river_job"}.Sanitize()
	}
	return "river_job"
}
