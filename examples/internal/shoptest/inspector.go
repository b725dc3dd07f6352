package shoptest

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
)

// captureLog returns what slog.Default logs until the test has ended.
func captureLog(t *testing.T) *log {
	before, l := slog.Default(), new(log)
	slog.SetDefault(slog.New(slog.NewTextHandler(l, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return l
}

type log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// inspectorPage is a shop's inspector, with the token that the shop logged.
type inspectorPage struct{ url, token string }

var loggedAddress = regexp.MustCompile(`url="?(http://127\.0\.0\.1:\S+/\?token=[^\s"]+)`)

// openInspector returns the inspector at the address in the log. It checks that the
// inspector refuses requests without the token in that address.
func openInspector(t *testing.T, logged *log, server string) *inspectorPage {
	t.Helper()
	var found []string
	require.Eventually(t, func() bool { // the shop serves before it logs
		found = loggedAddress.FindStringSubmatch(logged.String())
		return found != nil
	}, time.Minute, time.Millisecond, "the inspector's address is not logged")
	address, err := url.Parse(found[1])
	require.NoError(t, err)
	require.Equal(t, server, address.Scheme+"://"+address.Host)
	for _, wrong := range []string{"", "wrong"} {
		stranger := &inspectorPage{url: server, token: wrong}
		assert.Equal(t, http.StatusUnauthorized, stranger.get(t, "/", nil))
		assert.Equal(t, http.StatusUnauthorized, stranger.get(t, "/deliveries/1", nil))
	}
	return &inspectorPage{url: server, token: address.Query().Get("token")}
}

// get requests a page as JSON and returns the status. It decodes the page unless into
// is nil.
func (p *inspectorPage) get(t *testing.T, path string, into any) (status int) {
	t.Helper()
	res := p.open(t, path)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	if into != nil {
		require.NoError(t, json.Unmarshal(body, into), string(body))
	}
	return res.StatusCode
}

func (p *inspectorPage) open(t *testing.T, path string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, p.url+path, nil)
	require.NoError(t, err)
	r.Header.Set("Accept", "application/json")
	if p.token != "" {
		r.Header.Set("Authorization", "Bearer "+p.token)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(r)
	require.NoError(t, err)
	return res
}

// lists fails the test unless each payment is listed as accepted. For each payment's
// provider, a forged callback must be listed as rejected, with the step that failed.
func (p *inspectorPage) lists(t *testing.T, pays []Payment) {
	t.Helper()
	for _, pay := range pays {
		provider := pay.Callback.Provider
		listed := func(order string, outcome payack.Outcome) (id string) {
			require.Eventually(t, func() bool { // a delivery is answered before it is listed
				id = p.delivery(t, provider, order, outcome)
				return id != ""
			}, time.Minute, 10*time.Millisecond, "%s: nothing %s is listed", provider, outcome)
			return id
		}
		listed(pay.Order, payack.OutcomeAccepted)
		id := listed("", payack.OutcomeRejected)
		var one struct {
			Diagnosis struct {
				Failed struct{ Name string }
				None   string
			}
		}
		assert.Equal(t, http.StatusOK, p.get(t, "/deliveries/"+id, &one))
		assert.Empty(t, one.Diagnosis.None)
		assert.NotEmpty(t, one.Diagnosis.Failed.Name, "it is not explained")
	}
}

// delivery returns the id of a delivery in the list, or "" if there is none. An empty
// order matches any.
func (p *inspectorPage) delivery(t *testing.T, provider payack.Provider, order string, outcome payack.Outcome) (id string) {
	t.Helper()
	var list struct {
		Deliveries []struct {
			ID, Order string
			Provider  payack.Provider
			Outcome   payack.Outcome
		}
	}
	require.Equal(t, http.StatusOK, p.get(t, "/", &list))
	for _, d := range list.Deliveries {
		if d.Provider == provider && d.Outcome == outcome && (order == "" || d.Order == order) {
			return d.ID
		}
	}
	return ""
}

// stays keeps a page open that waits for new deliveries.
func (p *inspectorPage) stays(t *testing.T) {
	t.Helper()
	res := p.open(t, "/live")
	require.Equal(t, http.StatusOK, res.StatusCode)
	t.Cleanup(func() { _ = res.Body.Close() })
}
