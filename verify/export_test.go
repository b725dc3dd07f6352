package verify

import "hash"

// CountHashed makes keys add to n the number of bytes that they hash. The keys must
// not have been used.
func (k *PtopKeys) CountHashed(n *int) {
	for i := range k.keys {
		build := k.keys[i].states.New
		k.keys[i].states.New = func() any {
			s := build().(*ptopState)
			s.mac = countingHash{s.mac, n}
			return s
		}
	}
}

type countingHash struct {
	hash.Hash
	n *int
}

func (h countingHash) Write(b []byte) (int, error) {
	*h.n += len(b)
	return h.Hash.Write(b)
}

// CountReencoded adds to n the number of bytes that are re-encoded as PHP does, until
// restore is called.
func CountReencoded(n *int) (restore func()) {
	before := reencode
	reencode = func(body []byte, drop string) (arrays, objects []byte, err error) {
		*n += len(body)
		return before(body, drop)
	}
	return func() { reencode = before }
}
