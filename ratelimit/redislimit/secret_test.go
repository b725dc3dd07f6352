package redislimit_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/payack/payack/ratelimit"
	"github.com/payack/payack/ratelimit/redislimit"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// saying starts a server that gives the same answer to every command.
func saying(t *testing.T, answer string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var mu sync.Mutex
	var conns []net.Conn
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range conns {
			_ = c.Close()
		}
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			go func() {
				for r := bufio.NewReader(c); ; {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					var args int
					if n, _ := fmt.Sscanf(line, "*%d\r\n", &args); n == 0 {
						continue
					}
					for range 2 * args {
						if _, err := r.ReadString('\n'); err != nil {
							return
						}
					}
					if _, err := io.WriteString(c, answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// hangingUp starts a server that gives no answer to a script. It counts the script and
// closes the connection.
func hangingUp(t *testing.T) (addr string, scripts *atomic.Int64) {
	t.Helper()
	scripts = new(atomic.Int64)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for r := bufio.NewReader(c); ; {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					switch strings.ToLower(strings.TrimSpace(line)) {
					case "evalsha":
						scripts.Add(1)
						return
					case "hello":
						_, _ = io.WriteString(c, "-ERR unknown command 'HELLO'\r\n")
					case "command":
						_, _ = io.WriteString(c, "*0\r\n")
					}
				}
			}()
		}
	}()
	return l.Addr().String(), scripts
}

// quoting lists answers that repeat what was sent, as some servers do.
var quoting = []string{
	"-ERR unknown command 'AUTH', with args beginning with: 'user' 'secretpassword'\r\n",
	"-ERR unknown command `AUTH`, with args beginning with: `user`, `secretpassword`, \r\n",
	"-ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'user' 'secretpassw\r\n",
	"-ERR bad line: AUTH user secretpassword\r\n",
	"-secretpassword\r\n",
	"-ERR secretpassw (cut)\r\n",
	"-WRONGPASS user:secretpassword\r\n",
}

// checkQuiet checks that an error is one line and does not hold the password,
// however it is printed.
func checkQuiet(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	assert.NotErrorIs(t, err, context.DeadlineExceeded, "without an answer, there is nothing to hide")
	for e := err; e != nil; e = errors.Unwrap(e) {
		assert.NotContains(t, fmt.Sprintf("%v %+v %#v", e, e, e), "secretp")
	}
	assert.NotContains(t, err.Error(), "\n")
	assert.Less(t, len(err.Error()), 500)
	assert.True(t, strings.HasPrefix(err.Error(), "redislimit: "), err)
}

func TestNoErrorHoldsThePassword(t *testing.T) {
	ctx := context.Background()
	for i, answer := range quoting {
		addr := saying(t, answer)
		static := redis.Options{Addr: addr, Username: "user", Password: "secretpassword", ContextTimeoutEnabled: true}
		provided := redis.Options{Addr: addr, ContextTimeoutEnabled: true, CredentialsProvider: func() (string, string) { return "user", "secretpassword" }}
		cluster := redis.ClusterOptions{Addrs: []string{addr}, Username: "user", Password: "secretpassword", ContextTimeoutEnabled: true}
		ring := redis.RingOptions{Addrs: map[string]string{"a": addr}, Username: "user", Password: "secretpassword", ContextTimeoutEnabled: true}
		for name, open := range map[string]func(redislimit.Config) (*redislimit.Limiter, error){
			"Open": func(cfg redislimit.Config) (*redislimit.Limiter, error) {
				return redislimit.Open("redis://user:secretpassword@"+addr, cfg)
			},
			"New":           func(cfg redislimit.Config) (*redislimit.Limiter, error) { return redislimit.New(&static, cfg) },
			"New, provided": func(cfg redislimit.Config) (*redislimit.Limiter, error) { return redislimit.New(&provided, cfg) },
			"client": func(cfg redislimit.Config) (*redislimit.Limiter, error) {
				return redislimit.NewWithClient(closing(t, redis.NewClient(&static)), cfg)
			},
			"client, provided": func(cfg redislimit.Config) (*redislimit.Limiter, error) {
				return redislimit.NewWithClient(closing(t, redis.NewClient(&provided)), cfg)
			},
			"cluster": func(cfg redislimit.Config) (*redislimit.Limiter, error) {
				return redislimit.NewWithClient(closing(t, redis.NewClusterClient(&cluster)), cfg)
			},
			"ring": func(cfg redislimit.Config) (*redislimit.Limiter, error) {
				return redislimit.NewWithClient(closing(t, redis.NewRing(&ring)), cfg)
			},
			"wrapped": func(cfg redislimit.Config) (*redislimit.Limiter, error) {
				return redislimit.NewWithClient(struct{ *redis.Client }{closing(t, redis.NewClient(&static))}, cfg)
			},
		} {
			t.Run(fmt.Sprint(i, " ", name), func(t *testing.T) {
				for method, call := range map[string]func(*redislimit.Limiter) (ratelimit.Decision, error){
					"Allow": func(l *redislimit.Limiter) (ratelimit.Decision, error) { return l.Allow(ctx, "k") },
					"Peek":  func(l *redislimit.Limiter) (ratelimit.Decision, error) { return l.Peek(ctx, "k") },
				} {
					checkQuiet(t, answered(func() error {
						var told changes
						l, err := open(redislimit.Config{Budget: budget, Prefix: freshPrefix(), Failures: 1, CoolDown: time.Hour, OnChange: told.add})
						require.NoError(t, err)
						defer l.Close()
						d, err := call(l)
						require.NoError(t, err, method)
						assert.True(t, d.Allowed, method)
						require.Len(t, told.all(), 1, method)
						err = ping(l)
						checkQuiet(t, err)
						t.Log(told.all()[0].Err, err)
						return told.all()[0].Err
					}))
				}
			})
		}
	}
}
