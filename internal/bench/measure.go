package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"runtime/metrics"
	"sync"
	"time"
)

// batch is the number of calls that are prepared together, before the measured time
// begins.
const batch = 256

// row is one line of the table.
type row struct {
	group, name string
	base        string // key of the row that it is compared with
	// series names the rows that are measured together, apart from other series. A
	// row that needs much memory then doesn't slow down the rows of other series.
	series   string
	size     int // of the body, set by open
	parallel bool
	procs    int // GOMAXPROCS of a parallel row; 0 means the machine's
	calls    int // how many calls are prepared together; 0 means batch
	// worker returns the worker of goroutine i of n. Different goroutines must not
	// send the same events.
	worker  func(i, n int) (worker, error)
	workers []worker
}

// worker prepares calls and makes them. load prepares the given number of calls, at
// most batch. call makes the i-th call. check returns an error if a call did not do
// what the row says. bytes returns the size of a body.
type worker interface {
	load(calls int)
	call(i int)
	check() error
	bytes() int
}

func (r *row) key() string { return r.group + "/" + r.name }

func (r *row) open() error {
	n := 1
	if r.parallel {
		n = runtime.GOMAXPROCS(0)
	}
	if r.procs > 0 {
		n = r.procs
	}
	if r.calls == 0 {
		r.calls = batch
	}
	r.workers = nil
	for i := range n {
		w, err := r.worker(i, n)
		if err != nil {
			return err
		}
		r.workers = append(r.workers, w)
		r.size = w.bytes()
	}
	for range 4 { // fills pools, and checks that the row does what it says
		for _, w := range r.workers {
			w.load(r.calls)
			for i := range r.calls {
				w.call(i)
			}
			if err := w.check(); err != nil {
				return err
			}
		}
	}
	return nil
}

// sample is the average cost of a row's call in one round.
type sample struct{ nanoseconds, allocs, bytes, waited float64 }

// add measures one slice of a round: it makes calls for at least d. A slice begins
// with a garbage collection, so that a row and its base don't pay for each other's
// garbage.
func (r *row) add(total *tally, d time.Duration) error {
	var before, after runtime.MemStats
	var took time.Duration
	var ops uint64
	if r.procs > 0 {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(r.procs))
	}
	if d >= time.Millisecond { // shorter slices are for tests, where times don't matter
		runtime.GC()
	}
	for took < d {
		for _, w := range r.workers {
			w.load(r.calls)
		}
		waited := waitedForLocks()
		runtime.ReadMemStats(&before)
		took += r.once()
		runtime.ReadMemStats(&after)
		total.waited += waitedForLocks() - waited
		ops += uint64(r.calls * len(r.workers))
		total.allocs += after.Mallocs - before.Mallocs
		total.bytes += after.TotalAlloc - before.TotalAlloc
		for _, w := range r.workers {
			if err := w.check(); err != nil {
				return err
			}
		}
	}
	total.took += took
	total.ops += ops
	if each := float64(took.Nanoseconds()) / float64(ops); total.least == 0 || each < total.least {
		total.least = each
	}
	return nil
}

// tally adds up a row's slices of one round. least is the time of a call in the
// quickest of them.
type tally struct {
	took               time.Duration
	ops, allocs, bytes uint64
	waited             time.Duration
	least              float64
}

// waitedForLocks returns the total time that goroutines have waited for locks since
// the process began.
func waitedForLocks() time.Duration {
	s := []metrics.Sample{{Name: "/sync/mutex/wait/total:seconds"}}
	metrics.Read(s)
	return time.Duration(s[0].Value.Float64() * 1e9)
}

func (t *tally) sample() sample {
	n := float64(t.ops)
	return sample{float64(t.took.Nanoseconds()) / n, float64(t.allocs) / n, float64(t.bytes) / n, float64(t.waited) / n}
}

// round measures a row for d. If the row has a base, the two take turns and share the
// time: base, row, row, base. If the machine gets slower or faster meanwhile, this
// order affects both alike.
func (r *row) round(base *row, d time.Duration) (own, other tally, err error) {
	if base == nil {
		return own, other, r.add(&own, d)
	}
	for range 2 {
		err = errors.Join(base.add(&other, d/4), r.add(&own, d/4), r.add(&own, d/4), base.add(&other, d/4))
	}
	return own, other, err
}

// once makes the prepared calls of each worker and returns how long they took.
func (r *row) once() time.Duration {
	if !r.parallel {
		w := r.workers[0]
		start := time.Now()
		for i := range r.calls {
			w.call(i)
		}
		return time.Since(start)
	}
	var begin, end sync.WaitGroup
	begin.Add(1)
	for _, w := range r.workers {
		end.Go(func() {
			begin.Wait()
			for i := range r.calls {
				w.call(i)
			}
		})
	}
	start := time.Now()
	begin.Done()
	end.Wait()
	return time.Since(start)
}

// message is a request as a provider sends it.
type message struct {
	header http.Header
	body   []byte
	// announced, when set, is a Content-Length other than the body's.
	announced int64
}

// writer is a minimal http.ResponseWriter. Like a server's own, it has
// SetReadDeadline and WriteString.
type writer struct {
	header http.Header
	status int
	body   []byte
}

func (w *writer) Header() http.Header               { return w.header }
func (w *writer) WriteHeader(status int)            { w.status = status }
func (w *writer) SetReadDeadline(_ time.Time) error { return nil }

func (w *writer) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.body = append(w.body, b...)
	return len(b), nil
}

func (w *writer) WriteString(s string) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.body = append(w.body, s...)
	return len(s), nil
}

type body struct{ bytes.Reader }

func (*body) Close() error { return nil }

// answer is the response that every call of a row must get.
type answer struct {
	status int
	body   string
}

// httpWorker calls a handler with prepared requests.
type httpWorker struct {
	handler http.Handler
	want    answer
	next    func() *message
	loaded  int
	calls   [batch]struct {
		r    http.Request
		body body
		w    writer
	}
}

var target = &url.URL{Path: "/callback"}

const clientAddress = "203.0.113.7"

func newHTTPWorker(h http.Handler, want answer, next func() *message) *httpWorker {
	w := &httpWorker{handler: h, want: want, next: next}
	for i := range w.calls {
		c := &w.calls[i]
		c.r = http.Request{
			Method: http.MethodPost, URL: target, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Host: "merchant.example", RemoteAddr: clientAddress + ":40000", RequestURI: "/callback",
		}
		c.w.header = make(http.Header, 4)
		c.w.body = make([]byte, 0, 128)
	}
	return w
}

func (w *httpWorker) load(calls int) {
	w.loaded = calls
	for i := range calls {
		c := &w.calls[i]
		m := w.next()
		c.body.Reset(m.body)
		c.r.Body, c.r.Header, c.r.ContentLength = &c.body, m.header, int64(len(m.body))
		if m.announced != 0 {
			c.r.ContentLength = m.announced
		}
		clear(c.w.header)
		c.w.status, c.w.body = 0, c.w.body[:0]
	}
}

func (w *httpWorker) call(i int) {
	c := &w.calls[i]
	w.handler.ServeHTTP(&c.w, &c.r)
}

func (w *httpWorker) check() error {
	for i := range w.loaded {
		if got := &w.calls[i].w; got.status != w.want.status || string(got.body) != w.want.body {
			return fmt.Errorf("answered %d %q, want %d %q", got.status, got.body, w.want.status, w.want.body)
		}
	}
	return nil
}

func (w *httpWorker) bytes() int { return len(w.next().body) }

// funcWorker calls a library's function. sign makes a new message for each batch,
// because libraries refuse messages that are minutes old.
type funcWorker struct {
	sign   func() (size int)
	verify func(i int) error
	failed error
	calls  int
}

func (w *funcWorker) load(int) { w.sign() }

func (w *funcWorker) call(i int) {
	w.calls++
	if err := w.verify(i); err != nil {
		w.failed = err
	}
}

func (w *funcWorker) check() error {
	if w.calls == 0 {
		return errors.New("nothing was called")
	}
	return w.failed
}

func (w *funcWorker) bytes() int { return w.sign() }
