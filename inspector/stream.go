package inspector

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/payack/payack/inbox"
)

const (
	// heartbeat is how often an idle stream sends something, so that no proxy
	// ends it.
	heartbeat = 15 * time.Second
	// writeTimeout ends the stream of a client that doesn't read.
	writeTimeout = 30 * time.Second
)

// showLive streams changes as server-sent events. It first sends the whole list, so
// that a client that reconnects misses nothing. To the page of one delivery, it
// first sends the delivery's Like, so that the page knows if it is out of date.
// The state follows. Then it sends each row that is new or has changed.
func (i *Inspector) showLive(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		i.problem(w, r, http.StatusMethodNotAllowed, "Request a stream with GET.")
		return
	}
	q, err := queryOf(r, "only")
	var f filter
	if err == nil {
		f, err = filterOf(q, time.Now())
	}
	if err != nil {
		i.problem(w, r, http.StatusBadRequest, err.Error())
		return
	}
	me := &reader{filter: f, only: q.Get("only"), events: make(chan event, 256), again: make(chan struct{}, 1), unsettled: map[int64]bool{}}
	err = i.watchFirst(r.Context(), me)
	switch {
	case errors.Is(err, inbox.ErrNotFound): // a browser reconnects after a stream, and not after an error status
		i.problem(w, r, http.StatusNotFound, "There is no such delivery any more.")
		return
	case r.Context().Err() != nil:
		return // the client has gone
	case err != nil: // an empty stream, so that the browser reconnects until the database works again
		i.cfg.Logger.Error("inspector: listing deliveries failed", "error", err)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "retry: 5000\n\n")
		return
	}
	if !i.enter(r.Context(), me) {
		i.problem(w, r, http.StatusServiceUnavailable, "Too many pages are open: close one, or reload this one to see what is new.")
		return
	}
	defer i.live.leave(me)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would buffer the stream
	out := stream{w: w, rc: http.NewResponseController(w)}
	_ = out.rc.SetReadDeadline(time.Time{}) // the server's deadline would end the stream
	out.buffer("retry: 1000\n\n")
	if me.only == "" {
		// List once more, because a delivery may have come before the reader was
		// registered.
		if i.sendList(r.Context(), me, &out) != nil {
			return
		}
	} else {
		d, err := i.find(r.Context(), me.only)
		if err != nil {
			return
		}
		out.write(newEvent("ready", d.Like()))
	}
	out.write(newEvent("state", i.piece("state", i.state.now(r.Context(), i))))
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for out.err == nil && !me.lost.Load() {
		select {
		case <-r.Context().Done():
			return
		case e := <-me.events:
			out.buffer(e)
			me.pass(&out) // events that came together are sent together
			out.flush()
		case <-me.again:
			me.pass(&out) // write the queued events first, because the new list is newer
			if i.sendList(r.Context(), me, &out) != nil {
				return
			}
		case <-beat.C:
			out.write(": \n\n")
		}
	}
}

// pass writes the queued events.
func (r *reader) pass(out *stream) {
	for range len(r.events) {
		out.buffer(<-r.events)
	}
}

// sendList sends the current list, and watches its rows for the reader.
func (i *Inspector) sendList(ctx context.Context, me *reader, out *stream) error {
	l, err := i.list(ctx, me.filter, "")
	if err != nil {
		return err // the client reconnects
	}
	i.live.mu.Lock()
	for _, e := range l.Deliveries {
		me.watch(e)
	}
	i.live.mu.Unlock()
	out.write(newEvent("list", i.piece("rows", l)))
	return nil
}

// watchFirst watches the rows that a page shows, for a reader that is not
// registered yet.
func (i *Inspector) watchFirst(ctx context.Context, me *reader) error {
	if me.only != "" {
		d, err := i.find(ctx, me.only)
		if err == nil && d.Kept() {
			id, _ := strconv.ParseInt(d.ID, 10, 64)
			me.unsettled[id] = true // even if settled, since a person may retry it
		}
		return err
	}
	first, err := i.list(ctx, me.filter, "")
	if err != nil {
		return err
	}
	for _, e := range first.Deliveries {
		me.watch(e)
	}
	return nil
}

// stream writes server-sent events.
type stream struct {
	w   io.Writer
	rc  *http.ResponseController
	err error
}

func (s *stream) write(e event) {
	s.buffer(e)
	s.flush()
}

// buffer writes without flushing.
func (s *stream) buffer(e event) {
	if s.err == nil {
		_ = s.rc.SetWriteDeadline(time.Now().Add(writeTimeout)) // fails if the writer has no deadlines
		_, s.err = io.WriteString(s.w, string(e))
	}
}

func (s *stream) flush() {
	if s.err == nil {
		s.err = s.rc.Flush()
	}
}
