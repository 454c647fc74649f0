#!/usr/bin/env bash
# Fetches Apache Kafka's broker from Maven Central into the cache, once, and
# prints the folder. ACCRUE_KAFKA=jvm and scripts/kafka-image use it.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

DIR=$CACHE/kafka-$KAFKA_VERSION
if [ ! -e "$DIR/kafka_2.13-$KAFKA_VERSION.jar" ]; then
  need mvn maven
  need java openjdk-17-jdk-headless
  mkdir -p "$CACHE"
  tmp=$(mktemp -d "$CACHE/kafka.XXXXXX")
  trap 'rm -rf "$tmp"' EXIT
  mvn -q -B -f "$SCRIPTS/kafka-image/pom.xml" -Dkafka.version="$KAFKA_VERSION" dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$tmp" >&2
  chmod 755 "$tmp"
  mv -T "$tmp" "$DIR" 2>/dev/null || [ -e "$DIR" ] # another run may have been first
fi
echo "$DIR"
