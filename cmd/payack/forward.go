package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/payack/payack"
)

// forward configures the forwarding of events. Events are signed as Standard
// Webhooks says.
type forward struct {
	URL     string `json:"url"`
	Secret  string `json:"secret"`
	Timeout string `json:"timeout"`

	url     *url.URL
	timeout time.Duration
}

const (
	defaultForwardTimeout = 10 * time.Second
	maxForwardTimeout     = 5 * time.Minute

	secretPrefix = "whsec_"
	minSecret    = 24 // bytes, as Standard Webhooks requires
	maxSecret    = 64

	// maxForwardAnswer bounds how much of an answer is read to check that it is
	// complete.
	maxForwardAnswer = 1 << 20
)

func (f *forward) complete() (err error) {
	f.url, err = url.Parse(f.URL)
	if err != nil || f.url.Host == "" || f.url.Scheme != "http" && f.url.Scheme != "https" {
		return errors.New("forward.url: it is missing or no URL; give the application's, like http://127.0.0.1:3000/payments")
	}
	if addr, err := netip.ParseAddr(f.url.Hostname()); err == nil && f.url.Scheme == "http" && !near(addr) {
		return errors.New("forward.url: http is for loopback and private addresses only; use https")
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(f.Secret, secretPrefix))
	if err != nil || !strings.HasPrefix(f.Secret, secretPrefix) || len(key) < minSecret || len(key) > maxSecret {
		return fmt.Errorf(`forward.secret: it is no secret of Standard Webhooks, %s and %d to %d bytes in base64; make one with: echo "%[1]s$(openssl rand -base64 32)"`,
			secretPrefix, minSecret, maxSecret)
	}
	if f.timeout, err = duration("forward.timeout", f.Timeout, defaultForwardTimeout); err != nil {
		return err
	}
	if f.timeout > maxForwardTimeout {
		return fmt.Errorf("forward.timeout: %v is too long for an answer; give at most %v", f.timeout, maxForwardTimeout)
	}
	return nil
}

// near reports whether an address is on this machine or in a private network.
func near(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsLoopback() || a.IsPrivate()
}

// forwarder posts events to an application.
type forwarder struct {
	config *forward
	signer *standardwebhooks.Webhook
	client *http.Client
}

func newForwarder(c *forward) (*forwarder, error) {
	signer, err := standardwebhooks.NewWebhook(c.Secret)
	if err != nil {
		return nil, errors.New("forward.secret: it is no secret of Standard Webhooks") // don't wrap the error, which may hold the secret
	}
	dialer := &net.Dialer{Timeout: c.timeout}
	if c.url.Scheme == "http" {
		dialer.Control = onlyNear // checked for each connection, after the name is resolved
	}
	return &forwarder{config: c, signer: signer, client: &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// onlyNear refuses to connect to an address that is neither loopback nor private.
func onlyNear(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !near(to.Addr()) {
		return &forwardError{"http is for loopback and private addresses only, and the name of forward.url stands for another; use https"}
	}
	return nil
}

// forwardError is a one-line reason why an event was not forwarded. Of the
// application's answer, it holds only the status.
type forwardError struct{ text string }

func (e *forwardError) Error() string { return e.text }

// send is the merchant's function when events are forwarded. It posts the event's
// line. Only a 2xx answer settles the event.
func (f *forwarder) send(ctx context.Context, ev payack.Event) error {
	d, _ := payack.DeliveryFrom(ctx)
	out, err := lineOf(d, ev)
	if err != nil {
		return err
	}
	body, err := encoded(out)
	if err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, f.config.timeout)
	defer cancel()
	r, err := f.request(within, ev, strings.TrimSuffix(string(body), "\n"))
	if err != nil {
		return err
	}
	res, err := f.client.Do(r)
	if err != nil {
		return forwardFailed(within, err)
	}
	defer res.Body.Close()
	// An incomplete answer may not be what the application meant to say.
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, maxForwardAnswer)); err != nil {
		return forwardFailed(within, err)
	}
	if res.StatusCode/100 != 2 {
		return &forwardError{fmt.Sprintf("forward.url answered %d; an answer 2xx settles the event", res.StatusCode)}
	}
	return nil
}

func (f *forwarder) request(ctx context.Context, ev payack.Event, body string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, f.config.url.String(), strings.NewReader(body))
	if err != nil {
		return nil, errors.New("forward.url: no request can be made of it")
	}
	id, now := webhookID(ev.ID()), time.Now()
	signature, err := f.signer.Sign(id, now, []byte(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "payack")
	r.Header.Set(standardwebhooks.HeaderWebhookID, id)
	r.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	r.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	return r, nil
}

// webhookID returns the same ID for each attempt to forward an event. It is a
// digest, because an event's ID may hold characters that a header can't.
func webhookID(eventID string) string {
	sum := sha256.Sum256([]byte(eventID))
	return "evt_" + hex.EncodeToString(sum[:])
}

// forwardFailed returns a connection error without the URL, which may hold a
// password.
func forwardFailed(ctx context.Context, err error) error {
	var failed *forwardError
	if errors.As(err, &failed) {
		return failed
	}
	if ctx.Err() != nil {
		return &forwardError{"forward.url did not answer within forward.timeout"}
	}
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err
	}
	return &forwardError{"forward.url gave no whole answer: " + oneLine.Replace(err.Error())}
}
