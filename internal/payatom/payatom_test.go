package payatom_test

import (
	"strings"
	"testing"

	"github.com/payack/payack/internal/payatom"
)

func TestOrderID(t *testing.T) {
	for id, want := range map[string]bool{
		"": false, "O": true, "\x00": true, strings.Repeat("O", payatom.MaxOrderID-1): true, strings.Repeat("O", payatom.MaxOrderID): false,
		strings.Repeat("é", 31): true, strings.Repeat("é", 32): false, // bytes, not runes
	} {
		if payatom.OrderID(id) != want {
			t.Errorf("%q of %d bytes: %v", id, len(id), !want)
		}
	}
}

// A status may begin with an ASCII letter only.
func TestStatus(t *testing.T) {
	for c := range 256 {
		s := string([]byte{byte(c)}) + "pproved"
		want := strings.Contains("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", s[:1])
		if payatom.Status(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
	if payatom.Status("") {
		t.Error("an empty status is taken")
	}
}

func TestAmount(t *testing.T) {
	for s, want := range map[string]bool{
		"0": true, "0.0": true, "0.5": true, "5": true, "10": true, "500.00": true,
		strings.Repeat("9", 18): true, strings.Repeat("9", 17) + ".9": true, "0." + strings.Repeat("9", 17): true,

		"": false, ".": false, "5.": false, ".5": false, "00": false, "05": false, "00.5": false, "5.0.0": false, "5..0": false,
		"-5": false, "-0": false, "+5": false, "5e2": false, "5E2": false, " 5": false, "5 ": false, "5,0": false, "0x5": false, "5\x00": false,
		"\u0665": false, strings.Repeat("9", 19): false, strings.Repeat("9", 17) + ".99": false, "0." + strings.Repeat("9", 18): false,
	} {
		if payatom.Amount(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}
