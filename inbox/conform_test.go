package inbox_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/inbox/inboxtest"
	"github.com/payack/payack/store/storetest"
)

// The embedded engine passes the suite for every engine.
func TestConforms(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d database) {
		inboxtest.Run(t, func(t *testing.T) func() inboxtest.Engine {
			dsn := d.dsn(t)
			return func() inboxtest.Engine {
				in, err := inbox.Open(t.Context(), inboxtest.Config(inbox.Config{DB: d.pool(t, dsn), Dialect: d.dialect, Logger: quiet}))
				require.NoError(t, err)
				return in
			}
		})
	})
}

// Used as a store, an inbox passes the suite for stores.
func TestConformsAsAStore(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("many claims at once take minutes under the race detector; module sqlstore holds its part to the same")
	}
	s := open(t, databases[0])
	storetest.Run(t, func(*testing.T) payack.Store { return s.in }, storetest.Lease(500*time.Millisecond))
}
