package payacktest

import (
	"crypto/rand"
	"encoding/hex"

	"github.com/payack/payack"
)

// freshSecret has 32 hex digits, as the providers' own keys have.
func freshSecret() payack.Secret { return payack.NewSecret(freshHex(16)) }

func freshHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: it ends the program instead
	return hex.EncodeToString(b)
}
