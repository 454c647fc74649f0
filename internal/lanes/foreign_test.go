//go:build !race

package lanes_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/kafkatest"
	"github.com/accrue-loyalty/accrue/schemas"
)

const requireForeign = "ACCRUE_REQUIRE_FOREIGN"

// foreignPartitions is odd, so that a wrong hash rarely hits the right partition.
const foreignPartitions = 7

// producer is a client that knows the contract, but not accrue.
type producer struct {
	name string
	send func(t *testing.T, sys *system, batch []events.Event)
}

// TestRealForeignProducers has clients of other languages publish orders and returns to a running instance with a real
// schema registry. All must be decided, and to the points that they are worth.
func TestRealForeignProducers(t *testing.T) {
	need(t)
	sys := newSystem(t, kafkatest.Registry(t))
	sys.must("topics", "create", "--partitions", strconv.Itoa(foreignPartitions))
	sys.must("program", "publish", "testdata/foreign/program.yaml", "--at", "2026-01-01", "--now")
	run := sys.start()
	published := 0
	for _, p := range []producer{
		{"java", sendByJava},     // with the registry's schemas
		{"python", sendByPython}, // registers schemas of its own
		{"java-later", sendByJava},
		{"kcat-registry", func(t *testing.T, sys *system, batch []events.Event) {
			sendByKcat(t, sys, registryCodec(t, sys), batch)
		}},
		{"kcat-fingerprint", func(t *testing.T, sys *system, batch []events.Event) { sendByKcat(t, sys, schemas.NewCodec(), batch) }},
	} {
		t.Run(p.name+" earns what it is worth", func(t *testing.T) {
			batch, worth := history(p.name)
			began := time.Now()
			p.send(t, sys, batch)
			t.Logf("%5.1f s  %s published %d events", time.Since(began).Seconds(), p.name, len(batch))
			published += len(batch)
			run.expect(t, worth)
		})
	}
	keysAreWhereKafkaPutsThem(t, sys, published)
	if letters := deadLetters(t, sys); len(letters) > 0 {
		t.Errorf("dead letters: %+v", letters)
	}
	wrongPartitionIsNoticed(t, sys)
	var v struct{ Records, Differences int64 }
	sys.mustJSON(&v, "verify")
	if v.Differences != 0 || v.Records != int64(published)+1 {
		t.Errorf("verify: %d differences in %d records; want none in %d", v.Differences, v.Records, published+1)
	}
}

// need skips the test where a client is missing.
func need(t *testing.T) {
	t.Helper()
	if os.Getenv("ACCRUE_KAFKA") == "" || os.Getenv("ACCRUE_TEST_REGISTRY") == "" {
		skip(t, requireForeign, "foreign producers need a Kafka broker and a schema registry: scripts/lane.sh foreign")
	}
	if os.Getenv("ACCRUE_JAVA_JARS") == "" || os.Getenv("ACCRUE_PYTHON") == "" {
		skip(t, requireForeign, "ACCRUE_PYTHON and ACCRUE_JAVA_JARS name the clients: scripts/lane.sh foreign")
	}
	if _, err := exec.LookPath("kcat"); err != nil {
		skip(t, requireForeign, "kcat is not installed: scripts/lane.sh foreign")
	}
}

// history returns orders of some customers, and a return for every third, with the points that each is left with. All
// amounts differ, so that no mix-up goes unnoticed.
func history(client string) (batch []events.Event, worth map[string]int64) {
	const customers = 12
	worth = map[string]int64{}
	at := events.InstantOf(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	for k := range int64(customers) {
		customer := fmt.Sprintf("%s/Kundin Zoë %d", client, k)
		first, second := 1000+37*k, 507+101*k
		batch = append(batch, &events.OrderPlaced{
			Header: events.Header{ID: fmt.Sprintf("order-%d", k), Customer: customer, At: at + events.Instant(k)},
			Order:  fmt.Sprintf("o-%d", k), Currency: "USD",
			Lines: []events.Line{
				{Line: "1", SKU: "tea", Quantity: 1, Amount: events.Money(first)},
				{Line: "2", SKU: "cup", Quantity: k, Amount: events.Money(second)},
			},
		})
		granted := (first + second) / 100
		worth[customer] = granted
		if k%3 == 0 {
			batch = append(batch, &events.OrderReturned{
				Header: events.Header{ID: fmt.Sprintf("return-%d", k), Customer: customer, At: at + 1000 + events.Instant(k)},
				Order:  fmt.Sprintf("o-%d", k), Return: fmt.Sprintf("r-%d", k),
				Lines: []events.ReturnedLine{{Line: "2", Amount: events.Money(second)}},
			})
			worth[customer] -= granted * second / (first + second)
		}
	}
	return batch, worth
}

// jsonLines writes events as producers get them on their standard input.
func jsonLines(t *testing.T, batch []events.Event) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	for _, e := range batch {
		line, err := events.EncodeJSON(e)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	return &b
}

func sendByPython(t *testing.T, sys *system, batch []events.Event) {
	t.Helper()
	send(t, jsonLines(t, batch), os.Getenv("ACCRUE_PYTHON"), "testdata/foreign/producer.py", sys.brokers, sys.registry, sys.prefix)
}

func sendByJava(t *testing.T, sys *system, batch []events.Event) {
	t.Helper()
	java := "java"
	if home := os.Getenv("JAVA_HOME"); home != "" {
		java = filepath.Join(home, "bin", "java")
	}
	send(t, jsonLines(t, batch), java, "-XX:TieredStopAtLevel=1", "-cp", filepath.Join(os.Getenv("ACCRUE_JAVA_JARS"), "*"),
		"testdata/foreign/Shop.java", sys.brokers, sys.registry, sys.prefix)
}

// sendByKcat has kcat publish bytes that are ready: it knows no Avro. It sends one key a run.
func sendByKcat(t *testing.T, sys *system, codec *schemas.Codec, batch []events.Event) {
	t.Helper()
	for _, e := range batch {
		kcat(t, sys, codec, e, "-z", "snappy", "-X", "partitioner=murmur2_random")
	}
}

func kcat(t *testing.T, sys *system, codec *schemas.Codec, e events.Event, more ...string) {
	t.Helper()
	value, err := codec.AppendEvent(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, value, 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-P", "-b", sys.brokers, "-t", schemas.TopicOf(e.EventType()).Name(sys.prefix), "-k", e.Head().Customer}, more...)
	send(t, nil, "kcat", append(args, file)...)
}

func registryCodec(t *testing.T, sys *system) *schemas.Codec {
	t.Helper()
	codec, err := schemas.OpenCodec(t.Context(), schemas.DefaultRegistryConfig(sys.registry))
	if err != nil {
		t.Fatal(err)
	}
	return codec
}

// send runs a client that has to succeed.
func send(t *testing.T, stdin *bytes.Buffer, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	if stdin != nil {
		cmd.Stdin = stdin
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// decideMax is how long decisions may take on a busy machine.
const decideMax = 30 * time.Second

// expect waits until all customers have the points that they should, and reports those who have not.
func (i *instance) expect(t *testing.T, worth map[string]int64) {
	t.Helper()
	for customer, points := range worth {
		var b balance
		var err error
		for deadline := time.Now().Add(decideMax); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			if b, err = i.balance(customer); err == nil && b.Active == points {
				break
			}
		}
		if err != nil || b.Active != points || b.Pending != 0 || b.Deficit != 0 {
			t.Errorf("%s has %+v (%v), want %d points", customer, b, err, points)
		}
	}
}

// keysAreWhereKafkaPutsThem reads what the clients have published and compares its partitions with our own hash.
func keysAreWhereKafkaPutsThem(t *testing.T, sys *system, published int) {
	t.Helper()
	used := map[int32]int{}
	read := 0
	writers := map[string]int{} // of orders, by framing and schema id
	for _, topic := range []schemas.Topic{schemas.TopicOrders, schemas.TopicReturns} {
		for _, rec := range records(t, sys, topic) {
			read++
			used[rec.Partition]++
			if topic == schemas.TopicOrders {
				writers[fmt.Sprintf("%x", rec.Value[:min(len(rec.Value), 5)])]++
			}
			if want := schemas.Partition(string(rec.Key), foreignPartitions); rec.Partition != want {
				t.Errorf("%s: key %q is on partition %d, want %d", topic, rec.Key, rec.Partition, want)
			}
		}
	}
	if read != published || len(used) != foreignPartitions {
		t.Errorf("read %d records on %d partitions, want %d on all %d", read, len(used), published, foreignPartitions)
	}
	// Our schema and the Python shop's, both by their ids, and ours by its fingerprint.
	if len(writers) != 3 {
		t.Errorf("orders begin with %v, want three ways", writers)
	}
	t.Logf("%d records on %d partitions; orders by their first bytes: %v", read, len(used), writers)
}

// records reads a topic to its end.
func records(t *testing.T, sys *system, topic schemas.Topic) []*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), decideMax)
	defer cancel()
	name := topic.Name(sys.prefix)
	cl, err := kgo.NewClient(kgo.SeedBrokers(sys.brokers), kgo.ConsumeTopics(name), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	var left int64
	ends.Each(func(o kadm.ListedOffset) { left += o.Offset })
	var all []*kgo.Record
	for left > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("reading %s: %v", name, err)
		}
		fetches.EachRecord(func(rec *kgo.Record) {
			left--
			if !rec.Attrs.IsControl() {
				all = append(all, rec)
			}
		})
	}
	return all
}

func deadLetters(t *testing.T, sys *system) (all []schemas.DeadLetter) {
	t.Helper()
	for _, rec := range records(t, sys, schemas.TopicDeadLetter) {
		var headers []schemas.Header
		for _, h := range rec.Headers {
			headers = append(headers, schemas.Header{Key: h.Key, Value: h.Value})
		}
		l, _, err := schemas.ParseDeadLetter(headers)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	return all
}

// wrongPartitionIsNoticed publishes as a client with another partitioner would: to another partition than the key's. So
// the other checks would have noticed one.
func wrongPartitionIsNoticed(t *testing.T, sys *system) {
	t.Helper()
	batch, _ := history("stray")
	stray := batch[0]
	wrong := (schemas.Partition(stray.Head().Customer, foreignPartitions) + 1) % foreignPartitions
	kcat(t, sys, schemas.NewCodec(), stray, "-p", strconv.Itoa(int(wrong)))
	var letters []schemas.DeadLetter
	for deadline := time.Now().Add(decideMax); len(letters) == 0 && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		letters = deadLetters(t, sys)
	}
	if len(letters) != 1 || letters[0].Partition != wrong || letters[0].Topic != schemas.TopicOrders.Name(sys.prefix) {
		t.Errorf("dead letters after an order on the wrong partition: %+v", letters)
		return
	}
	t.Logf("an order on the wrong partition: %s, %s", letters[0].Reason, cmp.Or(letters[0].Detail, "without detail"))
}
