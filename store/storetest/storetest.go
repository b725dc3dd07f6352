// Package storetest is the conformance suite for implementations of
// [payack.Store], for users' own ones as well:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) payack.Store { return newStore(t) })
//	}
//
// Run it with -race. It needs no assertion library, and neither a clean nor a
// fresh store: each test has ids of its own.
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

// Factory returns the store to be tested. It is called once for each test,
// fails t when it can't, and cleans up with t.Cleanup. The store needs room for
// 10,000 events.
type Factory func(t *testing.T) payack.Store

// Option changes how the suite runs.
type Option func(*suite)

// DefaultLease is how long the leases are that the suite lets end in real time.
const DefaultLease = time.Second

// Lease sets how long the leases are that the suite lets end, [DefaultLease]
// otherwise. It is for stores in real time, and should be a lot longer than a call
// takes: on a machine that is slower than that the tests prove less.
func Lease(d time.Duration) Option { return func(s *suite) { s.lease = d } }

// Synctest runs each test in a bubble of testing/synctest, where time takes no
// time. It is for stores in memory: one that waits for a network, a disk or
// another process holds the bubble's clock. Goroutines of the store must have
// ended when the test's clean-up has.
func Synctest() Option {
	return func(s *suite) {
		s.within = synctest.Test
		s.advance = func(_ *testing.T, _ payack.Store, d time.Duration) { time.Sleep(d) }
	}
}

// Clock is for stores whose clock can be moved: advance lets d pass for a store
// that the factory made. Time may pass otherwise as well, a few seconds in a
// test. The suite then lets minutes pass, and days for [Retention].
func Clock(advance func(t *testing.T, s payack.Store, d time.Duration)) Option {
	return func(s *suite) { s.advance = advance }
}

// Retention is how long the store promises to remember what is done. It is
// tested with [Synctest] or [Clock] only; otherwise what is done must just
// outlive the lease that it was claimed with.
func Retention(d time.Duration) Option { return func(s *suite) { s.retention = d } }

// Run tests the stores that factory makes, each property in a subtest. In real
// time it takes about ten leases; only what holds however late a call comes is
// asserted, so a slow machine does not make it fail.
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
		{"late commit and release", lateCommit},
		{"a claim that gets nothing changes nothing", refusedClaims},
		{"done stays done", doneStays},
		{"a lease of nothing", noLease},
		{"ids of any bytes", anyIDs},
		{"fingerprints of any bytes", anyFingerprints},
		{"tenants", tenants},
		{"contexts that are over", contexts},
		{"contexts that end meanwhile", contextsMeanwhile},
		{"one of many claims wins", oneWins},
		{"one of many commits and releases acts", oneEnds},
		{"many fingerprints at once", manyFingerprints},
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

// long is a lease that doesn't end while a test runs, on any machine.
const long = 24 * time.Hour

// probe is one test of one store.
type probe struct {
	*testing.T
	*suite
	store  payack.Store
	prefix string // of ids, so that a store may be used for many tests
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

// endLease lets a lease end, with something to spare for a clock elsewhere.
func (p *probe) endLease() {
	p.Helper()
	p.pass(p.lease + p.lease/10)
}

// claim makes a claim that must be answered, and checks the answer's form.
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

// get makes a claim that must win, and returns its token.
func (p *probe) get(id, fingerprint string, lease time.Duration) string {
	p.Helper()
	c := p.claim(id, fingerprint, lease)
	if c.State != payack.ClaimGranted {
		p.Fatalf("Claim(%.40q) is %v, want claimed", id, c.State)
	}
	return c.Token
}

// is makes a claim that must not win.
func (p *probe) is(want payack.ClaimState, id, fingerprint string) {
	p.Helper()
	if got := p.claim(id, fingerprint, long).State; got != want {
		p.Fatalf("Claim(%.40q) with fingerprint %.40q is %v, want %v", id, fingerprint, got, want)
	}
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

// wrongTokens are tokens that don't hold id "a" while token does.
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
	before := time.Now()
	first := p.get("a", "f", p.lease)
	early := p.claim("a", "f", p.lease)
	if p.advance != nil || time.Since(before) < p.lease*9/10 { // else the machine is too slow to tell
		if early.State != payack.ClaimBusy {
			p.Fatalf("%v before the lease has ended", early.State)
		}
	}
	p.endLease()
	if early.State == payack.ClaimGranted {
		p.endLease()
	}
	// What is not held has no fingerprint either.
	second := p.get("a", "g", long)
	if first == second {
		p.Fatal("the token of a claim that has ended came again")
	}
	p.dead("a", first, "with the token of a lease that has ended")
	p.is(payack.ClaimBusy, "a", "g")
	p.is(payack.ClaimConflict, "a", "f")
	p.mustCommit("a", second)
	p.is(payack.ClaimDone, "a", "g")
	p.is(payack.ClaimBusy, "b", "f") // its lease has not ended
}

func lateCommit(p *probe) {
	token := p.get("a", "f", p.lease)
	p.endLease()
	p.dead("a", token, "after the lease's end, nobody else having claimed")
	// Not done by that: who comes now gets it, the late one as well.
	again := p.get("a", "f", long)
	p.mustCommit("a", again)
	p.is(payack.ClaimDone, "a", "f")
}

// Claims that don't win, and calls with wrong tokens, don't lengthen a lease.
func refusedClaims(p *probe) {
	p.get("a", "f", p.lease)
	p.pass(p.lease * 6 / 10)
	// The long lease asked for here must not become that of the claim. On a
	// slow machine the first lease may have ended by now.
	for _, fingerprint := range []string{"f", "g"} {
		if c := p.claim("a", fingerprint, long); c.State == payack.ClaimGranted {
			if p.advance != nil {
				p.Fatal("claimed before the lease has ended")
			}
			p.Skip("the machine is too slow to tell; give a longer Lease")
		}
	}
	_ = p.commit("a", "wrong")
	_ = p.release("a", "wrong")
	p.pass(p.lease * 5 / 10)
	p.get("a", "g", long)
}

func doneStays(p *probe) {
	token := p.get("a", "f", p.lease)
	if err := p.commit("a", token); errors.Is(err, payack.ErrNotHeld) && p.advance == nil {
		p.Skip("the machine is too slow to tell; give a longer Lease")
	} else if err != nil {
		p.Fatal(err)
	}
	p.endLease()
	p.endLease()
	p.is(payack.ClaimDone, "a", "f")
	p.is(payack.ClaimConflict, "a", "g")
	p.dead("a", token, "after commit and the lease's end")
	if p.retention == 0 {
		return
	}
	// Half and half again: claims in between don't shorten it.
	late := p.get("b", "f", p.retention)
	p.pass(p.retention / 2)
	p.is(payack.ClaimDone, "a", "f")
	p.mustCommit("b", late)
	p.pass(p.retention/2 - 5*p.lease)
	p.is(payack.ClaimDone, "a", "f")
	p.is(payack.ClaimConflict, "a", "g")
	p.pass(p.retention/2 - 5*p.lease)
	p.is(payack.ClaimDone, "b", "f") // it counts from the commit
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

// texts are all different, for a store that takes each byte as it is.
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
		tokens[id] = p.get(id, "f", long) // claimed, so no other one is taken for it
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
	// Where the id ends and the fingerprint begins.
	p.get("border 1", "2", long)
	p.get("border ", "12", long)
	p.is(payack.ClaimBusy, "border 1", "2")
}

func anyFingerprints(p *probe) {
	all := append([]string{""}, texts...)
	for i, mine := range all {
		id := fmt.Sprint("id ", i)
		token := p.get(id, mine, long)
		// A few others, not all with all: the next ones are the most alike.
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

		// A commit or a release may have come through; never half of one.
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

// freeInTheEnd waits for a claim that nobody knows of to end with its lease.
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
		case r.err == nil: // and then it is worth something
			p.mustCommit(fmt.Sprint(i), r.claim.Token)
			p.is(payack.ClaimDone, fmt.Sprint(i), "f")
		}
	}
	// The others are free, or held until their lease ends; never done.
	for i, r := range results {
		if r.err != nil {
			if got := p.claim(fmt.Sprint(i), "f", long).State; got != payack.ClaimGranted && got != payack.ClaimBusy {
				p.Fatalf("%v after a claim that failed", got)
			}
		}
	}
}

const (
	goroutines = 64
	manyIDs    = 1000
)

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
	for n := range manyIDs {
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

// entry is what the model knows of an id.
type entry struct {
	fingerprint, token string
	done               bool
	left               time.Duration // of the lease
}

func model(p *probe) {
	const ids, calls = 4, 600
	seed := mathrand.Uint64()
	defer func() {
		if p.Failed() {
			p.Logf("seed %d", seed)
		}
	}()
	rng := mathrand.New(mathrand.NewPCG(seed, 0))
	for round := range 3 {
		var entries [ids]entry
		tokens := []string{"", "made up"}
		for range calls {
			i := rng.IntN(ids)
			id, e := fmt.Sprint(round, " ", i), &entries[i]
			held := e.token != "" && e.left > 0
			switch op := rng.IntN(100); {
			case op < 50:
				fingerprint := [...]string{"f", "f", "f", "g"}[rng.IntN(4)]
				want := payack.ClaimGranted
				switch {
				case (held || e.done) && fingerprint != e.fingerprint:
					want = payack.ClaimConflict
				case e.done:
					want = payack.ClaimDone
				case held:
					want = payack.ClaimBusy
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
			case op < 90:
				token := tokens[rng.IntN(len(tokens))]
				if rng.IntN(2) == 0 {
					token = e.token
				}
				call, done := p.release, false
				if rng.IntN(10) == 0 { // seldom, since it is the end of an id
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
			case p.advance != nil: // 2/3 of a lease, so that a third is to spare on both sides
				p.pass(p.lease * 2 / 3)
				for i := range entries {
					entries[i].left -= p.lease * 2 / 3
				}
			}
		}
	}
}
