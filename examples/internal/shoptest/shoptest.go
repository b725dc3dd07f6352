// Package shoptest has what the tests of the example shops have in common: it runs
// a whole shop and sends it callbacks as the providers sign them.
package shoptest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/examples/internal/orders"
	"github.com/payack/payack/inbox/sqlite"
	"github.com/payack/payack/payacktest"
)

// Shop is a program under test.
type Shop struct {
	// Run serves callbacks on one listener and the inspector on the other, until ctx
	// ends. The parameter file is the path of the shop's SQLite database.
	Run func(ctx context.Context, callbacks, admin net.Listener, file string) error
	// Pays has a callback for each receiver. The callback pays order ORD-1 (100.50)
	// or order ORD-2 (500).
	Pays []Payment
}

// Payment is a callback that pays an order.
type Payment struct {
	Path, Order string
	Callback    payacktest.Callback
}

// Test runs the shop. The shop must be healthy, accept genuine callbacks and reject
// forged ones, and list both in its inspector. It must shut down when ctx ends, and
// after the next start the orders must still be paid.
func Test(t *testing.T, s Shop) {
	file := filepath.Join(t.TempDir(), "shop.db")
	logged := captureLog(t)
	shop := start(t, s, file)
	assert.Equal(t, http.StatusOK, get(t, shop.url+"/healthz"))
	for _, p := range s.Pays {
		forged := p
		forged.Callback = p.Callback.Tampered(t, payacktest.FlipSignature)
		payacktest.Rejected(t, p.Callback.Provider, post(t, shop.url, forged))
		assert.False(t, paid(t, file, p.Order), p.Path)
		for range 2 {
			payacktest.Accepted(t, p.Callback.Provider, post(t, shop.url, p))
		}
		require.Eventually(t, func() bool { return paid(t, file, p.Order) }, time.Minute, 10*time.Millisecond, p.Path)
	}
	page := openInspector(t, logged, shop.admin)
	page.lists(t, s.Pays)
	page.stays(t) // the open page must not delay the shutdown
	shop.endsWith(t, s.Pays[0])

	shop = start(t, s, file)
	for _, p := range s.Pays {
		payacktest.Accepted(t, p.Callback.Provider, post(t, shop.url, p))
		assert.True(t, paid(t, file, p.Order), p.Path)
	}
	shop.end()
	assert.NoError(t, <-shop.ended)
}

// running is a running shop. Its function end shuts it down, as a signal would.
type running struct {
	url   string
	admin string // the inspector's
	end   context.CancelFunc
	ended chan error
}

// start runs the shop on free ports of loopback.
func start(t *testing.T, s Shop, file string) *running {
	t.Helper()
	callbacks, admin := Listen(t), Listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{
		url: "http://" + callbacks.Addr().String(), admin: "http://" + admin.Addr().String(),
		end: cancel, ended: make(chan error, 1),
	}
	go func() { r.ended <- s.Run(ctx, callbacks, admin, file) }()
	return r
}

// Listen listens on a free port of the loopback interface.
func Listen(t testing.TB) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

// endsWith ends the shop while a callback is being sent. The callback must still be
// answered.
func (r *running) endsWith(t *testing.T, p Payment) {
	t.Helper()
	address := strings.TrimPrefix(r.url, "http://")
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: shop\r\nContent-Type: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		p.Path, p.Callback.Header.Get("Content-Type"), len(p.Callback.Body))
	require.NoError(t, err)
	answers := bufio.NewReader(conn)
	res, err := http.ReadResponse(answers, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusContinue, res.StatusCode) // the server has read the head

	r.end()
	require.Eventually(t, func() bool {
		probe, err := net.Dial("tcp", address)
		if err == nil {
			probe.Close()
		}
		return err != nil
	}, 30*time.Second, time.Millisecond, "it takes connections when it was told to end")
	_, err = conn.Write(p.Callback.Body)
	require.NoError(t, err)
	res, err = http.ReadResponse(answers, nil)
	require.NoError(t, err, "the callback was not answered")
	payacktest.Accepted(t, p.Callback.Provider, res)
	conn.Close()
	assert.NoError(t, <-r.ended)
}

func post(t testing.TB, url string, p Payment) *http.Response {
	t.Helper()
	// Each request has its own connection, so that none is open when the shop ends.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	res, err := p.Callback.Post(t.Context(), client, url+p.Path)
	require.NoError(t, err)
	return res
}

func get(t testing.TB, url string) (status int) {
	t.Helper()
	res, err := http.Get(url)
	require.NoError(t, err)
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	return res.StatusCode
}

// paid reports whether an order is paid in the shop's file.
func paid(t testing.TB, file, order string) bool {
	t.Helper()
	db, err := sqlite.OpenFile(file)
	require.NoError(t, err)
	defer db.Close()
	shop, err := orders.Open(t.Context(), db)
	require.NoError(t, err)
	is, err := shop.Paid(t.Context(), order)
	require.NoError(t, err)
	return is
}

// Orders returns the two open orders in a new file. It is for tests that call one
// handler and run no shop.
func Orders(t testing.TB) *orders.Orders {
	t.Helper()
	db, err := sqlite.OpenFile(filepath.Join(t.TempDir(), "shop.db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	shop, err := orders.Open(t.Context(), db)
	require.NoError(t, err)
	return shop
}

// Paid reports whether an order was settled.
func Paid(t testing.TB, shop *orders.Orders, order string) bool {
	t.Helper()
	is, err := shop.Paid(t.Context(), order)
	require.NoError(t, err)
	return is
}

// The keys of the tests; no account has them.
var (
	PTSKeys     = payacktest.NewPTSKeys()
	PtopKeys    = payacktest.NewPtopKeys()
	PayatomKeys = payacktest.NewPayatomKeys()
)

// PTS returns a callback of PTS that pays order ORD-1. The receiver is at path.
func PTS(t testing.TB, path string) Payment {
	cb := payacktest.PTS(PTSKeys).Order("ORD-1").Amount("100.50").Envelope().Callback(t)
	return Payment{Path: path, Order: "ORD-1", Callback: cb}
}

// Payatom returns a callback of Payatom that pays order ORD-2. The receiver is at path.
func Payatom(t testing.TB, path string) Payment {
	cb := payacktest.Payatom(PayatomKeys).Order("ORD-2").Amount("500").Callback(t)
	return Payment{Path: path, Order: "ORD-2", Callback: cb}
}

// Ptop returns a callback of Ptop which says that order ORD-2 was paid. The receiver is
// at path. The callback carries no amount; the shop must ask Ptop for it.
func Ptop(t testing.TB, path string) Payment {
	cb := payacktest.Ptop(PtopKeys).Order("ORD-2").Callback(t)
	return Payment{Path: path, Order: "ORD-2", Callback: cb}
}
