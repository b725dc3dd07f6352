package middleware_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
)

func TestContractsAreComplete(t *testing.T) { require.NoError(t, middleware.Contracts.Check()) }

func TestAnswerOf(t *testing.T) {
	for reason, want := range map[payack.Reason]payack.Answer{
		"":                     {Status: 200, ContentType: "text/plain", Body: "SUCCESS"},
		payack.ReasonSignature: {Status: 200, ContentType: "text/plain", Body: "FAILED"},
		payack.ReasonRate:      {Status: 429, ContentType: "text/plain", Body: "FAILED"},
	} {
		got, err := middleware.AnswerOf(payack.PTS, reason)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	_, err := middleware.AnswerOf("stripe", "")
	assert.EqualError(t, err, `payack: AnswerOf: there is no provider "stripe"; there are ptop, pts and payatom`)
}
