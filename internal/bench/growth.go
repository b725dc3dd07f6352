package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"runtime"
	"slices"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/store/memstore"
	"github.com/payack/payack/verify"
)

// This file has the rows that show how a cost grows. A series begins with its
// smallest row, and the others are compared with that one.

// growthRows returns a series for each thing that can grow: the number of remembered
// events, of keys and of processors, and the size of the body.
func (k *kit) growthRows() []*row {
	rows := k.rememberedRows()
	rows = append(rows, k.keyRows()...)
	rows = append(rows, k.bodyRows()...)
	return append(rows, k.coreRows()...)
}

// series makes rows a series: they are measured together, and compared with the first.
func series(group string, rows ...*row) []*row {
	for i, r := range rows {
		r.group, r.series = group, group
		if i > 0 {
			r.base = rows[0].key()
		}
	}
	return rows
}

func (k *kit) rememberedRows() []*row {
	var rows []*row
	for _, n := range slices.Compact([]int{1, 1000, min(memstore.DefaultEvents, k.remembered), k.remembered}) {
		rows = append(rows, &row{name: "ptop, " + plural(n, "event"), worker: k.remembering(n)})
	}
	return series("remembered", rows...)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text + " " + what + "s"
}

// manyKeys is the number of keys or tenants in the rows with many of them.
const manyKeys = 100

// keyRows returns rows with one key and rows with many. With many keys only the last
// one matches.
func (k *kit) keyRows() []*row {
	var rows []*row
	two := func(provider, what string, want answer, ring list, with func(n int) (http.Handler, error)) {
		var both []*row
		for _, n := range []int{1, manyKeys} {
			build := func() (http.Handler, error) { return with(n) }
			r := &row{name: provider + ", " + plural(n, what), worker: served(build, want, ring)}
			if provider == "pts" && n > 1 {
				r.calls = 4 // a call is slow: RSA with each key
			}
			both = append(both, r)
		}
		rows = append(rows, series("keys", both...)...)
	}
	for _, p := range k.providers() {
		two(p.name, "key", p.accepted, p.ring, func(n int) (http.Handler, error) { return k.withKeys(p.name, n) })
	}
	var tenants []*row
	for _, n := range []int{1, manyKeys} {
		tenants = append(tenants, &row{name: "ptop by KeyFunc, " + plural(n, "tenant"), worker: served(
			func() (http.Handler, error) { return k.withTenants(n) }, ptopAccepted,
			func() ([]message, error) { return k.ofTenants(n) },
		)})
	}
	return append(rows, series("keys", tenants...)...)
}

const tenantHeader = "Tenant"

// spareKey returns the i-th of many keys. None of them is a key of the kit.
func spareKey(i int) string { return fmt.Sprintf("%032x", 0xabcdef0123456789+uint64(i)) }

// withKeys returns a receiver with n keys. The last one is the key of the callbacks.
func (k *kit) withKeys(provider string, n int) (http.Handler, error) {
	var spare []payack.Secret
	for i := range n - 1 {
		spare = append(spare, payack.NewSecret(spareKey(i)))
	}
	switch provider {
	case "ptop":
		c, err := k.ptopConfig(header)
		if err != nil {
			return nil, err
		}
		c.SigningKeys = append(spare, c.SigningKeys...)
		return ptopOf(c)
	case "payatom":
		c, err := k.payatomConfig(true, literal)
		if err != nil {
			return nil, err
		}
		c.SecretKeys = append(spare, c.SecretKeys...)
		return payatomOf(c)
	}
	c, err := k.ptsConfig(literal)
	if err != nil {
		return nil, err
	}
	own := c.PublicKeys
	c.PublicKeys = nil
	for range n - 1 {
		text, err := spareRSA()
		if err != nil {
			return nil, err
		}
		c.PublicKeys = append(c.PublicKeys, text)
	}
	c.PublicKeys = append(c.PublicKeys, own...)
	return ptsOf(c)
}

// spareRSA returns a public key with a random modulus. Nobody has its private key.
// Verifying with it takes as long as with a real key, but it is much faster to make.
func spareRSA() (string, error) {
	modulus := make([]byte, 256)
	if _, err := rand.Read(modulus); err != nil {
		return "", err
	}
	modulus[0] |= 0x80
	modulus[255] |= 1
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: 65537}
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(key)})), nil
}

// ofTenants returns callbacks of n tenants in turn.
func (k *kit) ofTenants(n int) ([]message, error) {
	ring := make([]message, k.ringLen)
	for i := range ring {
		m, err := ptopCallback(payack.SchemeHeader, i)
		if err == nil {
			m, err = signPtop(spareKey(i%n), payack.SchemeHeader, string(m.body))
		}
		if err != nil {
			return nil, err
		}
		m.header.Set(tenantHeader, fmt.Sprint(i%n))
		ring[i] = m
	}
	return ring, nil
}

func (k *kit) withTenants(n int) (http.Handler, error) {
	tenants := make(map[string]*verify.PtopKeys)
	for i := range n {
		name := fmt.Sprint(i)
		keys, err := verify.NewPtopKeys("shop-"+name, payack.NewSecret(spareKey(i)))
		if err != nil {
			return nil, err
		}
		tenants[name] = keys
	}
	c, err := k.ptopConfig(header, withRoom(64))
	if err != nil {
		return nil, err
	}
	c.SigningKeys = nil
	c.KeyFunc = func(_ context.Context, r *http.Request) (*verify.PtopKeys, error) {
		if keys := tenants[r.Header.Get(tenantHeader)]; keys != nil {
			return keys, nil
		}
		return nil, payack.ErrUnknownTenant
	}
	return ptopOf(c)
}

// bodySizes go up to the largest body that is accepted.
var bodySizes = []int{512, 4 << 10, 16 << 10, 64 << 10}

// bodyRows returns rows whose bodies are enlarged by unknown members. An event is
// sent again only after the store has forgotten it.
func (k *kit) bodyRows() []*row {
	var rows []*row
	for _, p := range k.providers() {
		build := map[string]func(...change) (http.Handler, error){
			"ptop":    func(c ...change) (http.Handler, error) { return k.ptopHandler(header, c...) },
			"pts":     func(c ...change) (http.Handler, error) { return k.ptsHandler(literal, c...) },
			"payatom": func(c ...change) (http.Handler, error) { return k.payatomHandler(true, literal, c...) },
		}[p.name]
		var ofProvider []*row
		for _, size := range bodySizes {
			ofProvider = append(ofProvider, &row{
				name:  fmt.Sprintf("%s, %v KiB", p.name, float64(size)/1024),
				calls: max(16, batch*512/size), // so that a slice takes no longer than with small bodies
				worker: served(
					func() (http.Handler, error) { return build(withRoom(64)) }, p.accepted,
					func() ([]message, error) { return k.padded(p.name, size) },
				),
			})
		}
		rows = append(rows, series("bodies", ofProvider...)...)
	}
	return rows
}

// padded returns callbacks whose bodies are padded to about this size. A body that is
// already larger keeps its size.
func (k *kit) padded(provider string, size int) ([]message, error) {
	ring := make([]message, batch)
	for i := range ring {
		var err error
		switch provider {
		case "ptop":
			short := fmt.Sprintf(`{"success":true,"transaction_id":"TX%012d","order_id":"ORD%012d"}`, i, i)
			ring[i], err = signPtop(ptopKey, payack.SchemeHeader, pad(short, size))
		case "payatom":
			ring[i] = k.payatomCallback(i, payatomAmount)
			ring[i].body = []byte(pad(string(ring[i].body), size))
		case "pts":
			var flat []string
			if flat, err = k.ptsBodies(payack.SchemeLiteral); err == nil {
				ring[i], err = k.seal([]byte(pad(flat[i], size/4*3-16)))
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return ring, nil
}

// pad enlarges an object to size by members that no provider sends. Each member has
// 256 bytes, except for a shorter one at the end.
func pad(object string, size int) string {
	var b strings.Builder
	b.WriteString(object[:len(object)-1])
	for i := 0; ; i++ {
		name := fmt.Sprintf(`,"note_%03d":"`, i)
		room := min(256, size-b.Len()-1) - len(name) - 1
		if room <= 0 {
			return b.String() + "}"
		}
		b.WriteString(name + strings.Repeat("nothing to see here ", 13)[:room] + `"`)
	}
}

// mostCores is the largest GOMAXPROCS that is measured, whatever the machine has.
const mostCores = 64

// coreRows returns rows with one goroutine for each processor. All goroutines of a
// row call the same handler.
func (k *kit) coreRows() []*row {
	// The rings are so large that no goroutine repeats an event while the store still
	// remembers it, however the goroutines are scheduled.
	rings := map[string]list{
		"ptop":    largeRing(func(i int) (message, error) { return ptopCallback(payack.SchemeHeader, i) }),
		"payatom": largeRing(func(i int) (message, error) { return k.payatomCallback(i, payatomAmount), nil }),
	}
	builds := map[string]build{
		"ptop":    func() (http.Handler, error) { return k.ptopHandler(header, withRoom(batch/2)) },
		"payatom": func() (http.Handler, error) { return k.payatomHandler(true, literal, withRoom(batch/2)) },
	}
	var rows []*row
	for _, p := range k.providers() {
		if rings[p.name] == nil { // PTS is left out: nearly all of its time is RSA
			continue
		}
		var ofProvider []*row
		for n := 1; n <= mostCores; n *= 2 {
			ofProvider = append(ofProvider, &row{
				name: p.name + ", " + plural(n, "processor"), parallel: true, procs: n, worker: served(builds[p.name], p.accepted, rings[p.name]),
			})
		}
		rows = append(rows, series("cores", ofProvider...)...)
	}
	return rows
}

// largeRing returns a list that makes its ring once, on the first call.
func largeRing(one func(i int) (message, error)) list {
	made := rings(func(payack.Scheme) ([]message, error) {
		ring := make([]message, mostCores*batch)
		for i := range ring {
			var err error
			if ring[i], err = one(i); err != nil {
				return nil, err
			}
		}
		return ring, nil
	})
	return func() ([]message, error) { return made("") }
}

// measureLocks runs the rows with the most processors under the mutex profile. For
// each function that made others wait for a lock, it records the function's share of
// the waiting time.
func measureLocks(o outcome, rows []*row, s settings) error {
	for _, r := range rows {
		if r.procs != mostCores {
			continue
		}
		if err := r.open(); err != nil {
			return err
		}
		before := waits()
		previous := runtime.SetMutexProfileFraction(1)
		err := r.add(new(tally), s.each)
		runtime.SetMutexProfileFraction(previous)
		r.workers = nil
		if err != nil {
			return err
		}
		var all int64
		byFunction := waits()
		for name := range byFunction {
			byFunction[name] -= before[name]
			all += byFunction[name]
		}
		for name, cycles := range byFunction {
			if share := float64(cycles) / float64(max(all, 1)); share >= 0.01 {
				o.Values["lock/"+r.name+"/"+name] = share
			}
		}
	}
	return nil
}

// waits returns the mutex profile's cycles by the function that held the lock.
func waits() map[string]int64 {
	records := make([]runtime.BlockProfileRecord, 1<<12)
	n, _ := runtime.MutexProfile(records)
	cycles := make(map[string]int64)
	for _, r := range records[:min(n, len(records))] {
		cycles[holder(r.Stack())] += r.Cycles
	}
	return cycles
}

// holder returns the innermost function of a stack that is not part of package sync.
func holder(stack []uintptr) string {
	frames := runtime.CallersFrames(stack)
	for {
		f, more := frames.Next()
		if inner := strings.HasPrefix(f.Function, "sync.") || strings.HasPrefix(f.Function, "internal/sync."); !inner || !more {
			return cmp.Or(f.Function[strings.LastIndexByte(f.Function, '/')+1:], "unknown")
		}
	}
}
