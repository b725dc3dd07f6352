// Package shoptest has what the tests of the example shops have in common: it runs
// a whole shop and sends it callbacks as the providers sign them.
package shoptest

import (
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
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
	// Run serves on a listener until ctx ends, with a SQLite file.
	Run func(ctx context.Context, listener net.Listener, file string) error
	// Pays has a callback of each receiver, which pays order ORD-1 (100.50) or
	// ORD-2 (500).
	Pays []Payment
}

// Payment is a callback that pays an order.
type Payment struct {
	Path, Order string
	Callback    payacktest.Callback
}

// Test runs the shop: it is healthy, takes what is genuine and nothing else, ends
// when it is told to, and knows after the next start what was paid.
func Test(t *testing.T, s Shop) {
	file := filepath.Join(t.TempDir(), "shop.db")
	url, stop := start(t, s, file)
	assert.Equal(t, http.StatusOK, get(t, url+"/healthz"))
	for _, p := range s.Pays {
		forged := p
		forged.Callback = p.Callback.Tampered(t, payacktest.FlipSignature)
		payacktest.Rejected(t, p.Callback.Provider, post(t, url, forged))
		assert.False(t, paid(t, file, p.Order), p.Path)
		for range 2 {
			payacktest.Accepted(t, p.Callback.Provider, post(t, url, p))
		}
		require.Eventually(t, func() bool { return paid(t, file, p.Order) }, time.Minute, 10*time.Millisecond, p.Path)
	}
	stop()
	_, err := http.Get(url + "/healthz")
	assert.Error(t, err, "it serves on")

	url, stop = start(t, s, file)
	for _, p := range s.Pays {
		payacktest.Accepted(t, p.Callback.Provider, post(t, url, p))
		assert.True(t, paid(t, file, p.Order), p.Path)
	}
	stop()
}

// start runs the shop on a free port of loopback. stop ends it as a signal does.
func start(t *testing.T, s Shop, file string) (url string, stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, listener, file) }()
	return "http://" + listener.Addr().String(), func() {
		cancel()
		assert.NoError(t, <-ended)
	}
}

func post(t testing.TB, url string, p Payment) *http.Response {
	t.Helper()
	// A connection each, so that none is open when the shop ends.
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

// paid looks into the shop's file.
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

// Orders returns the two open orders, in a file of their own, for tests of a
// handler alone.
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

// PTS pays order ORD-1 at a path.
func PTS(t testing.TB, path string) Payment {
	cb := payacktest.PTS(PTSKeys).Order("ORD-1").Amount("100.50").Envelope().Callback(t)
	return Payment{Path: path, Order: "ORD-1", Callback: cb}
}

// Payatom pays order ORD-2 at a path.
func Payatom(t testing.TB, path string) Payment {
	cb := payacktest.Payatom(PayatomKeys).Order("ORD-2").Amount("500").Callback(t)
	return Payment{Path: path, Order: "ORD-2", Callback: cb}
}

// Ptop says that order ORD-2 was paid at a path; how much, its query says.
func Ptop(t testing.TB, path string) Payment {
	cb := payacktest.Ptop(PtopKeys).Order("ORD-2").Callback(t)
	return Payment{Path: path, Order: "ORD-2", Callback: cb}
}
