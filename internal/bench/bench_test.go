package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/store/memstore"
)

// asCommand is an environment variable that makes the test binary run the command.
// The command starts its own binary for each run.
const asCommand = "PAYACK_BENCH_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func testKit(t testing.TB) *kit {
	t.Helper()
	k, err := newKit(batch, 2000)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Opening a row makes its calls and checks every answer. Opening a peer's row also
// checks that the peer refuses a changed message.
func TestRowsDoWhatTheySay(t *testing.T) {
	k := testKit(t)
	for _, r := range k.rows() {
		t.Run(r.key(), func(t *testing.T) {
			if err := r.open(); err != nil {
				t.Fatal(err)
			}
			own, _, err := r.round(nil, 1)
			if err != nil {
				t.Fatal(err)
			}
			if s := own.sample(); s.nanoseconds <= 0 || own.least <= 0 || r.size == 0 {
				t.Fatalf("%+v, %d bytes", s, r.size)
			}
		})
	}
}

// When a row sends an event again, the store must have forgotten it. A duplicate would
// get the same answer and cost less.
func TestEachDeliveryIsAnotherEvent(t *testing.T) {
	var settled atomic.Int64
	countSettled = func() { settled.Add(1) }
	t.Cleanup(func() { countSettled = nil })
	k := testKit(t)
	for _, r := range k.rows() {
		if r.series == "" && r.name != rowPinned && !r.parallel || strings.Contains(r.name, "flooded") {
			continue
		}
		settled.Store(0)
		if err := r.open(); err != nil {
			t.Fatal(err)
		}
		if got, want := settled.Load(), int64(4*r.calls*len(r.workers)); got != want {
			t.Errorf("%s: %d of %d deliveries were settled", r.key(), got, want)
		}
		r.workers = nil
	}
}

// Opening a row must fail if the handler's answer is not the one that the row wants.
func TestWrongAnswersAreFound(t *testing.T) {
	k := testKit(t)
	ring, err := k.ptop(payack.SchemeHeader)
	if err != nil {
		t.Fatal(err)
	}
	r := &row{worker: refused(k.floorPtop, ptopAccepted, func() (message, error) { return wrongHeader(ring), nil })}
	if r.open() == nil {
		t.Fatal("a refusal passes for an accepted callback")
	}
}

// A row that is compared with a missing row would print no ratio.
func TestEveryBaseIsARow(t *testing.T) {
	keys := make(map[string]bool)
	rows := testKit(t).rows()
	for _, r := range rows {
		if keys[r.key()] {
			t.Errorf("two rows are %s", r.key())
		}
		keys[r.key()] = true
	}
	for _, r := range rows {
		if r.base != "" && !keys[r.base] {
			t.Errorf("%s is compared with %s, which is no row", r.key(), r.base)
		}
	}
	run := outcome{Rows: make(map[string]figures)}
	for i, r := range rows {
		run.Rows[r.key()] = figures{Size: i, Nanoseconds: 1, Allocs: 1, Bytes: 1, Ratio: 1, Least: float64(i + 1), Base: 1}
	}
	measured(t, run, rowGoals)
}

// measured fails the test for each goal whose figure is missing in a run.
func measured(t *testing.T, run outcome, goals []goal) {
	t.Helper()
	for _, g := range goals {
		if _, ok := g.value(run); !ok {
			t.Errorf("nothing is measured for: %s", g.what)
		}
	}
}

// Comparing payack with a floor, the minimal handwritten handler, makes sense only if
// both accept and refuse the same callbacks.
func TestFloorsAgreeWithPayack(t *testing.T) {
	k := testKit(t)
	ptop := must(k.ptop(payack.SchemeHeader))
	flat := must(k.ptsFlat(payack.SchemeLiteral))
	sealed := must(k.ptsSealed(payack.SchemeLiteral))
	payatom := must(k.payatom(payack.SchemeLiteral))
	edited := func(m message, f func(string) string) message {
		return message{header: m.header, body: []byte(f(string(m.body)))}
	}
	replaced := func(old, text string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, text, 1) }
	}
	common := map[string]func(string) string{
		"genuine":        func(s string) string { return s },
		"cut short":      func(s string) string { return s[:len(s)-1] },
		"more behind it": func(s string) string { return s + "{}" },
		"invalid UTF-8":  replaced(`"order_id":"`, "\"order_id\":\"\xff"),
		"another order":  replaced(`"order_id":"`, `"order_id":"9`),
		"a second order": replaced(`{`, `{"order_id":"1",`),
		"no order":       replaced(`"order_id"`, `"oder_id"`),
		"empty":          func(string) string { return "" },
		"an array":       func(s string) string { return "[" + s + "]" },
	}
	for _, c := range []struct {
		name           string
		floor, handler http.Handler
		accepted       answer
		genuine        message
		seal           bool
		more           map[string]message
	}{
		{"ptop", must(k.floorPtop()), must(k.ptopHandler([]payack.Scheme{payack.SchemeHeader})), ptopAccepted, ptop[0], false,
			map[string]message{"no signature": unsigned(ptop), "wrong MAC": wrongHeader(ptop)}},
		{"pts plain", must(k.floorPTS(false)), must(k.ptsHandler([]payack.Scheme{payack.SchemeLiteral})), ptsAccepted, flat[0], false,
			map[string]message{
				"no signature":  {header: flat[0].header, body: withoutMember(flat[0].body, "sign")},
				"wrong RSA":     {header: flat[0].header, body: wrongMember(flat[0].body, "sign", 20)},
				"no channel":    edited(flat[0], replaced(`"channel":"QRPH",`, "")),
				"unsigned text": edited(flat[0], replaced(`{`, `{"reference_number":"1",`)),
			}},
		{"pts sealed", must(k.floorPTS(true)), must(k.ptsHandler([]payack.Scheme{payack.SchemeLiteral})), ptsAccepted, flat[0], true,
			map[string]message{
				"a line break":  edited(sealed[0], func(s string) string { return s[:40] + "\n" + s[40:] }),
				"a block less":  edited(sealed[0], func(s string) string { return s[:len(s)-64] }),
				"wrong padding": edited(sealed[0], func(s string) string { return string(wrongPadding([]byte(s))) }),
			}},
		{"payatom", must(k.floorPayatom()), must(k.payatomHandler(true, []payack.Scheme{payack.SchemeLiteral})), payatomAccepted, payatom[0], false,
			map[string]message{
				"no hash":      {header: payatom[0].header, body: withoutMember(payatom[0].body, "post_hash")},
				"wrong MAC":    {header: payatom[0].header, body: wrongMember(payatom[0].body, "post_hash", 30)},
				"wrong IV":     {header: payatom[0].header, body: wrongMember(payatom[0].body, "post_hash", 2)},
				"wrong text":   {header: payatom[0].header, body: wrongMember(payatom[0].body, "post_hash", 90)},
				"another sum":  edited(payatom[0], replaced(`"received_amount":1500.50`, `"received_amount":9500.50`)),
				"refund notes": edited(payatom[0], replaced("none was asked for", "x")),
			}},
	} {
		cases := c.more
		for name, f := range common {
			m := edited(c.genuine, f)
			if c.seal {
				m = must(k.seal(m.body))
			}
			cases[name] = m
		}
		for name, m := range cases {
			floor, full := status(c.floor, m, c.accepted), status(c.handler, m, c.accepted)
			if floor != full {
				t.Errorf("%s, %s: the floor accepts: %v, payack accepts: %v", c.name, name, floor, full)
			}
			if (name == "genuine") && !full {
				t.Errorf("%s: the genuine callback is refused", c.name)
			}
		}
	}
}

func wrongPadding(text []byte) []byte {
	sealed, err := strictBase64.DecodeString(string(text))
	if err != nil {
		return nil
	}
	sealed[len(sealed)-1] ^= 1
	return []byte(strictBase64.EncodeToString(sealed))
}

// status reports whether a handler accepts a message.
func status(h http.Handler, m message, accepted answer) bool {
	w := newHTTPWorker(h, accepted, same(m))
	w.load(1)
	w.call(0)
	got := &w.calls[0].w
	return got.status == accepted.status && string(got.body) == accepted.body
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func nothing() outcome {
	return outcome{Rows: make(map[string]figures), Values: make(map[string]float64)}
}

func TestServers(t *testing.T) {
	o := nothing()
	if err := testKit(t).measureServers(o, settings{rounds: 1, load: 20 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	measured(t, o, serverGoals)
	for name, v := range o.Values {
		if v <= 0 {
			t.Errorf("%s is %v", name, v)
		}
	}
	if n := strings.Count(serverTable([]outcome{o}), "\n"); n != 2+2*4 {
		t.Errorf("%d lines of servers", n)
	}
	if n := strings.Count(memoryTable([]outcome{o}), "\n"); n != 2+3 {
		t.Errorf("%d lines of memory", n)
	}
}

// A client must notice that a server does not give the wanted answer.
func TestClientsReadAnswers(t *testing.T) {
	k := testKit(t)
	ring := must(k.ptsSealed(payack.SchemeLiteral))
	// As long as SUCCESS, so that no client waits for more bytes.
	srv := must(startServer(trivial(answer{http.StatusOK, "FAILURE"}, func() {})))
	defer srv.close()
	for _, c := range clients {
		_, err := c.run(srv.addr, rendered(ring), ring, ptsAccepted, 10*time.Millisecond)
		if err == nil || !strings.Contains(err.Error(), `"FAILURE"`) {
			t.Errorf("%s takes FAILURE for SUCCESS: %v", c.name, err)
		}
	}
}

// The rows that show growth must have what they claim: bodies of the stated sizes,
// and full stores.
func TestGrowth(t *testing.T) {
	k := testKit(t)
	for _, p := range k.providers() {
		for _, size := range bodySizes[1:] {
			got := len(must(k.padded(p.name, size))[0].body)
			if got > size || got < size*9/10 {
				t.Errorf("%s: a body of %d bytes for %d", p.name, got, size)
			}
		}
	}
	o := must(k.changed([]change{withRemembered(1000)}))
	if n := o.Store.(*memstore.Store).Len(); n != 1000 {
		t.Errorf("%d events are remembered", n)
	}
}

// A lock that all goroutines wait for is reported under the function that holds it.
func TestLocksAreFound(t *testing.T) {
	o := nothing()
	var mu sync.Mutex
	slow := func() (http.Handler, error) {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			time.Sleep(time.Microsecond)
			w.WriteHeader(http.StatusOK)
		}), nil
	}
	ring := func() ([]message, error) { return make([]message, mostCores), nil }
	r := &row{name: "slow, 64 processors", parallel: true, procs: mostCores, calls: 1, worker: served(slow, ptopAccepted, ring)}
	if err := measureLocks(o, []*row{r}, settings{each: time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	if len(o.Values) == 0 || !strings.Contains(lockTable([]outcome{o}), "slow: `bench.TestLocksAreFound") {
		t.Errorf("%v\n%s", o.Values, lockTable([]outcome{o}))
	}
}

func TestDurable(t *testing.T) {
	o := nothing()
	takeOver(o, []byte(`goos: linux
BenchmarkInTx/SQLite/16/insert-2  	 1	 0 ns/op	 0.91 InTx_of_two_commits_and_marks	 251.4 InTx_per_s
BenchmarkInTx/SQLite/64/settlement  	 1	 0.85 InTx_of_two_commits_and_marks	 198 InTx_per_s
BenchmarkProcessing/MariaDB/16-2  	 1	 0.5 processed_of_two_commits	 419.8 processed_per_s
BenchmarkBeside/16-2  	 1	 288 own_kept_per_s	 1915 river_kept_per_s	 6.6 river_kept_of_own_kept
PASS
`))
	if v, ok := byHand("SQLite")(o); !ok || v != 0.85 {
		t.Errorf("the worst ratio of InTx is %v, %v", v, ok)
	}
	for _, want := range []string{"| 16 | 0.91, 251/s | ", "| 16 |  |  | 0.50, 420/s |"} {
		if table := durableTable([]outcome{o}); !strings.Contains(table, want) {
			t.Errorf("the table lacks %q:\n%s", want, table)
		}
	}
	if table := riverTable([]outcome{o}); !strings.Contains(table, "| 16 | 288/s | 1,920/s | 6.60 |") {
		t.Error(table)
	}
}

// The pages have a place for each table.
func TestPages(t *testing.T) {
	root := must(checkout())
	var pages string
	for _, page := range writtenPages {
		pages += string(must(os.ReadFile(filepath.Join(root, page))))
	}
	sections := report(nil, findings{Runs: []outcome{nothing()}})
	for _, p := range sections {
		begin, end := markers(p.name)
		if _, rest, found := strings.Cut(pages, begin); !found || !strings.Contains(rest, end) {
			t.Errorf("no page has a place for: %s", p.name)
		}
	}
	page := "before\n<!-- measured: rows -->\nold\n<!-- end -->\nbetween\n<!-- measured: memory -->\nkept\n<!-- end -->\n"
	got := filled(page, []section{{"rows", "new\n"}, {"targets", "nowhere\n"}})
	if want := strings.Replace(page, "old\n", "\nnew\n\n", 1); got != want {
		t.Errorf("%q", got)
	}
}

func TestCommand(t *testing.T) {
	t.Setenv(asCommand, "1")
	s, err := parse([]string{"-quick", "-runs", "2", "-run", "^ptop/(payack, with slog)$|^alone/slog$"})
	if err != nil {
		t.Fatal(err)
	}
	s.save = filepath.Join(t.TempDir(), "figures.json")
	var out, again bytes.Buffer
	if err := run(&out, s); err != nil {
		t.Fatal(err)
	}
	if err := run(&again, must(parse([]string{"-from", s.save}))); err != nil {
		t.Fatal(err)
	}
	if again.String() != out.String() {
		t.Errorf("the kept figures are reported otherwise:\n%s", &again)
	}
	for _, want := range []string{"| " + rowPinned + " |", "| payack, with slog |", "what slog adds to Ptop", "2 runs", "–"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, &out)
		}
	}
	for _, args := range [][]string{{"-n", "0"}, {"-runs", "0"}, {"-runs", "2", "-cpuprofile", "x"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("%v is no error", args)
		}
	}
	if err := run(&out, must(parse([]string{"-quick", "-run", "nothing"}))); err == nil {
		t.Error("a filter that matches nothing is no error")
	}
}

// BenchmarkRows runs the rows as benchmarks, for benchstat: go test -bench . -count 10
func BenchmarkRows(b *testing.B) {
	k := testKit(b)
	for _, r := range k.rows() {
		if r.parallel {
			continue
		}
		b.Run(r.key(), func(b *testing.B) {
			if err := r.open(); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			w := r.workers[0]
			b.ResetTimer()
			for i := range b.N {
				if i%r.calls == 0 {
					b.StopTimer()
					w.load(r.calls)
					b.StartTimer()
				}
				w.call(i % r.calls)
			}
		})
	}
}

func BenchmarkParallel(b *testing.B) {
	k := testKit(b)
	for _, r := range k.rows() {
		if !r.parallel {
			continue
		}
		b.Run(r.key(), func(b *testing.B) {
			if err := r.open(); err != nil {
				b.Fatal(err)
			}
			free := make(chan worker, len(r.workers))
			for _, w := range r.workers {
				free <- w
			}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				w := <-free
				defer func() { free <- w }()
				for i := 0; pb.Next(); i++ {
					if i%r.calls == 0 { // load counts as measured time: the timer runs for all goroutines
						w.load(r.calls)
					}
					w.call(i % r.calls)
				}
			})
		})
	}
}
