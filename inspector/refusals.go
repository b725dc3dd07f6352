package inspector

import (
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/payack/payack/ratelimit"
)

// wrongBurst is how many wrong tokens an address may give at once. wrongEach is
// how many it may give in each second after that.
const (
	wrongBurst  = 50
	wrongEach   = 1
	refusedEach = time.Second // least time between two log lines
)

// refusals bounds how often tokens can be guessed, and how often refused requests
// are logged.
type refusals struct {
	wrong ratelimit.Limiter
	key   ratelimit.KeyOf

	mu     sync.Mutex
	at     time.Time
	silent int // refused requests that were not logged since the last line
}

func newRefusals() (*refusals, error) {
	wrong, err := ratelimit.New(ratelimit.Config{PerSecond: wrongEach, Burst: wrongBurst})
	if err != nil {
		return nil, err
	}
	return &refusals{wrong: wrong, key: ratelimit.PeerKey("inspector")}, nil
}

// spent reports whether an address has given so many wrong tokens that it must
// wait, even with the right one.
func (f *refusals) spent(r *http.Request) (wait int, spent bool) {
	d, err := f.wrong.Peek(r.Context(), f.key(r))
	return d.RetryAfterSeconds(), err == nil && !d.Allowed
}

// charge counts a wrong token.
func (f *refusals) charge(r *http.Request) { _, _ = f.wrong.Allow(r.Context(), f.key(r)) }

// log writes at most one line a second.
func (f *refusals) log(l *slog.Logger, r *http.Request, text string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if now.Sub(f.at) < refusedEach {
		f.silent++
		return
	}
	l.Warn("inspector: "+text, append(args, "peer", r.RemoteAddr, "not_logged", f.silent)...)
	f.at, f.silent = now, 0
}

// wrongToken counts a wrong token and answers the request.
func (i *Inspector) wrongToken(w http.ResponseWriter, r *http.Request) {
	i.refusals.charge(r)
	i.refusals.log(i.cfg.Logger, r, "a wrong token was given")
	i.ask(w, r, "The token is wrong.")
}

// waits reports whether a request with a token must wait. If so, it answers the
// request.
func (i *Inspector) waits(w http.ResponseWriter, r *http.Request) bool {
	wait, spent := i.refusals.spent(r)
	if !spent {
		return false
	}
	w.Header().Set("Retry-After", strconv.Itoa(wait))
	i.refusals.log(i.cfg.Logger, r, "too many wrong tokens were given")
	i.problem(w, r, http.StatusTooManyRequests, "Too many wrong tokens came from this address. Wait a few seconds and try again.")
	return true
}
