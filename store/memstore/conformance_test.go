package memstore_test

import (
	"testing"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/store/memstore"
	"github.com/payack/payack/store/storetest"
)

func TestConforms(t *testing.T) {
	storetest.Run(t, func(*testing.T) payack.Store { return memstore.New(0) },
		storetest.Synctest(), storetest.Retention(7*24*time.Hour))
}

// TestConforms runs the suite under a fake clock. This test runs it in real time.
func TestConformsInRealTime(t *testing.T) {
	storetest.Run(t, func(*testing.T) payack.Store { return memstore.New(0) },
		storetest.Lease(100*time.Millisecond))
}
