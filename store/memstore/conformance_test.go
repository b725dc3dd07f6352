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

// TestConformsInRealTime runs the suite in real time. TestConforms runs it under a
// fake clock.
func TestConformsInRealTime(t *testing.T) {
	storetest.Run(t, func(*testing.T) payack.Store { return memstore.New(0) },
		storetest.Lease(100*time.Millisecond))
}
