package payacktest

import (
	"crypto/rand"
	"encoding/hex"

	"github.com/payack/payack"
)

// freshSecret returns 32 hex digits, the form of the providers' own keys.
func freshSecret() payack.Secret { return payack.NewSecret(freshHex(16)) }

func freshHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never returns an error
	return hex.EncodeToString(b)
}
