package payacktest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
)

// Answer returns what a provider is told for a reason: the empty one is
// acceptance. What was rejected is answered by whether it had verified
// ([payack.Reason.AfterVerified]). Payatom's newer spelling is the one given.
// It panics for a provider that payack does not know.
func Answer(p payack.Provider, reason payack.Reason) payack.Answer {
	a, err := middleware.AnswerOf(p, reason)
	if err != nil {
		panic(err)
	}
	return a
}

// Accepted asserts that the answer acknowledges the callback in the provider's
// own words, so that it won't send again: status, content type and body. A
// duplicate is answered the same. Payatom's older spelling counts too, here and
// in the other assertions.
//
// These functions report with Errorf, return whether all was well, and leave
// the answer's body to be read again.
func Accepted(t testing.TB, p payack.Provider, res *http.Response) bool {
	t.Helper()
	return answered(t, p, "accepted", res, "")
}

// Failed asserts that the answer asks the provider to send again: verified, and
// not processed. (PTS gives the same answer as Rejected, Payatom the same as
// RejectedVerified.)
func Failed(t testing.TB, p payack.Provider, res *http.Response) bool {
	t.Helper()
	return answered(t, p, "failed (send again)", res, payack.ReasonCallback, payack.ReasonBusy)
}

// Rejected asserts that the answer says that the callback did not verify: its
// signature or envelope is wrong, or it is malformed.
func Rejected(t testing.TB, p payack.Provider, res *http.Response) bool {
	t.Helper()
	return answered(t, p, "rejected before it verified", res, payack.ReasonSignature, payack.ReasonMalformed)
}

// RejectedVerified asserts the answer to a callback whose signature was right
// and which was rejected all the same: spliced, unexpected, unconfirmed, a
// conflict, or invalid. PTS and Payatom give the same answer as Failed; where
// the difference matters, look at what an observer is told.
func RejectedVerified(t testing.TB, p payack.Provider, res *http.Response) bool {
	t.Helper()
	return answered(t, p, "rejected after it verified", res, payack.ReasonUnexpected, payack.ReasonInvalid)
}

// Refused asserts that the answer turns the callback away at the gate: method,
// content type or encoding, size, address or rate.
func Refused(t testing.TB, p payack.Provider, res *http.Response) bool {
	t.Helper()
	return answered(t, p, "refused at the gate", res,
		payack.ReasonMethod, payack.ReasonContentType, payack.ReasonTooLarge, payack.ReasonAddress, payack.ReasonRate)
}

// Answered asserts the exact answer that goes with a reason, such as
// [payack.ReasonTooLarge].
func Answered(t testing.TB, p payack.Provider, reason payack.Reason, res *http.Response) bool {
	t.Helper()
	what := string(reason)
	if reason == "" {
		what = string(payack.OutcomeAccepted)
	}
	return answered(t, p, what, res, reason)
}

// answered compares what is on the wire with what any of the reasons is
// answered.
func answered(t testing.TB, p payack.Provider, what string, res *http.Response, reasons ...payack.Reason) bool {
	t.Helper()
	d, err := descriptors.Of(p)
	if err != nil {
		t.Errorf("payacktest: %v", err)
		return false
	}
	got, err := answerOf(res)
	if err != nil {
		t.Errorf("%s: the answer cannot be read: %v", p, err)
		return false
	}
	words := make([]string, len(reasons))
	for i, reason := range reasons {
		want := Answer(p, reason)
		if d.spelling(got) == want {
			return true
		}
		words[i] = onTheWire(want)
	}
	t.Errorf("%s: the answer is not that of a callback that is %s\n    on the wire: %s\n       expected: %s",
		p, what, onTheWire(got), strings.Join(slices.Compact(words), "\n             or: "))
	return false
}

// answerOf reads an answer and puts its body back.
func answerOf(res *http.Response) (payack.Answer, error) {
	if res == nil {
		return payack.Answer{}, errors.New("it is nil")
	}
	a := payack.Answer{Status: res.StatusCode, ContentType: res.Header.Get("Content-Type")}
	if res.Body == nil {
		return a, nil
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(body))
	a.Body = string(body)
	return a, err
}

// onTheWire is an answer in one line, long ones cut.
func onTheWire(a payack.Answer) string {
	contentType, body := "no content type", "an empty body"
	if a.ContentType != "" {
		contentType = a.ContentType
	}
	if a.Body != "" {
		body = fmt.Sprintf("%.300q", a.Body)
	}
	return fmt.Sprintf("status %d, %s, %s", a.Status, contentType, body)
}

// Members are texts by the names that members have on the wire, whether they
// are signed or not: "order_id", "accept_amount", "reference_number". A member
// of a JSON type of its own is its literal ("true"), null and an absent one are
// empty.
type Members map[string]string

// MembersOf returns the members of an event.
func MembersOf(ev payack.Event) Members {
	out := Members{}
	b, err := json.Marshal(ev)
	var form map[string]json.RawMessage
	if err != nil || json.Unmarshal(b, &form) != nil {
		return out
	}
	out.add(form)
	return out
}

func (m Members) add(form map[string]json.RawMessage) {
	for name, raw := range form {
		var nested map[string]json.RawMessage
		if (name == "unsigned" || name == "extra") && json.Unmarshal(raw, &nested) == nil {
			m.add(nested)
			continue
		}
		m[name] = textOf(string(raw))
	}
}

// differences names the members that are not as wanted, in order.
func (m Members) differences(got Members) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if got[name] != m[name] {
			out = append(out, fmt.Sprintf("%s is %q, expected %q", name, got[name], m[name]))
		}
	}
	return out
}
