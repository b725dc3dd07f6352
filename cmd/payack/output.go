package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// maxQueued is how many lines wait for a slow reader.
const maxQueued = 1024

// output is standard output or standard error, written by one goroutine. Its
// reader may stop reading (a pager, Ctrl-S, a program that hangs), and that must
// not block the callers forever.
type output struct {
	w      io.Writer
	name   string
	logger *slog.Logger
	// lost says what happens to events whose lines can't be written. nobody means
	// that nobody will ever read again.
	lost func(nobody bool) string
	// gone is closed when nobody will ever read standard output again.
	gone chan struct{}

	queue   chan *queued
	dropped atomic.Int64

	ending sync.Once
	ended  chan struct{} // closed when nothing more will be written

	// Only the writing goroutine uses these.
	torn, failed, left bool // the last line was not written completely; an error was logged; gone is closed
}

// queued is a line to be written.
type queued struct {
	text    []byte
	ctx     context.Context
	written chan error // buffered, so that sending a result never blocks
}

func newOutput(w io.Writer, name string, logger *slog.Logger, lost func(nobody bool) string) *output {
	o := &output{
		w: w, name: name, logger: logger, lost: lost, gone: make(chan struct{}),
		queue: make(chan *queued, maxQueued), ended: make(chan struct{}),
	}
	go o.run()
	return o
}

// errNotRead is not a context's error. So the event fails with
// payack.ReasonCallback, as it does for any line that can't be written.
var errNotRead = errors.New("the line could not be written in time: nobody reads standard output")

// write waits until text is written, at most until ctx ends. After that the text
// is not written, unless writing has begun.
func (o *output) write(ctx context.Context, text []byte) error {
	q := &queued{text, ctx, make(chan error, 1)}
	select {
	case o.queue <- q:
	case <-ctx.Done():
		return errNotRead
	case <-o.ended:
		return errNotRead
	}
	select {
	case err := <-q.written:
		return err
	case <-ctx.Done():
		return errNotRead
	case <-o.ended:
		return errNotRead
	}
}

// offer queues text without waiting. If the queue is full, the text is dropped
// and counted.
func (o *output) offer(text []byte) {
	select {
	case o.queue <- &queued{text, context.Background(), make(chan error, 1)}:
	default:
		o.dropped.Add(1)
	}
}

// flush writes the queued text, then ends the writing. It takes at most the given
// time.
func (o *output) flush(within time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	_ = o.write(ctx, nil) // an error means that the time is over; put logs errors of lines
	o.end()
	o.warn()
}

// end ends the writing. It does not wait for a write that hangs.
func (o *output) end() { o.ending.Do(func() { close(o.ended) }) }

func (o *output) run() {
	for {
		select {
		case q := <-o.queue:
			q.written <- o.put(q)
			if len(o.queue) == 0 {
				o.warn()
			}
		case <-o.ended:
			return
		}
	}
}

// warn logs how many lines were dropped since the last warning.
func (o *output) warn() {
	if n := o.dropped.Swap(0); n > 0 {
		o.logger.Warn(o.name+" was not read in time, and lines were dropped", "lines", n)
	}
}

// put writes a text and logs the first error. If a line was written only in part
// (a full disk), put first ends that line, so that the next line is not joined to
// it.
func (o *output) put(q *queued) error {
	switch {
	case q.ctx.Err() != nil:
		return errNotRead // its caller no longer waits
	case len(q.text) == 0:
		return nil
	}
	text := q.text
	if o.torn {
		text = append([]byte{'\n'}, text...)
	}
	n, err := o.w.Write(text)
	o.torn = err != nil && (n > 0 || o.torn)
	if err == nil {
		return nil
	}
	nobody := errors.Is(err, syscall.EPIPE)
	if !o.failed {
		o.failed = true
		o.logger.Error(o.name+" can't be written; "+o.lost(nobody), "error", err)
	}
	if nobody && !o.left {
		o.left = true
		close(o.gone)
	}
	return err
}

// logOutput is standard error for a logger. It never blocks.
type logOutput struct{ *output }

// newLog returns a logger and its output. The output logs how many lines it
// dropped.
func newLog(w io.Writer, of func(io.Writer) slog.Handler) (logOutput, *slog.Logger) {
	l := logOutput{newOutput(w, "standard error", nil, func(bool) string { return "its lines are lost" })}
	l.logger = slog.New(of(l))
	return l, l.logger
}

// Write implements [io.Writer].
func (l logOutput) Write(line []byte) (int, error) {
	l.offer(bytes.Clone(line))
	return len(line), nil
}
