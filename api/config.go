package api

import (
	"errors"
	"fmt"
	"time"
)

// Config is what may be chosen about a [Server].
type Config struct {
	// Version is the program's version, for the OpenAPI document.
	Version string
	// BodyBytesMax bounds a request's body. A longer one is refused without reading it. 1 MiB.
	BodyBytesMax int64
	// EventsMax bounds the events of one POST /v1/events. 1,000.
	EventsMax int
	// HoldMax is how long a request for a partition that is changing hands is held before it is refused; 0: it is refused at
	// once. 3 s.
	HoldMax time.Duration
	// WaitMax is how long a read waits for the position it was asked for. 5 s.
	WaitMax time.Duration
	// PublishMax is how long Kafka may take to accept events. 10 s.
	PublishMax time.Duration
	// DecideMax is how long a command waits for its decision, once Kafka has it. 10 s.
	DecideMax time.Duration
	// ExplainMax bounds the decisions that explain reads to rebuild an account. 10,000.
	ExplainMax int
	// ShutdownMax is how long requests may take to end when the server stops. 10 s.
	ShutdownMax time.Duration
	// HashKey is the secret that e-mail, IP and postal addresses are hashed with. Without it events that carry such
	// values are refused. At least 16 bytes.
	HashKey Secret
	// Now is the wall clock; tests replace it.
	Now func() time.Time
}

// Secret is a key that does not print.
type Secret []byte

// String hides the key.
func (Secret) String() string { return "(secret)" }

// GoString hides the key.
func (Secret) GoString() string { return "(secret)" }

// MarshalText hides the key from logs and JSON.
func (Secret) MarshalText() ([]byte, error) { return []byte("(secret)"), nil }

// hashKeyBytesMin keeps keys from being guessed: a hash of an e-mail address is only as secret as its key.
const hashKeyBytesMin = 16

// DefaultConfig returns the defaults named at [Config].
func DefaultConfig() Config {
	return Config{
		Version:      "dev",
		BodyBytesMax: 1 << 20,
		EventsMax:    1000,
		HoldMax:      3 * time.Second,
		WaitMax:      5 * time.Second,
		PublishMax:   10 * time.Second,
		DecideMax:    10 * time.Second,
		ExplainMax:   10_000,
		ShutdownMax:  10 * time.Second,
		Now:          time.Now,
	}
}

// Validate reports everything that is wrong with c.
func (c Config) Validate() error {
	var problems []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	bad(c.BodyBytesMax < 1024, "largest body: is %d bytes, at least 1024 are needed", c.BodyBytesMax)
	bad(c.EventsMax < 1, "events in one request: at least 1 must be allowed")
	bad(c.ExplainMax < 1, "decisions read to explain one: at least 1 must be allowed")
	bad(c.HoldMax < 0, "longest wait for an owner: must not be below 0")
	bad(c.WaitMax <= 0, "longest wait for a position: must be above 0")
	bad(c.PublishMax <= 0, "longest wait for Kafka: must be above 0")
	bad(c.DecideMax <= 0, "longest wait for a decision: must be above 0")
	bad(c.ShutdownMax <= 0, "longest shutdown: must be above 0")
	bad(len(c.HashKey) > 0 && len(c.HashKey) < hashKeyBytesMin,
		"hash key: has %d bytes, at least %d are needed", len(c.HashKey), hashKeyBytesMin)
	bad(c.Now == nil, "clock: is missing")
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("configuration of the API: %w", errors.Join(problems...))
}
