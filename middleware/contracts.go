package middleware

import (
	"fmt"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/providers"
)

// contracts holds the answers that each provider's contract prescribes.
var contracts = providers.Registry[*answers]{
	payack.Ptop:    &ptopAnswers,
	payack.PTS:     &ptsAnswers,
	payack.Payatom: &payatomAnswers,
}

// AnswerOf returns the answer that a receiver gives a provider for a reason. The
// empty reason stands for an accepted event or a duplicate. Payatom's answers are
// in the newer spelling (HashMatched). For an unknown provider AnswerOf returns an
// error.
func AnswerOf(p payack.Provider, reason payack.Reason) (payack.Answer, error) {
	contract, err := contracts.Of(p)
	if err != nil {
		return payack.Answer{}, fmt.Errorf("payack: AnswerOf: %w", err)
	}
	return contract.of(reason.Outcome(), reason), nil
}
