package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/accrue-loyalty/accrue/api"
	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/state"
)

// instanceConfig is what a running instance may be told.
type instanceConfig struct {
	// dir keeps the state; listen is the API's address, advertise where other instances reach it.
	dir, listen, advertise string
	name                   string
	workers                int
	// tickEvery is how often the wall clock ticks; 0: somebody else drives the clock.
	tickEvery time.Duration
	// memory is what the state may use; nil: the state's defaults.
	memory  *memory
	hashKey string
	// now is the API's wall clock.
	now func() time.Time
	// state, when not nil, changes the state's defaults.
	state func(*state.Config)
}

// instance is the engine and its API in this process.
type instance struct {
	programs *consumer.Programs
	store    *state.Store
	engine   *consumer.Engine
	sender   *publisher
	server   *api.Server
	listener net.Listener
	places   *places
	url      string
}

// newInstance brings the parts together. The caller must run it, or close it.
func newInstance(ctx context.Context, c *cluster, cfg instanceConfig, log *slog.Logger) (_ *instance, err error) {
	i := &instance{}
	defer func() {
		if err != nil {
			i.close(log)
		}
	}()
	reg := prometheus.NewRegistry()
	if err := errors.Join(reg.Register(collectors.NewGoCollector()), reg.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))); err != nil {
		return nil, fmt.Errorf("registering metrics: %w", err)
	}
	metrics, err := api.NewEngineMetrics(reg)
	if err != nil {
		return nil, fmt.Errorf("registering metrics: %w", err)
	}
	if i.programs, err = c.client.FollowPrograms(ctx, log); err != nil {
		return nil, topicsMissing(err)
	}
	sc := state.DefaultConfig(cfg.dir)
	sc.NextDue = i.programs.NextDue
	sc.OnQuarantine = func(partition int32, reason error) {
		log.Error("a partition's state is damaged; it will be restored from the ledger", "partition", partition, "error", reason)
	}
	if m := cfg.memory; m != nil {
		sc.CacheBytes, sc.AccountsBytes, sc.RestoreBytes = m.cache, m.accounts, m.restore
	}
	partitions, err := c.client.Partitions(ctx)
	if err != nil {
		return nil, topicsMissing(err)
	}
	sc.Share(int(partitions))
	if cfg.state != nil {
		cfg.state(&sc)
	}
	if i.store, err = state.Open(sc, log); err != nil {
		if errors.Is(err, state.ErrInUse) {
			return nil, couldNot(err, "Another instance uses that folder: stop it, or give this one a folder of its own by --dir.")
		}
		return nil, err
	}
	ec := consumer.DefaultConfig()
	ec.Client, ec.Programs, ec.Store, ec.Log = c.client, i.programs, i.store, log
	ec.Instance, ec.API, ec.Workers = cfg.name, cfg.advertise, cfg.workers
	ec.Clock.Every = cfg.tickEvery
	ec.Metrics = engineMetrics{metrics}
	ec.Hook = kafkaMetrics(reg)
	if i.sender, err = newPublisher(ctx, c, 0); err != nil {
		return nil, err
	}
	var phases []string
	for _, phase := range consumer.Phases() {
		phases = append(phases, string(phase))
	}
	if err := errors.Join(reg.Register(api.NewStateMetrics(i.store.Stats, i.stats)), reg.Register(api.NewPartitionMetrics(phases, i.figures, time.Now))); err != nil {
		return nil, fmt.Errorf("registering metrics: %w", err)
	}
	return i, i.serve(ctx, c, cfg, ec, reg, log)
}

// stats returns the figures of the open partitions.
func (i *instance) stats() map[int32]state.Stats {
	all := map[int32]state.Stats{}
	for _, s := range i.engine.Status() {
		if p, ok := i.store.Lookup(s.Partition); ok {
			all[s.Partition] = p.Stats()
		}
	}
	return all
}

// figures returns where the partitions stand that the group has given to this instance.
func (i *instance) figures() []api.PartitionFigures {
	var all []api.PartitionFigures
	for _, s := range i.engine.Status() {
		all = append(all, api.PartitionFigures{Partition: s.Partition, Phase: string(s.Phase), Ledger: s.Ledger, End: s.End,
			Waiting: s.Waiting, Newest: s.Newest, Due: s.Due})
	}
	return all
}

// serve opens the address, then makes the engine, which tells others where that is, and the API.
func (i *instance) serve(ctx context.Context, c *cluster, cfg instanceConfig, ec consumer.Config, reg *prometheus.Registry, log *slog.Logger) error {
	var err error
	if i.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", cfg.listen); err != nil {
		return couldNot(fmt.Errorf("listening on %s: %w", cfg.listen, err), "")
	}
	i.url = reachable(i.listener.Addr())
	if ec.API == "" {
		ec.API = i.url
	}
	if i.engine, err = consumer.New(ec); err != nil {
		return err
	}
	ac := api.DefaultConfig()
	ac.Version = versionOf()
	ac.HashKey = api.Secret(cfg.hashKey)
	if cfg.now != nil {
		ac.Now = cfg.now
	}
	if i.places, err = newPlaces(ctx, i.engine, i.store, ec.API); err != nil {
		return topicsMissing(err)
	}
	i.server, err = api.New(ac, api.Parts{
		Places:    i.places,
		Ledger:    ledger{i.engine.Projector(), c.client},
		Producer:  i.sender,
		Decisions: decisions{i.engine},
		Programs:  i.programs,
	}, log, reg)
	return err
}

// reachable is the URL of an address on this machine; an unspecified host becomes the machine's name.
func reachable(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return "http://" + a.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		if host, err = os.Hostname(); err != nil {
			host = "localhost"
		}
	}
	return "http://" + net.JoinHostPort(host, port)
}

// run works until ctx is done or something cannot go on, then closes everything.
func (i *instance) run(ctx context.Context, log *slog.Logger) error {
	defer i.close(log)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return i.engine.Run(ctx) })
	g.Go(func() error { return i.server.Serve(ctx, i.listener) })
	g.Go(func() error { return i.places.follow(ctx, log) })
	return g.Wait()
}

// close ends the parts in the order that they lean on each other. It may be called more than once.
func (i *instance) close(log *slog.Logger) {
	if i.listener != nil {
		_ = i.listener.Close() // closed by Serve already, or never served
	}
	if i.sender != nil {
		i.sender.close()
	}
	if i.programs != nil {
		i.programs.Close()
	}
	if i.store != nil {
		if err := i.store.Close(); err != nil {
			log.Warn("closing the state; what it lacks will be read from the ledger", "error", err)
		}
	}
}

// engineMetrics fits the API's figures to the engine's hook.
type engineMetrics struct{ *api.EngineMetrics }

// Outcome implements [consumer.Metrics].
func (m engineMetrics) Outcome(o consumer.Outcome) { m.EngineMetrics.Outcome(string(o)) }
