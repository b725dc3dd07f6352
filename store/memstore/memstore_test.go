package memstore_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/store/memstore"
)

func claim(t testing.TB, s *memstore.Store, id string, want payack.ClaimState) string {
	t.Helper()
	return claimAs(t, s, id, "500 PHP", want)
}

func claimAs(t testing.TB, s *memstore.Store, id, fingerprint string, want payack.ClaimState) string {
	t.Helper()
	c, err := s.Claim(t.Context(), id, fingerprint, time.Minute)
	require.NoError(t, err)
	require.Equal(t, want, c.State, id)
	assert.Equal(t, want == payack.ClaimGranted, c.Token != "")
	return c.Token
}

func TestStates(t *testing.T) {
	s := memstore.New(10)
	token := claim(t, s, "a", payack.ClaimGranted)
	claim(t, s, "a", payack.ClaimBusy)
	claimAs(t, s, "a", "900 PHP", payack.ClaimConflict)
	require.NoError(t, s.Release(t.Context(), "a", token))
	assert.Zero(t, s.Len())

	token = claimAs(t, s, "a", "900 PHP", payack.ClaimGranted)
	require.NoError(t, s.Commit(t.Context(), "a", token))
	claimAs(t, s, "a", "900 PHP", payack.ClaimDone)
	claimAs(t, s, "a", "500 PHP", payack.ClaimConflict)
	claim(t, s, "b", payack.ClaimGranted)
	assert.Equal(t, 2, s.Len())
}

func TestTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(10)
		a, b := claim(t, s, "a", payack.ClaimGranted), claim(t, s, "b", payack.ClaimGranted)
		assert.NotEqual(t, a, b)
		for _, wrong := range []string{"", "0", b, a + "0", "-1", "x"} {
			assert.ErrorIs(t, s.Commit(t.Context(), "a", wrong), payack.ErrNotHeld, wrong)
			assert.ErrorIs(t, s.Release(t.Context(), "a", wrong), payack.ErrNotHeld, wrong)
		}
		claim(t, s, "a", payack.ClaimBusy)
		assert.ErrorIs(t, s.Commit(t.Context(), "none", a), payack.ErrNotHeld)
		assert.ErrorIs(t, s.Release(t.Context(), "none", a), payack.ErrNotHeld)

		require.NoError(t, s.Commit(t.Context(), "a", a))
		for _, token := range []string{a, "0", ""} {
			assert.ErrorIs(t, s.Commit(t.Context(), "a", token), payack.ErrNotHeld, "done already")
			assert.ErrorIs(t, s.Release(t.Context(), "a", token), payack.ErrNotHeld, "done is done")
		}
		claim(t, s, "a", payack.ClaimDone)

		time.Sleep(time.Minute) // until b's lease ends
		assert.ErrorIs(t, s.Commit(t.Context(), "b", b), payack.ErrNotHeld)
		assert.ErrorIs(t, s.Release(t.Context(), "b", b), payack.ErrNotHeld)
		again := claim(t, s, "b", payack.ClaimGranted)
		assert.NotEqual(t, b, again)
		assert.ErrorIs(t, s.Commit(t.Context(), "b", b), payack.ErrNotHeld, "it is another's now")
		assert.ErrorIs(t, s.Release(t.Context(), "b", b), payack.ErrNotHeld)
		require.NoError(t, s.Commit(t.Context(), "b", again))
	})
}

func TestLeaseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(10)
		claim(t, s, "a", payack.ClaimGranted)
		time.Sleep(time.Minute - time.Nanosecond)
		claim(t, s, "a", payack.ClaimBusy)
		time.Sleep(time.Nanosecond)
		claimAs(t, s, "a", "900 PHP", payack.ClaimGranted) // the lapsed claim left no fingerprint, so no conflict
		assert.Equal(t, 1, s.Len())
	})
}

func TestRemembersSevenDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const week = 7 * 24 * time.Hour
		s := memstore.New(10)
		require.NoError(t, s.Commit(t.Context(), "a", claim(t, s, "a", payack.ClaimGranted)))
		time.Sleep(time.Hour)
		require.NoError(t, s.Commit(t.Context(), "b", claim(t, s, "b", payack.ClaimGranted)))
		time.Sleep(week - time.Hour - time.Nanosecond)
		claim(t, s, "a", payack.ClaimDone)
		claimAs(t, s, "a", "900 PHP", payack.ClaimConflict)
		time.Sleep(time.Nanosecond)
		claim(t, s, "a", payack.ClaimGranted)
		claim(t, s, "b", payack.ClaimDone)
		time.Sleep(time.Hour)
		claim(t, s, "c", payack.ClaimGranted)
		assert.Equal(t, 2, s.Len(), "what is forgotten takes no room")
		claim(t, s, "b", payack.ClaimGranted)
	})
}

func TestFullStoreForgetsTheOldestDoneEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const room = 5
		s := memstore.New(room)
		claimed := claim(t, s, "claimed first", payack.ClaimGranted)
		for i := range 100 {
			id := fmt.Sprint(i)
			require.NoError(t, s.Commit(t.Context(), id, claim(t, s, id, payack.ClaimGranted)))
			assert.LessOrEqual(t, s.Len(), room)
		}
		claim(t, s, "claimed first", payack.ClaimBusy) // a claim with a running lease is never forgotten
		for i := 96; i < 100; i++ {
			claim(t, s, fmt.Sprint(i), payack.ClaimDone)
		}
		claim(t, s, "95", payack.ClaimGranted) // 95 was forgotten as the oldest; this claim forgets 96
		claim(t, s, "97", payack.ClaimDone)
		claim(t, s, "96", payack.ClaimGranted) // this claim forgets 97

		for _, id := range []string{"x", "y"} { // these claims forget 98 and 99
			claim(t, s, id, payack.ClaimGranted)
		}
		_, err := s.Claim(t.Context(), "one too many", "", time.Minute)
		require.ErrorIs(t, err, memstore.ErrFull)
		assert.Equal(t, room, s.Len())
		claim(t, s, "x", payack.ClaimBusy) // a full store still answers for the events that it holds

		require.NoError(t, s.Release(t.Context(), "claimed first", claimed))
		claim(t, s, "one too many", payack.ClaimGranted)
		time.Sleep(time.Minute)
		claim(t, s, "after the leases", payack.ClaimGranted)
		assert.LessOrEqual(t, s.Len(), room)
	})
	assert.Equal(t, 100_000, memstore.DefaultEvents)
	for _, n := range []int{0, -1} {
		s := memstore.New(n)
		claim(t, s, "a", payack.ClaimGranted)
		claim(t, s, "b", payack.ClaimGranted)
	}
}

// Exactly one of many concurrent claims of one id is granted.
func TestOneOfManyConcurrentClaimsIsGranted(t *testing.T) {
	const goroutines, ids = 64, 1000
	s := memstore.New(ids)
	var wins [ids]atomic.Int32
	var start, n sync.WaitGroup
	start.Add(1)
	for range goroutines {
		n.Go(func() {
			start.Wait()
			for i := range ids {
				id := fmt.Sprint(i)
				c, err := s.Claim(t.Context(), id, "", time.Hour)
				switch {
				case err != nil:
					t.Error(err)
				case c.State == payack.ClaimGranted:
					wins[i].Add(1)
					if err := s.Commit(t.Context(), id, c.Token); err != nil {
						t.Error(err)
					}
				case c.State == payack.ClaimConflict:
					t.Error("a conflict of nothing")
				}
			}
		})
	}
	start.Done()
	n.Wait()
	for i := range ids {
		assert.Equal(t, int32(1), wins[i].Load(), "id %d", i)
	}
	assert.Equal(t, ids, s.Len())
}
