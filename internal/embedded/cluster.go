package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Config says where the cluster keeps its data and where it listens. The zero
// value is a cluster in memory on ports of the system's choice.
type Config struct {
	// Dir is the folder for the broker's log and the registry's journal. It
	// is created where missing; empty means memory only. One process at a
	// time may use it: Start refuses a folder that another one holds.
	Dir string

	// Port is where the broker listens on 127.0.0.1; 0 means any free port.
	Port int

	// RegistryPort is where the registry listens on 127.0.0.1; 0 means any
	// free port.
	RegistryPort int

	// FastWrites leaves flushing to the operating system instead of syncing
	// each batch. A crash of the machine may then lose the last batches; a
	// crash of the process alone does not. It matters only with Dir.
	FastWrites bool

	// Log is told when the broker cannot read or write Dir; nil: nobody is.
	Log *slog.Logger

	// Faults makes ready for faults that strike after the broker has acted:
	// UnknownOutcome, Misreported and LostAnswer, which panic without it.
	Faults bool
}

// Cluster is a running broker and registry. Its methods may be called from
// any goroutine.
type Cluster struct {
	fake     *kfake.Cluster
	registry *registry
	wires    *wires // nil without Config.Faults
	dir      string // as Config.Dir
	lock     *os.File
}

// Start brings up the broker and the registry and returns when both answer.
// The caller owns the cluster and must Close it; in a durable cluster, Close
// is what makes the next Start quick.
func Start(cfg Config) (_ *Cluster, err error) {
	c := &Cluster{dir: cfg.Dir}
	defer func() {
		if err != nil {
			_ = c.Close()
		}
	}()

	opts := []kfake.Opt{
		kfake.ClusterID("accrue-embedded"),
		kfake.NumBrokers(1),
		kfake.Ports(cfg.Port),
	}
	if cfg.Faults {
		c.wires = &wires{}
		opts = append(opts, kfake.ListenFn(c.wires.listen))
	}
	journal := ""
	if cfg.Dir != "" {
		if err := os.MkdirAll(cfg.Dir, 0o755); err != nil {
			return nil, fmt.Errorf("creating the embedded cluster's folder: %w", err)
		}
		if c.lock, err = lockDir(cfg.Dir); err != nil {
			return nil, err
		}
		if err := mend(cfg.Dir); err != nil {
			return nil, fmt.Errorf("ending what a killed embedded broker left in %s: %w", cfg.Dir, err)
		}
		opts = append(opts, kfake.DataDir(brokerDir(cfg.Dir)))
		if cfg.Log != nil {
			opts = append(opts, kfake.WithLogger(complaints{cfg.Log, cfg.Dir}))
		}
		if !cfg.FastWrites {
			opts = append(opts, kfake.SyncWrites())
		}
		journal = filepath.Join(cfg.Dir, "registry.jsonl")
	}

	if c.fake, err = kfake.NewCluster(opts...); err != nil {
		return nil, fmt.Errorf("starting the embedded broker on 127.0.0.1:%d: %w", cfg.Port, err)
	}
	c.fake.ControlKey(int16(kmsg.GetTelemetrySubscriptions), c.wantsNoMetrics)
	if c.registry, err = startRegistry(journal, cfg.RegistryPort); err != nil {
		return nil, fmt.Errorf("starting the embedded schema registry on 127.0.0.1:%d: %w", cfg.RegistryPort, err)
	}
	return c, nil
}

// complaints are the broker's about its disk. Its clients hear no more of them than UNKNOWN_SERVER_ERROR.
type complaints struct {
	log *slog.Logger
	dir string
}

// Logf implements [kfake.Logger]. What the broker says besides is of no use to anybody here.
func (c complaints) Logf(_ kfake.LogLevel, _ string, args ...any) {
	for _, arg := range args {
		err, ok := arg.(error)
		if !ok {
			continue
		}
		// Without the path, which is one of many, it is one complaint.
		var failed *fs.PathError
		var moved *os.LinkError
		switch {
		case errors.As(err, &failed):
			err = failed.Err
		case errors.As(err, &moved):
			err = moved.Err
		default:
			continue
		}
		c.log.Error("the embedded broker cannot read or write its folder", "dir", c.dir, "error", err)
	}
}

// wantsNoMetrics answers clients that offer figures about themselves. The broker would ask for all of them, which every
// client then sends when it closes, and throw them away.
func (c *Cluster) wantsNoMetrics(req kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // kfake asks for this order
	c.fake.KeepControl()
	resp := req.ResponseKind().(*kmsg.GetTelemetrySubscriptionsResponse)
	resp.PushIntervalMillis = metricsAskedAgainMillis
	return resp, nil, true
}

// metricsAskedAgainMillis is when a client asks again: five minutes is what Kafka's brokers say.
const metricsAskedAgainMillis = 5 * 60 * 1000

// Brokers returns the bootstrap addresses, host:port each.
func (c *Cluster) Brokers() []string { return c.fake.ListenAddrs() }

// RegistryURL returns the registry's base URL, without a slash at its end.
func (c *Cluster) RegistryURL() string { return c.registry.url }

// Fake returns the broker itself, for tests that move leaders, count requests
// or look into groups.
func (c *Cluster) Fake() *kfake.Cluster { return c.fake }

// Close stops both parts and, in a durable cluster, writes what is still in
// memory. It is safe to call once; clients should be closed before.
func (c *Cluster) Close() error {
	var errs []error
	if c.registry != nil {
		errs = append(errs, c.registry.close())
	}
	if c.fake != nil {
		c.fake.Close()
	}
	if c.dir != "" && c.fake != nil {
		errs = append(errs, os.WriteFile(filepath.Join(c.dir, closedName), nil, 0o644))
	}
	if c.lock != nil {
		errs = append(errs, c.lock.Close())
	}
	return errors.Join(errs...)
}
