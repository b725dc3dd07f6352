package redisstore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/payack/payack/store/redisstore"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// saying starts a server that answers every command with the same text, and
// returns its address.
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

// quoting holds answers that repeat the command, in the words of real servers.
var quoting = []string{
	"-ERR unknown command 'AUTH', with args beginning with: 'user' 'secretpassword'\r\n",
	"-ERR unknown command `AUTH`, with args beginning with: `user`, `secretpassword`, \r\n",
	"-ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'user' 'secretpassw\r\n",
	"-ERR bad line: AUTH user secretpassword\r\n",
	"-secretpassword\r\n",
	"-ERR secretpassw (cut)\r\n",
	"-WRONGPASS user:secretpassword\r\n",
}

// checkQuiet checks that an error is one short line that begins with the
// package's name. It also checks that no way of printing the error shows the
// password.
func checkQuiet(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	for e := err; e != nil; e = errors.Unwrap(e) {
		assert.NotContains(t, fmt.Sprintf("%v %+v %#v", e, e, e), "secretp")
	}
	assert.NotContains(t, err.Error(), "\n")
	assert.Less(t, len(err.Error()), 500)
	assert.True(t, strings.HasPrefix(err.Error(), "redisstore: "), err)
}

func TestNoErrorHoldsThePassword(t *testing.T) {
	ctx := context.Background()
	for i, answer := range quoting {
		addr := saying(t, answer)
		static := redis.Options{Addr: addr, Username: "user", Password: "secretpassword", ContextTimeoutEnabled: true}
		provided := redis.Options{Addr: addr, ContextTimeoutEnabled: true, CredentialsProvider: func() (string, string) { return "user", "secretpassword" }}
		withContext := redis.Options{Addr: addr, ContextTimeoutEnabled: true, CredentialsProviderContext: func(context.Context) (string, string, error) {
			return "user", "secretpassword", nil
		}}
		cluster := redis.ClusterOptions{Addrs: []string{addr}, Username: "user", Password: "secretpassword", ContextTimeoutEnabled: true}
		cfg := redisstore.Config{Timeout: 500 * time.Millisecond, Prefix: freshPrefix()}
		stores := map[string]func() (*redisstore.Store, error){
			"Open": func() (*redisstore.Store, error) {
				return redisstore.Open("redis://user:secretpassword@"+addr, cfg)
			},
			"New":                      func() (*redisstore.Store, error) { return redisstore.New(&static, cfg) },
			"New, provided":            func() (*redisstore.Store, error) { return redisstore.New(&provided, cfg) },
			"client":                   func() (*redisstore.Store, error) { return redisstore.NewWithClient(client(t, &static), cfg) },
			"client, provided":         func() (*redisstore.Store, error) { return redisstore.NewWithClient(client(t, &provided), cfg) },
			"client, from its context": func() (*redisstore.Store, error) { return redisstore.NewWithClient(client(t, &withContext), cfg) },
			"cluster": func() (*redisstore.Store, error) {
				c := redis.NewClusterClient(&cluster)
				t.Cleanup(func() { _ = c.Close() })
				return redisstore.NewWithClient(c, cfg)
			},
			"wrapped": func() (*redisstore.Store, error) {
				return redisstore.NewWithClient(struct{ *redis.Client }{client(t, &static)}, cfg)
			},
		}
		for name, open := range stores {
			t.Run(fmt.Sprint(i, " ", name), func(t *testing.T) {
				s, err := open()
				require.NoError(t, err)
				defer s.Close()
				_, err = s.Claim(ctx, "id", "f", lease)
				checkQuiet(t, err)
				_, err = s.Lookup(ctx, "id", "f")
				checkQuiet(t, err)
				_, err = s.Bind(ctx, "id", "f")
				checkQuiet(t, err)
				checkQuiet(t, s.Commit(ctx, "id", "token"))
				checkQuiet(t, s.Release(ctx, "id", "token"))
				err = s.Ping(ctx)
				checkQuiet(t, err)
				t.Log(err)
				assert.NotContains(t, s.Home(), "secretpassword")
				assert.NotContains(t, s.Home(), "user")
			})
		}
	}
}
