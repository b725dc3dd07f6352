// Package claimtoken makes the tokens of claims, which are numbers as text. It
// makes the texts of 64 tokens at once, to save allocations.
package claimtoken

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
)

// length is the number of hex digits of a token. atOnce is the number of tokens
// that are made at once.
const (
	length = 16
	atOnce = 64
)

// Source makes tokens, counting from 1. It is not safe for concurrent use.
type Source struct {
	last  uint64
	texts string // the texts of the next tokens, joined
}

// Next returns the next number and its text.
func (s *Source) Next() (uint64, string) {
	if s.texts == "" {
		var numbers [atOnce * length / 2]byte
		for i := range uint64(atOnce) {
			binary.BigEndian.PutUint64(numbers[8*i:], s.last+1+i)
		}
		s.texts = hex.EncodeToString(numbers[:])
	}
	s.last++
	text := s.texts[:length]
	s.texts = s.texts[length:]
	return s.last, text
}

// Number returns the number of a token, or 0 for a text that is not a token.
func Number(text string) uint64 {
	n, err := strconv.ParseUint(text, 16, 64)
	if err != nil || len(text) != length {
		return 0
	}
	return n
}
