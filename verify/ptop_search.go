package verify

import (
	"crypto/hmac"
	"encoding/hex"

	"github.com/payack/payack"
)

// What is hashed before a callback is known to be authentic is bounded: by this
// many times the length of its body, which counts as 64 KiB where it is shorter.
// That is enough for one key under every scheme (two cuts, the blanked text, PHP's
// two) unless the body is near 64 KiB and PHP needs three bytes for one that was
// sent; for two keys, unless it is near 64 KiB and cuts or PHP's texts differ; and
// for hundreds where it has the size of a callback.
const (
	ptopWork     = 7
	ptopWorkUnit = 64 << 10
)

// ptopExhausted says what to do when that was not enough.
const ptopExhausted = "the body is too large to try every scheme with this many keys; pin Schemes, or take out keys that are no longer used"

// ptopSearch looks for the key of one signature.
type ptopSearch struct {
	want  string
	keys  *PtopKeys
	trace *trace
	left  int // bytes that may still be hashed; negative when they were too few
}

func searchPtop(want, body string, k *PtopKeys, t *trace) ptopSearch {
	return ptopSearch{want: want, keys: k, trace: t, left: ptopWork * max(ptopWorkUnit, len(body))}
}

// exhausted reports whether something was not tried for want of work left.
func (s *ptopSearch) exhausted() bool { return s.left < 0 }

// find returns the index of the key under which the parts, joined, have the HMAC
// that is looked for, in lower-case hex digits, or -1. It compares the digits in
// constant time, so that nothing is made of what was sent.
func (s *ptopSearch) find(scheme payack.Scheme, parts ...string) int {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	if s.left -= size * len(s.keys.keys); s.exhausted() {
		return -1
	}
	if s.trace != nil {
		var text []byte // not strings.Join, through which parts would escape
		for _, p := range parts {
			text = append(text, p...)
		}
		s.trace.signed(scheme, text, payack.Secret{})
	}
	for i := range s.keys.keys {
		equal := s.keys.keys[i].matches(s.want, parts)
		if s.trace.tried(scheme, i, equal); equal {
			return i
		}
	}
	return -1
}

// matches reports whether want is the HMAC of the parts.
func (k *ptopKey) matches(want string, parts []string) bool {
	s := k.states.Get().(*ptopState)
	defer k.states.Put(s)
	s.mac.Reset()
	for _, p := range parts {
		for len(p) > 0 {
			n := copy(s.chunk[:], p)
			s.mac.Write(s.chunk[:n])
			p = p[n:]
		}
	}
	clear(s.chunk[:]) // no message stays in it
	hex.Encode(s.digits[:], s.mac.Sum(s.sum[:0]))
	return hmac.Equal(s.digits[:], []byte(want))
}
