package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProvidersAreComplete(t *testing.T) { require.NoError(t, registry.Check()) }
