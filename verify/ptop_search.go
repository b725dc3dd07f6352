package verify

import (
	"crypto/hmac"
	"encoding/hex"

	"github.com/payack/payack"
)

// ptopWork bounds the bytes that are hashed for one message, as a multiple of the
// length of its body. A body shorter than ptopWorkUnit counts as ptopWorkUnit long.
//
// For a callback of usual size this is enough for hundreds of keys. For a body near
// 64 KiB it is enough for one key under every scheme: SchemeSpliced tries two texts,
// SchemeBlanked one and SchemeReencoded two. It is not enough if PHP's escapes make
// the texts of SchemeReencoded much longer than the body. It is enough for two keys if
// the two texts of SchemeSpliced are equal, and so are those of SchemeReencoded.
const (
	ptopWork     = 7
	ptopWorkUnit = 64 << 10
)

// ptopExhausted describes the cause and the fix if ptopWork was not enough.
const ptopExhausted = "the body is too large to try every scheme with this many keys; pin Schemes, or take out keys that are no longer used"

// ptopSearch looks for the key of one signature.
type ptopSearch struct {
	want  string
	keys  *PtopKeys
	trace *trace
	left  int // bytes that may still be hashed; negative after they ran out
}

func searchPtop(want, body string, k *PtopKeys, t *trace) ptopSearch {
	return ptopSearch{want: want, keys: k, trace: t, left: ptopWork * max(ptopWorkUnit, len(body))}
}

// exhausted reports whether the bound on work stopped the search.
func (s *ptopSearch) exhausted() bool { return s.left < 0 }

// find returns the index of the key under which the joined parts have the wanted
// HMAC, or -1. It compares hex digits in constant time and so need not decode the
// signature that was sent.
func (s *ptopSearch) find(scheme payack.Scheme, parts ...string) int {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	if s.left -= size * len(s.keys.keys); s.exhausted() {
		return -1
	}
	if s.trace != nil {
		var text []byte // strings.Join would make parts escape to the heap
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
