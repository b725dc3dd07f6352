package inspector

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// liveEvery is the least time between two looks for changes. If a look finds
	// at least liveMany changes, which nobody can read, the least time is
	// liveBusy. liveSlow is the greatest time between two looks, because other
	// processes may work on the same inbox.
	liveEvery = 300 * time.Millisecond
	liveBusy  = 2 * time.Second
	liveMany  = 30
	liveSlow  = 2 * time.Second
	// liveRows is how many of the newest rows each look covers.
	liveRows = pageSize
	// maxReaders bounds concurrent readers.
	maxReaders = 200
	// maxWatched bounds how many unsettled rows are watched for one reader.
	// maxWatchedByAll bounds how many are watched for all readers together.
	maxWatched, maxWatchedByAll = 100, 500
)

// live tells readers which deliveries are new and which have changed. One
// goroutine looks for changes on behalf of all readers, and only while there are
// readers. So all readers together cost no more than a look at the newest rows, a
// few times a second.
type live struct {
	readers atomic.Int64 // the number of readers, read without the lock
	wake    chan struct{}

	mu    sync.Mutex
	all   map[*reader]bool
	looks bool             // the goroutine that looks is running
	seen  int64            // the number of the newest remembered delivery looked at
	row   int64            // the ID of the newest row looked at
	rows  map[int64]string // rows last looked at, each with a text that differs after a change
}

// reader is one open page.
type reader struct {
	filter filter
	only   string // the one delivery to show, or empty
	events chan event
	lost   atomic.Bool // the client read too slowly
	// again asks for a new list, because there were more changes than were looked
	// at.
	again chan struct{}
	// unsettled are the rows that were sent and may still change. live.mu guards
	// it after the reader is registered.
	unsettled map[int64]bool
}

// event is a server-sent event, ready to be written.
type event string

// lineBreaks puts each line of data into a field of its own. CR LF, a lone CR and
// a lone LF each end a line.
var lineBreaks = strings.NewReplacer("\r\n", "\ndata: ", "\r", "\ndata: ", "\n", "\ndata: ")

// newEvent returns a server-sent event.
func newEvent(name, data string) event {
	return event("event: " + name + "\ndata: " + lineBreaks.Replace(data) + "\n\n")
}

func (l *live) init() {
	l.wake, l.all = make(chan struct{}, 1), map[*reader]bool{}
}

// stir asks for a look at changes.
func (l *live) stir() {
	if l.readers.Load() == 0 {
		return
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// enter adds a reader. It reports false if there are too many. The first reader
// starts the goroutine that looks.
func (i *Inspector) enter(ctx context.Context, r *reader) bool {
	l := &i.live
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) >= maxReaders {
		return false
	}
	if !l.looks { // the first look only records the existing rows
		l.looks, l.seen, l.row, l.rows = true, i.memory.last(), 0, nil
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stateTimeout) // not the reader's own context, since all readers depend on this look
		_, _, _ = i.changed(ctx, nil)
		last := i.state.now(ctx, i) // usually remembered, else bounded by a time of its own
		cancel()
		go i.look(last)
	}
	l.all[r] = true
	l.readers.Store(int64(len(l.all)))
	return true
}

func (l *live) leave(r *reader) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.all, r)
	l.readers.Store(int64(len(l.all)))
}

// look tells readers what changes, until no reader is left. last is the state when
// the first reader came.
func (i *Inspector) look(last state) {
	slow := time.NewTicker(liveSlow)
	defer slow.Stop()
	wait := liveEvery
	for {
		time.Sleep(wait)
		select {
		case <-i.live.wake:
		case <-slow.C:
		}
		if i.live.ended() {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), stateTimeout)
		if wait = liveEvery; i.tell(ctx) >= liveMany {
			wait = liveBusy
		}
		if s := i.state.now(ctx, i); !s.same(last) {
			last = s
			i.live.send(newEvent("state", i.piece("state", s)))
		}
		cancel()
	}
}

// ended reports whether no reader is left. If so, the next reader starts a new
// goroutine that looks.
func (l *live) ended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.looks = len(l.all) > 0
	return !l.looks
}

// send sends an event to every reader.
func (l *live) send(e event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for r := range l.all {
		r.send(e)
	}
}

// tell sends each reader the changes that match its filter, and returns the
// number of changes.
func (i *Inspector) tell(ctx context.Context) int {
	l := &i.live
	l.mu.Lock()
	defer l.mu.Unlock()
	watch := []int64{}
	for r := range l.all {
		for id := range r.unsettled {
			if len(watch) < maxWatchedByAll {
				watch = append(watch, id)
			}
		}
	}
	changes, more, err := i.changed(ctx, watch)
	if err != nil {
		i.cfg.Logger.Warn("inspector: the inbox can't be read", "error", err)
	}
	for _, e := range changes {
		row := newEvent("row", i.piece("row", e))
		for r := range l.all {
			r.tell(e, row)
		}
	}
	if more {
		for r := range l.all {
			r.relist()
		}
	}
	return len(changes)
}

// relist makes a filtering reader get a new list, because a row that was not
// looked at may match. A reader without a filter only needs the newest rows.
func (r *reader) relist() {
	if r.only != "" || len(r.filter.query()) == 0 {
		return
	}
	select {
	case r.again <- struct{}{}:
	default: // already asked for
	}
}

// tell sends a changed delivery if it matches the reader's filter. If a row that
// was sent to the reader no longer matches, tell sends that the row is gone.
func (r *reader) tell(e *Entry, row event) {
	id, _ := strconv.ParseInt(e.ID, 10, 64)
	switch {
	case r.only != "":
		if e.ID == r.only {
			r.send(row)
		}
		return
	case r.filter.fits(e):
		r.send(row)
		r.watch(e)
	case e.Kept() && r.unsettled[id]:
		r.send(newEvent("gone", e.ID))
	default:
		return
	}
	if e.Settled() {
		delete(r.unsettled, id)
	}
}

// watch adds a row that may still change.
func (r *reader) watch(e *Entry) {
	if id, err := strconv.ParseInt(e.ID, 10, 64); err == nil && !e.Settled() && len(r.unsettled) < maxWatched {
		r.unsettled[id] = true
	}
}

func (r *reader) send(e event) {
	select {
	case r.events <- e:
	default:
		r.lost.Store(true) // the client reconnects, and gets the whole list
	}
}
