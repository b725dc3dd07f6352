package middleware_test

import (
	"testing"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/storetest"
)

func TestMemoryStoreConforms(t *testing.T) {
	storetest.Run(t, func(*testing.T) payack.Store { return middleware.NewMemoryStore(0) },
		storetest.Synctest(), storetest.Retention(7*24*time.Hour))
}

// The suite's other clock, on the same store.
func TestMemoryStoreConformsInRealTime(t *testing.T) {
	storetest.Run(t, func(*testing.T) payack.Store { return middleware.NewMemoryStore(0) },
		storetest.Lease(100*time.Millisecond))
}
