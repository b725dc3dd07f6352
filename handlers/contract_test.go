package handlers_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/payack/payack"
)

// contract is the answers table of the providers' documents, written once more
// and apart from the code.
func contract(p payack.Provider, outcome payack.Outcome, reason payack.Reason) (status int, contentType, body string) {
	gate := map[payack.Reason]int{
		"method": 405, "content_type": 415, "content_encoding": 415, "too_large": 413, "address": 403, "rate": 429,
	}
	const payatomType = "application/json;charset=utf-8"
	switch p {
	case payack.Ptop:
		switch {
		case outcome == payack.Accepted || outcome == payack.Duplicate:
			return 200, "", ""
		case outcome == payack.Refused:
			return gate[reason], "", ""
		case reason == payack.ReasonBusy:
			return 503, "", ""
		case outcome == payack.Failed:
			return 500, "", ""
		case reason == payack.ReasonMalformed || reason == payack.ReasonInvalid:
			return 400, "", ""
		}
		return 403, "text/plain", "Invalid signature"
	case payack.PTS:
		switch outcome {
		case payack.Accepted, payack.Duplicate:
			return 200, "text/plain", "SUCCESS"
		case payack.Refused:
			return gate[reason], "text/plain", "FAILED"
		}
		return 200, "text/plain", "FAILED"
	}
	switch outcome {
	case payack.Accepted, payack.Duplicate:
		return 200, payatomType, `{"hash_status":"HashMatched","acknowledge":"yes"}`
	case payack.Failed:
		return 200, payatomType, `{"hash_status":"HashMatched","acknowledge":"no"}`
	case payack.Refused:
		return gate[reason], payatomType, `{"hash_status":"HashMismatch","acknowledge":"no"}`
	}
	return 200, payatomType, `{"hash_status":"HashMismatch","acknowledge":"no"}`
}

// assertContract compares an answer byte for byte, headers that matter
// included.
func assertContract(t testing.TB, p payack.Provider, outcome payack.Outcome, reason payack.Reason, got answer) {
	t.Helper()
	status, contentType, body := contract(p, outcome, reason)
	assert.Equal(t, status, got.status)
	assert.Equal(t, body, got.body)
	if contentType == "" {
		assert.NotContains(t, got.header, "Content-Type")
	} else {
		assert.Equal(t, []string{contentType}, got.header["Content-Type"])
	}
	if status == http.StatusMethodNotAllowed {
		assert.Equal(t, []string{"POST"}, got.header["Allow"])
	}
}

// closedSet is every reason with the outcome that it goes with.
var closedSet = map[payack.Reason]payack.Outcome{
	"method": payack.Refused, "content_type": payack.Refused, "content_encoding": payack.Refused,
	"too_large": payack.Refused, "address": payack.Refused, "rate": payack.Refused,

	"envelope": payack.Rejected, "malformed": payack.Rejected, "signature": payack.Rejected, "invalid": payack.Rejected,
	"unknown_tenant": payack.Rejected, "spliced": payack.Rejected, "unexpected": payack.Rejected, "unconfirmed": payack.Rejected,

	"callback": payack.Failed, "panic": payack.Failed, "deadline": payack.Failed, "busy": payack.Failed,
	"conflict": payack.Failed, "unreachable": payack.Failed, "expectation": payack.Failed, "keys": payack.Failed,
	"store": payack.Failed, "body_consumed": payack.Failed, "body_read": payack.Failed,
}
