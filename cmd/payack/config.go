package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/ratelimit"
)

// config is the configuration file of the subcommands listen, send and others. The
// method complete sets the defaults of absent members.
type config struct {
	Addr             string     `json:"addr"`
	Database         *string    `json:"database"`
	Admin            string     `json:"admin"`
	AdminToken       string     `json:"admin_token"`
	Record           string     `json:"record"`
	Retry            *retry     `json:"retry"`
	Forward          *forward   `json:"forward"`
	MaxBodyBytes     int64      `json:"max_body_bytes"`
	TrustedProxies   []string   `json:"trusted_proxies"`
	AllowedAddresses []string   `json:"allowed_addresses"`
	RateLimit        *rateLimit `json:"rate_limit"`

	// sections are the configured providers.
	sections map[payack.Provider]section

	proxies, allowed []netip.Prefix
}

type rateLimit struct {
	PerSecond *float64         `json:"per_second"`
	Burst     *int             `json:"burst"`
	Charge    ratelimit.Charge `json:"charge"`
	Redis     string           `json:"redis"`
}

// loadConfig reads a file. Every error is a usageError that names the member
// and the fix, and holds no value of a secret.
func loadConfig(file string) (*config, error) {
	return load(file, parseConfig)
}

// loadKeys is loadConfig for a subcommand that receives no callbacks. The
// configuration then needs nothing to compare callbacks with.
func loadKeys(file string) (*config, error) {
	c, err := load(file, readConfig)
	if err != nil {
		return nil, err
	}
	for _, p := range c.configured() {
		if s, ok := c.sections[p].(comparer); ok {
			s.neverReceives()
		}
	}
	return c, nil
}

func load(file string, parse func([]byte) (*config, error)) (*config, error) {
	if file == "" {
		return nil, usagef("-config is missing; give the configuration's file")
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, usagef("-config: %w", err)
	}
	c, err := parse(b)
	if err != nil {
		return nil, usagef("%s: %w", file, err)
	}
	return c, nil
}

func parseConfig(b []byte) (*config, error) {
	c, err := readConfig(b)
	if err != nil {
		return nil, err
	}
	for _, p := range c.configured() {
		if s, ok := c.sections[p].(comparer); ok {
			if err := s.compares(); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

// comparer is a section whose callbacks must be compared with something, such as
// the expected orders.
type comparer interface {
	// compares returns an error if the section has nothing to compare callbacks
	// with.
	compares() error
	// neverReceives makes compares return no error, for a subcommand that sends
	// callbacks and receives none.
	neverReceives()
}

// readConfig is parseConfig without the check that there is something to compare
// callbacks with.
func readConfig(b []byte) (*config, error) {
	b = withoutComments(b)
	filled, err := filledIn(b)
	if err != nil {
		return nil, err
	}
	c := config{sections: map[payack.Provider]section{}}
	common, err := c.takeSections(filled)
	if err == nil {
		err = json.Unmarshal(common, &c, json.RejectUnknownMembers(true))
	}
	if err != nil {
		return nil, configError(b, err)
	}
	return &c, c.complete()
}

// takeSections reads the providers' members and returns the others.
func (c *config) takeSections(file []byte) (common []byte, err error) {
	var whole jsontext.Value
	if err := json.Unmarshal(file, &whole); err != nil || whole.Kind() != '{' {
		return file, err
	}
	var out bytes.Buffer
	in, others := jsontext.NewDecoder(bytes.NewReader(whole)), jsontext.NewEncoder(&out)
	_, _ = in.ReadToken() // no error here and below: the file was decoded before
	_ = others.WriteToken(jsontext.BeginObject)
	for in.PeekKind() == '"' {
		token, _ := in.ReadToken()
		name := token.String()
		value, _ := in.ReadValue()
		d, err := registry.Of(payack.Provider(name))
		if err != nil {
			_, _ = others.WriteToken(jsontext.String(name)), others.WriteValue(value)
			continue
		}
		if value.Kind() == 'n' {
			continue
		}
		s := d.section()
		if err := json.Unmarshal(value, s, json.RejectUnknownMembers(true)); err != nil {
			return nil, within(name, err)
		}
		c.sections[payack.Provider(name)] = s
	}
	_ = others.WriteToken(jsontext.EndObject)
	return out.Bytes(), nil
}

// provider returns the provider with this name, if it is configured.
func (c *config) provider(name string) (payack.Provider, error) {
	p := payack.Provider(name)
	if _, err := registry.Of(p); err != nil {
		return "", err
	}
	if c.sections[p] == nil {
		return "", fmt.Errorf("the configuration has no %s; add its keys, as payack config -example shows them", name)
	}
	return p, nil
}

// configured returns the configured providers, in the order of display.
func (c *config) configured() []payack.Provider {
	return slices.DeleteFunc(slices.Clone(providers.All), func(p payack.Provider) bool { return c.sections[p] == nil })
}

// path returns where a configured provider is mounted.
func (c *config) path(p payack.Provider) string { return *c.sections[p].path() }

// maxMaxBody bounds max_body_bytes, because a receiver allocates as much as a
// request announces.
const maxMaxBody = 64 << 20

// complete sets the defaults, and checks the members that no constructor checks.
func (c *config) complete() (err error) {
	if c.Addr == "" {
		c.Addr = "127.0.0.1:8080"
	}
	if err := c.completeDatabase(); err != nil {
		return err
	}
	if err := c.completeAdmin(); err != nil {
		return err
	}
	switch {
	case c.MaxBodyBytes < 0 || c.MaxBodyBytes > maxMaxBody:
		return fmt.Errorf("max_body_bytes: it must be between 1 and %d; leave it out for %d", maxMaxBody, middleware.DefaultMaxBody)
	}
	if c.proxies, err = prefixes("trusted_proxies", c.TrustedProxies); err != nil {
		return err
	}
	if c.allowed, err = prefixes("allowed_addresses", c.AllowedAddresses); err != nil {
		return err
	}
	if c.RateLimit != nil {
		if err := c.RateLimit.complete(); err != nil {
			return err
		}
	}
	if c.Forward != nil {
		if err := c.Forward.complete(); err != nil {
			return err
		}
	}
	return c.completeProviders()
}

func (r *rateLimit) complete() error {
	if r.PerSecond == nil {
		r.PerSecond = new(50.0)
	}
	if r.Burst == nil {
		r.Burst = new(100)
	}
	if r.Charge == "" {
		r.Charge = ratelimit.ChargeFailures
	}
	switch {
	case *r.PerSecond < 0:
		return errors.New("rate_limit.per_second: it can't be negative; 0 switches the limit off")
	case r.Charge != ratelimit.ChargeFailures && r.Charge != ratelimit.ChargeAll:
		return fmt.Errorf(`rate_limit.charge: unknown word %q; choose "failures" or "all"`, string(r.Charge))
	}
	return nil
}

// maxConfigPath bounds a path in bytes, because a receiver's name in the inbox
// contains it.
const maxConfigPath = 150

func (c *config) completeProviders() error {
	taken := map[string]payack.Provider{}
	for _, p := range c.configured() {
		path := c.sections[p].path()
		if *path == "" {
			*path = "/" + string(p)
		}
		if !strings.HasPrefix(*path, "/") || strings.ContainsAny(*path, "?#") {
			return fmt.Errorf("%s.path: %q is no path; it begins with / and holds neither ? nor #, like /%s", p, *path, p)
		}
		if len(*path) > maxConfigPath || plain(*path) != *path {
			return fmt.Errorf("%s.path: the inbox can't keep it; give at most %d printable characters", p, maxConfigPath)
		}
		if other, found := taken[*path]; found {
			return fmt.Errorf("%s.path: %q is %s's path already; give each provider its own", p, *path, other)
		}
		taken[*path] = p
		if err := c.sections[p].check(); err != nil {
			return err
		}
	}
	if len(taken) == 0 {
		return errors.New("no provider is configured; give at least one of " + providers.Names())
	}
	return nil
}

// prefixes parses addresses and prefixes.
func prefixes(member string, texts []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			addr, err := netip.ParseAddr(text)
			if err != nil {
				return nil, fmt.Errorf("%s: %q is neither an address nor a prefix like 192.0.2.0/24", member, text)
			}
			addr = addr.Unmap().WithZone("")
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		if p.Addr().Is4In6() && p.Bits() >= 96 { // clients are identified by their IPv4 address
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		out = append(out, p)
	}
	return out, nil
}
