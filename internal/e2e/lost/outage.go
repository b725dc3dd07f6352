package lost

import (
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest/gateway"
	"github.com/payack/payack/reconcile"
)

// Outage takes each provider's gateway down for an hour of a fake clock. During the
// outage the gateway must get few questions. Afterwards every payment must be found,
// even for orders that were already too old when the outage began. The options are
// like those of [Run], but without an inbox.
func Outage(t *testing.T, options func(t *testing.T) middleware.Options) {
	for p := range providers {
		for name, fault := range map[string]gateway.Faults{
			"refuses":    {Refuse: true},
			"hangs up":   {Cut: true},
			"502":        {Status: http.StatusBadGateway},
			"429":        {Status: http.StatusTooManyRequests},
			"breaks off": {Truncate: true},
			// 1020 is PTS's code for a wrong clock. The fakes of Ptop and Payatom send it
			// as the message of a refusal.
			"refuses all": {Refusal: "1020"},
		} {
			t.Run(string(p)+"/"+name, func(t *testing.T) { outage(t, newShop(t, p, options(t)), fault) })
		}
	}
}

func outage(t *testing.T, s *Shop, fault gateway.Faults) {
	const n = 30
	for i := range n {
		s.order(t, id(i))
		require.NoError(t, s.fake.Pay(id(i)))
	}
	require.NoError(t, s.fake.Wait(t.Context())) // the callbacks are lost
	require.NoError(t, s.fake.SetFaults(fault))
	// SetFaults may start a server, which must run outside the fake clock's bubble.
	repair, repaired := make(chan bool), make(chan error)
	go func() {
		<-repair
		repaired <- s.fake.SetFaults(gateway.Faults{})
	}()
	today := time.Now().Unix()
	synctest.Test(t, func(t *testing.T) {
		// The fake clock starts in 2000, when a Unix time has nine digits. PTS requires
		// ten digits in a request's timestamp.
		time.Sleep(time.Until(time.Unix(today, 0)))
		s.mu.Lock()
		for i := range s.orders {
			s.orders[i].Created = time.Now()
			if i%2 == 0 {
				s.orders[i].Created = time.Now().Add(-80 * time.Hour)
			}
		}
		s.mu.Unlock()
		r, err := reconcile.New(reconcile.Config{
			Orders: s.open, Accounts: []reconcile.Account{s.account}, Logger: slog.New(slog.DiscardHandler), PerSecond: 50,
		})
		require.NoError(t, err)
		working(t, r)
		time.Sleep(time.Hour)
		asked := s.observed(payack.SourceQuery, payack.OutcomeFailed) + s.observed(payack.SourceQuery, payack.OutcomeRejected)
		underWay := 1 // an account that doesn't answer gets one question at a time
		if fault.Refusal != "" {
			underWay = reconcile.DefaultWorkers
		}
		assert.InDelta(t, r.Stats().Asked, asked, float64(underWay), "every question is observed, except those in progress")
		assert.Greater(t, asked, n)
		if fault.Refusal == "" {
			assert.Less(t, asked, 100, "an account that doesn't answer gets few questions")
		}
		_, credits := s.settled()
		assert.Zero(t, credits)
		repair <- true
		require.NoError(t, <-repaired)
		time.Sleep(90 * time.Minute)
		orders, credits := s.settled()
		assert.Equal(t, n, orders)
		assert.Equal(t, n, credits)
		assert.Zero(t, r.Stats().GivenUp)
	})
}
