package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/payack/payack"
)

// demoApplication is a shop that events are forwarded to. It settles each
// correctly signed event, once for each webhook-id.
type demoApplication struct {
	*httptest.Server
	secret   string
	verifier *standardwebhooks.Webhook

	mu      sync.Mutex
	fails   bool
	settled map[string]payack.Provider // by webhook-id
	refused int
	came    chan struct{}
}

func startDemoApplication() (*demoApplication, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // rand.Read never fails
	a := &demoApplication{
		secret:  secretPrefix + base64.StdEncoding.EncodeToString(key),
		settled: map[string]payack.Provider{}, came: make(chan struct{}, 1),
	}
	var err error
	if a.verifier, err = standardwebhooks.NewWebhook(a.secret); err != nil {
		return nil, err
	}
	a.Server = httptest.NewServer(a)
	return a, nil
}

// ServeHTTP receives an event.
func (a *demoApplication) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var event struct{ Provider payack.Provider }
	if err == nil {
		err = json.Unmarshal(body, &event)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.fails:
		w.WriteHeader(http.StatusServiceUnavailable)
	case err != nil || a.verifier.Verify(body, r.Header) != nil:
		a.refused++
		w.WriteHeader(http.StatusUnauthorized)
	default:
		a.settled[r.Header.Get(standardwebhooks.HeaderWebhookID)] = event.Provider
		select {
		case a.came <- struct{}{}:
		default:
		}
	}
}

// fail makes the application fail, or work again.
func (a *demoApplication) fail(fails bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fails = fails
}

// has waits until the application has settled a provider's acknowledged events.
// ids are the webhook-ids of these events. has returns a text about what the
// application has settled.
func (a *demoApplication) has(ctx context.Context, p payack.Provider, ids []string) string {
	late := time.After(lineTimeout)
	for {
		settled, missing := a.count(p, ids)
		if missing == 0 {
			return settled
		}
		select {
		case <-a.came:
		case <-ctx.Done():
			return settled
		case <-late:
			return settled
		}
	}
}

func (a *demoApplication) count(p payack.Provider, ids []string) (text string, missing int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	wanted := map[string]bool{}
	for _, id := range ids {
		wanted[id] = true
		if _, found := a.settled[id]; !found {
			missing++
		}
	}
	more := a.refused
	for id, of := range a.settled {
		if of == p && !wanted[id] {
			more++
		}
	}
	return settledText(len(wanted)-missing, len(wanted), more), missing
}

func settledText(settled, acknowledged, more int) string {
	text := fmt.Sprintf("%d of %d acknowledged, once each", settled, acknowledged)
	if more > 0 {
		text += fmt.Sprintf(", and %d others", more)
	}
	return text
}
