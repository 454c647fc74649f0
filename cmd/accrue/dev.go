package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/embedded"
	"github.com/accrue-loyalty/accrue/program"
	"github.com/accrue-loyalty/accrue/schemas"
)

// devCommand runs everything in this process, durable in a folder.
type devCommand struct {
	Dir          string        `env:"ACCRUE_DIR" default:"./accrue-dev" placeholder:"FOLDER" help:"Where everything is kept."`
	Program      string        `placeholder:"FILE" help:"Publish this program, if it is not the latest already."`
	Port         int           `default:"9092" help:"Port of the Kafka broker; 0 takes any free one."`
	RegistryPort int           `default:"8081" help:"Port of the schema registry; 0 takes any free one."`
	Partitions   int32         `default:"4" help:"Partitions of new topics."`
	Sync         bool          `help:"Write every batch through to the disk: slower, and safe when the machine fails, not only the process."`
	Tick         time.Duration `default:"1s" help:"How often the clock ticks; 0 leaves it to others."`
	serveFlags
}

// Help is shown by --help.
func (devCommand) Help() string {
	return `Runs a broker, a schema registry, the engine and its API in this process, for building against. What is in it is kept
in the folder. Producers and tools reach the broker as they would a real one.

It is no broker for production: one node, no replication. Its registry takes every schema, also one that does not go with
those before: a real one refuses it.

Once it is ready, standard output says where everything is, with --output json in one line of JSON; without a program, it
says so at once. Logs go to standard error.

Example:

  accrue dev --dir ./accrue-dev --program program.yaml
  export ACCRUE_REGISTRY=http://127.0.0.1:8081     # in another terminal; the broker is found on localhost:9092
  accrue import orders.jsonl`
}

// Run implements the command.
func (c *devCommand) Run(r *run) error {
	r.endsInOrder()
	log := c.logger(r)
	w, err := startWorld(r.ctx, worldConfig{
		kafka: r.Kafka,
		dir:   c.Dir, port: c.Port, registryPort: c.RegistryPort, partitions: c.Partitions, fast: !c.Sync,
	}, log)
	if err != nil {
		return err
	}
	defer w.close(log)
	if c.Program != "" {
		if err := w.publishFile(r, c.Program); err != nil {
			return err
		}
	}
	i, err := newInstance(r.ctx, w.cluster, instanceConfig{
		dir: filepath.Join(c.Dir, "state"), listen: c.Listen, name: "dev", workers: c.Workers, tickEvery: c.Tick,
		memory: divide(c.Memory << 20), hashKey: c.HashKey,
	}, log)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(r.ctx)
	g.Go(func() error { return i.run(ctx, log) })
	r.note("accrue dev is starting; Ctrl-C ends it.")
	g.Go(func() error { return c.announce(r.under(ctx), i, w.addresses(i)) })
	return engineStopped(g.Wait())
}

// announce prints where everything is when it answers. Without a program it does not yet, and whoever is to publish one must
// know where to.
func (c *devCommand) announce(r *run, i *instance, a Addresses) error {
	stands := "is ready"
	waits := len(i.programs.History()) == 0
	if waits {
		stands = "waits for a program (accrue program publish FILE)"
	} else if i.settled(r.ctx) != nil {
		return nil
	}
	if r.json {
		if err := r.printUp(a, c.Dir); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(r.Stdout, textf("accrue dev %s; Ctrl-C ends it.\n  API       %s\n  Kafka     %s\n  registry  %s\n  kept in   %s\n"+
			"For other commands:  export ACCRUE_URL=%s ACCRUE_BROKERS=%s ACCRUE_REGISTRY=%s",
			stands, a.API, a.Brokers, a.Registry, c.Dir, a.API, a.Brokers, a.Registry))
	}
	if i.settled(r.ctx) != nil {
		return nil
	}
	if waits && !r.json {
		fmt.Fprintln(r.Stdout, "accrue dev is ready.")
	}
	r.ready(a)
	return nil
}

// world is a broker and a registry in this process with accrue's topics, and a cluster to reach them.
type world struct {
	embedded *embedded.Cluster
	*cluster
}

type worldConfig struct {
	dir                string // "": in memory
	port, registryPort int
	partitions         int32
	// fast leaves it to the system when batches reach the disk.
	fast bool
	// kafka is [Main.Kafka].
	kafka []kgo.Opt
}

// startWorld starts the broker and the registry and makes the topics that are missing.
func startWorld(ctx context.Context, cfg worldConfig, log *slog.Logger) (_ *world, err error) {
	ec := embedded.Config{Port: cfg.port, RegistryPort: cfg.registryPort, FastWrites: cfg.fast, Log: log}
	if cfg.dir != "" {
		ec.Dir = filepath.Join(cfg.dir, "broker")
	}
	w := &world{}
	defer func() {
		if err != nil {
			w.close(log)
		}
	}()
	if w.embedded, err = embedded.Start(ec); err != nil {
		hint := ""
		var port *net.OpError
		if errors.As(err, &port) {
			hint = "Ports are chosen by --port and --registry-port; 0 takes any free one."
		}
		return nil, couldNot(err, hint)
	}
	flags := clusterFlags{Brokers: w.embedded.Brokers(), Prefix: schemas.DefaultPrefix, Registry: []string{w.embedded.RegistryURL()}}
	if w.cluster, err = flags.reach(ctx, true, log, cfg.kafka...); err != nil {
		return nil, err
	}
	plans := schemas.Plans(1)
	have, err := partitionsThere(ctx, w.cluster, plans)
	if err == nil {
		_, err = createTopics(ctx, w.cluster, plans, cmp.Or(have, cfg.partitions), 1)
	}
	return w, err
}

func (w *world) addresses(i *instance) Addresses {
	return Addresses{API: i.url, Brokers: strings.Join(w.embedded.Brokers(), ","), Registry: w.embedded.RegistryURL()}
}

// publishFile publishes a program file, unless it is the latest version already.
func (w *world) publishFile(r *run, path string) error {
	source, err := readSmall(path, program.SourceBytesMax)
	if err != nil {
		return fmt.Errorf("--program: %w", err)
	}
	_, err = w.client.PublishProgram(r.ctx, program.Draft{Source: source, File: path, Immediately: true, Now: events.InstantOf(time.Now())})
	if errors.Is(err, program.ErrUnchanged) {
		return nil
	}
	return invalidProgram(err)
}

func (w *world) close(log *slog.Logger) {
	if w.cluster != nil {
		w.cluster.close()
	}
	if w.embedded != nil {
		if err := w.embedded.Close(); err != nil {
			log.Warn("closing the embedded broker", "error", err)
		}
	}
}
