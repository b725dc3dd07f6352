package diagnose

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/internal/strict"
)

// elsewhere has the causes for the reasons that depend on more than the delivery.
var elsewhere = map[payack.Reason]string{
	payack.ReasonAddress:     "the client's address is not allowed",
	payack.ReasonRate:        "the client's budget of requests was used up",
	payack.ReasonSpliced:     "its signature was seen before, with another message",
	payack.ReasonUnexpected:  "your function did not expect it",
	payack.ReasonUnconfirmed: "the provider was asked, and its answer contradicts it",
	payack.ReasonConflict:    "the same event was done before, with another amount or order",
	payack.ReasonCallback:    "your function returned an error",
	payack.ReasonPanic:       "your code panicked",
	payack.ReasonDeadline:    "the work did not end in time",
	payack.ReasonBusy:        "the same event was being processed at that moment",
	payack.ReasonUnreachable: "the provider did not confirm it yet, or could not be asked",
	payack.ReasonExpectation: "your records could not be looked up",
	payack.ReasonKeys:        "the keys could not be looked up",
	payack.ReasonStore:       "the store failed",
	payack.ReasonInbox:       "the inbox failed",
}

// cause returns what is wrong, in one line. If the delivery itself is in order,
// cause explains the reason in the options, and sets the report's reason and
// outcome accordingly.
func (c *examination) cause(r *Report) string {
	if text, known := elsewhere[c.options.Reason]; known && r.Outcome == payack.OutcomeAccepted {
		r.Reason = c.options.Reason
		r.Outcome = r.Reason.Outcome()
		return text
	}
	if r.Reason == "" {
		return ""
	}
	detail := ""
	if e, ok := errors.AsType[*payack.Error](c.seen.Err); ok {
		detail = e.Detail
	}
	text := cmp.Or(detail, string(r.Reason))
	if at := c.place(); at != "" {
		text = at
	}
	if other := c.sender(); other != "" {
		text += fmt.Sprintf("; it has the signature of %s's callbacks, so it may have been posted to the wrong path", other)
	}
	return c.redact(text)
}

// place says where and how a malformed document breaks JSON's rules, in more
// detail than a strict parser. It returns "" for JSON.
func (c *examination) place() string {
	if c.seen.Reason != payack.ReasonMalformed || c.subject == nil {
		return ""
	}
	return broken(c.subject.document(c.message))
}

// sender returns another provider if the message has that provider's signature
// member and lacks the signature member of the receiver's provider.
func (c *examination) sender() payack.Provider {
	if c.seen.Outcome != payack.OutcomeRejected || c.seen.Reason.AfterVerified() {
		return ""
	}
	fields, err := strict.JSON(nil, c.delivery.Body)
	if err != nil {
		if fields, err = strict.Form(nil, c.delivery.Body); err != nil {
			return ""
		}
	}
	if strict.Find(fields, c.own.signature) != nil {
		return ""
	}
	for _, p := range providers.All {
		if d := registry[p]; p != c.handler.Provider() && strict.Find(fields, d.signature) != nil {
			return p
		}
	}
	return ""
}
