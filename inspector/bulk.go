package inspector

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/payack/payack/inbox"
)

// maxBulk bounds how many are tried again at once.
const maxBulk = 100_000

// jobs are what somebody has begun: one at a time, and the last few for who looks
// later.
type jobs struct {
	mu   sync.Mutex
	last int64
	all  []*job
}

const keptJobs = 20

// job has many tried again.
type job struct {
	stop   context.CancelFunc
	mu     sync.Mutex
	status jobStatus
}

// jobStatus is how far a job is.
type jobStatus struct {
	ID      int64     `json:"id"`
	Started time.Time `json:"started"`
	Filter  string    `json:"filter"`
	// Total is how many it was begun for, and Retried how many are due by now; fewer
	// may be, because some were done meanwhile.
	Total   int    `json:"total"`
	Retried int    `json:"retried"`
	Running bool   `json:"running"`
	Stopped bool   `json:"stopped"`
	Failed  string `json:"failed,omitempty"`
}

func (j *job) now() jobStatus {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.status
}

func (j *job) change(fn func(s *jobStatus)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	fn(&j.status)
}

// question is what is asked before many are tried again.
type question struct {
	Matching int    `json:"matching"`
	More     bool   `json:"more"` // than can be tried at once
	Query    string `json:"filter"`
	Filtered bool   `json:"-"`
}

// retryable returns the states that a filter means, none where all of it is done or
// was closed by hand. What is refuted has to be asked for.
func (f *filter) retryable() []inbox.State {
	switch f.outcome {
	case "":
		return []inbox.State{inbox.Dead, inbox.Pending}
	case "dead", "pending", "refuted":
		return []inbox.State{states[f.outcome]}
	}
	return nil
}

// each calls fn with the filter for each state that may be tried again: there is an
// index for one.
func (f *filter) each(fn func(inbox.Filter) error) error {
	for _, s := range f.retryable() {
		rows, _ := f.rows()
		rows.States = []inbox.State{s}
		if err := fn(rows); err != nil {
			return err
		}
	}
	return nil
}

// bulk reads the filter of a request, and counts. It answers where that can't be.
func (i *Inspector) bulk(w http.ResponseWriter, r *http.Request) (f filter, q question, ok bool) {
	_, err := queryOf(r)
	if err == nil {
		err = known(r.Form, "count")
	}
	if err == nil {
		f, err = filterOf(r.Form, time.Now())
	}
	switch {
	case i.cfg.Inbox == nil:
		i.problem(w, r, http.StatusNotFound, "Nothing is kept here that could be tried again.")
		return f, q, false
	case err != nil:
		i.problem(w, r, http.StatusBadRequest, err.Error())
		return f, q, false
	}
	err = f.each(func(rows inbox.Filter) error {
		n, err := i.cfg.Inbox.Count(r.Context(), rows, maxBulk+1)
		q.Matching += n
		return err
	})
	if err != nil {
		i.failed(w, r, "counting", err)
		return f, q, false
	}
	q.More, q.Matching = q.Matching > maxBulk, min(q.Matching, maxBulk)
	q.Query, q.Filtered = f.query().Encode(), len(f.query()) > 0
	return f, q, true
}

// showRetry asks before many are tried again.
func (i *Inspector) showRetry(w http.ResponseWriter, r *http.Request) {
	if i.cfg.ReadOnly {
		i.problem(w, r, http.StatusForbidden, "This page is read-only.")
		return
	}
	if err := r.ParseForm(); err != nil {
		i.problem(w, r, http.StatusBadRequest, "The query can't be read; write names and values with & between them, escaped as URLs are.")
		return
	}
	_, q, ok := i.bulk(w, r)
	switch {
	case !ok:
	case wantsJSON(r):
		i.writeJSON(w, http.StatusOK, q)
	default:
		i.render(w, r, http.StatusOK, "retry", "Try again", q)
	}
}

// retryMany begins. The form says how many were counted: no more are tried again.
func (i *Inspector) retryMany(w http.ResponseWriter, r *http.Request) {
	f, q, ok := i.bulk(w, r)
	if !ok {
		return
	}
	limit, err := strconv.Atoi(r.PostForm.Get("count"))
	switch {
	case err != nil || limit < 1 || limit > maxBulk:
		i.problem(w, r, http.StatusBadRequest, "count: say how many are tried again at the most, as the question before did.")
		return
	case q.Matching == 0:
		i.problem(w, r, http.StatusConflict, "Nothing matches that could be tried again.")
		return
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(r.Context()))
	j, err := i.jobs.begin(min(limit, q.Matching), q.Query, stop)
	if err != nil {
		stop()
		i.problem(w, r, http.StatusConflict, sentence(err.Error())+".")
		return
	}
	go i.run(ctx, j, f)
	i.answerJob(w, r, j)
}

// begin makes a job, if none runs.
func (all *jobs) begin(total int, query string, stop context.CancelFunc) (*job, error) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, j := range all.all {
		if j.now().Running {
			return nil, errors.New("others are being tried again at this moment: wait for their end, or stop them")
		}
	}
	all.last++
	j := &job{stop: stop, status: jobStatus{ID: all.last, Started: time.Now().UTC(), Filter: query, Total: total, Running: true}}
	all.all = append(all.all, j)
	all.all = all.all[max(0, len(all.all)-keptJobs):]
	return j, nil
}

func (i *Inspector) run(ctx context.Context, j *job, f filter) {
	defer j.stop()
	rows, _ := f.rows()
	rows.States = f.retryable() // in one go, so that what was dead is not met again as pending
	_, err := i.cfg.Inbox.RetryAll(ctx, rows, j.now().Total, func(int) {
		j.change(func(s *jobStatus) { s.Retried++ })
	})
	j.change(func(s *jobStatus) {
		s.Running, s.Stopped = false, ctx.Err() != nil
		if err != nil && !s.Stopped {
			s.Failed = "The database failed; the log says how."
			i.cfg.Logger.Error("inspector: trying many again ended early", "error", err, "retried", s.Retried)
		}
	})
	i.state.forget()
	i.live.stir()
}

// job returns the one that a request names. It answers where there is none.
func (i *Inspector) job(w http.ResponseWriter, r *http.Request) (*job, bool) {
	id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
	i.jobs.mu.Lock()
	defer i.jobs.mu.Unlock()
	for _, j := range i.jobs.all {
		if j.now().ID == id {
			return j, true
		}
	}
	i.problem(w, r, http.StatusNotFound, "There is no such run any more.")
	return nil, false
}

func (i *Inspector) showJob(w http.ResponseWriter, r *http.Request) {
	j, ok := i.job(w, r)
	switch {
	case !ok:
	case wantsJSON(r):
		i.writeJSON(w, http.StatusOK, j.now())
	default:
		s := j.now()
		i.render(w, r, http.StatusOK, "job", "Trying again", &s)
	}
}

func (i *Inspector) stopJob(w http.ResponseWriter, r *http.Request) {
	if j, ok := i.job(w, r); ok {
		j.stop()
		i.answerJob(w, r, j)
	}
}

func (i *Inspector) answerJob(w http.ResponseWriter, r *http.Request, j *job) {
	s := j.now()
	if wantsJSON(r) {
		i.writeJSON(w, http.StatusAccepted, s)
		return
	}
	http.Redirect(w, r, i.cfg.Prefix+"/jobs/"+strconv.FormatInt(s.ID, 10), http.StatusSeeOther)
}
