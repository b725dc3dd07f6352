package riverinbox_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
)

// Once Close has returned, the pool may be closed: Run has ended, and River has
// recorded its jobs.
func TestCloseWaitsForRiver(t *testing.T) {
	t.Parallel()
	s := open(t, config(pool(t, fresh(t))))
	began := make(chan struct{})
	kept := s.atom(func(context.Context, *payack.PayatomEvent) error {
		close(began)
		time.Sleep(200 * time.Millisecond)
		return nil
	})
	kept("A")
	ended := make(chan error, 1)
	go func() { ended <- s.in.Run(context.Background()) }()
	<-began
	require.NoError(t, s.in.Close())
	assert.Equal(t, 1, s.count(`SELECT COUNT(*) FROM river_job WHERE state = 'completed'`))
	assert.Equal(t, 0, s.count(`SELECT COUNT(*) FROM river_job WHERE state = 'running'`))
	select {
	case err := <-ended:
		assert.NoError(t, err)
	case <-time.After(time.Minute):
		t.Error("Run goes on")
	}
}

// Drain drains even if Run begins or ends meanwhile. Only one of them serves at a
// time.
func TestDrainBesideRun(t *testing.T) {
	t.Parallel()
	s := open(t, config(pool(t, fresh(t))))
	s.settle = func(context.Context, *sql.Tx, *payack.PTSEvent) error { return nil }
	for n := range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.in.Run(ctx) }()
		for n%2 == 0 && s.in.Serving() == false {
			time.Sleep(time.Microsecond)
		}
		if n%3 == 0 {
			s.kept(string(rune('A' + n)))
		}
		if n%4 == 1 {
			cancel() // Run ends while Drain waits for it
		}
		s.drain()
		cancel()
		if err := <-ended; err != nil {
			assert.ErrorContains(t, err, "riverinbox: Run is running already", "where Drain was there first")
			assert.NotEqual(t, 0, n%2, "Run was there first")
		}
		assert.Equal(t, 0, s.count(`SELECT COUNT(*) FROM payack_inbox WHERE state <> 3`))
	}
}
