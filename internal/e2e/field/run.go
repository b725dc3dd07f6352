package field

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/internal/e2e"
	"github.com/payack/payack/internal/vectors"
)

// Run configures a receiver for a case, sends the deliveries, and compares their
// results with the expected ones.
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

// merchant is the merchant's side of a case.
type merchant struct {
	t   testing.TB
	c   *Case
	key vectors.Key

	mu      sync.Mutex // Confirm runs in another goroutine
	world   World
	calls   []payack.Event
	asked   []map[string]string
	gateway *httptest.Server
}

// change applies a delivery's changes of the merchant's side, and resets the records
// of calls and queries.
func (m *merchant) change(w World) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls, m.asked = nil, nil
	if w.Orders != nil {
		require.NotNil(m.t, m.c.Config.Orders, "a delivery has orders, but the receiver has no Expect: give the case orders too")
		m.world.Orders = w.Orders
	}
	if w.Confirm != nil {
		require.NotNil(m.t, m.c.Config.Confirm, "a delivery has confirm, but the receiver has no Confirm: give the case one too")
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
		panic("a bug of the merchant's")
	}
	m.t.Errorf("there is no callback %q", *m.world.Callback)
	return errFails
}

func (m *merchant) expect(_ context.Context, ev *payack.PayatomEvent) (payack.Expectation, error) {
	order, found := m.now().Orders[ev.OrderID]
	return payack.Expectation{Found: found, Amount: payack.NewAmount(order.Amount), RefCode: order.RefCode}, nil
}

// confirms returns a Confirm hook, or nil if the case has none.
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

// receiver returns the handler of the case.
func (m *merchant) receiver(w *e2e.Watch) (http.Handler, error) {
	url := ""
	if m.c.Config.Confirm != nil {
		m.gateway = httptest.NewServer(http.HandlerFunc(m.answer))
		m.t.Cleanup(m.gateway.Close)
		url = m.gateway.URL
	}
	return registry[m.c.Provider].receiver(m, w.Options(), url)
}

// once are client options without retries.
var once = client.Options{Retries: -1}

// orNil returns a nil interface for an error, not one that holds a nil handler.
func orNil(h *handlers.Handler, err error) (http.Handler, error) {
	if err != nil {
		return nil, err
	}
	return h, nil
}

// answer is the handler of the fake gateway.
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

// question returns the members of a query.
func (m *merchant) question(r *http.Request) (map[string]string, error) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if open := registry[m.c.Provider].open; open != nil {
		if b, err = open(m.key, b); err != nil {
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

// says returns the fake gateway's answer: a genuine one with the changes of the case.
func (m *merchant) says() (string, error) {
	g := m.now().Confirm.Gateway
	if g == nil {
		return "", errors.New("the case has no gateway")
	}
	if g.Body != "" {
		return g.Body, nil
	}
	p := registry[m.c.Provider]
	members, err := p.query.with(g.Set, g.Drop)
	if err != nil {
		return "", err
	}
	if p.member != "" {
		signature, err := m.c.sign(&Delivery{Sign: string(m.c.Provider)}, m.key, members)
		if err != nil {
			return "", err
		}
		members = append(members, Member{p.member, quote(signature)})
	}
	if p.enclose != nil {
		return p.enclose(members.write(false)), nil
	}
	return members.write(false), nil
}
