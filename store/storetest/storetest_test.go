package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/store/storetest"
)

// faultName is the environment variable that names the fault of TestFaulty's store.
const faultName = "PAYACKTEST_STORE_FAULT"

const retention = 24 * time.Hour

func TestFaultless(t *testing.T) {
	factory := func(*testing.T) payack.Store { return newFaulty("") }
	t.Run("synctest", func(t *testing.T) {
		storetest.Run(t, factory, storetest.Synctest(), storetest.Retention(retention))
	})
	t.Run("clock", func(t *testing.T) {
		storetest.Run(t, factory, storetest.Retention(retention),
			storetest.Clock(func(_ *testing.T, s payack.Store, d time.Duration) { s.(*faulty).ahead(d) }))
	})
	t.Run("real time", func(t *testing.T) {
		storetest.Run(t, factory, storetest.Lease(100*time.Millisecond))
	})
	t.Run("without Bind", func(t *testing.T) {
		storetest.Run(t, func(*testing.T) payack.Store { return struct{ payack.Store }{newFaulty("")} },
			storetest.Synctest(), storetest.Retention(retention))
	})
}

// TestFaulty fails on purpose, in the processes that TestFindsFaults starts.
func TestFaulty(t *testing.T) {
	fault := os.Getenv(faultName)
	if fault == "" {
		t.Skip("runs in processes of TestFindsFaults")
	}
	storetest.Run(t, func(*testing.T) payack.Store { return newFaulty(fault) },
		storetest.Synctest(), storetest.Retention(retention))
}

// TestFaultyInRealTime runs the suite in real time, in the processes that
// TestInRealTime starts.
func TestFaultyInRealTime(t *testing.T) {
	fault := os.Getenv(faultName)
	if fault == "" {
		t.Skip("runs in processes of TestInRealTime")
	}
	d := lease
	if fault == "too slow" {
		d = tooShort
	}
	storetest.Run(t, func(*testing.T) payack.Store { return newFaulty(fault) }, storetest.Lease(d))
}

// The leases of TestFaultyInRealTime.
const (
	lease    = 50 * time.Millisecond
	tooShort = time.Millisecond
)

// runFaulty runs tests with a faulty store in a process of their own.
func runFaulty(t *testing.T, tests, fault string) (output string, failed bool) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe, "-test.v", "-test.failfast", "-test.run="+tests)
	cmd.Env = append(os.Environ(), faultName+"="+fault)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		t.Fatalf("%v: %.2000s", err, out)
	}
	return string(out), err != nil
}

// In real time, the suite has to distinguish a store that ends leases early from a
// slow machine.
func TestInRealTime(t *testing.T) {
	const frees, changes, done = "the end of a lease frees", "a claim that gets nothing changes nothing", "done stays done"
	for _, c := range []struct {
		fault  string
		tests  []string
		failed bool
		says   string
	}{
		{"ignores leases", []string{"claimed, busy, done", frees, changes, done}, true, ""},
		{"ignores short leases", []string{frees, changes, done}, true, "before the lease has ended"},
		{"ignores short leases, slowly", []string{frees, changes, done}, true, "before the lease has ended"},
		{"half of the lease", []string{changes}, true, "before the lease has ended"},
		{"lease never ends", []string{frees, changes, "late commits and releases change nothing"}, true, ""},
		{"slow", []string{frees, changes, done}, false, ""},
		{"too slow", []string{frees, changes, done}, true, "give a longer storetest.Lease"},
	} {
		for _, test := range c.tests {
			t.Run(c.fault+"/"+test, func(t *testing.T) {
				t.Parallel() // the processes mostly sleep
				out, failed := runFaulty(t, "^TestFaultyInRealTime$/^"+test+"$", c.fault)
				verdict := "--- PASS: TestFaultyInRealTime/"
				if c.failed {
					verdict = "--- FAIL: TestFaultyInRealTime/"
				}
				if failed != c.failed || !strings.Contains(out, verdict) || !strings.Contains(out, c.says) {
					t.Errorf("want %q and %q: %.2000s", verdict, c.says, out)
				}
			})
		}
	}
}

func TestFindsFaults(t *testing.T) {
	for _, fault := range faults {
		t.Run(fault, func(t *testing.T) {
			out, failed := runFaulty(t, "^TestFaulty$", fault)
			if !failed || !strings.Contains(out, "--- FAIL: TestFaulty/") {
				t.Fatalf("the suite does not find it: %.2000s", out)
			}
		})
	}
}

var faults = []string{
	"conflict after busy", "conflict after done", "no conflict while claimed", "empty fingerprint fits all",
	"commit with any token", "release with any token", "released id stays", "commit of done", "release of done",
	"same token again", "token told to all", "no token",
	"ignores leases", "ignores short leases", "half of the lease",
	"lease never ends", "late commit", "late release", "late commit resurrects", "busy claim lengthens", "conflict after lease",
	"done ends with lease", "done for half the retention", "claim is done",
	"ids cut", "ids without case", "ids trimmed", "ids as C strings", "ids as UTF-8", "ids as numbers", "ids without tenants",
	"fingerprints cut", "fingerprints trimmed", "fingerprints as UTF-8",
	"context ignored", "held after cancelled context", "answer besides the error", "commit without ErrNotHeld",
	"race of claims", "race of commits", "unknown state",

	"lookup is unknown", "lookup is granted", "lookup of an unknown state", "lookup without fingerprints",
	"lookup: conflict only when done", "lookup: claimed is done", "lookup: conflict of what nobody has",
	"lookup after the lease", "lookup: conflict after the lease", "lookup lengthens", "lookup: conflict lengthens",
	"lookup claims", "lookup takes the fingerprint", "lookup takes the token", "lookup releases", "lookup ends what is done",
	"lookup leaves a fingerprint",
	"lookup ids cut", "lookup ids without case", "lookup ids trimmed", "lookup ids as C strings", "lookup ids as UTF-8",
	"lookup ids as numbers", "lookup ids without tenants",
	"lookup fingerprints cut", "lookup fingerprints trimmed", "lookup fingerprints as UTF-8",
	"lookup ignores contexts", "lookup answers besides the error", "race of lookups", "race of conflicting lookups",

	"home is empty", "home is made each time", "home is that of the last claim",

	"bind forgets", "bind claims", "bind is granted", "bind again is busy", "bind again is a conflict", "bind without fingerprint",
	"bind overwrites what is done", "bind takes claims", "bind takes claims over", "bind is busy after commit",
	"bind: conflict ends the claim", "bind: conflict takes the fingerprint", "bind: busy takes the token", "bind: busy lengthens",
	"bind: conflict lengthens", "bind: conflict after the lease", "bind keeps the token", "bind ends with a lease", "bind for half the retention",
	"bind ids cut", "bind ids without case", "bind ids trimmed", "bind ids as C strings", "bind ids as UTF-8", "bind ids as numbers",
	"bind fingerprints cut", "bind fingerprints trimmed", "bind fingerprints as UTF-8",
	"bind ignores contexts", "bind answers besides the error", "bind claims after a cancelled context",
	"race of binds", "race of binds with claims",
}

type held struct {
	fingerprint, token string
	done               bool
	ends               time.Time
}

// faulty is a small store with one fault or none.
type faulty struct {
	mu      sync.Mutex
	entries map[string]held
	tokens  int
	moved   time.Duration
	fault   string
	slow    time.Duration // how long a claim takes
	home    int
	looked  map[string]string // fingerprints that a lookup left
}

func newFaulty(fault string) *faulty {
	s := &faulty{entries: map[string]held{}, fault: fault}
	switch fault {
	case "slow":
		s.slow = lease * 6 / 5 // above the first lease, and far below the longest that the suite tries
	case "ignores short leases, slowly":
		s.fault, s.slow = "ignores short leases", lease*6/5
	case "too slow": // longer than every lease the suite tries
		s.slow = 2 * 32 * tooShort
	}
	return s
}

func (s *faulty) ahead(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moved += d
}

func (s *faulty) is(fault string) bool { return s.fault == fault }

func (s *faulty) now() time.Time { return time.Now().Add(s.moved) }

// key returns an id or a fingerprint as a database with the fault would store it.
func (s *faulty) key(kind, text string) string {
	cut, rest := strings.CutPrefix(s.fault, kind+" ")
	if !rest {
		return text
	}
	switch cut {
	case "cut":
		return text[:min(len(text), 512)]
	case "without case":
		return strings.ToLower(text)
	case "trimmed":
		return strings.TrimSpace(text)
	case "as C strings":
		text, _, _ = strings.Cut(text, "\x00")
	case "as UTF-8":
		return strings.ToValidUTF8(text, "\ufffd")
	case "as numbers":
		i := strings.LastIndexByte(text, ':')
		if f, err := strconv.ParseFloat(text[i+1:], 64); err == nil {
			return text[:i+1] + fmt.Sprint(f)
		}
	case "without tenants":
		if prefix, ev, found := strings.Cut(text, ":pts:v1:"); found {
			_, ev, _ = strings.Cut(ev, ":")
			return prefix + ev
		}
	}
	return text
}

func (s *faulty) Claim(ctx context.Context, id, fingerprint string, lease time.Duration) (payack.Claim, error) {
	cancelled := ctx.Err() != nil && !s.is("context ignored")
	if cancelled && s.is("answer besides the error") {
		return payack.Claim{State: payack.ClaimGranted, Token: "1"}, ctx.Err()
	}
	if cancelled && !s.is("held after cancelled context") {
		return payack.Claim{}, ctx.Err()
	}
	id, fingerprint = s.key("ids", id), s.key("fingerprints", fingerprint)
	switch {
	case s.is("ignores leases"), s.is("ignores short leases") && lease < time.Hour:
		lease = 0
	case s.is("half of the lease"):
		lease /= 2
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if looked, ok := s.looked[id]; ok && looked != fingerprint {
		return payack.Claim{State: payack.ClaimConflict}, nil
	}
	e, found := s.entries[id]
	now := s.now()
	defer time.Sleep(s.slow)
	if found && !now.Before(e.ends) && !s.is("lease never ends") {
		found = s.is("conflict after lease") && e.fingerprint != fingerprint
	}
	fits := e.fingerprint == fingerprint || s.is("empty fingerprint fits all") && (fingerprint == "" || e.fingerprint == "")
	busy := payack.Claim{State: payack.ClaimBusy}
	if s.is("token told to all") {
		busy.Token = e.token
	}
	switch {
	case found && !e.done && (s.is("conflict after busy") || s.is("no conflict while claimed")):
		return busy, nil
	case found && e.done && s.is("conflict after done"):
		return payack.Claim{State: payack.ClaimDone}, nil
	case found && !fits:
		return payack.Claim{State: payack.ClaimConflict}, nil
	case found && e.done:
		return payack.Claim{State: payack.ClaimDone}, nil
	case found && s.is("unknown state"):
		return payack.Claim{}, nil
	case found:
		if s.is("busy claim lengthens") {
			e.ends = now.Add(lease)
			s.entries[id] = e
		}
		return busy, nil
	}
	if s.is("race of claims") {
		s.mu.Unlock()
		time.Sleep(time.Microsecond)
		s.mu.Lock()
	}
	if s.tokens++; s.is("same token again") {
		s.tokens = 1
	}
	token := strconv.Itoa(s.tokens)
	if s.is("no token") {
		token = ""
	}
	e = held{fingerprint: fingerprint, token: token, ends: now.Add(lease), done: s.is("claim is done")}
	if cancelled {
		e.ends = now.Add(1000 * time.Hour)
	}
	s.entries[id] = e
	if cancelled {
		return payack.Claim{}, ctx.Err()
	}
	return payack.Claim{State: payack.ClaimGranted, Token: token}, nil
}

func (s *faulty) Home() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.fault {
	case "home is empty":
		return ""
	case "home is made each time":
		s.home++
		return strconv.Itoa(s.home)
	case "home is that of the last claim":
		return strconv.Itoa(s.tokens)
	}
	return "faulty"
}

func (s *faulty) Lookup(ctx context.Context, id, fingerprint string) (payack.ClaimState, error) {
	if err := ctx.Err(); err != nil && !s.is("lookup ignores contexts") {
		if s.is("lookup answers besides the error") {
			return payack.ClaimBusy, err
		}
		return payack.ClaimUnknown, err
	}
	id = s.key("lookup ids", s.key("ids", id))
	fingerprint = s.key("lookup fingerprints", s.key("fingerprints", fingerprint))
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	e, found := s.entries[id]
	ended := found && !now.Before(e.ends)
	switch s.fault {
	case "lookup is unknown":
		return payack.ClaimUnknown, nil
	case "lookup claims":
		if !found || ended {
			s.entries[id] = held{fingerprint: fingerprint, token: "lookup", ends: now.Add(time.Minute)}
		}
	case "lookup leaves a fingerprint": // the next claim must match it
		if !found || ended {
			s.looked = map[string]string{id: fingerprint}
		}
	}
	switch {
	case ended && s.is("lookup after the lease"), ended && s.is("lookup: conflict after the lease") && e.fingerprint != fingerprint:
	case found && s.is("conflict after lease"):
	case !found && s.is("lookup: conflict of what nobody has") && fingerprint == "":
		return payack.ClaimConflict, nil
	case !found || ended:
		return payack.ClaimUnknown, nil
	}
	switch s.fault {
	case "lookup is granted":
		return payack.ClaimGranted, nil
	case "lookup of an unknown state":
		return 17, nil
	case "lookup takes the fingerprint":
		defer func() { e.fingerprint = fingerprint; s.entries[id] = e }()
	case "lookup takes the token":
		e.token += "0"
		s.entries[id] = e
	case "lookup lengthens":
		e.ends = now.Add(1000 * time.Hour)
		s.entries[id] = e
	case "lookup releases":
		if !e.done {
			defer delete(s.entries, id)
		}
	case "lookup ends what is done":
		if e.done {
			defer delete(s.entries, id)
		}
	case "race of lookups":
		delete(s.entries, id)
		s.mu.Unlock()
		time.Sleep(time.Microsecond)
		s.mu.Lock()
		s.entries[id] = e
	case "race of conflicting lookups":
		if e.fingerprint != fingerprint {
			s.mu.Unlock()
			time.Sleep(time.Microsecond)
			s.mu.Lock()
			s.entries[id] = e // restores what the store held before
		}
	}
	switch {
	case e.fingerprint != fingerprint && s.is("lookup: conflict lengthens"):
		e.ends = now.Add(1000 * time.Hour)
		s.entries[id] = e
		return payack.ClaimConflict, nil
	case e.fingerprint != fingerprint && !s.is("lookup without fingerprints") && (e.done || !s.is("lookup: conflict only when done")):
		return payack.ClaimConflict, nil
	case e.done || s.is("lookup: claimed is done"):
		return payack.ClaimDone, nil
	}
	return payack.ClaimBusy, nil
}

func (s *faulty) Bind(ctx context.Context, id, fingerprint string) (payack.ClaimState, error) {
	id = s.key("bind ids", s.key("ids", id))
	fingerprint = s.key("bind fingerprints", s.key("fingerprints", fingerprint))
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if err := ctx.Err(); err != nil && !s.is("bind ignores contexts") {
		switch s.fault {
		case "bind answers besides the error":
			return payack.ClaimDone, err
		case "bind claims after a cancelled context":
			s.entries[id] = held{fingerprint: fingerprint, ends: now.Add(time.Hour)}
		}
		return payack.ClaimUnknown, err
	}
	e, found := s.entries[id]
	if found && !now.Before(e.ends) {
		found = s.is("bind: conflict after the lease") && e.fingerprint != fingerprint
	}
	set := func(e held) { s.entries[id] = e }
	switch {
	case found && e.done && e.fingerprint != fingerprint && s.is("bind overwrites what is done"):
	case found && !e.done && e.fingerprint == fingerprint && s.is("bind takes claims"):
	case found && e.done && e.fingerprint == fingerprint && s.is("bind is busy after commit") && e.token != "":
		return payack.ClaimBusy, nil
	case found && !e.done && s.is("bind takes claims over"): // whatever the fingerprint
	case found && e.fingerprint != fingerprint:
		switch {
		case e.done:
		case s.is("bind: conflict ends the claim"):
			delete(s.entries, id)
		case s.is("bind: conflict takes the fingerprint"):
			e.fingerprint = fingerprint
			set(e)
		case s.is("bind: conflict lengthens"):
			e.ends = now.Add(1000 * time.Hour)
			set(e)
		}
		return payack.ClaimConflict, nil
	case found && e.done:
		switch s.fault {
		case "bind again is busy":
			return payack.ClaimBusy, nil
		case "bind again is a conflict":
			return payack.ClaimConflict, nil
		}
		return payack.ClaimDone, nil
	case found:
		switch s.fault {
		case "bind: busy takes the token":
			e.token += "0"
			set(e)
		case "bind: busy lengthens":
			e.ends = now.Add(1000 * time.Hour)
			set(e)
		}
		return payack.ClaimBusy, nil
	}
	switch s.fault {
	case "race of binds", "race of binds with claims":
		s.mu.Unlock()
		time.Sleep(time.Microsecond)
		s.mu.Lock()
		if other, found := s.entries[id]; found && other.done && s.is("race of binds with claims") {
			if other.fingerprint != fingerprint {
				return payack.ClaimConflict, nil
			}
			return payack.ClaimDone, nil
		}
	case "bind forgets":
		return payack.ClaimDone, nil
	case "bind is granted":
		set(held{fingerprint: fingerprint, done: true, ends: now.Add(retention)})
		return payack.ClaimGranted, nil
	case "bind without fingerprint":
		fingerprint = ""
	}
	bound := held{fingerprint: fingerprint, done: !s.is("bind claims"), ends: now.Add(retention)}
	switch s.fault {
	case "bind ends with a lease":
		bound.ends = now.Add(time.Minute)
	case "bind for half the retention":
		bound.ends = now.Add(retention / 2)
	case "bind keeps the token":
		bound.token = e.token
	}
	set(bound)
	return payack.ClaimDone, nil
}

func (s *faulty) Commit(_ context.Context, id, token string) error {
	return s.end("commit", id, token, func(id string, e held) {
		if s.is("race of commits") {
			s.mu.Unlock()
			time.Sleep(time.Microsecond)
			s.mu.Lock()
		}
		e.done, e.ends = true, s.now().Add(retention)
		switch s.fault {
		case "done ends with lease":
			e.ends = s.now().Add(time.Minute)
		case "done for half the retention":
			e.ends = s.now().Add(retention / 2)
		}
		s.entries[id] = e
	})
}

func (s *faulty) Release(_ context.Context, id, token string) error {
	return s.end("release", id, token, func(id string, _ held) {
		if !s.is("released id stays") {
			delete(s.entries, id)
		}
	})
}

func (s *faulty) end(op, id, token string, act func(string, held)) error {
	id = s.key("ids", id)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, found := s.entries[id]
	late := !s.now().Before(e.ends)
	switch {
	case s.is("commit without ErrNotHeld") && !found:
		return errors.New("no such claim")
	case late && s.is("late commit resurrects") && found && e.token == token:
		e.ends = s.now().Add(time.Hour)
		s.entries[id] = e
		return payack.ErrNotHeld
	case late && s.is("late "+op) && found && e.token == token:
	case e.done && s.is(op+" of done") && e.token == token:
	case e.done && s.is("bind keeps the token") && e.token == token && token != "":
	case !found || late || e.done || e.token != token && !s.is(op+" with any token"):
		return payack.ErrNotHeld
	}
	act(id, e)
	return nil
}
