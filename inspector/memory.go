package inspector

import (
	"encoding/json"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/payack/payack"
)

// seen is a delivery that no inbox keeps. It does not change once it is in the
// memory.
type seen struct {
	seq      int64
	delivery payack.Delivery
	outcome  payack.Outcome
	reason   payack.Reason
	eventID  string
	status   int
	detail   string
	err      string
	took     payack.Durations
	verified bool
	omitted  []string // names of dropped headers
	size     int      // approximate bytes in memory

	redact func(string) string // applied before a text is cut, because it can't recognise half a key
	once   sync.Once
	claims claims
}

// claims has the order and the transaction that an unverified message names.
type claims struct{ order, transaction string }

// maxClaim bounds a claim, in bytes. The constant overhead includes both claims.
const maxClaim = 512

// claimed returns the claims in the message. The first call reads them.
func (s *seen) claimed() claims {
	s.once.Do(func() { s.claims = claimsOf(s.delivery.Body, s.redact) })
	return s.claims
}

func claimsOf(body string, redact func(string) string) claims {
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(body), &members) == nil {
		return claims{order: claimOf(members["order_id"], redact), transaction: claimOf(members["transaction_id"], redact)}
	}
	form, err := url.ParseQuery(body)
	if err != nil {
		return claims{}
	}
	return claims{order: owned(redact(form.Get("order_id")), maxClaim), transaction: owned(redact(form.Get("transaction_id")), maxClaim)}
}

// claimOf returns the text of a string or a number. Any other value names no
// order, and would show a part of the body.
func claimOf(member json.RawMessage, redact func(string) string) string {
	var s string
	if json.Unmarshal(member, &s) == nil {
		return owned(redact(s), maxClaim)
	}
	var n json.Number
	if json.Unmarshal(member, &n) == nil {
		return owned(n.String(), maxClaim)
	}
	return ""
}

// names returns the texts that a search for the delivery matches.
func (s *seen) names() []string {
	if ev := s.delivery.Event; ev != nil {
		sum := ev.Summary()
		return []string{ev.Order(), s.eventID, sum.Transaction, sum.Reference}
	}
	c := s.claimed()
	return []string{c.order, c.transaction}
}

// overhead is the memory that a remembered delivery takes besides its texts.
// perText is the memory that a text in a list takes besides its bytes.
const (
	overhead = 2048
	perText  = 48
)

// memory holds the last deliveries that no inbox keeps. Deliveries that verified
// are held apart from the others, so that no sender without a key can push them
// out.
type memory struct {
	mu   sync.RWMutex
	seq  int64
	kept [2]ring // index 1 holds verified deliveries, index 0 the others
}

// ring holds the newest deliveries, the oldest of them first.
type ring struct {
	all             []*seen
	bytes           int
	number, maximum int
}

func (m *memory) init(number, bytes int) {
	for n := range m.kept {
		m.kept[n] = ring{number: number, maximum: bytes}
	}
}

func (m *memory) add(s *seen) {
	n := 0
	if s.verified {
		n = 1
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seq++
	s.seq = m.seq
	m.kept[n].add(s)
}

func (r *ring) add(s *seen) {
	r.all, r.bytes = append(r.all, s), r.bytes+s.size+overhead
	gone := 0
	for gone < len(r.all)-1 && (len(r.all)-gone > r.number || r.bytes > r.maximum) {
		r.bytes -= r.all[gone].size + overhead
		gone++
	}
	clear(r.all[:gone])
	r.all = r.all[gone:]
}

// newest returns the deliveries with a number below before, the newest first. If
// before is 0, it returns all.
func (m *memory) newest(before int64) []*seen {
	m.mu.RLock()
	out := slices.Concat(m.kept[0].all, m.kept[1].all)
	m.mu.RUnlock()
	if before > 0 {
		out = slices.DeleteFunc(out, func(s *seen) bool { return s.seq >= before })
	}
	slices.SortFunc(out, func(a, b *seen) int { return int(b.seq - a.seq) })
	return out
}

// since returns the deliveries with a number above after, at most the newest n of
// each ring.
func (m *memory) since(after int64, n int) (out []*seen) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, r := range &m.kept {
		at := sort.Search(len(r.all), func(i int) bool { return r.all[i].seq > after })
		out = append(out, r.all[max(at, len(r.all)-n):]...)
	}
	return out
}

// last returns the number of the newest delivery.
func (m *memory) last() int64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.seq
}

// get returns the delivery with the number seq, nil if it is forgotten.
func (m *memory) get(seq int64) *seen {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, r := range &m.kept {
		at := sort.Search(len(r.all), func(i int) bool { return r.all[i].seq >= seq })
		if at < len(r.all) && r.all[at].seq == seq {
			return r.all[at]
		}
	}
	return nil
}

// memoryKey returns the ID of a remembered delivery.
func memoryKey(seq int64) string { return "m" + strconv.FormatInt(seq, 10) }

// memorySeq parses the ID of a remembered delivery. The bool is false for the ID
// of a row.
func memorySeq(key string) (int64, bool) {
	text, ok := strings.CutPrefix(key, "m")
	seq, err := strconv.ParseInt(text, 10, 64)
	return seq, ok && err == nil
}
