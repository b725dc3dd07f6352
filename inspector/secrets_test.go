package inspector_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inspector"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/reconcile"
	"github.com/payack/payack/verify"
)

// No page shows a receiver's secret, even if a sender wrote it, and credentials
// in headers are not remembered.
func TestSecretsAreNowhere(t *testing.T) {
	s := withoutInbox(t)
	key := payacktest.NewPtopKeys().SigningKey.Reveal()
	cb := payacktest.Ptop(payacktest.NewPtopKeys()).Set("message", "the key is "+key).Callback(t)
	deliver(s.ptop, cb)
	deliver(s.ptop, cb.Tampered(t, payacktest.FlipSignature, payacktest.SetHeader("Cookie", "session=1234")))
	for _, id := range []string{"m1", "m2"} {
		for _, a := range []answer{s.ask("GET", "/deliveries/"+id+"?body=1", ""), s.ask("GET", "/deliveries/"+id+"?body=1", "", asJSON)} {
			assert.NotContains(t, a.text, key)
			assert.Contains(t, a.text, "the key is ")
			assert.NotContains(t, a.text, "a-proxy")
			assert.NotContains(t, a.text, "session=1234")
			assert.NotContains(t, a.text, token)
		}
	}
	assert.Contains(t, s.open("m2", "").HeadersNotKept, "Cookie")
	assert.Contains(t, s.open("m2", "").HeadersNotKept, "Authorization")
}

// escaped writes each character in the given format.
func escaped(format, text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		fmt.Fprintf(&b, format, c)
	}
	return b.String()
}

// No list, live update or message shows a receiver's secret, however it is
// escaped and whichever receiver it belongs to.
func TestSecretsAreNotListed(t *testing.T) {
	s := open(t)
	keys := map[string]string{
		"ptop": payacktest.NewPtopKeys().SigningKey.Reveal(), "payatom": payacktest.NewPayatomKeys().Config().SecretKeys[0].Reveal(),
		"pts": payacktest.NewPTSKeys().Config().Safecode.Reveal(),
	}
	live := s.stream(t, "")
	live.next("list")
	for name, key := range keys {
		in := "A " + key + " B"
		post(s.ptop, `{"order_id": "`+in+`", "transaction_id": "`+in+`"}`)
		assert.NotContains(t, live.next("row"), key, name)
		deliver(s.pts, paid(t, in, "reference_number", "R "+key)) // verifies, and is kept
		assert.NotContains(t, live.next("row"), key, name)
		post(s.ptop, `{"order_id": "`+strings.Repeat("x", 512-len(key)/2)+key+`"}`)
		live.next("row")
		post(s.ptop, `{"order_id": "ORD", "note": "`+escaped(`\u%04x`, key)+`"}`)
		live.next("row")
		r := httptest.NewRequest("POST", "/callbacks", strings.NewReader("order_id="+escaped("%%%02x", in)+"&note="+escaped("%%%02x", key)))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("X-Leak-"+key, "1")
		r.Header["User-Agent"] = []string{key}
		s.ptop.ServeHTTP(httptest.NewRecorder(), r)
		assert.NotContains(t, live.next("row"), key, name)
	}
	pages := []string{"/"}
	all, _ := s.entries("")
	for _, e := range all {
		pages = append(pages, "/deliveries/"+e.ID, "/deliveries/"+e.ID+"?body=1")
	}
	require.Len(t, pages, 31)
	for _, p := range pages {
		for _, as := range []func(*http.Request){asJSON, func(*http.Request) {}} {
			text := strings.ToLower(s.ask("GET", p, "", as).text)
			for name, key := range keys {
				for _, spelled := range []string{key, key[:len(key)/2], escaped(`\u%04x`, key), escaped("%%%02x", key), url.QueryEscape(key)} {
					assert.NotContains(t, text, strings.ToLower(spelled), p+" "+name)
				}
			}
		}
	}
}

// The page removes secrets from the answer that Config.Ask returns, and from its
// error.
func TestSecretsAreNotSaid(t *testing.T) {
	key := payacktest.NewPtopKeys().SigningKey.Reveal()
	var fails error
	s := open(t, func(c *inspector.Config) {
		c.Ask = func(_ context.Context, o reconcile.Order) (reconcile.Answer, error) {
			return reconcile.Answer{Status: key, Delivered: true, Observation: payack.Observation{Err: errors.New(key)}}, fails
		}
	})
	deliver(s.pts, paid(t, "ORD-1"))
	for range 2 {
		a := s.ask("POST", "/deliveries/1/ask", "", asJSON)
		require.Equal(t, http.StatusOK, a.StatusCode)
		assert.NotContains(t, a.text, key)
		fails = errors.New("the key " + key + " is wrong")
	}
}

// While a KeyFunc fails, its keys aren't known, so nothing of the message is
// shown. While it works, its keys are removed.
func TestSecretsOfAKeyFunc(t *testing.T) {
	s := withoutInbox(t)
	key := strings.Repeat("K3y", 12)
	var fails error
	h, err := handlers.NewPtop(handlers.PtopConfig{
		ConfirmInCallback: true,
		KeyFunc: func(context.Context, *http.Request) (*verify.PtopKeys, error) {
			if fails != nil {
				return nil, fails
			}
			return verify.NewPtopKeys("shop", payack.NewSecret(key))
		},
		Options: handlers.Options{Logger: quiet, Observer: s.page},
	}, func(context.Context, *payack.PtopEvent) error { return nil })
	require.NoError(t, err)
	require.NoError(t, s.page.Add(h))
	post(h, `{"order_id": "ORD-1", "note": "the key is `+key+`"}`)
	a := s.ask("GET", "/deliveries/m1?body=1", "", asJSON)
	assert.Contains(t, a.text, "the key is ")
	assert.NotContains(t, a.text, key)
	fails = errors.New("the vault is sealed")
	a = s.ask("GET", "/deliveries/m1?body=1", "", asJSON)
	require.Equal(t, http.StatusOK, a.StatusCode)
	assert.NotContains(t, a.text, key)
	assert.NotContains(t, a.text, "the key is ")
	assert.Contains(t, a.text, "KeyFunc fails")
	fails = payack.ErrUnknownTenant
	assert.Contains(t, s.ask("GET", "/deliveries/m1?body=1", "", asJSON).text, "the key is ", "there is no key that could show")
}
