package inbox_test

import (
	"bufio"
	"context"
	"database/sql"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/payacktest"
)

var kills = flag.Int("kills", 0, "how often TestKilled kills the receiver on each database; 0 is 30, or 3 with -short")

const (
	roleName  = "PAYACK_INBOX_ROLE"
	leaseName = "PAYACK_INBOX_LEASE"
	// fatal is an order whose function ends the process.
	fatal = "FATAL"
)

// play is the life of a process that tests start: a receiver on the database that
// its role names, until it is killed.
func play(role string) int {
	name, dsn, _ := strings.Cut(role, " ")
	for _, d := range databases {
		if d.name == name {
			if err := serve(d, dsn); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
	}
	return 1
}

// tables of the merchant. Nothing in them is unique: what happens twice stands
// there twice.
const (
	effectsTable = `CREATE TABLE IF NOT EXISTS effects (id VARCHAR(200) NOT NULL)`
	mailsTable   = `CREATE TABLE IF NOT EXISTS mails (id VARCHAR(200) NOT NULL)`
)

func serve(d database, dsn string) error {
	db, err := connect(d.driver, dsn)
	if err != nil {
		return err
	}
	lease, _ := time.ParseDuration(os.Getenv(leaseName))
	in, err := inbox.Open(context.Background(), inbox.Config{DB: db, Dialect: d.dialect, Logger: quiet, Lease: lease, RetryFirst: 20 * time.Millisecond, RetryMax: 100 * time.Millisecond, LeastAttempts: 3})
	if err != nil {
		return err
	}
	pts := payacktest.NewPTSKeys().Config()
	pts.Options = handlers.Options{Inbox: in, Logger: quiet}
	exactly, err := handlers.NewPTS(pts, inbox.InTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
		_, err := tx.ExecContext(ctx, d.dialect.Rebind(`INSERT INTO effects (id) VALUES (?)`), ev.OrderID)
		return err
	}))
	if err != nil {
		return err
	}
	atom := payacktest.NewPayatomKeys().Config()
	atom.Options = handlers.Options{Inbox: in, Logger: quiet}
	least, err := handlers.NewPayatom(atom, func(ctx context.Context, ev *payack.PayatomEvent) error {
		if ev.OrderID == fatal {
			os.Exit(3)
		}
		_, err := db.ExecContext(ctx, d.dialect.Rebind(`INSERT INTO mails (id) VALUES (?)`), ev.OrderID)
		return err
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/pts", exactly)
	mux.Handle("/payatom", least)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = in.Run(context.Background()) }()
	fmt.Println("http://" + l.Addr().String())
	return http.Serve(l, mux)
}

// process is a receiver in a process of its own.
type process struct {
	cmd *exec.Cmd
	url string
}

func (d database) start(t testing.TB, dsn, lease string) *process {
	t.Helper()
	p, out := d.launch(t, dsn, lease)
	p.ready(t, out)
	return p
}

// launch doesn't wait for the process, which writes a line when it is ready.
func (d database) launch(t testing.TB, dsn, lease string) (*process, io.Reader) {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), roleName+"="+d.name+" "+dsn, leaseName+"="+lease)
	p.cmd.Stderr = os.Stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(p.kill)
	return p, out
}

func (p *process) ready(t testing.TB, out io.Reader) {
	t.Helper()
	url, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "the receiver did not start")
	p.url = strings.TrimSpace(url)
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// load posts callbacks until it is stopped, and knows what was acknowledged.
type load struct {
	mu     sync.Mutex
	url    string
	acked  map[string]bool // by order
	sent   atomic.Int64
	slow   time.Duration // the longest that an answer took
	refuse atomic.Int64
}

func (l *load) at(url string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.url = url
}

func (l *load) client(ctx context.Context, t testing.TB, prefix string) {
	client := &http.Client{Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	for n := 0; ctx.Err() == nil; n++ {
		order := fmt.Sprint(prefix, "-", n)
		path, cb := "/pts", payacktest.Callback{}
		if n%2 == 0 {
			cb = payacktest.PTS(payacktest.NewPTSKeys()).Order(order).Callback(t)
		} else {
			path, cb = "/payatom", payacktest.Payatom(payacktest.NewPayatomKeys()).Order(order).Callback(t)
		}
		for ctx.Err() == nil { // as a provider does: again, until it is acknowledged
			l.mu.Lock()
			url := l.url
			l.mu.Unlock()
			l.sent.Add(1)
			began := time.Now()
			res, err := cb.Post(context.WithoutCancel(ctx), client, url+path)
			if err == nil {
				var body [200]byte
				k, _ := res.Body.Read(body[:])
				answer := string(body[:k])
				l.mu.Lock()
				l.slow = max(l.slow, time.Since(began))
				yes := res.StatusCode == 200 && (answer == "SUCCESS" || strings.Contains(answer, `"yes"`))
				if yes {
					l.acked[order] = true
				}
				l.mu.Unlock()
				if yes {
					time.Sleep(10 * time.Millisecond) // so that processing keeps up
					break
				}
				l.refuse.Add(1)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// begin starts some clients; end ends them.
func begin(t testing.TB, url string, clients int) (l *load, end func()) {
	l = &load{url: url, acked: map[string]bool{}}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() { l.client(ctx, t, fmt.Sprint("C", c)) })
	}
	return l, func() { cancel(); all.Wait() }
}

// settledAll asserts that all that was acknowledged was processed, none of it later
// than so long after the one before, and what ran in a transaction exactly once.
func settledAll(t testing.TB, db *sql.DB, l *load, within time.Duration) {
	t.Helper()
	counts := func(table, by string) map[string]int {
		rows, err := db.Query(`SELECT ` + by + `, COUNT(*) FROM ` + table + ` GROUP BY ` + by)
		if err != nil {
			return nil
		}
		defer rows.Close()
		out := map[string]int{}
		for rows.Next() {
			var value string
			var n int
			require.NoError(t, rows.Scan(&value, &n))
			out[value] = n
		}
		return out
	}
	var effects, mails map[string]int
	missing := func() (n int) {
		effects, mails = counts("effects", "id"), counts("mails", "id")
		for order := range l.acked {
			if effects[order]+mails[order] == 0 {
				n++
			}
		}
		return n
	}
	// What is left is slow as long as it becomes less, and lost when it does not.
	left := missing()
	for end := time.Now().Add(within); left > 0 && time.Now().Before(end); {
		time.Sleep(100 * time.Millisecond)
		if now := missing(); now < left {
			left, end = now, time.Now().Add(within)
		}
	}
	if !assert.Zero(t, left, "acknowledged and never processed") {
		t.Log("rows by state:", counts("payack_inbox", "state"))
	}
	twice := 0
	for id, n := range effects {
		assert.Equal(t, 1, n, "processed more than once in a transaction: %s", id)
	}
	for _, n := range mails {
		if n > 1 {
			twice++
		}
	}
	t.Logf("%d sent, %d acknowledged, %d effects in transactions, %d without (%d of them more than once), slowest answer %v",
		l.sent.Load(), len(l.acked), len(effects), len(mails), twice, l.slow.Round(time.Millisecond))
}

// Killed at random moments under load: what was acknowledged is processed after
// the restart, in a transaction exactly once.
//
//	go test -run TestKilled -kills 1000 -timeout 0 .
func TestKilled(t *testing.T) {
	t.Parallel()
	rounds := *kills
	switch {
	case rounds > 0:
	case testing.Short():
		rounds = 3
	default:
		rounds = 30
	}
	each(t, func(t *testing.T, d database) {
		dsn := d.dsn(t)
		db := d.pool(t, dsn)
		for _, table := range []string{effectsTable, mailsTable} {
			_, err := db.Exec(table)
			require.NoError(t, err)
		}
		p := d.start(t, dsn, "1s")
		l, end := begin(t, p.url, 6)
		for range rounds {
			time.Sleep(time.Duration(50+rand.IntN(350)) * time.Millisecond)
			p.kill()
			p = d.start(t, dsn, "1s")
			l.at(p.url)
		}
		time.Sleep(200 * time.Millisecond)
		end()
		t.Logf("%d kills", rounds)
		settledAll(t, db, l, time.Minute)
	})
}

// With the default lease an attempt whose process was killed is due again within
// 15 seconds.
func TestKilledIsDueAgainSoon(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it waits for the default lease")
	}
	each(t, func(t *testing.T, d database) {
		s := open(t, d, func(c *inbox.Config) { c.Lease = 0 }).mount()
		stuck, goOn := make(chan struct{}), make(chan struct{})
		t.Cleanup(func() { close(goOn) })
		s.says(func(context.Context, payack.Event) error { close(stuck); <-goOn; return nil }, nil)
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess))
		go func() { _ = s.in.Run(context.Background()) }()
		<-stuck
		began := time.Now()
		for _, table := range []string{"payack_running", "payack_inbox"} { // as if its process had ended: nobody renews it
			s.exec(`UPDATE ` + table + ` SET token = ` + d.bytes("00"))
		}
		other := d.openAt(t, s.dsn, func(c *inbox.Config) { c.Lease = 0 }).mount()
		other.run()
		// The first process still holds the event in memory; this one has its own.
		require.Eventually(t, func() bool {
			record, err := other.in.Get(t.Context(), 1)
			return err == nil && record.Attempts >= 2
		}, 20*time.Second, 20*time.Millisecond)
		t.Log(time.Since(began))
		assert.Less(t, time.Since(began), 15*time.Second)
	})
}

// Two processes on the same tables, on one file of SQLite too: what was
// acknowledged by either is processed, in a transaction exactly once.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d database) {
		if testing.Short() && d.dialect != inbox.SQLite {
			t.Skip("processes take long to start under the race detector")
		}
		dsn := d.dsn(t)
		db := d.pool(t, dsn)
		for _, table := range []string{effectsTable, mailsTable} {
			_, err := db.Exec(table)
			require.NoError(t, err)
		}
		one, two := d.start(t, dsn, "1s"), d.start(t, dsn, "1s")
		// The same callbacks at both.
		first, endFirst := begin(t, one.url, 3)
		second, endSecond := begin(t, two.url, 3)
		time.Sleep(1500 * time.Millisecond)
		endFirst()
		endSecond()
		settledAll(t, db, first, 30*time.Second)
		settledAll(t, db, second, 30*time.Second)
		assert.NotEmpty(t, first.acked)
		assert.NotEmpty(t, second.acked)
	})
}

// A function that ends the process is called a few times and not for ever: its
// attempts count when they begin. Other events are processed all the same.
func TestFunctionThatEndsTheProcess(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d database) {
		if testing.Short() && d.dialect != inbox.SQLite {
			t.Skip("processes take long to start under the race detector")
		}
		s := open(t, d)
		s.exec(effectsTable)
		s.exec(mailsTable)
		p := d.start(t, s.dsn, "300ms")
		post := func(order string) {
			res, err := payacktest.Payatom(payacktest.NewPayatomKeys()).Order(order).Callback(t).Post(t.Context(), nil, p.url+"/payatom")
			require.NoError(t, err)
			payacktest.Accepted(t, payack.Payatom, res)
		}
		post("ORD-1")
		post(fatal)
		row := func() inbox.Item {
			items, err := s.in.List(t.Context(), inbox.Filter{OrderID: fatal}, 0, 1)
			require.NoError(t, err)
			require.Len(t, items, 1)
			return items[0]
		}
		starts := 1
		for ; row().State != inbox.Dead && starts < 30; starts++ {
			_ = p.cmd.Wait()
			s.exec(`UPDATE payack_inbox SET since_us = 1 WHERE order_id = '` + fatal + `'`) // it has been tried for days
			p = d.start(t, s.dsn, "300ms")
			for end := time.Now().Add(10 * time.Second); row().State != inbox.Dead && !p.ended(); time.Sleep(20 * time.Millisecond) {
				require.True(t, time.Now().Before(end), "%+v", row())
			}
		}
		assert.Equal(t, inbox.Dead, row().State)
		assert.Equal(t, 3, row().Attempts)
		assert.EqualValues(t, "crashed", row().Reason)
		post("ORD-2")
		require.Eventually(t, func() bool {
			var n int
			err := s.db.QueryRow(`SELECT COUNT(DISTINCT id) FROM mails`).Scan(&n)
			return err == nil && n == 2
		}, 10*time.Second, 20*time.Millisecond)
	})
}

// ended reports whether the process is a zombie, or gone.
func (p *process) ended() bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}
