#!/usr/bin/env bash
# Installs the linter at its pinned version into the cache, once, and prints its path.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

BIN=$CACHE/golangci-lint-$GOLANGCI_VERSION
if [ ! -x "$BIN/golangci-lint" ]; then
  mkdir -p "$BIN"
  (cd / && GOBIN=$BIN GOFLAGS=-mod=mod go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$GOLANGCI_VERSION") >&2
fi
echo "$BIN/golangci-lint"
