package middleware_test

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
	"github.com/payack/payack/middleware"
)

func claim(t testing.TB, s *middleware.MemoryStore, id string, want payack.ClaimState) string {
	t.Helper()
	return claimAs(t, s, id, "500 PHP", want)
}

func claimAs(t testing.TB, s *middleware.MemoryStore, id, fingerprint string, want payack.ClaimState) string {
	t.Helper()
	c, err := s.Claim(t.Context(), id, fingerprint, time.Minute)
	require.NoError(t, err)
	require.Equal(t, want, c.State, id)
	assert.Equal(t, want == payack.Claimed, c.Token != "")
	return c.Token
}

func TestMemoryStoreStates(t *testing.T) {
	s := middleware.NewMemoryStore(10)
	token := claim(t, s, "a", payack.Claimed)
	claim(t, s, "a", payack.Busy)
	claimAs(t, s, "a", "900 PHP", payack.Conflict)
	require.NoError(t, s.Release(t.Context(), "a", token))
	assert.Zero(t, s.Len())

	token = claimAs(t, s, "a", "900 PHP", payack.Claimed)
	require.NoError(t, s.Commit(t.Context(), "a", token))
	claimAs(t, s, "a", "900 PHP", payack.Done)
	claimAs(t, s, "a", "500 PHP", payack.Conflict)
	claim(t, s, "b", payack.Claimed)
	assert.Equal(t, 2, s.Len())
}

func TestMemoryStoreTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := middleware.NewMemoryStore(10)
		a, b := claim(t, s, "a", payack.Claimed), claim(t, s, "b", payack.Claimed)
		assert.NotEqual(t, a, b)
		for _, wrong := range []string{"", "0", b, a + "0", "-1", "x"} {
			assert.ErrorIs(t, s.Commit(t.Context(), "a", wrong), payack.ErrNotHeld, wrong)
			assert.ErrorIs(t, s.Release(t.Context(), "a", wrong), payack.ErrNotHeld, wrong)
		}
		claim(t, s, "a", payack.Busy)
		assert.ErrorIs(t, s.Commit(t.Context(), "none", a), payack.ErrNotHeld)
		assert.ErrorIs(t, s.Release(t.Context(), "none", a), payack.ErrNotHeld)

		require.NoError(t, s.Commit(t.Context(), "a", a))
		for _, token := range []string{a, "0", ""} {
			assert.ErrorIs(t, s.Commit(t.Context(), "a", token), payack.ErrNotHeld, "done already")
			assert.ErrorIs(t, s.Release(t.Context(), "a", token), payack.ErrNotHeld, "done is done")
		}
		claim(t, s, "a", payack.Done)

		time.Sleep(time.Minute) // b's lease
		assert.ErrorIs(t, s.Commit(t.Context(), "b", b), payack.ErrNotHeld)
		assert.ErrorIs(t, s.Release(t.Context(), "b", b), payack.ErrNotHeld)
		again := claim(t, s, "b", payack.Claimed)
		assert.NotEqual(t, b, again)
		assert.ErrorIs(t, s.Commit(t.Context(), "b", b), payack.ErrNotHeld, "it is another's now")
		assert.ErrorIs(t, s.Release(t.Context(), "b", b), payack.ErrNotHeld)
		require.NoError(t, s.Commit(t.Context(), "b", again))
	})
}

func TestMemoryStoreLeaseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := middleware.NewMemoryStore(10)
		claim(t, s, "a", payack.Claimed)
		time.Sleep(time.Minute - time.Nanosecond)
		claim(t, s, "a", payack.Busy)
		time.Sleep(time.Nanosecond)
		claimAs(t, s, "a", "900 PHP", payack.Claimed) // what crashed left no claim, so no conflict
		assert.Equal(t, 1, s.Len())
	})
}

func TestMemoryStoreRemembersSevenDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const week = 7 * 24 * time.Hour
		s := middleware.NewMemoryStore(10)
		require.NoError(t, s.Commit(t.Context(), "a", claim(t, s, "a", payack.Claimed)))
		time.Sleep(time.Hour)
		require.NoError(t, s.Commit(t.Context(), "b", claim(t, s, "b", payack.Claimed)))
		time.Sleep(week - time.Hour - time.Nanosecond)
		claim(t, s, "a", payack.Done)
		claimAs(t, s, "a", "900 PHP", payack.Conflict)
		time.Sleep(time.Nanosecond)
		claim(t, s, "a", payack.Claimed)
		claim(t, s, "b", payack.Done)
		time.Sleep(time.Hour)
		claim(t, s, "c", payack.Claimed)
		assert.Equal(t, 2, s.Len(), "what is forgotten takes no room")
		claim(t, s, "b", payack.Claimed)
	})
}

func TestMemoryStoreIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const room = 5
		s := middleware.NewMemoryStore(room)
		claimed := claim(t, s, "claimed first", payack.Claimed)
		for i := range 100 {
			id := fmt.Sprint(i)
			require.NoError(t, s.Commit(t.Context(), id, claim(t, s, id, payack.Claimed)))
			assert.LessOrEqual(t, s.Len(), room)
		}
		claim(t, s, "claimed first", payack.Busy) // never evicted
		for i := 96; i < 100; i++ {
			claim(t, s, fmt.Sprint(i), payack.Done)
		}
		claim(t, s, "95", payack.Claimed) // the oldest were; this evicts 96
		claim(t, s, "97", payack.Done)
		claim(t, s, "96", payack.Claimed) // evicts 97

		for _, id := range []string{"x", "y"} { // 98, 99
			claim(t, s, id, payack.Claimed)
		}
		_, err := s.Claim(t.Context(), "one too many", "", time.Minute)
		require.ErrorIs(t, err, middleware.ErrStoreFull)
		assert.Equal(t, room, s.Len())
		claim(t, s, "x", payack.Busy) // what it holds is answered all the same

		require.NoError(t, s.Release(t.Context(), "claimed first", claimed))
		claim(t, s, "one too many", payack.Claimed)
		time.Sleep(time.Minute)
		claim(t, s, "after the leases", payack.Claimed)
		assert.LessOrEqual(t, s.Len(), room)
	})
	assert.Equal(t, 100_000, middleware.DefaultMemoryEvents)
	for _, n := range []int{0, -1} {
		s := middleware.NewMemoryStore(n)
		claim(t, s, "a", payack.Claimed)
		claim(t, s, "b", payack.Claimed)
	}
}

// Of any number of claims of one id at the same time exactly one is claimed.
func TestMemoryStoreConcurrency(t *testing.T) {
	const goroutines, ids = 64, 1000
	s := middleware.NewMemoryStore(ids)
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
				case c.State == payack.Claimed:
					wins[i].Add(1)
					if err := s.Commit(t.Context(), id, c.Token); err != nil {
						t.Error(err)
					}
				case c.State == payack.Conflict:
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
