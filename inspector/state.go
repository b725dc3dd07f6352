package inspector

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/payack/payack"
)

// state says what needs a person, and how many events wait.
type state struct {
	// Needs are what a person should look at, the most urgent first; empty means
	// that all is well.
	Needs []need `json:"needs"`
	// Pending and Dead count kept events. Oldest is the age of the oldest waiting
	// event, in seconds. All are 0 without an inbox.
	Pending int   `json:"pending"`
	Dead    int   `json:"dead"`
	Oldest  int64 `json:"oldest_seconds"`
}

// need is one thing to look at, with the query of the list that shows it.
type need struct {
	Text  string `json:"text"`
	Query string `json:"query,omitempty"`
}

// watched caches the state, so that it is read at most once in stateEvery,
// however many readers there are.
type watched struct {
	mu   sync.Mutex
	at   time.Time
	last state
}

const (
	stateEvery = 2 * time.Second
	// stateTimeout bounds the wait for the database.
	stateTimeout = 3 * time.Second
	// late is how long an event may wait before the page reports it.
	late = 15 * time.Minute
)

// forget makes the next read fetch the state again, because somebody has acted.
func (s *watched) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = time.Time{}
}

func (s *watched) now(ctx context.Context, i *Inspector) state {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.at) < stateEvery {
		return s.last
	}
	// The reader's cancellation is left out, because other readers wait for the
	// same result.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stateTimeout)
	defer cancel()
	s.last, s.at = i.findState(ctx), time.Now()
	return s.last
}

func (i *Inspector) findState(ctx context.Context) state {
	s := state{Needs: []need{}}
	add := func(query, format string, args ...any) {
		s.Needs = append(s.Needs, need{fmt.Sprintf(format, args...), query})
	}
	if in := i.cfg.Inbox; in != nil {
		stats, err := in.Stats(ctx)
		if err != nil {
			i.cfg.Logger.Error("inspector: the inbox can't be read", "error", err)
			add("", "The inbox can't be read; the log says why.")
		} else if err := in.Healthy(ctx); err != nil {
			add("outcome=pending", "%s", sentence(err.Error()))
		}
		s.Pending, s.Dead, s.Oldest = stats.Pending+stats.Running, stats.Dead, int64(stats.Oldest/time.Second)
		if stats.Dead > 0 {
			add("outcome=dead", "%s", plural(stats.Dead, "dead letter needs a person: try it again, or close it.", "dead letters need a person: try them again, or close them."))
		}
		if stats.Oldest > late {
			add("outcome=pending", "An acknowledged event has waited for %s.", duration(stats.Oldest))
		}
	}
	hour := i.counts.sum(time.Now(), 60)
	for _, c := range []struct {
		outcome payack.Outcome
		reason  payack.Reason
		text    string
	}{
		{payack.OutcomeRejected, payack.ReasonSpliced, "carried another payment's signature"},
		{payack.OutcomeRejected, payack.ReasonConflict, "contradicted what was done before"},
		{payack.OutcomeRejected, payack.ReasonUnconfirmed, "did not get the provider's confirmation"},
		{payack.OutcomeRejected, payack.ReasonUnexpected, "did not fit what the shop expects"},
		{payack.OutcomeRejected, payack.ReasonSignature, "did not verify; were keys changed?"},
		{payack.OutcomeRejected, payack.ReasonEnvelope, "did not open; were keys changed?"},
		{payack.OutcomeFailed, payack.ReasonUnreachable, "could not be confirmed; is the provider down?"},
	} {
		n := hour[ended{false, c.outcome, c.reason}] + hour[ended{true, c.outcome, c.reason}]
		if n > 0 {
			add("within=1h&reason="+string(c.reason), "%s in the last hour %s", plural(n, "delivery", "deliveries"), c.text)
		}
	}
	return s
}

// same reports whether two states look the same on the page.
func (s state) same(o state) bool {
	return s.Pending == o.Pending && s.Dead == o.Dead && slices.Equal(s.Needs, o.Needs)
}
