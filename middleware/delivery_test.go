package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/verify"
)

type valueKey struct{}

// The callback's context has a type of payack's own. It must behave like a standard
// context, both in long callbacks and in the functions that they call.
func TestContextBehavesLikeAStandardOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kept context.Context
		h := ptopHandler(t, middleware.Options{Deadline: 3 * time.Second}, func(ctx context.Context, _ *payack.PtopEvent) error {
			kept = ctx
			end, ok := ctx.Deadline()
			require.True(t, ok)
			require.Equal(t, 3*time.Second, time.Until(end))
			require.NoError(t, ctx.Err())
			require.NoError(t, context.Cause(ctx), "a client that hung up is no cause")
			require.Equal(t, "kept", ctx.Value(valueKey{}))
			_, found := payack.DeliveryFrom(ctx)
			require.True(t, found)

			before := runtime.NumGoroutine()
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			grandchild, stop := context.WithTimeout(context.WithValue(child, valueKey{}, "its own"), time.Hour)
			defer stop()
			require.LessOrEqual(t, runtime.NumGoroutine(), before, "a context made of it needs no goroutine")
			require.Equal(t, "its own", grandchild.Value(valueKey{}))
			require.Equal(t, "kept", ctx.Value(valueKey{}), "also after somebody waits")
			ended := make(chan struct{})
			context.AfterFunc(ctx, func() { close(ended) })

			time.Sleep(3*time.Second - 1)
			require.NoError(t, grandchild.Err())
			<-ctx.Done()
			<-ended
			<-grandchild.Done()
			require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
			require.ErrorIs(t, context.Cause(grandchild), context.DeadlineExceeded)
			return nil
		})
		r := ptopRequest(t, "long")
		hungUp, hangUp := context.WithCancel(context.WithValue(r.Context(), valueKey{}, "kept"))
		hangUp()
		require.Equal(t, http.StatusOK, serve(h, r.WithContext(hungUp)).Code)
		require.ErrorIs(t, kept.Err(), context.DeadlineExceeded)
	})
}

// A context that is kept beyond its callback is cancelled, whether or not anybody
// waited for it before.
func TestContextIsCancelledWhenTheCallbackReturns(t *testing.T) {
	for name, waits := range map[string]bool{"nobody waited": false, "somebody waited": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var kept context.Context
				h := ptopHandler(t, middleware.Options{}, func(ctx context.Context, _ *payack.PtopEvent) error {
					if kept = ctx; waits {
						select {
						case <-ctx.Done():
							t.Error("it ended before its callback")
						default:
						}
					}
					return nil
				})
				require.Equal(t, http.StatusOK, serve(h, ptopRequest(t, "short")).Code)
				require.ErrorIs(t, kept.Err(), context.Canceled)
				<-kept.Done()
				child, cancel := context.WithCancel(kept)
				defer cancel()
				require.ErrorIs(t, child.Err(), context.Canceled)
			})
		})
	}
}

// The deadline takes effect even if nobody has called Done.
func TestContextEndsWithoutDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch()
		o := w.options()
		o.Deadline = time.Second
		h := ptopHandler(t, o, func(ctx context.Context, _ *payack.PtopEvent) error {
			time.Sleep(time.Second)
			return ctx.Err()
		})
		require.Equal(t, http.StatusInternalServerError, serve(h, ptopRequest(t, "slow")).Code)
		require.Equal(t, payack.ReasonDeadline, w.last(t).Reason)
	})
}

// Mocks and debug logs print contexts, also while other goroutines use them. So
// printing must not read what those goroutines change.
func TestContextIsPrintedWithoutLookingInside(t *testing.T) {
	h := ptopHandler(t, middleware.Options{}, func(ctx context.Context, _ *payack.PtopEvent) error {
		waited := make(chan struct{})
		go func() {
			ctx.Done()
			_ = ctx.Value(valueKey{})
			close(waited)
		}()
		require.Equal(t, "payack.Delivery with a deadline", fmt.Sprint(ctx))
		require.Equal(t, "payack.Delivery with a deadline.WithCancel", func() string {
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			return fmt.Sprint(child)
		}())
		<-waited
		return nil
	})
	require.Equal(t, http.StatusOK, serve(h, ptopRequest(t, "printed")).Code)
}

// The context's values are those of the request as it arrived, whenever they are
// read.
func TestContextIsOfTheRequestAsItCame(t *testing.T) {
	var kept context.Context
	keys, err := verify.NewPtopKeys("shop", payack.NewSecret(ptopKey))
	require.NoError(t, err)
	h, err := middleware.Handle(ptopConfigured(t, middleware.PtopConfig{
		ConfirmInCallback: true,
		KeyFunc: func(ctx context.Context, r *http.Request) (*verify.PtopKeys, error) {
			// A KeyFunc may put what it found into the request's context.
			*r = *r.WithContext(context.WithValue(ctx, valueKey{}, "found by KeyFunc"))
			return keys, nil
		},
	}), func(ctx context.Context, _ *payack.PtopEvent) error {
		kept = ctx
		require.Nil(t, ctx.Value("what nobody set"))
		return nil
	})
	require.NoError(t, err)
	r := ptopRequest(t, "mine")
	r = r.WithContext(context.WithValue(r.Context(), valueKey{}, "mine"))
	require.Equal(t, http.StatusOK, serve(h, r).Code)
	require.Equal(t, "mine", kept.Value(valueKey{}))

	unasked := ptopHandler(t, middleware.Options{}, func(ctx context.Context, _ *payack.PtopEvent) error {
		kept = ctx
		d, _ := payack.DeliveryFrom(ctx)
		d.Received = time.Time{} // a callback may change Received, but the deadline stays
		return ctx.Err()
	})
	r = ptopRequest(t, "unasked")
	r = r.WithContext(context.WithValue(r.Context(), valueKey{}, "mine"))
	require.Equal(t, http.StatusOK, serve(unasked, r).Code)
	*r = *r.WithContext(context.WithValue(context.Background(), valueKey{}, "the next one's"))
	require.Equal(t, "mine", kept.Value(valueKey{}))
}
