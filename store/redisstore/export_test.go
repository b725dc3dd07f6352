package redisstore

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// NewPatient is [New] with a timeout of 30 seconds, which is above [MaxTimeout].
// Tests of the answers of Redis use it, because on a busy machine a call may take
// long although nothing is wrong.
func NewPatient(opts *redis.Options, cfg Config) *Store {
	cfg.Timeout = 30 * time.Second
	return own(opts, cfg)
}

// NewPatientWithClient is [NewWithClient] with the timeout of NewPatient.
func NewPatientWithClient(client redis.UniversalClient, cfg Config) (*Store, error) {
	if err := checkClient(client); err != nil {
		return nil, err
	}
	cfg.Timeout = 30 * time.Second
	return build(client, cfg), nil
}

var advanceScript = redis.NewScript(`
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do
	redis.call('PEXPIRE', key, redis.call('PTTL', key) - ARGV[2])
end
return 1`)

// Advance shortens the time to live of each of the store's keys by d. For this
// store, this has the same effect as waiting for d.
func (s *Store) Advance(d time.Duration) error {
	return advanceScript.Run(context.Background(), s.client, nil, s.prefix, d.Milliseconds()).Err()
}

// Key returns the key of an id.
func (s *Store) Key(id string) string { return s.key(id) }
