package payacktest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/providers"
)

// Defaults of [RecorderOptions].
const (
	DefaultRecordBody  = 64 << 10
	DefaultRecordFiles = 1000
	DefaultRecordBytes = 64 << 20
)

// ErrFull is reported for deliveries that were not recorded because the
// recorder's directory holds as much as it may.
var ErrFull = errors.New("payacktest: the recordings have reached their limit of files or bytes; move them away")

// ErrDropped is reported for deliveries that were not recorded because the disk
// did not keep up.
var ErrDropped = errors.New("payacktest: deliveries were not recorded because the disk is too slow")

// RecorderOptions bound what a [Recorder] writes. The zero value is a working
// choice.
type RecorderOptions struct {
	// MaxBody is how many bytes of a body are kept; 0 is 64 KiB. A longer one is
	// recorded cut, and says so.
	MaxBody int64
	// MaxFiles and MaxBytes bound the directory, recordings that are there
	// already included; 0 is 1000 files and 64 MiB. When one is reached nothing
	// more is recorded, and nothing is deleted; with DropOldest the oldest
	// recordings make room, so that nobody who is refused often enough can end the
	// recording for good. Files that are no recordings by their name stay.
	MaxFiles   int
	MaxBytes   int64
	DropOldest bool
	// Keep names further headers whose values are recorded, in any case of their
	// letters: the one that carries Ptop's signature, where it is another than
	// X-Signature and the_signature. Redact names headers that are not recorded
	// although they are on the list of those that are, or in Keep.
	Keep, Redact []string
	// Outcomes are those of the deliveries that are recorded, with one whose
	// outcome isn't known; empty is all. Give the recorder to the receiver as an
	// observer, so that the outcome is known.
	Outcomes []payack.Outcome
	// OnError is told of what could not be recorded, from one goroutine of the
	// recorder's own; nil logs a warning to slog.Default. It does not see the
	// delivery.
	OnError func(error)
}

// Recorder is a middleware that writes each delivery to a file of its own, in a
// format that [Load] reads. It belongs directly in front of payack's receiver:
//
//	rec, err := payacktest.NewRecorder("recordings", payacktest.RecorderOptions{})
//	config.Observer = rec // optional: the exact outcome
//	mux.Handle("POST /callbacks/pts", rec.Wrap(pts))
//
// The handler behind it reads the body itself, as it comes, under its own
// limits; the recorder keeps a copy of what was read. So a delivery that was
// refused before its body was read is recorded without it. Files are written by
// a goroutine of the recorder after the answer was given: a disk that is slow,
// full or read-only never delays or fails a delivery, and costs recordings
// only. A handler behind it reaches deadlines, flushing and the like through
// http.ResponseController, as payack does.
//
// # Format
//
// A recording is one JSON object in UTF-8, indented, in a file named after its
// time. These are its members, in this order; those marked ? may be missing.
//
//	format          "payack-delivery/1"
//	time            arrival, RFC 3339, UTC
//	provider?       ptop, pts or payatom, if an observer said so
//	method, path    of the request; the path is escaped and has no query
//	header          an object: names to arrays of values. Host and
//	                Content-Length are not among them
//	redacted?       names of headers whose values were left out
//	content_length  as announced; -1 when it was not (chunked)
//	body            the exact body as a string, if it is valid UTF-8,
//	body_base64     or else in standard base64; one of the two
//	body_bytes      how many bytes were read; more than body has if it was cut
//	body_read       whether the body was read to its end
//	answer?         an object: status, content_type, body (4 KiB of it); it is
//	                missing when the handler panicked
//	outcome?        accepted, duplicate, failed, rejected or refused. Without an
//	                observer it is told from the answer (never duplicate), and
//	                missing where the answer does not tell (FAILED of PTS)
//	reason?, scheme?, event_id?   only from an observer
//
// A version that differs in more than a new optional member has another number.
//
// Recordings hold real payments. Of the headers only these are recorded, and
// those that Keep names: Content-Type, Content-Encoding, User-Agent, Date, Accept,
// Accept-Encoding, and the headers of signatures that are known (X-Signature,
// the_signature, X-Transaction-Signature), without which a delivery can't be
// verified. Of all others the names are kept (redacted), and so they are of values
// of more than 4 KiB or that are no UTF-8: nobody can tell by a name what a header
// of somebody's proxy carries. Files have mode 0600, and a directory that the
// recorder makes has 0700.
type Recorder struct {
	dir     string
	options RecorderOptions
	jobs    chan job
	done    chan struct{}
	dropped atomic.Int64
	create  func(name string) (io.WriteCloser, error)

	mu     sync.RWMutex // held for reading while something is put into jobs
	closed bool

	// Of the writing goroutine only.
	files int
	bytes int64
	names []recorded // the oldest first, with DropOldest
}

// job is a finished delivery, or somebody who waits for those before.
type job struct {
	file    *file
	flushed chan struct{}
}

// queue bounds the memory that waits for the disk: 64 bodies.
const queue = 64

// NewRecorder returns a recorder that writes into dir, which is made if it is
// missing. An error says that nothing could be recorded there. Close it at the
// end.
func NewRecorder(dir string, o RecorderOptions) (*Recorder, error) {
	if dir == "" {
		return nil, errors.New("payacktest: NewRecorder: the directory is empty; name one")
	}
	if o.MaxBody < 0 || o.MaxFiles < 0 || o.MaxBytes < 0 {
		return nil, errors.New("payacktest: NewRecorder: MaxBody, MaxFiles and MaxBytes can't be negative; leave them 0 for the defaults")
	}
	if o.MaxBody == 0 {
		o.MaxBody = DefaultRecordBody
	}
	if o.MaxFiles == 0 {
		o.MaxFiles = DefaultRecordFiles
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultRecordBytes
	}
	if o.OnError == nil {
		o.OnError = func(err error) { slog.Default().Warn("payacktest: a delivery was not recorded", "error", err) }
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("payacktest: NewRecorder: %w", err)
	}
	rec := &Recorder{dir: dir, options: o, jobs: make(chan job, queue), done: make(chan struct{}), create: createFile}
	if err := rec.measure(); err != nil {
		return nil, err
	}
	if err := rec.probe(); err != nil {
		return nil, fmt.Errorf("payacktest: NewRecorder: nothing can be written there: %w", err)
	}
	go rec.run()
	return rec, nil
}

// measure counts what is there already.
func (rec *Recorder) measure() error {
	entries, err := os.ReadDir(rec.dir)
	if err != nil {
		return fmt.Errorf("payacktest: NewRecorder: %w", err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			rec.files++
			rec.bytes += info.Size()
			if rec.options.DropOldest && isNamed(e.Name()) { // in the order of names, which is that of age
				rec.names = append(rec.names, recorded{e.Name(), info.Size()})
			}
		}
	}
	return nil
}

func (rec *Recorder) probe() error {
	name := filepath.Join(rec.dir, ".probe-"+freshHex(8))
	if err := rec.writeNew(name, []byte("\n")); err != nil {
		return err
	}
	return os.Remove(name)
}

// writeNew creates a file that must not be there yet, and leaves none behind
// when it fails.
func (rec *Recorder) writeNew(name string, data []byte) error {
	f, err := rec.create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(name)
	}
	return err
}

func createFile(name string) (io.WriteCloser, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

// Wrap returns a handler that records what next is sent and answers.
func (rec *Recorder) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := rec.begin(r)
		r = r.WithContext(context.WithValue(r.Context(), recorderKey{rec}, e))
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = &tee{ReadCloser: r.Body, e: e}
		}
		returned := false
		defer func() { rec.finish(e, returned) }()
		next.ServeHTTP(&answerWriter{ResponseWriter: w, e: e}, r)
		returned = true
	})
}

// Observe implements [payack.Observer]: given to the receiver behind Wrap, it
// adds the exact outcome, reason, scheme and event id to the recording.
func (rec *Recorder) Observe(ctx context.Context, o *payack.Observation) {
	e, ok := ctx.Value(recorderKey{rec}).(*entry)
	if !ok || o == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.file.Outcome, e.file.Reason, e.file.Scheme, e.file.EventID = o.Outcome, o.Reason, o.Scheme, o.EventID
	if o.Delivery != nil {
		e.file.Provider = o.Delivery.Provider
	}
}

// Flush waits until everything that was answered before is written, or could
// not be.
func (rec *Recorder) Flush() {
	rec.mu.RLock()
	if rec.closed {
		rec.mu.RUnlock()
		<-rec.done
		return
	}
	flushed := make(chan struct{})
	rec.jobs <- job{flushed: flushed}
	rec.mu.RUnlock()
	<-flushed
}

// Close writes what is left and ends the recording. Handlers that were wrapped
// go on without it.
func (rec *Recorder) Close() error {
	rec.mu.Lock()
	if !rec.closed {
		rec.closed = true
		close(rec.jobs)
	}
	rec.mu.Unlock()
	<-rec.done
	return nil
}

type recorderKey struct{ rec *Recorder }

// entry is a delivery while it is recorded. A handler may read or write in a
// goroutine that outlives it, hence the lock.
type entry struct {
	mu      sync.Mutex
	file    file
	body    []byte
	maxBody int64
	answer  bytes.Buffer
	status  int
	header  http.Header
}

func (rec *Recorder) begin(r *http.Request) *entry {
	e := &entry{maxBody: rec.options.MaxBody}
	e.file = file{
		Format: fileFormat, Time: time.Now().UTC(), Method: r.Method, Path: pathOf(r),
		ContentLength: r.ContentLength, BodyRead: r.ContentLength == 0,
	}
	e.file.Header, e.file.Redacted = rec.redact(r.Header)
	return e
}

// Bounds of what is kept besides the body.
const (
	maxPath        = 2 << 10
	maxHeaderValue = 4 << 10
	maxHeaders     = 100
	maxAnswerKept  = 4 << 10
)

// redact returns a copy of the headers that may be written, and the names of
// the others.
func (rec *Recorder) redact(h http.Header) (kept map[string][]string, redacted []string) {
	kept = make(map[string][]string, len(h))
	named := func(list []string, name string) bool {
		return slices.ContainsFunc(list, func(x string) bool { return strings.EqualFold(x, name) })
	}
	for name, values := range h {
		switch name {
		case "Content-Length", "Host", "Transfer-Encoding":
			continue
		}
		if len(values) == 0 {
			continue
		}
		secret := named(rec.options.Redact, name) || !isKept(name) && !named(rec.options.Keep, name)
		for _, v := range values {
			secret = secret || len(v) > maxHeaderValue || !utf8.ValidString(v) || !isHeaderValue(v)
		}
		if secret || len(values) > maxHeaders || len(kept) >= maxHeaders || !isToken(name) {
			if len(redacted) < maxHeaders && len(name) <= maxHeaderValue && isToken(name) {
				redacted = append(redacted, name)
			}
			continue
		}
		kept[name] = slices.Clone(values)
	}
	slices.Sort(redacted)
	return kept, redacted
}

// keptHeaders are recorded, and so are those that carry a provider's signature;
// all others are only named. They are what a delivery is read and verified by,
// and what says which program sent it and when. A signature is no credential: it
// vouches for one body only.
var keptHeaders = []string{"Content-Type", "Content-Encoding", "User-Agent", "Date", "Accept", "Accept-Encoding"}

// isKept reports whether a header is recorded although nobody said so.
func isKept(name string) bool {
	same := func(kept string) bool { return strings.EqualFold(kept, name) }
	if slices.ContainsFunc(keptHeaders, same) {
		return true
	}
	for _, d := range descriptors {
		if slices.ContainsFunc(d.headers, same) {
			return true
		}
	}
	return false
}

// tee keeps a copy of what is read.
type tee struct {
	io.ReadCloser
	e *entry
}

func (t *tee) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	t.e.read(p[:max(n, 0)], err)
	return n, err
}

func (e *entry) read(p []byte, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	room := e.maxBody - int64(len(e.body))
	e.body = append(e.body, p[:min(int64(len(p)), room)]...)
	e.file.BodyBytes += int64(len(p))
	e.file.BodyRead = e.file.BodyRead || err == io.EOF || e.file.ContentLength >= 0 && e.file.BodyBytes == e.file.ContentLength
}

// answerWriter keeps a copy of the answer. Other abilities of the writer are
// reached through http.ResponseController.
type answerWriter struct {
	http.ResponseWriter
	e *entry
}

func (w *answerWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *answerWriter) WriteHeader(status int) {
	w.e.answered(status, w.Header(), nil)
	w.ResponseWriter.WriteHeader(status)
}

func (w *answerWriter) Write(b []byte) (int, error) {
	w.e.answered(http.StatusOK, w.Header(), b)
	return w.ResponseWriter.Write(b)
}

func (e *entry) answered(status int, h http.Header, b []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.status == 0 && status >= 200 { // 1xx announce, they don't answer
		e.status, e.header = status, http.Header{"Content-Type": slices.Clone(h["Content-Type"])}
	}
	e.answer.Write(b[:min(len(b), max(0, maxAnswerKept-e.answer.Len()))])
}

// finish hands a snapshot of the delivery to the writing goroutine, or counts
// it as dropped.
func (rec *Recorder) finish(e *entry, returned bool) {
	e.mu.Lock()
	f := e.file
	f.body = slices.Clone(e.body)
	if e.status == 0 && returned {
		e.status = http.StatusOK // as net/http does
	}
	if e.status != 0 {
		f.Answer = &fileAnswer{
			Status: e.status, ContentType: strings.ToValidUTF8(e.header.Get("Content-Type"), "\uFFFD"),
			Body: strings.ToValidUTF8(e.answer.String(), "\uFFFD"),
		}
		if f.Outcome == "" {
			f.Outcome = outcomeOf(*f.Answer)
		}
	}
	e.mu.Unlock()
	if only := rec.options.Outcomes; len(only) > 0 && f.Outcome != "" && !slices.Contains(only, f.Outcome) {
		return
	}

	rec.mu.RLock()
	defer rec.mu.RUnlock()
	if rec.closed {
		return
	}
	select {
	case rec.jobs <- job{file: &f}:
	default:
		rec.dropped.Add(1)
	}
}

// outcomeOf tells the outcome from the answer: from what the providers are told,
// or else from the status of HTTP. It is empty where an answer stands for
// several.
func outcomeOf(a fileAnswer) payack.Outcome {
	var told payack.Outcome
	for _, p := range providers.All {
		got := descriptors[p].spelling(payack.Answer{Status: a.Status, Body: a.Body})
		for _, reason := range tellingReasons {
			want := Answer(p, reason)
			want.ContentType = ""
			switch {
			case got != want || told == reason.Outcome():
			case told != "":
				return ""
			default:
				told = reason.Outcome()
			}
		}
	}
	if told != "" {
		return told
	}
	switch a.Status {
	case http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType, http.StatusRequestEntityTooLarge, http.StatusTooManyRequests,
		http.StatusForbidden: // by address
		return payack.OutcomeRefused
	case http.StatusInternalServerError, http.StatusServiceUnavailable:
		return payack.OutcomeFailed
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return payack.OutcomeRejected
	}
	return ""
}

// tellingReasons are of every kind that has an answer of its own.
var tellingReasons = []payack.Reason{
	"",
	payack.ReasonMethod, payack.ReasonContentType, payack.ReasonTooLarge, payack.ReasonAddress, payack.ReasonRate,
	payack.ReasonSignature, payack.ReasonEnvelope, payack.ReasonMalformed, payack.ReasonInvalid, payack.ReasonConflict,
	payack.ReasonUnexpected, payack.ReasonUnconfirmed, payack.ReasonSpliced, payack.ReasonUnknownTenant,
	payack.ReasonCallback, payack.ReasonBusy, payack.ReasonUnreachable, payack.ReasonStore,
}

// run writes, one after the other.
func (rec *Recorder) run() {
	defer close(rec.done)
	for j := range rec.jobs {
		if j.file != nil {
			if err := rec.write(j.file); err != nil {
				rec.report(err)
			}
		}
		rec.reportDropped()
		if j.flushed != nil {
			close(j.flushed)
		}
	}
	rec.reportDropped()
}

func (rec *Recorder) reportDropped() {
	if n := rec.dropped.Swap(0); n > 0 {
		rec.report(fmt.Errorf("%w: %d", ErrDropped, n))
	}
}

// report tells the hook; one that panics must not end the program.
func (rec *Recorder) report(err error) {
	defer func() { _ = recover() }()
	rec.options.OnError(err)
}

// write puts a recording into a file that appears whole or not at all.
func (rec *Recorder) write(f *file) error {
	data, err := f.encode()
	if err != nil {
		return err
	}
	if err := rec.makeRoom(int64(len(data))); err != nil {
		return err
	}
	name := f.Time.Format(nameTime) + "-" + freshHex(8) + ".json"
	hidden := filepath.Join(rec.dir, "."+name+".tmp")
	if err := rec.writeNew(hidden, data); err != nil {
		return fmt.Errorf("payacktest: recording: %w", err)
	}
	if err := os.Rename(hidden, filepath.Join(rec.dir, name)); err != nil {
		_ = os.Remove(hidden)
		return fmt.Errorf("payacktest: recording: %w", err)
	}
	rec.files++
	rec.bytes += int64(len(data))
	if rec.options.DropOldest {
		rec.names = append(rec.names, recorded{name, int64(len(data))})
	}
	return nil
}

// nameTime begins the name of a recording, so that names sort by age.
const nameTime = "20060102T150405.000000000Z"

// recorded is a recording that may make room.
type recorded struct {
	name string
	size int64
}

// isNamed reports whether a file has the name of a recording.
func isNamed(name string) bool {
	at, rest, found := strings.Cut(name, "-")
	_, err := time.Parse(nameTime, at)
	return found && err == nil && strings.HasSuffix(rest, ".json")
}

// makeRoom makes room for a recording of so many bytes. The error is ErrFull, or
// that of the disk.
func (rec *Recorder) makeRoom(size int64) error {
	full := func() bool { return rec.files >= rec.options.MaxFiles || rec.bytes+size > rec.options.MaxBytes }
	for full() {
		if len(rec.names) == 0 || size > rec.options.MaxBytes {
			return ErrFull
		}
		oldest := rec.names[0]
		// One that is gone was moved away.
		if err := os.Remove(filepath.Join(rec.dir, oldest.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("payacktest: recording: %w", err)
		}
		rec.names = rec.names[1:]
		rec.files--
		rec.bytes -= oldest.size
	}
	return nil
}

// fileFormat names the format and its version.
const fileFormat = "payack-delivery/1"

// file is a recording, as documented at [Recorder].
type file struct {
	Format        string              `json:"format"`
	Time          time.Time           `json:"time"`
	Provider      payack.Provider     `json:"provider,omitempty"`
	Method        string              `json:"method"`
	Path          string              `json:"path"`
	Header        map[string][]string `json:"header"`
	Redacted      []string            `json:"redacted,omitempty"`
	ContentLength int64               `json:"content_length"`
	Body          *string             `json:"body,omitempty"`
	BodyBase64    *string             `json:"body_base64,omitempty"`
	BodyBytes     int64               `json:"body_bytes"`
	BodyRead      bool                `json:"body_read"`
	Answer        *fileAnswer         `json:"answer,omitempty"`
	Outcome       payack.Outcome      `json:"outcome,omitempty"`
	Reason        payack.Reason       `json:"reason,omitempty"`
	Scheme        payack.Scheme       `json:"scheme,omitempty"`
	EventID       string              `json:"event_id,omitempty"`

	body []byte
}

type fileAnswer struct {
	Status      int    `json:"status"`
	ContentType string `json:"content_type"`
	Body        string `json:"body"`
}

func (f *file) encode() ([]byte, error) {
	if text := string(f.body); utf8.ValidString(text) {
		f.Body = &text
	} else {
		text = base64.StdEncoding.EncodeToString(f.body)
		f.BodyBase64 = &text
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(f); err != nil {
		return nil, fmt.Errorf("payacktest: recording: %w", err)
	}
	return b.Bytes(), nil
}

// pathOf is the escaped path, "/" where the target has none (OPTIONS *).
func pathOf(r *http.Request) string {
	path := r.URL.EscapedPath()
	switch {
	case !strings.HasPrefix(path, "/"):
		return "/"
	case len(path) <= maxPath:
		return path
	}
	path = path[:maxPath]
	if i := strings.LastIndexByte(path, '%'); i >= maxPath-2 { // half an escape
		path = path[:i]
	}
	return path
}
