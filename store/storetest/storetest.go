// Package storetest is the conformance suite for implementations of
// [payack.Store]. It also tests [payack.Binder] where the store implements it.
// Run it on your own store:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) payack.Store { return newStore(t) })
//	}
//
// Run it with -race. It needs no assertion library. The store may be in use and
// hold other events: each test uses ids of its own.
package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/payack/payack"
)

// Factory returns the store to test. It is called once for each test, fails t if
// it can't make one, and cleans up with t.Cleanup. The store must have room for
// 10,000 events.
type Factory func(t *testing.T) payack.Store

// Option changes how the suite runs.
type Option func(*suite)

// DefaultLease is the lease of tests that wait for a lease to end in real time.
const DefaultLease = time.Second

// Lease sets the lease of tests that wait for a lease to end in real time; the
// default is [DefaultLease]. Choose a lease much longer than a call takes. If
// calls take too long for the lease, the suite repeats checks with longer leases.
func Lease(d time.Duration) Option { return func(s *suite) { s.lease = d } }

// Synctest runs each test in a bubble of testing/synctest, where waiting takes no
// real time. It is for stores in memory: waiting for a network, a disk or another
// process stops the bubble's clock. Goroutines of the store must have ended when
// the test's cleanup has run.
func Synctest() Option {
	return func(s *suite) {
		s.within = synctest.Test
		s.advance = func(_ *testing.T, _ payack.Store, d time.Duration) { time.Sleep(d) }
	}
}

// Clock is for stores with an adjustable clock. advance moves the clock of s,
// which the factory made, forward by d. The clock may also run by itself, because
// a test takes only a few seconds. With Clock, the suite advances the clock by
// minutes, and by the [Retention].
func Clock(advance func(t *testing.T, s payack.Store, d time.Duration)) Option {
	return func(s *suite) { s.advance = advance }
}

// Retention is how long the store promises to remember done events. It needs
// [Synctest] or [Clock]. Without Retention, the suite only checks that a done
// event outlives the lease of its claim.
func Retention(d time.Duration) Option { return func(s *suite) { s.retention = d } }

// Run tests the stores that factory makes, each property in a subtest. It skips
// the properties of [payack.Binder] for a store that doesn't implement it.
//
// Concurrent checks, such as 64 claims for each of 1,000 ids, run a tenth as
// often with -race and with -short. In real time the suite takes about fifteen
// leases.
//
// The suite distinguishes a slow machine from a store that ends leases early.
// Checks that need a running lease measure how long their calls took. If an
// answer is wrong, but the calls took longer than the lease, the check is repeated
// with a lease twice as long. If the calls are too slow in every attempt, the check
// fails and says so.
func Run(t *testing.T, factory Factory, options ...Option) {
	t.Helper()
	s := &suite{factory: factory, lease: DefaultLease}
	for _, o := range options {
		o(s)
	}
	switch {
	case factory == nil:
		t.Fatal("storetest: Run was given no factory")
	case s.lease <= 0 || s.retention < 0:
		t.Fatal("storetest: Lease must be above 0, and Retention not below")
	case s.retention > 0 && s.advance == nil:
		t.Fatal("storetest: Retention needs a clock that can be moved: give Synctest or Clock")
	}
	if s.advance != nil {
		s.lease = time.Minute
	}
	for _, test := range []struct {
		name string
		run  func(*probe)
	}{
		{"claimed, busy, done", states},
		{"conflict goes before busy and done", conflicts},
		{"commit with the current token only", commits},
		{"release with the current token only", releases},
		{"release frees", releaseFrees},
		{"the end of a lease frees", leaseEnds},
		{"late commits and releases change nothing", lateCommit},
		{"a claim that gets nothing changes nothing", refusedClaims},
		{"done stays done", doneStays},
		{"a lease of zero or less, or of a nanosecond", noLease},
		{"ids of any bytes", anyIDs},
		{"fingerprints of any bytes", anyFingerprints},
		{"tenants are kept apart", tenants},
		{"a context that has ended is refused", contexts},
		{"a context that ends during a call", contextsMeanwhile},
		{"one of many claims wins", oneWins},
		{"one of many commits and releases acts", oneEnds},
		{"many fingerprints at once", manyFingerprints},
		{"lookups change nothing", lookupsChangeNothing},
		{"lookups of any bytes", anyLookups},
		{"lookups among claims", lookupsAmongClaims},
		{"the home never changes", oneHome},
		{"bind marks done", binds},
		{"a bind outlives leases and takes over ended ones", bindAndLeases},
		{"binds of any bytes", anyBinds},
		{"bind with a context that ends", bindContexts},
		{"one of many binds' fingerprints wins", oneFingerprintWins},
		{"binds among claims", bindsAmongClaims},
		{"random calls against a model", model},
	} {
		t.Run(test.name, func(t *testing.T) { s.test(t, test.run) })
	}
}

type suite struct {
	factory   Factory
	within    func(*testing.T, func(*testing.T))
	advance   func(*testing.T, payack.Store, time.Duration)
	lease     time.Duration
	retention time.Duration
}

func (s *suite) test(t *testing.T, run func(*probe)) {
	body := func(t *testing.T) {
		p := &probe{T: t, suite: s, store: s.factory(t), prefix: "storetest:" + rand.Text() + ":"}
		if p.store == nil {
			t.Fatal("storetest: the factory returned nil")
		}
		run(p)
	}
	if s.within != nil {
		s.within(t, body)
		return
	}
	body(t)
}

// long is a lease that outlasts every test on any machine.
const long = 24 * time.Hour

// probe is one test of one store.
type probe struct {
	*testing.T
	*suite
	store  payack.Store
	prefix string // of the ids, so that one store serves many tests
}

// pass lets time pass.
func (p *probe) pass(d time.Duration) {
	p.Helper()
	if p.advance == nil {
		time.Sleep(d)
		return
	}
	p.advance(p.T, p.store, d)
}

// endLease lets a lease end, with a margin for the clock of another machine.
func (p *probe) endLease() {
	p.Helper()
	p.pass(p.lease + p.lease/10)
}

// attempts is how often a check that needs a running lease is tried, with a lease
// twice as long each time.
const attempts = 6

// span is one attempt at a check that needs a running lease.
type span struct {
	*probe
	lease   time.Duration // shadows suite.lease
	number  int
	started time.Time // time just before the claim
	late    bool      // calls took too long: the attempt proves nothing
}

// whileHeld runs a check. As long as the check marks its attempt as late, whileHeld
// repeats it with a lease twice as long.
func (p *probe) whileHeld(check func(s *span)) {
	p.Helper()
	s := &span{probe: p, lease: p.lease}
	for s.number = range attempts {
		if s.late = false; s.number > 0 {
			s.lease *= 2
		}
		if check(s); !s.late {
			return
		}
	}
	p.Fatalf("calls took longer than each of %d leases, the last one of %v, so nothing can be said about leases: give a longer storetest.Lease, or make the store faster", attempts, s.lease)
}

// id returns an id that no other attempt uses.
func (s *span) id(id string) string { return fmt.Sprint(id, " ", s.number) }

// start makes the claim whose lease the check is about.
func (s *span) start(id, fingerprint string) (token string) {
	s.Helper()
	s.started = time.Now()
	return s.get(id, fingerprint, s.lease)
}

// held fails the test if asItIs is false and the lease can't have ended. If
// asItIs is false and the lease may have ended, held marks the attempt as late.
// It reports whether the check may go on.
func (s *span) held(asItIs bool, format string, args ...any) bool {
	s.Helper()
	if asItIs {
		return true
	}
	// The tenth is a margin for the clock of another machine.
	if took := time.Since(s.started); s.advance != nil || took < s.lease*9/10 {
		s.Fatalf("before the lease has ended (%v of %v): %s", took, s.lease, fmt.Sprintf(format, args...))
	}
	s.late = true
	return false
}

// end lets the lease end.
func (s *span) end() {
	s.Helper()
	s.pass(s.lease + s.lease/10)
}

// claim makes a claim that must not fail, and checks the answer's form.
func (p *probe) claim(id, fingerprint string, lease time.Duration) payack.Claim {
	p.Helper()
	c, err := p.store.Claim(context.Background(), p.prefix+id, fingerprint, lease)
	if err != nil {
		p.Fatalf("Claim(%.40q): %v", id, err)
	}
	if err := wellFormed(c); err != nil {
		p.Fatalf("Claim(%.40q): %v", id, err)
	}
	return c
}

func wellFormed(c payack.Claim) error {
	switch {
	case c.State < payack.ClaimGranted || c.State > payack.ClaimConflict:
		return fmt.Errorf("answered with the unknown state %d", c.State)
	case c.State == payack.ClaimGranted && c.Token == "":
		return errors.New("claimed without a token")
	case c.State != payack.ClaimGranted && c.Token != "":
		return fmt.Errorf("%v with a token: it belongs to who holds the claim", c.State)
	}
	return nil
}

// get makes a claim that must be granted, and returns its token.
func (p *probe) get(id, fingerprint string, lease time.Duration) string {
	p.Helper()
	c := p.claim(id, fingerprint, lease)
	if c.State != payack.ClaimGranted {
		p.Fatalf("Claim(%.40q) is %v, want granted", id, c.State)
	}
	if lease == long {
		p.sees(payack.ClaimBusy, id, fingerprint)
	}
	return c.Token
}

// is makes a claim that must not be granted, then a lookup. Both must return
// want. The lookup comes second, so that a side effect of it can't hide a fault
// of the claim.
func (p *probe) is(want payack.ClaimState, id, fingerprint string) {
	p.Helper()
	if got := p.claim(id, fingerprint, long).State; got != want {
		p.Fatalf("Claim(%.40q) with fingerprint %.40q is %v, want %v", id, fingerprint, got, want)
	}
	p.sees(want, id, fingerprint)
}

// look makes a lookup that must not fail.
func (p *probe) look(id, fingerprint string) payack.ClaimState {
	p.Helper()
	state, err := p.store.Lookup(context.Background(), p.prefix+id, fingerprint)
	if err != nil {
		p.Fatalf("Lookup(%.40q): %v", id, err)
	}
	return state
}

// sees makes a lookup that must return want.
func (p *probe) sees(want payack.ClaimState, id, fingerprint string) {
	p.Helper()
	if got := p.look(id, fingerprint); got != want {
		p.Fatalf("Lookup(%.40q) with fingerprint %.40q is %v (%d), want %v", id, fingerprint, got, got, want)
	}
}

// binder returns the store as a [payack.Binder], or skips the test.
func (p *probe) binder() payack.Binder {
	p.Helper()
	b, ok := p.store.(payack.Binder)
	if !ok {
		p.Skip("the store is no payack.Binder")
	}
	return b
}

// bind calls Bind, which must not fail.
func (p *probe) bind(id, fingerprint string) payack.ClaimState {
	p.Helper()
	state, err := p.binder().Bind(context.Background(), p.prefix+id, fingerprint)
	if err != nil {
		p.Fatalf("Bind(%.40q): %v", id, err)
	}
	return state
}

// binds calls Bind, then makes a lookup. Both must return want.
func (p *probe) binds(want payack.ClaimState, id, fingerprint string) {
	p.Helper()
	if got := p.bind(id, fingerprint); got != want {
		p.Fatalf("Bind(%.40q) with fingerprint %.40q is %v (%d), want %v", id, fingerprint, got, got, want)
	}
	p.sees(want, id, fingerprint)
}

func (p *probe) commit(id, token string) error {
	return p.store.Commit(context.Background(), p.prefix+id, token)
}

func (p *probe) release(id, token string) error {
	return p.store.Release(context.Background(), p.prefix+id, token)
}

func (p *probe) mustCommit(id, token string) {
	p.Helper()
	if err := p.commit(id, token); err != nil {
		p.Fatalf("Commit(%.40q): %v", id, err)
	}
}

func (p *probe) mustRelease(id, token string) {
	p.Helper()
	if err := p.release(id, token); err != nil {
		p.Fatalf("Release(%.40q): %v", id, err)
	}
	p.sees(payack.ClaimUnknown, id, "f")
}

// dead checks that a token neither commits nor releases id.
func (p *probe) dead(id, token, why string) {
	p.Helper()
	if err := p.commit(id, token); !errors.Is(err, payack.ErrNotHeld) {
		p.Fatalf("Commit %s: error %v, want ErrNotHeld", why, err)
	}
	if err := p.release(id, token); !errors.Is(err, payack.ErrNotHeld) {
		p.Fatalf("Release %s: error %v, want ErrNotHeld", why, err)
	}
}

func states(p *probe) {
	token := p.get("a", "f", long)
	for range 3 {
		p.is(payack.ClaimBusy, "a", "f")
	}
	if other := p.get("b", "f", long); other == token {
		p.Fatal("two claims have the same token")
	}
	p.mustCommit("a", token)
	for range 3 {
		p.is(payack.ClaimDone, "a", "f")
	}
	p.is(payack.ClaimBusy, "b", "f")
}

func conflicts(p *probe) {
	token := p.get("a", "f", long)
	p.is(payack.ClaimConflict, "a", "g")
	p.is(payack.ClaimConflict, "a", "")
	p.is(payack.ClaimBusy, "a", "f")
	p.mustCommit("a", token)
	p.is(payack.ClaimConflict, "a", "g")
	p.is(payack.ClaimDone, "a", "f")
}

// wrongTokens returns tokens that don't hold id "a" while token does.
func (p *probe) wrongTokens(token string) map[string]string {
	return map[string]string{
		"with the token of another id": p.get("other "+rand.Text(), "f", long),
		"with an empty token":          "",
		"with a part of the token":     token[:len(token)-1],
		"with more than the token":     token + "0",
		"with a space more":            " " + token,
		"with a zero byte more":        token + "\x00",
		"with made-up text":            "\xff*%_'\"\n",
		"with a very long token":       strings.Repeat("0", 64<<10),
	}
}

func commits(p *probe) {
	p.dead("unknown", "1", "of an id that was never claimed")
	token := p.get("a", "f", long)
	for why, wrong := range p.wrongTokens(token) {
		p.dead("a", wrong, why)
		p.is(payack.ClaimBusy, "a", "f")
	}
	p.dead("unknown", token, "of another id with a good token")
	if c := p.claim("unknown", "f", long); c.State != payack.ClaimGranted {
		p.Fatalf("an id that was only committed and released in vain is %v", c.State)
	}
	p.mustCommit("a", token)
	p.dead("a", token, "after commit")
	p.dead("a", "", "with an empty token after commit")
	p.is(payack.ClaimDone, "a", "f")
}

func releases(p *probe) {
	token := p.get("a", "f", long)
	for why, wrong := range p.wrongTokens(token) {
		p.dead("a", wrong, why)
	}
	p.mustRelease("a", token)
	p.dead("a", token, "after release")
	again := p.get("a", "f", long)
	p.dead("a", token, "with the token of an earlier claim")
	p.is(payack.ClaimBusy, "a", "f")
	p.mustCommit("a", again)
}

func releaseFrees(p *probe) {
	seen := map[string]bool{}
	for _, fingerprint := range []string{"f", "f", "g", "", "f"} {
		token := p.get("a", fingerprint, long)
		if seen[token] {
			p.Fatal("a token came twice")
		}
		seen[token] = true
		p.mustRelease("a", token)
	}
}

func leaseEnds(p *probe) {
	p.get("b", "f", long)
	p.whileHeld(func(s *span) {
		a, looked := s.id("a"), s.id("looked up")
		p.get(looked, "f", s.lease)
		first := s.start(a, "f")
		early := p.claim(a, "f", s.lease)
		if !s.held(early.State == payack.ClaimBusy, "Claim is %v, want busy", early.State) {
			return
		}
		for fingerprint, want := range map[string]payack.ClaimState{"f": payack.ClaimBusy, "g": payack.ClaimConflict} {
			if got := p.look(a, fingerprint); !s.held(got == want, "Lookup is %v, want %v", got, want) {
				return
			}
		}
		s.end()
		// After its lease, a claim leaves no fingerprint that could conflict.
		second := p.get(a, "g", long)
		if first == second {
			p.Fatal("the token of a claim that has ended came again")
		}
		p.dead(a, first, "with the token of a lease that has ended")
		p.is(payack.ClaimBusy, a, "g")
		p.is(payack.ClaimConflict, a, "f")
		p.mustCommit(a, second)
		p.is(payack.ClaimDone, a, "g")

		for range 2 {
			p.sees(payack.ClaimUnknown, looked, "g")
			p.sees(payack.ClaimUnknown, looked, "f")
		}
		p.mustCommit(looked, p.get(looked, "h", long))
		p.is(payack.ClaimDone, looked, "h")
	})
	p.is(payack.ClaimBusy, "b", "f") // its lease has not ended
}

func lateCommit(p *probe) {
	token := p.get("a", "f", p.lease)
	p.endLease()
	p.dead("a", token, "after the lease's end, nobody else having claimed")
	// The late calls did not mark the event as done, so it can be claimed again.
	again := p.get("a", "f", long)
	p.mustCommit("a", again)
	p.is(payack.ClaimDone, "a", "f")
}

// A refused claim, a lookup, a refused bind or a call with a wrong token doesn't
// lengthen a lease.
func refusedClaims(p *probe) {
	p.whileHeld(func(s *span) {
		id := s.id("a")
		s.start(id, "f")
		p.pass(s.lease * 6 / 10)
		// The long lease of these refused claims must not replace the lease of
		// the granted claim.
		for fingerprint, want := range map[string]payack.ClaimState{"f": payack.ClaimBusy, "g": payack.ClaimConflict} {
			if got := p.claim(id, fingerprint, long).State; !s.held(got == want, "Claim is %v, want %v", got, want) {
				return
			}
			if got := p.look(id, fingerprint); !s.held(got == want, "Lookup is %v, want %v", got, want) {
				return
			}
			if _, ok := p.store.(payack.Binder); !ok {
				continue
			}
			if got := p.bind(id, fingerprint); !s.held(got == want, "Bind is %v, want %v", got, want) {
				return
			}
		}
		_ = p.commit(id, "wrong")
		_ = p.release(id, "wrong")
		p.pass(s.lease * 5 / 10)
		p.get(id, "g", long)
	})
}

func doneStays(p *probe) {
	a, token := "", ""
	p.whileHeld(func(s *span) {
		a = s.id("a")
		token = s.start(a, "f")
		err := p.commit(a, token)
		if err != nil && !errors.Is(err, payack.ErrNotHeld) {
			p.Fatal(err)
		}
		if !s.held(err == nil, "Commit: %v", err) {
			return
		}
		s.end()
		s.end()
		p.is(payack.ClaimDone, a, "f")
		p.is(payack.ClaimConflict, a, "g")
		p.dead(a, token, "after commit and the lease's end")
	})
	if p.retention == 0 {
		return
	}
	// A refused claim halfway through the retention must not shorten it.
	late := p.get("b", "f", p.retention)
	p.pass(p.retention / 2)
	p.is(payack.ClaimDone, a, "f")
	p.mustCommit("b", late)
	p.pass(p.retention/2 - 5*p.lease)
	p.is(payack.ClaimDone, a, "f")
	p.is(payack.ClaimConflict, a, "g")
	p.pass(p.retention/2 - 5*p.lease)
	p.is(payack.ClaimDone, "b", "f") // the retention counts from the commit
}

func noLease(p *probe) {
	leases := []time.Duration{0, -1, -time.Hour, 1}
	for _, lease := range leases {
		c, err := p.store.Claim(context.Background(), p.prefix+lease.String(), "f", lease)
		switch {
		case err != nil && c != payack.Claim{}:
			p.Fatalf("a lease of %v: an answer besides the error", lease)
		case err == nil && c.State != payack.ClaimGranted:
			p.Fatalf("a lease of %v: %v for an id that nobody has", lease, c.State)
		}
	}
	p.endLease()
	for _, lease := range leases {
		p.get(lease.String(), "f", long)
	}
}

// texts are ids and fingerprints that a store must keep apart. Some differ by one
// byte only.
var texts = []string{
	"a", "A", "a ", " a", "a\x00", "\x00a", "a\n", "a\r\n", "\t", "\x00", "\x00\x00",
	"0", "00", "0.0", "1", "01", "1.0", "1e0", "+1", "null", "NULL", "true",
	"é", "e\u0301", "ÿ", "\xff", "\xff\xfe", "\ufffd", "\xc0\x80", "\xed\xa0\x80", "\ufeff", "😀",
	"'", "''", "\"", "\\", "\\0", "'; DROP TABLE events; --", "%", "_", "*", "?", "[a]", "{a}", "{b}", "$1", ":", "a:b", "a:b:", "a%3Ab",
	"../a", "http://a/?b=c&d", strings.Repeat("a", 512), strings.Repeat("a", 513),
	strings.Repeat("x", 64<<10), strings.Repeat("x", 64<<10-1) + "y", strings.Repeat("\xff\x00", 32<<10),
}

func anyIDs(p *probe) {
	tokens := map[string]string{}
	for _, id := range texts {
		tokens[id] = p.get(id, "f", long) // held: a store that confuses two ids would find the second one busy
	}
	for _, id := range texts {
		p.is(payack.ClaimBusy, id, "f")
	}
	for i, id := range texts {
		if i%2 == 0 {
			p.mustCommit(id, tokens[id])
		} else {
			p.mustRelease(id, tokens[id])
		}
	}
	for i, id := range texts {
		if i%2 == 0 {
			p.is(payack.ClaimDone, id, "f")
		} else {
			p.get(id, "f", long)
		}
	}
	// These two pairs of an id and a fingerprint join to the same text.
	p.get("border 1", "2", long)
	p.get("border ", "12", long)
	p.is(payack.ClaimBusy, "border 1", "2")
}

func anyFingerprints(p *probe) {
	all := append([]string{""}, texts...)
	for i, mine := range all {
		id := fmt.Sprint("id ", i)
		token := p.get(id, mine, long)
		// The neighbours in the list are the most alike, so not all pairs are
		// tried.
		others := []string{all[(i+1)%len(all)], all[(i+2)%len(all)], all[(i+len(all)-1)%len(all)], mine + "\x00", mine + " "}
		if mine != "" {
			others = append(others, "", mine[:len(mine)-1])
		}
		for _, other := range others {
			p.is(payack.ClaimConflict, id, other)
		}
		p.is(payack.ClaimBusy, id, mine)
		p.mustCommit(id, token)
		for _, other := range others {
			p.is(payack.ClaimConflict, id, other)
		}
		p.is(payack.ClaimDone, id, mine)
	}
}

// Tenants are part of events' identities, and a store must keep them apart.
func tenants(p *probe) {
	event := func(tenant, transaction string) payack.Event {
		return &payack.PTSEvent{
			UserID: "1", TransactionID: transaction, Status: payack.PTSSuccess,
			Verification: payack.Verification{Tenant: tenant},
		}
	}
	var events []payack.Event
	for _, tenant := range []string{"", "a", "A", "b", "a:1", "ä"} {
		for _, transaction := range []string{"t", "1:t"} {
			events = append(events, event(tenant, transaction))
		}
	}
	for i, ev := range events {
		token := p.get(ev.ID(), ev.Fingerprint(), long)
		if i%2 == 0 {
			p.mustCommit(ev.ID(), token)
		}
	}
	for i, ev := range events {
		want := payack.ClaimBusy
		if i%2 == 0 {
			want = payack.ClaimDone
		}
		p.is(want, ev.ID(), ev.Fingerprint())
	}
}

func contexts(p *probe) {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	past, cancelPast := context.WithDeadline(context.Background(), time.Now().Add(-time.Hour))
	defer cancelPast()
	for i, ctx := range []context.Context{cancelled, past} {
		id := fmt.Sprint("a", i)
		c, err := p.store.Claim(ctx, p.prefix+id, "f", p.lease)
		if err == nil {
			p.Fatalf("Claim with a context that is over (%v) is %v, want an error", ctx.Err(), c.State)
		}
		if c != (payack.Claim{}) {
			p.Fatal("an answer besides the error")
		}
		p.freeInTheEnd(id)
		if state, err := p.store.Lookup(ctx, p.prefix+id, "f"); err == nil || state != payack.ClaimUnknown {
			p.Fatalf("Lookup with a context that is over (%v) is %v with the error %v, want an error and no state", ctx.Err(), state, err)
		}

		// The commit here and the release below may be carried out or not, but
		// never by half.
		token := p.get("commit "+id, "f", long)
		err = p.store.Commit(ctx, p.prefix+"commit "+id, token)
		if errors.Is(err, payack.ErrNotHeld) {
			p.Fatal("Commit: ErrNotHeld with the token that holds the claim")
		}
		if got := p.claim("commit "+id, "f", long).State; got != payack.ClaimDone && (err == nil || got != payack.ClaimBusy) {
			p.Fatalf("%v after Commit returned %v", got, err)
		}
		token = p.get("release "+id, "f", long)
		err = p.store.Release(ctx, p.prefix+"release "+id, token)
		if errors.Is(err, payack.ErrNotHeld) {
			p.Fatal("Release: ErrNotHeld with the token that holds the claim")
		}
		if got := p.claim("release "+id, "f", long).State; got != payack.ClaimGranted && (err == nil || got != payack.ClaimBusy) {
			p.Fatalf("%v after Release returned %v", got, err)
		}
	}
}

// freeInTheEnd waits until a claim whose token was lost ends with its lease.
func (p *probe) freeInTheEnd(id string) {
	p.Helper()
	state := payack.ClaimState(0)
	for range 5 {
		if state = p.claim(id, "f", long).State; state == payack.ClaimGranted {
			return
		}
		p.endLease()
	}
	p.Fatalf("%v for ever, though no claim was given out", state)
}

func contextsMeanwhile(p *probe) {
	const calls = 100
	type result struct {
		claim payack.Claim
		err   error
	}
	results := make([]result, calls)
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*20*time.Microsecond)
			defer cancel()
			c, err := p.store.Claim(ctx, p.prefix+fmt.Sprint(i), "f", long)
			results[i] = result{c, err}
		})
	}
	wg.Wait()
	for i, r := range results {
		switch {
		case r.err != nil && r.claim != payack.Claim{}:
			p.Fatal("an answer besides the error")
		case r.err == nil && r.claim.State != payack.ClaimGranted:
			p.Fatalf("%v for an id that nobody has", r.claim.State)
		case r.err == nil: // a claim that was granted can be committed
			p.mustCommit(fmt.Sprint(i), r.claim.Token)
			p.is(payack.ClaimDone, fmt.Sprint(i), "f")
		}
	}
	// The events of claims that failed are free, or held until their lease ends,
	// but never done.
	for i, r := range results {
		if r.err != nil {
			if got := p.claim(fmt.Sprint(i), "f", long).State; got != payack.ClaimGranted && got != payack.ClaimBusy {
				p.Fatalf("%v after a claim that failed", got)
			}
		}
	}
}

const goroutines = 64

// many returns the number times, or a tenth of it under the race detector and in short
// tests.
func many(times int) int {
	if race || testing.Short() {
		return times / 10
	}
	return times
}

// together calls f in all goroutines at the same time.
func together(f func(i int)) {
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

func oneWins(p *probe) {
	for n := range many(1000) {
		id := fmt.Sprint(n)
		var mu sync.Mutex
		count := map[payack.ClaimState]int{}
		winner := ""
		together(func(int) {
			c, err := p.store.Claim(context.Background(), p.prefix+id, "f", long)
			if err == nil {
				err = wellFormed(c)
			}
			if err != nil {
				p.Errorf("Claim: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			if count[c.State]++; c.State == payack.ClaimGranted {
				winner = c.Token
			}
		})
		if count[payack.ClaimGranted] != 1 || count[payack.ClaimBusy] != goroutines-1 {
			p.Fatalf("id %d: of %d claims at once %d won and %d were busy (all: %v)",
				n, goroutines, count[payack.ClaimGranted], count[payack.ClaimBusy], count)
		}
		p.mustCommit(id, winner)
		p.is(payack.ClaimDone, id, "f")
	}
}

func oneEnds(p *probe) {
	for n := range 20 {
		id := fmt.Sprint(n)
		token := p.get(id, "f", long)
		var mu sync.Mutex
		committed, released := 0, 0
		together(func(i int) {
			end, count := p.commit, &committed
			if i%2 == 0 {
				end, count = p.release, &released
			}
			err := end(id, token)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				*count++
			case !errors.Is(err, payack.ErrNotHeld):
				p.Errorf("error %v, want ErrNotHeld", err)
			}
		})
		if committed+released != 1 {
			p.Fatalf("one claim was committed %d times and released %d times", committed, released)
		}
		want := payack.ClaimGranted
		if committed == 1 {
			want = payack.ClaimDone
		}
		if got := p.claim(id, "f", long).State; got != want {
			p.Fatalf("%v, want %v", got, want)
		}
	}
}

func manyFingerprints(p *probe) {
	for n := range 20 {
		id := fmt.Sprint(n)
		var answers [goroutines]payack.Claim
		together(func(i int) {
			c, err := p.store.Claim(context.Background(), p.prefix+id, fmt.Sprint("f", i%4), long)
			if err != nil {
				p.Errorf("Claim: %v", err)
			}
			answers[i] = c
		})
		winner := -1
		for i, c := range answers {
			if c.State == payack.ClaimGranted {
				if winner >= 0 {
					p.Fatal("two claims won")
				}
				winner = i
			}
		}
		if winner < 0 {
			p.Fatal("no claim won")
		}
		for i, c := range answers {
			want := payack.ClaimConflict
			if i%4 == winner%4 {
				want = payack.ClaimBusy
			}
			if i != winner && c.State != want {
				p.Fatalf("%v, want %v", c.State, want)
			}
		}
	}
}

func lookupsChangeNothing(p *probe) {
	lookAround := func(id string, want map[string]payack.ClaimState) {
		p.Helper()
		for range 2 {
			for fingerprint, state := range want {
				p.sees(state, id, fingerprint)
			}
		}
	}
	unknown := map[string]payack.ClaimState{"f": payack.ClaimUnknown, "g": payack.ClaimUnknown, "": payack.ClaimUnknown}
	lookAround("a", unknown)
	token := p.get("a", "f", long)
	lookAround("a", map[string]payack.ClaimState{"f": payack.ClaimBusy, "g": payack.ClaimConflict, "": payack.ClaimConflict})
	p.is(payack.ClaimBusy, "a", "f")
	p.is(payack.ClaimConflict, "a", "g")
	p.mustRelease("a", token) // the claim is still held
	lookAround("a", unknown)
	token = p.get("a", "g", long)
	lookAround("a", map[string]payack.ClaimState{"g": payack.ClaimBusy, "f": payack.ClaimConflict})
	p.mustCommit("a", token)
	lookAround("a", map[string]payack.ClaimState{"g": payack.ClaimDone, "f": payack.ClaimConflict, "": payack.ClaimConflict})
	p.is(payack.ClaimDone, "a", "g")
	p.is(payack.ClaimConflict, "a", "f")
	p.dead("a", token, "after commit and lookups")
	// A lookup claims nothing.
	lookAround("b", unknown)
	p.dead("b", "", "of an id that was only looked up")
	p.get("b", "a fingerprint that nobody looked up", long)
}

// anyLookups makes a lookup before each claim. The test anyIDs makes the claims first.
func anyLookups(p *probe) {
	tokens := map[string]string{}
	for _, id := range texts {
		p.sees(payack.ClaimUnknown, id, "f") // a store that confuses two ids would know the second one
		tokens[id] = p.get(id, "f", long)
	}
	for i, id := range texts {
		if i%2 == 0 {
			p.mustCommit(id, tokens[id])
		} else {
			p.mustRelease(id, tokens[id])
		}
	}
	for i, id := range texts {
		want, conflict := payack.ClaimUnknown, payack.ClaimUnknown
		if i%2 == 0 {
			want, conflict = payack.ClaimDone, payack.ClaimConflict
		}
		p.sees(want, id, "f")
		p.sees(conflict, id, "g")
	}
}

// rank orders the states of an event that is claimed and then committed. A later
// lookup never finds a lower rank.
var rank = map[payack.ClaimState]int{payack.ClaimUnknown: 0, payack.ClaimBusy: 1, payack.ClaimDone: 2}

func lookupsAmongClaims(p *probe) {
	for n := range many(100) {
		id := fmt.Sprint(n)
		var mu sync.Mutex
		granted := 0
		claimer := func() {
			c, err := p.store.Claim(context.Background(), p.prefix+id, "f", long)
			if err == nil && c.State == payack.ClaimGranted {
				mu.Lock()
				granted++
				mu.Unlock()
				time.Sleep(time.Duration(n) * time.Microsecond) // so that lookups happen while the event is claimed
				err = p.commit(id, c.Token)
			}
			if err != nil {
				p.Errorf("among lookups: %v", err)
			}
			if c.State == payack.ClaimConflict {
				p.Error("a conflict with the fingerprint of a lookup")
			}
		}
		looker := func(fingerprint string) {
			last := payack.ClaimUnknown
			for range 10 {
				time.Sleep(time.Duration(mathrand.IntN(10)) * time.Microsecond)
				state, err := p.store.Lookup(context.Background(), p.prefix+id, fingerprint)
				if err != nil {
					p.Errorf("Lookup: %v", err)
				}
				before, now := rank[last], rank[state]
				if fingerprint == "g" { // no claim has this fingerprint
					before, now = 0, 0
					if state != payack.ClaimConflict && (state != payack.ClaimUnknown || last != payack.ClaimUnknown) {
						p.Errorf("Lookup with another fingerprint is %v after %v", state, last)
					}
				} else if _, ok := rank[state]; !ok {
					p.Errorf("Lookup is %v", state)
				}
				if now < before {
					p.Errorf("Lookup is %v after %v", state, last)
				}
				last = state
			}
		}
		together(func(i int) {
			switch i % 4 {
			case 0:
				looker("g")
			case 1:
				looker("f")
			default:
				claimer()
			}
		})
		if granted != 1 {
			p.Fatalf("of %d claims at once, among lookups, %d won", goroutines/2, granted)
		}
		p.sees(payack.ClaimDone, id, "f")
		p.is(payack.ClaimDone, id, "f")
	}
}

func oneHome(p *probe) {
	home := p.store.Home()
	same := func(when string) {
		p.Helper()
		if got := p.store.Home(); got != home {
			p.Fatalf("Home is %q %s, and was %q", got, when, home)
		}
	}
	if home == "" {
		p.Fatal("Home is empty: stores that share nothing would take each other's events for their own")
	}
	same("when it is asked for again")
	token := p.get("a", "f", long)
	same("after a claim")
	p.mustCommit("a", token)
	same("after a commit")
	p.is(payack.ClaimDone, "a", "f")
	p.mustRelease("b", p.get("b", "f", long))
	same("after a release")
	p.endLease()
	same("later")
	together(func(i int) {
		if _, err := p.store.Claim(context.Background(), p.prefix+fmt.Sprint(i), "f", long); err != nil {
			p.Errorf("Claim: %v", err)
		}
		if got := p.store.Home(); got != home {
			p.Errorf("Home is %q among claims, and was %q", got, home)
		}
	})
	same("after many claims")
}

func binds(p *probe) {
	p.binder()
	for range 3 {
		p.binds(payack.ClaimDone, "a", "f")
	}
	for _, other := range []string{"g", ""} {
		p.binds(payack.ClaimConflict, "a", other)
		p.is(payack.ClaimConflict, "a", other)
	}
	p.is(payack.ClaimDone, "a", "f")
	p.dead("a", "", "with an empty token after a bind")
	p.dead("a", "0", "with made-up text after a bind")
	p.dead("a", p.get("another", "f", long), "with another's token after a bind")
	p.is(payack.ClaimDone, "a", "f")

	// A bind doesn't change a running claim: the claim can still be released or
	// committed.
	token := p.get("b", "f", long)
	claimed := func(id string) {
		p.Helper()
		for range 2 {
			p.binds(payack.ClaimBusy, id, "f")
			p.binds(payack.ClaimConflict, id, "g")
			p.binds(payack.ClaimConflict, id, "")
		}
		p.is(payack.ClaimBusy, id, "f")
		p.is(payack.ClaimConflict, id, "g")
	}
	claimed("b")
	p.mustRelease("b", token)
	p.binds(payack.ClaimDone, "b", "g") // a released event has no fingerprint
	p.is(payack.ClaimConflict, "b", "f")
	p.dead("b", token, "of a released claim, after a bind")
	p.is(payack.ClaimDone, "b", "g")

	token = p.get("c", "f", long)
	claimed("c")
	p.mustCommit("c", token)
	p.binds(payack.ClaimDone, "c", "f")
	p.binds(payack.ClaimConflict, "c", "g")
	p.is(payack.ClaimDone, "c", "f")
	p.dead("c", token, "after commit and a bind")
}

func bindAndLeases(p *probe) {
	p.binder()
	p.binds(payack.ClaimDone, "bound", "f")
	token := p.get("a", "f", p.lease)
	p.endLease()
	// After its lease, a claim leaves no fingerprint that could conflict.
	p.binds(payack.ClaimDone, "a", "g")
	p.dead("a", token, "of a lease that has ended, after a bind")
	p.endLease()
	p.is(payack.ClaimDone, "a", "g")
	p.is(payack.ClaimConflict, "a", "f")
	p.is(payack.ClaimDone, "bound", "f")
	if p.retention == 0 {
		return
	}
	p.pass(p.retention / 2)
	p.binds(payack.ClaimConflict, "a", "f")
	p.pass(p.retention/2 - 5*p.lease)
	for _, id := range []string{"a", "bound"} {
		want, other := "g", "f"
		if id == "bound" {
			want, other = other, want
		}
		p.is(payack.ClaimDone, id, want)
		p.is(payack.ClaimConflict, id, other)
	}
}

func anyBinds(p *probe) {
	p.binder()
	for i, id := range texts {
		p.binds(payack.ClaimDone, id, fmt.Sprint("f", i)) // an equal id would be a conflict
	}
	for i, id := range texts {
		p.is(payack.ClaimDone, id, fmt.Sprint("f", i))
	}
	all := append([]string{""}, texts...)
	for i, mine := range all {
		id := fmt.Sprint("id ", i)
		p.binds(payack.ClaimDone, id, mine)
		for _, other := range []string{all[(i+1)%len(all)], all[(i+2)%len(all)], all[(i+len(all)-1)%len(all)], mine + "\x00", mine + " "} {
			p.binds(payack.ClaimConflict, id, other)
		}
		p.is(payack.ClaimDone, id, mine)
	}
}

func bindContexts(p *probe) {
	b := p.binder()
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	past, cancelPast := context.WithDeadline(context.Background(), time.Now().Add(-time.Hour))
	defer cancelPast()
	for i, ctx := range []context.Context{cancelled, past} {
		id := fmt.Sprint("over ", i)
		state, err := b.Bind(ctx, p.prefix+id, "f")
		if err == nil || state != payack.ClaimUnknown {
			p.Fatalf("Bind with a context that is over (%v) is %v with the error %v, want an error and no state", ctx.Err(), state, err)
		}
		p.boundOrNot(id)
	}
	const calls = 100
	var states [calls]payack.ClaimState
	var errs [calls]error
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*20*time.Microsecond)
			defer cancel()
			states[i], errs[i] = b.Bind(ctx, p.prefix+fmt.Sprint(i), "f")
		})
	}
	wg.Wait()
	for i, state := range states {
		switch {
		case errs[i] != nil && state != payack.ClaimUnknown:
			p.Fatal("Bind: an answer besides the error")
		case errs[i] == nil && state != payack.ClaimDone:
			p.Fatalf("Bind is %v for an id that nobody has", state)
		case errs[i] == nil:
			p.is(payack.ClaimDone, fmt.Sprint(i), "f")
		default:
			p.boundOrNot(fmt.Sprint(i))
		}
	}
}

// boundOrNot checks the event of a bind that returned an error. The event must be
// done or unknown.
func (p *probe) boundOrNot(id string) {
	p.Helper()
	if got := p.look(id, "f"); got != payack.ClaimUnknown && got != payack.ClaimDone {
		p.Fatalf("%v after a bind that failed", got)
	}
	p.binds(payack.ClaimDone, id, "f")
}

func oneFingerprintWins(p *probe) {
	b := p.binder()
	for n := range many(200) {
		id := fmt.Sprint(n)
		// In even rounds each goroutine has a fingerprint of its own. In odd
		// rounds there are 8 fingerprints.
		of := func(i int) int { return i }
		if n%2 == 1 {
			of = func(i int) int { return i % 8 }
		}
		var states [goroutines]payack.ClaimState
		together(func(i int) {
			state, err := b.Bind(context.Background(), p.prefix+id, fmt.Sprint("f", of(i)))
			if err != nil {
				p.Errorf("Bind: %v", err)
			}
			states[i] = state
		})
		winner := -1
		for i, state := range states {
			if state != payack.ClaimDone {
				continue
			}
			if winner >= 0 && winner != of(i) {
				p.Fatal("Bind is done with two fingerprints")
			}
			winner = of(i)
		}
		if winner < 0 {
			p.Fatalf("of %d binds at once none is done", goroutines)
		}
		for i, state := range states {
			if of(i) != winner && state != payack.ClaimConflict || of(i) == winner && state != payack.ClaimDone {
				p.Fatalf("Bind is %v, with the fingerprint of the winner: %t", state, of(i) == winner)
			}
		}
		p.is(payack.ClaimDone, id, fmt.Sprint("f", winner))
		p.is(payack.ClaimConflict, id, "f")
	}
}

func bindsAmongClaims(p *probe) {
	b := p.binder()
	for n := range many(200) {
		id := fmt.Sprint(n)
		var claims, bound [goroutines]payack.ClaimState
		isBind := func(i int) bool { return (i+n)%2 == 0 } // alternates, so that each kind starts first in half of the rounds
		together(func(i int) {
			var err error
			if isBind(i) {
				bound[i], err = b.Bind(context.Background(), p.prefix+id, "f")
			} else {
				var c payack.Claim
				c, err = p.store.Claim(context.Background(), p.prefix+id, "f", long)
				claims[i] = c.State
			}
			if err != nil {
				p.Errorf("among claims and binds: %v", err)
			}
		})
		granted := 0
		for _, state := range claims {
			if state == payack.ClaimGranted {
				granted++
			}
		}
		if granted > 1 {
			p.Fatalf("%d claims won", granted)
		}
		// If a claim came first, the event stays busy, because nobody commits it.
		// If a bind came first, the event is done.
		want := payack.ClaimDone
		if granted > 0 {
			want = payack.ClaimBusy
		}
		for i := range goroutines {
			if isBind(i) && bound[i] != want {
				p.Fatalf("Bind is %v where %d claims won", bound[i], granted)
			}
			if !isBind(i) && claims[i] != payack.ClaimGranted && claims[i] != want {
				p.Fatalf("Claim is %v where %d claims won", claims[i], granted)
			}
		}
		p.is(want, id, "f")
	}
}

// entry is what the model knows about an id.
type entry struct {
	fingerprint, token string
	done               bool
	left               time.Duration // rest of the lease
}

func model(p *probe) {
	const ids, calls = 8, 800
	seed := mathrand.Uint64()
	defer func() {
		if p.Failed() {
			p.Logf("seed %d", seed)
		}
	}()
	rng := mathrand.New(mathrand.NewPCG(seed, 0))
	binder, _ := p.store.(payack.Binder)
	for round := range 3 {
		var entries [ids]entry
		tokens := []string{"", "made up"}
		for range calls {
			i := rng.IntN(ids)
			id, e := fmt.Sprint(round, " ", i), &entries[i]
			held := e.token != "" && e.left > 0
			fingerprint := [...]string{"f", "f", "f", "g"}[rng.IntN(4)]
			known := payack.ClaimUnknown
			switch {
			case (held || e.done) && fingerprint != e.fingerprint:
				known = payack.ClaimConflict
			case e.done:
				known = payack.ClaimDone
			case held:
				known = payack.ClaimBusy
			}
			switch op := rng.IntN(100); {
			case op < 40:
				want := known
				if known == payack.ClaimUnknown {
					want = payack.ClaimGranted
				}
				lease := long
				if p.advance != nil {
					lease = p.lease
				}
				c := p.claim(id, fingerprint, lease)
				if c.State != want {
					p.Fatalf("Claim is %v, want %v", c.State, want)
				}
				if want == payack.ClaimGranted {
					tokens = append(tokens, c.Token)
					*e = entry{fingerprint: fingerprint, token: c.Token, left: lease}
				}
			case op < 55:
				p.sees(known, id, fingerprint)
			case op < 58 && binder != nil: // rarely, because a done id never changes again
				want := known
				if known == payack.ClaimUnknown {
					want = payack.ClaimDone
					*e = entry{fingerprint: fingerprint, done: true}
				}
				if got := p.bind(id, fingerprint); got != want {
					p.Fatalf("Bind is %v, want %v", got, want)
				}
			case op < 90:
				token := tokens[rng.IntN(len(tokens))]
				if rng.IntN(2) == 0 {
					token = e.token
				}
				call, done := p.release, false
				if rng.IntN(10) == 0 { // rarely, because a committed id never changes again
					call, done = p.commit, true
				}
				var want error
				if !held || token != e.token {
					want = payack.ErrNotHeld
				}
				if err := call(id, token); !errors.Is(err, want) {
					p.Fatalf("error %v, want %v", err, want)
				}
				if want == nil {
					*e = entry{fingerprint: e.fingerprint, done: done}
				}
			case p.advance != nil: // two thirds of a lease, so that a lease ends in the second step
				p.pass(p.lease * 2 / 3)
				for i := range entries {
					entries[i].left -= p.lease * 2 / 3
				}
			}
		}
	}
}
