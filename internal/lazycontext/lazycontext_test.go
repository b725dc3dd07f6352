package lazycontext_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/lazycontext"
)

// Package middleware tests everything else that a callback may do with the context.

type key struct{}

type values struct{}

func (*values) WithValues(ctx context.Context) context.Context {
	return payack.WithDelivery(ctx, &payack.Delivery{Provider: payack.PTS})
}

func started(parent context.Context, d time.Duration) (*lazycontext.Context, context.Context) {
	c := new(lazycontext.Context)
	return c, c.Start(parent, time.Now().Add(d), new(values))
}

func TestValuesAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, "kept"))
		cancel()
		c, ctx := started(parent, time.Second)
		defer c.Stop()
		end, ok := ctx.Deadline()
		assert.True(t, ok)
		assert.Equal(t, time.Second, time.Until(end))
		for range 2 { // before and after Done is called
			assert.NoError(t, ctx.Err())
			assert.Equal(t, "kept", ctx.Value(key{}))
			d, found := payack.DeliveryFrom(ctx)
			require.True(t, found)
			assert.Equal(t, payack.PTS, d.Provider)
			ctx.Done()
		}
		<-ctx.Done()
		assert.Equal(t, context.DeadlineExceeded, ctx.Err())
		c.Stop()
		assert.Equal(t, context.DeadlineExceeded, ctx.Err(), "it keeps to what it has said")
	})
}

func TestEndShowsUnwatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, ctx := started(context.Background(), time.Second)
		time.Sleep(time.Second)
		assert.Equal(t, context.DeadlineExceeded, ctx.Err())
		c.Stop()
		assert.Equal(t, context.DeadlineExceeded, ctx.Err())
	})
}

// ErrAt decides by the given time whether the deadline has passed.
func TestErrAt(t *testing.T) {
	c, ctx := started(context.Background(), time.Hour)
	now := time.Now()
	assert.NoError(t, lazycontext.ErrAt(ctx, now))
	assert.NoError(t, ctx.Err())
	assert.Equal(t, context.DeadlineExceeded, lazycontext.ErrAt(ctx, now.Add(time.Hour)))
	assert.Equal(t, context.DeadlineExceeded, ctx.Err(), "it keeps to what it has said")
	c.Stop()

	c, ctx = started(context.Background(), time.Hour)
	c.Stop()
	assert.Equal(t, context.Canceled, lazycontext.ErrAt(ctx, now.Add(2*time.Hour)))

	other, cancel := context.WithCancel(context.Background())
	assert.NoError(t, lazycontext.ErrAt(other, now))
	cancel()
	assert.Equal(t, context.Canceled, lazycontext.ErrAt(other, now))
}

func TestStop(t *testing.T) {
	c, ctx := started(context.Background(), time.Hour)
	child, cancel := context.WithCancel(ctx)
	defer cancel()
	c.Stop()
	<-child.Done()
	assert.Equal(t, context.Canceled, ctx.Err())

	c, ctx = started(context.Background(), time.Hour)
	c.Stop()
	assert.Equal(t, context.Canceled, ctx.Err())
	<-ctx.Done() // Done is first called after the end
	assert.Equal(t, "payack.Delivery with a deadline", fmt.Sprint(ctx))
}

func TestSeveralAtOnce(t *testing.T) {
	c, ctx := started(context.Background(), time.Hour)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, _ = ctx.Value(key{}), ctx.Err()
			<-ctx.Done()
		})
	}
	c.Stop()
	wg.Wait()
}

// A callback that does not use its context allocates nothing for it.
func TestUnaskedDoesNotAllocate(t *testing.T) {
	var all [201]struct {
		context lazycontext.Context
		values  values
	}
	next, end := 0, time.Now().Add(time.Hour)
	assert.Zero(t, testing.AllocsPerRun(200, func() {
		x := &all[next]
		ctx := x.context.Start(context.Background(), end, &x.values)
		_, _ = ctx.Deadline()
		_ = ctx.Err()
		x.context.Stop()
		next++
	}))
}
