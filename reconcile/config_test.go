package reconcile_test

import (
	"context"
	"log/slog"
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/payacktest/gateway"
	"github.com/payack/payack/ratelimit"
	"github.com/payack/payack/reconcile"
	"github.com/payack/payack/store/memstore"
	"github.com/payack/payack/verify"
)

// around is a store that wraps another one.
type around struct{ *memstore.Store }

func TestNew(t *testing.T) {
	x := &till{says: always(pending)}
	ptop, pts, m := x.client(t), ptsClient(t), newMerchant(t)
	account := reconcile.Ptop(ptop, m.h)
	for name, tc := range map[string]struct {
		change func(*reconcile.Config)
		want   string
	}{
		"no source":          {func(c *reconcile.Config) { c.Orders = nil }, "Config.Orders is nil"},
		"no account":         {func(c *reconcile.Config) { c.Accounts = nil }, "Config.Accounts is empty"},
		"a zero account":     {func(c *reconcile.Config) { c.Accounts = []reconcile.Account{{}} }, "zero value"},
		"a nil client":       {func(c *reconcile.Config) { c.Accounts[0] = reconcile.Ptop(nil, m.h) }, "ptop: the client is nil"},
		"another nil client": {func(c *reconcile.Config) { c.Accounts[0] = reconcile.PTS(nil, m.h) }, "pts: the client is nil"},
		"a third":            {func(c *reconcile.Config) { c.Accounts[0] = reconcile.PTSWithdraws(nil, m.h) }, `pts account "withdraws": the client is nil`},
		"a fourth":           {func(c *reconcile.Config) { c.Accounts[0] = reconcile.Payatom(nil, m.h) }, "payatom: the client is nil"},
		"a nil receiver":     {func(c *reconcile.Config) { c.Accounts[0] = reconcile.Ptop(ptop, nil) }, "ptop: the receiver is nil"},
		"another's receiver": {func(c *reconcile.Config) { c.Accounts[0] = reconcile.Ptop(ptop, ptsHandler(t)) }, "the receiver is for pts; give the one for ptop"},
		"twice":              {func(c *reconcile.Config) { c.Accounts = append(c.Accounts, account) }, "Config.Accounts has ptop twice"},
		"twice by name": {func(c *reconcile.Config) {
			c.Accounts = []reconcile.Account{account.Named("a"), account.Named("a")}
		}, `ptop account "a" twice`},
		"payments and withdraws to one receiver": {func(c *reconcile.Config) {
			h := ptsHandler(t)
			c.Accounts = []reconcile.Account{reconcile.PTS(pts, h), reconcile.PTSWithdraws(pts, h)}
		}, `pts and pts account "withdraws" have the same receiver`},
		"withdraws and payments to one receiver": {func(c *reconcile.Config) {
			h := ptsHandler(t)
			c.Accounts = []reconcile.Account{reconcile.PTSWithdraws(pts, h).Named("out"), reconcile.PTS(pts, h).Named("in")}
		}, `pts account "out" and pts account "in" have the same receiver`},
		"no store": {func(c *reconcile.Config) {
			c.Accounts[0] = reconcile.Ptop(ptop, newMerchant(t, func(c *handlers.PtopConfig) { c.Store = nil }).h)
		}, "remembers events in memory only"},
		"a store in memory": {func(c *reconcile.Config) {
			c.Accounts[0] = reconcile.Ptop(ptop, newMerchant(t, func(c *handlers.PtopConfig) { c.Store = memstore.New(0) }).h)
		}, "a Store on Redis or SQL, or an Inbox"},
		"a store around one in memory": {func(c *reconcile.Config) {
			c.Accounts[0] = reconcile.Ptop(ptop, newMerchant(t, func(c *handlers.PtopConfig) { c.Store = around{memstore.New(0)} }).h)
		}, "remembers events in memory only"},
		"a negative rate":      {func(c *reconcile.Config) { c.PerSecond = -1 }, "Config.PerSecond is -1"},
		"no rate":              {func(c *reconcile.Config) { c.PerSecond = math.NaN() }, "Config.PerSecond is NaN"},
		"too fast":             {func(c *reconcile.Config) { c.PerSecond = 1e6 }, "at most 100000"},
		"negative workers":     {func(c *reconcile.Config) { c.Workers = -1 }, "Config.Workers is -1"},
		"negative age":         {func(c *reconcile.Config) { c.GiveUp = -1 }, "GiveUp and Every"},
		"negative reading":     {func(c *reconcile.Config) { c.Every = -1 }, "GiveUp and Every"},
		"a wait of nothing":    {func(c *reconcile.Config) { c.Waits = []time.Duration{time.Minute, 0} }, "Config.Waits"},
		"a nil limiter":        {func(c *reconcile.Config) { c.Limiters = limiters(payack.Ptop, (*ratelimit.Memory)(nil)) }, "the limiter for ptop is nil"},
		"a limiter for nobody": {func(c *reconcile.Config) { c.Limiters = limiters(payack.PTS, brokenLimiter{}) }, "which no account is of"},
	} {
		t.Run(name, func(t *testing.T) {
			c := reconcile.Config{Orders: these(), Accounts: []reconcile.Account{account}}
			_, err := reconcile.New(c)
			require.NoError(t, err)
			tc.change(&c)
			_, err = reconcile.New(c)
			require.ErrorContains(t, err, tc.want)
			assert.Regexp(t, `^reconcile: [^\n]*$`, err.Error())
		})
	}
}

func limiters(p payack.Provider, l ratelimit.Limiter) map[payack.Provider]ratelimit.Limiter {
	return map[payack.Provider]ratelimit.Limiter{p: l}
}

// Accounts of the same kind (payments or withdraws) may share a receiver.
// Accounts of different kinds need different receivers.
func TestReceivers(t *testing.T) {
	pts, one, other := ptsClient(t), ptsHandler(t), ptsHandler(t)
	build(t, reconcile.Config{Orders: these(), Accounts: []reconcile.Account{
		reconcile.PTS(pts, one), reconcile.PTS(pts, one).Named("b"), reconcile.PTSWithdraws(pts, other), reconcile.PTSWithdraws(pts, other).Named("c"),
	}})
}

func ptsClient(t testing.TB) *client.PTS {
	t.Helper()
	gw, err := gateway.NewPTS(gateway.PTSConfig{})
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	c, err := client.NewPTS(client.PTSConfig{
		BaseURL: gw.URL, GUID: gw.GUID(), UserID: gw.UserID(), Safecode: gw.Safecode(), PrivateKey: gw.MerchantKey(),
		PublicKeys: []string{gw.PublicKey()}, TransactionSecret: gw.TransactionSecret(),
	})
	require.NoError(t, err)
	return c
}

func ptsHandler(t testing.TB) *handlers.Handler {
	t.Helper()
	c := payacktest.NewPTSKeys().Config()
	c.Options = handlers.Options{Store: newDurable(), Logger: slog.New(slog.DiscardHandler)}
	h, err := handlers.NewPTS(c, func(context.Context, *payack.PTSEvent) error { return nil })
	require.NoError(t, err)
	return h
}

// The event of an answer has the tenant of the callback, so that both events have
// the same ID.
func TestTenants(t *testing.T) {
	x := &till{says: always(paid)}
	static := newMerchant(t, func(c *handlers.PtopConfig) { c.Tenant = "shop" })
	many := newMerchant(t, func(c *handlers.PtopConfig) {
		c.SigningKeys, c.KeyFunc = nil, func(context.Context, *http.Request) (*verify.PtopKeys, error) { return nil, payack.ErrUnknownTenant }
	})
	r := build(t, reconcile.Config{Orders: these(), PerSecond: 1000, Accounts: []reconcile.Account{
		reconcile.Ptop(x.client(t), static.h), reconcile.Ptop(x.client(t), many.h).Named("many"),
	}})
	for _, tc := range []struct{ account, tenant, id, err string }{
		{"", "", "ptop:v1:shop:T1:true", ""},
		{"", "shop", "ptop:v1:shop:T1:true", ""},
		{"", "other", "", "Order.Tenant is not that of the receiver"},
		{"many", "", "", "give the order's tenant in Order.Tenant"},
		{"many", "x", "ptop:v1:x:T1:true", ""},
		{"none", "", "", `there is no ptop account "none"`},
	} {
		o := order("1", 0)
		o.Account, o.Tenant = tc.account, tc.tenant
		answer, err := r.Look(t.Context(), o)
		if tc.err != "" {
			require.ErrorContains(t, err, tc.err)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, tc.id, answer.Event.ID())
	}
}
