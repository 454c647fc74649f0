#!/usr/bin/env bash
# Fetches the Apicurio schema registry from Maven Central into the cache, once,
# and prints the folder. ACCRUE_TEST_REGISTRY=jvm uses it.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

DIR=$CACHE/apicurio-$APICURIO_VERSION
if [ ! -e "$DIR/apicurio-registry-app-$APICURIO_VERSION-runner.jar" ]; then
  need mvn maven
  need java openjdk-17-jdk-headless
  mkdir -p "$CACHE"
  tmp=$(mktemp -d "$CACHE/apicurio.XXXXXX")
  trap 'rm -rf "$tmp"' EXIT
  mvn -q -B dependency:copy -Dartifact="io.apicurio:apicurio-registry-app:$APICURIO_VERSION:tar.gz:all" -DoutputDirectory="$tmp" >&2
  mkdir "$tmp/out"
  tar xzf "$tmp"/apicurio-registry-app-*.tar.gz -C "$tmp/out"
  mv -T "$tmp/out" "$DIR" 2>/dev/null || [ -e "$DIR" ]
fi
echo "$DIR"
