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

// ErrFull means that deliveries are not recorded because the directory has reached
// MaxFiles or MaxBytes.
var ErrFull = errors.New("payacktest: the recordings have reached their limit of files or bytes; move them away")

// ErrDropped means that deliveries were not recorded because the disk was too slow.
var ErrDropped = errors.New("payacktest: deliveries were not recorded because the disk is too slow")

// RecorderOptions choose and bound what a [Recorder] writes. The zero value is
// usable.
type RecorderOptions struct {
	// MaxBody is how many bytes of a body are recorded; 0 means 64 KiB. A longer
	// body is cut, and its recording says so.
	MaxBody int64
	// MaxFiles and MaxBytes bound all files of the directory, including those that
	// were there before; 0 means 1000 files and 64 MiB. At the limit nothing more is
	// recorded, and OnError gets [ErrFull].
	//
	// With DropOldest the oldest recordings are deleted to make room, so that many
	// refused requests can't stop the recording for good. Files that don't have the
	// name of a recording are never deleted.
	MaxFiles   int
	MaxBytes   int64
	DropOldest bool
	// Keep names further headers to record with their values, such as the one that
	// carries Ptop's signature if it is neither X-Signature nor the_signature.
	// Redact names headers not to record even if they are recorded by default or in
	// Keep. The case of names does not matter.
	Keep, Redact []string
	// Outcomes selects the deliveries to record; empty means all. Deliveries with
	// an unknown outcome are always recorded, so make the recorder the receiver's
	// observer, too.
	Outcomes []payack.Outcome
	// OnError is called for deliveries that could not be recorded, from the
	// recorder's goroutine. One call may stand for several deliveries. nil logs a
	// warning to slog.Default.
	OnError func(error)
}

// Recorder is a middleware that writes each delivery to a file, in a format that
// [Load] reads. Put it directly in front of payack's receiver:
//
//	rec, err := payacktest.NewRecorder("recordings", payacktest.RecorderOptions{})
//	config.Observer = rec // optional: the exact outcome
//	mux.Handle("POST /callbacks/pts", rec.Wrap(pts))
//
// The handler behind the recorder reads the body itself, under its own limits, and
// the recorder keeps a copy of what was read. So a delivery that is refused before its
// body is read is recorded without a body.
//
// A goroutine writes the files after the answer. A disk that is slow, full or
// read-only costs recordings, but never delays or fails a delivery. The handler
// reaches deadlines, flushing and the like through http.ResponseController, as
// payack does.
//
// # Format
//
// A recording is one JSON object in UTF-8, indented, in a file named after its
// time. These are its members, in this order; those with ? may be missing.
//
//	format          "payack-delivery/1"
//	time            arrival, RFC 3339, UTC
//	provider?       ptop, pts or payatom, if an observer said so
//	method, path    of the request; the path is escaped and has no query
//	header          an object: names to arrays of values, without Host and
//	                Content-Length
//	redacted?       names of headers whose values were left out
//	content_length  as announced; -1 when it was not (chunked)
//	body            the exact body as a string, if it is valid UTF-8,
//	body_base64     or else in standard base64; one of the two
//	body_bytes      how many bytes were read; more than body has if it was cut
//	body_read       whether the body was read to its end
//	answer?         an object: status, content_type, body (4 KiB of it); it is
//	                missing when the handler panicked before it answered
//	outcome?        accepted, duplicate, failed, rejected or refused. Without an
//	                observer it is derived from the answer (never duplicate), and
//	                missing if the answer leaves it open (FAILED of PTS)
//	reason?, scheme?, event_id?   only from an observer
//
// A new optional member leaves the version number as it is. Any other change of
// the format gets a new number.
//
// # Privacy
//
// Recordings hold real payments. Files have mode 0600, and a directory that the
// recorder makes has 0700.
//
// Only these headers are recorded, with those in Keep: Content-Type,
// Content-Encoding, User-Agent, Date, Accept, Accept-Encoding, and the headers with
// signatures (X-Signature, the_signature, X-Transaction-Signature), without which a
// delivery can't be verified. Any other header may carry a secret of a proxy, so
// only its name is recorded, under redacted. The same goes for values that are
// longer than 4 KiB or not UTF-8.
type Recorder struct {
	dir     string
	options RecorderOptions
	jobs    chan job
	done    chan struct{}
	dropped atomic.Int64
	create  func(name string) (io.WriteCloser, error)

	mu     sync.RWMutex // read-locked while sending to jobs
	closed bool

	// Used by the writing goroutine only.
	files int
	bytes int64
	names []recorded // the oldest first; only with DropOldest
}

// job is a finished delivery, or a call of Flush that waits for earlier
// deliveries.
type job struct {
	file    *file
	flushed chan struct{}
}

// queue is how many deliveries may wait for the disk. It bounds the memory that
// they use.
const queue = 64

// NewRecorder returns a recorder that writes into dir, which it creates if
// necessary. It returns an error if it can't write there. Close the recorder at the
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

// measure counts the files that are already there.
func (rec *Recorder) measure() error {
	entries, err := os.ReadDir(rec.dir)
	if err != nil {
		return fmt.Errorf("payacktest: NewRecorder: %w", err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			rec.files++
			rec.bytes += info.Size()
			if rec.options.DropOldest && isNamed(e.Name()) { // sorted by name, and so by age
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

// writeNew creates a file, which must not exist. It removes the file again if
// writing fails.
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

// Wrap returns a handler that calls next, and records the request and the answer.
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

// Observe implements [payack.Observer]. As the observer of the receiver behind
// Wrap, the recorder adds the exact outcome, reason, scheme and event id to the
// recording.
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

// Flush waits until every delivery that was answered before the call is written,
// or could not be written.
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

// Close writes the deliveries that wait, and ends the recording. Wrapped handlers
// continue to work, but their deliveries are no longer recorded. The error is
// always nil.
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

// entry is a delivery while it is recorded. It has a mutex because a handler may
// start a goroutine that reads or writes after the handler has returned.
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

// Bounds of what is recorded besides the body. maxHeaders is a number of headers;
// the others are in bytes.
const (
	maxPath        = 2 << 10
	maxHeaderValue = 4 << 10
	maxHeaders     = 100
	maxAnswerKept  = 4 << 10
)

// redact returns a copy of the headers to record, and the names of all others.
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

// keptHeaders are recorded, and so are the headers that carry a provider's
// signature. They are needed to parse and verify a delivery, or they show which
// program sent it and when. A signature is not a credential: it is valid for one body
// only.
var keptHeaders = []string{"Content-Type", "Content-Encoding", "User-Agent", "Date", "Accept", "Accept-Encoding"}

// isKept reports whether a header is recorded by default.
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

// tee copies what is read into the entry.
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

// answerWriter keeps a copy of the answer. http.ResponseController reaches the
// wrapped writer's other methods through Unwrap.
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
	if e.status == 0 && status >= 200 { // a 1xx is not an answer
		e.status, e.header = status, http.Header{"Content-Type": slices.Clone(h["Content-Type"])}
	}
	e.answer.Write(b[:min(len(b), max(0, maxAnswerKept-e.answer.Len()))])
}

// finish passes a snapshot of the delivery to the writing goroutine, or counts it
// as dropped.
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

// outcomeOf derives the outcome from the answer: from the providers' contracts,
// or else from the HTTP status. It returns an empty outcome if the answer fits
// several outcomes.
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
		http.StatusForbidden: // a refusal by address
		return payack.OutcomeRefused
	case http.StatusInternalServerError, http.StatusServiceUnavailable:
		return payack.OutcomeFailed
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return payack.OutcomeRejected
	}
	return ""
}

// tellingReasons has a reason for every answer that any provider can get.
var tellingReasons = []payack.Reason{
	"",
	payack.ReasonMethod, payack.ReasonContentType, payack.ReasonTooLarge, payack.ReasonAddress, payack.ReasonRate,
	payack.ReasonSignature, payack.ReasonEnvelope, payack.ReasonMalformed, payack.ReasonInvalid, payack.ReasonConflict,
	payack.ReasonUnexpected, payack.ReasonUnconfirmed, payack.ReasonSpliced, payack.ReasonUnknownTenant,
	payack.ReasonCallback, payack.ReasonBusy, payack.ReasonUnreachable, payack.ReasonStore,
}

// run writes recordings, one after the other.
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

// report calls OnError, and recovers if it panics.
func (rec *Recorder) report(err error) {
	defer func() { _ = recover() }()
	rec.options.OnError(err)
}

// write writes a recording to a file that appears complete or not at all.
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

// nameTime is the layout of the time at the start of a recording's name. It makes
// names sort by age.
const nameTime = "20060102T150405.000000000Z"

// recorded is a recording that can be deleted to make room.
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

// makeRoom makes room for a recording of size bytes. The error is ErrFull, or the
// disk's error.
func (rec *Recorder) makeRoom(size int64) error {
	full := func() bool { return rec.files >= rec.options.MaxFiles || rec.bytes+size > rec.options.MaxBytes }
	for full() {
		if len(rec.names) == 0 || size > rec.options.MaxBytes {
			return ErrFull
		}
		oldest := rec.names[0]
		// Ignore a recording that somebody has moved away.
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

// pathOf returns the escaped path, "/" if the target has none (OPTIONS *).
func pathOf(r *http.Request) string {
	path := r.URL.EscapedPath()
	switch {
	case !strings.HasPrefix(path, "/"):
		return "/"
	case len(path) <= maxPath:
		return path
	}
	path = path[:maxPath]
	if i := strings.LastIndexByte(path, '%'); i >= maxPath-2 { // the cut has left half an escape
		path = path[:i]
	}
	return path
}
