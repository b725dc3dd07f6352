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

// Rows that show how a cost grows. The first of each series is the least, and the
// others are compared with it.

// growthRows are by what grows: events that are remembered, keys, bodies, processors.
func (k *kit) growthRows() []*row {
	rows := k.rememberedRows()
	rows = append(rows, k.keyRows()...)
	rows = append(rows, k.bodyRows()...)
	return append(rows, k.coreRows()...)
}

// series has the rows measured together, and compared with the first of them.
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

// manyKeys is how many keys, or tenants, a receiver has that has many.
const manyKeys = 100

// keyRows have one key, and many of which the last matches.
func (k *kit) keyRows() []*row {
	var rows []*row
	two := func(provider, what string, want answer, ring list, with func(n int) (http.Handler, error)) {
		var both []*row
		for _, n := range []int{1, manyKeys} {
			build := func() (http.Handler, error) { return with(n) }
			r := &row{name: provider + ", " + plural(n, what), worker: served(build, want, ring)}
			if provider == "pts" && n > 1 {
				r.calls = 4 // RSA with each key
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

// spareKey is a key of nobody else.
func spareKey(i int) string { return fmt.Sprintf("%032x", 0xabcdef0123456789+uint64(i)) }

// withKeys is a receiver with n keys. The callbacks' own is the last.
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

// spareRSA is a public key to which nobody has the other one: to verify with it
// takes as long, and to make it doesn't.
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

// ofTenants are callbacks of so many tenants by turns.
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

// bodySizes go up to the largest body that is taken.
var bodySizes = []int{512, 4 << 10, 16 << 10, 64 << 10}

// bodyRows have bodies that unknown members make larger. An event comes again when
// the store has forgotten it.
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
				calls: max(16, batch*512/size), // so that a slice is as short as with small ones
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

// padded returns some callbacks whose bodies have this size, or their usual one
// where that is more.
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

// pad adds members of 256 bytes that no provider knows, and a shorter one for the
// rest.
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

// mostCores is the largest number of processors that are simulated.
const mostCores = 64

// coreRows have as many goroutines as processors, all of which call one handler.
func (k *kit) coreRows() []*row {
	// So many that no goroutine sends an event again that the store remembers,
	// however the goroutines are scheduled.
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
		if rings[p.name] == nil { // the work of PTS is RSA
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

// largeRing is made once, when it is first asked for.
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

// measureLocks says which function's locks the rows with the most processors wait
// for, by the mutex profile: each one's share of the waiting.
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

// waits are the cycles of the mutex profile, by the function that holds the lock up.
func waits() map[string]int64 {
	records := make([]runtime.BlockProfileRecord, 1<<12)
	n, _ := runtime.MutexProfile(records)
	cycles := make(map[string]int64)
	for _, r := range records[:min(n, len(records))] {
		cycles[holder(r.Stack())] += r.Cycles
	}
	return cycles
}

// holder is the innermost function that is not the lock itself.
func holder(stack []uintptr) string {
	frames := runtime.CallersFrames(stack)
	for {
		f, more := frames.Next()
		if inner := strings.HasPrefix(f.Function, "sync.") || strings.HasPrefix(f.Function, "internal/sync."); !inner || !more {
			return cmp.Or(f.Function[strings.LastIndexByte(f.Function, '/')+1:], "unknown")
		}
	}
}
