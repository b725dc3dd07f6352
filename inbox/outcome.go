package inbox

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/dialect"
)

// tries is what a row records about its attempts, with times in microseconds of
// the database's clock.
type tries struct {
	// attempts counts all attempts, including the current one. A series of
	// attempts begins with the receipt, with a retry by a person or with a
	// redelivery. base is the value of attempts when the current series began.
	// since is when that series began, and started is when the current attempt
	// began.
	attempts, base      int
	since, started, now int64
}

func (t tries) inSeries() int      { return t.attempts - t.base }
func (t tries) age() time.Duration { return time.Duration(t.now-t.since) * time.Microsecond }

// ending is the state of a row after an attempt.
type ending struct {
	state  int
	wait   time.Duration // until the next attempt of a pending row
	reason payack.Reason
	error  string
	final  int
}

// after returns the ending that follows from the result of an attempt.
func (c *Config) after(t tries, outcome payack.Outcome, reason payack.Reason, err error) ending {
	e := ending{state: dead, reason: reason}
	if err != nil {
		e.error = readable(oneLine(err.Error()), 1000)
	}
	switch {
	case outcome == payack.OutcomeAccepted, outcome == payack.OutcomeDuplicate:
		e.state = done
	case reason == payack.ReasonUnexpected, errors.Is(err, payack.ErrUndecided):
		if left := c.Grace - t.age(); left > 0 {
			e.state, e.wait = pending, min(c.backoff(t.inSeries()), max(left, time.Second))
		}
	case outcome == payack.OutcomeRejected || outcome == payack.OutcomeRefused:
	case t.age() >= c.GiveUp && t.inSeries() >= c.LeastAttempts:
	case reason == payack.ReasonBusy:
		// Another process works on the event, or has crashed while it worked on
		// the event.
		e.state, e.wait = pending, min(time.Second, c.RetryFirst)
	default:
		e.state, e.wait = pending, c.backoff(t.inSeries())
	}
	return e
}

// reasonCrashed is the recorded reason of an attempt whose process ended.
const reasonCrashed payack.Reason = "crashed"

// afterCrash returns the ending of an attempt whose process ended. If it was the
// first attempt of a series, the next one is due at once. Otherwise there is a
// wait, since the event itself may be what ends the process.
func (c *Config) afterCrash(t tries) ending {
	e := ending{state: pending, reason: reasonCrashed, error: "the process ended, or lost the database, during the attempt"}
	switch n := t.inSeries(); {
	case t.age() >= c.GiveUp && n >= c.LeastAttempts:
		e.state = dead
	case n > 1:
		e.wait = c.backoff(n - 1)
	}
	return e
}

// backoff returns the wait after the nth attempt: a random part of a bound that
// doubles with each attempt. The wait is random so that events that failed
// together aren't retried together.
func (c *Config) backoff(n int) time.Duration {
	limit := c.RetryMax
	if shift := n - 1; shift < 30 {
		limit = min(limit, c.RetryFirst<<shift)
	}
	return time.Duration(rand.Int64N(int64(limit)) + 1)
}

// write records how an attempt ended. It changes nothing if the row no longer has
// the token of l.
func (in *Inbox) write(ctx context.Context, q dialect.Querier, l leased, t tries, e ending) error {
	var ours bool
	var err error
	switch e.state {
	case pending:
		ours, err = changed(q.ExecContext(ctx, in.sql.again, e.wait.Microseconds(), string(e.reason), e.error, l.id, l.token))
	default:
		ours, err = changed(q.ExecContext(ctx, in.sql.finish, e.state, string(e.reason), e.error, e.final, l.id, l.token))
	}
	if err != nil || !ours {
		return err
	}
	_, err = q.ExecContext(ctx, in.sql.attempt, l.id, t.attempts, t.started, t.now-t.started, string(e.reason), e.error)
	return err
}
