package e2e

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/store/memstore"
)

// The receivers of all providers run in a real http.Server, with clients and
// callbacks that misbehave. serverClientFaults and serverCallbackFaults are the
// tables of faults with the expected answers.

// serverPatience ends a test that hangs. A test that passes never waits that long.
const serverPatience = 30 * time.Second

// serverTold is an expected answer with the expected observation. If status is set,
// net/http gave the answer with that status, and payack has not seen the request.
type serverTold struct {
	outcome payack.Outcome
	reason  payack.Reason
	status  int
}

func serverReason(r payack.Reason) serverTold { return serverTold{outcome: r.Outcome(), reason: r} }

var (
	serverAccepted  = serverTold{outcome: payack.OutcomeAccepted}
	serverDuplicate = serverTold{outcome: payack.OutcomeDuplicate}
)

// words returns the answers of Ptop, PTS and Payatom in short form.
func (a serverTold) words() string {
	if a.status != 0 {
		return strconv.Itoa(a.status) + " of net/http"
	}
	var out []string
	for _, p := range providers.All {
		status, _, body := Contract(p, a.outcome, a.reason)
		if p == payack.Ptop { // Ptop reads only the status
			body = ""
		}
		out = append(out, Words(Answer{Status: status, Body: body}))
	}
	return strings.Join(out, " / ")
}

func (a serverTold) recorded() string {
	switch {
	case a.status != 0:
		return "nothing"
	case a.reason == "":
		return string(a.outcome)
	}
	return string(a.outcome) + ", " + string(a.reason)
}

func serverJoin(told []serverTold, word func(serverTold) string) string {
	var out []string
	for _, a := range told {
		out = append(out, word(a))
	}
	return strings.Join(out, "; then ")
}

// serverNote is the observation of a delivery.
type serverNote struct {
	serverTold
	answered int
	id       string
	stack    string
}

// serverBook records deliveries and calls, by path and by order.
type serverBook struct {
	mu      sync.Mutex
	changed chan struct{}
	arrived map[string]int
	seen    map[string][]serverNote
	called  map[string]int
	members map[string]payacktest.Members
}

func newServerBook() *serverBook {
	return &serverBook{
		changed: make(chan struct{}), arrived: map[string]int{}, seen: map[string][]serverNote{},
		called: map[string]int{}, members: map[string]payacktest.Members{},
	}
}

func (b *serverBook) change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	close(b.changed)
	b.changed = make(chan struct{})
}

// until waits until a condition on the book holds.
func (b *serverBook) until(what string, t testing.TB, there func() bool) bool {
	timer := time.NewTimer(serverPatience)
	defer timer.Stop()
	for {
		b.mu.Lock()
		found, changed := there(), b.changed
		b.mu.Unlock()
		if found {
			return true
		}
		select {
		case <-changed:
		case <-timer.C:
			t.Errorf("%s: it did not come", what)
			return false
		}
	}
}

func (b *serverBook) Observe(_ context.Context, o *payack.Observation) {
	note := serverNote{serverTold{outcome: o.Outcome, reason: o.Reason}, o.Status, o.EventID, o.Stack}
	b.change(func() { b.seen[o.Delivery.Path] = append(b.seen[o.Delivery.Path], note) })
}

// notes waits for n observations of a path, and returns all observations of it.
func (b *serverBook) notes(t testing.TB, path string, n int) []serverNote {
	b.until(path, t, func() bool { return len(b.seen[path]) >= n })
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]serverNote(nil), b.seen[path]...)
}

func (b *serverBook) calls(order string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.called[order]
}

func serverOrder(ev payack.Event) string { return payacktest.MembersOf(ev)["order_id"] }

// serverPlan configures a server.
type serverPlan struct {
	options middleware.Options
	// callback is called after the serverBook has recorded the call; nil accepts.
	callback func(ctx context.Context, ev payack.Event) error
	// next, if set, is the handler that Wrap wraps instead of a callback.
	next http.HandlerFunc
	// front is middleware before the receivers.
	front func(http.Handler) http.Handler
	// pipes replaces the loopback by connections in memory, for synctest.
	pipes *serverPipes
	// headTimeout is the server's ReadHeaderTimeout; 0 is serverPatience.
	headTimeout time.Duration
}

// serverHouse is a server with the receivers of all providers. The first part of a
// path is the provider.
type serverHouse struct {
	*serverBook
	t      testing.TB
	http   *http.Server
	addr   string
	served chan error
	opened atomic.Int64
	before map[string]bool
	pipes  *serverPipes
}

func serverStart(t testing.TB, plan serverPlan) *serverHouse {
	t.Helper()
	h := &serverHouse{serverBook: newServerBook(), t: t, served: make(chan error, 1), pipes: plan.pipes}
	h.before = map[string]bool{}
	for id := range serverGoroutines() {
		h.before[id] = true
	}
	plan.options.Observer, plan.options.Logger = h.serverBook, slog.New(slog.DiscardHandler)
	receivers := serverReceivers(t, plan.options, func(ctx context.Context, ev payack.Event) error {
		order := serverOrder(ev)
		h.change(func() {
			h.called[order]++
			h.members[order] = payacktest.MembersOf(ev)
		})
		if plan.callback == nil {
			return nil
		}
		return plan.callback(ctx, ev)
	}, plan.next)
	var handler http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		h.change(func() { h.arrived[r.URL.Path]++ })
		receivers[payack.Provider(name)].ServeHTTP(w, r)
	})
	if plan.front != nil {
		handler = plan.front(handler)
	}
	h.http = &http.Server{
		Handler: handler, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: cmp.Or(plan.headTimeout, serverPatience),
		ConnState: func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				h.opened.Add(1)
			}
		},
	}
	var l net.Listener = plan.pipes
	if plan.pipes == nil {
		var err error
		l, err = net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		h.addr = l.Addr().String()
	}
	go func() { h.served <- h.http.Serve(l) }()
	t.Cleanup(func() { _ = h.http.Close() }) // if the test fails before it calls close
	return h
}

// serverReceivers returns a handler for each provider. The keys are the public test
// keys of package payacktest.
func serverReceivers(t testing.TB, o middleware.Options, fn func(context.Context, payack.Event) error, next http.HandlerFunc) map[payack.Provider]http.Handler {
	t.Helper()
	ptop, pts, payatom := payacktest.NewPtopKeys().Config(), payacktest.NewPTSKeys().Config(), payacktest.NewPayatomKeys().Config()
	ptop.Options, pts.Options, payatom.Options = o, o, o
	out := map[payack.Provider]http.Handler{}
	var errs [3]error
	if next == nil {
		out[payack.Ptop], errs[0] = handlers.NewPtop(ptop, func(ctx context.Context, ev *payack.PtopEvent) error { return fn(ctx, ev) })
		out[payack.PTS], errs[1] = handlers.NewPTS(pts, func(ctx context.Context, ev *payack.PTSEvent) error { return fn(ctx, ev) })
		out[payack.Payatom], errs[2] = handlers.NewPayatom(payatom, func(ctx context.Context, ev *payack.PayatomEvent) error { return fn(ctx, ev) })
		require.NoError(t, errors.Join(errs[:]...))
		return out
	}
	behind := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d, ok := payack.DeliveryFrom(r.Context()); ok {
			_ = fn(r.Context(), d.Event) // records the call in the serverBook
		}
		next(w, r)
	})
	wrapPtop, err1 := middleware.NewPtop(ptop)
	wrapPTS, err2 := middleware.NewPTS(pts)
	wrapPayatom, err3 := middleware.NewPayatom(payatom)
	require.NoError(t, errors.Join(err1, err2, err3))
	out[payack.Ptop], out[payack.PTS], out[payack.Payatom] = wrapPtop.Wrap(behind), wrapPTS.Wrap(behind), wrapPayatom.Wrap(behind)
	return out
}

// close ends the server and checks that it has left no goroutine.
func (h *serverHouse) close() {
	h.t.Helper()
	_ = h.http.Close()
	select {
	case err := <-h.served:
		assert.ErrorIs(h.t, err, http.ErrServerClosed)
	case <-time.After(serverPatience):
		h.t.Error("the server did not end")
	}
	serverNoneLeft(h.t, h.before)
}

// serverGoroutines returns the stacks of all goroutines by their id.
func serverGoroutines() map[string]string {
	buf := make([]byte, 1<<20)
	for {
		if n := runtime.Stack(buf, true); n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	out := map[string]string{}
	for _, stack := range strings.Split(string(buf), "\n\n") {
		head, rest, _ := strings.Cut(stack, "\n")
		id, _, _ := strings.Cut(strings.TrimPrefix(head, "goroutine "), " ")
		out[id] = rest
	}
	return out
}

// serverIsOurs reports whether a goroutine runs the library or serves a connection for
// it. It looks at the package paths of the stack's frames.
func serverIsOurs(stack string) bool {
	for _, line := range strings.Split(stack, "\n") {
		if strings.HasPrefix(line, "\t") {
			continue // this line names a file
		}
		line = strings.TrimPrefix(line, "created by ")
		if strings.HasPrefix(line, "net/http.(*conn).") || strings.HasPrefix(line, "net/http.(*connReader).") ||
			strings.HasPrefix(line, "github.com/payack/payack") && !strings.HasPrefix(line, "github.com/payack/payack/internal/e2e.") {
			return true
		}
	}
	return false
}

func serverNoneLeft(t testing.TB, before map[string]bool) {
	t.Helper()
	var left []string
	for deadline := time.Now().Add(serverPatience); ; {
		left = left[:0]
		for id, stack := range serverGoroutines() {
			if !before[id] && serverIsOurs(stack) {
				left = append(left, stack)
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("%d goroutines are left, the first:\n%s", len(left), left[0])
			return
		}
		time.Sleep(5 * time.Millisecond) // goroutines may be about to end
	}
}

// serverCallback returns the genuine callback of an order.
func serverCallback(t testing.TB, p payack.Provider, order string) payacktest.Callback {
	t.Helper()
	switch p {
	case payack.Ptop:
		return payacktest.Ptop(payacktest.NewPtopKeys()).Order(order).Transaction("TX" + order).Callback(t)
	case payack.PTS:
		return payacktest.PTS(payacktest.NewPTSKeys()).Order(order).Set("transaction_id", "T"+order).Callback(t)
	case payack.Payatom:
		return payacktest.Payatom(payacktest.NewPayatomKeys()).Order(order).Callback(t)
	}
	t.Fatalf("there is no callback of %s", p)
	return payacktest.Callback{}
}

// serverWire is a client's connection on which a test writes arbitrary bytes.
type serverWire struct {
	t    testing.TB
	h    *serverHouse
	p    payack.Provider
	path string
	conn net.Conn
	r    *bufio.Reader
	done chan struct{}
	bg   sync.WaitGroup
}

func (h *serverHouse) dial(t testing.TB, p payack.Provider, path string) *serverWire {
	t.Helper()
	var conn net.Conn
	var err error
	if h.pipes != nil {
		conn = h.pipes.dial()
	} else {
		conn, err = net.Dial("tcp", h.addr)
	}
	if !assert.NoError(t, err) {
		runtime.Goexit() // FailNow is for the test's own goroutine only
	}
	if h.pipes == nil {
		_ = conn.SetDeadline(time.Now().Add(serverPatience))
	}
	return &serverWire{t: t, h: h, p: p, path: "/" + string(p) + "/" + path, conn: conn, r: bufio.NewReader(conn), done: make(chan struct{})}
}

// close ends the connection and the goroutines that write to it.
func (w *serverWire) close() {
	close(w.done)
	_ = w.conn.Close()
	w.bg.Wait()
}

// reset ends the connection with RST instead of FIN.
func (w *serverWire) reset() {
	_ = w.conn.(*net.TCPConn).SetLinger(0)
	_ = w.conn.Close()
}

// write ignores errors: the server may have closed the connection after its answer.
func (w *serverWire) write(parts ...string) { _, _ = io.WriteString(w.conn, strings.Join(parts, "")) }

// keepWriting writes until the server closes the connection.
func (w *serverWire) keepWriting(every time.Duration, next func(i int) string) {
	w.bg.Go(func() {
		for i := 0; ; i++ {
			if _, err := io.WriteString(w.conn, next(i)); err != nil {
				return
			}
			if every == 0 {
				continue
			}
			select {
			case <-w.done:
				return
			case <-time.After(every): // the client's pace
			}
		}
	})
}

// head returns the head of a callback with additional lines.
func (w *serverWire) head(cb payacktest.Callback, lines ...string) string {
	var b strings.Builder
	b.WriteString("POST " + w.path + " HTTP/1.1\r\nHost: shop\r\n")
	for name, values := range cb.Header {
		for _, value := range values {
			b.WriteString(name + ": " + value + "\r\n")
		}
	}
	for _, line := range lines {
		b.WriteString(line + "\r\n")
	}
	return b.String() + "\r\n"
}

// whole returns a correct callback.
func (w *serverWire) whole(cb payacktest.Callback) string {
	return w.head(cb, serverLength(len(cb.Body))) + string(cb.Body)
}

func serverLength(n int) string { return "Content-Length: " + strconv.Itoa(n) }

const serverChunked = "Transfer-Encoding: chunked"

func serverChunk(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }

// answer reads the next answer.
func (w *serverWire) answer() (Answer, error) {
	for {
		res, err := http.ReadResponse(w.r, nil)
		if err != nil {
			return Answer{}, err
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return Answer{}, err
		}
		if res.StatusCode != http.StatusContinue {
			return Answer{res.StatusCode, res.Header, string(body)}, nil
		}
	}
}

// told asserts the next answers.
func (w *serverWire) told(want ...serverTold) bool {
	w.t.Helper()
	for i, a := range want {
		got, err := w.answer()
		if !assert.NoError(w.t, err, "%s: answer %d of %d", w.path, i+1, len(want)) {
			return false
		}
		if a.status != 0 {
			assert.Equal(w.t, a.status, got.Status, w.path)
		} else if !serverKeepsContract(w.t, w.p, a.outcome, a.reason, got) {
			w.t.Errorf("%s: that was answer %d: %d %q", w.path, i+1, got.Status, got.Body)
			return false
		}
	}
	return true
}

func serverKeepsContract(t testing.TB, p payack.Provider, outcome payack.Outcome, reason payack.Reason, got Answer) bool {
	t.Helper()
	failed := t.Failed()
	AssertContract(t, p, outcome, reason, got)
	return failed || !t.Failed()
}

// ended asserts that the server ends the connection, without another answer.
func (w *serverWire) ended() bool {
	w.t.Helper()
	b, err := w.r.ReadByte()
	var timeout net.Error
	if err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		w.t.Errorf("%s: the connection must end: %q, %v", w.path, b, err)
		return false
	}
	return true
}

// arrived waits until the request has reached the handler.
func (w *serverWire) arrived() {
	w.h.until(w.path, w.t, func() bool { return w.h.arrived[w.path] > 0 })
}

// recorded asserts what was observed of the wire's path.
func (w *serverWire) recorded(want ...serverTold) {
	w.t.Helper()
	var own []serverTold
	for _, a := range want {
		if a.status == 0 {
			own = append(own, a)
		}
	}
	var got []serverTold
	for _, note := range w.h.notes(w.t, w.path, len(own)) {
		got = append(got, note.serverTold)
	}
	assert.Equal(w.t, own, got, w.path)
}

// serverClientFault is a fault of a client with the expected answers.
type serverClientFault struct {
	name, sent string
	// answered and recorded are this fault's cells of the table in the documentation.
	// answered has the answers to Ptop, PTS and Payatom.
	answered, recorded string

	told []serverTold
	// mute says that the client does not read the answer.
	mute bool
	// ends says that the server closes the connection. If ends is false, the
	// connection serves another request.
	ends bool
	// headless says that no request reaches payack.
	headless bool
	do       func(w *serverWire, cb payacktest.Callback)
}

const (
	serverOK        = "200 / 200 SUCCESS / 200 HashMatched yes"
	serverFailed    = "500 / 200 FAILED / 200 HashMatched no"
	serverForged    = "403 / 200 FAILED / 200 HashMismatch no"
	serverMalformed = "400 / 200 FAILED / 200 HashMismatch no"
	serverTooLarge  = "413 / 413 FAILED / 413 HashMismatch no"
	serverWrongType = "415 / 415 FAILED / 415 HashMismatch no"
)

var serverUnread = []serverTold{serverReason(payack.ReasonBodyRead)}

var serverClientFaults = []serverClientFault{
	{name: "half a body", sent: "half of the announced body, then nothing",
		answered: serverFailed + ", at the read timeout; closed", recorded: "failed, body_read",
		told: serverUnread, ends: true,
		do: func(w *serverWire, cb payacktest.Callback) {
			w.write(w.head(cb, serverLength(len(cb.Body))), string(cb.Body[:len(cb.Body)/2]))
		}},
	{name: "half a body, then FIN", sent: "half of the announced body, then the end of its side",
		answered: serverFailed + "; closed", recorded: "failed, body_read",
		told: serverUnread, ends: true,
		do: func(w *serverWire, cb payacktest.Callback) {
			w.write(w.head(cb, serverLength(len(cb.Body))), string(cb.Body[:len(cb.Body)/2]))
			_ = w.conn.(*net.TCPConn).CloseWrite()
		}},
	{name: "half a body, then RST", sent: "half of the announced body, then a reset",
		answered: "nobody is there", recorded: "failed, body_read",
		told: serverUnread, mute: true,
		do: func(w *serverWire, cb payacktest.Callback) {
			w.write(w.head(cb, serverLength(len(cb.Body))), string(cb.Body[:len(cb.Body)/2]))
			w.arrived()
			w.reset()
		}},
	{name: "no body", sent: "a head that announces a body, and no body",
		answered: serverFailed + ", at the read timeout; closed", recorded: "failed, body_read",
		told: serverUnread, ends: true,
		do: func(w *serverWire, cb payacktest.Callback) { w.write(w.head(cb, serverLength(len(cb.Body)))) }},
	{name: "no body after 100 Continue", sent: "Expect: 100-continue, and no body once asked to go on",
		answered: serverFailed + ", at the read timeout; closed", recorded: "failed, body_read",
		told: serverUnread, ends: true,
		do: func(w *serverWire, cb payacktest.Callback) {
			w.write(w.head(cb, serverLength(len(cb.Body)), "Expect: 100-continue"))
		}},
	{name: "a byte at a time", sent: "the body, a byte every 100 ms",
		answered: serverFailed + ", at the read timeout; closed", recorded: "failed, body_read",
		told: serverUnread, ends: true,
		do: func(w *serverWire, cb payacktest.Callback) {
			w.write(w.head(cb, serverLength(len(cb.Body))))
			w.keepWriting(100*time.Millisecond, func(i int) string { return string(cb.Body[i : i+1]) })
		}},
	{name: "a chunk at a time", sent: "chunks of a byte, one every 100 ms",
		answered: serverFailed + ", at the read timeout; closed", recorded: "failed, body_read",
		told: serverUnread, ends: true,
		do: func(w *serverWire, cb payacktest.Callback) {
			w.write(w.head(cb, serverChunked))
			w.keepWriting(100*time.Millisecond, func(int) string { return serverChunk(" ") })
		}},
	{name: "longer announced", sent: "the whole body, announced one byte longer",
		answered: serverFailed + ", at the read timeout; closed", recorded: "failed, body_read",
		told: serverUnread, ends: true,
		do: func(w *serverWire, cb payacktest.Callback) {
			w.write(w.head(cb, serverLength(len(cb.Body)+1)), string(cb.Body))
		}},
	{name: "shorter announced", sent: "the whole body, announced one byte shorter",
		answered: serverMalformed + "; then 400 of net/http; closed", recorded: "rejected, malformed; then nothing",
		told: []serverTold{serverReason(payack.ReasonMalformed), {status: 400}}, ends: true,
		do: func(w *serverWire, cb payacktest.Callback) {
			w.write(w.head(cb, serverLength(len(cb.Body)-1)), string(cb.Body)+"\r\n\r\n")
		}},
	{name: "nothing announced", sent: "a body without a length or chunks",
		answered: serverMalformed + "; then 400 of net/http; closed", recorded: "rejected, malformed; then nothing",
		told: []serverTold{serverReason(payack.ReasonMalformed), {status: 400}}, ends: true,
		do: func(w *serverWire, cb payacktest.Callback) { w.write(w.head(cb), string(cb.Body)+"\r\n\r\n") }},
	{name: "over the limit, announced", sent: "an announced length over the limit, and no body",
		answered: serverTooLarge + "; closed", recorded: "refused, too_large",
		told: []serverTold{serverReason(payack.ReasonTooLarge)}, ends: true,
		do: func(w *serverWire, cb payacktest.Callback) {
			w.write(w.head(cb, serverLength(middleware.DefaultMaxBody+1)))
		}},
	{name: "two lengths", sent: "two Content-Length lines that differ",
		answered: "400 of net/http; closed", recorded: "nothing",
		told: []serverTold{{status: 400}}, ends: true, headless: true,
		do: func(w *serverWire, cb payacktest.Callback) {
			w.write(w.head(cb, serverLength(len(cb.Body)), serverLength(len(cb.Body)-1)), string(cb.Body))
		}},
	{name: "a length that is none", sent: "Content-Length: -1",
		answered: "400 of net/http; closed", recorded: "nothing",
		told: []serverTold{{status: 400}}, ends: true, headless: true,
		do: func(w *serverWire, cb payacktest.Callback) { w.write(w.head(cb, serverLength(-1)), string(cb.Body)) }},
	{name: "another transfer encoding", sent: "Transfer-Encoding: gzip, chunked",
		answered: "501 of net/http; closed", recorded: "nothing",
		told: []serverTold{{status: 501}}, ends: true, headless: true,
		do: func(w *serverWire, cb payacktest.Callback) {
			w.write(w.head(cb, "Transfer-Encoding: gzip, chunked"), serverChunk(string(cb.Body)), "0\r\n\r\n")
		}},
	{name: "half a head", sent: "half a head, then nothing",
		answered: "closed by net/http (ReadHeaderTimeout)", recorded: "nothing",
		ends: true, headless: true,
		do: func(w *serverWire, cb payacktest.Callback) {
			w.write(strings.TrimSuffix(w.head(cb, serverLength(len(cb.Body))), "\r\n"))
		}},
	{name: "chunks", sent: "well-formed chunks, a trailer among them",
		answered: serverOK, recorded: "accepted",
		told: []serverTold{serverAccepted},
		do: func(w *serverWire, cb payacktest.Callback) {
			w.write(w.head(cb, serverChunked), serverChunk(string(cb.Body[:1])), serverChunk(string(cb.Body[1:])), "0\r\nX-Sum: 1\r\n\r\n")
		}},
	{name: "empty chunks", sent: "chunks, and nothing in them",
		answered: serverMalformed, recorded: "rejected, malformed",
		told: []serverTold{serverReason(payack.ReasonMalformed)},
		do:   func(w *serverWire, cb payacktest.Callback) { w.write(w.head(cb, serverChunked), "0\r\n\r\n") }},
	{name: "length and chunks", sent: "Content-Length besides chunks",
		answered: serverOK + ", by the chunks", recorded: "accepted",
		told: []serverTold{serverAccepted},
		do: func(w *serverWire, cb payacktest.Callback) {
			w.write(w.head(cb, serverLength(3), serverChunked), serverChunk(string(cb.Body)), "0\r\n\r\n")
		}},
	{name: "chunks, then RST", sent: "half of the body in chunks, then a reset",
		answered: "nobody is there", recorded: "failed, body_read",
		told: serverUnread, mute: true,
		do: func(w *serverWire, cb payacktest.Callback) {
			w.write(w.head(cb, serverChunked), serverChunk(string(cb.Body[:len(cb.Body)/2])))
			w.arrived()
			w.reset()
		}},
	{name: "chunks without an end", sent: "the whole body in a chunk, and no last chunk",
		answered: serverFailed + ", at the read timeout; closed", recorded: "failed, body_read",
		told: serverUnread, ends: true,
		do: func(w *serverWire, cb payacktest.Callback) {
			w.write(w.head(cb, serverChunked), serverChunk(string(cb.Body)))
		}},
	{name: "broken chunks", sent: "a chunk whose length is no number",
		answered: serverFailed + "; closed", recorded: "failed, body_read",
		told: serverUnread, ends: true,
		do: func(w *serverWire, cb payacktest.Callback) {
			w.write(w.head(cb, serverChunked), "zz\r\n", string(cb.Body), "\r\n0\r\n\r\n")
		}},
	{name: "endless chunks", sent: "chunks without end",
		answered: serverTooLarge + "; closed", recorded: "refused, too_large",
		told: []serverTold{serverReason(payack.ReasonTooLarge)}, ends: true,
		do: func(w *serverWire, cb payacktest.Callback) {
			w.write(w.head(cb, serverChunked))
			chunk := serverChunk(strings.Repeat(" ", 4096))
			w.keepWriting(0, func(int) string { return chunk })
		}},
	{name: "an endless chunk line", sent: "a chunk's extension without end",
		answered: serverFailed + "; closed", recorded: "failed, body_read",
		told: serverUnread, ends: true,
		do: func(w *serverWire, cb payacktest.Callback) {
			w.write(w.head(cb, serverChunked), "1;")
			filler := strings.Repeat("x", 1024)
			w.keepWriting(0, func(int) string { return filler })
		}},
	{name: "an endless trailer", sent: "the whole body in a chunk, then trailers without end",
		answered: serverFailed + "; closed", recorded: "failed, body_read",
		told: serverUnread, ends: true,
		do: func(w *serverWire, cb payacktest.Callback) {
			w.write(w.head(cb, serverChunked), serverChunk(string(cb.Body)), "0\r\n")
			filler := "X-A: " + strings.Repeat("x", 1024) + "\r\n"
			w.keepWriting(0, func(int) string { return filler })
		}},
	{name: "refused, and no body", sent: "a wrong content type, and none of the announced body",
		answered: serverWrongType + ", at the read timeout; closed", recorded: "refused, content_type",
		told: []serverTold{serverReason(payack.ReasonContentType)}, ends: true,
		do: func(w *serverWire, cb payacktest.Callback) {
			w.write(w.head(serverHTML(cb), serverLength(len(cb.Body))))
		}},
	{name: "refused, then genuine", sent: "a wrong content type, a forgery, and a genuine callback on one connection",
		answered: serverWrongType + "; then " + serverForged + "; then " + serverOK, recorded: "refused, content_type; then rejected, signature; then accepted",
		told: []serverTold{serverReason(payack.ReasonContentType), serverReason(payack.ReasonSignature), serverAccepted},
		do: func(w *serverWire, cb payacktest.Callback) {
			w.write(w.whole(serverHTML(cb)))
			w.told(serverReason(payack.ReasonContentType))
			w.write(w.whole(serverForgery(w.t, cb)))
			w.told(serverReason(payack.ReasonSignature))
			w.write(w.whole(cb))
			w.told(serverAccepted)
		}},
	{name: "pipelined", sent: "a genuine callback, a forgery, and the genuine one again in one write",
		answered: serverOK + "; then " + serverForged + "; then " + serverOK, recorded: "accepted; then rejected, signature; then duplicate",
		told: []serverTold{serverAccepted, serverReason(payack.ReasonSignature), serverDuplicate},
		do: func(w *serverWire, cb payacktest.Callback) {
			w.write(w.whole(cb), w.whole(serverForgery(w.t, cb)), w.whole(cb))
		}},
	{name: "pipelined after garbage", sent: "broken chunks, and a genuine callback right behind",
		answered: serverFailed + "; closed", recorded: "failed, body_read",
		told: serverUnread, ends: true,
		do: func(w *serverWire, cb payacktest.Callback) {
			w.write(w.head(cb, serverChunked), "zz\r\n", w.whole(cb))
		}},
	{name: "no HTTP", sent: "bytes that are no request",
		answered: "400 of net/http; closed", recorded: "nothing",
		told: []serverTold{{status: 400}}, ends: true, headless: true,
		do: func(w *serverWire, _ payacktest.Callback) { w.write("\x16\x03\x01\x02\x00\x01\r\n\r\n") }},
}

func serverHTML(cb payacktest.Callback) payacktest.Callback {
	cb = cb.Clone()
	cb.Header.Set("Content-Type", "text/html")
	return cb
}

// serverForgery returns a callback that names another order under the same signature.
func serverForgery(t testing.TB, cb payacktest.Callback) payacktest.Callback {
	forged, err := cb.Tamper(payacktest.SetMember("order_id", `"FORGED"`))
	assert.NoError(t, err)
	return forged
}

// words returns the texts that the fault's cells answered and recorded should have.
func (f serverClientFault) words() (answered, recorded string) {
	answered, recorded = serverJoin(f.told, serverTold.words), serverJoin(f.told, serverTold.recorded)
	if f.ends {
		answered += "; closed"
	}
	return answered, recorded
}

func (f serverClientFault) run(t testing.TB, h *serverHouse, p payack.Provider, name string, cb, after payacktest.Callback) {
	w := h.dial(t, p, name)
	defer w.close()
	f.do(w, cb)
	if f.mute {
		w.recorded(f.told...)
		return
	}
	told := f.told
	if f.name == "refused, then genuine" {
		told = nil // this fault has read its answers already
	}
	if !w.told(told...) {
		return
	}
	if f.ends {
		if w.ended() {
			w.recorded(f.told...)
		}
		return
	}
	w.write(w.whole(after))
	w.told(serverAccepted)
	w.recorded(append(f.told[:len(f.told):len(f.told)], serverAccepted)...)
}

// The texts of the tables are copied into the documentation. They must agree with what
// the tests expect.
func TestServerFaultTables(t *testing.T) {
	for _, f := range serverClientFaults {
		if f.mute || f.told == nil {
			assert.NotEmpty(t, f.answered, f.name)
			continue
		}
		answered, recorded := f.words()
		assert.Equal(t, answered, strings.NewReplacer(", at the read timeout", "", ", by the chunks", "").Replace(f.answered), f.name)
		assert.Equal(t, recorded, f.recorded, f.name)
	}
	for _, f := range serverCallbackFaults {
		if f.written == "" && !f.mute && !f.aborts {
			assert.Equal(t, f.first.words(), f.answered, f.name)
		}
		assert.Equal(t, f.first.recorded(), f.recorded, f.name)
		assert.Equal(t, f.again.recorded(), f.redelivered, f.name)
	}
}

// Clients with every fault run while genuine callbacks are delivered.
func TestServerStormOfBadClients(t *testing.T) {
	const copies, genuine, workers = 2, 240, 8
	h := serverStart(t, serverPlan{
		options: middleware.Options{ReadTimeout: 2 * time.Second, Deadline: time.Minute}, headTimeout: 5 * time.Second,
	})
	var bad, good sync.WaitGroup
	var paths []string
	for i, f := range serverClientFaults {
		for _, p := range providers.All {
			for n := range copies {
				order := fmt.Sprintf("BAD-%d-%d", i, n)
				cb, after := serverCallback(t, p, order+string(p)), serverCallback(t, p, order+string(p)+"-AFTER")
				if !f.headless {
					paths = append(paths, fmt.Sprintf("/%s/%s", p, order))
				}
				bad.Go(func() { f.run(t, h, p, order, cb, after) })
			}
		}
	}
	callbacks := make([]payacktest.Callback, genuine)
	for i := range callbacks {
		callbacks[i] = serverCallback(t, providers.All[i%len(providers.All)], fmt.Sprint("GOOD-", i))
	}
	h.until("the bad clients", t, func() bool {
		for _, path := range paths {
			if h.arrived[path] == 0 {
				return false
			}
		}
		return true
	})
	queue := make(chan int, genuine)
	for i := range callbacks {
		queue <- i
	}
	close(queue)
	client := serverClient(workers)
	defer client.CloseIdleConnections()
	for range workers {
		good.Go(func() {
			for i := range queue {
				p := providers.All[i%len(providers.All)]
				for _, want := range []serverTold{serverAccepted, serverDuplicate} {
					got, err := h.post(client, fmt.Sprint("good-", i), callbacks[i])
					if assert.NoError(t, err) {
						serverKeepsContract(t, p, want.outcome, want.reason, got)
					}
				}
			}
		})
	}
	good.Wait()
	bad.Wait()
	for i := range callbacks {
		path := fmt.Sprintf("/%s/good-%d", providers.All[i%len(providers.All)], i)
		notes := h.notes(t, path, 2)
		require.Len(t, notes, 2)
		assert.Equal(t, []serverTold{serverAccepted, serverDuplicate}, []serverTold{notes[0].serverTold, notes[1].serverTold})
		assert.Equal(t, 1, h.calls(fmt.Sprint("GOOD-", i)))
	}
	for order, n := range h.called {
		assert.Equal(t, 1, n, order)
	}
	assert.Zero(t, h.calls("FORGED"))
	h.close()
}

func serverClient(conns int) *http.Client {
	return &http.Client{
		Timeout:   serverPatience,
		Transport: &http.Transport{MaxConnsPerHost: conns, MaxIdleConnsPerHost: conns},
	}
}

func (h *serverHouse) post(client *http.Client, path string, cb payacktest.Callback) (Answer, error) {
	res, err := cb.Post(context.Background(), client, "http://"+h.addr+"/"+string(cb.Provider)+"/"+path)
	if err != nil {
		return Answer{}, err
	}
	body, err := io.ReadAll(res.Body)
	return Answer{res.StatusCode, res.Header, string(body)}, err
}

// 2,001 deliveries over 64 connections: each event, the same event at the same time,
// and a forgery of it.
func TestServerConcurrentCallbacks(t *testing.T) {
	const events, conns = 667, 64
	pathOf := func(i int, kind string) string { return fmt.Sprintf("%s-%d", kind, i) }
	provider := func(i int) payack.Provider { return providers.All[i%len(providers.All)] }
	full := func(i int, kind string) string { return "/" + string(provider(i)) + "/" + pathOf(i, kind) }
	order := func(i int) string { return fmt.Sprint("ORDER-", i) }

	var h *serverHouse
	h = serverStart(t, serverPlan{
		options: middleware.Options{Deadline: 2 * serverPatience, ReadTimeout: serverPatience},
		callback: func(_ context.Context, ev payack.Event) error {
			i, err := strconv.Atoi(strings.TrimPrefix(serverOrder(ev), "ORDER-"))
			if err != nil || i%3 == 0 {
				return err // the two deliveries of every third event may or may not overlap
			}
			// Wait until the other delivery of the same event was answered "busy".
			h.until("the redelivery of "+serverOrder(ev), t, func() bool {
				return len(h.seen[full(i, "first")])+len(h.seen[full(i, "second")]) > 0
			})
			return nil
		},
	})
	genuine, forged := make([]payacktest.Callback, events), make([]payacktest.Callback, events)
	for i := range genuine {
		genuine[i] = serverCallback(t, provider(i), order(i))
		how := payacktest.SetMember("order_id", fmt.Sprintf(`"FORGED-%d"`, i))
		if i%2 == 0 {
			how = payacktest.FlipSignature
		}
		forged[i] = genuine[i].Tampered(t, how)
	}
	signed := map[payack.Provider]payacktest.Members{
		payack.Ptop:    {"success": "true"},
		payack.PTS:     {"accept_amount": "100.50", "accept_currency": "PHP", "status": "2000"},
		payack.Payatom: {"received_amount": "500", "status": "Approved"},
	}
	type delivery struct {
		i    int
		kind string
	}
	queue := make(chan delivery, 3*events)
	for i := range genuine {
		queue <- delivery{i, "first"}
		queue <- delivery{i, "second"}
		queue <- delivery{i, "forged"}
	}
	close(queue)
	client := serverClient(conns)
	defer client.CloseIdleConnections()
	answers := map[delivery]Answer{}
	var mu sync.Mutex
	var workers sync.WaitGroup
	for range conns {
		workers.Go(func() {
			for d := range queue {
				cb := genuine[d.i]
				if d.kind == "forged" {
					cb = forged[d.i]
				}
				got, err := h.post(client, pathOf(d.i, d.kind), cb)
				assert.NoError(t, err)
				mu.Lock()
				answers[d] = got
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	require.Len(t, answers, 3*events)
	for i := range genuine {
		outcomes := map[string]int{}
		for _, kind := range []string{"first", "second", "forged"} {
			notes := h.notes(t, full(i, kind), 1)
			require.Len(t, notes, 1, "one observation for each delivery")
			note := notes[0]
			AssertContract(t, provider(i), note.outcome, note.reason, answers[delivery{i, kind}])
			assert.Equal(t, note.answered, answers[delivery{i, kind}].Status)
			outcomes[note.recorded()]++
			if kind == "forged" {
				assert.Contains(t, []payack.Reason{payack.ReasonSignature, payack.ReasonEnvelope}, note.reason)
				assert.Empty(t, note.id)
			}
		}
		assert.Equal(t, 1, outcomes["accepted"], "%s: %v", order(i), outcomes)
		busy := outcomes["failed, busy"]
		if i%3 == 0 {
			busy += outcomes["duplicate"]
		}
		assert.Equal(t, 1, busy, "%s: %v", order(i), outcomes)
		assert.Equal(t, 1, h.calls(order(i)))
		for name, text := range signed[provider(i)] {
			assert.Equal(t, text, h.members[order(i)][name], "%s of %s", name, order(i))
		}
	}
	assert.Len(t, h.called, events, "nothing but the genuine events was processed")

	// A third delivery of each event is a duplicate.
	for i := range genuine {
		got, err := h.post(client, pathOf(i, "third"), genuine[i])
		require.NoError(t, err)
		AssertContract(t, provider(i), payack.OutcomeDuplicate, "", got)
		assert.Equal(t, payack.OutcomeDuplicate, h.notes(t, full(i, "third"), 1)[0].outcome)
		assert.Equal(t, 1, h.calls(order(i)))
	}
	assert.LessOrEqual(t, h.opened.Load(), int64(2*conns), "no answer cost a connection; the client may dial one more than it uses")
	client.CloseIdleConnections()
	h.close()
}

// serverCallbackFault is a fault of the merchant's code in its first call, with the
// expected answer. The second call succeeds.
type serverCallbackFault struct {
	name, sent                      string
	answered, recorded, redelivered string

	// callback or next is the merchant's code.
	callback func(ctx context.Context) error
	next     http.HandlerFunc
	// meanwhile is what the provider does while the callback runs.
	meanwhile func(w *serverWire)

	first, again serverTold
	mute, aborts bool
	// deadline is the server's Deadline; 0 is one that does not pass.
	deadline time.Duration
	// stack says that the panic's stack is recorded.
	stack bool
	// written is the body of the merchant's own answer, if the provider gets that answer.
	written string
	calls   int
}

var serverCallbackFaults = []serverCallbackFault{
	{name: "an error", sent: "the callback returns an error",
		answered: serverFailed, recorded: "failed, callback", redelivered: "accepted",
		callback: func(context.Context) error { return errMerchant },
		first:    serverReason(payack.ReasonCallback), again: serverAccepted, calls: 2},
	{name: "a panic", sent: "the callback panics",
		answered: serverFailed, recorded: "failed, panic", redelivered: "accepted", stack: true,
		callback: func(context.Context) error { panic("slip") },
		first:    serverReason(payack.ReasonPanic), again: serverAccepted, calls: 2},
	{name: "a runtime panic", sent: "the callback writes to a nil map",
		answered: serverFailed, recorded: "failed, panic", redelivered: "accepted", stack: true,
		callback: func(context.Context) error { return serverSlip(nil) },
		first:    serverReason(payack.ReasonPanic), again: serverAccepted, calls: 2},
	{name: "an abort", sent: "the callback panics with http.ErrAbortHandler",
		answered: "closed", recorded: "failed, panic", redelivered: "accepted", aborts: true,
		callback: func(context.Context) error { panic(http.ErrAbortHandler) },
		first:    serverReason(payack.ReasonPanic), again: serverAccepted, calls: 2},
	{name: "the deadline", sent: "the callback gives up when its context ends",
		answered: serverFailed, recorded: "failed, deadline", redelivered: "accepted",
		deadline: 2 * time.Second,
		callback: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		},
		first: serverReason(payack.ReasonDeadline), again: serverAccepted, calls: 2},
	{name: "late, and done", sent: "the callback outlasts the deadline and returns nil; a redelivery meanwhile is told busy",
		answered: serverOK, recorded: "accepted", redelivered: "duplicate",
		deadline: 2 * time.Second,
		callback: func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		},
		meanwhile: serverRedeliverBusy,
		first:     serverAccepted, again: serverDuplicate, calls: 1},
	{name: "late, and failed", sent: "the callback outlasts the deadline and returns an error; a redelivery meanwhile is told busy",
		answered: serverFailed, recorded: "failed, callback", redelivered: "accepted",
		deadline: 2 * time.Second,
		callback: func(ctx context.Context) error {
			<-ctx.Done()
			return errMerchant
		},
		meanwhile: serverRedeliverBusy,
		first:     serverReason(payack.ReasonCallback), again: serverAccepted, calls: 2},
	{name: "the provider hangs up", sent: "the provider closes the connection while the callback works",
		answered: "nobody is there", recorded: "accepted", redelivered: "duplicate", mute: true,
		callback:  func(ctx context.Context) error { return ctx.Err() },
		meanwhile: func(w *serverWire) { _ = w.conn.Close() },
		first:     serverAccepted, again: serverDuplicate, calls: 1},
	{name: "the provider resets", sent: "the provider resets the connection while the callback works",
		answered: "nobody is there", recorded: "accepted", redelivered: "duplicate", mute: true,
		callback:  func(ctx context.Context) error { return ctx.Err() },
		meanwhile: func(w *serverWire) { w.reset() },
		first:     serverAccepted, again: serverDuplicate, calls: 1},
	{name: "the provider hangs up on a failure", sent: "the provider closes the connection, then the callback fails",
		answered: "nobody is there", recorded: "failed, callback", redelivered: "accepted", mute: true,
		callback:  func(context.Context) error { return errMerchant },
		meanwhile: func(w *serverWire) { _ = w.conn.Close() },
		first:     serverReason(payack.ReasonCallback), again: serverAccepted, calls: 2},

	{name: "an answer of its own", sent: "the wrapped handler writes 201 and a body",
		answered: "201 mine", recorded: "accepted", redelivered: "duplicate", written: "mine",
		next: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, "mine")
		},
		first: serverAccepted, again: serverDuplicate, calls: 1},
	{name: "a failure of its own", sent: "the wrapped handler writes 502 and a body",
		answered: "502 mine", recorded: "failed, callback", redelivered: "accepted", written: "mine",
		next: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "mine")
		},
		first: serverReason(payack.ReasonCallback), again: serverAccepted, calls: 2},
	{name: "Fail", sent: "the wrapped handler calls Fail and writes nothing",
		answered: serverFailed, recorded: "failed, callback", redelivered: "accepted",
		next:  func(_ http.ResponseWriter, r *http.Request) { middleware.Fail(r.Context(), errMerchant) },
		first: serverReason(payack.ReasonCallback), again: serverAccepted, calls: 2},
	{name: "Fail and an answer", sent: "the wrapped handler writes 200 and calls Fail",
		answered: "200 mine", recorded: "failed, callback", redelivered: "accepted", written: "mine",
		next: func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "mine")
			middleware.Fail(r.Context(), errMerchant)
		},
		first: serverReason(payack.ReasonCallback), again: serverAccepted, calls: 2},
	{name: "a panic after an answer", sent: "the wrapped handler writes 200 and panics",
		answered: "closed", recorded: "failed, panic", redelivered: "accepted", aborts: true, stack: true,
		next: func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "mine")
			panic("slip")
		},
		first: serverReason(payack.ReasonPanic), again: serverAccepted, calls: 2},
	{name: "a connection taken over", sent: "the wrapped handler hijacks the connection and closes it",
		answered: "closed", recorded: "failed, callback", redelivered: "accepted", aborts: true,
		next: func(w http.ResponseWriter, _ *http.Request) {
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_ = conn.Close()
			}
		},
		first: serverReason(payack.ReasonCallback), again: serverAccepted, calls: 2},
}

func serverSlip(paid map[string]bool) error {
	paid["ORDER"] = true
	return nil
}

// serverRedeliverBusy sends the callback again while the first one is being processed.
func serverRedeliverBusy(w *serverWire) {
	again := w.h.dial(w.t, w.p, "meanwhile")
	defer again.close()
	cb := serverCallback(w.t, w.p, "ORDER-"+string(w.p))
	again.write(again.whole(cb))
	again.told(serverReason(payack.ReasonBusy))
	again.recorded(serverReason(payack.ReasonBusy))
}

func TestServerCallbackFaults(t *testing.T) {
	for _, f := range serverCallbackFaults {
		t.Run(f.name, func(t *testing.T) {
			release := map[payack.Provider]chan struct{}{}
			tripped := map[payack.Provider]*atomic.Bool{}
			for _, p := range providers.All {
				release[p], tripped[p] = make(chan struct{}), new(atomic.Bool)
			}
			plan := serverPlan{options: middleware.Options{Deadline: cmp.Or(f.deadline, 2*serverPatience)}}
			if f.next != nil {
				plan.next = func(w http.ResponseWriter, r *http.Request) {
					d, _ := payack.DeliveryFrom(r.Context())
					if !tripped[d.Provider].Swap(true) {
						f.next(w, r)
					}
				}
			} else {
				plan.callback = func(ctx context.Context, ev payack.Event) error {
					if tripped[ev.Provider()].Swap(true) {
						return nil
					}
					<-release[ev.Provider()]
					return f.callback(ctx)
				}
			}
			// front signals when the server has noticed that the provider hung up.
			plan.front = func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					p := payack.Provider(strings.Split(r.URL.Path, "/")[1])
					if f.mute && strings.HasSuffix(r.URL.Path, "/first") {
						context.AfterFunc(r.Context(), func() { close(release[p]) })
					}
					next.ServeHTTP(w, r)
				})
			}
			h := serverStart(t, plan)
			var all sync.WaitGroup
			for _, p := range providers.All {
				cb := serverCallback(t, p, "ORDER-"+string(p))
				all.Go(func() {
					w := h.dial(t, p, "first")
					defer w.close()
					w.write(w.whole(cb))
					if f.next == nil {
						h.until("the callback", t, func() bool { return h.called["ORDER-"+string(p)] == 1 })
						if f.meanwhile != nil {
							f.meanwhile(w)
						}
						if !f.mute {
							close(release[p])
						}
					}
					switch {
					case f.mute:
					case f.aborts:
						w.ended()
					case f.written != "":
						got, err := w.answer()
						if assert.NoError(t, err) {
							assert.Equal(t, f.answered, fmt.Sprint(got.Status, " ", got.Body))
						}
					default:
						w.told(f.first)
					}
					w.recorded(f.first)
					for _, note := range h.notes(t, w.path, 1) {
						assert.Equal(t, f.stack, note.stack != "")
						assert.NotEmpty(t, note.id)
					}

					again := h.dial(t, p, "again")
					defer again.close()
					again.write(again.whole(cb))
					again.told(f.again)
					again.write(again.whole(cb))
					again.told(serverDuplicate)
					again.recorded(f.again, serverDuplicate)
					assert.Equal(t, f.calls, h.calls("ORDER-"+string(p)))
				})
			}
			all.Wait()
			h.close()
		})
	}
}

// Shutdown waits until deliveries in progress have ended. It waits for a client that
// stalls, too, but only until the read timeout.
func TestServerShutdown(t *testing.T) {
	const each = 5
	store := memstore.New(0)
	release := make(chan struct{})
	h := serverStart(t, serverPlan{
		options:  middleware.Options{Store: store, ReadTimeout: 2 * time.Second, Deadline: 2 * serverPatience},
		callback: func(context.Context, payack.Event) error { <-release; return nil },
	})
	var running, stalled, idle []*serverWire
	var callbacks []payacktest.Callback
	for _, p := range providers.All {
		for i := range each {
			cb := serverCallback(t, p, fmt.Sprintf("RUN-%s-%d", p, i))
			w := h.dial(t, p, fmt.Sprint("run-", i))
			defer w.close()
			w.write(w.whole(cb))
			running, callbacks = append(running, w), append(callbacks, cb)
		}
		w := h.dial(t, p, "idle")
		defer w.close()
		w.write(w.whole(serverForgery(t, callbacks[len(callbacks)-1])))
		w.told(serverReason(payack.ReasonSignature))
		idle = append(idle, w)
	}
	h.until("the callbacks", t, func() bool { return len(h.called) == len(running) })
	late := map[payack.Provider]payacktest.Callback{}
	for _, p := range providers.All {
		late[p] = serverCallback(t, p, "LATE-"+string(p))
		w := h.dial(t, p, "stalled")
		defer w.close()
		w.write(w.head(late[p], serverLength(len(late[p].Body))), string(late[p].Body[:40]))
		w.arrived()
		stalled = append(stalled, w)
	}

	down := make(chan error, 1)
	go func() { down <- h.http.Shutdown(context.Background()) }()
	require.ErrorIs(t, <-h.served, http.ErrServerClosed)
	h.served <- http.ErrServerClosed // put back for serverHouse.close, which reads it
	_, err := net.Dial("tcp", h.addr)
	require.Error(t, err, "the listener is closed")
	for _, w := range idle {
		w.ended()
	}
	for _, w := range stalled {
		w.told(serverUnread...)
		w.ended()
		w.recorded(serverUnread...)
	}
	select {
	case err := <-down:
		t.Errorf("Shutdown did not wait for the callbacks: %v", err)
	default:
	}
	close(release)
	for _, w := range running {
		w.told(serverAccepted)
		w.ended()
		w.recorded(serverAccepted)
	}
	select {
	case err := <-down:
		require.NoError(t, err)
	case <-time.After(serverPatience):
		t.Error("Shutdown did not end")
	}
	h.close()

	// The next process knows the processed events and accepts the others.
	next := serverStart(t, serverPlan{options: middleware.Options{Store: store}})
	client := serverClient(1)
	for i, cb := range callbacks {
		got, err := next.post(client, fmt.Sprint(i), cb)
		require.NoError(t, err)
		AssertContract(t, cb.Provider, payack.OutcomeDuplicate, "", got)
	}
	assert.Empty(t, next.called)
	for p, cb := range late {
		got, err := next.post(client, "late", cb)
		require.NoError(t, err)
		AssertContract(t, p, payack.OutcomeAccepted, "", got)
		assert.Equal(t, 1, next.calls("LATE-"+string(p)))
	}
	client.CloseIdleConnections()
	next.close()
}

// No event is lost or processed twice when a server shuts down under load. The next
// server accepts the events that the first one has not accepted.
func TestServerShutdownUnderLoad(t *testing.T) {
	const workers, each = 16, 24
	store := memstore.New(0)
	options := middleware.Options{Store: store, Deadline: time.Minute}
	var h *serverHouse
	down := make(chan error, 1)
	var calls atomic.Int64
	closed := make(chan struct{})
	h = serverStart(t, serverPlan{options: options, callback: func(context.Context, payack.Event) error {
		n := calls.Add(1)
		if n == workers*each/4 {
			go func() { down <- h.http.Shutdown(context.Background()) }()
			err := <-h.served
			h.served <- err // put back for serverHouse.close, which reads it
			assert.ErrorIs(t, err, http.ErrServerClosed)
			close(closed)
		}
		if n >= workers*each/4 {
			<-closed // these requests are in progress when the listener closes
		}
		return nil
	}})
	callbacks := make([]payacktest.Callback, workers*each)
	for i := range callbacks {
		callbacks[i] = serverCallback(t, providers.All[i%len(providers.All)], fmt.Sprint("ORDER-", i))
	}
	answered := make([]bool, len(callbacks))
	client := serverClient(workers)
	var all sync.WaitGroup
	for n := range workers {
		all.Go(func() {
			for i := n * each; i < (n+1)*each; i++ {
				got, err := h.post(client, fmt.Sprint(i), callbacks[i])
				if err == nil {
					answered[i] = serverKeepsContract(t, callbacks[i].Provider, payack.OutcomeAccepted, "", got)
				}
			}
		})
	}
	all.Wait()
	require.NoError(t, <-down)
	h.close()

	next := serverStart(t, serverPlan{options: options})
	before, after := 0, 0
	for i, cb := range callbacks {
		order := fmt.Sprint("ORDER-", i)
		got, err := next.post(client, fmt.Sprint(i), cb)
		require.NoError(t, err)
		AssertContract(t, cb.Provider, payack.OutcomeAccepted, "", got)
		assert.Equal(t, 1, h.calls(order)+next.calls(order), order)
		if answered[i] {
			assert.Equal(t, 1, h.calls(order), "what was acknowledged was processed")
		}
		before, after = before+h.calls(order), after+next.calls(order)
	}
	assert.GreaterOrEqual(t, before, workers*each/4)
	assert.GreaterOrEqual(t, after, workers*each/2, "it went down in the middle")
	client.CloseIdleConnections()
	next.close()
}

// serverCounted signals when a number of bytes of a body were read.
type serverCounted struct {
	io.ReadCloser
	left    int
	reached func()
}

func (c *serverCounted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if c.left > 0 {
		if c.left -= n; c.left <= 0 {
			c.reached()
		}
	}
	return n, err
}

// serverHeap returns the bytes of live memory.
func serverHeap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // pools are emptied at the second collection
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Reading 500 bodies at once takes at most 500 times the limit plus a constant, in
// addition to the memory of 500 connections whose body nobody reads.
func TestServerMemory(t *testing.T) {
	const (
		conns = 500
		limit = middleware.DefaultMaxBody
		// A buffer is one byte larger than the limit, which takes a further page of
		// memory.
		constant = 8 << 20
	)
	hold := func(t *testing.T, announce string, sent string, read int, finish func(w *serverWire)) int64 {
		bodies := make(chan struct{}, conns)
		release := make(chan struct{})
		h := serverStart(t, serverPlan{
			options: middleware.Options{ReadTimeout: time.Hour, Deadline: 2 * time.Hour}, // both include the other connections
			front: func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if read == 0 {
						bodies <- struct{}{}
						<-release
						return
					}
					r.Body = &serverCounted{r.Body, read, func() { bodies <- struct{}{} }}
					next.ServeHTTP(w, r)
				})
			},
		})
		before := serverHeap()
		wires := make([]*serverWire, conns)
		for i := range wires {
			p := providers.All[i%len(providers.All)]
			wires[i] = h.dial(t, p, fmt.Sprint(i))
			cb := payacktest.Callback{Header: http.Header{"Content-Type": {"application/json"}}}
			wires[i].write(wires[i].head(cb, announce), sent)
		}
		for range wires {
			select {
			case <-bodies:
			case <-time.After(serverPatience):
				t.Fatal("the bodies did not come")
			}
		}
		held := serverHeap() - before
		close(release)
		for _, w := range wires {
			if finish != nil {
				_ = w.conn.SetDeadline(time.Now().Add(serverPatience)) // the first one began with the dial
				finish(w)
			}
			w.close()
		}
		wires = nil
		h.close()
		assert.Less(t, serverHeap()-before, int64(constant), "nothing of it is kept")
		return held
	}
	half := strings.Repeat(" ", limit/2)
	chunk := serverChunk(strings.Repeat(" ", 1024))
	almost := strings.Repeat(chunk, limit/1024)
	endless := strings.Repeat(chunk, 16)

	bare := hold(t, serverLength(limit), half, 0, nil)
	for name, tc := range map[string]struct {
		announce, sent string
		read           int
		finish         func(w *serverWire)
	}{
		"announced, half sent": {serverLength(limit), half, limit / 2, func(w *serverWire) {
			_ = w.conn.(*net.TCPConn).CloseWrite()
			w.told(serverUnread...)
			w.recorded(serverUnread...)
		}},
		"endless chunks": {serverChunked, almost, limit, func(w *serverWire) {
			w.keepWriting(0, func(int) string { return endless })
			w.told(serverReason(payack.ReasonTooLarge))
			w.ended()
			w.recorded(serverReason(payack.ReasonTooLarge))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			held := hold(t, tc.announce, tc.sent, tc.read, tc.finish)
			assert.Greater(t, held-bare, int64(conns*limit/2), "the bodies are held while this measures")
			assert.Less(t, held-bare, int64(conns*limit+constant), "%d KiB for each body", (held-bare)/conns>>10)
		})
	}
}

// serverPipes is a listener in memory, for testing/synctest.
type serverPipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newServerPipes() *serverPipes {
	return &serverPipes{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *serverPipes) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *serverPipes) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *serverPipes) Addr() net.Addr { return serverPipeAddr{} }

func (l *serverPipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	l.conns <- theirs
	return ours
}

type serverPipeAddr struct{}

func (serverPipeAddr) Network() string { return "pipe" }
func (serverPipeAddr) String() string  { return "pipe" }

// inServerBubble runs a test for each provider in a bubble of testing/synctest. The
// server's time is exact there.
func inServerBubble(t *testing.T, plan func(p payack.Provider) serverPlan, test func(t *testing.T, h *serverHouse, p payack.Provider)) {
	for _, p := range providers.All {
		t.Run(string(p), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pl := plan(p)
				pl.pipes = newServerPipes()
				h := serverStart(t, pl)
				test(t, h, p)
				_ = h.http.Close()
				assert.ErrorIs(t, <-h.served, http.ErrServerClosed)
				synctest.Wait() // the bubble panics if a goroutine of the server is left
			})
		})
	}
}

// A client that stalls in any way gets its answer exactly at the read timeout. Sending
// one more byte does not extend it.
func TestServerReadTimeout(t *testing.T) {
	for _, f := range serverClientFaults {
		if !strings.Contains(f.answered, "at the read timeout") {
			continue
		}
		for _, timeout := range []time.Duration{0, 700 * time.Millisecond} {
			t.Run(fmt.Sprint(f.name, "/", timeout), func(t *testing.T) {
				want := timeout
				if want == 0 {
					want = min(middleware.DefaultReadTimeout, middleware.DefaultDeadline/2) // the other half is for the callback
				}
				inServerBubble(t, func(payack.Provider) serverPlan {
					return serverPlan{options: middleware.Options{ReadTimeout: timeout}}
				}, func(t *testing.T, h *serverHouse, p payack.Provider) {
					w := h.dial(t, p, "slow")
					defer w.close()
					start := time.Now()
					w.bg.Go(func() { f.do(w, serverCallback(t, p, "ORDER")) })
					w.told(f.told...)
					assert.Equal(t, want, time.Since(start))
					w.recorded(f.told...)
				})
			})
		}
	}
}

// The context of a callback ends at the deadline and not when the provider hangs up.
// The answer waits for the callback. The callback's result counts even if the lease
// has expired meanwhile.
func TestServerDeadline(t *testing.T) {
	const takes = 20 * time.Second
	for name, result := range map[string]error{"done": nil, "failed": errMerchant} {
		for _, hangsUp := range []bool{false, true} {
			t.Run(fmt.Sprint(name, "/hangs up: ", hangsUp), func(t *testing.T) {
				start, ended := time.Time{}, time.Duration(0)
				inServerBubble(t, func(payack.Provider) serverPlan {
					first := true
					options := middleware.Options{Lease: middleware.DefaultDeadline + time.Second} // shorter than the callback takes
					return serverPlan{options: options, callback: func(ctx context.Context, _ payack.Event) error {
						if !first {
							return nil
						}
						first = false
						<-ctx.Done()
						ended = time.Since(start)
						time.Sleep(takes - ended)
						return result
					}}
				}, func(t *testing.T, h *serverHouse, p payack.Provider) {
					cb := serverCallback(t, p, "ORDER")
					start = time.Now()
					w := h.dial(t, p, "first")
					w.write(w.whole(cb))
					for _, at := range []time.Duration{time.Second, 10 * time.Second, 19 * time.Second} {
						time.Sleep(at - time.Since(start))
						if hangsUp && at == time.Second {
							w.close()
						}
						again := h.dial(t, p, "meanwhile")
						again.write(again.whole(cb))
						again.told(serverReason(payack.ReasonBusy))
						assert.Equal(t, at, time.Since(start), "busy is told at once")
						again.close()
					}
					first, second := serverAccepted, serverDuplicate
					if result != nil {
						first, second = serverReason(payack.ReasonCallback), serverAccepted
					}
					if !hangsUp {
						w.told(first)
						assert.Equal(t, takes, time.Since(start))
						w.close()
					}
					time.Sleep(takes + time.Second - time.Since(start))
					w.recorded(first)
					assert.Equal(t, middleware.DefaultDeadline, ended)
					again := h.dial(t, p, "again")
					defer again.close()
					again.write(again.whole(cb))
					again.told(second)
				})
			})
		}
	}
}
