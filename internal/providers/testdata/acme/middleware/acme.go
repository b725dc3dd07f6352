package middleware

import (
	"net/http"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// AcmeConfig is the configuration of a receiver of Acme's callbacks.
type AcmeConfig struct {
	Keys []payack.Secret

	Options
}

var acmeAnswers = answers{
	accepted:   payack.Answer{Status: http.StatusOK, ContentType: "text/plain", Body: "taken"},
	failed:     payack.Answer{Status: http.StatusServiceUnavailable, ContentType: "text/plain", Body: "again"},
	unverified: payack.Answer{Status: http.StatusUnauthorized, ContentType: "text/plain", Body: "forged"},
	verified:   payack.Answer{Status: http.StatusConflict, ContentType: "text/plain", Body: "unwanted"},
	word:       payack.Answer{ContentType: "text/plain", Body: "refused"},
}

// NewAcme returns a receiver of Acme's callbacks.
func NewAcme(c AcmeConfig) (*Receiver[*payack.AcmeEvent], error) {
	static, err := verify.NewAcmeKeys("", c.Keys...)
	if err != nil {
		return nil, named(payack.Acme, err)
	}
	keys := &keyed[*payack.AcmeEvent, *verify.AcmeKeys]{provider: payack.Acme, verifier: verify.Acme{}, static: static}
	return newReceiver(c.Options, stages[*payack.AcmeEvent]{
		provider: payack.Acme, answers: &acmeAnswers, accepts: verify.Acme{}.Accepts,
		verify: keys.verify, explain: keys.explain, with: keys.with,
	})
}
