package main

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/payacktest/gateway"
)

// handleOf returns a payment of a fake gateway as an operand of ask.
func handleOf(t *testing.T, gw demoGateway, id string) string {
	t.Helper()
	switch gw := gw.fake.(type) {
	case *gateway.Ptop:
		p, found := gw.Payment(id)
		require.True(t, found)
		return id + "=" + p.TransactionID
	case *gateway.Payatom:
		p, found := gw.Payment(id)
		require.True(t, found)
		return id + "=" + p.RefCode
	}
	return id
}

// ask finds lost callbacks at each provider. A paid order goes through the inbox
// once, and a later callback is a duplicate.
func TestAsk(t *testing.T) {
	for _, tc := range []struct {
		provider         payack.Provider
		verified, scheme string
	}{
		{payack.Ptop, `not signed: only the TLS connection authenticates it`, "query"},
		{payack.PTS, `yes, by the provider's signature \(literal\)`, "literal"},
		{payack.Payatom, `yes, by the provider's signature \(literal\)`, "literal"},
	} {
		t.Run(string(tc.provider), func(t *testing.T) {
			gw, err := registry[tc.provider].demo.gateway(gateway.Options{Retries: -1})
			require.NoError(t, err)
			defer gw.Close()
			c := object{"addr": "127.0.0.1:0", "database": filepath.Join(t.TempDir(), "payack.db"), string(tc.provider): object(gw.section)}
			file := configFile(t, c)
			ask := func(args ...string) (status int, stdout, stderr string) {
				return call(t.Context(), append([]string{"ask", string(tc.provider), "-config", file}, args...)...)
			}
			const id, other = "ORD1000001", "ORD1000002"
			for _, id := range []string{id, other} {
				require.NoError(t, gw.create(t.Context(), id, "http://127.0.0.1:1/lost"))
			}
			order, pending := handleOf(t, gw, id), handleOf(t, gw, other)
			require.NoError(t, gw.Pay(id))
			require.NoError(t, gw.Wait(t.Context()))

			status, stdout, stderr := ask(order, pending) // no payack listen runs, and there is no database yet
			require.Equal(t, exitDone, status, stderr)
			assert.Regexp(t, `^ORD1000001\n  says      status .+, amount .+\n  that is   paid\n  verified  `+tc.verified+`\n  event_id  \S+\n`+
				`ORD1000002\n  says      status .+\n  that is   neither paid nor final\n  verified  (?s:.*)$`, stdout)
			assert.NotContains(t, stdout, "inbox")

			status, _, stderr = ask("-settle", order)
			require.Equal(t, exitUsage, status)
			assert.Contains(t, stderr, "start payack listen first")

			l := startListener(t, c)
			status, stdout, stderr = ask("-settle", order, pending)
			require.Equal(t, exitDone, status, stderr)
			assert.Regexp(t, `(?s)ORD1000001.*inbox     kept; listen processes it\nORD1000002.*inbox     not handed on: it is neither paid nor final\n`, stdout)
			settled := l.line()
			assert.Equal(t, "accepted", settled.Outcome)
			assert.Equal(t, 1, settled.Attempt)
			assert.Equal(t, tc.scheme, string(settled.Scheme))

			for range 2 { // the event is known; the late callback comes after these questions
				status, stdout, stderr = ask("-settle", order)
				require.Equal(t, exitDone, status, stderr)
				assert.Contains(t, stdout, "inbox     known already")
			}
			if d := gw.Deliveries(id)[0]; assert.NotEmpty(t, d.Body) {
				d.URL = l.url + "/" + string(tc.provider)
				d, err = redeliver(t.Context(), gw, d)
				require.NoError(t, err)
				assert.True(t, d.Acknowledged)
				assert.Equal(t, "duplicate", l.line().Outcome)
			}

			gw.Close()
			status, stdout, stderr = ask(order, pending)
			assert.Equal(t, exitFailed, status)
			assert.Regexp(t, `(?s)ORD1000001\n  no answer .*could not be reached.*ORD1000002\n  no answer`, stdout)
			assert.Equal(t, "payack: 2 of 2 orders: see above\n", stderr)
		})
	}
}

// redeliver sends a callback of a fake gateway again.
func redeliver(ctx context.Context, gw demoGateway, d gateway.Delivery) (gateway.Delivery, error) {
	return gw.fake.(interface {
		Redeliver(context.Context, gateway.Delivery) (gateway.Delivery, error)
	}).Redeliver(ctx, d)
}

func TestAskUsage(t *testing.T) {
	c := testConfig()
	at := func(url string) object {
		return with(testConfig(), object{"ptop.confirm": object{"base_url": url, "website_id": "1", "secret_key": "a secret key"}})
	}
	asked := at("https://ptop.example")
	for name, tc := range map[string]struct {
		config object
		args   []string
		want   string
	}{
		"nothing":         {c, nil, "the provider or the orders are missing"},
		"no orders":       {c, []string{"pts"}, "the provider or the orders are missing"},
		"no provider":     {c, []string{"acme", "1"}, `no provider "acme"`},
		"nobody to ask":   {c, []string{"pts", "1"}, "pts.confirm: it is missing"},
		"nor here":        {c, []string{"payatom", "1"}, "payatom.confirm: it is missing"},
		"no handle":       {asked, []string{"ptop", "ORD1"}, "ptop is asked by the transaction_id that the create answered; write ORD1=TRANSACTION_ID"},
		"an empty handle": {asked, []string{"ptop", "ORD1="}, "ptop is asked by the transaction_id"},
		"an empty order":  {asked, []string{"ptop", "=T1"}, "ptop is asked by the transaction_id"},
		"memory only":     {asked, []string{"ptop", "-settle", "ORD1=T1"}, `-settle: "database" is "" (memory only)`},
		"a bad URL":       {at("x"), []string{"ptop", "ORD1=T1"}, "ptop.confirm.base_url"},
	} {
		t.Run(name, func(t *testing.T) {
			status, stdout, stderr := call(t.Context(), append([]string{"ask", "-config", configFile(t, tc.config)}, tc.args...)...)
			assert.Equal(t, exitUsage, status, stderr)
			assert.Empty(t, stdout)
			assert.Contains(t, stderr, tc.want)
			assert.Regexp(t, `^payack: [^\n]*\n$`, stderr)
		})
	}
	status, stdout, _ := call(t.Context(), "ask", "-h")
	assert.Equal(t, exitDone, status)
	assert.Contains(t, stdout, "example: payack ask pts -config payack.json ORD-1")
}
