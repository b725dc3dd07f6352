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
)

const payatomType = "application/json;charset=utf-8"

// Answer returns what a provider is told for a reason: the empty one is
// acceptance. What was rejected is answered by whether it had verified
// ([payack.Reason.AfterVerified]). Payatom's newer spelling is the one given.
func Answer(p payack.Provider, reason payack.Reason) payack.Answer {
	outcome := reason.Outcome()
	var a payack.Answer
	switch p {
	case payack.Ptop:
		a = ptopAnswer(outcome, reason)
	case payack.PTS:
		a = payack.Answer{Status: http.StatusOK, ContentType: "text/plain", Body: "FAILED"}
		if outcome == payack.OutcomeAccepted {
			a.Body = "SUCCESS"
		}
	case payack.Payatom:
		a = payack.Answer{Status: http.StatusOK, ContentType: payatomType, Body: payatomBody(outcome, reason.AfterVerified())}
	}
	if outcome == payack.OutcomeRefused {
		a.Status = gateStatus(reason)
	}
	return a
}

func ptopAnswer(outcome payack.Outcome, reason payack.Reason) payack.Answer {
	switch {
	case outcome == payack.OutcomeAccepted:
		return payack.Answer{Status: http.StatusOK}
	case outcome == payack.OutcomeRefused:
		return payack.Answer{}
	case reason == payack.ReasonBusy:
		return payack.Answer{Status: http.StatusServiceUnavailable}
	case outcome == payack.OutcomeFailed:
		return payack.Answer{Status: http.StatusInternalServerError}
	case reason == payack.ReasonMalformed || reason == payack.ReasonInvalid:
		return payack.Answer{Status: http.StatusBadRequest}
	case reason.AfterVerified():
		return payack.Answer{Status: http.StatusUnprocessableEntity}
	}
	return payack.Answer{Status: http.StatusForbidden, ContentType: "text/plain", Body: "Invalid signature"}
}

// payatomBody says with hash_status whether the hash matched, and with
// acknowledge whether the webhook was accepted.
func payatomBody(outcome payack.Outcome, verified bool) string {
	word, acknowledge := "HashMismatch", "no"
	if verified || outcome == payack.OutcomeFailed {
		word = "HashMatched"
	}
	if outcome == payack.OutcomeAccepted {
		word, acknowledge = "HashMatched", "yes"
	}
	return `{"hash_status":"` + word + `","acknowledge":"` + acknowledge + `"}`
}

func gateStatus(reason payack.Reason) int {
	switch reason {
	case payack.ReasonMethod:
		return http.StatusMethodNotAllowed
	case payack.ReasonContentType, payack.ReasonContentEncoding:
		return http.StatusUnsupportedMediaType
	case payack.ReasonTooLarge:
		return http.StatusRequestEntityTooLarge
	case payack.ReasonRate:
		return http.StatusTooManyRequests
	}
	return http.StatusForbidden
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
	return answered(t, p, "accepted", res, Answer(p, ""))
}

// Failed asserts that the answer asks the provider to send again: verified, and
// not processed. (PTS gives the same answer as Rejected, Payatom the same as
// RejectedVerified.)
func Failed(t testing.TB, p payack.Provider, res *http.Response) bool {
	t.Helper()
	return answered(t, p, "failed (send again)", res, Answer(p, payack.ReasonCallback), Answer(p, payack.ReasonBusy))
}

// Rejected asserts that the answer says that the callback did not verify: its
// signature or envelope is wrong, or it is malformed.
func Rejected(t testing.TB, p payack.Provider, res *http.Response) bool {
	t.Helper()
	return answered(t, p, "rejected before it verified", res, Answer(p, payack.ReasonSignature), Answer(p, payack.ReasonMalformed))
}

// RejectedVerified asserts the answer to a callback whose signature was right
// and which was rejected all the same: spliced, unexpected, unconfirmed, a
// conflict, or invalid. PTS and Payatom give the same answer as Failed; where
// the difference matters, look at what an observer is told.
func RejectedVerified(t testing.TB, p payack.Provider, res *http.Response) bool {
	t.Helper()
	return answered(t, p, "rejected after it verified", res, Answer(p, payack.ReasonUnexpected), Answer(p, payack.ReasonInvalid))
}

// Refused asserts that the answer turns the callback away at the gate: method,
// content type or encoding, size, address or rate.
func Refused(t testing.TB, p payack.Provider, res *http.Response) bool {
	t.Helper()
	var want []payack.Answer
	for _, r := range []payack.Reason{payack.ReasonMethod, payack.ReasonContentType, payack.ReasonTooLarge, payack.ReasonAddress, payack.ReasonRate} {
		want = append(want, Answer(p, r))
	}
	return answered(t, p, "refused at the gate", res, want...)
}

// Answered asserts the exact answer that goes with a reason, such as
// [payack.ReasonTooLarge].
func Answered(t testing.TB, p payack.Provider, reason payack.Reason, res *http.Response) bool {
	t.Helper()
	what := string(reason)
	if reason == "" {
		what = string(payack.OutcomeAccepted)
	}
	return answered(t, p, what, res, Answer(p, reason))
}

// answered compares what is on the wire with any of the answers.
func answered(t testing.TB, p payack.Provider, what string, res *http.Response, want ...payack.Answer) bool {
	t.Helper()
	got, err := answerOf(res)
	if err != nil {
		t.Errorf("%s: the answer cannot be read: %v", p, err)
		return false
	}
	if slices.Contains(want, modernSpelling(p, got)) {
		return true
	}
	words := make([]string, len(want))
	for i, a := range want {
		words[i] = onTheWire(a)
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

func modernSpelling(p payack.Provider, a payack.Answer) payack.Answer {
	if p == payack.Payatom {
		a.Body = strings.Replace(a.Body, `"hash_status":"Hash M`, `"hash_status":"HashM`, 1)
	}
	return a
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
