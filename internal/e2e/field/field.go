// Package field has test cases as data: what a sender posts, how the receiver is
// configured, and the expected result. A report from the field becomes one more
// entry of a file in cases. The test sends each case through the whole receiver.
//
// A file is a list of cases. Unknown and repeated names are refused, because a case
// with a mistyped name would not check what it means to check.
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
// A delivery is either literal bytes (body or body_base64, with type and headers),
// or a genuine message with members set and dropped. sign says how it is signed:
// pts, payatom, or one of Ptop's schemes. The JSON in set keeps its spelling, so
// 63.00 stays 63.00; in a form, a member has the text of its JSON value. texts replaces
// the signed text of a member. swap replaces its keys, marks in the finished body, by
// its values: texts, or bytes that JSON can't express, written as hex: and digits.
//
// The deliveries of a case go to one receiver, one after the other. orders, confirm
// and callback are the merchant's side. A delivery that has one of them changes it
// from then on.
package field

import (
	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// Case is one entry of a file.
type Case struct {
	// File is the name of the file that has the case.
	File string `json:"-"`
	Name string `json:"name"`
	// Why says what the case shows, for people.
	Why        string          `json:"why"`
	Provider   payack.Provider `json:"provider"`
	Config     Config          `json:"config"`
	Deliveries []Delivery      `json:"deliveries"`
	// Error is a part of the constructor's error for a configuration that it must
	// refuse. A case with Error has no deliveries.
	Error string `json:"error"`
}

// Config is the configuration of a receiver.
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
	// Orders are the orders that Payatom's Expect knows. Without them the receiver
	// has no Expect.
	Orders map[string]Order `json:"orders"`
	// Confirm is the result of the receiver's Confirm. Without it the receiver has no
	// Confirm.
	Confirm *Confirm `json:"confirm"`
	// Callback is what the merchant's function does: unexpected, fails, panics, or
	// empty for success.
	Callback *string `json:"callback"`
}

// Order is the merchant's record of an order.
type Order struct {
	Amount  string `json:"amount"`
	RefCode string `json:"ref_code"`
}

// Confirm is the result of a Confirm hook. The hook returns a confirmation or an
// error, or it lets package client ask a fake gateway.
type Confirm struct {
	Says  *payack.Confirmation `json:"says"`
	Error string               `json:"error"` // unconfirmed or pending
	// Gateway is the answer of the fake gateway.
	Gateway *Gateway `json:"gateway"`
}

// Gateway is an answer to a query: a genuine one with members set and dropped, or a
// literal body.
type Gateway struct {
	Set  Members  `json:"set"`
	Drop []string `json:"drop"`
	Body string   `json:"body"`
}

// Delivery is one request and its expected result.
type Delivery struct {
	// Method is POST if empty. Type is the content type; without it the one that fits
	// the body is sent.
	Method  string            `json:"method"`
	Type    *string           `json:"type"`
	Headers map[string]string `json:"headers"`

	Body       string `json:"body"`
	BodyBase64 string `json:"body_base64"`

	Set   Members           `json:"set"`
	Drop  []string          `json:"drop"`
	Sign  string            `json:"sign"`
	Place string            `json:"place"` // of Ptop's signature: first, middle, or empty for last
	Texts map[string]string `json:"texts"`
	// Shape is the shape of PTS's callback: text (an envelope), data (an envelope in
	// the member data), object (a JSON object in the member data), or empty for flat.
	Shape string            `json:"shape"`
	Swap  map[string]string `json:"swap"`

	World

	Outcome payack.Outcome `json:"outcome"`
	Reason  payack.Reason  `json:"reason"`
	// Detail is a part of the error's text. {mark} in it stands for the offset of
	// the text that Swap replaces, in the body or in the text that is sealed.
	Detail string `json:"detail"`
	// Answer is the expected answer, as [e2e.Words] writes it.
	Answer string `json:"answer"`
	// Event is the expected event. It is required for a delivery that is rejected after
	// it verified, such as an invalid one. Without Event, a refused or rejected delivery
	// must have no event.
	Event *Event `json:"event"`
	// Called is how often the delivery must call the merchant's function. Without
	// Called, an accepted delivery must call it once, and any other never.
	Called *int `json:"called"`
	// Warns is a part of a warning that the log must have beside the delivery's own
	// line. Without it there must be no warning.
	Warns string `json:"warns"`
	// Asked are members that a query must have. The gateway must then get exactly one
	// query. Without Asked and without a Gateway, it must get none.
	Asked map[string]string `json:"asked"`
}

// Event is an expected event. Members that it does not name may have any value.
type Event struct {
	ID       string             `json:"id"`
	Scheme   payack.Scheme      `json:"scheme"`
	Paid     *bool              `json:"paid"`
	Final    *bool              `json:"final"`
	Members  map[string]*string `json:"members"`
	Unsigned map[string]*string `json:"unsigned"`
	Extra    map[string]*string `json:"extra"`
	// Literals are amounts as sent, if the JSON of the event shows another text.
	Literals map[string]string `json:"literals"`
	// Refund has the expected members of a Payatom event's refund. An empty object
	// means that the event must have no refund.
	Refund    map[string]string    `json:"refund"`
	Expected  *Order               `json:"expected"`
	Confirmed *payack.Confirmation `json:"confirmed"`
}
