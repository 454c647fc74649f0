package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

// testcontainers' own Kafka module knows only the layout of Confluent's image,
// so the image of Apache Kafka is started here.

// starter is the script that the container waits for: it must advertise the
// mapped port, which is known only after the container has started.
const starter = "/tmp/accrue_start.sh"

const startTimeout = 2 * time.Minute

type kafka struct {
	container testcontainers.Container
	bootstrap string
}

// start returns a kafka that must be stopped even if there is an error.
func start(ctx context.Context, image string) (*kafka, error) {
	// The container is removed by stop, and Ryuk, which would do it too, is
	// an image that cannot be had everywhere.
	if os.Getenv("TESTCONTAINERS_RYUK_DISABLED") == "" {
		if err := os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true"); err != nil {
			return &kafka{}, err
		}
	}
	k := &kafka{}
	var err error
	k.container, err = testcontainers.Run(ctx, image,
		testcontainers.WithExposedPorts("9092/tcp"),
		testcontainers.WithEnv(map[string]string{
			"KAFKA_NODE_ID":                                  "1",
			"KAFKA_PROCESS_ROLES":                            "broker,controller",
			"KAFKA_LISTENERS":                                "HOST://:9092,INTERNAL://:9094,CONTROLLER://:9093",
			"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP":           "HOST:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
			"KAFKA_INTER_BROKER_LISTENER_NAME":               "INTERNAL",
			"KAFKA_CONTROLLER_LISTENER_NAMES":                "CONTROLLER",
			"KAFKA_CONTROLLER_QUORUM_VOTERS":                 "1@localhost:9093",
			"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR":         "1",
			"KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS":             "3",
			"KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
			"KAFKA_TRANSACTION_STATE_LOG_MIN_ISR":            "1",
			"KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS":     "3",
			"KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS":         "0",
			"KAFKA_AUTO_CREATE_TOPICS_ENABLE":                "false",
		}),
		testcontainers.WithEntrypoint("sh", "-c", "while [ ! -f "+starter+" ]; do sleep 0.1; done; exec sh "+starter),
		testcontainers.WithLifecycleHooks(testcontainers.ContainerLifecycleHooks{
			PostStarts: []testcontainers.ContainerHook{k.advertise},
		}),
	)
	if err != nil {
		return k, fmt.Errorf("running %s (DOCKER_HOST=%q; scripts/docker-engine.sh starts an engine, scripts/kafka-image/build.sh builds an image locally): %w", image, os.Getenv("DOCKER_HOST"), err)
	}
	return k, nil
}

func (k *kafka) advertise(ctx context.Context, c testcontainers.Container) error {
	if err := wait.ForMappedPort("9092/tcp").WaitUntilReady(ctx, c); err != nil {
		return err
	}
	endpoint, err := c.PortEndpoint(ctx, "9092/tcp", "")
	if err != nil {
		return err
	}
	k.bootstrap = endpoint
	script := fmt.Sprintf("export KAFKA_ADVERTISED_LISTENERS=HOST://%s,INTERNAL://localhost:9094\nexec /etc/kafka/docker/run\n", endpoint)
	if err := c.CopyToContainer(ctx, []byte(script), starter, 0o755); err != nil {
		return err
	}
	return wait.ForLog("Kafka Server started").WithStartupTimeout(startTimeout).WaitUntilReady(ctx, c)
}

func (k *kafka) stop(ctx context.Context) error {
	if k.container == nil {
		return nil
	}
	return k.container.Terminate(ctx)
}
