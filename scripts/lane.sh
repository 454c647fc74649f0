#!/usr/bin/env bash
# Runs a lane of internal/lanes: installs what it needs into the cache, and requires that nothing of it is left out.
#
#   scripts/lane.sh shops      three shops' histories (ACCRUE_SHOPS names their folder, ../shared/data by default)
#   scripts/lane.sh foreign    Python, Java and C producers with a schema registry
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

"$SCRIPTS/kafka-jars.sh" >/dev/null
ACCRUE_PYTHON=$("$SCRIPTS/lane-python.sh")
export ACCRUE_PYTHON ACCRUE_KAFKA=${ACCRUE_KAFKA:-jvm} ACCRUE_REQUIRE_KAFKA=1
case ${1-} in
shops)
  export ACCRUE_REQUIRE_SHOPS=1
  test=TestRealShops
  ;;
foreign)
  "$SCRIPTS/registry-jars.sh" >/dev/null
  need kcat kcat
  ACCRUE_JAVA_JARS=$("$SCRIPTS/lane-java.sh")
  export ACCRUE_JAVA_JARS ACCRUE_TEST_REGISTRY=${ACCRUE_TEST_REGISTRY:-jvm} ACCRUE_REQUIRE_REGISTRY=1 ACCRUE_REQUIRE_FOREIGN=1
  test=TestRealForeignProducers
  ;;
*) die "usage: scripts/lane.sh shops|foreign" ;;
esac
go test -count=1 -v -timeout 10m -run "^$test\$" ./internal/lanes
