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

// faultName is the environment that gives the store of TestFaulty its fault.
const faultName = "PAYACKTEST_STORE_FAULT"

const retention = 24 * time.Hour

func TestFaultless(t *testing.T) {
	factory := func(*testing.T) payack.Store { return &faulty{entries: map[string]held{}} }
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
}

// TestFaulty fails by intention, in the processes that TestFindsFaults starts.
func TestFaulty(t *testing.T) {
	fault := os.Getenv(faultName)
	if fault == "" {
		t.Skip("runs in processes of TestFindsFaults")
	}
	storetest.Run(t, func(*testing.T) payack.Store { return &faulty{entries: map[string]held{}, fault: fault} },
		storetest.Synctest(), storetest.Retention(retention))
}

func TestFindsFaults(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range faults {
		t.Run(fault, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, exe, "-test.run=^TestFaulty$")
			cmd.Env = append(os.Environ(), faultName+"="+fault)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || !strings.Contains(string(out), "--- FAIL: TestFaulty/") {
				t.Fatalf("the suite does not find it (%v): %.2000s", err, out)
			}
		})
	}
}

var faults = []string{
	"conflict after busy", "conflict after done", "no conflict while claimed", "empty fingerprint fits all",
	"commit with any token", "release with any token", "released id stays", "commit of done", "release of done",
	"same token again", "token told to all", "no token",
	"lease never ends", "late commit", "late release", "late commit resurrects", "busy claim lengthens", "conflict after lease",
	"done ends with lease", "done for half the retention", "claim is done",
	"ids cut", "ids without case", "ids trimmed", "ids as C strings", "ids as UTF-8", "ids as numbers", "ids without tenants",
	"fingerprints cut", "fingerprints trimmed", "fingerprints as UTF-8",
	"context ignored", "held after cancelled context", "answer besides the error", "commit without ErrNotHeld",
	"race of claims", "race of commits", "unknown state",
}

type held struct {
	fingerprint, token string
	done               bool
	ends               time.Time
}

// faulty is a store in a few lines, with one fault or none.
type faulty struct {
	mu      sync.Mutex
	entries map[string]held
	tokens  int
	moved   time.Duration
	fault   string
}

func (s *faulty) ahead(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moved += d
}

func (s *faulty) is(fault string) bool { return s.fault == fault }

func (s *faulty) now() time.Time { return time.Now().Add(s.moved) }

// key is an id or a fingerprint as some database would have it.
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
		if prefix, ev, found := strings.Cut(text, ":pts:"); found {
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
	s.mu.Lock()
	defer s.mu.Unlock()
	e, found := s.entries[id]
	now := s.now()
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

func (s *faulty) Home() string { return "faulty" }

func (s *faulty) Lookup(ctx context.Context, id, fingerprint string) (payack.ClaimState, error) {
	if err := ctx.Err(); err != nil {
		return payack.ClaimUnknown, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, found := s.entries[s.key("ids", id)]
	switch {
	case !found || !s.now().Before(e.ends):
		return payack.ClaimUnknown, nil
	case e.fingerprint != s.key("fingerprints", fingerprint):
		return payack.ClaimConflict, nil
	case e.done:
		return payack.ClaimDone, nil
	}
	return payack.ClaimBusy, nil
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
	case !found || late || e.done || e.token != token && !s.is(op+" with any token"):
		return payack.ErrNotHeld
	}
	act(id, e)
	return nil
}
