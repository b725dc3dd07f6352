package main

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
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

// The texts of a receiver's errors use the configuration's names, in the output and
// in the log.
func TestDetailNamesMembers(t *testing.T) {
	ptop, err := verify.NewPtop(verify.PtopOptions{})
	require.NoError(t, err)
	_, ptopErr := ptop.Verify(verify.Message{ContentType: "text/html"}, nil)
	pts, err := verify.NewPTS(verify.PTSOptions{})
	require.NoError(t, err)
	private, public := testPair()
	keys, err := verify.NewPTSKeys(verify.PTSKeyConfig{
		Safecode: payack.NewSecret(testSafecode), PublicKeys: []string{public}, TransactionSecret: payack.NewSecret(testTxSecret)})
	require.NoError(t, err)
	signer, err := verify.NewPTSSigner(verify.PTSSignerConfig{
		Safecode: payack.NewSecret(testSafecode), PrivateKey: payack.NewSecret(private), TransactionSecret: payack.NewSecret(testTxSecret)})
	require.NoError(t, err)
	header, err := signer.TransactionSignature([]byte("x"), verify.PTSHex)
	require.NoError(t, err)
	_, jsonErr := pts.Verify(verify.Message{ContentType: "text/plain", Body: "{}"}, keys)
	_, headerErr := pts.Verify(verify.Message{ContentType: "text/plain", Body: "x", Header: map[string][]string{verify.PTSTransactionHeader: {header}}}, keys)
	for _, tt := range []struct {
		err  error
		want string
	}{{ptopErr, "the options body and sniff"}, {jsonErr, "or set sniff"}, {headerErr, "see the option transaction_signature"}} {
		var out, log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: rewordedAttr}))
		l := newLines(&out, logger)
		l.Observe(t.Context(), &payack.Observation{Delivery: &payack.Delivery{Provider: "x"}, Outcome: payack.OutcomeRejected, Err: tt.err})
		l.flush(testTimeout)
		require.Contains(t, out.String(), tt.want)
		logger.Warn("payack: set TrustedProxies", "error", tt.err.Error())
		require.Contains(t, log.String(), tt.want)
		require.Contains(t, log.String(), "payack: set trusted_proxies")
	}
}
