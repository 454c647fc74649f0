// Package lanes holds tests of the accrue binary as others meet it: it is built, started and spoken to over Kafka, HTTP
// and its command line only.
//
// TestRealShops takes three shops' own exports through it: CDNOW, which the repository carries, and a grocery and a gift
// shop from the folder that ACCRUE_SHOPS names (../shared/data beside the repository by default). Each is imported with
// the clock driven through its history, twice. What must come out is reckoned by other means: by testdata/shops/check.py
// from the CSV files, and by `accrue simulate` without Kafka.
//
// TestRealForeignProducers has a Python, a Java and a C client, none of which knows accrue, publish to a running
// instance with a schema registry. scripts/lane-python.sh and scripts/lane-java.sh install what they need.
//
// Both need a real broker (see internal/kafkatest) and say loudly that they did not run without one.
// ACCRUE_REQUIRE_SHOPS=1 and ACCRUE_REQUIRE_FOREIGN=1 turn that into a failure; continuous integration sets them. Under the
// race detector, which would see this process and not accrue's, they are not even linked.
package lanes
