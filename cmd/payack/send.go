package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/payacktest"
)

func runSend(ctx context.Context, io stdio, args []string) error {
	fs := newFlags(io, "send", "send PROVIDER -config FILE -url URL [-key FILE] [-set name=value]…\n"+
		"       [-extra name=value]… [-tamper signature|body|envelope|replay] [-print]",
		"payack send payatom -config payack.json -set status=Declined \\\n"+
			"           -url http://127.0.0.1:8080/payatom")
	file := fs.String("config", "", "the receiver's configuration `file`, for its keys")
	target := fs.String("url", "", "the `URL` to post to")
	key := fs.String("key", "", "a private key's PEM `file`, where the file has the public one: "+needKeys())
	var set assignments
	var known, extra []string
	fs.Var(&memberFlag{&set, &known}, "set", "give a member another value, `name=value`; repeatable")
	fs.Var(&memberFlag{&set, &extra}, "extra", "send a member that is none of the provider's, `name=value`; repeatable")
	tamper := fs.String("tamper", "", "spoil a `part`: signature, body, envelope, or replay (post it twice)")
	printed := fs.Bool("print", false, "print it as a line with curl, and post nothing")
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
	c, err := loadKeys(*file)
	if err != nil {
		return err
	}
	s, err := newSender(c, operands[0], *key)
	if err != nil {
		return usageError{err}
	}
	if err := s.checkNames(known, extra); err != nil {
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
	if *printed {
		line, err := curlLine(*target, cb)
		if err != nil {
			return usageError{err}
		}
		fmt.Fprint(io.out, strings.Repeat(line+"\n", times))
		return nil
	}
	for range times {
		a, err := post(ctx, *target, cb)
		if err != nil {
			return err
		}
		printAnswer(io.out, a)
		switch {
		case a.Status == http.StatusNotFound:
			return fmt.Errorf("nothing is at the path of -url (404); give the path at which your server mounts %s (payack listen mounts it at %s)", s.provider, c.path(s.provider))
		case !acknowledges(s.provider, a):
			return fmt.Errorf("the answer is no acknowledgement: %s; the receiver's own output gives the reason", expected(s.provider))
		}
	}
	return nil
}

// expected says which answer a provider takes for an acknowledgement.
func expected(p payack.Provider) string {
	want := payacktest.Answer(p, "")
	if want.Body == "" {
		return fmt.Sprintf("%s expects the status %d", p, want.Status)
	}
	return fmt.Sprintf("%s expects the status %d and the body %s", p, want.Status, want.Body)
}

// needKeys names the providers for which send needs -key.
func needKeys() string {
	var names []string
	for _, p := range providers.All {
		if registry[p].needsKey != "" {
			names = append(names, string(p))
		}
	}
	return strings.Join(names, ", ")
}

func missingProvider(name string) error {
	return usagef("%s: the provider is missing; it comes first: payack %s %s …", name, name, providers.Join("|"))
}

// targetURL parses -url.
func targetURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usagef("-url: it is missing or no URL; give the receiver's, like http://127.0.0.1:8080/payatom")
	}
	return u, nil
}

// memberFlag is a flag that may be repeated. all collects the assignments of all
// such flags in the order of the command line. names holds the names that are
// given with this flag.
type memberFlag struct {
	all   *assignments
	names *[]string
}

// String implements flag.Value.
func (memberFlag) String() string { return "" }

// Set implements flag.Value. It accepts name=value.
func (f memberFlag) Set(s string) error {
	name, value, found := strings.Cut(s, "=")
	if !found || name == "" {
		return errors.New("give name=value")
	}
	*f.all, *f.names = append(*f.all, assignment{name, value}), append(*f.names, name)
	return nil
}

// curlLine returns a line for a shell. The line calls curl, which sends the callback
// byte for byte.
func curlLine(target string, cb payacktest.Callback) (string, error) {
	args := []string{"curl", "-sS", "--globoff", "-X", http.MethodPost}
	for _, name := range slices.Sorted(maps.Keys(cb.Header)) {
		for _, value := range cb.Header[name] {
			if value == "" {
				args = append(args, "-H", name+";") // curl's syntax for an empty header
			} else {
				args = append(args, "-H", name+": "+value)
			}
		}
	}
	// --data-binary is not used, because it would read a file if the body began
	// with @.
	args = append(args, "--data-raw", string(cb.Body), target)
	for i, arg := range args {
		if strings.IndexByte(arg, 0) >= 0 {
			return "", errors.New("-print: the callback has a byte 0, which no shell takes; leave -print out")
		}
		args[i] = shellWord(arg)
	}
	return strings.Join(args, " "), nil
}

// shellSafe matches words that need no quotes in any shell.
var shellSafe = regexp.MustCompile(`^[A-Za-z0-9_./:=,+-]+$`)

// shellWord quotes a word for a POSIX shell.
func shellWord(s string) string {
	if shellSafe.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// post sends a callback. Like a provider, it follows no redirects.
func post(ctx context.Context, target string, cb payacktest.Callback) (payack.Answer, error) {
	res, err := cb.Post(ctx, nil, target)
	if err != nil {
		return payack.Answer{}, errors.New(strings.TrimPrefix(err.Error(), "payacktest: "))
	}
	return answerOf(res)
}

// printAnswer prints an answer on two lines, escaped for the terminal.
func printAnswer(w io.Writer, a payack.Answer) {
	fmt.Fprintf(w, "HTTP %d", a.Status)
	if a.ContentType != "" {
		fmt.Fprintf(w, " %s", plain(a.ContentType))
	}
	fmt.Fprintf(w, "\n%s\n", plain(strings.TrimRight(a.Body, "\r\n")))
}
