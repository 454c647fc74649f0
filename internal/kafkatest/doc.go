// Package kafkatest gives tests a Kafka broker and a schema registry that are
// the real thing, or says loudly that they did not run.
//
// A test asks for a broker and gets the one that the environment names:
//
//	func TestMain(m *testing.M) { os.Exit(kafkatest.Run(m)) }
//
//	func TestRealRestart(t *testing.T) {
//		bootstrap := kafkatest.Broker(t)
//		topic := kafkatest.Prefix(t) + "orders"
//		…
//	}
//
// ACCRUE_KAFKA chooses the broker:
//
//	(empty)    none: the test is skipped
//	embedded   internal/embedded, in this process
//	jvm        Apache Kafka from Maven Central on this machine's Java (scripts/kafka-jars.sh)
//	container  the image KAFKA_IMAGE, apache/kafka:4.3.1 by default, by testcontainers-go
//	host:port  a broker that runs already
//
// ACCRUE_TEST_REGISTRY chooses the registry: empty, embedded, jvm (Apicurio,
// scripts/registry-jars.sh) or a URL.
//
// ACCRUE_REQUIRE_KAFKA=1 and ACCRUE_REQUIRE_REGISTRY=1 turn the skip into a
// failure; continuous integration sets them. By convention the names of tests
// that need a broker begin with TestReal, so that `-run Real` finds them.
//
// A process starts at most one of each, on first use, and Run stops them. They
// are therefore shared: topics, groups and transactional ids must begin with
// Prefix. `go test -p 1` keeps several packages from starting several.
//
// StartJVM does not need a test and serves benchmarks too.
package kafkatest
