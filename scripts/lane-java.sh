#!/usr/bin/env bash
# Fetches Apache Kafka's Java client and Avro from Maven Central into the cache, once for each state of lane-java/pom.xml,
# and prints the folder. internal/lanes uses it by ACCRUE_JAVA_JARS.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

DIR=$CACHE/java-$(sha256sum <"$SCRIPTS/lane-java/pom.xml" | cut -c1-12)
if [ ! -e "$DIR" ]; then
  need mvn maven
  need javac openjdk-17-jdk-headless
  mkdir -p "$CACHE"
  tmp=$(mktemp -d "$CACHE/java.XXXXXX")
  trap 'rm -rf "$tmp"' EXIT
  mvn -q -B -f "$SCRIPTS/lane-java/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$tmp" >&2
  chmod 755 "$tmp"
  mv -T "$tmp" "$DIR" 2>/dev/null || [ -e "$DIR" ] # another run may have been first
fi
echo "$DIR"
