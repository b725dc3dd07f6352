package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
)

func TestRegistryIsComplete(t *testing.T) {
	require.NoError(t, registry.Check())
	for p, d := range registry {
		require.NotNil(t, d.section, p)
		require.NotNil(t, d.said, p)
		require.NotEmpty(t, d.computed, p)
		require.NotEmpty(t, d.members, p)
		require.NotNil(t, d.demo.section, p)
		require.NotNil(t, d.demo.complete, p)
	}
}

func TestUnknownProvider(t *testing.T) {
	_, err := parsed(t, testConfig()).provider("stripe")
	require.EqualError(t, err, `there is no provider "stripe"; there are ptop, pts and payatom`)
	require.False(t, acknowledges("stripe", payack.Answer{Status: 200}))
}
