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
	// liveEvery is how often changes are looked for at the most, and liveBusy where
	// there are liveMany at once: nobody reads so fast. liveSlow is how often at the
	// least: other processes may work on the same inbox.
	liveEvery = 300 * time.Millisecond
	liveBusy  = 2 * time.Second
	liveMany  = 30
	liveSlow  = 2 * time.Second
	// liveRows is how many of the newest rows are looked at.
	liveRows = pageSize
	// maxReaders bounds how many look at the same time.
	maxReaders = 200
	// maxWatched bounds how many older rows are looked at for one reader, and for all.
	maxWatched, maxWatchedByAll = 100, 500
)

// live tells readers what comes and what changes. One goroutine looks for all of
// them, and only while there are any: so they cost receipts nothing but a look at the
// newest rows, a few times a second.
type live struct {
	readers atomic.Int64 // for those who only want to know whether there are any
	wake    chan struct{}

	mu    sync.Mutex
	all   map[*reader]bool
	looks bool             // somebody looks for changes
	seen  int64            // place in the memory
	row   int64            // the newest that was looked at
	rows  map[int64]string // what the rows that were looked at last were like
}

// reader is one open page.
type reader struct {
	filter filter
	only   string // the one delivery that is looked at, or empty
	events chan event
	lost   atomic.Bool // it read too slowly
	// again has the list sent anew: more came than was looked at.
	again chan struct{}
	// unsettled are the rows that were sent and may still change. It is of the
	// goroutine that looks.
	unsettled map[int64]bool
}

// event is what a reader is sent, as it is written.
type event string

// lineBreaks has each line of data named: a lone CR ends one, too.
var lineBreaks = strings.NewReplacer("\r\n", "\ndata: ", "\r", "\ndata: ", "\n", "\ndata: ")

// newEvent returns a server-sent event.
func newEvent(name, data string) event {
	return event("event: " + name + "\ndata: " + lineBreaks.Replace(data) + "\n\n")
}

func (l *live) init() {
	l.wake, l.all = make(chan struct{}, 1), map[*reader]bool{}
}

// stir has changes looked for.
func (l *live) stir() {
	if l.readers.Load() == 0 {
		return
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// enter adds a reader, false where there are too many. The first one starts the look.
func (i *Inspector) enter(ctx context.Context, r *reader) bool {
	l := &i.live
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) >= maxReaders {
		return false
	}
	if !l.looks { // what is there is no news
		l.looks, l.seen, l.row, l.rows = true, i.memory.last(), 0, nil
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stateTimeout) // for all readers, who wait
		_, _, _ = i.changed(ctx, nil)
		cancel()
		go i.look()
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

// look tells readers what changes, until there are none.
func (i *Inspector) look() {
	slow := time.NewTicker(liveSlow)
	defer slow.Stop()
	last := i.state.now(context.Background(), i)
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

// ended reports that nobody is there; the next reader then starts another look.
func (l *live) ended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.looks = len(l.all) > 0
	return !l.looks
}

// send sends to all.
func (l *live) send(e event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for r := range l.all {
		r.send(e)
	}
}

// tell sends each reader the changes that it looks at, and returns how many there are.
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

// relist has a reader that looks for some sent the list anew: among what was not looked
// at there may be one. A reader of all is content with the newest.
func (r *reader) relist() {
	if r.only != "" || len(r.filter.query()) == 0 {
		return
	}
	select {
	case r.again <- struct{}{}:
	default: // it will be
	}
}

// tell sends a change, where the reader looks at it.
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

// watch remembers a row that may still change.
func (r *reader) watch(e *Entry) {
	if id, err := strconv.ParseInt(e.ID, 10, 64); err == nil && !e.Settled() && len(r.unsettled) < maxWatched {
		r.unsettled[id] = true
	}
}

func (r *reader) send(e event) {
	select {
	case r.events <- e:
	default:
		r.lost.Store(true) // it comes back, and gets the whole list
	}
}
