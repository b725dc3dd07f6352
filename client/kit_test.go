package client_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/internal/vectors"
)

// received is a request as a provider gets it.
type received struct {
	Method, Path, Type string
	Header             http.Header
	Body               string
}

// stub is a server that keeps its requests.
type stub struct {
	*httptest.Server
	mu  sync.Mutex
	got []received
}

// newStub starts a stub that sends answer(n) for the n-th request, counted from 0.
func newStub(t *testing.T, answer func(n int, r received) (status int, body string)) *stub {
	t.Helper()
	g := &stub{}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got := received{r.Method, r.URL.RequestURI(), r.Header.Get("Content-Type"), r.Header, string(body)}
		g.mu.Lock()
		n := len(g.got)
		g.got = append(g.got, got)
		g.mu.Unlock()
		status, text := answer(n, got)
		w.Header().Set("Content-Type", "text/html") // as PHP does unless told otherwise
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(g.Close)
	return g
}

// says starts a stub that gives every request the same answer.
func says(t *testing.T, status int, body string) *stub {
	return newStub(t, func(int, received) (int, string) { return status, body })
}

func (g *stub) requests() []received {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]received(nil), g.got...)
}

func (g *stub) only(t *testing.T) received {
	t.Helper()
	got := g.requests()
	require.Len(t, got, 1)
	return got[0]
}

// roundTrip is a transport without a network.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

const (
	ptopSecret  = "ptop-secret-0123456789"
	ptopSigning = "ptop-signing-0123456789"
	ptsSafecode = "8b998abba49ae33a194cb9677b13ecbe"
	ptsTxSecret = "f55c19747fde060a4af40dc6ed187ae3"
	payatomKey  = "payatom-secret-0123456789"
	payatomAPI  = "payatom-api-key-0123456789"
)

// clock is the time of PTS's requests.
var clock = time.Unix(1700000000, 0)

func once() client.Options {
	return client.Options{Retries: -1, Now: func() time.Time { return clock }}
}

func ptopConfig(base string) client.PtopConfig {
	return client.PtopConfig{
		BaseURL: base, WebsiteID: "website", SecretKey: payack.NewSecret(ptopSecret),
		SigningKey: payack.NewSecret(ptopSigning), Options: once(),
	}
}

// newClients returns a client of each provider.
func newClients(t testing.TB, ptopC client.PtopConfig, ptsC client.PTSConfig, payatomC client.PayatomConfig) (*client.Ptop, *client.PTS, *client.Payatom) {
	t.Helper()
	ptop, err := client.NewPtop(ptopC)
	require.NoError(t, err)
	pts, err := client.NewPTS(ptsC)
	require.NoError(t, err)
	payatom, err := client.NewPayatom(payatomC)
	require.NoError(t, err)
	return ptop, pts, payatom
}

func newPtop(t *testing.T, base string) *client.Ptop {
	t.Helper()
	c, err := client.NewPtop(ptopConfig(base))
	require.NoError(t, err)
	return c
}

// ptsKey returns two throwaway keys of the vectors: the merchant's and PTS's.
var ptsKey = sync.OnceValues(func() (merchant, provider vectors.Key) {
	f, err := vectors.Load("pts")
	if err != nil {
		panic(err)
	}
	var keys []vectors.Key
	for _, name := range sortedKeys(f.Keys) {
		if f.Keys[name].RSABits >= 1024 {
			keys = append(keys, f.Keys[name])
		}
	}
	return keys[0], keys[1]
})

func ptsConfig(base string) client.PTSConfig {
	merchant, provider := ptsKey()
	return client.PTSConfig{
		BaseURL: base, GUID: "guid-1", UserID: "1", Safecode: payack.NewSecret(ptsSafecode),
		PrivateKey: payack.NewSecret(merchant.PrivatePEM), PublicKeys: []string{provider.PublicPEM},
		TransactionSecret: payack.NewSecret(ptsTxSecret), Options: once(),
	}
}

func newPTS(t *testing.T, base string) *client.PTS {
	t.Helper()
	c, err := client.NewPTS(ptsConfig(base))
	require.NoError(t, err)
	return c
}

func payatomConfig(base string) client.PayatomConfig {
	return client.PayatomConfig{
		BaseURL: base, PID: "316ec4afb35", SecretKeys: payack.Secrets(payatomKey),
		ReconcileToken: payack.NewSecret("payatom-token-0123"), WalletAuthorization: payack.NewSecret("payatom-auth-0123"),
		APIKey: payack.NewSecret(payatomAPI), WalletDataPath: "/wallet/data.php", Options: once(),
	}
}

func newPayatom(t *testing.T, base string) *client.Payatom {
	t.Helper()
	c, err := client.NewPayatom(payatomConfig(base))
	require.NoError(t, err)
	return c
}

func isUnconfirmed(err error) bool { return errors.Is(err, payack.ErrUnconfirmed) }

func errorsIsUnreachable(err error) bool { return errors.Is(err, client.ErrUnreachable) }

func payatomOperator() client.PayatomOperator {
	return client.PayatomOperator{Email: "operator@shop.example", VerificationCode: payack.NewSecret("operator-code-0123")}
}

func payatomWalletDay() client.PayatomWalletDay {
	return client.PayatomWalletDay{AccountNumber: "1234567890", By: client.PayatomCreatedDate, Day: clock}
}
