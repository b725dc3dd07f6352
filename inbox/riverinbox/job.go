package riverinbox

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/rivertype"

	"github.com/payack/payack/inbox/internal/schedule"
)

// job says that a row of the inbox is due. It holds nothing of the event, so that
// River's tables hold no personal data.
type job struct {
	Row    int64  `json:"inbox_row"`
	Prefix string `json:"inbox_prefix,omitempty"` // of the inbox's tables

	next time.Time // of an attempt that failed, for NextRetry
}

// Kind implements river.JobArgs.
func (job) Kind() string { return "payack_attempt" }

// River's rule for names of queues, and what is not in them.
var (
	queueName = regexp.MustCompile(`^[a-z0-9]+(?:[_-][a-z0-9]+)*$`)
	foreign   = regexp.MustCompile(`[^a-z0-9]+`)
)

// queueOf names a receiver's queue: by the receiver's name if River takes that and
// the inbox has the default prefix, otherwise by what it takes of it and a digest.
func queueOf(prefix, receiver string) string {
	if name := "payack_" + receiver; prefix == "" && len(name) <= 64 && queueName.MatchString(name) {
		return name
	}
	slug := strings.Trim(foreign.ReplaceAllString(strings.ToLower(receiver), "_"), "_")
	slug = strings.TrimRight(slug[:min(len(slug), 40)], "_")
	sum := sha256.Sum256([]byte(prefix + "\x00" + receiver))
	return strings.ReplaceAll("payack_"+slug+"_"+hex.EncodeToString(sum[:4]), "__", "_")
}

// due writes a job for each row, in the transaction that makes it due.
func (in *Inbox) due(ctx context.Context, tx *sql.Tx, rows []schedule.Row) error {
	if len(rows) > 0 && rows[0].Late {
		var err error
		if rows, err = in.lost(ctx, tx, rows); err != nil {
			return err
		}
	}
	if len(rows) == 0 {
		return nil
	}
	params := make([]river.InsertManyParams, len(rows))
	for i, row := range rows {
		// The row decides when it is given up.
		opts := river.InsertOpts{Queue: queueOf(in.cfg.prefix(), row.Receiver), MaxAttempts: math.MaxInt16}
		if row.Wait > 0 {
			opts.ScheduledAt = time.Now().Add(row.Wait)
		}
		params[i] = river.InsertManyParams{Args: job{Row: row.ID, Prefix: in.cfg.prefix()}, InsertOpts: &opts}
	}
	_, err := in.client.InsertManyTx(ctx, tx, params)
	return err
}

// worker works River's jobs.
type worker struct {
	river.WorkerDefaults[job]
	attempt schedule.Attempt
	prefix  string
}

// Timeout implements river.Worker.
func (*worker) Timeout(*river.Job[job]) time.Duration { return jobTimeout }

// NextRetry implements river.Worker.
func (*worker) NextRetry(j *river.Job[job]) time.Time {
	if j.Args.next.IsZero() { // one that was rescued
		return time.Now()
	}
	return j.Args.next
}

// The least time for which a job snoozes: where the clocks of the process and of the
// database differ, it may be too soon each time. And how long one does that somebody
// has moved here from the queue of another inbox.
const (
	leastSnooze   = 50 * time.Millisecond
	foreignSnooze = time.Minute
)

// Work implements river.Worker.
func (w *worker) Work(ctx context.Context, j *river.Job[job]) error {
	if j.Args.Prefix != w.prefix {
		return river.JobSnooze(foreignSnooze)
	}
	r := w.attempt(ctx, j.Args.Row, func(ctx context.Context, tx *sql.Tx) error {
		_, err := river.JobCompleteTx[*riverdatabasesql.Driver](ctx, tx, j)
		if errors.Is(err, rivertype.ErrNotFound) {
			return nil // somebody has deleted the job; the row is the record
		}
		return err
	})
	switch {
	case r.Again && r.Err == nil:
		return river.JobSnooze(max(r.Wait, leastSnooze))
	case r.Again:
		j.Args.next = time.Now().Add(r.Wait)
		return r.Err
	case r.Err != nil:
		return river.JobCancel(r.Err)
	}
	return nil
}
