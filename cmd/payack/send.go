package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

func runSend(ctx context.Context, io stdio, args []string) error {
	fs := newFlags(io, "send", "send PROVIDER -config FILE -url URL [-key FILE] [-set name=value]… [-tamper signature|body|envelope|replay]",
		"payack send payatom -config payack.json -url http://127.0.0.1:8080/payatom -set status=Declined")
	file := fs.String("config", "", "the receiver's configuration `file`, for its keys")
	target := fs.String("url", "", "the `URL` to post to")
	key := fs.String("key", "", "pts only: a private key's PEM `file` (its public key belongs into pts.public_keys)")
	var set assignments
	fs.Var(&set, "set", "give a member another value, `name=value`; may be repeated")
	tamper := fs.String("tamper", "", "spoil it: signature, body, envelope, or replay (post it twice)")
	provider := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		provider, args = args[0], args[1:]
	}
	if err := parse(fs, args); err != nil {
		return err
	}
	if provider == "" {
		return usagef("send: the provider is missing; it comes first: payack send ptop|pts|payatom …")
	}
	switch tampering(*tamper) {
	case tamperNothing, tamperSignature, tamperBody, tamperEnvelope, tamperReplay:
	default:
		return usagef("-tamper: unknown word %q; choose signature, body, envelope or replay", *tamper)
	}
	if u, err := url.Parse(*target); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return usagef("-url: it is missing or no URL; give the receiver's, like http://127.0.0.1:8080/payatom")
	}
	c, err := loadConfig(*file)
	if err != nil {
		return err
	}
	s, err := newSender(c, provider, *key)
	if err != nil {
		return usageError{err}
	}
	cb, err := s.build(set, tampering(*tamper))
	if err != nil {
		return usageError{err}
	}
	times := 1
	if tampering(*tamper) == tamperReplay {
		times = 2
	}
	for range times {
		a, err := post(ctx, *target, cb)
		if err != nil {
			return err
		}
		a.print(io.out)
		if !s.accepted(a) {
			return errors.New("the answer is no acknowledgement; the receiver's own output gives the reason")
		}
	}
	return nil
}

// String implements flag.Value.
func (a *assignments) String() string { return "" }

// Set implements flag.Value: it takes name=value.
func (a *assignments) Set(s string) error {
	name, value, found := strings.Cut(s, "=")
	if !found || name == "" {
		return errors.New("give name=value")
	}
	*a = append(*a, assignment{name, value})
	return nil
}

// answer is what a receiver said.
type answer struct {
	status      int
	contentType string
	body        string
}

func (a answer) print(w io.Writer) {
	fmt.Fprintf(w, "HTTP %d", a.status)
	if a.contentType != "" {
		fmt.Fprintf(w, " %s", a.contentType)
	}
	fmt.Fprintf(w, "\n%s\n", a.body)
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 10

// client follows no redirects: a provider wouldn't either.
var client = &http.Client{
	Timeout:       15 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func post(ctx context.Context, target string, cb callback) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(cb.body))
	if err != nil {
		return answer{}, usageError{err}
	}
	req.Header = cb.header.Clone()
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, fmt.Errorf("posting: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return answer{}, fmt.Errorf("reading the answer: %w", err)
	}
	return answer{resp.StatusCode, resp.Header.Get("Content-Type"), string(body)}, nil
}
