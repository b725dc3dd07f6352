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
	"github.com/payack/payack/client"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/ratelimit"
	"github.com/payack/payack/verify"
)

// config is the file of listen, send and the others. Absent members have the
// defaults that complete sets.
type config struct {
	Addr             string         `json:"addr"`
	Database         *string        `json:"database"`
	MaxBodyBytes     int64          `json:"max_body_bytes"`
	TrustedProxies   []string       `json:"trusted_proxies"`
	AllowedAddresses []string       `json:"allowed_addresses"`
	RateLimit        *rateLimit     `json:"rate_limit"`
	Ptop             *ptopConfig    `json:"ptop"`
	PTS              *ptsConfig     `json:"pts"`
	Payatom          *payatomConfig `json:"payatom"`

	proxies, allowed []netip.Prefix

	// confirm is not of the file, which has no members for asking PTS and
	// Payatom. That of Ptop takes the place of asking as the file says.
	confirm struct {
		ptop    middleware.ConfirmFunc[*payack.PtopEvent]
		pts     middleware.ConfirmFunc[*payack.PTSEvent]
		payatom middleware.ConfirmFunc[*payack.PayatomEvent]
	}
}

type rateLimit struct {
	PerSecond *float64         `json:"per_second"`
	Burst     *int             `json:"burst"`
	Charge    ratelimit.Charge `json:"charge"`
	Redis     string           `json:"redis"`
}

type ptopConfig struct {
	Path              string          `json:"path"`
	SigningKeys       []string        `json:"signing_keys"`
	SignatureHeaders  []string        `json:"signature_headers"`
	Body              verify.Body     `json:"body"`
	Schemes           []payack.Scheme `json:"schemes"`
	Sniff             bool            `json:"sniff"`
	InsecureNoConfirm bool            `json:"insecure_no_confirm"`
	Confirm           *ptopConfirm    `json:"confirm"`
}

// ptopConfirm is whom to ask, and as who.
type ptopConfirm struct {
	BaseURL   string `json:"base_url"`
	WebsiteID string `json:"website_id"`
	SecretKey string `json:"secret_key"`
}

type ptsConfig struct {
	Path                 string                      `json:"path"`
	UserID               string                      `json:"user_id"`
	Safecode             string                      `json:"safecode"`
	SafecodeEncoding     envelope.PTSEncoding        `json:"safecode_encoding"`
	PublicKeys           []string                    `json:"public_keys"`
	Numbers              []payack.Scheme             `json:"numbers"`
	Sniff                bool                        `json:"sniff"`
	TransactionSecret    string                      `json:"transaction_secret"`
	TransactionSignature verify.PTSSignatureEncoding `json:"transaction_signature"`
}

type payatomConfig struct {
	Path                  string            `json:"path"`
	SecretKeys            []string          `json:"secret_keys"`
	Numbers               []payack.Scheme   `json:"numbers"`
	Body                  verify.Body       `json:"body"`
	Sniff                 bool              `json:"sniff"`
	Orders                map[string]string `json:"orders"`
	InsecureNoExpectation bool              `json:"insecure_no_expectation"`
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
	var c config
	if err := json.Unmarshal(filled, &c, json.RejectUnknownMembers(true)); err != nil {
		return nil, configError(b, err)
	}
	return &c, c.complete()
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

// providers in the order in which they are shown.
var providers = []payack.Provider{payack.Ptop, payack.PTS, payack.Payatom}

// provider returns a provider that is configured.
func (c *config) provider(name string) (payack.Provider, error) {
	p := payack.Provider(name)
	if !slices.Contains(providers, p) {
		return "", fmt.Errorf("there is no provider %q; there are ptop, pts and payatom", name)
	}
	if c.path(p) == "" {
		return "", fmt.Errorf("the configuration has no %s", name)
	}
	return p, nil
}

// path is where a provider is mounted, empty when it is not configured.
func (c *config) path(p payack.Provider) string {
	switch {
	case p == payack.Ptop && c.Ptop != nil:
		return c.Ptop.Path
	case p == payack.PTS && c.PTS != nil:
		return c.PTS.Path
	case p == payack.Payatom && c.Payatom != nil:
		return c.Payatom.Path
	}
	return ""
}

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
	paths := map[string]string{}
	mount := func(provider string, path *string) error {
		if *path == "" {
			*path = "/" + provider
		}
		if !strings.HasPrefix(*path, "/") || strings.ContainsAny(*path, "?#") {
			return fmt.Errorf("%s.path: %q is no path; it begins with / and holds neither ? nor #, like /%s", provider, *path, provider)
		}
		if other, taken := paths[*path]; taken {
			return fmt.Errorf("%s.path: %q is %s's path already; give each provider its own", provider, *path, other)
		}
		paths[*path] = provider
		return nil
	}
	if p := c.Ptop; p != nil {
		if err := mount("ptop", &p.Path); err != nil {
			return err
		}
		if p.Confirm == nil && !p.InsecureNoConfirm {
			return errors.New("ptop.confirm: the webhook carries no amount, and nothing here confirms it; give confirm, or set ptop.insecure_no_confirm to true to receive all the same")
		}
	}
	if p := c.PTS; p != nil {
		if err := mount("pts", &p.Path); err != nil {
			return err
		}
	}
	if p := c.Payatom; p != nil {
		if err := mount("payatom", &p.Path); err != nil {
			return err
		}
		if p.Orders == nil && !p.InsecureNoExpectation {
			return errors.New("payatom.orders: there is nothing to compare webhooks with; give the orders and their amounts, or set insecure_no_expectation to true")
		}
		for id, amount := range p.Orders {
			if !payack.NewAmount(amount).Valid() {
				return fmt.Errorf("payatom.orders: the amount of %q is no number; write it like 500 or 100.50, in quotes", id)
			}
		}
	}
	if len(paths) == 0 {
		return errors.New("no provider is configured; give at least one of ptop, pts and payatom")
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

// libraryText is an error of the library without the names that it begins
// with: the library's, and the provider's where it has that.
func libraryText(provider string, err error) string {
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), "payack: "), provider+": ")
}

// providerError words an error of the library by the names of the
// configuration.
func providerError(provider string, err error) error {
	text := libraryText(provider, err)
	for _, names := range [...][2]string{
		{"headers:", "signature_headers:"},
		{"scheme:", "schemes:"},
		{"signing_key:", "signing_keys:"},
		{"private_key:", "-key:"},
		{"BaseURL:", "confirm.base_url:"},
		{"WebsiteID:", "confirm.website_id:"},
		{"SecretKey:", "confirm.secret_key:"},
	} {
		if rest, found := strings.CutPrefix(text, names[0]); found {
			text = names[1] + rest
			break
		}
	}
	if strings.HasPrefix(text, "-") { // a flag
		return errors.New(text)
	}
	// A fix that no member of the configuration has.
	text = strings.TrimSuffix(text, ", or switch envelopes off")
	return errors.New(provider + "." + text)
}

// middleware asks Ptop if confirm is given, insecure_no_confirm or not.
func (p *ptopConfig) middleware(o middleware.Options) (middleware.PtopConfig, error) {
	c := middleware.PtopConfig{
		SigningKeys: payack.Secrets(p.SigningKeys...), SignatureHeaders: p.SignatureHeaders,
		Body: p.Body, Schemes: p.Schemes, Sniff: p.Sniff, Options: o,
	}
	if p.Confirm == nil {
		c.ConfirmInCallback = p.InsecureNoConfirm
		return c, nil
	}
	ptop, err := client.NewPtop(client.PtopConfig{
		BaseURL: p.Confirm.BaseURL, WebsiteID: p.Confirm.WebsiteID, SecretKey: payack.NewSecret(p.Confirm.SecretKey),
	})
	if err != nil {
		return c, err
	}
	c.Confirm = ptop.Confirm
	return c, nil
}

func (p *ptsConfig) middleware(o middleware.Options) middleware.PTSConfig {
	return middleware.PTSConfig{
		UserID: p.UserID, Safecode: payack.NewSecret(p.Safecode), SafecodeEncoding: p.SafecodeEncoding,
		PublicKeys: p.PublicKeys, TransactionSecret: payack.NewSecret(p.TransactionSecret),
		TransactionSignature: p.TransactionSignature, Numbers: p.Numbers, Sniff: p.Sniff, Options: o,
	}
}

func (p *payatomConfig) middleware(o middleware.Options) middleware.PayatomConfig {
	c := middleware.PayatomConfig{
		SecretKeys: payack.Secrets(p.SecretKeys...), Body: p.Body, Numbers: p.Numbers, Sniff: p.Sniff,
		ExpectInCallback: p.Orders == nil, Options: o,
	}
	if p.Orders != nil {
		c.Expect = expectOrders(p.Orders)
	}
	return c
}
