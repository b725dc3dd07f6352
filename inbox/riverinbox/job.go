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

	next time.Time // when to retry a failed attempt, for NextRetry
}

// Kind implements river.JobArgs.
func (job) Kind() string { return "payack_attempt" }

// queueName is River's rule for names of queues. foreign matches characters that
// queueOf replaces.
var (
	queueName = regexp.MustCompile(`^[a-z0-9]+(?:[_-][a-z0-9]+)*$`)
	foreign   = regexp.MustCompile(`[^a-z0-9]+`)
)

// queueOf returns the name of a receiver's queue. It is "payack_" and the
// receiver's name if River allows this name and the inbox has the default prefix.
// Otherwise it ends in a digest.
func queueOf(prefix, receiver string) string {
	if name := "payack_" + receiver; prefix == "" && len(name) <= 64 && queueName.MatchString(name) {
		return name
	}
	slug := strings.Trim(foreign.ReplaceAllString(strings.ToLower(receiver), "_"), "_")
	slug = strings.TrimRight(slug[:min(len(slug), 40)], "_")
	sum := sha256.Sum256([]byte(prefix + "\x00" + receiver))
	return strings.ReplaceAll("payack_"+slug+"_"+hex.EncodeToString(sum[:4]), "__", "_")
}

// due implements [schedule.Due]. It writes a job for each row. Of late rows, only
// those that have lost their job get one.
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
		// River must not give a job up, because the row decides when to give up.
		opts := river.InsertOpts{Queue: queueOf(in.cfg.prefix(), row.Receiver), MaxAttempts: math.MaxInt16}
		if row.Wait > 0 {
			opts.ScheduledAt = time.Now().Add(row.Wait)
		}
		params[i] = river.InsertManyParams{Args: job{Row: row.ID, Prefix: in.cfg.prefix()}, InsertOpts: &opts}
	}
	_, err := in.client.InsertManyTx(ctx, tx, params)
	return err
}

// worker works the inbox's jobs for River.
type worker struct {
	river.WorkerDefaults[job]
	attempt schedule.Attempt
	prefix  string
}

// Timeout implements river.Worker.
func (*worker) Timeout(*river.Job[job]) time.Duration { return jobTimeout }

// NextRetry implements river.Worker.
func (*worker) NextRetry(j *river.Job[job]) time.Time {
	if j.Args.next.IsZero() { // no attempt has ended: River rescues the job
		return time.Now()
	}
	return j.Args.next
}

// leastSnooze is the least time that a job snoozes. The process's clock may
// differ from the database's; without this least time, a job could run too early
// many times in a row. foreignSnooze is for a job that was moved here from the
// queue of another inbox.
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
			return nil // the job was deleted; the row is the record
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
