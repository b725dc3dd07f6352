package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/store/memstore"
)

// aloneRows returns rows that measure one part of the work by itself: logging,
// limiting, and claiming in the store.
func (k *kit) aloneRows() []*row {
	const g = "alone"
	return []*row{
		{group: g, name: "slog", worker: func(int, int) (worker, error) { return newSlogWorker(), nil }},
		{group: g, name: "x/time/rate over the rate", worker: refused(bareLimiter, ptopRate, func() (message, error) {
			ring, err := k.ptop(payack.SchemeHeader)
			if err != nil {
				return message{}, err
			}
			return ring[0], nil
		})},
		{group: g, name: rowMemstore, worker: func(int, int) (worker, error) { return newStoreWorker(), nil }},
	}
}

// newSlogWorker returns a worker that logs the line of an accepted callback.
func newSlogWorker() worker {
	logger, ctx := discarded(), context.Background()
	w := &funcWorker{sign: func() int { return 1 }}
	w.verify = func(int) error {
		if !logger.Enabled(ctx, slog.LevelInfo) {
			return errFloor
		}
		attrs := make([]slog.Attr, 0, 12)
		attrs = append(attrs,
			slog.String("provider", "ptop"),
			slog.String("outcome", "accepted"),
			slog.Int("status", http.StatusOK),
			slog.Int("bytes", 600),
			slog.Duration("took", 3*time.Microsecond),
			slog.String("scheme", "header"),
			slog.String("event_id", "ptop:v1::TX-1700000000:ORDER-100000:success"),
			slog.String("client", clientAddress),
		)
		logger.LogAttrs(ctx, slog.LevelInfo, "payack: callback accepted", attrs...)
		return nil
	}
	return w
}

// bareLimiter returns a handler that refuses requests over the rate. All clients
// share one limiter.
func bareLimiter() (http.Handler, error) {
	limiter := rate.NewLimiter(rate.Every(time.Hour), 1)
	limiter.Allow()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if limiter.Allow() {
			w.WriteHeader(http.StatusOK)
			return
		}
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	}), nil
}

// newStoreWorker returns a worker that claims and commits events in a full memory
// store. A full store evicts an event for each new one, so its lock is held longest.
func newStoreWorker() worker {
	store, ctx, made := memstore.New(batch), context.Background(), 0
	ids := make([]string, batch)
	w := &funcWorker{sign: func() int {
		for i := range ids {
			made++
			ids[i] = fmt.Sprintf("ptop:v1::TX%012d:ORD%012d:success", made, made)
		}
		return len(ids[0])
	}}
	w.verify = func(i int) error {
		c, err := store.Claim(ctx, ids[i], "", middleware.DefaultDeadline)
		if err != nil || c.State != payack.ClaimGranted {
			return errFloor
		}
		return store.Commit(ctx, ids[i], c.Token)
	}
	return w
}
