package reconcile_test

import (
	"testing"

	"github.com/payack/payack/internal/e2e/lost"
	"github.com/payack/payack/middleware"
)

// Over a store that is shared. Module inbox runs the same over SQL.
func TestLostCallbacks(t *testing.T) {
	lost.Run(t, func(*testing.T) middleware.Options { return middleware.Options{Store: newDurable()} })
}

// A gateway that is down for an hour, or refuses everything.
func TestOutageOfEachProvider(t *testing.T) {
	lost.Outage(t, func(*testing.T) middleware.Options { return middleware.Options{Store: newDurable()} })
}
