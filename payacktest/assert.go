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

// Answer returns the answer that a provider gets for a reason; the empty reason
// stands for an accepted event. Payatom's answers are in the newer spelling
// (HashMatched). Answer panics for a provider that payack does not know.
func Answer(p payack.Provider, reason payack.Reason) payack.Answer {
	a, err := middleware.AnswerOf(p, reason)
	if err != nil {
		panic(err)
	}
	return a
}

// Accepted asserts that the answer acknowledges the callback, by status, content
// type and body, so that the provider won't send again. A duplicate gets the same
// answer.
//
// All assertions report with t.Errorf, return whether they hold, and leave the
// answer's body readable. They accept both spellings of Payatom's answers.
func Accepted(t testing.TB, p payack.Provider, res *http.Response) bool {
	t.Helper()
	return answered(t, p, "accepted", res, "")
}

// Failed asserts that the answer asks the provider to send again: the callback
// verified, but was not processed. PTS gets the same answer as for Rejected,
// Payatom the same as for RejectedVerified.
func Failed(t testing.TB, p payack.Provider, res *http.Response) bool {
	t.Helper()
	return answered(t, p, "failed (send again)", res, payack.ReasonCallback, payack.ReasonBusy)
}

// Rejected asserts that the answer is the one for a callback that did not verify:
// its signature or envelope is wrong, or it is malformed.
func Rejected(t testing.TB, p payack.Provider, res *http.Response) bool {
	t.Helper()
	return answered(t, p, "rejected before it verified", res, payack.ReasonSignature, payack.ReasonMalformed)
}

// RejectedVerified asserts that the answer is the one for a callback that verified
// but was rejected: spliced, unexpected, unconfirmed, conflicting or invalid. For
// PTS and Payatom it is the same answer as for Failed; use a [payack.Observer] to
// distinguish them.
func RejectedVerified(t testing.TB, p payack.Provider, res *http.Response) bool {
	t.Helper()
	return answered(t, p, "rejected after it verified", res, payack.ReasonUnexpected, payack.ReasonInvalid)
}

// Refused asserts that the callback was refused at the gate: by method, content
// type or encoding, size, address or rate.
func Refused(t testing.TB, p payack.Provider, res *http.Response) bool {
	t.Helper()
	return answered(t, p, "refused at the gate", res,
		payack.ReasonMethod, payack.ReasonContentType, payack.ReasonTooLarge, payack.ReasonAddress, payack.ReasonRate)
}

// Answered asserts the exact answer for one reason, such as
// [payack.ReasonTooLarge].
func Answered(t testing.TB, p payack.Provider, reason payack.Reason, res *http.Response) bool {
	t.Helper()
	what := string(reason)
	if reason == "" {
		what = string(payack.OutcomeAccepted)
	}
	return answered(t, p, what, res, reason)
}

// answered compares an answer with those for any of the reasons.
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

// answerOf reads an answer, and puts its body back.
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

// onTheWire returns an answer in one line, shortened if it is long.
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

// Members maps the names that members have on the wire, such as "order_id" or
// "reference_number", to their texts, for signed and unsigned members alike. A
// boolean has its literal ("true") as text. A null or absent member has the empty
// text.
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

// differences describes the members of got that differ from m, sorted by name.
func (m Members) differences(got Members) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if got[name] != m[name] {
			out = append(out, fmt.Sprintf("%s is %q, expected %q", name, got[name], m[name]))
		}
	}
	return out
}
