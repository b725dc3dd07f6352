package memstore_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/store/memstore"
)

func look(t testing.TB, s *memstore.Store, id, fingerprint string, want payack.ClaimState) {
	t.Helper()
	got, err := s.Lookup(t.Context(), id, fingerprint)
	require.NoError(t, err)
	require.Equal(t, want, got, "%s with %s", id, fingerprint)
}

func bind(t testing.TB, s *memstore.Store, id, fingerprint string, want payack.ClaimState) {
	t.Helper()
	got, err := s.Bind(t.Context(), id, fingerprint)
	require.NoError(t, err)
	require.Equal(t, want, got, "%s with %s", id, fingerprint)
}

func TestLookupTakesNoRoom(t *testing.T) {
	s := memstore.New(2)
	for i := range 10 {
		look(t, s, fmt.Sprint(i), "f", payack.ClaimUnknown)
	}
	assert.Zero(t, s.Len())
	bind(t, s, "done first", "f", payack.ClaimDone)
	bind(t, s, "done last", "f", payack.ClaimDone)
	for i := range 10 { // a lookup in a full store forgets nothing
		look(t, s, fmt.Sprint(i), "f", payack.ClaimUnknown)
	}
	look(t, s, "done first", "f", payack.ClaimDone)
	look(t, s, "done first", "g", payack.ClaimConflict)
	assert.Equal(t, 2, s.Len())
}

func TestLookupAfterLeaseAndRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(10)
		claimAs(t, s, "a", "f", payack.ClaimGranted)
		time.Sleep(time.Minute - time.Nanosecond)
		look(t, s, "a", "f", payack.ClaimBusy)
		look(t, s, "a", "g", payack.ClaimConflict)
		time.Sleep(time.Nanosecond)
		look(t, s, "a", "f", payack.ClaimUnknown)
		look(t, s, "a", "g", payack.ClaimUnknown)

		bind(t, s, "a", "g", payack.ClaimDone)
		time.Sleep(memstore.Retention - time.Nanosecond)
		look(t, s, "a", "g", payack.ClaimDone)
		time.Sleep(time.Nanosecond)
		look(t, s, "a", "g", payack.ClaimUnknown)
		assert.Zero(t, s.Len(), "what is forgotten takes no room")
	})
}

func TestBindInAFullStore(t *testing.T) {
	const room = 3
	s := memstore.New(room)
	token := claimAs(t, s, "claimed", "f", payack.ClaimGranted)
	for i := range 10 {
		bind(t, s, fmt.Sprint(i), "f", payack.ClaimDone)
		assert.LessOrEqual(t, s.Len(), room)
	}
	look(t, s, "9", "f", payack.ClaimDone)
	look(t, s, "8", "f", payack.ClaimDone)
	look(t, s, "7", "f", payack.ClaimUnknown) // the oldest was forgotten
	bind(t, s, "claimed", "f", payack.ClaimBusy)
	bind(t, s, "8", "f", payack.ClaimDone) // already done, so Bind needs no room and forgets nothing
	look(t, s, "9", "f", payack.ClaimDone)

	for _, id := range []string{"x", "y"} {
		claimAs(t, s, id, "f", payack.ClaimGranted)
	}
	state, err := s.Bind(t.Context(), "one too many", "f")
	assert.ErrorIs(t, err, memstore.ErrFull)
	assert.Equal(t, payack.ClaimUnknown, state)
	bind(t, s, "x", "f", payack.ClaimBusy) // a full store still answers for the events that it holds
	bind(t, s, "x", "g", payack.ClaimConflict)
	require.NoError(t, s.Commit(t.Context(), "claimed", token))
	bind(t, s, "one too many", "f", payack.ClaimDone)
}

// Bind reuses the entry of an ended lease. Nothing of the entry's earlier use
// may show.
func TestBindAfterAnEndedLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(10)
		token := claimAs(t, s, "a", "f", payack.ClaimGranted)
		time.Sleep(time.Minute)
		bind(t, s, "a", "g", payack.ClaimDone)
		assert.ErrorIs(t, s.Release(t.Context(), "a", token), payack.ErrNotHeld)
		assert.ErrorIs(t, s.Commit(t.Context(), "a", token), payack.ErrNotHeld)
		look(t, s, "a", "g", payack.ClaimDone)
		assert.Equal(t, 1, s.Len())
	})
}

func TestHome(t *testing.T) {
	seen := map[string]bool{}
	for range 3 {
		s := memstore.New(10)
		home := s.Home()
		assert.False(t, seen[home], "two stores in memory share nothing")
		seen[home] = true
		bind(t, s, "a", "f", payack.ClaimDone)
		assert.Equal(t, home, s.Home())
		assert.True(t, s.InMemory())
	}
}

// Checking an event that was delivered before allocates nothing.
func TestKnownIDsAllocateNothing(t *testing.T) {
	s := memstore.New(10)
	ctx := t.Context()
	long := strings.Repeat("f", 200)
	bind(t, s, "done", long, payack.ClaimDone)
	claimAs(t, s, "held", "f", payack.ClaimGranted)
	for _, c := range []struct {
		id, fingerprint string
		want            payack.ClaimState
	}{
		{"done", long, payack.ClaimDone},
		{"done", "f", payack.ClaimConflict},
		{"held", "f", payack.ClaimBusy},
		{"held", long, payack.ClaimConflict},
	} {
		for name, call := range map[string]func() (payack.ClaimState, error){
			"Lookup": func() (payack.ClaimState, error) { return s.Lookup(ctx, c.id, c.fingerprint) },
			"Bind":   func() (payack.ClaimState, error) { return s.Bind(ctx, c.id, c.fingerprint) },
		} {
			var got payack.ClaimState
			var err error
			assert.Zero(t, testing.AllocsPerRun(100, func() { got, err = call() }), "%s is %v", name, c.want)
			require.NoError(t, err)
			require.Equal(t, c.want, got, name)
		}
	}
	var err error
	assert.Zero(t, testing.AllocsPerRun(100, func() { _, err = s.Lookup(ctx, "unknown", "f") }))
	require.NoError(t, err)
}
