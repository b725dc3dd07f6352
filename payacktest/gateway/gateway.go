package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/shopspring/decimal"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/strict"
)

// Options are common to all fake gateways. The zero value is usable.
type Options struct {
	// Now is the gateway's clock; nil is time.Now.
	Now func() time.Time
	// Client sends the callbacks; nil is a client without keep-alive and proxies. No
	// redirect is followed, whatever Client.CheckRedirect says: a redirect does not
	// acknowledge a callback.
	Client *http.Client
	// AnswerTimeout is how long the merchant may take to answer a callback; 0 is 10
	// seconds, as Ptop documents. For the other providers that is unconfirmed.
	AnswerTimeout time.Duration
	// Retries is how often a callback that is not acknowledged is sent again. 0 is 3
	// times, as Ptop documents; for the other providers that is unconfirmed. A
	// negative number means never.
	Retries int
	// RetryDelay is the pause before the first retry. It doubles with each retry,
	// up to a minute. 0 is 50 milliseconds, to keep tests fast. No provider
	// documents its pauses.
	RetryDelay time.Duration
}

// Faults says how a fake gateway fails when the merchant sends it a request. The
// zero value has no faults.
type Faults struct {
	// Delay delays every answer. The request is processed first, so the payment is
	// made even if the client stops waiting.
	Delay time.Duration
	// Status, when set, is the HTTP status of every answer, with an HTML page as
	// from a proxy in front of a broken service. Nothing is processed.
	Status int
	// Refuse closes the port: open connections are cut, and new ones are refused.
	Refuse bool
	// Refusal, when set, makes every answer a refusal in the provider's own format:
	// PTS sends it as the code, Payatom as the message, and Ptop as the message
	// with status 500. Nothing is processed.
	Refusal string
	// Cut processes the request and closes the connection without an answer.
	Cut bool
	// Truncate sends only the first half of every answer.
	Truncate bool
	// BadSignature signs answers with a key that is not the gateway's. Ptop's
	// answers are not signed.
	BadSignature bool
	// Amount and OrderID, when set, replace the true ones in answers. The signatures
	// cover Amount and OrderID. Ptop's answers have no order.
	Amount, OrderID string
}

// Delivery is one callback of a fake gateway, with its attempts.
type Delivery struct {
	// ID is the order_id of the payment or withdrawal.
	ID string
	// Says is the status in the callback, in the provider's spelling; for Ptop,
	// true or false.
	Says   string
	URL    string
	Header http.Header
	// Body is the exact body, the same in every attempt.
	Body     []byte
	Attempts []Attempt
	// Acknowledged reports whether an answer acknowledged the callback, by the
	// provider's rule.
	Acknowledged bool
	// Done reports that no attempt follows.
	Done bool
}

// Attempt is one attempt to deliver a callback, with the merchant's answer.
type Attempt struct {
	At time.Time
	// Status is 0 when there was no answer; Err says why.
	Status int
	Header http.Header
	// Body is the answer's body, up to 64 KiB of it.
	Body         string
	Acknowledged bool
	Err          error
}

// Request is one request of the merchant, as the gateway received it.
type Request struct {
	Method, Path string
	Header       http.Header
	Body         []byte
	// Status is the HTTP status of the answer, even if a fault kept the answer back.
	Status int
	// Refusal says why the request was refused. It is empty for an accepted request.
	// It is for people, and its text may change.
	Refusal string
}

// ErrClosed is returned by methods of a fake gateway that was closed.
var ErrClosed = errors.New("gateway: it is closed")

const (
	maxBody     = 64 << 10
	maxRequests = 1000
)

// gateway has what all fakes share: the server, its faults, and the callbacks.
type gateway struct {
	options Options
	client  *http.Client
	base    string
	handle  func(r *http.Request, body []byte) answer // called with mu held
	refuse  func(reason string) answer
	// acknowledged reports whether an answer acknowledges a callback.
	acknowledged func(status int, body []byte) bool

	life   sync.Mutex // one start or stop at a time
	server *listener
	ctx    context.Context // ends with the gateway
	cancel context.CancelFunc

	mu         sync.Mutex // guards what follows, and the state of the providers' gateways
	closed     bool
	faults     Faults
	requests   []Request
	deliveries []*delivery
	last       map[string]*delivery // the last announced delivery of each payment, by order_id
	running    int                  // deliveries under way
	idle       chan struct{}        // closed when running falls to 0
	serial     int
}

type answer struct {
	status      int
	contentType string
	body        []byte
	refusal     string
	allow       string // the header Allow of a 405
}

type delivery struct {
	Delivery
	done chan struct{}
}

// message is a callback ready to be sent.
type message struct {
	id, says, url string
	header        http.Header
	body          []byte
}

// start fills in the defaults and begins to listen.
func (g *gateway) start(o Options) error {
	if o.AnswerTimeout < 0 || o.RetryDelay < 0 {
		return errors.New("gateway: AnswerTimeout and RetryDelay can't be negative; leave them 0 for the defaults")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.AnswerTimeout == 0 {
		o.AnswerTimeout = 10 * time.Second
	}
	if o.Retries == 0 {
		o.Retries = 3
	}
	if o.RetryDelay == 0 {
		o.RetryDelay = 50 * time.Millisecond
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if o.Client != nil {
		client = *o.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	g.options, g.client = o, &client
	g.last = make(map[string]*delivery)
	g.ctx, g.cancel = context.WithCancel(context.Background())
	return g.listen("127.0.0.1:0")
}

// listener is the HTTP server while the port is open.
type listener struct {
	http  *http.Server
	done  chan struct{} // Serve has returned
	conns sync.WaitGroup
}

func (g *gateway) listen(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("gateway: it can't listen: %w", err)
	}
	s := &listener{done: make(chan struct{})}
	s.http = &http.Server{
		Handler: http.HandlerFunc(g.serve),
		// Not ReadTimeout: it would end a long Delay of [Faults].
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				s.conns.Add(1)
			case http.StateClosed, http.StateHijacked:
				s.conns.Done()
			}
		},
	}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(l)
	}()
	g.server, g.base = s, "http://"+l.Addr().String()
	return nil
}

// stop closes the server, and returns when no connection is left.
func (s *listener) stop() {
	_ = s.http.Close()
	<-s.done // no connection is added from here on
	s.conns.Wait()
}

// Close stops the server and ends running deliveries. When it returns, no
// goroutine of the gateway is left. A handler of the gateway's callbacks must not
// call Close. A second call does nothing.
func (g *gateway) Close() {
	g.life.Lock()
	defer g.life.Unlock()
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.cancel()
	if g.server != nil {
		g.server.stop()
		g.server = nil
	}
	_ = g.Wait(context.Background())
	if g.options.Client == nil {
		g.client.CloseIdleConnections()
	}
}

// SetFaults replaces the gateway's faults. The error is [ErrClosed], or names the
// invalid fault, or says that another program took the port while Refuse had
// closed it.
func (g *gateway) SetFaults(f Faults) error {
	if f.Status != 0 && (f.Status < 400 || f.Status > 599) {
		return fmt.Errorf("gateway: Status: %d is no status of a failure; choose 400 to 599", f.Status)
	}
	g.life.Lock()
	defer g.life.Unlock()
	g.mu.Lock()
	closed := g.closed
	if !closed {
		g.faults = f
	}
	g.mu.Unlock()
	switch {
	case closed:
		return ErrClosed
	case f.Refuse && g.server != nil:
		g.server.stop()
		g.server = nil
	case !f.Refuse && g.server == nil:
		return g.listen(strings.TrimPrefix(g.base, "http://"))
	}
	return nil
}

// Requests returns the requests so far, the oldest first. The gateway keeps the
// last 1,000.
func (g *gateway) Requests() []Request {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]Request(nil), g.requests...)
}

func (g *gateway) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	g.mu.Lock()
	f := g.faults
	var a answer
	switch {
	case err != nil:
		a = htmlAnswer(http.StatusRequestEntityTooLarge, "the body is too large or breaks off")
	case f.Status != 0:
		a = htmlAnswer(f.Status, "fault: Status")
	case f.Refusal != "":
		a = g.refuse(f.Refusal)
	default:
		a = g.handle(r, body)
	}
	if len(g.requests) == maxRequests {
		g.requests = g.requests[1:]
	}
	g.requests = append(g.requests, Request{
		Method: r.Method, Path: r.URL.Path, Header: r.Header.Clone(), Body: body, Status: a.status, Refusal: a.refusal,
	})
	g.mu.Unlock()

	if f.Delay > 0 && !sleep(r.Context(), g.ctx, f.Delay) || f.Cut {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", a.contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	if a.allow != "" {
		w.Header().Set("Allow", a.allow)
	}
	w.WriteHeader(a.status)
	if f.Truncate {
		// Fewer bytes than announced: net/http closes the connection.
		a.body = a.body[:len(a.body)/2]
	}
	_, _ = w.Write(a.body)
}

// sleep reports whether the time has passed before a context ended.
func sleep(a, b context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-a.Done():
	case <-b.Done():
	}
	return false
}

func jsonAnswer(status int, refusal string, members ...member) answer {
	return answer{status: status, contentType: "application/json", body: object(members...), refusal: refusal}
}

// htmlAnswer returns an answer of a web server rather than of the provider's API.
func htmlAnswer(status int, refusal string) answer {
	title := strconv.Itoa(status) + " " + http.StatusText(status)
	return answer{
		status: status, contentType: "text/html; charset=utf-8", refusal: refusal,
		body: []byte("<html><head><title>" + title + "</title></head><body><h1>" + title + "</h1></body></html>\n"),
	}
}

func wrongMethod(allow string) answer {
	a := htmlAnswer(http.StatusMethodNotAllowed, "the method is not "+allow)
	a.allow = allow
	return a
}

// customerPage stands for the page on which a customer pays.
func customerPage() answer {
	return answer{
		status: http.StatusOK, contentType: "text/html; charset=utf-8",
		body: []byte("<html><body>The page of a fake gateway. The test moves the payment.</body></html>\n"),
	}
}

// unknownPath answers a path that the provider does not document.
func unknownPath() answer {
	return answer{status: http.StatusNotFound, contentType: "text/plain; charset=utf-8", body: []byte("not documented\n"), refusal: "not documented"}
}

// Wait waits until no delivery is running: each is acknowledged, or has no retry
// left. It also waits for deliveries that begin meanwhile. The error is the
// context's.
func (g *gateway) Wait(ctx context.Context) error {
	for {
		g.mu.Lock()
		running, idle := g.running, g.idle
		g.mu.Unlock()
		if running == 0 {
			return nil
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Deliveries returns the callbacks of the payment or withdrawal with this order_id,
// the oldest first, with the attempts so far.
func (g *gateway) Deliveries(id string) []Delivery {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []Delivery
	for _, d := range g.deliveries {
		if d.ID == id {
			out = append(out, d.copy())
		}
	}
	return out
}

// copy is called with mu held.
func (d *delivery) copy() Delivery {
	c := d.Delivery
	c.Header = c.Header.Clone()
	c.Body = append([]byte(nil), c.Body...)
	c.Attempts = append([]Attempt(nil), c.Attempts...)
	return c
}

// Redeliver sends the same bytes again, with retries. It returns when the callback
// is acknowledged or has no retry left. It does not wait for other deliveries of
// the payment. The error is the context's, or [ErrClosed].
func (g *gateway) Redeliver(ctx context.Context, d Delivery) (Delivery, error) {
	return g.deliver(ctx, message{id: d.ID, says: d.Says, url: d.URL, header: d.Header, body: d.Body})
}

func (g *gateway) deliver(ctx context.Context, m message) (Delivery, error) {
	g.mu.Lock()
	d, err := g.begin(m)
	g.mu.Unlock()
	if err != nil {
		return Delivery{}, err
	}
	return g.run(ctx, d)
}

// begin registers a delivery. The caller must then call run, itself or in a
// goroutine. begin is called with mu held.
func (g *gateway) begin(m message) (*delivery, error) {
	if g.closed {
		return nil, ErrClosed
	}
	d := &delivery{done: make(chan struct{}), Delivery: Delivery{
		ID: m.id, Says: m.says, URL: m.url, Header: m.header.Clone(), Body: append([]byte(nil), m.body...),
	}}
	g.deliveries = append(g.deliveries, d)
	if g.running == 0 {
		g.idle = make(chan struct{})
	}
	g.running++
	return d, nil
}

// announce sends a callback in the background, after earlier ones of the same
// payment. It is called with mu held.
func (g *gateway) announce(m message) error {
	d, err := g.begin(m)
	if err != nil {
		return err
	}
	before := g.last[m.id]
	g.last[m.id] = d
	go func() {
		if before != nil {
			<-before.done // Close ends the earlier delivery at the latest
		}
		_, _ = g.run(g.ctx, d)
	}()
	return nil
}

// run makes the attempts of a delivery.
func (g *gateway) run(ctx context.Context, d *delivery) (Delivery, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(g.ctx, cancel)()

	delay := g.options.RetryDelay
	for n := 0; ctx.Err() == nil; n++ {
		a := g.attempt(ctx, d)
		g.mu.Lock()
		d.Attempts = append(d.Attempts, a)
		d.Acknowledged = a.Acknowledged
		g.mu.Unlock()
		if a.Acknowledged || n >= g.options.Retries {
			break
		}
		sleep(ctx, g.ctx, delay)
		delay = min(2*delay, max(delay, time.Minute))
	}

	g.mu.Lock()
	defer g.mu.Unlock()
	d.Done = true
	close(d.done)
	if g.running--; g.running == 0 {
		close(g.idle)
	}
	switch {
	case d.Acknowledged:
		return d.copy(), nil
	case g.closed:
		return d.copy(), ErrClosed
	}
	return d.copy(), ctx.Err()
}

func (g *gateway) attempt(ctx context.Context, d *delivery) (a Attempt) {
	a.At = g.options.Now()
	ctx, cancel := context.WithTimeout(ctx, g.options.AnswerTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, strings.NewReader(string(d.Body)))
	if err != nil {
		a.Err = err
		return a
	}
	r.Header = d.Header.Clone()
	resp, err := g.client.Do(r)
	if err != nil {
		a.Err = err
		return a
	}
	defer func() { _ = resp.Body.Close() }()
	a.Status, a.Header = resp.StatusCode, resp.Header
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	a.Body, a.Err = string(body), err
	a.Acknowledged = err == nil && g.acknowledged(a.Status, body)
	return a
}

// nextID returns the next id. The ids are the same in every run of a program.
func (g *gateway) nextID(prefix string) string {
	g.serial++
	return fmt.Sprintf("%s%08d", prefix, g.serial)
}

// secretOr returns the given secret, or a fresh throwaway one.
func secretOr(given payack.Secret) payack.Secret {
	if !given.IsZero() {
		return given
	}
	return payack.NewSecret(freshHex())
}

func freshHex() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the program instead
	return hex.EncodeToString(b[:])
}

func orText(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// member is a member of a JSON object; raw is its value's text.
type member struct{ name, raw string }

func textMember(name, text string) member {
	quoted, _ := json.Marshal(text) // a string never fails
	return member{name, string(quoted)}
}

func object(members ...member) []byte {
	b := []byte{'{'}
	for i, m := range members {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, textMember("", m.name).raw...)
		b = append(b, ':')
		b = append(b, m.raw...)
	}
	return append(b, '}')
}

// encodeForm returns an urlencoded form with its pairs in this order.
func encodeForm(pairs ...[2]string) []byte {
	var b []byte
	for i, p := range pairs {
		if i > 0 {
			b = append(b, '&')
		}
		b = append(b, url.QueryEscape(p[0])+"="+url.QueryEscape(p[1])...)
	}
	return b
}

// fields are the members of a request.
type fields []strict.Field

// readJSON reads one strict JSON object. It refuses U+0000 in a known member, and a
// name that differs from a known one in case only.
func readJSON(body []byte, known []string) (fields, string) {
	fields, err := strict.JSON(nil, string(body))
	if err != nil {
		return nil, err.Error()
	}
	if err := strict.Know(fields, known); err != nil {
		return nil, err.Error()
	}
	return fields, ""
}

// text returns a string's content or a number's literal, and "" for other values.
func (f fields) text(name string) string {
	if m := strict.Find(f, name); m != nil && (m.Kind == strict.String || m.Kind == strict.Number) {
		return m.Text
	}
	return ""
}

// str returns a string's content, and "" for other values.
func (f fields) str(name string) string {
	if m := strict.Find(f, name); m != nil && m.Kind == strict.String {
		return m.Text
	}
	return ""
}

// missing names the first member that is absent, null or empty, or is neither a
// string nor a number.
func (f fields) missing(names ...string) string {
	for _, name := range names {
		if f.text(name) == "" {
			return name
		}
	}
	return ""
}

// mediaType returns the media type of a request. It returns "" if the Content-Type is
// invalid or names a charset other than UTF-8, or if there is a Content-Encoding.
func mediaType(r *http.Request) string {
	name, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || r.Header.Get("Content-Encoding") != "" {
		return ""
	}
	if charset, given := params["charset"]; given && !strings.EqualFold(charset, "utf-8") {
		return ""
	}
	return name
}

// isURL reports whether s is an absolute http or https URL.
func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// plainNumber is a decimal without sign and exponent, as merchants write it.
var plainNumber = regexp.MustCompile(`^(0|[1-9][0-9]{0,17})(\.[0-9]{1,12})?$`)

// parseDecimal reads a text that plainNumber matches.
func parseDecimal(s string) (decimal.Decimal, bool) {
	if !plainNumber.MatchString(s) {
		return decimal.Decimal{}, false
	}
	d, err := decimal.NewFromString(s)
	return d, err == nil
}

// Numbers says how a fake gateway writes an amount and which text of the amount
// it signs. Both are unconfirmed: no provider documents a rule.
type Numbers string

// The spellings.
const (
	// Literal sends a JSON number and signs its literal: 100.50.
	Literal Numbers = "literal"
	// PHP sends a JSON number and signs PHP's text of it: 100.5 for 100.50.
	PHP Numbers = "php"
	// Quoted sends a JSON string and signs its content.
	Quoted Numbers = "quoted"
)

func (n Numbers) orDefault(d Numbers) (Numbers, error) {
	switch n {
	case "":
		return d, nil
	case Literal, PHP, Quoted:
		return n, nil
	}
	return "", fmt.Errorf(`gateway: Numbers: unknown way %q; choose "literal", "php" or "quoted"`, string(n))
}

// member returns an amount as a member.
func (n Numbers) member(name, amount string) member {
	if n == Quoted || !payack.NewAmount(amount).Valid() { // a text that is not a number would break the JSON
		return textMember(name, amount)
	}
	return member{name, amount}
}

// signed returns the text that is signed for an amount.
func (n Numbers) signed(amount string) string {
	if n == PHP && payack.NewAmount(amount).Valid() {
		return phpNumber(amount)
	}
	return amount
}

// phpNumber returns the text that PHP makes of a decoded number. An integer keeps
// its text. Any other number has 14 significant digits and no trailing zeros, and
// an exponent if it is below 0.0001 or not below 1e14.
func phpNumber(literal string) string {
	if !strings.ContainsAny(literal, ".eE") {
		return literal
	}
	value, _ := strconv.ParseFloat(literal, 64) // a JSON number with an exponent within ±40
	text := strconv.FormatFloat(value, 'E', 13, 64)
	mantissa, exponent, _ := strings.Cut(text, "E")
	exp, _ := strconv.Atoi(exponent)
	if exp >= -4 && exp < 14 {
		text = strconv.FormatFloat(value, 'f', max(13-exp, 0), 64)
		if strings.Contains(text, ".") {
			text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
		}
		return text
	}
	mantissa = strings.TrimRight(mantissa, "0")
	if strings.HasSuffix(mantissa, ".") {
		mantissa += "0"
	}
	return fmt.Sprintf("%sE%+d", mantissa, exp)
}
