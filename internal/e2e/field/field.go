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
