package inbox_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/inbox/sqlite"
	"github.com/payack/payack/payacktest"
)

// A row is found by its order, event, transaction or reference, however many
// newer rows there are.
func TestFindByEachName(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		s.in.SetPageWindow(1)
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess, "transaction_id", "TX-1", "reference_number", "REF-1"))
		s.kept(payack.Payatom, s.atom, payacktest.Payatom(payacktest.NewPayatomKeys()).Order("ORD-2").Set("ref_code", "CODE-2").Set("bank_ref", "BANK-2").Callback(t))
		s.kept(payack.Ptop, s.ptop, payacktest.Ptop(payacktest.NewPtopKeys()).Order("ORD-3").Set("transaction_id", "TX-3").Callback(t))
		for range 3 {
			s.kept(payack.PTS, s.pts, payacktest.PTS(payacktest.NewPTSKeys()).Fresh().Callback(t))
		}
		for find, order := range map[string]string{
			"ORD-1": "ORD-1", "TX-1": "ORD-1", "REF-1": "ORD-1", "CODE-2": "ORD-2", "BANK-2": "ORD-2", "TX-3": "ORD-3",
		} {
			items, next, err := s.in.Page(t.Context(), inbox.Filter{Find: find}, 0, 10)
			require.NoError(t, err)
			require.Len(t, items, 1, find)
			assert.Equal(t, order, items[0].OrderID, find)
			assert.Zero(t, next)
			byEvent, _, err := s.in.Page(t.Context(), inbox.Filter{Find: items[0].EventID}, 0, 10)
			require.NoError(t, err)
			assert.Equal(t, items, byEvent)
		}
		items, _, err := s.in.Page(t.Context(), inbox.Filter{Find: "ORD-1", Provider: payack.Ptop}, 0, 10)
		require.NoError(t, err)
		assert.Empty(t, items)
		items, _, err = s.in.Page(t.Context(), inbox.Filter{Find: "ORD-1"}, 0, 10)
		require.NoError(t, err)
		assert.Equal(t, "TX-1", items[0].Transaction)
		assert.Equal(t, "REF-1", items[0].Reference)
		assert.Equal(t, "2000", items[0].Status)
		assert.NotEmpty(t, items[0].Amount)
	})
}

// Pending, dead and running rows are counted by the index on their state. How
// many rows of the selected time are done doesn't matter.
func TestCountGoesByState(t *testing.T) {
	db, err := sqlite.OpenFile(filepath.Join(t.TempDir(), "payack.db"))
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	in, err := inbox.Open(t.Context(), inbox.Config{DB: db, Dialect: sqlite.Dialect})
	require.NoError(t, err)
	t.Cleanup(func() { in.Close() })
	for state, index := range map[inbox.State]string{inbox.Pending: "inbox_due", inbox.Dead: "inbox_dead", inbox.Running: "inbox_running"} {
		where, args, err := in.Where(inbox.Filter{States: []inbox.State{state}, From: time.Now(), Before: time.Now()})
		require.NoError(t, err)
		var id, parent, zero int
		var plan string
		require.NoError(t, db.QueryRow("EXPLAIN QUERY PLAN SELECT 1 FROM payack_inbox WHERE "+where, args...).Scan(&id, &parent, &zero, &plan))
		assert.Contains(t, plan, index, state)
	}
}

// If no index finds the rows, each page searches a window of IDs and returns
// where the next page begins.
func TestPagesAreBounded(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		s.kept(payack.Ptop, s.ptop, payacktest.Ptop(payacktest.NewPtopKeys()).Fresh().Callback(t))
		for i := range 25 {
			s.kept(payack.PTS, s.pts, ptsCallback(t, fmt.Sprint("ORD-", i), payack.PTSSuccess))
		}
		s.in.SetPageWindow(10)
		first, next, err := s.in.Page(t.Context(), inbox.Filter{Provider: payack.Ptop}, 0, 5)
		require.NoError(t, err)
		assert.Empty(t, first, "the newest 10 are others")
		assert.NotZero(t, next)
		var found []inbox.Item
		pages := 1
		for ; next != 0; pages++ {
			require.Less(t, pages, 10)
			var page []inbox.Item
			page, next, err = s.in.Page(t.Context(), inbox.Filter{Provider: payack.Ptop}, next, 5)
			require.NoError(t, err)
			found = append(found, page...)
		}
		assert.Len(t, found, 1)
		assert.Equal(t, 3, pages)

		// The pages together list every row once, in order.
		all, err := s.in.List(t.Context(), inbox.Filter{}, 0, 1000)
		require.NoError(t, err)
		var paged []inbox.Item
		for next = int64(0); ; {
			var page []inbox.Item
			page, next, err = s.in.Page(t.Context(), inbox.Filter{States: []inbox.State{inbox.Pending}}, next, 4)
			require.NoError(t, err)
			if paged = append(paged, page...); next == 0 {
				break
			}
		}
		assert.Equal(t, all, paged)
	})
}

// A page by time has the rows of that time only. Count stops at its limit. A
// filter by IDs selects rows with these IDs only.
func TestPagesByTime(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		for i := range 30 {
			s.kept(payack.PTS, s.pts, ptsCallback(t, fmt.Sprint("ORD-", i), payack.PTSSuccess))
		}
		s.exec(`UPDATE payack_inbox SET received_us = received_us - 3600000000 WHERE id <= (SELECT x FROM (SELECT MIN(id) + 9 AS x FROM payack_inbox) AS m)`)
		hour := time.Now().Add(-30 * time.Minute)
		old, _, err := s.in.Page(t.Context(), inbox.Filter{Before: hour}, 0, 0)
		require.NoError(t, err)
		require.Len(t, old, 10)
		assert.Equal(t, "ORD-9", old[0].OrderID)
		young, next, err := s.in.Page(t.Context(), inbox.Filter{From: hour}, 0, 0)
		require.NoError(t, err)
		assert.Len(t, young, 20)
		assert.Zero(t, next)
		none, next, err := s.in.Page(t.Context(), inbox.Filter{From: time.Now().Add(time.Hour)}, 0, 0)
		require.NoError(t, err)
		assert.Empty(t, none)
		assert.Zero(t, next)
		n, err := s.in.Count(t.Context(), inbox.Filter{Before: hour}, 7)
		require.NoError(t, err)
		assert.Equal(t, 7, n, "it stops there")
		n, err = s.in.Count(t.Context(), inbox.Filter{From: hour, States: []inbox.State{inbox.Pending}}, 1000)
		require.NoError(t, err)
		assert.Equal(t, 20, n)
		some, err := s.in.List(t.Context(), inbox.Filter{IDs: []int64{old[0].ID, old[3].ID, 99999}}, 0, 0)
		require.NoError(t, err)
		assert.Len(t, some, 2)
		some, err = s.in.List(t.Context(), inbox.Filter{IDs: []int64{}}, 0, 0)
		require.NoError(t, err)
		assert.Empty(t, some)
	})
}
