package consumer

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/state"
)

// Config is what an [Engine] needs.
type Config struct {
	// Client reaches the cluster; it stays the caller's and must outlive the engine.
	Client *Client
	// Programs are the rules. While there are none the engine waits and says so.
	Programs *Programs
	// Store keeps the partitions' state; it stays the caller's.
	Store *state.Store
	// Instance names this process among those of the group: stable over restarts, unique at any time. The transactional
	// ids are made of it, so that a restart ends what the process before it left open.
	Instance string
	// API is where other instances reach this one's API; "" when it has none.
	API string
	// Workers is how many batches, each of other partitions, are decided and committed at once; 4 by default. More than
	// cores, because a worker waits for its commits most of the time while there is little to do.
	Workers int
	// Clock says who drives the partitions' clocks.
	Clock ClockConfig
	// Limits bound what one batch takes.
	Limits Limits
	// Log takes what an operator should know; slog.Default() is not used. Required.
	Log *slog.Logger
	// Metrics takes measurements; [NoMetrics] by default.
	Metrics Metrics
	// Hook returns what watches the Kafka client of a worker, once for each client that the worker makes; nil: nothing
	// does.
	Hook func(worker int) kgo.Hook
}

// ClockConfig says who drives the partitions' clocks.
type ClockConfig struct {
	// Every is how often the owner of a partition sends it a tick of the wall clock; 1 s by default. 0 leaves the clock
	// to others: tests, an import.
	Every time.Duration
}

// Limits bound what one batch takes.
type Limits struct {
	// Records is how many records one transaction decides at most; 4,000 by default. Larger batches cost less a
	// record and keep a lone event behind them waiting longer.
	Records int
	// Due is how long what a tick made due, in all partitions of a worker, may keep its events waiting; 10 ms by default.
	Due time.Duration
}

// DefaultConfig returns the defaults, which lack the client, programs, store, instance and logger.
func DefaultConfig() Config {
	return Config{
		Workers: 4,
		Clock:   ClockConfig{Every: time.Second},
		Limits:  Limits{Records: 4_000, Due: 10 * time.Millisecond},
		Metrics: NoMetrics{},
	}
}

// workersMax is beyond what any machine can use; it catches a mistyped number.
const workersMax = 1024

// Validate reports everything that is wrong.
func (c *Config) Validate() error {
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf("engine: "+format, args...)) }
	if c.Client == nil {
		add("no client is given")
	}
	if c.Programs == nil {
		add("no programs are given")
	}
	if c.Store == nil {
		add("no store is given")
	}
	if c.Instance == "" {
		add("the instance has no name")
	}
	if c.Workers < 1 || c.Workers > workersMax {
		add("workers is %d, want 1 to %d", c.Workers, workersMax)
	}
	if c.Clock.Every < 0 {
		add("clock: every is %v, want 0 or more", c.Clock.Every)
	}
	if c.Limits.Records < 1 {
		add("limits: records is %d, want 1 or more", c.Limits.Records)
	}
	if c.Limits.Due <= 0 {
		add("limits: due is %v, want more than 0", c.Limits.Due)
	}
	if c.Log == nil {
		add("no logger is given")
	}
	if c.Metrics == nil {
		add("no metrics are given; NoMetrics takes nothing")
	}
	return errors.Join(problems...)
}
