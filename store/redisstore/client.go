package redisstore

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/payack/payack/internal/redisreply"
	"github.com/redis/go-redis/v9"
)

// sentinelAddr is the address that go-redis gives a client behind Sentinels.
const sentinelAddr = "FailoverClient"

// checkClient returns an error for a client that is known to make a store unsafe.
// Clients of other types pass unchecked.
func checkClient(client redis.UniversalClient) error {
	if v := reflect.ValueOf(client); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return errors.New("redisstore: NewWithClient was given a nil client: make one with redis.NewFailoverClient, redis.NewClusterClient or redis.NewClient, or use New")
	}
	heeds, options := true, ""
	switch c := client.(type) {
	case *redis.Client:
		heeds, options = c.Options().ContextTimeoutEnabled, "redis.Options"
		if c.Options().Addr == sentinelAddr {
			options = "redis.FailoverOptions"
		}
	case *redis.ClusterClient:
		heeds, options = c.Options().ContextTimeoutEnabled, "redis.ClusterOptions"
	case *redis.Ring:
		return errors.New("redisstore: NewWithClient was given a redis.Ring, which moves keys to another server while one is down, and so forgets done events: use a redis.ClusterClient, or Sentinels with redis.NewFailoverClient")
	}
	if !heeds {
		return fmt.Errorf("redisstore: the client's ContextTimeoutEnabled is false, so a server that hangs would hold connections long after a call has ended: set ContextTimeoutEnabled to true in %s", options)
	}
	return nil
}

// filterOf returns the filter that keeps a client's credentials out of errors.
func filterOf(client redis.UniversalClient) (f redisreply.Filter) {
	switch c := client.(type) {
	case *redis.Client:
		o := c.Options()
		f.Secrets = []string{o.Password}
		// The credentials for Sentinels are not in these options.
		f.Unknown = o.Addr == sentinelAddr || o.OnConnect != nil || o.CredentialsProvider != nil ||
			o.CredentialsProviderContext != nil || o.StreamingCredentialsProvider != nil
	case *redis.ClusterClient:
		o := c.Options()
		f.Secrets = []string{o.Password}
		// ClusterSlots may hold credentials of its own.
		f.Unknown = o.ClusterSlots != nil || o.OnConnect != nil || o.CredentialsProvider != nil ||
			o.CredentialsProviderContext != nil || o.StreamingCredentialsProvider != nil
	default:
		f.Unknown = true
	}
	return f
}

// homeOf names the server and the database of a client. Clients with the same
// addresses and the same database have the same name.
func homeOf(client redis.UniversalClient) string {
	switch c := client.(type) {
	case *redis.Client:
		o := c.Options()
		addr := o.Addr
		if o.Network != "unix" {
			addr = strings.ToLower(addr)
		}
		return fmt.Sprintf("redis %s %q %d", o.Network, addr, o.DB)
	case *redis.ClusterClient:
		addrs := slices.Clone(c.Options().Addrs)
		for i := range addrs {
			addrs[i] = strings.ToLower(addrs[i])
		}
		slices.Sort(addrs)
		return fmt.Sprintf("redis cluster %q", slices.Compact(addrs))
	}
	if v := reflect.ValueOf(client); v.Kind() == reflect.Pointer {
		return fmt.Sprintf("redis %T %#x", client, v.Pointer())
	}
	return fmt.Sprintf("redis %T", client)
}

// sender sends each script once, whatever the client's options say, because a
// script whose answer was lost may have been carried out. Without sender, a
// ClusterClient would send a script again even with MaxRetries -1.
type sender struct{ redis.UniversalClient }

// once is a command that go-redis doesn't retry.
type once struct{ *redis.Cmd }

// NoRetry implements [redis.Cmder].
func (once) NoRetry() bool { return true }

// Eval implements [redis.Scripter].
func (s sender) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	return s.send(ctx, "eval", script, keys, args)
}

// EvalSha implements [redis.Scripter].
func (s sender) EvalSha(ctx context.Context, sha1 string, keys []string, args ...any) *redis.Cmd {
	return s.send(ctx, "evalsha", sha1, keys, args)
}

func (s sender) send(ctx context.Context, name, script string, keys []string, args []any) *redis.Cmd {
	all := append(make([]any, 0, 3+len(keys)+len(args)), name, script, len(keys))
	for _, key := range keys {
		all = append(all, key)
	}
	cmd := redis.NewCmd(ctx, append(all, args...)...)
	if len(keys) > 0 {
		cmd.SetFirstKeyPos(3) // a cluster routes by the first key
	}
	_ = s.Process(ctx, once{cmd}) // cmd holds the error as well
	return cmd
}
