package sqlstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack/store/sqlstore"
)

// On SQLite, one caller at a time has the turn, and the store's own calls take
// turns, too. On other databases nobody waits.
func TestTurn(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		p := d.place(t)
		end, err := p.store.Turn(t.Context())
		require.NoError(t, err)
		short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if d.dialect != sqlstore.SQLite {
			other, err := p.store.Turn(short)
			require.NoError(t, err)
			other()
			end()
			return
		}
		_, err = p.store.Bind(short, "event", "f")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = p.store.Turn(short)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		end()
		end() // a second call does nothing
		_, err = p.store.Bind(t.Context(), "event", "f")
		require.NoError(t, err)
	})
}
