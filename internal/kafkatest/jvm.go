package kafkatest

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// KafkaVersion is the broker that scripts/kafka-jars.sh fetches.
const KafkaVersion = "4.3.1"

// clusterID is any valid one: each broker is a cluster of its own.
const clusterID = "5L6g3nShT-eMCtK--X86sw"

// JVMConfig configures a broker on this machine's Java.
type JVMConfig struct {
	// Heap is the JVM's -Xmx, 512m where empty.
	Heap string

	// Properties are added to server.properties and win over ours.
	Properties map[string]string
}

// StartJVM starts an Apache Kafka broker, one combined KRaft node with its data
// in a temporary folder, and returns when it serves. It needs java (17 or later) in PATH or JAVA_HOME, and the jars
// that scripts/kafka-jars.sh fetches.
func StartJVM(ctx context.Context, cfg JVMConfig) (_ *Process, err error) {
	jars := filepath.Join(cacheDir(), "kafka-"+KafkaVersion)
	if _, err := os.Stat(filepath.Join(jars, "kafka_2.13-"+KafkaVersion+".jar")); err != nil {
		return nil, fmt.Errorf("the broker's jars are not in %s: run scripts/kafka-jars.sh: %w", jars, err)
	}
	dir, err := os.MkdirTemp("", "accrue-kafka-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	properties := filepath.Join(dir, "server.properties")
	logging := filepath.Join(dir, "log4j2.yaml")
	for path, text := range map[string]string{properties: serverProperties(cfg, dir, ports), logging: brokerLogging} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return nil, err
		}
	}

	java, classpath := javaPath(), filepath.Join(jars, "*")
	format := exec.CommandContext(ctx, java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto",
		"-Dlog4j2.configurationFile="+logging, "-cp", classpath,
		"kafka.tools.StorageTool", "format", "-t", clusterID, "-c", properties)
	if out, err := format.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("formatting %s: %w\n%s", dir, err, out)
	}

	heap := cfg.Heap
	if heap == "" {
		heap = "512m"
	}
	p, err := spawn(exec.Command(java, "-Xmx"+heap, "-Xms256m", "-XX:+UseG1GC",
		"-Dlog4j2.configurationFile="+logging, "-cp", classpath, "kafka.Kafka", properties), dir, endWithUs)
	if err != nil {
		return nil, err
	}
	p.Addr = fmt.Sprintf("127.0.0.1:%d", ports[0])
	if err := p.await(ctx, p.logged("Kafka Server started")); err != nil {
		return nil, fmt.Errorf("starting Kafka %s: %w", KafkaVersion, err)
	}
	return p, nil
}

func javaPath() string {
	if home := os.Getenv("JAVA_HOME"); home != "" {
		return filepath.Join(home, "bin", "java")
	}
	return "java"
}

func serverProperties(cfg JVMConfig, dir string, ports []int) string {
	p := map[string]string{
		"process.roles":                    "broker,controller",
		"node.id":                          "1",
		"controller.quorum.voters":         fmt.Sprintf("1@127.0.0.1:%d", ports[1]),
		"listeners":                        fmt.Sprintf("PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", ports[0], ports[1]),
		"advertised.listeners":             fmt.Sprintf("PLAINTEXT://127.0.0.1:%d", ports[0]),
		"controller.listener.names":        "CONTROLLER",
		"inter.broker.listener.name":       "PLAINTEXT",
		"log.dirs":                         filepath.Join(dir, "data"),
		"auto.create.topics.enable":        "false",
		"group.initial.rebalance.delay.ms": "0",
		// One node, and few partitions of the internal topics: half the start.
		"offsets.topic.replication.factor":                 "1",
		"offsets.topic.num.partitions":                     "3",
		"transaction.state.log.replication.factor":         "1",
		"transaction.state.log.min.isr":                    "1",
		"transaction.state.log.num.partitions":             "3",
		"share.coordinator.state.topic.replication.factor": "1",
		"share.coordinator.state.topic.min.isr":            "1",
	}
	maps.Copy(p, cfg.Properties)
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&b, "%s=%s\n", k, p[k])
	}
	return b.String()
}

const brokerLogging = `Configuration:
  Appenders:
    Console:
      name: STDOUT
      PatternLayout:
        pattern: "[%d] %p %m (%c)%n"
  Loggers:
    Root:
      level: INFO
      AppenderRef:
        - ref: STDOUT
`
