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

// maxQueued is how many lines wait for a reader that is slow.
const maxQueued = 1024

// output is standard output or standard error, to which one goroutine writes:
// whoever reads it may stop (a pager, Ctrl-S, a program that hangs), and that must
// hold up nobody for good.
type output struct {
	w      io.Writer
	name   string
	logger *slog.Logger
	// lost says what it means that a line can't be written; nobody is true where
	// nobody will ever read again.
	lost func(nobody bool) string
	// gone is closed when nobody will ever read standard output again.
	gone chan struct{}

	queue   chan *queued
	dropped atomic.Int64

	ending sync.Once
	ended  chan struct{} // no line is written any more

	// Of the writing goroutine only.
	torn, failed, left bool // the last line was not written to its end; an error was logged; gone is closed
}

// queued is a line that waits.
type queued struct {
	text    []byte
	ctx     context.Context
	written chan error // takes one without a reader
}

func newOutput(w io.Writer, name string, logger *slog.Logger, lost func(nobody bool) string) *output {
	o := &output{
		w: w, name: name, logger: logger, lost: lost, gone: make(chan struct{}),
		queue: make(chan *queued, maxQueued), ended: make(chan struct{}),
	}
	go o.run()
	return o
}

// errNotRead is no error of a context: the time was given to the line.
var errNotRead = errors.New("the line could not be written in time: nobody reads standard output")

// write waits until a text is written, at most until the context ends: then it is
// not written any more, unless that has begun.
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

// offer has a text written after those that wait. Where too many do, it is dropped
// and counted.
func (o *output) offer(text []byte) {
	select {
	case o.queue <- &queued{text, context.Background(), make(chan error, 1)}:
	default:
		o.dropped.Add(1)
	}
}

// flush writes what waits, and ends the writing then, at the latest after a while.
func (o *output) flush(within time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	_ = o.write(ctx, nil) // errors of lines were logged
	o.end()
	o.warn()
}

// end ends the writing. A write that hangs is left to itself.
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

// warn says how many lines were dropped since it was said last.
func (o *output) warn() {
	if n := o.dropped.Swap(0); n > 0 {
		o.logger.Warn(o.name+" was not read in time, and lines were dropped", "lines", n)
	}
}

// put writes a text. The first error is logged. A line that was written in part (a
// full disk) is ended before the next one, which would be lost in it.
func (o *output) put(q *queued) error {
	switch {
	case q.ctx.Err() != nil:
		return errNotRead // nobody waits for it any more
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

// logOutput is standard error for a logger, which waits for nobody.
type logOutput struct{ *output }

// newLog returns one. What it lost it says itself.
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
