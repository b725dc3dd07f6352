package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/payack/payack/internal/providers"
)

// member describes one member of the configuration, for the example and the help.
type member struct {
	name, about string
	// value is JSON: the default, or an example if there is no default.
	value string
	// key means that the value, or each value of an array, may be @ and a file
	// name.
	key bool
	// members are the members of an object, which has no value of its own.
	members []member
}

// configuration returns all members, in the order of display.
func configuration() []member {
	all := []member{
		{name: "addr", value: `"127.0.0.1:8080"`, about: "where callbacks are received; port 0 takes a free one"},
		{name: "database", value: `"payack.db"`, about: `a SQLite file, a postgres:// or mysql:// URL, or "": memory only`},
		{name: "admin", value: `"127.0.0.1:8081"`, about: "the inspector at /, /healthz and /metrics; without it there are none"},
		{name: "admin_token", value: `"${PAYACK_ADMIN_TOKEN}"`, key: true, about: "what the inspector asks for; without it a random one is printed"},
		{name: "record", value: `""`, about: `a folder for what was not accepted, for inspect and replay; "": none`},
		{name: "retry", about: "events that could not be processed are tried again", members: []member{
			{name: "first", value: `"5s"`, about: "the longest wait after the first attempt; it doubles each time"},
			{name: "max", value: `"1h"`, about: "the longest wait of all"},
			{name: "give_up", value: `"72h"`, about: "the age at which an event is given up, after 10 attempts at least"},
		}},
		{name: "forward", about: "posts events to an application; without it they are printed", members: []member{
			{name: "url", value: `"http://127.0.0.1:3000/payments"`, about: "http is for loopback and private addresses only"},
			{name: "secret", value: `"${PAYACK_WEBHOOK_SECRET}"`, key: true, about: `of Standard Webhooks: echo "whsec_$(openssl rand -base64 32)"`},
			{name: "timeout", value: `"10s"`, about: "an answer 2xx that is whole by then settles the event"},
		}},
		{name: "max_body_bytes", value: `65536`, about: "longer bodies are refused"},
		{name: "trusted_proxies", value: `[]`, about: "addresses or prefixes whose X-Forwarded-For is believed"},
		{name: "allowed_addresses", value: `[]`, about: "who may call; [] is everybody"},
		{name: "rate_limit", about: "by provider and client address; without it there is none", members: []member{
			{name: "per_second", value: `50`, about: "0 switches the limit off"},
			{name: "burst", value: `100`, about: "how many may come at once"},
			{name: "charge", value: `"failures"`, about: `"failures": what does not verify, or is not true; or "all"`},
			{name: "redis", value: `""`, about: `a redis:// URL, for processes that share a limit; "": each its own`},
		}},
	}
	for _, p := range providers.All {
		all = append(all, member{name: string(p), about: "without it nothing is mounted for " + string(p), members: registry[p].config})
	}
	return all
}

// isKey reports whether a member, named as in errors, may hold @ and a file name.
func isKey(name string) bool {
	members, found := configuration(), member{}
	for part := range strings.SplitSeq(name, ".") {
		i := slices.IndexFunc(members, func(m member) bool { return m.name == part })
		if i < 0 {
			return found.key && found.members == nil // part is the index in an array
		}
		found, members = members[i], members[i].members
	}
	return found.key
}

const aboutConfiguration = `// Everything but the keys has a default, which is shown. Leave out forward,
// rate_limit, a confirm or a provider that you don't need.
// "${NAME}" is taken from the environment, and a key may be "@path", a file.
// Lines that begin with // are left out.
`

// writeExample writes the whole configuration, each member below a line that
// explains it.
func writeExample(w io.Writer) error {
	var out strings.Builder
	out.WriteString(aboutConfiguration + "{\n")
	writeMembers(&out, "  ", configuration())
	out.WriteString("}\n")
	_, err := io.WriteString(w, out.String())
	return err
}

func writeMembers(out *strings.Builder, indent string, members []member) {
	for i, m := range members {
		comma := ","
		if i == len(members)-1 {
			comma = ""
		}
		fmt.Fprintf(out, "%s// %s\n%s%q: ", indent, m.about, indent, m.name)
		if m.members == nil {
			out.WriteString(m.value + comma + "\n")
			continue
		}
		out.WriteString("{\n")
		writeMembers(out, indent+"  ", m.members)
		out.WriteString(indent + "}" + comma + "\n")
	}
}
