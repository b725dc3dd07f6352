// Package field has deliveries as they may come in, as data: what a sender posts,
// how the receiver is set up, and what must become of it. A report from the
// field becomes one more entry of a file in cases, and the test runs it over the
// whole way of a request.
//
// A file is a list of cases. Unknown and repeated names are refused, so that a
// slip can't make a case expect nothing.
//
//	{
//	  "name": "pts-error-message-array",
//	  "why": "PHP's empty array where a text is meant",
//	  "provider": "pts",
//	  "config": {"numbers": ["literal"]},
//	  "deliveries": [{
//	    "set": {"error_message": []}, "sign": "pts",
//	    "outcome": "accepted", "answer": "200 SUCCESS",
//	    "event": {"id": "pts:v1::277:20240001:7001:2000", "unsigned": {"error_message": "[]"}}
//	  }]
//	}
//
// A delivery is either literal bytes (body or body_base64, with type and
// headers), or a genuine message with members set and dropped, signed as sign
// says: pts, payatom, or for Ptop one of its schemes. What is set is JSON as it
// stands in the file, 63.00 stays 63.00; in a form it is the text of that. texts
// replaces what is signed for a member. swap then replaces marks by bytes that
// JSON can't hold: a text, or hex: and digits.
//
// The deliveries of a case go to one receiver, one after the other. orders,
// confirm and callback are the merchant's side; a delivery that gives one of
// them changes it from then on.
package field

import (
	"bytes"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// Case is one entry of a file.
type Case struct {
	// File is the name of the file that it is in.
	File string `json:"-"`
	Name string `json:"name"`
	// Why says what is special, for people.
	Why        string          `json:"why"`
	Provider   payack.Provider `json:"provider"`
	Config     Config          `json:"config"`
	Deliveries []Delivery      `json:"deliveries"`
	// Error is a part of the error of a configuration that must be refused.
	// Nothing is delivered then.
	Error string `json:"error"`
}

// Config is how a receiver is set up.
type Config struct {
	// Key names one of the keys of the provider's vectors; empty is the usual one.
	Key                  string                      `json:"key"`
	Body                 verify.Body                 `json:"body"`
	Numbers              []payack.Scheme             `json:"numbers"`
	Schemes              []payack.Scheme             `json:"schemes"`
	SignatureHeaders     []string                    `json:"signature_headers"`
	Sniff                bool                        `json:"sniff"`
	UserID               string                      `json:"user_id"`
	TransactionSignature verify.PTSSignatureEncoding `json:"transaction_signature"`
	OlderSpelling        bool                        `json:"older_spelling"`
	AnyAmount            bool                        `json:"any_amount"`
	World
}

// World is the merchant's side, which may change between deliveries.
type World struct {
	// Orders are what Payatom's Expect knows. There is no such hook without them.
	Orders map[string]Order `json:"orders"`
	// Confirm is what the provider says when it is asked. There is no such hook
	// without it.
	Confirm *Confirm `json:"confirm"`
	// Callback is what the merchant's function does: nothing for success, or
	// unexpected, fails, panics.
	Callback *string `json:"callback"`
}

// Order is the merchant's record of one.
type Order struct {
	Amount  string `json:"amount"`
	RefCode string `json:"ref_code"`
}

// Confirm is an answer of a hook, or of the provider's own query, which is then
// asked by package client.
type Confirm struct {
	Says  *payack.Confirmation `json:"says"`
	Error string               `json:"error"` // unconfirmed or pending
	// Gateway is the answer of a query: a genuine one with members set, or a body.
	Gateway *Gateway `json:"gateway"`
}

// Gateway is the provider's answer when it is asked.
type Gateway struct {
	Set  Members  `json:"set"`
	Drop []string `json:"drop"`
	Body string   `json:"body"`
}

// Delivery is one request and what becomes of it.
type Delivery struct {
	// Method is POST when empty, Type the one that goes with the body.
	Method  string            `json:"method"`
	Type    *string           `json:"type"`
	Headers map[string]string `json:"headers"`

	Body       string `json:"body"`
	BodyBase64 string `json:"body_base64"`

	Set   Members           `json:"set"`
	Drop  []string          `json:"drop"`
	Sign  string            `json:"sign"`
	Place string            `json:"place"` // of Ptop's signature: first, middle; else last
	Texts map[string]string `json:"texts"`
	// Shape is how PTS packs it: text, data, object; else flat.
	Shape string            `json:"shape"`
	Swap  map[string]string `json:"swap"`

	World

	Outcome payack.Outcome `json:"outcome"`
	Reason  payack.Reason  `json:"reason"`
	// Detail is a part of the error's text; {mark} is where swap's mark was.
	Detail string `json:"detail"`
	// Answer is status and body; Payatom's body in its two words.
	Answer string `json:"answer"`
	// Event is what is expected of the event, the invalid one too. Without it
	// there must be none, unless it was accepted or is a duplicate.
	Event *Event `json:"event"`
	// Called is how often the merchant's function was called by this delivery;
	// without it, once for an accepted one and never otherwise.
	Called *int `json:"called"`
	// Warns is a part of a warning in the log beside the delivery's own line.
	// Without it there must be none.
	Warns string `json:"warns"`
	// Asked are members of the question that the gateway was asked. Without it
	// the gateway was not asked, unless what it says was given.
	Asked map[string]string `json:"asked"`
}

// Event is what is expected of an event. Members that are not named may be
// anything.
type Event struct {
	ID       string             `json:"id"`
	Scheme   payack.Scheme      `json:"scheme"`
	Paid     *bool              `json:"paid"`
	Final    *bool              `json:"final"`
	Members  map[string]*string `json:"members"`
	Unsigned map[string]*string `json:"unsigned"`
	Extra    map[string]*string `json:"extra"`
	// Literals are amounts as sent, where that isn't what is shown.
	Literals map[string]string `json:"literals"`
	// Refund is what Payatom's Refund reads; an empty one is none.
	Refund    map[string]string    `json:"refund"`
	Expected  *Order               `json:"expected"`
	Confirmed *payack.Confirmation `json:"confirmed"`
}

// Members are members in their order, with their values as JSON stands in the
// file.
type Members []Member

// Member is one of them.
type Member struct{ Name, Literal string }

// UnmarshalJSON reads an object.
func (m *Members) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return errors.New("members are no object")
	}
	*m = Members{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		var literal json.RawMessage
		if err := dec.Decode(&literal); err != nil {
			return err
		}
		*m = append(*m, Member{name.(string), string(literal)})
	}
	return nil
}

// with returns members with others set, in their place or at the end, and some
// dropped.
func (m Members) with(set Members, drop []string) (Members, error) {
	out := slices.Clone(m)
	for _, x := range set {
		if i := out.index(x.Name); i >= 0 {
			out[i].Literal = x.Literal
			continue
		}
		out = append(out, x)
	}
	for _, name := range drop {
		i := out.index(name)
		if i < 0 {
			return nil, fmt.Errorf("drop: there is no %q", name)
		}
		out = slices.Delete(out, i, i+1)
	}
	return out, nil
}

func (m Members) index(name string) int {
	return slices.IndexFunc(m, func(x Member) bool { return x.Name == name })
}

// text is what is signed of a member: a string's content, nothing for null or
// none, and the literal of anything else.
func (m Members) text(name string) string {
	if i := m.index(name); i >= 0 {
		return textOf(m[i].Literal)
	}
	return ""
}

func textOf(literal string) string {
	var s *string
	switch err := json.Unmarshal([]byte(literal), &s); {
	case err != nil:
		return literal
	case s == nil:
		return ""
	}
	return *s
}

//go:embed cases/*.json
var files embed.FS

// Load returns the cases of all files.
func Load() ([]Case, error) {
	names, err := fs.Glob(files, "cases/*.json")
	if err != nil {
		return nil, err
	}
	var all []Case
	seen := map[string]bool{}
	for _, name := range names {
		b, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		cases, err := Parse(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, c := range cases {
			if seen[c.Name] {
				return nil, fmt.Errorf("%s: %s: the name is given twice", name, c.Name)
			}
			seen[c.Name] = true
			c.File = strings.TrimSuffix(strings.TrimPrefix(name, "cases/"), ".json")
			all = append(all, c)
		}
	}
	return all, nil
}

// Parse reads one file. It refuses unknown names, repeated ones, and cases that
// expect nothing or contradict themselves.
func Parse(b []byte) ([]Case, error) {
	if err := repeated(json.NewDecoder(bytes.NewReader(b))); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var cases []Case
	if err := dec.Decode(&cases); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("there is something after the list")
	}
	for i := range cases {
		if err := cases[i].check(); err != nil {
			return nil, fmt.Errorf("case %d (%s): %w", i+1, cases[i].Name, err)
		}
	}
	return cases, nil
}

// repeated refuses a name that stands twice in one object: encoding/json would
// take the last.
func repeated(dec *json.Decoder) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	open, nested := tok.(json.Delim)
	if !nested {
		return nil
	}
	names := map[string]bool{}
	for dec.More() {
		if open == '{' {
			name, err := dec.Token()
			if err != nil {
				return err
			}
			if names[name.(string)] {
				return fmt.Errorf("%q is given twice, before byte %d", name, dec.InputOffset())
			}
			names[name.(string)] = true
		}
		if err := repeated(dec); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

func (c *Case) check() error {
	switch {
	case c.Name == "" || c.Why == "":
		return errors.New("name and why are needed")
	case c.Provider != payack.Ptop && c.Provider != payack.PTS && c.Provider != payack.Payatom:
		return fmt.Errorf("there is no provider %q", c.Provider)
	case (c.Error != "") == (len(c.Deliveries) > 0):
		return errors.New("either deliveries or the error of the configuration is needed")
	}
	for i := range c.Deliveries {
		if err := c.Deliveries[i].check(c); err != nil {
			return fmt.Errorf("delivery %d: %w", i+1, err)
		}
	}
	return nil
}

func (d *Delivery) check(c *Case) error {
	literal := d.Body != "" || d.BodyBase64 != ""
	switch {
	case d.Outcome == "" || d.Answer == "":
		return errors.New("outcome and answer are needed")
	case d.Reason.Outcome() != d.Outcome && (d.Outcome != payack.OutcomeDuplicate || d.Reason != ""):
		return fmt.Errorf("the reason %q doesn't go with %s", d.Reason, d.Outcome)
	case d.Body != "" && d.BodyBase64 != "":
		return errors.New("body and body_base64 are given")
	case literal && (d.Set != nil || d.Drop != nil):
		return errors.New("set and drop change a genuine message, and a body is given")
	case !literal && d.Sign == "":
		return errors.New("sign is needed: pts, payatom, one of Ptop's schemes, or none")
	case d.Body != "" && d.Sign != "" && d.Sign != "none" && d.Sign != "header" && !strings.Contains(d.Body, "{sign}"):
		return errors.New("the body has no {sign}")
	case d.Shape != "" && c.Provider != payack.PTS, d.Place != "" && c.Provider != payack.Ptop:
		return errors.New("shape is PTS's and place is Ptop's")
	case d.Event == nil && d.Reason.AfterVerified():
		return errors.New("it is verified, so say what is expected of its event")
	}
	return nil
}

// swapped puts what JSON can't hold in the place of the marks.
func swapped(body string, swap map[string]string) (string, error) {
	for mark, text := range swap {
		if digits, found := strings.CutPrefix(text, "hex:"); found {
			b, err := hex.DecodeString(digits)
			if err != nil {
				return "", fmt.Errorf("swap: %w", err)
			}
			text = string(b)
		}
		if strings.Count(body, mark) != 1 {
			return "", fmt.Errorf("swap: %q is there %d times", mark, strings.Count(body, mark))
		}
		body = strings.Replace(body, mark, text, 1)
	}
	return body, nil
}

func (d *Delivery) literal() (string, error) {
	if d.BodyBase64 == "" {
		return d.Body, nil
	}
	b, err := base64.StdEncoding.DecodeString(d.BodyBase64)
	return string(b), err
}
