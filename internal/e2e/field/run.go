package field

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/internal/e2e"
	"github.com/payack/payack/internal/vectors"
)

// Run sets up a receiver as a case says, delivers, and compares what became of
// each delivery with what the case expects.
func Run(t testing.TB, c *Case) {
	t.Helper()
	key, err := c.Key()
	require.NoError(t, err)
	m := &merchant{t: t, c: c, key: key, world: c.Config.World}
	w := &e2e.Watch{}
	h, err := m.receiver(w)
	if c.Error != "" {
		require.ErrorContains(t, err, c.Error)
		return
	}
	require.NoError(t, err)
	server := e2e.NewServer(t)
	for i := range c.Deliveries {
		d := &c.Deliveries[i]
		message, mark, err := c.Message(d, key)
		require.NoError(t, err)
		m.change(d.World)
		told := len(w.Lines(t))
		got := server.Send(t, h, message)
		require.Equal(t, i+1, w.Count())
		at := fmt.Sprintf("%s, delivery %d", c.Name, i+1)
		m.compare(at, d, mark, w, got, w.Lines(t)[told:])
	}
}

// merchant is the side of the receiver that a case describes.
type merchant struct {
	t   testing.TB
	c   *Case
	key vectors.Key

	mu      sync.Mutex // Confirm runs in a goroutine of its own
	world   World
	calls   []payack.Event
	asked   []map[string]string
	gateway *httptest.Server
}

// change takes over what a delivery changes of the merchant's side, and forgets
// what was counted.
func (m *merchant) change(w World) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls, m.asked = nil, nil
	if w.Orders != nil {
		require.NotNil(m.t, m.c.Config.Orders, "orders are given, and the receiver has no Expect: give it some")
		m.world.Orders = w.Orders
	}
	if w.Confirm != nil {
		require.NotNil(m.t, m.c.Config.Confirm, "confirm is given, and the receiver has no Confirm: give it some")
		m.world.Confirm = w.Confirm
	}
	if w.Callback != nil {
		m.world.Callback = w.Callback
	}
}

func (m *merchant) now() World {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.world
}

var errFails = errors.New("the merchant's own error")

func (m *merchant) callback(_ context.Context, ev payack.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, ev)
	if m.world.Callback == nil {
		return nil
	}
	switch *m.world.Callback {
	case "":
		return nil
	case "unexpected":
		return fmt.Errorf("not ours: %w", payack.ErrUnexpected)
	case "fails":
		return errFails
	case "panics":
		panic("a slip")
	}
	m.t.Errorf("there is no callback %q", *m.world.Callback)
	return errFails
}

func (m *merchant) expect(_ context.Context, ev *payack.PayatomEvent) (payack.Expectation, error) {
	order, found := m.now().Orders[ev.OrderID]
	return payack.Expectation{Found: found, Amount: payack.NewAmount(order.Amount), RefCode: order.RefCode}, nil
}

// confirms returns a Confirm hook, nil where the case has none.
func confirms[E payack.Event](m *merchant, ask func(context.Context, E) (*payack.Confirmation, error)) func(context.Context, E) (*payack.Confirmation, error) {
	if m.c.Config.Confirm == nil {
		return nil
	}
	return func(ctx context.Context, ev E) (*payack.Confirmation, error) {
		switch c := m.now().Confirm; {
		case c.Gateway != nil:
			return ask(ctx, ev)
		case c.Error == "unconfirmed":
			return nil, payack.ErrUnconfirmed
		case c.Error != "":
			return nil, errors.New(c.Error)
		default:
			said := *c.Says
			return &said, nil
		}
	}
}

// receiver returns the handler that a case asks for.
func (m *merchant) receiver(w *e2e.Watch) (http.Handler, error) {
	o := w.Options()
	c := &m.c.Config
	base := ""
	if c.Confirm != nil {
		m.gateway = httptest.NewServer(http.HandlerFunc(m.answer))
		m.t.Cleanup(m.gateway.Close)
		base = m.gateway.URL
	}
	once := client.Options{Retries: -1}
	switch m.c.Provider {
	case payack.Ptop:
		cfg := handlers.PtopConfig{
			SigningKeys: payack.Secrets(m.key.TheSignature), Body: c.Body, Schemes: c.Schemes, SignatureHeaders: c.SignatureHeaders,
			Sniff: c.Sniff, ConfirmInCallback: c.Confirm == nil, Options: o,
		}
		if base != "" {
			asks, err := client.NewPtop(client.PtopConfig{
				BaseURL: base, WebsiteID: m.key.WebsiteID, SecretKey: payack.NewSecret(m.key.SecretKey), Options: once,
			})
			require.NoError(m.t, err)
			cfg.Confirm = confirms(m, asks.Confirm)
		}
		return orNil(handlers.NewPtop(cfg, func(ctx context.Context, ev *payack.PtopEvent) error { return m.callback(ctx, ev) }))
	case payack.PTS:
		cfg := handlers.PTSConfig{
			UserID: c.UserID, Safecode: payack.NewSecret(m.key.Safecode), PublicKeys: []string{m.key.PublicPEM},
			Numbers: c.Numbers, Sniff: c.Sniff, TransactionSignature: c.TransactionSignature, Options: o,
		}
		if c.TransactionSignature != "" {
			cfg.TransactionSecret = payack.NewSecret(m.key.TransactionSecret)
		}
		if base != "" {
			asks, err := client.NewPTS(client.PTSConfig{
				BaseURL: base, GUID: "guid", UserID: "277", Safecode: payack.NewSecret(m.key.Safecode), PublicKeys: []string{m.key.PublicPEM},
				PrivateKey: payack.NewSecret(m.key.PrivatePEM), TransactionSecret: payack.NewSecret(m.key.TransactionSecret), Options: once,
			})
			require.NoError(m.t, err)
			cfg.Confirm = confirms(m, asks.Confirm)
		}
		return orNil(handlers.NewPTS(cfg, func(ctx context.Context, ev *payack.PTSEvent) error { return m.callback(ctx, ev) }))
	}
	cfg := handlers.PayatomConfig{
		SecretKeys: payack.Secrets(m.key.SecretKey), Body: c.Body, Numbers: c.Numbers, Sniff: c.Sniff,
		OlderSpelling: c.OlderSpelling, ExpectInCallback: c.Confirm == nil && c.Orders == nil, Options: o,
	}
	if c.Orders != nil {
		cfg.Expect = m.expect
	}
	if c.AnyAmount {
		cfg.Match = payack.AnyAmount
	}
	if base != "" {
		asks, err := client.NewPayatom(client.PayatomConfig{BaseURL: base, PID: "316ec4afb35", SecretKeys: payack.Secrets(m.key.SecretKey), Options: once})
		require.NoError(m.t, err)
		cfg.Confirm = confirms(m, asks.Confirm)
	}
	return orNil(handlers.NewPayatom(cfg, func(ctx context.Context, ev *payack.PayatomEvent) error { return m.callback(ctx, ev) }))
}

// orNil keeps a nil handler nil as an interface.
func orNil(h *handlers.Handler, err error) (http.Handler, error) {
	if err != nil {
		return nil, err
	}
	return h, nil
}

// answer is the provider's, when it is asked.
func (m *merchant) answer(w http.ResponseWriter, r *http.Request) {
	question, err := m.question(r)
	var body string
	if err == nil {
		body, err = m.says()
	}
	if err != nil {
		m.t.Errorf("the gateway: %v", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	m.mu.Lock()
	m.asked = append(m.asked, question)
	m.mu.Unlock()
	w.Header().Set("Content-Type", typeJSON)
	_, _ = io.WriteString(w, body)
}

// question returns the members of a request.
func (m *merchant) question(r *http.Request) (map[string]string, error) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if m.c.Provider == payack.PTS {
		signer, err := ptsSigner(m.key)
		if err != nil {
			return nil, err
		}
		if b, err = signer.Open(b); err != nil {
			return nil, err
		}
	}
	var members Members
	if err := json.Unmarshal(b, &members); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, x := range members {
		out[x.Name] = textOf(x.Literal)
	}
	return out, nil
}

// says is the answer of a query, genuine but for what the case sets.
func (m *merchant) says() (string, error) {
	g := m.now().Confirm.Gateway
	if g == nil {
		return "", errors.New("nobody is to be asked")
	}
	if g.Body != "" {
		return g.Body, nil
	}
	if m.c.Provider == payack.Ptop {
		members, err := Members{{"status", "1"}, {"amount", "100.00"}}.with(g.Set, g.Drop)
		return members.write(false), err
	}
	base, how := genuine[payack.PTS], "pts"
	if m.c.Provider == payack.Payatom {
		base, how = Members{
			{"order_id", `"ORD1"`}, {"upi_id", `"user@bank"`}, {"amount", `"500"`}, {"webhook_acknowledged", `"no"`},
			{"status", `"Approved"`}, {"refund_info", `[]`},
		}, "payatom"
	}
	members, err := base.with(g.Set, g.Drop)
	if err != nil {
		return "", err
	}
	signature, err := sign(m.c.Provider, m.key, &Delivery{Sign: how}, members)
	if err != nil {
		return "", err
	}
	if m.c.Provider == payack.PTS {
		return `{"code":"1000","message":"ok","data":` + append(members, Member{"sign", quote(signature)}).write(false) + `}`, nil
	}
	return append(members, Member{"post_hash", quote(signature)}).write(false), nil
}

// compare holds what became of a delivery to what is expected of it.
func (m *merchant) compare(at string, d *Delivery, mark int, w *e2e.Watch, got e2e.Answer, lines []map[string]any) {
	t := m.t
	o := w.Last(t)
	failed := fmt.Sprintf("%s: %v", at, o.Err)
	assert.Equal(t, d.Outcome, o.Outcome, failed)
	assert.Equal(t, d.Reason, o.Reason, failed)
	assert.Equal(t, d.Answer, e2e.Words(got), at)
	if !m.c.Config.OlderSpelling {
		e2e.AssertContract(t, m.c.Provider, o.Outcome, o.Reason, got)
	}
	if d.Detail != "" {
		assert.ErrorContains(t, o.Err, strings.ReplaceAll(d.Detail, "{mark}", strconv.Itoa(mark)), at)
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	called := 0
	if d.Called != nil {
		called = *d.Called
	} else if d.Outcome == payack.OutcomeAccepted {
		called = 1
	}
	if assert.Len(t, m.calls, called, at) && called == 1 {
		assert.Same(t, o.Delivery.Event, m.calls[0], at)
	}
	if d.Asked == nil && (m.world.Confirm == nil || m.world.Confirm.Gateway == nil) {
		assert.Empty(t, m.asked, at)
	}
	if d.Asked != nil && assert.Len(t, m.asked, 1, at) {
		for name, text := range d.Asked {
			assert.Equal(t, text, m.asked[0][name], "%s: %s of the question", at, name)
		}
	}

	if d.Event != nil && assert.NotNil(t, o.Delivery.Event, failed) {
		assert.Equal(t, o.Delivery.Event.ID(), o.EventID, at)
		d.Event.compare(t, at, o.Delivery.Event)
	} else if d.Event == nil && o.Outcome != payack.OutcomeAccepted && o.Outcome != payack.OutcomeDuplicate && o.Outcome != payack.OutcomeFailed {
		assert.Nil(t, o.Delivery.Event, at)
		assert.Empty(t, o.EventID, at)
	}
	m.compareLog(at, d, lines)
}

// compareLog wants the line of the delivery, and no warning that isn't expected.
func (m *merchant) compareLog(at string, d *Delivery, lines []map[string]any) {
	deliveries, warned := 0, false
	for _, line := range lines {
		text := fmt.Sprint(line["msg"])
		switch {
		case strings.HasPrefix(text, "payack: callback "):
			deliveries++
		case line["level"] == "INFO":
		case d.Warns != "" && line["level"] == "WARN" && strings.Contains(text, d.Warns):
			warned = true
		default:
			m.t.Errorf("%s: unexpected in the log: %v", at, line)
		}
	}
	assert.Equal(m.t, 1, deliveries, "%s: one line for each delivery", at)
	assert.Equal(m.t, d.Warns != "", warned, "%s: the warning in %v", at, lines)
}

// compare compares what is named.
func (e *Event) compare(t testing.TB, at string, ev payack.Event) {
	if e.ID != "" {
		assert.Equal(t, e.ID, ev.ID(), at)
	}
	if e.Scheme != "" {
		assert.Equal(t, e.Scheme, ev.VerifiedBy().Scheme, at)
	}
	if e.Paid != nil {
		assert.Equal(t, *e.Paid, ev.Paid(), "%s: paid", at)
	}
	if e.Final != nil {
		assert.Equal(t, *e.Final, ev.Final(), "%s: final", at)
	}
	b, err := json.Marshal(ev)
	require.NoError(t, err)
	form := object(t, b)
	unsigned := object(t, form["unsigned"])
	extra := object(t, form["extra"])
	maps.Copy(extra, object(t, unsigned["extra"]))
	compareMembers(t, at+", signed", e.Members, form)
	compareMembers(t, at+", unsigned", e.Unsigned, unsigned)
	compareMembers(t, at+", extra", e.Extra, extra)
	for name, literal := range e.Literals {
		amount, found := e2e.SignedAmounts(ev)[name]
		if assert.True(t, found, "%s: no amount %s", at, name) {
			assert.Equal(t, literal, amount.Literal(), "%s: %s as sent", at, name)
		}
	}
	if e.Refund != nil {
		compareRefund(t, at, e.Refund, ev)
	}
	found := ev.Found()
	if e.Expected != nil {
		assert.Equal(t, *e.Expected, Order{found.Expected.Amount.String(), found.Expected.RefCode}, at)
	}
	if e.Confirmed != nil && assert.NotNil(t, found.Confirmed, at) {
		assert.Equal(t, *e.Confirmed, *found.Confirmed, at)
	}
}

func object(t testing.TB, raw json.RawMessage) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	if raw != nil {
		require.NoError(t, json.Unmarshal(raw, &out))
	}
	return out
}

func compareMembers(t testing.TB, at string, want map[string]*string, got map[string]json.RawMessage) {
	for name, text := range want {
		raw, found := got[name]
		if !assert.True(t, found, "%s: %s is missing", at, name) {
			continue
		}
		var shown *string
		if json.Unmarshal(raw, &shown) != nil { // success
			literal := string(raw)
			shown = &literal
		}
		assert.Equal(t, text, shown, "%s: %s", at, name)
	}
}

func compareRefund(t testing.TB, at string, want map[string]string, ev payack.Event) {
	e, ok := ev.(*payack.PayatomEvent)
	require.True(t, ok, at)
	refund, ok := e.Unsigned.Refund()
	assert.Equal(t, len(want) > 0, ok, "%s: whether there is a refund", at)
	got := map[string]string{
		"refunded_upi": refund.RefundedUPI.String(), "refund_amount": refund.Amount.String(),
		"refund_initiated_time": refund.InitiatedTime.String(), "refund_completed_time": refund.CompletedTime.String(),
		"refund_status": refund.Status.String(), "refund_notes": refund.Notes.String(),
	}
	for name, text := range want {
		shown, known := got[name]
		assert.True(t, known, "%s: a refund has no %s", at, name)
		assert.Equal(t, text, shown, "%s: %s of the refund", at, name)
	}
}
