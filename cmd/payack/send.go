package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/payacktest"
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
	operands, err := parseOperands(fs, args, 1)
	if err != nil {
		return err
	}
	if len(operands) == 0 {
		return missingProvider("send")
	}
	switch tampering(*tamper) {
	case tamperNothing, tamperSignature, tamperBody, tamperEnvelope, tamperReplay:
	default:
		return usagef("-tamper: unknown word %q; choose signature, body, envelope or replay", *tamper)
	}
	if _, err := targetURL(*target); err != nil {
		return err
	}
	c, err := loadConfig(*file)
	if err != nil {
		return err
	}
	s, err := newSender(c, operands[0], *key)
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
		printAnswer(io.out, a)
		if !acknowledges(s.provider, a) {
			return errors.New("the answer is no acknowledgement; the receiver's own output gives the reason")
		}
	}
	return nil
}

func missingProvider(name string) error {
	return usagef("%s: the provider is missing; it comes first: payack %s ptop|pts|payatom …", name, name)
}

// targetURL reads -url.
func targetURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usagef("-url: it is missing or no URL; give the receiver's, like http://127.0.0.1:8080/payatom")
	}
	return u, nil
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

// post sends a callback. It follows no redirects: a provider wouldn't either.
func post(ctx context.Context, target string, cb payacktest.Callback) (payack.Answer, error) {
	res, err := cb.Post(ctx, nil, target)
	if err != nil {
		return payack.Answer{}, errors.New(strings.TrimPrefix(err.Error(), "payacktest: "))
	}
	return answerOf(res)
}

func printAnswer(w io.Writer, a payack.Answer) {
	fmt.Fprintf(w, "HTTP %d", a.Status)
	if a.ContentType != "" {
		fmt.Fprintf(w, " %s", a.ContentType)
	}
	fmt.Fprintf(w, "\n%s\n", a.Body)
}
