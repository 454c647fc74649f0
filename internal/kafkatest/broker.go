package kafkatest

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/internal/embedded"
)

// startTimeout is how long a broker or registry may take to answer. A container
// takes 4 s on a quiet machine and 15 s on a busy one; the first one of a run
// is compiled before.
const startTimeout = 5 * time.Minute

// service is a broker or registry shared by the tests of this process.
type service struct {
	once sync.Once
	what string // kind and version, for the log
	addr string // bootstrap or URL
	stop func() error
	err  error
}

var (
	broker   service
	registry service
	running  atomic.Bool // Run was called
	prefixes atomic.Int64
)

// Run runs the tests of a package and stops what they started. It is to be
// called from TestMain, and returns the exit code.
func Run(m *testing.M) int {
	running.Store(true)
	defer stopService(&registry)
	defer stopService(&broker)
	return m.Run()
}

func stopService(s *service) {
	if s.stop == nil {
		return
	}
	if err := s.stop(); err != nil {
		fmt.Fprintf(os.Stderr, "stopping %s: %v\n", s.what, err)
	}
}

// Broker returns the bootstrap address of the broker that ACCRUE_KAFKA names,
// started if need be. It skips the test where the variable is empty, and fails
// it where ACCRUE_REQUIRE_KAFKA is 1 or the broker does not come up.
func Broker(t testing.TB) string {
	t.Helper()
	kind := os.Getenv("ACCRUE_KAFKA")
	mustRun(t)
	if kind == "" {
		skip(t, "ACCRUE_REQUIRE_KAFKA", "NOT RUN: this test needs a Kafka broker. Run it with ACCRUE_KAFKA=jvm (after scripts/kafka-jars.sh), ACCRUE_KAFKA=container or ACCRUE_KAFKA=host:port")
	}
	broker.once.Do(func() { startBroker(kind) })
	if broker.err != nil {
		t.Fatalf("ACCRUE_KAFKA=%s: %v", kind, broker.err)
	}
	t.Logf("broker: %s at %s", broker.what, broker.addr)
	return broker.addr
}

// Prefix returns a beginning for the names of topics, groups and transactional
// ids that no other test of this or another process uses.
func Prefix(t testing.TB) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '-'
	}, t.Name())
	return fmt.Sprintf("%.60s-%x-%d.", name, time.Now().UnixNano(), prefixes.Add(1))
}

func mustRun(t testing.TB) {
	t.Helper()
	if !running.Load() {
		t.Fatal("this package has no TestMain that calls kafkatest.Run: a broker would stay behind. Add: func TestMain(m *testing.M) { os.Exit(kafkatest.Run(m)) }")
	}
}

func skip(t testing.TB, require, message string) {
	t.Helper()
	if os.Getenv(require) == "1" {
		t.Fatalf("%s (%s=1)", message, require)
	}
	t.Skip(message)
}

func startBroker(kind string) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	switch kind {
	case "embedded":
		var c *embedded.Cluster
		if c, broker.err = embedded.Start(embedded.Config{}); broker.err == nil {
			broker.what, broker.addr, broker.stop = "embedded kfake", c.Brokers()[0], c.Close
		}
	case "jvm":
		var p *Process
		if p, broker.err = StartJVM(ctx, JVMConfig{}); broker.err == nil {
			broker.what, broker.addr, broker.stop = "Apache Kafka "+KafkaVersion+" on the JVM", p.Addr, p.Stop
		}
	case "container":
		var p *Process
		if p, broker.err = startContainer(ctx, kafkaImage()); broker.err == nil {
			broker.what, broker.addr, broker.stop = "container "+kafkaImage(), p.Addr, p.Stop
		}
	default:
		if _, _, broker.err = net.SplitHostPort(kind); broker.err != nil {
			broker.err = fmt.Errorf("want embedded, jvm, container or host:port: %w", broker.err)
			return
		}
		broker.what, broker.addr = "a broker that ran already", kind
	}
	if broker.err == nil {
		broker.err = askVersion(ctx)
	}
}

// askVersion adds to the log line what the broker says it speaks.
func askVersion(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker.addr))
	if err != nil {
		return err
	}
	defer cl.Close()
	vs, err := kadm.NewClient(cl).ApiVersions(ctx)
	if err != nil {
		return fmt.Errorf("asking %s for its versions: %w", broker.addr, err)
	}
	first := vs.Sorted()[0] // ApiVersions fails where no broker answers
	if first.Err != nil {
		return fmt.Errorf("asking node %d at %s for its versions: %w", first.NodeID, broker.addr, first.Err)
	}
	broker.what += ", protocol of " + first.VersionGuess()
	return nil
}
