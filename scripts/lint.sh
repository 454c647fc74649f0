#!/usr/bin/env bash
# Runs the linter where it is installed at its pinned version, and says so where
# it is not. ACCRUE_REQUIRE_LINT=1 turns that into a failure.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

LINT=$CACHE/golangci-lint-$GOLANGCI_VERSION/golangci-lint
if [ ! -x "$LINT" ]; then
  echo "NOT RUN: golangci-lint $GOLANGCI_VERSION is not installed. Install it with: make tools"
  [ "${ACCRUE_REQUIRE_LINT:-}" != 1 ] || exit 1
  exit 0
fi
cd "$ROOT"
exec "$LINT" run "$@" ./...
