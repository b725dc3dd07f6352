package sqlstore_test

import (
	"testing"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/store/storetest"
)

func TestConforms(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		t.Parallel() // it mostly waits for leases and the disk
		conform(t, d.place(t))
	})
}

func conform(t *testing.T, p *place) {
	storetest.Run(t, func(*testing.T) payack.Store { return p.store }, storetest.Lease(300*time.Millisecond))
}
