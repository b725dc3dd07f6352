package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/ratelimit"
	"github.com/payack/payack/store/memstore"
)

const payatomType = "application/json;charset=utf-8"

// The answers that each provider must get.
var (
	ptopAccepted    = answer{http.StatusOK, ""}
	ptopRejected    = answer{http.StatusForbidden, "Invalid signature"}
	ptopRate        = answer{http.StatusTooManyRequests, ""}
	ptopTooLarge    = answer{http.StatusRequestEntityTooLarge, ""}
	ptsAccepted     = answer{http.StatusOK, "SUCCESS"}
	ptsRejected     = answer{http.StatusOK, "FAILED"}
	ptsRate         = answer{http.StatusTooManyRequests, "FAILED"}
	ptsTooLarge     = answer{http.StatusRequestEntityTooLarge, "FAILED"}
	payatomAccepted = answer{http.StatusOK, `{"hash_status":"HashMatched","acknowledge":"yes"}`}
	payatomRejected = answer{http.StatusOK, `{"hash_status":"HashMismatch","acknowledge":"no"}`}
	payatomRate     = answer{http.StatusTooManyRequests, payatomRejected.body}
	payatomTooLarge = answer{http.StatusRequestEntityTooLarge, payatomRejected.body}
)

// options returns the options of a default receiver that logs nothing. Its store is
// small and soon full, so that each new event evicts the oldest one.
func (k *kit) options() middleware.Options {
	return middleware.Options{
		Logger: slog.New(slog.DiscardHandler),
		Store:  memstore.New(max(k.ringLen/4, 64)),
	}
}

type change func(*middleware.Options) error

// discarded returns a logger that formats its lines and discards them.
// slog.DiscardHandler would not format them.
func discarded() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func withSlog(o *middleware.Options) error {
	o.Logger = discarded()
	return nil
}

// withLimiter returns the change that sets a limiter. If usedUp is true, the budget of
// the benchmark's client is used up before the first request. If usedUp is false, the
// budget never runs out.
func withLimiter(charge ratelimit.Charge, usedUp bool) change {
	return func(o *middleware.Options) (err error) {
		c := ratelimit.Config{PerSecond: 1e6, Burst: 1 << 20}
		if usedUp {
			// This clock stands still, so the budget doesn't refill during the
			// measurement. It calls time.Since to cost as much as a real clock.
			start := time.Now()
			c = ratelimit.Config{PerSecond: 1. / 30, Burst: 1, Now: func() time.Time {
				return start.Add(min(0, time.Since(start)))
			}}
		}
		o.Charge = charge
		if o.Limiter, err = ratelimit.New(c); err != nil || !usedUp {
			return err
		}
		for _, p := range [...]payack.Provider{payack.Ptop, payack.PTS, payack.Payatom} {
			if _, err := o.Limiter.Allow(context.Background(), ratelimit.AddrKey(string(p), netip.MustParseAddr(clientAddress))); err != nil {
				return err
			}
		}
		return nil
	}
}

// withRoom returns the change that sets an empty store for this many events.
func withRoom(events int) change {
	return func(o *middleware.Options) error {
		o.Store = memstore.New(events)
		return nil
	}
}

// withRemembered returns the change that sets a full store of this many events.
func withRemembered(events int) change {
	return func(o *middleware.Options) error {
		o.Store = memstore.New(events)
		for i := range events {
			id := fmt.Sprintf("ptop::full:%d", i)
			c, err := o.Store.Claim(context.Background(), id, "", middleware.DefaultDeadline)
			if err != nil {
				return err
			}
			if err := o.Store.Commit(context.Background(), id, c.Token); err != nil {
				return err
			}
		}
		return nil
	}
}

func (k *kit) changed(changes []change) (middleware.Options, error) {
	o := k.options()
	for _, c := range changes {
		if err := c(&o); err != nil {
			return o, err
		}
	}
	return o, nil
}

// The functions from ptopConfig to payatomOf return configurations of payack's
// receivers, and handlers with such configurations. The merchant's function of each
// handler is settled, which does nothing.

func (k *kit) ptopConfig(schemes []payack.Scheme, changes ...change) (c middleware.PtopConfig, err error) {
	c = middleware.PtopConfig{SigningKeys: payack.Secrets(ptopKey), Schemes: schemes, ConfirmInCallback: true}
	c.Options, err = k.changed(changes)
	return c, err
}

func (k *kit) ptopHandler(schemes []payack.Scheme, changes ...change) (http.Handler, error) {
	c, err := k.ptopConfig(schemes, changes...)
	if err != nil {
		return nil, err
	}
	return ptopOf(c)
}

func ptopOf(c middleware.PtopConfig) (http.Handler, error) {
	return handlers.NewPtop(c, func(_ context.Context, ev *payack.PtopEvent) error { return settled(ev.OrderID) })
}

func (k *kit) ptsConfig(numbers []payack.Scheme, changes ...change) (c middleware.PTSConfig, err error) {
	c = middleware.PTSConfig{Safecode: payack.NewSecret(ptsSafecode), PublicKeys: []string{k.publicPEM}, Numbers: numbers}
	c.Options, err = k.changed(changes)
	return c, err
}

func (k *kit) ptsHandler(numbers []payack.Scheme, changes ...change) (http.Handler, error) {
	c, err := k.ptsConfig(numbers, changes...)
	if err != nil {
		return nil, err
	}
	return ptsOf(c)
}

func ptsOf(c middleware.PTSConfig) (http.Handler, error) {
	return handlers.NewPTS(c, func(_ context.Context, ev *payack.PTSEvent) error { return settled(ev.OrderID) })
}

// payatomConfig returns a configuration that compares each order with the merchant's
// expectation, in Expect if expect is true and otherwise in the merchant's function.
func (k *kit) payatomConfig(expect bool, numbers []payack.Scheme, changes ...change) (c middleware.PayatomConfig, err error) {
	c = middleware.PayatomConfig{SecretKeys: payack.Secrets(payatomSecret), Numbers: numbers, ExpectInCallback: !expect}
	if expect {
		ordered := payack.NewAmount(payatomAmount)
		c.Expect = func(context.Context, *payack.PayatomEvent) (payack.Expectation, error) {
			return payack.Expectation{Found: true, Amount: ordered}, nil
		}
	}
	c.Options, err = k.changed(changes)
	return c, err
}

func (k *kit) payatomHandler(expect bool, numbers []payack.Scheme, changes ...change) (http.Handler, error) {
	c, err := k.payatomConfig(expect, numbers, changes...)
	if err != nil {
		return nil, err
	}
	return payatomOf(c)
}

func payatomOf(c middleware.PayatomConfig) (http.Handler, error) {
	return handlers.NewPayatom(c, func(_ context.Context, ev *payack.PayatomEvent) error { return settled(ev.OrderID) })
}

// countSettled is set by tests only.
var countSettled func()

// settled stands for the merchant's work. It does nothing.
func settled(order string) error {
	if countSettled != nil {
		countSettled()
	}
	if order == "" {
		return errFloor
	}
	return nil
}

// served returns the worker function of a row that sends a ring's callbacks to a
// handler.
func served(build func() (http.Handler, error), want answer, ring func() ([]message, error)) func(i, n int) (worker, error) {
	// The goroutines of a parallel row share one handler.
	var shared http.Handler
	return func(i, n int) (worker, error) {
		if i == 0 {
			h, err := build()
			if err != nil {
				return nil, err
			}
			shared = h
		}
		messages, err := ring()
		if err != nil {
			return nil, err
		}
		return newHTTPWorker(shared, want, around(messages, i, n)), nil
	}
}

// refused returns the worker function of a row that sends one bad callback to a
// handler again and again.
func refused(build func() (http.Handler, error), want answer, one func() (message, error)) func(i, n int) (worker, error) {
	return func(int, int) (worker, error) {
		h, err := build()
		if err != nil {
			return nil, err
		}
		m, err := one()
		return newHTTPWorker(h, want, same(m)), err
	}
}

// The schemes of the rows that allow one scheme only.
var (
	header  = []payack.Scheme{payack.SchemeHeader}
	literal = []payack.Scheme{payack.SchemeLiteral}
)

// Names of rows that other rows are compared with.
const (
	rowFloor      = "floor"
	rowPinned     = "payack, scheme pinned"
	rowSlog       = "payack, with slog"
	rowFloorWrong = "floor, wrong MAC"
	rowFloorRSA   = "floor, wrong RSA signature"
	rowMemstore   = "memstore, claim and commit"
)

func (k *kit) rows() []*row {
	var rows []*row
	rows = append(rows, k.ptopRows()...)
	rows = append(rows, k.ptsRows()...)
	rows = append(rows, k.payatomRows()...)
	rows = append(rows, k.aloneRows()...)
	rows = append(rows, k.peerRows()...)
	rows = append(rows, k.parallelRows()...)
	return append(rows, k.growthRows()...)
}

type (
	build = func() (http.Handler, error)
	list  = func() ([]message, error)
	one   = func() (message, error)
)

func (k *kit) ptopRows() []*row {
	const g = "ptop"
	ring := func(s payack.Scheme) list { return func() ([]message, error) { return k.ptop(s) } }
	with := func(schemes []payack.Scheme, c ...change) build {
		return func() (http.Handler, error) { return k.ptopHandler(schemes, c...) }
	}
	bad := func(f func([]message) message) one {
		return func() (message, error) {
			r, err := k.ptop(payack.SchemeHeader)
			if err != nil {
				return message{}, err
			}
			return f(r), nil
		}
	}
	genuine := ring(payack.SchemeHeader)
	return append([]*row{
		{group: g, name: rowFloor, worker: served(k.floorPtop, ptopAccepted, genuine)},
		{group: g, name: rowPinned, base: g + "/" + rowFloor, worker: served(with(header), ptopAccepted, genuine)},
		{group: g, name: "payack, all schemes, the first matches", base: g + "/" + rowPinned, worker: served(with(nil), ptopAccepted, genuine)},
		{group: g, name: "payack, signature in the body, pinned", base: g + "/" + rowPinned, worker: served(with([]payack.Scheme{payack.SchemeSpliced}), ptopAccepted, ring(payack.SchemeSpliced))},
		{group: g, name: "payack, every scheme tried", base: g + "/" + rowPinned, worker: served(with(nil), ptopAccepted, ring(payack.SchemeBlanked))},
		{group: g, name: rowSlog, base: g + "/" + rowPinned, worker: served(with(header, withSlog), ptopAccepted, genuine)},
		{group: g, name: "payack, limiter on, failures pay", base: g + "/" + rowPinned, worker: served(with(header, withLimiter(ratelimit.ChargeFailures, false)), ptopAccepted, genuine)},
		{group: g, name: "payack, limiter on, all pay", base: g + "/" + rowPinned, worker: served(with(header, withLimiter(ratelimit.ChargeAll, false)), ptopAccepted, genuine)},
		{group: g, name: "refused: over the rate", base: g + "/" + rowPinned, worker: refused(with(header, withLimiter(ratelimit.ChargeAll, true)), ptopRate, bad(first))},
		{group: g, name: "refused: oversized by Content-Length", base: g + "/" + rowPinned, worker: refused(with(header), ptopTooLarge, bad(oversized))},
		{group: g, name: "rejected: no signature", base: g + "/" + rowPinned, worker: refused(with(header), ptopRejected, bad(unsigned))},
		{group: g, name: "rejected: wrong MAC", base: g + "/" + rowFloorWrong, worker: refused(with(header), ptopRejected, bad(wrongHeader))},
		{group: g, name: rowFloorWrong, base: g + "/" + rowFloor, worker: refused(k.floorPtop, ptopRejected, bad(wrongHeader))},
	}, observed(g, g+"/"+rowPinned, func(c change) func(i, n int) (worker, error) { return served(with(header, c), ptopAccepted, genuine) })...)
}

func first(ring []message) message { return ring[0] }

// remembering returns the worker function of a row that sends a new event with each
// call. The store is full and remembers this many events.
func (k *kit) remembering(events int) func(i, n int) (worker, error) {
	return func(int, int) (worker, error) {
		h, err := k.ptopHandler(header, withRemembered(events))
		if err != nil {
			return nil, err
		}
		i := 0
		return newHTTPWorker(h, ptopAccepted, func() *message {
			i++
			m, err := ptopCallback(payack.SchemeHeader, i)
			if err != nil {
				m = message{}
			}
			return &m
		}), nil
	}
}

func (k *kit) ptsRows() []*row {
	const g = "pts"
	flat := func(s payack.Scheme) list { return func() ([]message, error) { return k.ptsFlat(s) } }
	sealed := func(s payack.Scheme) list { return func() ([]message, error) { return k.ptsSealed(s) } }
	with := func(numbers []payack.Scheme, c ...change) build {
		return func() (http.Handler, error) { return k.ptsHandler(numbers, c...) }
	}
	// bad changes a body by f and seals the result.
	bad := func(f func([]byte) []byte) one {
		return func() (message, error) {
			r, err := k.ptsFlat(payack.SchemeLiteral)
			if err != nil {
				return message{}, err
			}
			return k.seal(f(r[0].body))
		}
	}
	asIs := func(b []byte) []byte { return b }
	large := func() (message, error) {
		r, err := k.ptsSealed(payack.SchemeLiteral)
		if err != nil {
			return message{}, err
		}
		return oversized(r), nil
	}
	wrongRSA := bad(func(b []byte) []byte { return wrongMember(b, "sign", 40) })
	genuine := sealed(payack.SchemeLiteral)
	floorFlat := func() (http.Handler, error) { return k.floorPTS(false) }
	floorSealed := func() (http.Handler, error) { return k.floorPTS(true) }
	return append([]*row{
		{group: g, name: rowFloor + ", sealed", worker: served(floorSealed, ptsAccepted, genuine)},
		{group: g, name: rowPinned + ", sealed", base: g + "/" + rowFloor + ", sealed", worker: served(with(literal), ptsAccepted, genuine)},
		{group: g, name: rowFloor + ", plain", worker: served(floorFlat, ptsAccepted, flat(payack.SchemeLiteral))},
		{group: g, name: rowPinned + ", plain", base: g + "/" + rowFloor + ", plain", worker: served(with(literal), ptsAccepted, flat(payack.SchemeLiteral))},
		{group: g, name: "payack, all schemes, the first matches", base: g + "/" + rowPinned + ", sealed", worker: served(with(nil), ptsAccepted, genuine)},
		{group: g, name: "payack, every scheme tried", base: g + "/" + rowPinned + ", sealed", worker: served(with(nil), ptsAccepted, sealed(payack.SchemePHP))},
		{group: g, name: rowSlog, base: g + "/" + rowPinned + ", sealed", worker: served(with(literal, withSlog), ptsAccepted, genuine)},
		{group: g, name: "payack, limiter on, failures pay", base: g + "/" + rowPinned + ", sealed", worker: served(with(literal, withLimiter(ratelimit.ChargeFailures, false)), ptsAccepted, genuine)},
		{group: g, name: "refused: over the rate", base: g + "/" + rowPinned + ", sealed", worker: refused(with(literal, withLimiter(ratelimit.ChargeAll, true)), ptsRate, bad(asIs))},
		{group: g, name: "refused: oversized by Content-Length", base: g + "/" + rowPinned + ", sealed", worker: refused(with(literal), ptsTooLarge, large)},
		{group: g, name: "rejected: no signature", base: g + "/" + rowPinned + ", sealed", worker: refused(with(literal), ptsRejected, bad(func(b []byte) []byte { return withoutMember(b, "sign") }))},
		{group: g, name: "rejected: wrong RSA signature", base: g + "/" + rowFloorRSA, worker: refused(with(literal), ptsRejected, wrongRSA)},
		{group: g, name: rowFloorRSA, base: g + "/" + rowFloor + ", sealed", worker: refused(floorSealed, ptsRejected, wrongRSA)},
	}, observed(g, g+"/"+rowPinned+", sealed", func(c change) func(i, n int) (worker, error) { return served(with(literal, c), ptsAccepted, genuine) })...)
}

func (k *kit) payatomRows() []*row {
	const g = "payatom"
	ring := func(s payack.Scheme) list { return func() ([]message, error) { return k.payatom(s) } }
	with := func(expect bool, numbers []payack.Scheme, c ...change) build {
		return func() (http.Handler, error) { return k.payatomHandler(expect, numbers, c...) }
	}
	bad := func(f func([]byte) []byte) one {
		return func() (message, error) {
			r, err := k.payatom(payack.SchemeLiteral)
			if err != nil {
				return message{}, err
			}
			return message{header: r[0].header, body: f(r[0].body)}, nil
		}
	}
	asIs := func(b []byte) []byte { return b }
	large := func() (message, error) {
		r, err := k.payatom(payack.SchemeLiteral)
		if err != nil {
			return message{}, err
		}
		return oversized(r), nil
	}
	wrongMAC := bad(func(b []byte) []byte { return wrongMember(b, "post_hash", 30) })
	genuine := ring(payack.SchemeLiteral)
	return append([]*row{
		{group: g, name: rowFloor, worker: served(k.floorPayatom, payatomAccepted, genuine)},
		{group: g, name: rowPinned, base: g + "/" + rowFloor, worker: served(with(true, literal), payatomAccepted, genuine)},
		{group: g, name: "payack, expectation in the callback", base: g + "/" + rowFloor, worker: served(with(false, literal), payatomAccepted, genuine)},
		{group: g, name: "payack, all schemes, the first matches", base: g + "/" + rowPinned, worker: served(with(true, nil), payatomAccepted, genuine)},
		{group: g, name: "payack, every scheme tried", base: g + "/" + rowPinned, worker: served(with(true, nil), payatomAccepted, ring(payack.SchemePHP))},
		{group: g, name: rowSlog, base: g + "/" + rowPinned, worker: served(with(true, literal, withSlog), payatomAccepted, genuine)},
		{group: g, name: "payack, limiter on, failures pay", base: g + "/" + rowPinned, worker: served(with(true, literal, withLimiter(ratelimit.ChargeFailures, false)), payatomAccepted, genuine)},
		{group: g, name: "refused: over the rate", base: g + "/" + rowPinned, worker: refused(with(true, literal, withLimiter(ratelimit.ChargeAll, true)), payatomRate, bad(asIs))},
		{group: g, name: "refused: oversized by Content-Length", base: g + "/" + rowPinned, worker: refused(with(true, literal), payatomTooLarge, large)},
		{group: g, name: "rejected: no signature", base: g + "/" + rowPinned, worker: refused(with(true, literal), payatomRejected, bad(func(b []byte) []byte { return withoutMember(b, "post_hash") }))},
		{group: g, name: "rejected: wrong MAC", base: g + "/" + rowFloorWrong, worker: refused(with(true, literal), payatomRejected, wrongMAC)},
		{group: g, name: rowFloorWrong, base: g + "/" + rowFloor, worker: refused(k.floorPayatom, payatomRejected, wrongMAC)},
	}, observed(g, g+"/"+rowPinned, func(c change) func(i, n int) (worker, error) {
		return served(with(true, literal, c), payatomAccepted, genuine)
	})...)
}

func (k *kit) parallelRows() []*row {
	const g = "parallel"
	pts := func() (http.Handler, error) { return k.ptsHandler(literal) }
	ptop := func() (http.Handler, error) { return k.ptopHandler(header) }
	payatom := func() (http.Handler, error) { return k.payatomHandler(true, literal) }
	floorSealed := func() (http.Handler, error) { return k.floorPTS(true) }
	ptopRing := func() ([]message, error) { return k.ptop(payack.SchemeHeader) }
	ptsRing := func() ([]message, error) { return k.ptsSealed(payack.SchemeLiteral) }
	payatomRing := func() ([]message, error) { return k.payatom(payack.SchemeLiteral) }
	spent := withLimiter(ratelimit.ChargeAll, true)
	ptopSpent := func() (http.Handler, error) { return k.ptopHandler(header, spent) }
	ptsSpent := func() (http.Handler, error) { return k.ptsHandler(literal, spent) }
	payatomSpent := func() (http.Handler, error) {
		return k.payatomHandler(true, literal, spent)
	}
	return []*row{
		{group: g, name: "ptop floor", parallel: true, worker: served(k.floorPtop, ptopAccepted, ptopRing)},
		{group: g, name: "ptop payack", base: g + "/ptop floor", parallel: true, worker: served(ptop, ptopAccepted, ptopRing)},
		{group: g, name: "pts floor", parallel: true, worker: served(floorSealed, ptsAccepted, ptsRing)},
		{group: g, name: "pts payack", base: g + "/pts floor", parallel: true, worker: served(pts, ptsAccepted, ptsRing)},
		{group: g, name: "payatom floor", parallel: true, worker: served(k.floorPayatom, payatomAccepted, payatomRing)},
		{group: g, name: "payatom payack", base: g + "/payatom floor", parallel: true, worker: served(payatom, payatomAccepted, payatomRing)},
		// All processors flood one handler with one limiter.
		{group: g, name: "ptop flooded, over the rate", base: g + "/ptop payack", parallel: true, worker: served(ptopSpent, ptopRate, ptopRing)},
		{group: g, name: "pts flooded, over the rate", base: g + "/pts payack", parallel: true, worker: served(ptsSpent, ptsRate, ptsRing)},
		{group: g, name: "payatom flooded, over the rate", base: g + "/payatom payack", parallel: true, worker: served(payatomSpent, payatomRate, payatomRing)},
	}
}

func (k *kit) floorPtop() (http.Handler, error) {
	return floorPtop([]byte(ptopKey), func(_ context.Context, ev *floorPtopEvent) error { return settled(ev.order) }), nil
}

func (k *kit) floorPTS(sealed bool) (http.Handler, error) {
	return floorPTS(ptsSafecode, &k.rsaKey.PublicKey, sealed, func(_ context.Context, ev *floorPTSEvent) error { return settled(ev.order) })
}

func (k *kit) floorPayatom() (http.Handler, error) {
	return floorPayatom(payatomSecret, func(_ context.Context, ev *floorPayatomEvent) error { return settled(ev.order) })
}
