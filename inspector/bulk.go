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

// maxBulk bounds how many rows are retried at once.
const maxBulk = 100_000

// jobs holds the last few jobs, so that people can see their results. At most one of
// them is running.
type jobs struct {
	mu   sync.Mutex
	last int64
	all  []*job
}

const keptJobs = 20

// job retries many rows.
type job struct {
	stop   context.CancelFunc
	mu     sync.Mutex
	status jobStatus
}

// jobStatus is the progress of a job.
type jobStatus struct {
	ID      int64     `json:"id"`
	Started time.Time `json:"started"`
	Filter  string    `json:"filter"`
	// Total is the greatest number of rows that the job retries: the number that the
	// person confirmed, or the number of rows that match if they are fewer. Retried is
	// the number of rows that the job has made due so far. Retried may stay smaller
	// than Total, because some rows were done meanwhile.
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

// question asks for confirmation before many rows are retried.
type question struct {
	Matching int    `json:"matching"`
	More     bool   `json:"more"` // more rows match than can be retried at once
	Query    string `json:"filter"`
	Filtered bool   `json:"-"`
}

// retryable returns the states of the rows to retry for a filter. It returns none if the
// filter selects an outcome that can't be retried, such as closed. Refuted rows are
// retried only if the filter names them.
func (f *filter) retryable() []inbox.State {
	switch f.outcome {
	case "":
		return []inbox.State{inbox.Dead, inbox.Pending}
	case "dead", "pending", "refuted":
		return []inbox.State{states[f.outcome]}
	}
	return nil
}

// each calls fn with the filter for each retryable state, because an index of the
// inbox covers only one state.
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

// bulk reads the filter of a request and counts its rows. If that fails, it answers
// the request.
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

// showRetry shows the question before many rows are retried.
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

// retryMany begins a job. The form holds the number of rows that showRetry showed when
// it asked for confirmation. The job retries at most that many.
func (i *Inspector) retryMany(w http.ResponseWriter, r *http.Request) {
	f, q, ok := i.bulk(w, r)
	if !ok {
		return
	}
	limit, err := strconv.Atoi(r.PostForm.Get("count"))
	switch {
	case err != nil || limit < 1 || limit > maxBulk:
		i.problem(w, r, http.StatusBadRequest, "count: send the number of deliveries that the question showed.")
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

// begin registers a job, unless one runs.
func (all *jobs) begin(total int, query string, stop context.CancelFunc) (*job, error) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, j := range all.all {
		if j.now().Running {
			return nil, errors.New("another run is trying deliveries again: wait for its end, or stop it")
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
	// One pass over all states: a retried row turns from dead to pending, and a second
	// pass would retry it again.
	rows.States = f.retryable()
	_, err := i.cfg.Inbox.RetryAll(ctx, rows, j.now().Total, func(int) {
		j.change(func(s *jobStatus) { s.Retried++ })
	})
	j.change(func(s *jobStatus) {
		s.Running, s.Stopped = false, ctx.Err() != nil
		if err != nil && !s.Stopped {
			s.Failed = "The database failed; the log says how."
			i.cfg.Logger.Error("inspector: a bulk retry ended early", "error", err, "retried", s.Retried)
		}
	})
	i.state.forget()
	i.live.stir()
}

// job returns the job that a request names. If there is none, it answers the
// request.
func (i *Inspector) job(w http.ResponseWriter, r *http.Request) (*job, bool) {
	id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
	i.jobs.mu.Lock()
	defer i.jobs.mu.Unlock()
	for _, j := range i.jobs.all {
		if j.now().ID == id {
			return j, true
		}
	}
	i.problem(w, r, http.StatusNotFound, "This run is no longer known.")
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
