package main

import (
	"bufio"
	"bytes"
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
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/store/memstore"
)

// Real servers on the loopback interface, with payack in front of a trivial
// handler and without it. The client shares the processors with the server, so
// there are two: one that costs as little as a client can, and net/http's.

const (
	connections = 32
	loadRounds  = 7
)

// trivial reads the body and answers.
var trivial = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.WriteHeader(http.StatusOK)
})

// server is up until it is closed.
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

// load is what one round of a client found out.
type load struct {
	perSecond float64
	p99       time.Duration
}

// client sends requests over kept connections until its time is over.
type client struct {
	name string
	// dial returns a function that sends the i-th request and reads the answer,
	// and one that hangs up.
	dial func(addr string, requests [][]byte, ring []message) (send func(i int) error, hangUp func(), err error)
}

var clients = []client{{"lean client", dialLean}, {"net/http client", dialHTTP}}

func dialLean(addr string, requests [][]byte, _ []message) (func(int) error, func(), error) {
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
		return readOK(in)
	}, func() { c.Close() }, nil
}

// readOK reads an answer without a body.
func readOK(in *bufio.Reader) error {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
		return fmt.Errorf("answered %q", line)
	}
	for {
		if line, err = in.ReadSlice('\n'); err != nil || len(line) <= 2 {
			return err
		}
	}
}

func dialHTTP(addr string, _ [][]byte, ring []message) (func(int) error, func(), error) {
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
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			return err
		}
		if res.StatusCode != http.StatusOK {
			return errors.New("answered " + res.Status)
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

func (c client) run(addr string, requests [][]byte, ring []message, d time.Duration) (load, error) {
	var wg sync.WaitGroup
	times := make([][]time.Duration, connections)
	failed := make([]error, connections)
	part := len(ring) / connections // each connection sends events of its own
	start := time.Now()
	for n := range connections {
		wg.Go(func() {
			send, hangUp, err := c.dial(addr, requests, ring)
			if err != nil {
				failed[n] = err
				return
			}
			defer hangUp()
			for i := 0; time.Since(start) < d; i++ {
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

// receiver wraps a handler by Ptop's receiver, or returns it as it is.
func (k *kit) receiver(wrap bool, store payack.Store, h http.Handler) (http.Handler, error) {
	if !wrap {
		return h, nil
	}
	o := k.options()
	o.Store = store
	rc, err := middleware.NewPtop(middleware.PtopConfig{
		SigningKeys: payack.Secrets(ptopKey), Schemes: []payack.Scheme{payack.SchemeHeader},
		ConfirmInCallback: true, Options: o,
	})
	if err != nil {
		return nil, err
	}
	return rc.Wrap(h), nil
}

func measureServers(out io.Writer, k *kit, s settings) error {
	ring, err := k.ptop(payack.SchemeHeader)
	if err != nil {
		return err
	}
	requests := rendered(ring)
	var servers [2]*server // without and with payack
	for i := range servers {
		h, err := k.receiver(i == 1, k.options().Store, trivial)
		if err != nil {
			return err
		}
		if servers[i], err = startServer(h); err != nil {
			return err
		}
		defer servers[i].close() //nolint:errcheck // nothing is lost
	}
	fmt.Fprintf(out, "| server under load, %d connections | ratio | with payack | without |\n|---|--:|--:|--:|\n", connections)
	for _, c := range clients {
		var loads [2][]load
		for round := range min(s.rounds, loadRounds) {
			for _, i := range [][2]int{{0, 1}, {1, 0}}[round%2] {
				runtime.GC()
				l, err := c.run(servers[i].addr, requests, ring, s.load)
				if err != nil {
					return fmt.Errorf("%s: %w", c.name, err)
				}
				loads[i] = append(loads[i], l)
			}
		}
		perSecond := func(l load) float64 { return l.perSecond }
		p99 := func(l load) float64 { return float64(l.p99) / 1e6 }
		fmt.Fprintf(out, "| requests per second, %s | %.2f | %.0f | %.0f |\n", c.name, beside(loads, perSecond), middle(loads[1], perSecond), middle(loads[0], perSecond))
		fmt.Fprintf(out, "| 99th percentile, %s | %.2f | %.1f ms | %.1f ms |\n", c.name, beside(loads, p99), middle(loads[1], p99), middle(loads[0], p99))
	}
	return k.measureMemory(out)
}

func middle(loads []load, figure func(load) float64) float64 {
	var values []float64
	for _, l := range loads {
		values = append(values, figure(l))
	}
	return median(values)
}

// beside is the median over the rounds of with beside without payack.
func beside(loads [2][]load, figure func(load) float64) float64 {
	var values []float64
	for i := range loads[0] {
		values = append(values, figure(loads[1][i])/figure(loads[0][i]))
	}
	return median(values)
}

// concurrent is how many requests are held at the same time.
const concurrent = 1000

// measureMemory holds requests in the handler until all have arrived, and looks
// at what they take.
func (k *kit) measureMemory(out io.Writer) error {
	fmt.Fprintf(out, "\n| %d requests at the same time | with payack | without | payack's share |\n|---|--:|--:|--:|\n", concurrent)
	var heap, stack [2]float64
	for i := range 2 {
		var err error
		if heap[i], stack[i], err = k.held(i == 1); err != nil {
			return fmt.Errorf("%d requests at the same time: %w", concurrent, err)
		}
	}
	for _, f := range []struct {
		name  string
		bytes [2]float64
	}{{"heap of each, connection included", heap}, {"stack of each", stack}} {
		fmt.Fprintf(out, "| %s | %.1f KiB | %.1f KiB | %.1f KiB |\n", f.name, f.bytes[1]/1024, f.bytes[0]/1024, (f.bytes[1]-f.bytes[0])/1024)
	}
	return nil
}

func (k *kit) held(wrap bool) (heap, stack float64, err error) {
	arrived, release := make(chan struct{}, concurrent), make(chan struct{})
	h, err := k.receiver(wrap, memstore.New(0), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		<-release
		w.WriteHeader(http.StatusOK)
	}))
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
		if err := readOK(bufio.NewReader(c)); err != nil {
			return 0, 0, err
		}
	}
	return float64(after.HeapAlloc-before.HeapAlloc) / concurrent, float64(after.StackInuse-before.StackInuse) / concurrent, nil
}

// inUse collects twice, so that what pools hold is gone too.
func inUse() (m runtime.MemStats) {
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m
}
