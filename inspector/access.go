package inspector

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
)

// access decides who may look when Config.Authorize is nil.
type access struct {
	token  string
	random bool
	spent  atomic.Bool // the random token was used in a URL
	// cookie is derived from the token, so that a configured token's cookie
	// outlasts restarts. The token can't be derived from the cookie. The cookie's
	// name depends on the token, too, because browsers send cookies of one port to
	// all ports of a host.
	cookie, name string
	path         string
}

func newAccess(token string, random bool, prefix string) access {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte("payack inspector cookie"))
	sum := mac.Sum(nil)
	return access{token: token, random: random, cookie: hex.EncodeToString(sum[:24]), name: "payack_" + hex.EncodeToString(sum[24:28]), path: prefix + "/"}
}

// policy allows only what this server serves, and nothing inline.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// ServeHTTP serves the page.
func (i *Inspector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept")
	if i.cfg.Authorize == nil && !i.named(r) {
		i.problem(w, r, http.StatusForbidden, "The inspector answers to loopback names only. Open it as http://127.0.0.1 with its port (behind a proxy: have the proxy send that Host), or name the host in Config.Hosts, or give Config.Authorize.")
		return
	}
	var origins http.CrossOriginProtection
	if err := origins.Check(r); err != nil {
		i.problem(w, r, http.StatusForbidden, "The request comes from another site, and was refused.")
		return
	}
	if name, ok := strings.CutPrefix(r.URL.Path, i.cfg.Prefix+"/static/"); ok {
		i.static(w, r, name) // before the check: the page that asks for the token needs these files
		return
	}
	if i.cfg.Authorize != nil {
		if err := i.cfg.Authorize(r); err != nil {
			i.refusals.log(i.cfg.Logger, r, "a request was not authorized", "error", err)
			i.problem(w, r, http.StatusForbidden, "You are not allowed to see this.")
			return
		}
	} else if !i.admitted(w, r) {
		return
	}
	i.routes.ServeHTTP(w, r)
}

// named reports whether the request's Host is a name that no other site can
// claim.
func (i *Inspector) named(r *http.Request) bool {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if host == "localhost" || slices.Contains(i.cfg.Hosts, host) || slices.Contains(i.cfg.Hosts, "*") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// admitted reports whether a request has the cookie, or the token in its
// Authorization header. Otherwise it answers the request. It exchanges a
// token in the URL or the form for the cookie. If there is no token, it asks
// for one.
func (i *Inspector) admitted(w http.ResponseWriter, r *http.Request) bool {
	a := &i.access
	if c, err := r.Cookie(a.name); err == nil && same(c.Value, a.cookie) {
		switch {
		case r.Method == http.MethodPost && r.URL.Path == i.cfg.Prefix+"/token": // another tab has submitted the form before
			r.URL = &url.URL{Path: a.path}
		case r.Method != http.MethodGet || !r.URL.Query().Has("token"):
			return true
		}
		a.welcome(w, r, false)
		return false
	}
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		switch {
		case i.waits(w, r):
		case same(bearer, a.token):
			return true
		default:
			i.wrongToken(w, r)
		}
		return false
	}
	query := r.URL.Query()
	switch {
	case r.Method == http.MethodGet && query.Has("token"):
		switch {
		case i.waits(w, r):
		case !same(query.Get("token"), a.token):
			i.wrongToken(w, r)
		case a.random && !a.spent.CompareAndSwap(false, true):
			i.ask(w, r, "This address was opened before, and works once. Enter the token that is in it.")
		default:
			a.welcome(w, r, true)
		}
	case r.Method == http.MethodPost && r.URL.Path == i.cfg.Prefix+"/token":
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		switch {
		case i.waits(w, r):
		case !same(r.PostFormValue("token"), a.token):
			i.wrongToken(w, r)
		default:
			r.URL = &url.URL{Path: a.path}
			a.welcome(w, r, true)
		}
	default:
		i.ask(w, r, "")
	}
	return false
}

// same compares in constant time.
func same(got, want string) bool {
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// welcome redirects to the same page without the token. If withCookie is set,
// it also sets the cookie.
func (a *access) welcome(w http.ResponseWriter, r *http.Request, withCookie bool) {
	if withCookie {
		http.SetCookie(w, &http.Cookie{
			Name: a.name, Value: a.cookie, Path: a.path, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
		})
	}
	query := r.URL.Query()
	query.Del("token")
	// Only one slash, because two would begin another host's address.
	to := url.URL{Path: "/" + strings.TrimLeft(r.URL.Path, "/\\"), RawQuery: query.Encode()}
	http.Redirect(w, r, to.String(), http.StatusSeeOther)
}

// ask answers a request that has no token, a wrong token, or the token in an
// address that was opened before.
func (i *Inspector) ask(w http.ResponseWriter, r *http.Request, problem string) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="payack"`)
	if wantsJSON(r) {
		i.problem(w, r, http.StatusUnauthorized, "The token is missing or wrong; send it as Authorization: Bearer TOKEN.")
		return
	}
	i.render(w, r, http.StatusUnauthorized, "token", "Token", problem)
}
