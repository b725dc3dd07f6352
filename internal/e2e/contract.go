package e2e

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/payack/payack"
)

// Contract returns the answer that the providers' documents require. It is written
// independently of the code under test. Each provider's part is in the provider's file.
func Contract(p payack.Provider, outcome payack.Outcome, reason payack.Reason) (status int, contentType, body string) {
	return registry[p].contract(outcome, reason)
}

// gate has the status for each reason to refuse a delivery before it is verified.
var gate = map[payack.Reason]int{
	"method": 405, "content_type": 415, "content_encoding": 415, "too_large": 413, "address": 403, "rate": 429,
}

// afterVerified are the reasons to reject a delivery that verified. The answer must
// not say that the signature is wrong.
var afterVerified = map[payack.Reason]bool{"invalid": true, "spliced": true, "unexpected": true, "unconfirmed": true, "conflict": true}

// Words returns an answer's status and body in short form, such as "200 SUCCESS". Of
// Payatom's body it keeps only the two values: "200 HashMatched yes".
func Words(a Answer) string {
	body := strings.NewReplacer(`{"hash_status":"`, "", `","acknowledge":"`, " ", `"}`, "").Replace(a.Body)
	return strings.TrimSpace(strconv.Itoa(a.Status) + " " + body)
}

// AssertContract compares an answer with [Contract]: status, body and the headers
// Content-Type and Allow.
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

// ClosedSet has the outcome of every reason.
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
