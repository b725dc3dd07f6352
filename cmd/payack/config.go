package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/ratelimit"
)

// config is the file of listen, send and the others. Absent members have the
// defaults that complete sets.
type config struct {
	Addr             string     `json:"addr"`
	Database         *string    `json:"database"`
	MaxBodyBytes     int64      `json:"max_body_bytes"`
	TrustedProxies   []string   `json:"trusted_proxies"`
	AllowedAddresses []string   `json:"allowed_addresses"`
	RateLimit        *rateLimit `json:"rate_limit"`

	// sections are those of the providers that are configured.
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
	if file == "" {
		return nil, usagef("-config is missing; give the configuration's file")
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, usagef("-config: %w", err)
	}
	c, err := parseConfig(b)
	if err != nil {
		return nil, usagef("%s: %w", file, err)
	}
	return c, nil
}

func parseConfig(b []byte) (*config, error) {
	filled, err := fromEnvironment(b)
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

// takeSections reads the members that are providers' and returns the others.
func (c *config) takeSections(file []byte) (common []byte, err error) {
	var whole jsontext.Value
	if err := json.Unmarshal(file, &whole); err != nil || whole.Kind() != '{' {
		return file, err
	}
	var out bytes.Buffer
	in, others := jsontext.NewDecoder(bytes.NewReader(whole)), jsontext.NewEncoder(&out)
	_, _ = in.ReadToken() // no error here and below: it was read before
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

// within returns the error of a member's value as one of the whole file.
func within(member string, err error) error {
	var semantic *json.SemanticError
	if !errors.As(err, &semantic) {
		return err
	}
	whole := *semantic
	whole.JSONPointer = "/" + jsontext.Pointer(member) + whole.JSONPointer
	return &whole
}

// fromEnvironment puts variables of the environment in the place of values
// ${NAME}. The rest is copied as it stands.
func fromEnvironment(b []byte) ([]byte, error) {
	var out bytes.Buffer
	in, copied := jsontext.NewDecoder(bytes.NewReader(b)), jsontext.NewEncoder(&out)
	for {
		token, err := in.ReadToken()
		if err == io.EOF {
			return out.Bytes(), nil
		}
		if err != nil {
			return nil, configError(b, err)
		}
		// In an object every other token is a name, and that one stays.
		container, length := in.StackIndex(in.StackDepth())
		isName := container == '{' && length%2 == 1
		if token.Kind() == '"' && !isName {
			if name, ok := variable(token.String()); ok {
				value, found := os.LookupEnv(name)
				if name == "" {
					return nil, fmt.Errorf("%s: %s: ${} names no variable of the environment; write it like ${NAME}", position(b, offsetOf(b, in.StackPointer())), memberName(in.StackPointer()))
				}
				if !found {
					return nil, fmt.Errorf("%s: %s: the environment has no %s; set it, or write the value into the file", position(b, offsetOf(b, in.StackPointer())), memberName(in.StackPointer()), name)
				}
				if !utf8.ValidString(value) {
					return nil, fmt.Errorf("%s: %s: %s in the environment is not UTF-8 text; set it to the text itself", position(b, offsetOf(b, in.StackPointer())), memberName(in.StackPointer()), name)
				}
				token = jsontext.String(value)
			}
		}
		if err := copied.WriteToken(token); err != nil {
			return nil, configError(b, err)
		}
	}
}

// variable returns the name of a value ${NAME}.
func variable(text string) (name string, ok bool) {
	if !strings.HasPrefix(text, "${") || !strings.HasSuffix(text, "}") {
		return "", false
	}
	return text[len("${") : len(text)-1], true
}

// configError says where a file is wrong. The decoder's own text may hold
// values.
func configError(file []byte, err error) error {
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		at := position(file, syntactic.ByteOffset)
		if errors.Is(syntactic.Err, jsontext.ErrDuplicateName) {
			return fmt.Errorf("%s: the member %s is given twice", at, memberName(syntactic.JSONPointer))
		}
		return fmt.Errorf("%s: not valid JSON; one JSON object is expected", at)
	}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		at := position(file, offsetOf(file, semantic.JSONPointer))
		if errors.Is(semantic.Err, json.ErrUnknownName) {
			return fmt.Errorf("%s: %s: there is no such member; check the spelling, the nearest is %s", at,
				memberName(semantic.JSONPointer), nearest(semantic.JSONPointer.LastToken(), memberNames(semantic.GoType)))
		}
		return fmt.Errorf("%s: %s: a JSON value of the wrong type%s", at, memberName(semantic.JSONPointer), wanted(semantic.GoType))
	}
	return errors.New("not a configuration: one JSON object is expected")
}

// position returns the line and the column, in characters, of a byte.
func position(file []byte, offset int64) string {
	before := file[:max(0, min(offset, int64(len(file))))]
	line := before[bytes.LastIndexByte(before, '\n')+1:]
	return fmt.Sprintf("line %d, column %d", bytes.Count(before, []byte{'\n'})+1, utf8.RuneCount(line)+1)
}

// offsetOf returns where a member begins, with its name, or an array's value. The
// decoder's own offsets are those of the text with the environment's values.
func offsetOf(file []byte, at jsontext.Pointer) int64 {
	in := jsontext.NewDecoder(bytes.NewReader(file))
	for {
		_ = in.PeekKind() // goes to the next token
		begins := in.InputOffset()
		_, err := in.ReadToken()
		switch {
		case err != nil: // it has been read before
			return 0
		case in.StackPointer() == at:
			for begins < in.InputOffset() && bytes.IndexByte([]byte(" \t\r\n,:"), file[begins]) >= 0 {
				begins++
			}
			return begins
		}
	}
}

// memberNames returns the names that an object of the configuration takes.
func memberNames(t reflect.Type) (names []string) {
	if t == reflect.TypeFor[config]() {
		defer func() {
			for _, p := range providers.All {
				names = append(names, string(p))
			}
		}()
	}
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("json"); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// wanted says which JSON type a member has.
func wanted(t reflect.Type) string {
	if t == nil {
		return ""
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return "; write a string"
	case reflect.Bool:
		return "; write true or false"
	case reflect.Int, reflect.Int64:
		return "; write a whole number"
	case reflect.Float64:
		return "; write a number"
	case reflect.Slice:
		return "; write an array of strings"
	case reflect.Map, reflect.Struct:
		return "; write an object"
	}
	return ""
}

// memberName writes a pointer as the documentation writes members.
func memberName(p jsontext.Pointer) string {
	name := strings.ReplaceAll(strings.TrimPrefix(string(p), "/"), "/", ".")
	if name == "" {
		return "the configuration"
	}
	return name
}

// provider returns a provider that is configured.
func (c *config) provider(name string) (payack.Provider, error) {
	p := payack.Provider(name)
	if _, err := registry.Of(p); err != nil {
		return "", err
	}
	if c.sections[p] == nil {
		return "", fmt.Errorf("the configuration has no %s", name)
	}
	return p, nil
}

// configured returns the providers that are configured, in the order in which
// they are shown.
func (c *config) configured() []payack.Provider {
	return slices.DeleteFunc(slices.Clone(providers.All), func(p payack.Provider) bool { return c.sections[p] == nil })
}

// path is where a configured provider is mounted.
func (c *config) path(p payack.Provider) string { return *c.sections[p].path() }

// maxMaxBody bounds the bound: a request's announced length is allocated.
const maxMaxBody = 64 << 20

// complete sets the defaults and checks what no constructor checks.
func (c *config) complete() (err error) {
	if c.Addr == "" {
		c.Addr = "127.0.0.1:8080"
	}
	switch {
	case c.Database == nil:
		return errors.New(`database: the default, payack.db, does not exist yet in this version; set "database": "" (memory only)`)
	case *c.Database != "":
		return errors.New(`database: only "" (memory only) exists yet in this version`)
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

// prefixes reads addresses and prefixes.
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
		if p.Addr().Is4In6() && p.Bits() >= 96 { // clients are known by their IPv4 address
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		out = append(out, p)
	}
	return out, nil
}
