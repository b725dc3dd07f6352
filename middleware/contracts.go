package middleware

import (
	"fmt"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/providers"
)

// contracts are the answers of each provider.
var contracts = providers.Registry[*answers]{
	payack.Ptop:    &ptopAnswers,
	payack.PTS:     &ptsAnswers,
	payack.Payatom: &payatomAnswers,
}

// AnswerOf returns what a receiver tells a provider for a reason; the empty one
// is acceptance, and what a duplicate is told. Of Payatom it is the newer
// spelling. The error is for a provider that payack does not know.
func AnswerOf(p payack.Provider, reason payack.Reason) (payack.Answer, error) {
	contract, err := contracts.Of(p)
	if err != nil {
		return payack.Answer{}, fmt.Errorf("payack: AnswerOf: %w", err)
	}
	return contract.of(reason.Outcome(), reason), nil
}
