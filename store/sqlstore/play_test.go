package sqlstore_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/internal/testserver"
	"github.com/payack/payack/store/sqlstore"
)

// These environment variables make the test binary play a role, such as a
// merchant's server, instead of running the tests.
const (
	roleName    = "PAYACK_SQLSTORE_ROLE"
	dialectName = "PAYACK_SQLSTORE_DIALECT"
	dsnName     = "PAYACK_SQLSTORE_DSN"
	// deadlineName holds the receiver's deadline; the lease is a fifth longer.
	deadlineName = "PAYACK_SQLSTORE_DEADLINE"
)

// play is the main function of a process with a role.
func play(role string) int {
	err := func() error {
		var d database
		for _, each := range databases {
			if each.name == os.Getenv(dialectName) {
				d = each
			}
		}
		db, err := sql.Open(d.driver, os.Getenv(dsnName))
		if err != nil {
			return err
		}
		db.SetMaxOpenConns(8)
		db.SetMaxIdleConns(8)
		cfg := sqlstore.Config{DB: db, Dialect: d.dialect, Logger: (&log{}).logger()}
		switch role {
		case "migrate":
			// The end of standard input starts all processes at once.
			_, _ = io.Copy(io.Discard, os.Stdin)
			return sqlstore.Migrate(context.Background(), cfg)
		case "serve":
			return serve(cfg)
		}
		return fmt.Errorf("the role %s is unknown", role)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// serve is a merchant's server that runs until it is killed. Its function writes
// each effect in two parts.
func serve(cfg sqlstore.Config) error {
	store, err := sqlstore.Open(context.Background(), cfg)
	if err != nil {
		return err
	}
	deadline, err := time.ParseDuration(os.Getenv(deadlineName))
	if err != nil {
		return err
	}
	insert := cfg.Dialect.Rebind(`INSERT INTO effects (id, part) VALUES (?, ?)`)
	h, err := handlers.NewPayatom(handlers.PayatomConfig{
		SecretKeys: []payack.Secret{payatomKeys.SecretKey},
		Expect: func(context.Context, *payack.PayatomEvent) (payack.Expectation, error) {
			return payack.Expectation{Found: true, Amount: payack.NewAmount("500")}, nil
		},
		Options: handlers.Options{Store: store, Deadline: deadline, Lease: deadline * 6 / 5, Logger: (&log{}).logger()},
	}, sqlstore.InTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PayatomEvent) error {
		for part := range 2 {
			if _, err := tx.ExecContext(ctx, insert, ev.OrderID, part); err != nil {
				return err
			}
			time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond)
		}
		return nil
	}))
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", l.Addr())
	return http.Serve(l, h)
}

// command returns a process for a role, not yet started.
func (p *place) command(role string, more ...string) *exec.Cmd {
	c := exec.Command(os.Args[0])
	c.Env = append(append(os.Environ(), roleName+"="+role, dialectName+"="+p.name, dsnName+"="+p.dsn), more...)
	c.Stderr = os.Stderr
	return c
}

// process is a running server.
type process struct {
	*exec.Cmd
	url string
}

func (p *place) process(t testing.TB, deadline time.Duration) *process {
	t.Helper()
	c := p.command("serve", deadlineName+"="+deadline.String())
	c.SysProcAttr = testserver.Child()
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() { _, _ = c.Process.Kill(), c.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return &process{c, strings.TrimSpace(line)}
}

// post delivers an order's webhook, and reports whether it was accepted. A
// missing answer counts as not accepted.
func (s *process) post(t testing.TB, client *http.Client, order string) bool {
	res, err := webhook(t, order).Post(context.Background(), client, s.url)
	if err != nil {
		return false
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	return err == nil && strings.Contains(string(body), `"acknowledge":"yes"`)
}
