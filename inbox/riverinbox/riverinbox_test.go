package riverinbox_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/inbox/riverinbox"
	"github.com/payack/payack/payacktest"
)

var errShop = errors.New("the shop's own error")

// shop is a merchant with a receiver of PTS, whose function runs in a transaction.
type shop struct {
	t      *testing.T
	db     *sql.DB
	in     *riverinbox.Inbox
	pts    http.Handler
	settle func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error
}

func config(db *sql.DB) riverinbox.Config {
	return riverinbox.Config{Inbox: inbox.Config{
		DB: db, Logger: quiet, Poll: 10 * time.Millisecond, RetryFirst: 10 * time.Millisecond, RetryMax: 50 * time.Millisecond,
	}}
}

func open(t *testing.T, cfg riverinbox.Config) *shop {
	t.Helper()
	s := &shop{t: t, db: cfg.Inbox.DB}
	_, err := s.db.Exec(`CREATE TABLE effects (id TEXT NOT NULL)`)
	require.NoError(t, err)
	s.in, err = riverinbox.Open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { s.in.Close() })
	pts := payacktest.NewPTSKeys().Config()
	pts.Options = handlers.Options{Inbox: s.in, Name: "pts", Logger: quiet}
	s.pts, err = handlers.NewPTS(pts, inbox.InTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO effects (id) VALUES ($1)`, ev.OrderID); err != nil {
			return err
		}
		if s.settle == nil {
			return nil
		}
		return s.settle(ctx, tx, ev)
	}))
	require.NoError(t, err)
	return s
}

// run runs the inbox until the end of the test.
func (s *shop) run() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.in.Run(ctx) }()
	s.t.Cleanup(func() { cancel(); assert.NoError(s.t, <-ended) })
}

func (s *shop) pay(order string, status payack.PTSStatus) *http.Response {
	w := httptest.NewRecorder()
	s.pts.ServeHTTP(w, payacktest.PTS(payacktest.NewPTSKeys()).Order(order).Status(status).Callback(s.t).Request("/"))
	return w.Result()
}

func (s *shop) kept(order string) {
	s.t.Helper()
	payacktest.Accepted(s.t, payack.PTS, s.pay(order, payack.PTSSuccess))
}

func (s *shop) drain() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	require.NoError(s.t, s.in.Drain(ctx))
}

func (s *shop) count(query string, args ...any) (n int) {
	s.t.Helper()
	require.NoError(s.t, s.db.QueryRow(query, args...).Scan(&n))
	return n
}

func (s *shop) exec(query string, args ...any) {
	s.t.Helper()
	_, err := s.db.Exec(query, args...)
	require.NoError(s.t, err)
}

func (s *shop) item(order string) inbox.Item {
	s.t.Helper()
	items, err := s.in.List(s.t.Context(), inbox.Filter{OrderID: order}, 0, 1)
	require.NoError(s.t, err)
	require.Len(s.t, items, 1)
	return items[0]
}

// eventually waits until a condition holds, for at most a minute.
func (s *shop) eventually(what string, ok func() bool) {
	s.t.Helper()
	require.Eventually(s.t, ok, time.Minute, 20*time.Millisecond, what)
}

// The row and its job commit together.
func TestRowAndJobCommitTogether(t *testing.T) {
	t.Parallel()
	s := open(t, config(pool(t, fresh(t))))
	s.kept("A")
	row := s.item("A").ID
	assert.Equal(t, 1, s.count(`SELECT COUNT(*) FROM river_job WHERE queue = 'payack_pts' AND kind = 'payack_attempt' AND args = $1::jsonb`, fmt.Sprintf(`{"inbox_row": %d}`, row)))
	s.kept("A")
	assert.Equal(t, 1, s.count(`SELECT COUNT(*) FROM river_job`), "a duplicate has no job")

	s.exec(`ALTER TABLE river_job RENAME TO away`)
	res := s.pay("B", payack.PTSSuccess)
	assert.Equal(t, "FAILED", text(t, res), "without its job the receipt isn't kept")
	s.exec(`ALTER TABLE away RENAME TO river_job`)
	assert.Equal(t, 1, s.count(`SELECT COUNT(*) FROM payack_inbox`))
	s.kept("B")
	s.drain()
	assert.Equal(t, 2, s.count(`SELECT COUNT(*) FROM effects`))
}

func text(t *testing.T, res *http.Response) string {
	t.Helper()
	var b [100]byte
	n, _ := res.Body.Read(b[:])
	return string(b[:n])
}

// The job completes in the function's transaction. If the transaction is rolled
// back, the job is unchanged.
func TestJobCompletesInTheTransaction(t *testing.T) {
	t.Parallel()
	s := open(t, config(pool(t, fresh(t))))
	var inside, outside []string
	s.settle = func(ctx context.Context, tx *sql.Tx, _ *payack.PTSEvent) error {
		const query = `SELECT state FROM river_job`
		var in, out string
		if err := errors.Join(tx.QueryRowContext(ctx, query).Scan(&in), s.db.QueryRowContext(ctx, query).Scan(&out)); err != nil {
			return err
		}
		inside, outside = append(inside, in), append(outside, out)
		if len(inside) == 1 {
			return errShop
		}
		return nil
	}
	s.kept("A")
	s.run()
	s.eventually("done", func() bool { return s.item("A").State == inbox.Done })
	assert.Equal(t, []string{"completed", "completed"}, inside)
	assert.Equal(t, []string{"running", "running"}, outside)
	assert.Equal(t, 1, s.count(`SELECT COUNT(*) FROM effects`))
	s.eventually("the job says how the first attempt failed", func() bool {
		return s.count(`SELECT COUNT(*) FROM river_job WHERE state = 'completed' AND attempt = 2 AND errors[1]->>'error' LIKE '%callback%'`) == 1
	})
}

// The job of a dead letter is cancelled with the reason. A retry gets another
// job.
func TestDeadLetter(t *testing.T) {
	t.Parallel()
	cfg := config(pool(t, fresh(t)))
	cfg.Inbox.GiveUp, cfg.Inbox.LeastAttempts = 1, 1
	s := open(t, cfg)
	s.settle = func(context.Context, *sql.Tx, *payack.PTSEvent) error { return errShop }
	s.kept("A")
	s.run()
	s.eventually("dead", func() bool {
		return s.count(`SELECT COUNT(*) FROM river_job WHERE state = 'cancelled' AND errors[1]->>'error' LIKE '%'||$1||'%'`, errShop.Error()) == 1
	})
	assert.Equal(t, inbox.Dead, s.item("A").State)
	s.exec(`UPDATE river_job SET state = 'available', finalized_at = NULL, scheduled_at = now()`) // a person retries it in River
	s.eventually("nothing to do", func() bool { return s.count(`SELECT COUNT(*) FROM river_job WHERE state = 'completed'`) == 1 })
	assert.Equal(t, 1, s.item("A").Attempts, "a dead letter is retried through the inbox")
	s.exec(`UPDATE payack_inbox SET since_us = 1`)
	require.NoError(t, s.in.Retry(t.Context(), s.item("A").ID))
	s.eventually("tried again", func() bool {
		return s.item("A").Attempts == 2 && s.count(`SELECT COUNT(*) FROM river_job WHERE state = 'cancelled'`) == 1
	})
}

// A row that has lost its job is processed nevertheless, because the row is the
// record. The same holds for a row that was kept before River scheduled the
// inbox.
func TestForgottenByRiver(t *testing.T) {
	t.Parallel()
	dsn := fresh(t)
	cfg := config(pool(t, dsn)).Inbox
	cfg.Dialect = inbox.PostgreSQL
	before, err := inbox.Open(t.Context(), cfg)
	require.NoError(t, err)
	defer before.Close()
	pts := payacktest.NewPTSKeys().Config()
	pts.Options = handlers.Options{Inbox: before, Name: "pts", Logger: quiet}
	h, err := handlers.NewPTS(pts, func(context.Context, *payack.PTSEvent) error { return nil })
	require.NoError(t, err)
	payacktest.Accepted(t, payack.PTS, payacktest.PTS(payacktest.NewPTSKeys()).Order("A").Callback(t).Deliver(h))

	s := open(t, config(pool(t, dsn)))
	s.kept("B")
	s.exec(`DELETE FROM river_job`)
	s.exec(`UPDATE payack_inbox SET next_us = next_us - 6000000`) // due long ago
	s.run()
	s.eventually("processed", func() bool { return s.count(`SELECT COUNT(*) FROM effects`) == 2 })
	assert.Equal(t, 2, s.count(`SELECT COUNT(DISTINCT id) FROM effects`))
}

// While an event of a payment runs, the job of another event of the payment
// snoozes.
func TestSecondSnoozes(t *testing.T) {
	t.Parallel()
	s := open(t, config(pool(t, fresh(t))))
	began, goOn := make(chan string, 2), make(chan struct{})
	s.settle = func(_ context.Context, _ *sql.Tx, ev *payack.PTSEvent) error {
		began <- string(ev.Status)
		<-goOn
		return nil
	}
	s.pay("A", payack.PTSProcessing)
	s.run()
	first := <-began
	s.pay("A", payack.PTSSuccess)
	s.eventually("snoozed", func() bool {
		return s.count(`SELECT COUNT(*) FROM river_job WHERE (metadata->>'snoozes')::int > 1 AND attempt = 0`) == 1
	})
	assert.Empty(t, began)
	close(goOn)
	s.eventually("both done", func() bool { return s.count(`SELECT COUNT(*) FROM effects`) == 2 })
	assert.NotEqual(t, first, <-began)
}

// greet is a job of the merchant's own.
type greet struct {
	Order string `json:"order"`
}

func (greet) Kind() string { return "greet" }

// The merchant's own client works the jobs of the inbox and jobs of the merchant.
// The function inserts a job of the merchant in its transaction. While Run
// doesn't run, the inbox's jobs wait.
func TestOwnClient(t *testing.T) {
	t.Parallel()
	cfg := config(pool(t, fresh(t)))
	driver := riverdatabasesql.New(cfg.Inbox.DB)
	migrator, err := rivermigrate.New(driver, nil)
	require.NoError(t, err)
	_, err = migrator.Migrate(t.Context(), rivermigrate.DirectionUp, nil)
	require.NoError(t, err)
	greeted := make(chan string, 10)
	cfg.Workers = river.NewWorkers()
	river.AddWorker(cfg.Workers, river.WorkFunc(func(_ context.Context, j *river.Job[greet]) error {
		greeted <- j.Args.Order
		return nil
	}))
	cfg.Client, err = river.NewClient(driver, &river.Config{
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 2}}, Workers: cfg.Workers, Logger: quiet, FetchPollInterval: 100 * time.Millisecond,
	})
	require.NoError(t, err)
	s := open(t, cfg)
	s.settle = func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
		_, err := river.ClientFromContext[*sql.Tx](ctx).InsertTx(ctx, tx, greet{ev.OrderID}, nil)
		return err
	}
	require.NoError(t, cfg.Client.Start(t.Context()))
	t.Cleanup(func() { assert.NoError(t, cfg.Client.Stop(context.Background())) })
	s.kept("A")
	ordinary := func(order string) { // shows that the client works a job of the merchant
		_, err := cfg.Client.Insert(t.Context(), greet{order}, nil)
		require.NoError(t, err)
		assert.Equal(t, order, <-greeted)
	}
	untouched := func(order string) {
		t.Helper()
		time.Sleep(300 * time.Millisecond)
		assert.Equal(t, inbox.Pending, s.item(order).State)
		assert.Equal(t, 1, s.count(`SELECT COUNT(*) FROM river_job WHERE kind = 'payack_attempt' AND state = 'available' AND attempt = 0 AND attempted_at IS NULL AND metadata->>'snoozes' IS NULL`), "River left it alone")
	}
	ordinary("before")
	untouched("A")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.in.Run(ctx) }()
	assert.Equal(t, "A", <-greeted)
	assert.Equal(t, inbox.Done, s.item("A").State)
	cancel()
	require.NoError(t, <-ended)
	s.kept("B")
	ordinary("after")
	untouched("B")
	s.run()
	assert.Equal(t, "B", <-greeted)

	_, err = riverinbox.Open(t.Context(), cfg)
	require.ErrorContains(t, err, "give each inbox a client")
}

func TestConfig(t *testing.T) {
	t.Parallel()
	db := pool(t, fresh(t))
	insertOnly, err := river.NewClient(riverdatabasesql.New(db), &river.Config{Logger: quiet})
	require.NoError(t, err)
	for _, c := range []struct {
		name, want string
		cfg        riverinbox.Config
	}{
		{"another database", "riverinbox needs inbox.PostgreSQL", riverinbox.Config{Inbox: inbox.Config{DB: db, Dialect: inbox.MySQL}}},
		{"no database", "inbox: Config.DB is nil", riverinbox.Config{}},
		{"a client without its workers", "Config.Workers is nil", riverinbox.Config{Inbox: inbox.Config{DB: db}, Client: insertOnly}},
		{"workers without their client", "without a Client", riverinbox.Config{Inbox: inbox.Config{DB: db}, Workers: river.NewWorkers()}},
		{"no tables of the inbox", "the tables", riverinbox.Config{Inbox: inbox.Config{DB: db, NoMigrate: true}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := riverinbox.Open(t.Context(), c.cfg)
			require.ErrorContains(t, err, c.want)
		})
	}
	t.Run("no tables of River", func(t *testing.T) {
		require.NoError(t, inbox.Migrate(t.Context(), inbox.Config{DB: db, Dialect: inbox.PostgreSQL}))
		_, err := riverinbox.Open(t.Context(), riverinbox.Config{Inbox: inbox.Config{DB: db, NoMigrate: true, Logger: quiet}})
		require.ErrorContains(t, err, "river migrate-up")
	})
	t.Run("a client that only inserts", func(t *testing.T) {
		_, err := riverinbox.Open(t.Context(), riverinbox.Config{Inbox: inbox.Config{DB: db, Logger: quiet}, Client: insertOnly, Workers: river.NewWorkers()})
		require.ErrorContains(t, err, "make the client with a queue and with Workers")
	})
}

// Several processes that start at once create the tables of the inbox and of
// River.
func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	dsn := fresh(t)
	opened := make(chan error)
	const processes = 5
	for range processes {
		cfg := config(pool(t, dsn))
		go func() {
			in, err := riverinbox.Open(context.Background(), cfg)
			if err == nil {
				err = in.Close()
			}
			opened <- err
		}()
	}
	for range processes {
		assert.NoError(t, <-opened)
	}
}

// A second Run returns an error while the first runs. Run can be called again
// after it has ended.
func TestRunAgain(t *testing.T) {
	t.Parallel()
	s := open(t, config(pool(t, fresh(t))))
	for n := range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.in.Run(ctx) }()
		s.kept(fmt.Sprint("ORD-", n))
		s.eventually("processed", func() bool { return s.count(`SELECT COUNT(*) FROM effects`) == n+1 })
		assert.ErrorContains(t, s.in.Run(ctx), "running already")
		cancel()
		require.NoError(t, <-ended)
	}
	go func() { _ = s.in.Close() }()
	require.NoError(t, s.in.Close())
	require.ErrorIs(t, s.in.Run(t.Context()), inbox.ErrClosed)
	assert.Equal(t, "FAILED", text(t, s.pay("LATE", payack.PTSSuccess)))
}

// If River accepts a receiver's name, the queue's name contains it unchanged.
func TestQueues(t *testing.T) {
	t.Parallel()
	for receiver, want := range map[string]string{
		"pts": "^payack_pts$", "pts-eu_2": "^payack_pts-eu_2$", "pts:1": "^payack_pts_1_[0-9a-f]{8}$", "PTS:1": "^payack_pts_1_[0-9a-f]{8}$",
		"заказы": "^payack_[0-9a-f]{8}$", "a__b": "^payack_a_b_[0-9a-f]{8}$",
		"a-name-that-is-longer-than-the-sixty-four-characters-that-a-queue-may-have": "^payack_a_name_that_[a-z_]+_[0-9a-f]{8}$",
	} {
		assert.Regexp(t, want, riverinbox.QueueOf("", receiver), receiver)
		assert.LessOrEqual(t, len(riverinbox.QueueOf("", receiver)), 64)
	}
	assert.NotEqual(t, riverinbox.QueueOf("", "pts:1"), riverinbox.QueueOf("", "PTS:1"))
}
