package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/store/memstore"
)

// This file measures real servers on the loopback interface. A server's handler is
// the trivial one, the floor or payack. The client takes processor time from the server,
// so there are two clients: a lean one that costs very little, and net/http's.

const (
	connections = 32
	loadRounds  = 12
)

// sides are the names of the handlers that are compared.
var sides = [...]string{"trivial", "floor", "payack"}

// trivial reads the body and answers.
func trivial(a answer, wait func()) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		wait()
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	})
}

// provider is a provider whose callbacks are sent to the servers.
type provider struct {
	name         string
	clients      []client
	accepted     answer
	ring         list
	floor, whole build
}

func (k *kit) providers() []provider {
	ptop := func() ([]message, error) { return k.ptop(payack.SchemeHeader) }
	pts := func() ([]message, error) { return k.ptsSealed(payack.SchemeLiteral) }
	payatom := func() ([]message, error) { return k.payatom(payack.SchemeLiteral) }
	lean := clients[:1]
	return []provider{
		{"ptop", clients, ptopAccepted, ptop, k.floorPtop, func() (http.Handler, error) { return k.ptopHandler(header) }},
		{"pts", lean, ptsAccepted, pts, func() (http.Handler, error) { return k.floorPTS(true) }, func() (http.Handler, error) { return k.ptsHandler(literal) }},
		{"payatom", lean, payatomAccepted, payatom, k.floorPayatom, func() (http.Handler, error) { return k.payatomHandler(true, literal) }},
	}
}

// server is a running server. close ends it.
type server struct {
	http *http.Server
	addr string
	done chan error
}

func startServer(h http.Handler) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{
		http: &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second},
		addr: l.Addr().String(), done: make(chan error, 1),
	}
	go func() { s.done <- s.http.Serve(l) }()
	return s, nil
}

func (s *server) close() error {
	err := s.http.Close()
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// load is the result of one round of a client.
type load struct {
	perSecond float64
	p99       time.Duration
}

// client sends requests over kept connections until its time is over, at least one
// over each.
type client struct {
	name string
	// dial returns two functions: send sends the i-th request and checks the answer,
	// and hangUp closes the connection.
	dial func(addr string, requests [][]byte, ring []message, want answer) (send func(i int) error, hangUp func(), err error)
}

const (
	leanClient = "lean client"
	netClient  = "net/http client"
)

var clients = []client{{leanClient, dialLean}, {netClient, dialHTTP}}

func dialLean(addr string, requests [][]byte, _ []message, want answer) (func(int) error, func(), error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	in := bufio.NewReader(c)
	return func(i int) error {
		if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			return err
		}
		if _, err := c.Write(requests[i]); err != nil {
			return err
		}
		return readAnswer(in, want)
	}, func() { c.Close() }, nil
}

// readAnswer reads an answer and returns an error if it is not the wanted one.
func readAnswer(in *bufio.Reader, want answer) error {
	status, err := in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200")) || want.status != http.StatusOK {
		return fmt.Errorf("answered %q", status)
	}
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
	}
	var room [128]byte
	got := room[:len(want.body)]
	if _, err := io.ReadFull(in, got); err != nil {
		return err
	}
	if string(got) != want.body {
		return fmt.Errorf("answered %q", got)
	}
	return nil
}

func dialHTTP(addr string, _ [][]byte, ring []message, want answer) (func(int) error, func(), error) {
	t := &http.Transport{MaxIdleConnsPerHost: 1}
	c := &http.Client{Transport: t, Timeout: 10 * time.Second}
	return func(i int) error {
		r, err := http.NewRequest(http.MethodPost, "http://"+addr+"/callback", bytes.NewReader(ring[i].body))
		if err != nil {
			return err
		}
		r.Header = ring[i].header
		res, err := c.Do(r)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		got, err := io.ReadAll(res.Body)
		if err != nil {
			return err
		}
		if res.StatusCode != want.status || string(got) != want.body {
			return fmt.Errorf("answered %s %q", res.Status, got)
		}
		return nil
	}, t.CloseIdleConnections, nil
}

func rendered(ring []message) [][]byte {
	out := make([][]byte, len(ring))
	for i, m := range ring {
		var b bytes.Buffer
		b.WriteString("POST /callback HTTP/1.1\r\nHost: merchant.example\r\nContent-Length: " + strconv.Itoa(len(m.body)) + "\r\n")
		_ = m.header.Write(&b) // to memory
		b.WriteString("\r\n")
		b.Write(m.body)
		out[i] = b.Bytes()
	}
	return out
}

func (c client) run(addr string, requests [][]byte, ring []message, want answer, d time.Duration) (load, error) {
	var wg sync.WaitGroup
	times := make([][]time.Duration, connections)
	failed := make([]error, connections)
	part := len(ring) / connections // each connection sends different events
	start := time.Now()
	for n := range connections {
		wg.Go(func() {
			send, hangUp, err := c.dial(addr, requests, ring, want)
			if err != nil {
				failed[n] = err
				return
			}
			defer hangUp()
			for i := 0; i == 0 || time.Since(start) < d; i++ {
				before := time.Now()
				if failed[n] = send(n*part + i%part); failed[n] != nil {
					return
				}
				times[n] = append(times[n], time.Since(before))
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	all := slices.Concat(times...)
	if err := errors.Join(failed...); err != nil || len(all) == 0 {
		return load{}, errors.Join(err, errors.New("the server was not under load"))
	}
	slices.Sort(all)
	return load{float64(len(all)) / took.Seconds(), all[len(all)*99/100]}, nil
}

// measureServers puts the servers under load in turn. Then it measures the memory of
// waiting requests.
func (k *kit) measureServers(o outcome, s settings) error {
	for _, p := range k.providers() {
		ring, err := p.ring()
		if err != nil {
			return err
		}
		builds := [...]build{func() (http.Handler, error) { return trivial(p.accepted, func() {}), nil }, p.floor, p.whole}
		var servers [len(sides)]*server
		for i := range servers {
			h, err := builds[i]()
			if err != nil {
				return err
			}
			if servers[i], err = startServer(h); err != nil {
				return err
			}
			defer servers[i].close() //nolint:errcheck // nothing is lost
		}
		requests := rendered(ring)
		for _, c := range p.clients {
			var best, p99 [len(sides)][]float64
			for round := range min(s.rounds, loadRounds) {
				for turn := range servers {
					i := (round + turn) % len(servers) // another server goes first in each round
					runtime.GC()
					l, err := c.run(servers[i].addr, requests, ring, p.accepted, s.load)
					if err != nil {
						return fmt.Errorf("%s, %s, %s: %w", p.name, c.name, sides[i], err)
					}
					best[i], p99[i] = append(best[i], l.perSecond), append(p99[i], float64(l.p99)/1e6)
				}
			}
			for i, side := range sides {
				name := serverName(p.name, c.name, side)
				o.Values[name+"per second"], o.Values[name+"p99"] = slices.Max(best[i]), median(p99[i])
			}
		}
	}
	return k.measureMemory(o, s)
}

func serverName(provider, client, side string) string {
	return "server/" + provider + ", " + client + "/" + side + "/"
}

// concurrent is how many requests are held at the same time.
const concurrent = 1000

// memoryRounds is the number of rounds that measure memory. It is above 1 because the
// runtime chooses the initial stack of goroutines by the stacks of earlier ones.
const memoryRounds = 5

// measureMemory measures the memory of requests that wait at the same time. Each
// request waits in the merchant's function until all have arrived.
func (k *kit) measureMemory(o outcome, s settings) error {
	builds := [...]func(wait func()) (http.Handler, error){
		func(wait func()) (http.Handler, error) { return trivial(ptopAccepted, wait), nil },
		func(wait func()) (http.Handler, error) {
			return floorPtop([]byte(ptopKey), func(context.Context, *floorPtopEvent) error { wait(); return nil }), nil
		},
		func(wait func()) (http.Handler, error) {
			c, err := k.ptopConfig(header, withRoom(memstore.DefaultEvents))
			if err != nil {
				return nil, err
			}
			return handlers.NewPtop(c, func(context.Context, *payack.PtopEvent) error { wait(); return nil })
		},
	}
	figures := make(map[string][]float64)
	for range min(s.rounds, memoryRounds) {
		for i, side := range sides {
			heap, stack, err := held(builds[i])
			if err != nil {
				return fmt.Errorf("%d requests at the same time, %s: %w", concurrent, side, err)
			}
			for what, bytes := range map[string]float64{"heap": heap, "stack": stack, "together": heap + stack} {
				name := memoryName(what, side)
				figures[name] = append(figures[name], bytes)
			}
		}
	}
	for name, bytes := range figures {
		o.Values[name] = median(bytes)
	}
	return nil
}

func memoryName(what, side string) string { return "memory/" + what + "/" + side }

func held(build func(wait func()) (http.Handler, error)) (heap, stack float64, err error) {
	arrived, release := make(chan struct{}, concurrent), make(chan struct{})
	h, err := build(func() {
		arrived <- struct{}{}
		<-release
	})
	if err != nil {
		return 0, 0, err
	}
	srv, err := startServer(h)
	if err != nil {
		return 0, 0, err
	}
	defer srv.close() //nolint:errcheck // nothing is lost
	freed := sync.OnceFunc(func() { close(release) })
	defer freed()

	before := inUse()
	conns := make([]net.Conn, concurrent)
	for i := range conns {
		if conns[i], err = net.Dial("tcp", srv.addr); err != nil {
			return 0, 0, err
		}
		defer conns[i].Close()
		m, err := ptopCallback(payack.SchemeHeader, i)
		if err != nil {
			return 0, 0, err
		}
		if _, err := conns[i].Write(rendered([]message{m})[0]); err != nil {
			return 0, 0, err
		}
	}
	late := time.After(20 * time.Second)
	for i := range concurrent {
		select {
		case <-arrived:
		case <-late:
			return 0, 0, fmt.Errorf("only %d arrived", i)
		}
	}
	after := inUse()
	freed()
	for _, c := range conns {
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			return 0, 0, err
		}
		if err := readAnswer(bufio.NewReader(c), ptopAccepted); err != nil {
			return 0, 0, err
		}
	}
	return float64(after.HeapAlloc-before.HeapAlloc) / concurrent, float64(after.StackInuse-before.StackInuse) / concurrent, nil
}

// inUse returns the memory statistics after two garbage collections. The second one
// also frees what a sync.Pool keeps through the first.
func inUse() (m runtime.MemStats) {
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m
}
