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

// An inbox with its own poller passes the conformance suite for inboxes.
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

// An inbox that is used as a store passes the conformance suite for stores.
func TestConformsAsAStore(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("many claims at once take minutes under the race detector; module sqlstore holds its part to the same")
	}
	s := open(t, databases[0])
	storetest.Run(t, func(*testing.T) payack.Store { return s.in }, storetest.Lease(500*time.Millisecond))
}
