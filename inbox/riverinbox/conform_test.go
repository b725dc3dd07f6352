package riverinbox_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack/inbox"
	"github.com/payack/payack/inbox/inboxtest"
	"github.com/payack/payack/inbox/riverinbox"
)

// An inbox that River schedules passes the conformance suite for inboxes.
func TestConforms(t *testing.T) {
	t.Parallel()
	inboxtest.Run(t, func(t *testing.T) func() inboxtest.Engine {
		dsn := fresh(t)
		return func() inboxtest.Engine {
			cfg := inboxtest.Config(inbox.Config{DB: pool(t, dsn), Logger: quiet, Poll: 10 * time.Millisecond})
			in, err := riverinbox.Open(t.Context(), riverinbox.Config{Inbox: cfg})
			require.NoError(t, err)
			return in
		}
	})
}
