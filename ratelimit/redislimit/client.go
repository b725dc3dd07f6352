package redislimit

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/payack/payack/internal/redisreply"
	"github.com/redis/go-redis/v9"
)

// sentinelAddr is the address that go-redis gives a client which asks Sentinels for
// the real one.
const sentinelAddr = "FailoverClient"

// checkClient returns an error for a nil client, and for one whose options make a
// limiter unsafe. It can't see the options of types other than go-redis's own.
func checkClient(client redis.UniversalClient) error {
	if v := reflect.ValueOf(client); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return errors.New("redislimit: NewWithClient was given a nil client: make one with redis.NewFailoverClient, redis.NewClusterClient or redis.NewClient, or use New")
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
		heeds, options = c.Options().ContextTimeoutEnabled, "redis.RingOptions"
	}
	if !heeds {
		return fmt.Errorf("redislimit: the client's ContextTimeoutEnabled is false, so a server that hangs would hold connections long after a call has ended: set ContextTimeoutEnabled to true in %s", options)
	}
	return nil
}

// filterOf returns a filter that keeps the client's credentials out of errors.
func filterOf(client redis.UniversalClient) (f redisreply.Filter) {
	switch c := client.(type) {
	case *redis.Client:
		o := c.Options()
		f.Secrets = []string{o.Password}
		// The credentials of Sentinels are not visible here.
		f.Unknown = o.Addr == sentinelAddr || o.OnConnect != nil || o.CredentialsProvider != nil ||
			o.CredentialsProviderContext != nil || o.StreamingCredentialsProvider != nil
	case *redis.ClusterClient:
		o := c.Options()
		f.Secrets = []string{o.Password}
		// ClusterSlots may use other credentials.
		f.Unknown = o.ClusterSlots != nil || o.OnConnect != nil || o.CredentialsProvider != nil ||
			o.CredentialsProviderContext != nil || o.StreamingCredentialsProvider != nil
	case *redis.Ring:
		o := c.Options()
		f.Secrets = []string{o.Password}
		f.Unknown = o.NewClient != nil || o.OnConnect != nil || o.CredentialsProvider != nil ||
			o.CredentialsProviderContext != nil || o.StreamingCredentialsProvider != nil
	default:
		f.Unknown = true
	}
	return f
}

// sender sends each script once, whatever the client's options say: if an answer is
// lost, the call may have been charged already. A ClusterClient would send it again
// even with MaxRetries -1.
type sender struct{ redis.UniversalClient }

// once is a command that go-redis does not retry.
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
		cmd.SetFirstKeyPos(3) // a cluster routes by this key
	}
	_ = s.Process(ctx, once{cmd}) // cmd holds the error, too
	return cmd
}
