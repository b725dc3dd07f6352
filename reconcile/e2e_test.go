package reconcile_test

import (
	"testing"

	"github.com/payack/payack/internal/e2e/lost"
	"github.com/payack/payack/middleware"
)

// The receivers have a Store. Module inbox runs the same tests with SQL.
func TestLostCallbacks(t *testing.T) {
	lost.Run(t, func(*testing.T) middleware.Options { return middleware.Options{Store: newDurable()} })
}

// A gateway is down, or refuses everything, for an hour.
func TestOutageOfEachProvider(t *testing.T) {
	lost.Outage(t, func(*testing.T) middleware.Options { return middleware.Options{Store: newDurable()} })
}
