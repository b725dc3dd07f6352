package middleware_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/verify"
)

// confirmed returns a receiver of Payatom webhooks with this Confirm.
func confirmed(t testing.TB, confirm middleware.ConfirmFunc[*payack.PayatomEvent], change func(*middleware.PayatomConfig)) *desk {
	return newDesk(t, func(c *middleware.PayatomConfig) {
		c.ExpectInCallback, c.Confirm = false, confirm
		if change != nil {
			change(c)
		}
	}, func(context.Context, *payack.PayatomEvent) error { return nil })
}

// Simultaneous deliveries with equal bodies share one call of Confirm. A delivery with
// another ref_code has a call of its own.
func TestEqualQuestionsAreAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		asked := map[string]int{}
		goOn := make(chan struct{})
		d := confirmed(t, func(ctx context.Context, ev *payack.PayatomEvent) (*payack.Confirmation, error) {
			mu.Lock()
			asked[ev.Unsigned.RefCode.String()]++
			mu.Unlock()
			<-goOn
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			return &payack.Confirmation{Paid: true, Status: "Approved"}, nil
		}, nil)
		genuine := payatomRequest(t, "ORD1", "500", "Approved")
		body := bodyOf(t, genuine)
		deliver := func(body string, ctx context.Context) *http.Request {
			r := payatomRequest(t, "ORD1", "500", "Approved").WithContext(ctx)
			setBody(r, body)
			return r
		}
		var n sync.WaitGroup
		hangsUp, cancel := context.WithCancel(t.Context())
		answers := make([]string, 20)
		for i := range answers {
			ctx := t.Context()
			if i == 0 {
				ctx = hangsUp
			}
			n.Go(func() { answers[i] = serve(d.h, deliver(body, ctx)).Body.String() })
			if i == 0 {
				synctest.Wait() // so this delivery calls Confirm, and the others share the call
			}
		}
		n.Go(func() { serve(d.h, deliver(strings.Replace(body, "b73ea664", "another1", 1), t.Context())) })
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(goOn)
		n.Wait()
		assert.Equal(t, map[string]int{"b73ea664": 1, "another1": 1}, asked)
		accepted := 0
		for _, a := range answers {
			if strings.Contains(a, `"yes"`) {
				accepted++
			}
		}
		assert.Positive(t, accepted, "one is processed, who comes meanwhile is busy or a duplicate")
		assert.Contains(t, serve(d.h, deliver(body, t.Context())).Body.String(), `"yes"`)
	})
}

// However a call of Confirm fails, all deliveries that share the call get that failure
// as their result. None waits longer than its own deadline.
func TestSharedQuestionsThatFail(t *testing.T) {
	for name, tc := range map[string]struct {
		confirm middleware.ConfirmFunc[*payack.PayatomEvent]
		reason  payack.Reason
	}{
		"panic": {func(context.Context, *payack.PayatomEvent) (*payack.Confirmation, error) { panic("slip") }, payack.ReasonPanic},
		"Goexit": {func(context.Context, *payack.PayatomEvent) (*payack.Confirmation, error) {
			runtime.Goexit()
			return nil, nil
		}, payack.ReasonUnreachable},
		"refuted": {func(context.Context, *payack.PayatomEvent) (*payack.Confirmation, error) {
			return nil, payack.ErrUnconfirmed
		}, payack.ReasonUnconfirmed},
		"a hook that ignores its context": {func(context.Context, *payack.PayatomEvent) (*payack.Confirmation, error) {
			time.Sleep(time.Hour)
			return nil, errors.New("too late")
		}, payack.ReasonUnreachable},
	} {
		synctest.Test(t, func(t *testing.T) {
			asked, goOn := atomic.Int64{}, make(chan struct{})
			d := confirmed(t, func(ctx context.Context, ev *payack.PayatomEvent) (*payack.Confirmation, error) {
				asked.Add(1)
				<-goOn
				return tc.confirm(ctx, ev)
			}, nil)
			body := bodyOf(t, payatomRequest(t, "ORD1", "500", "Approved"))
			begin := time.Now()
			var n sync.WaitGroup
			for range 3 {
				r := payatomRequest(t, "ORD1", "500", "Approved")
				setBody(r, body)
				n.Go(func() {
					assert.Contains(t, serve(d.h, r).Body.String(), `"HashMatched","acknowledge":"no"`, name)
				})
			}
			synctest.Wait() // all three share one call of Confirm
			close(goOn)
			n.Wait()
			assert.EqualValues(t, 1, asked.Load(), name)
			assert.LessOrEqual(t, time.Since(begin), middleware.DefaultDeadline+time.Second, name)
			require.Len(t, d.seen, 3)
			for _, o := range d.seen {
				assert.Equal(t, tc.reason, o.Reason, name)
				if tc.reason == payack.ReasonPanic {
					assert.Contains(t, o.Stack, "TestSharedQuestionsThatFail")
				}
			}
			time.Sleep(2 * time.Hour)
		})
	}
}

// Two tenants may have equal deliveries at one path. Expect is called for each
// delivery, and Confirm once for each tenant. Confirm is called again if the RefCode in
// the merchant's records has changed.
func TestQuestionsOfTenantsAndHandlesDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := map[string]*verify.PayatomKeys{}
		for _, tenant := range []string{"a", "b"} {
			var err error
			keys[tenant], err = verify.NewPayatomKeys(tenant, payack.NewSecret(payatomKey))
			require.NoError(t, err)
		}
		var mu sync.Mutex
		asked, expected := map[string]int{}, map[string]int{}
		goOn := make(chan struct{})
		handle := "first"
		d := confirmed(t, func(_ context.Context, ev *payack.PayatomEvent) (*payack.Confirmation, error) {
			mu.Lock()
			asked[ev.Tenant+" "+ev.Expected.RefCode]++
			mu.Unlock()
			<-goOn
			return &payack.Confirmation{Paid: true, Status: "Approved"}, nil
		}, func(c *middleware.PayatomConfig) {
			c.SecretKeys = nil
			c.KeyFunc = func(_ context.Context, r *http.Request) (*verify.PayatomKeys, error) {
				return keys[r.Header.Get("Tenant")], nil
			}
			c.Expect = func(_ context.Context, ev *payack.PayatomEvent) (payack.Expectation, error) {
				mu.Lock()
				defer mu.Unlock()
				expected[ev.Tenant]++
				return payack.Expectation{Found: true, Amount: payack.NewAmount("500"), RefCode: handle}, nil
			}
		})
		body := bodyOf(t, payatomRequest(t, "ORD1", "500", "Approved"))
		var n sync.WaitGroup
		deliver := func(tenant string) {
			r := payatomRequest(t, "ORD1", "500", "Approved")
			setBody(r, body)
			r.Header.Set("Tenant", tenant)
			n.Go(func() { serve(d.h, r) })
		}
		for _, tenant := range []string{"a", "a", "b", "b"} {
			deliver(tenant)
		}
		synctest.Wait()
		handle = "second"
		deliver("a")
		synctest.Wait()
		close(goOn)
		n.Wait()
		assert.Equal(t, map[string]int{"a first": 1, "b first": 1, "a second": 1}, asked)
		assert.Equal(t, map[string]int{"a": 3, "b": 2}, expected)
	})
}
