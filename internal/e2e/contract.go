package e2e

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/payack/payack"
)

// Contract is the answers table of the providers' documents, written once more
// and apart from the code.
func Contract(p payack.Provider, outcome payack.Outcome, reason payack.Reason) (status int, contentType, body string) {
	gate := map[payack.Reason]int{
		"method": 405, "content_type": 415, "content_encoding": 415, "too_large": 413, "address": 403, "rate": 429,
	}
	// What is turned away after its signature matched is not told that it is wrong.
	after := map[payack.Reason]bool{"invalid": true, "spliced": true, "unexpected": true, "unconfirmed": true, "conflict": true}
	const payatomType = "application/json;charset=utf-8"
	switch p {
	case payack.Ptop:
		switch {
		case outcome == payack.OutcomeAccepted || outcome == payack.OutcomeDuplicate:
			return 200, "", ""
		case outcome == payack.OutcomeRefused:
			return gate[reason], "", ""
		case reason == payack.ReasonBusy:
			return 503, "", ""
		case outcome == payack.OutcomeFailed:
			return 500, "", ""
		case reason == payack.ReasonMalformed || reason == payack.ReasonInvalid:
			return 400, "", ""
		case after[reason]:
			return 422, "", ""
		}
		return 403, "text/plain", "Invalid signature"
	case payack.PTS:
		switch outcome {
		case payack.OutcomeAccepted, payack.OutcomeDuplicate:
			return 200, "text/plain", "SUCCESS"
		case payack.OutcomeRefused:
			return gate[reason], "text/plain", "FAILED"
		}
		return 200, "text/plain", "FAILED"
	}
	switch outcome {
	case payack.OutcomeAccepted, payack.OutcomeDuplicate:
		return 200, payatomType, `{"hash_status":"HashMatched","acknowledge":"yes"}`
	case payack.OutcomeFailed:
		return 200, payatomType, `{"hash_status":"HashMatched","acknowledge":"no"}`
	case payack.OutcomeRefused:
		return gate[reason], payatomType, `{"hash_status":"HashMismatch","acknowledge":"no"}`
	}
	if after[reason] {
		return 200, payatomType, `{"hash_status":"HashMatched","acknowledge":"no"}`
	}
	return 200, payatomType, `{"hash_status":"HashMismatch","acknowledge":"no"}`
}

// Words is an answer in short: its status and its body, Payatom's in two words.
func Words(a Answer) string {
	body := strings.NewReplacer(`{"hash_status":"`, "", `","acknowledge":"`, " ", `"}`, "").Replace(a.Body)
	return strings.TrimSpace(strconv.Itoa(a.Status) + " " + body)
}

// AssertContract compares an answer byte for byte, headers that matter
// included.
func AssertContract(t testing.TB, p payack.Provider, outcome payack.Outcome, reason payack.Reason, got Answer) {
	t.Helper()
	status, contentType, body := Contract(p, outcome, reason)
	assert.Equal(t, status, got.Status)
	assert.Equal(t, body, got.Body)
	if contentType == "" {
		assert.NotContains(t, got.Header, "Content-Type")
	} else {
		assert.Equal(t, []string{contentType}, got.Header["Content-Type"])
	}
	if status == http.StatusMethodNotAllowed {
		assert.Equal(t, []string{"POST"}, got.Header["Allow"])
	}
}

// ClosedSet is every reason with the outcome that it goes with.
var ClosedSet = map[payack.Reason]payack.Outcome{
	"method": payack.OutcomeRefused, "content_type": payack.OutcomeRefused, "content_encoding": payack.OutcomeRefused,
	"too_large": payack.OutcomeRefused, "address": payack.OutcomeRefused, "rate": payack.OutcomeRefused,

	"envelope": payack.OutcomeRejected, "malformed": payack.OutcomeRejected, "signature": payack.OutcomeRejected, "invalid": payack.OutcomeRejected,
	"unknown_tenant": payack.OutcomeRejected, "spliced": payack.OutcomeRejected, "unexpected": payack.OutcomeRejected, "unconfirmed": payack.OutcomeRejected,
	"conflict": payack.OutcomeRejected,

	"callback": payack.OutcomeFailed, "panic": payack.OutcomeFailed, "deadline": payack.OutcomeFailed, "busy": payack.OutcomeFailed,
	"inbox": payack.OutcomeFailed, "unreachable": payack.OutcomeFailed, "expectation": payack.OutcomeFailed, "keys": payack.OutcomeFailed,
	"store": payack.OutcomeFailed, "body_consumed": payack.OutcomeFailed, "body_read": payack.OutcomeFailed,
}
