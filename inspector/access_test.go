package inspector_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/inspector"
	"github.com/payack/payack/middleware"
)

// call sends a request without a token.
func call(t *testing.T, method, url string, change ...func(*http.Request)) answer {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	require.NoError(t, err)
	for _, c := range change {
		c(r)
	}
	return do(t, r)
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func host(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }

// Without the token, every page is refused, and no answer reveals what exists.
func TestTokenIsNeeded(t *testing.T) {
	s := open(t)
	deliver(s.pts, paid(t, "ORD-SECRET"))
	for _, path := range []string{"/", "/numbers", "/live", "/retry", "/deliveries/1", "/deliveries/m1", "/jobs/1", "/nothing", "/?token=wrong", "/?token="} {
		for name, change := range map[string]func(*http.Request){
			"none":         func(*http.Request) {},
			"wrong cookie": header("Cookie", "payack_00000000=0000"),
			"wrong bearer": header("Authorization", "Bearer the token of this tes"),
			"basic":        header("Authorization", "Basic "+token),
		} {
			a := call(t, "GET", s.url+path, change)
			assert.Equal(t, http.StatusUnauthorized, a.StatusCode, path+" "+name)
			assert.NotContains(t, a.text, "ORD-SECRET")
			assert.Empty(t, a.Cookies())
		}
	}
	a := call(t, "POST", s.url+"/deliveries/1/retry")
	assert.Equal(t, http.StatusUnauthorized, a.StatusCode)
	a = call(t, "GET", s.url+"/", asJSON)
	assert.Equal(t, http.StatusUnauthorized, a.StatusCode)
	assert.Contains(t, a.text, `"error"`)
	assert.Equal(t, http.StatusOK, call(t, "GET", s.url+"/static/style.css").StatusCode, "the page that asks has it")
}

// A random token works once in an address, in exchange for a cookie that scripts
// can't read and other sites can't send. Afterwards the token works in the
// form that asks for it, and in the header Authorization.
func TestAddressWorksOnce(t *testing.T) {
	s := withoutInbox(t, func(c *inspector.Config) { c.Token = payack.Secret{} })
	address := s.page.URL(s.url)
	u, err := url.Parse(address)
	require.NoError(t, err)
	require.Len(t, u.Query().Get("token"), 26)
	assert.NotEqual(t, address, withoutInbox(t, func(c *inspector.Config) { c.Token = payack.Secret{} }).page.URL(s.url))

	a := call(t, "GET", address)
	require.Equal(t, http.StatusSeeOther, a.StatusCode)
	assert.Equal(t, "/", a.Header.Get("Location"), "without the token")
	require.Len(t, a.Cookies(), 1)
	c := a.Cookies()[0]
	assert.True(t, c.HttpOnly)
	assert.Equal(t, http.SameSiteStrictMode, c.SameSite)
	assert.NotContains(t, a.Header.Get("Set-Cookie"), u.Query().Get("token"))
	assert.Equal(t, http.StatusOK, call(t, "GET", s.url+"/", func(r *http.Request) { r.AddCookie(c) }).StatusCode)

	again := call(t, "GET", address)
	assert.Equal(t, http.StatusUnauthorized, again.StatusCode)
	assert.Contains(t, again.text, "works once")
	assert.Empty(t, again.Cookies())

	form := strings.NewReader(url.Values{"token": {u.Query().Get("token")}}.Encode())
	r, err := http.NewRequest("POST", s.url+"/token", form)
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	entered := do(t, r)
	assert.Equal(t, http.StatusSeeOther, entered.StatusCode)
	assert.Len(t, entered.Cookies(), 1)
	assert.Equal(t, http.StatusOK, call(t, "GET", s.url+"/", header("Authorization", "Bearer "+u.Query().Get("token"))).StatusCode)
}

// No printed address holds a configured token.
func TestOwnTokenIsNotPrinted(t *testing.T) {
	s := withoutInbox(t)
	assert.Equal(t, s.url+"/", s.page.URL(s.url))
	for range 2 {
		a := call(t, "GET", s.url+"/?token="+url.QueryEscape(token)+"&q=ORD-1")
		require.Equal(t, http.StatusSeeOther, a.StatusCode)
		assert.Equal(t, "/?q=ORD-1", a.Header.Get("Location"))
	}
	// A path can't turn the redirect into another host's address.
	w := httptest.NewRecorder()
	s.page.ServeHTTP(w, httptest.NewRequest("GET", "http://127.0.0.1//evil.example/?token="+url.QueryEscape(token), nil))
	assert.Equal(t, "/evil.example/", w.Header().Get("Location"))
}

// Another site's page can make a browser send a request, even with the cookie,
// but the request changes nothing.
func TestCrossSite(t *testing.T) {
	s := open(t)
	s.dead("ORD-1")
	cookie := call(t, "GET", s.url+"/?token="+url.QueryEscape(token)).Cookies()[0]
	with := func(r *http.Request) { r.AddCookie(cookie) }
	for name, change := range map[string]func(*http.Request){
		"fetch metadata": header("Sec-Fetch-Site", "cross-site"),
		"another port":   header("Sec-Fetch-Site", "same-site"),
		"origin":         header("Origin", "https://evil.example"),
		"no origin":      header("Origin", "null"),
	} {
		for _, path := range []string{"/deliveries/2/retry", "/deliveries/2/close", "/deliveries/2/ask", "/retry", "/jobs/1/stop", "/token"} {
			a := call(t, "POST", s.url+path, with, change)
			assert.Equal(t, http.StatusForbidden, a.StatusCode, name+" "+path)
		}
	}
	assert.Equal(t, []string{"ORD-1 dead", "ORD-1 accepted"}, s.orders(""))
	a := call(t, "POST", s.url+"/deliveries/2/retry", with, header("Sec-Fetch-Site", "same-origin"))
	assert.Equal(t, http.StatusSeeOther, a.StatusCode, "one's own page")
	a = call(t, "GET", s.url+"/deliveries/2/retry", with)
	assert.Equal(t, http.StatusNotFound, a.StatusCode, "no link acts")
}

// A request for a host name that another site points at this machine is refused,
// even with the token.
func TestOtherHostNamesAreRefused(t *testing.T) {
	s := withoutInbox(t)
	bearer := header("Authorization", "Bearer "+token)
	for _, name := range []string{"evil.example", "evil.example:8081", "localhost.evil.example", "127.0.0.1.evil.example", "192.0.2.1:8081", "", "127.0.0.1@evil.example"} {
		a := call(t, "GET", s.url+"/", bearer, func(r *http.Request) {
			if r.Host = name; name == "" {
				r.Host = "x"
			}
		})
		assert.Equal(t, http.StatusForbidden, a.StatusCode, name)
	}
	for _, name := range []string{"localhost", "LOCALHOST:1", "127.0.0.1", "127.9.9.9:80", "[::1]:8081", "[::1]", "localhost."} {
		assert.Equal(t, http.StatusOK, call(t, "GET", s.url+"/", bearer, host(name)).StatusCode, name)
	}
	named := withoutInbox(t, func(c *inspector.Config) { c.Hosts = []string{"admin.example"} })
	assert.Equal(t, http.StatusOK, call(t, "GET", named.url+"/", bearer, host("Admin.Example:443")).StatusCode)
	assert.Equal(t, http.StatusForbidden, call(t, "GET", named.url+"/", bearer, host("evil.example")).StatusCode)
}

// Behind a proxy on the same host, every request comes from a loopback address.
// It needs the token nevertheless.
func TestProxyOnTheSameHost(t *testing.T) {
	s := withoutInbox(t)
	target, err := url.Parse(s.url)
	require.NoError(t, err)
	for name, rewrite := range map[string]func(*httputil.ProxyRequest){
		"its own Host":   func(p *httputil.ProxyRequest) { p.SetURL(target) },
		"the caller's":   func(p *httputil.ProxyRequest) { p.SetURL(target); p.Out.Host = p.In.Host },
		"with addresses": func(p *httputil.ProxyRequest) { p.SetURL(target); p.SetXForwarded() },
	} {
		proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: rewrite})
		a := call(t, "GET", proxy.URL+"/", host("shop.example"))
		assert.Contains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, a.StatusCode, name)
		a = call(t, "GET", proxy.URL+"/")
		assert.Equal(t, http.StatusUnauthorized, a.StatusCode, name)
		proxy.Close()
	}
}

// Authorize alone decides, and its error is shown to nobody.
func TestAuthorize(t *testing.T) {
	s := withoutInbox(t, func(c *inspector.Config) {
		c.Token = payack.Secret{}
		c.Authorize = func(r *http.Request) error {
			if r.Header.Get("X-User") != "oncall" {
				return errors.New("no such user in ldap://directory.internal")
			}
			return nil
		}
	})
	a := call(t, "GET", s.url+"/", host("admin.example"))
	assert.Equal(t, http.StatusForbidden, a.StatusCode)
	assert.NotContains(t, a.text, "ldap")
	assert.Equal(t, http.StatusOK, call(t, "GET", s.url+"/", host("admin.example"), header("X-User", "oncall")).StatusCode)
	assert.Equal(t, s.url+"/", s.page.URL(s.url))
	a = call(t, "POST", s.url+"/retry", header("X-User", "oncall"), header("Origin", "https://evil.example"))
	assert.Equal(t, http.StatusForbidden, a.StatusCode)
}

// Every answer has the headers that forbid scripts, frames and caching.
func TestHeaders(t *testing.T) {
	s := withoutInbox(t)
	for _, path := range []string{"/", "/numbers", "/nothing", "/static/page.js", "/?provider=none"} {
		for _, a := range []answer{s.ask("GET", path, ""), call(t, "GET", s.url+path)} {
			csp := a.Header.Get("Content-Security-Policy")
			assert.True(t, strings.HasPrefix(csp, "default-src 'none';"), path)
			assert.NotContains(t, csp, "unsafe")
			assert.NotContains(t, csp, "*")
			assert.Equal(t, "nosniff", a.Header.Get("X-Content-Type-Options"))
			assert.Equal(t, "no-referrer", a.Header.Get("Referrer-Policy"))
			if strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
				assert.Equal(t, "no-store", a.Header.Get("Cache-Control"))
				assert.NotRegexp(t, `(?i)<style|<script(?: defer)?>|\sstyle=|\son[a-z]+=`, a.text, "nothing is inline")
			}
		}
	}
}

// An invalid configuration is refused in one line that names the member.
func TestConfigIsChecked(t *testing.T) {
	for want, cfg := range map[string]inspector.Config{
		"Config.Prefix":            {Prefix: "payack"},
		`Config.Prefix is "/a?b"`:  {Prefix: "/a?b"},
		`Config.Prefix is "/.."`:   {Prefix: "/.."},
		`is "/."`:                  {Prefix: "/."},
		`is "/a/./b"`:              {Prefix: "/a/./b"},
		`is "/a/../b"`:             {Prefix: "/a/../b"},
		"fewer than 16 characters": {Token: payack.NewSecret("short")},
		"Token has no effect":      {Token: payack.NewSecret(token), Authorize: func(*http.Request) error { return nil }},
		"Hosts has no effect":      {Hosts: []string{"a"}, Authorize: func(*http.Request) error { return nil }},
		`Config.Hosts has "a:80"`:  {Hosts: []string{"a:80"}},
		"Remember":                 {Remember: -1},
		"a receiver is nil":        {Receivers: make([]*middleware.Handler, 1)},
	} {
		_, err := inspector.New(cfg)
		require.Error(t, err, want)
		assert.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "\n")
		assert.NotContains(t, err.Error(), "short")
	}
}
