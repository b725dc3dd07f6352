package inspector

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
)

// Inspector is the page, and the observer that feeds it. It is safe for concurrent
// use.
type Inspector struct {
	cfg      Config
	started  time.Time
	access   access
	refusals *refusals
	headers  map[string]bool // names of the headers to remember
	routes   http.Handler

	memory memory
	counts counts
	live   live
	jobs   jobs
	state  watched

	mu        sync.Mutex
	receivers []*middleware.Handler
	redactors []func(string) string // one for each receiver with configured keys

	explaining chan struct{} // a semaphore for explanations
}

var _ interface {
	http.Handler
	payack.Observer
} = (*Inspector)(nil)

// New returns the page. The error names the member of the configuration and the
// fix.
func New(cfg Config) (*Inspector, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	i := &Inspector{cfg: cfg, started: time.Now(), headers: map[string]bool{}, explaining: make(chan struct{}, maxExplained)}
	token, random := cfg.Token.Reveal(), cfg.Token.IsZero()
	if random {
		token = rand.Text()
	}
	i.access = newAccess(token, random, cfg.Prefix)
	for _, name := range append(keptHeaders(), cfg.KeepHeaders...) {
		i.headers[textproto.CanonicalMIMEHeaderKey(name)] = true
	}
	if i.refusals, err = newRefusals(); err != nil {
		return nil, err
	}
	i.memory.init(cfg.Remember, cfg.RememberBytes)
	i.live.init()
	if err := i.Add(cfg.Receivers...); err != nil {
		return nil, err
	}
	i.routes = i.mux()
	return i, nil
}

// Add registers receivers, so that the page can explain what they refused. It may
// be called at any time. The error names a nil receiver, or a provider that
// package diagnose does not know. After an error, nothing is added.
func (i *Inspector) Add(receivers ...*middleware.Handler) error {
	var redactors []func(string) string
	for _, h := range receivers {
		if h == nil {
			return errors.New("inspector: a receiver is nil; look at the error that its constructor returned")
		}
		redact, err := redactorOf(h)
		if err != nil {
			return fmt.Errorf("inspector: %w", err)
		}
		if redact != nil {
			redactors = append(redactors, redact)
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.receivers = append(i.receivers, receivers...)
	i.redactors = append(slices.Clone(i.redactors), redactors...) // a copy, because redact reads the old slice without the lock
	return nil
}

// of returns the receivers of a provider. If one of them has this name in the
// inbox, of returns only that one.
func (i *Inspector) of(p payack.Provider, name string) (out []*middleware.Handler) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, h := range i.receivers {
		if h.Provider() != p {
			continue
		}
		if name != "" && h.Name() == name {
			return []*middleware.Handler{h}
		}
		out = append(out, h)
	}
	return out
}

// URL returns the page's address on a server such as http://127.0.0.1:8081. The
// address contains the token if the token is random. Opening the address sets a
// cookie, and works only once. Afterwards the token still works in the form that
// asks for it. A configured token is not in the address.
func (i *Inspector) URL(server string) string {
	url := server + i.cfg.Prefix + "/"
	if i.cfg.Authorize == nil && i.access.random {
		url += "?token=" + i.access.token
	}
	return url
}

// mux routes the pages. The method acts wraps the handlers that change something.
func (i *Inspector) mux() http.Handler {
	m := http.NewServeMux()
	at := func(pattern string, h http.HandlerFunc) {
		method, path, _ := strings.Cut(pattern, " ")
		m.HandleFunc(method+" "+i.cfg.Prefix+path, h)
	}
	at("GET /{$}", i.showList)
	at("GET /deliveries/{id}", i.showDelivery)
	at("GET /numbers", i.showNumbers)
	at("GET /live", i.showLive)
	at("GET /retry", i.showRetry)
	at("GET /jobs/{id}", i.showJob)
	at("POST /deliveries/{id}/retry", i.acts(i.retryOne))
	at("POST /deliveries/{id}/close", i.acts(i.closeOne))
	at("POST /deliveries/{id}/ask", i.acts(i.askNow))
	at("POST /retry", i.acts(i.retryMany))
	at("POST /jobs/{id}/stop", i.acts(i.stopJob))
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		i.problem(w, r, http.StatusNotFound, "There is no such page.")
	})
	return m
}

// acts wraps a handler that changes something.
func (i *Inspector) acts(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if i.cfg.ReadOnly {
			i.problem(w, r, http.StatusForbidden, "This page is read-only.")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			i.problem(w, r, http.StatusBadRequest, "The form can't be read.")
			return
		}
		h(w, r)
	}
}

// maxForm bounds a posted form, which holds a note and a filter.
const maxForm = 64 << 10
