// Package claimtoken numbers claims and spells the numbers. Texts are cut from one
// that is made for many, so that a claim costs no allocation of its own but one in
// 64.
package claimtoken

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
)

// length is how many hex digits a token has, and atOnce how many are made in one
// text.
const (
	length = 16
	atOnce = 64
)

// Source makes tokens, the first of which is 1. It is not safe for concurrent use.
type Source struct {
	last  uint64
	texts string // of the next ones
}

// Next returns a number that it has not returned before, and its text.
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

// Number returns the number of a token, and 0 for what is none.
func Number(text string) uint64 {
	n, err := strconv.ParseUint(text, 16, 64)
	if err != nil || len(text) != length {
		return 0
	}
	return n
}
