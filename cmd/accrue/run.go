package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/accrue-loyalty/accrue/consumer"
)

// serveFlags say how an instance runs.
type serveFlags struct {
	Listen  string `env:"ACCRUE_LISTEN" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where the API listens; port 0 takes any free one."`
	Workers int    `env:"ACCRUE_WORKERS" default:"4" help:"Batches decided and committed at once."`
	Memory  int64  `name:"memory-mib" env:"ACCRUE_MEMORY_MIB" default:"1550" help:"Memory for everything, as a target: customers who have no room in it are read from the disk."`
	HashKey string `env:"ACCRUE_HASH_KEY" placeholder:"…" help:"Secret that e-mail, IP and postal addresses handed to the API are hashed with, 16 bytes or more; better in $ACCRUE_HASH_KEY."`
	logFlags
}

// runCommand is one instance against a cluster.
type runCommand struct {
	Dir       string        `env:"ACCRUE_DIR" default:"./accrue-state" placeholder:"FOLDER" help:"Where the state is kept; it can be rebuilt from Kafka."`
	Advertise string        `env:"ACCRUE_ADVERTISE" placeholder:"URL" help:"Where other instances and clients reach this API."`
	Instance  string        `env:"ACCRUE_INSTANCE" placeholder:"NAME" help:"Its name among the others: unique, the same after a restart. The host's name by default."`
	Tick      time.Duration `env:"ACCRUE_TICK" default:"1s" help:"How often the clock ticks; 0 leaves it to others."`
	// Profile is for whoever makes accrue faster; bench passes it on.
	Profile string `name:"cpu-profile" hidden:"" placeholder:"FILE" help:"Where to write a CPU profile."`
	serveFlags
	clusterFlags
}

// Help is shown by --help.
func (runCommand) Help() string {
	return `Runs one instance: it decides the partitions that its Kafka consumer group gives it and answers for them over
HTTP. Start as many as you like, each with a folder and, where they share a host, an --instance name of its own; they share
the partitions. Stop one by SIGTERM: it ends its batch, writes its state and leaves.

Needs the topics (accrue topics create) and a program (accrue program publish); without a program it waits for one.
The log, JSON lines on standard error, says where it listens; with --output json, so does a line on standard output.

Example:

  accrue run --brokers kafka-1:9092 --dir /var/lib/accrue --listen :8080 --advertise http://10.0.0.7:8080`
}

// Run implements the command.
func (c *runCommand) Run(r *run) error {
	r.endsInOrder()
	stop, err := startProfile(c.Profile)
	if err != nil {
		return err
	}
	defer stop()
	memory := divide(c.Memory << 20)
	log := c.logger(r)
	cl, err := c.reach(r.ctx, true, log, r.Kafka...)
	if err != nil {
		return err
	}
	defer cl.close()
	name := c.Instance
	if name == "" {
		if name, err = os.Hostname(); err != nil {
			return fmt.Errorf("looking up this host's name (--instance gives another): %w", err)
		}
	}
	i, err := newInstance(r.ctx, cl, instanceConfig{
		dir: c.Dir, listen: c.Listen, advertise: c.Advertise, name: name, workers: c.Workers, tickEvery: c.Tick,
		memory: memory, hashKey: c.HashKey,
	}, log)
	if err != nil {
		return err
	}
	go memory.limitHeap(r.ctx, i.store)
	log.Info("accrue is up", "version", versionOf(), "api", i.url, "dir", c.Dir, "instance", name)
	a := Addresses{API: i.url}
	// For people the log says it: text among its lines would be in the way of what collects them.
	if r.json {
		if err := r.printUp(a, c.Dir); err != nil {
			i.close(log)
			return err
		}
	}
	r.ready(a)
	if err := i.run(r.ctx, log); err != nil {
		return engineStopped(err)
	}
	log.Info("accrue is down")
	return nil
}

// startProfile profiles the process until the returned function is called; file "" profiles nothing.
func startProfile(file string) (stop func(), err error) {
	if file == "" {
		return func() {}, nil
	}
	f, err := os.Create(file)
	if err != nil {
		return nil, couldNot(err, "")
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
		if heap, err := os.Create(file + ".heap"); err == nil {
			_ = pprof.WriteHeapProfile(heap)
			_ = heap.Close()
		}
	}, nil
}

// engineStopped says what to do about what an engine cannot go on with.
func engineStopped(err error) error {
	if errors.Is(err, consumer.ErrNoProgram) {
		return couldNot(err, "")
	}
	if errors.Is(err, consumer.ErrNameTaken) {
		return couldNot(err, "Give each instance a name of its own by --instance; without it, it is called like its host.")
	}
	if errors.Is(err, consumer.ErrFolderTaken) {
		return couldNot(err, "Keep one of the two, and let the other begin with an empty folder: it is rebuilt from the ledger.")
	}
	if errors.Is(err, consumer.ErrNoState) {
		return couldNot(err, "The instance did not take part, so other instances have its partitions. See to the folder of --dir (room on its disk, who may read and write there) and start it again; what is deleted there is rebuilt from the ledger.")
	}
	if errors.Is(err, consumer.ErrTopicMadeAnew) {
		return couldNot(err, "Start it again. Partitions of which the topic had decided records stay stopped, and say so, until it is restored from a backup.")
	}
	return topicsMissing(err)
}

// healthcheckCommand asks an instance whether it is ready.
type healthcheckCommand struct {
	URL string `env:"ACCRUE_HEALTH_URL,ACCRUE_URL" default:"http://127.0.0.1:8080" placeholder:"URL" help:"Its API, which is asked for /readyz: whether it answers for its partitions. With /healthz at the end: whether it lives."`
}

// healthMax is how long an instance may take to answer.
const healthMax = 4 * time.Second

// Run implements the command: exit code 0 when the answer is a success.
func (c *healthcheckCommand) Run(r *run) error {
	if err := checkURL(c.URL); err != nil {
		return err
	}
	target := strings.TrimRight(c.URL, "/")
	if !strings.HasSuffix(target, "/readyz") && !strings.HasSuffix(target, "/healthz") {
		target += "/readyz"
	}
	req, err := http.NewRequestWithContext(r.ctx, http.MethodGet, target, nil)
	if err != nil {
		return wrongUsage(fmt.Errorf("--url: %w", err))
	}
	resp, err := (&http.Client{Timeout: healthMax}).Do(req)
	if err != nil {
		return notSo(fmt.Errorf("not healthy: %w", err), "")
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return notSo(fmt.Errorf("not healthy: %s answers %s", target, resp.Status), "")
	}
	if r.json {
		return r.printJSON(map[string]any{"healthy": true})
	}
	_, err = fmt.Fprintln(r.Stdout, "healthy")
	return err
}
