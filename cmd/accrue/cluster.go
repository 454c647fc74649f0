package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	"github.com/twmb/franz-go/plugin/kslog"

	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/schemas"
)

// clusterFlags say how Kafka and the schema registry are reached.
type clusterFlags struct {
	Brokers []string `group:"kafka" env:"ACCRUE_BROKERS" default:"localhost:9092" placeholder:"HOST:PORT" help:"Kafka brokers to ask first."`
	Prefix  string   `group:"kafka" env:"ACCRUE_PREFIX" default:"accrue." help:"What all topics' names begin with."`

	Registry         []string `group:"kafka" env:"ACCRUE_REGISTRY" placeholder:"URL" help:"Schema registry; without one, records carry Avro fingerprints."`
	RegistryUser     string   `group:"kafka" env:"ACCRUE_REGISTRY_USER" placeholder:"NAME" help:"User of the registry."`
	RegistryPassword string   `group:"kafka" env:"ACCRUE_REGISTRY_PASSWORD" placeholder:"…" help:"Its password; better in $ACCRUE_REGISTRY_PASSWORD."`

	TLS           bool   `group:"kafka" env:"ACCRUE_TLS" help:"Speak TLS to the brokers."`
	TLSCA         string `group:"kafka" name:"tls-ca" env:"ACCRUE_TLS_CA" placeholder:"FILE" help:"Authorities to trust, PEM; implies --tls. An https registry may have its certificate from them too."`
	TLSCert       string `group:"kafka" name:"tls-cert" env:"ACCRUE_TLS_CERT" placeholder:"FILE" help:"Our certificate, PEM; implies --tls."`
	TLSKey        string `group:"kafka" name:"tls-key" env:"ACCRUE_TLS_KEY" placeholder:"FILE" help:"Its key, PEM."`
	SASLMechanism string `group:"kafka" name:"sasl-mechanism" env:"ACCRUE_SASL_MECHANISM" enum:"plain,scram-sha-256,scram-sha-512" default:"scram-sha-512" help:"How to log in."`
	SASLUser      string `group:"kafka" name:"sasl-user" env:"ACCRUE_SASL_USER" placeholder:"NAME" help:"Log in as."`
	SASLPassword  string `group:"kafka" name:"sasl-password" env:"ACCRUE_SASL_PASSWORD" placeholder:"…" help:"The password; better in $ACCRUE_SASL_PASSWORD."`
}

// metadataAge is how old what a client knows of topics may be.
const metadataAge = 10 * time.Millisecond

// pingMax is how long the first answer of a broker may take.
const pingMax = 10 * time.Second

// options returns what every Kafka client needs.
func (f *clusterFlags) options(log *slog.Logger) ([]kgo.Opt, error) {
	if len(f.Brokers) == 0 || slices.Contains(f.Brokers, "") {
		return nil, wrongUsage(errors.New("--brokers ($ACCRUE_BROKERS): is empty, want addresses such as kafka-1:9092,kafka-2:9092"))
	}
	opts := []kgo.Opt{kgo.SeedBrokers(f.Brokers...), kgo.DialTimeout(5 * time.Second)}
	if log != nil {
		opts = append(opts, kgo.WithLogger(kslog.New(slog.New(quiet{log.Handler()}))))
	}
	if f.secured() {
		cfg, err := f.tls(x509.NewCertPool())
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.DialTLSConfig(cfg))
	}
	if f.SASLUser != "" {
		opts = append(opts, kgo.SASL(f.sasl()))
	}
	return opts, nil
}

// tls returns what the flags say about TLS. The authorities of --tls-ca join the others.
func (f *clusterFlags) tls(others *x509.CertPool) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.TLSCA != "" {
		pem, err := os.ReadFile(f.TLSCA)
		if err != nil {
			return nil, wrongUsage(fmt.Errorf("--tls-ca: %w", err))
		}
		cfg.RootCAs = others
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, wrongUsage(fmt.Errorf("--tls-ca: %s holds no PEM certificate", f.TLSCA))
		}
	}
	if f.TLSCert != "" {
		pair, err := tls.LoadX509KeyPair(f.TLSCert, f.TLSKey)
		if err != nil {
			return nil, wrongUsage(fmt.Errorf("--tls-cert and --tls-key: %w", err))
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

func (f *clusterFlags) sasl() sasl.Mechanism {
	switch f.SASLMechanism {
	case "plain":
		return plain.Auth{User: f.SASLUser, Pass: f.SASLPassword}.AsMechanism()
	case "scram-sha-256":
		return scram.Auth{User: f.SASLUser, Pass: f.SASLPassword}.AsSha256Mechanism()
	default:
		return scram.Auth{User: f.SASLUser, Pass: f.SASLPassword}.AsSha512Mechanism()
	}
}

// codec returns the codec: with a registry, its schemas are registered there when register is set.
func (f *clusterFlags) codec(ctx context.Context, register bool) (*schemas.Codec, error) {
	if len(f.Registry) == 0 {
		return schemas.NewCodec(), nil
	}
	cfg := schemas.DefaultRegistryConfig(f.Registry...)
	cfg.User, cfg.Password = f.RegistryUser, f.RegistryPassword
	cfg.Register = register
	if f.secured() {
		// The registry is often not of those who run the brokers: whom this machine trusts stays trusted.
		trusted, err := x509.SystemCertPool()
		if err != nil {
			return nil, fmt.Errorf("reading whom this machine trusts: %w", err)
		}
		if cfg.TLS, err = f.tls(trusted); err != nil {
			return nil, err
		}
	}
	c, err := schemas.OpenCodec(ctx, cfg)
	if err != nil {
		return nil, couldNot(fmt.Errorf("schema registry %s: %w", strings.Join(f.Registry, ", "), err),
			"Is the registry running, and is --registry ($ACCRUE_REGISTRY) its address?")
	}
	return c, nil
}

// cluster is a reachable Kafka cluster.
type cluster struct {
	options []kgo.Opt
	prefix  string
	kafka   *kgo.Client
	admin   *kadm.Client
	codec   *schemas.Codec
	// client speaks to the engine through Kafka.
	client *consumer.Client
}

// reach connects to the cluster, or says what cannot be reached. more goes to every Kafka client besides what the flags
// say.
func (f *clusterFlags) reach(ctx context.Context, register bool, log *slog.Logger, more ...kgo.Opt) (*cluster, error) {
	opts, err := f.options(log)
	if err != nil {
		return nil, err
	}
	opts = append(opts, more...)
	// What it knows of topics is used again for the least time that the client allows: topics are made and looked at here.
	kafka, err := kgo.NewClient(append(opts, kgo.ClientID("accrue"), kgo.MetadataMinAge(metadataAge))...)
	if err != nil {
		return nil, wrongUsage(fmt.Errorf("--brokers: %w", err))
	}
	c := &cluster{options: opts, prefix: f.Prefix, kafka: kafka, admin: kadm.NewClient(kafka)}
	pinging, cancel := context.WithTimeout(ctx, pingMax)
	defer cancel()
	if err := kafka.Ping(pinging); err != nil {
		c.close()
		return nil, couldNot(fmt.Errorf("no answer from Kafka at %s: %w", strings.Join(f.Brokers, ", "), err),
			f.unansweredHint())
	}
	if c.codec, err = f.codec(ctx, register); err != nil {
		c.close()
		return nil, err
	}
	if c.client, err = consumer.NewClient(c.config(), c.codec); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// unansweredHint says what to look at when no broker answers. One that expects something else closes the connection or
// waits, and does not say so.
func (f *clusterFlags) unansweredHint() string {
	switch secured := f.secured(); {
	case secured && f.SASLUser != "":
		return "Is it running, and does that port of --brokers ($ACCRUE_BROKERS) expect TLS and a login by SASL? --tls and --sasl-user ask for both."
	case secured:
		return "Is it running, and does that port of --brokers ($ACCRUE_BROKERS) expect TLS? --tls, --tls-ca and --tls-cert ask for it."
	case f.SASLUser != "":
		return "Is it running, and does that port of --brokers ($ACCRUE_BROKERS) expect a login by SASL without TLS? --sasl-user asks for one; most such brokers need --tls too."
	}
	return "Is it running, and is --brokers ($ACCRUE_BROKERS) its address? `accrue dev` starts one of its own."
}

// secured reports whether the flags ask for TLS.
func (f *clusterFlags) secured() bool { return f.TLS || f.TLSCA != "" || f.TLSCert != "" }

// config is how the engine reaches the same cluster.
func (c *cluster) config() consumer.KafkaConfig {
	cfg := consumer.DefaultKafkaConfig()
	cfg.Options, cfg.Prefix = c.options, c.prefix
	return cfg
}

func (c *cluster) close() {
	if c.client != nil {
		c.client.Close()
	}
	c.kafka.Close()
}

// topicsMissing turns a topic that is not there, or does not go with the others, into advice.
func topicsMissing(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, consumer.ErrPartitionsDiffer):
		return couldNot(err, "A customer is on the same partition number of every topic. Delete the topics that differ, if nothing is in them yet, and `accrue topics create` makes them anew; or begin anew with another --prefix.")
	case strings.Contains(err.Error(), "UNKNOWN_TOPIC_OR_PARTITION"):
		return couldNot(err, "The topics are not there: `accrue topics create` makes them.")
	}
	return err
}

// quiet keeps the Kafka client's running commentary out of the log, unless everything is logged.
type quiet struct{ slog.Handler }

// Enabled implements [slog.Handler].
func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return q.Handler.Enabled(ctx, level) && (level >= slog.LevelWarn || q.Handler.Enabled(ctx, slog.LevelDebug))
}
