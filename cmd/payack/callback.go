package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
)

// tampering names the part of a callback to tamper with.
type tampering string

const (
	tamperNothing   tampering = ""
	tamperSignature tampering = "signature"
	tamperBody      tampering = "body"
	tamperEnvelope  tampering = "envelope"
	tamperReplay    tampering = "replay" // post it twice
)

// assignment sets a member's value.
type assignment struct{ name, value string }

// assignments are applied in order, so that the same call builds the same
// message.
type assignments []assignment

// value returns the last value that is assigned to a member. If none is assigned,
// value returns the argument otherwise.
func (a assignments) value(name, otherwise string) string {
	for _, v := range a {
		if v.name == name {
			otherwise = v.value
		}
	}
	return otherwise
}

func (a assignments) has(name string) bool {
	return slices.ContainsFunc(a, func(v assignment) bool { return v.name == name })
}

// sender builds one provider's callbacks with the keys of a receiver's
// configuration. private is the signing key if the configuration holds only the
// public key.
type sender struct {
	config   *config
	provider payack.Provider
	private  payack.Secret
}

func newSender(c *config, name, privateKeyFile string) (sender, error) {
	p, err := c.provider(name)
	if err != nil {
		return sender{}, err
	}
	s := sender{config: c, provider: p}
	needs := registry[p].needsKey
	switch {
	case needs == "" && privateKeyFile != "":
		return s, fmt.Errorf("-key is for %s only: the configuration holds the key that %s signs with; leave -key out", needKeys(), p)
	case needs != "":
		if s.private, err = privateKey(privateKeyFile, needs); err != nil {
			return s, err
		}
	}
	return s, s.check()
}

func privateKey(file, needs string) (payack.Secret, error) {
	if file == "" {
		return payack.Secret{}, errors.New("-key is missing: " + needs)
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return payack.Secret{}, fmt.Errorf("-key: %w", err)
	}
	return payack.NewSecret(string(pem)), nil
}

// check returns an error of the configuration or of the key. If check returns
// none, an error of the method build is about a member of the callback.
func (s sender) check() error {
	h, err := s.config.handler(s.provider, middleware.Options{}, nothing)
	if err != nil {
		return err
	}
	cb, err := s.genuine(nil)
	if err != nil {
		return providerError(s.provider, err)
	}
	if registry[s.provider].needsKey == "" {
		return nil
	}
	told, err := h.Explain(context.Background(), &payack.Delivery{Method: http.MethodPost, Path: s.config.path(s.provider), Header: cb.Header, Body: string(cb.Body)})
	if err != nil {
		return providerError(s.provider, err)
	}
	if errors.Is(told.Err, payack.ErrSignature) {
		return fmt.Errorf("-key: its public key is not among %s.public_keys; add it there, or give the private key of one of them", s.provider)
	}
	return nil
}

// checkNames refuses a misspelt member, which would otherwise be sent beside the
// right one.
func (s sender) checkNames(known, extra []string) error {
	members := registry[s.provider].members
	all := append(slices.Clone(members), registry[s.provider].computed)
	for _, name := range known {
		if !slices.Contains(all, name) {
			return fmt.Errorf("-set %s: %s knows no such member, %s; -extra %s=… sends it all the same",
				name, s.provider, suggestion(name, members), name)
		}
	}
	for _, name := range extra {
		if slices.Contains(all, name) {
			return fmt.Errorf("-extra %s: it is a member of %s's; use -set", name, s.provider)
		}
	}
	return nil
}

// build returns a callback with the default members, changed by set and then
// tampered with as t says.
func (s sender) build(set assignments, t tampering) (payacktest.Callback, error) {
	if name := registry[s.provider].computed; set.has(name) {
		return payacktest.Callback{}, fmt.Errorf("-set %s: it is computed; use -tamper signature to spoil it", name)
	}
	if t == tamperEnvelope && !s.section().sealed() {
		return payacktest.Callback{}, fmt.Errorf("-tamper envelope: callbacks of %s have none; choose signature, body or replay", s.provider)
	}
	cb, err := s.genuine(set)
	if err != nil {
		what := libraryText(s.provider, err)
		if body, found := strings.CutPrefix(what, "body: "); found {
			return cb, errors.New("-set: such a message can't be signed: " + body)
		}
		return cb, errors.New("-set " + what)
	}
	switch t {
	case tamperSignature:
		return cb.Tamper(payacktest.FlipSignature)
	case tamperEnvelope:
		return cb.Tamper(payacktest.FlipEnvelope)
	case tamperBody:
		return cb.Tamper(s.section().otherBody(set))
	}
	return cb, nil
}

func (s sender) section() section { return s.config.sections[s.provider] }

func (s sender) genuine(set assignments) (payacktest.Callback, error) {
	return s.section().build(set, s.private)
}

func firstIsPHP(numbers []payack.Scheme) bool {
	return len(numbers) > 0 && numbers[0] == payack.SchemePHP
}

func quote(s string) string {
	b, _ := json.Marshal(s) // a string always encodes
	return string(b)
}

// answerOf reads an answer, and at most maxAnswer bytes of its body.
func answerOf(res *http.Response) (payack.Answer, error) {
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return payack.Answer{}, fmt.Errorf("reading the answer: %w", err)
	}
	return payack.Answer{Status: res.StatusCode, ContentType: res.Header.Get("Content-Type"), Body: string(body)}, nil
}

// maxAnswer bounds how much of an answer is read, in bytes.
const maxAnswer = 64 << 10
