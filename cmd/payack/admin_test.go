package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/payacktest/gateway"
)

// page is the inspector's answer.
type page struct {
	*http.Response
	text string
}

// getPage sends a request, with cookie if it is not nil, and follows no
// redirects.
func getPage(t *testing.T, address string, cookie *http.Cookie) page {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	return sendPage(t, r, cookie)
}

func sendPage(t *testing.T, r *http.Request, cookie *http.Cookie) page {
	t.Helper()
	if cookie != nil {
		r.AddCookie(cookie)
	}
	c := http.Client{Timeout: testTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := c.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return page{res, string(b)}
}

// startAdmin starts a listener with an inspector, and returns the inspector's
// printed URL.
func startAdmin(t *testing.T, c object) (l *listener, admin *url.URL) {
	t.Helper()
	p := startProcess(t, "listen", "-config", configFile(t, c))
	var first struct{ Listening, Admin string }
	require.NoError(t, json.Unmarshal([]byte(p.readLine()), &first))
	admin, err := url.Parse(first.Admin)
	require.NoError(t, err)
	return &listener{process: p, url: first.Listening, kept: c["database"] != ""}, admin
}

// Beside the receivers, listen serves the inspector, the health check and the
// metrics. Only the inspector asks for a token.
func TestAdmin(t *testing.T) {
	t.Parallel()
	c := with(keptConfig(t), object{"admin": "127.0.0.1:0"})
	l, admin := startAdmin(t, c)
	base := "http://" + admin.Host
	require.Len(t, admin.Query().Get("token"), 26)

	require.Equal(t, http.StatusUnauthorized, getPage(t, base+"/", nil).StatusCode)
	signed := getPage(t, admin.String(), nil)
	require.Equal(t, http.StatusSeeOther, signed.StatusCode)
	require.Equal(t, http.StatusUnauthorized, getPage(t, admin.String(), nil).StatusCode, "it works once")
	cookie := signed.Cookies()[0]

	_, _ = l.do("POST", "/pts", built(t, testSender(t, c, "pts"), tamperNothing))
	l.both()
	_, _, line := l.post("/ptop", built(t, testSender(t, c, "ptop"), tamperBody))
	require.Equal(t, "ptop rejected signature", line.verdict())
	var list page
	require.Eventually(t, func() bool { // the line is written before the request has ended
		list = getPage(t, base+"/", cookie)
		return strings.Contains(list.text, `mark accepted`)
	}, testTimeout, 10*time.Millisecond)
	require.Contains(t, list.text, "<b>signature</b>")
	require.Contains(t, getPage(t, base+"/deliveries/m1", cookie).text, "It failed at: signature")

	health := getPage(t, base+"/healthz", nil)
	require.Equal(t, http.StatusOK, health.StatusCode)
	require.Equal(t, "ok\n", health.text)
	metrics := getPage(t, base+"/metrics", nil)
	require.Equal(t, http.StatusOK, metrics.StatusCode)
	require.Contains(t, metrics.text, `payack_delivery_duration_seconds_count{error_type="signature",payack_outcome="rejected",payack_provider="ptop",payack_source=""} 1`)
	require.Contains(t, metrics.text, "payack_inbox_pending 0")
	require.Contains(t, metrics.text, "go_goroutines")
	for _, text := range []string{list.text, metrics.text, l.stderr.String()} {
		require.NotContains(t, text, admin.Query().Get("token"))
	}

	// An open page doesn't delay the shutdown.
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/live", nil)
	require.NoError(t, err)
	r.AddCookie(cookie)
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	began := time.Now()
	l.end()
	require.Less(t, time.Since(began), shutdownTimeout)
}

// The health check answers 503 with one line if the database doesn't answer.
func TestAdminHealth(t *testing.T) {
	t.Parallel()
	_, admin := startAdmin(t, with(testConfig(), object{"admin": "127.0.0.1:0"}))
	require.Equal(t, "ok\n", getPage(t, "http://"+admin.Host+"/healthz", nil).text, "in memory there is none")

	file := keptConfig(t)
	_, admin = startAdmin(t, with(file, object{"admin": "127.0.0.1:0"}))
	created(t, file["database"].(string), "ALTER TABLE payack_schema RENAME TO gone")
	health := getPage(t, "http://"+admin.Host+"/healthz", nil)
	require.Equal(t, http.StatusServiceUnavailable, health.StatusCode)
	require.Equal(t, "the database does not answer\n", health.text)
}

// A configured token is accepted and never printed. At an address that is not
// loopback, requests may name any host.
func TestAdminToken(t *testing.T) {
	t.Parallel()
	const token = "a token of 24 characters"
	l, admin := startAdmin(t, with(testConfig(), object{"admin": "0.0.0.0:0", "admin_token": token}))
	require.Empty(t, admin.RawQuery)
	base := "http://127.0.0.1:" + admin.Port()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/token", strings.NewReader("token="+url.QueryEscape(token)))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Host = "admin.example"
	signed := sendPage(t, r, nil)
	require.Equal(t, http.StatusSeeOther, signed.StatusCode)
	require.Equal(t, http.StatusOK, getPage(t, base+"/", signed.Cookies()[0]).StatusCode)
	require.NotContains(t, l.stderr.String(), token)
}

// The inspector can ask a provider, and the payment is then settled.
func TestAdminAsks(t *testing.T) {
	t.Parallel()
	gw, err := registry[payack.PTS].demo.gateway(gateway.Options{Retries: -1})
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	const id = "ORD1000001"
	require.NoError(t, gw.create(t.Context(), id, "http://127.0.0.1:1/lost"))
	require.NoError(t, gw.Pay(id))
	require.NoError(t, gw.Wait(t.Context()))
	l, admin := startAdmin(t, object{
		"addr": "127.0.0.1:0", "database": filepath.Join(t.TempDir(), "payack.db"), "pts": object(gw.section), "admin": "127.0.0.1:0",
	})
	cookie := getPage(t, admin.String(), nil).Cookies()[0]
	_, _, line := l.post("/pts", bare(jsonType, `{"order_id":"`+id+`"}`)) // the callback names only the order
	require.Equal(t, "rejected", line.Outcome)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+admin.Host+"/deliveries/m1/ask", nil)
	require.NoError(t, err)
	said := sendPage(t, r, cookie)
	require.Equal(t, http.StatusOK, said.StatusCode)
	require.Contains(t, said.text, "<h1>Paid</h1>")
	asked, settled := l.both()
	require.Equal(t, "pts accepted", asked.verdict())
	require.Equal(t, "pts accepted", settled.verdict())
	require.Equal(t, 1, settled.Attempt)
}
