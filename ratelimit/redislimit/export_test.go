package redislimit

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// NewPatient is New without the bound on Config.Timeout, for tests of Redis's
// decisions. On a busy machine 50 ms can pass although nothing is wrong, and the
// local limiter would decide. Dialling may take as long as the call.
func NewPatient(opts *redis.Options, cfg Config) (*Limiter, error) {
	cfg.Timeout = 0
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.Timeout = 20 * time.Second
	patient := *opts
	patient.DialTimeout = cfg.Timeout
	return own(&patient, cfg)
}

// NewPatientWithClient is NewWithClient without the bound on Config.Timeout, as
// NewPatient is New without it.
func NewPatientWithClient(client redis.UniversalClient, cfg Config) (*Limiter, error) {
	if err := checkClient(client); err != nil {
		return nil, err
	}
	cfg.Timeout = 20 * time.Second
	return build(client, cfg)
}
