#!/usr/bin/env bash
# Runs the tests that need a real broker or registry: those whose names begin
# with TestReal, in the packages that ask internal/kafkatest for one. ACCRUE_KAFKA
# and ACCRUE_TEST_REGISTRY choose them; see internal/kafkatest. One package at a
# time, since each starts a broker of its own.
#
#   scripts/test-real.sh [go test flags]     default -run ^TestReal
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$ROOT"
[ $# -gt 0 ] || set -- -run '^TestReal'

mapfile -t packages < <(go list -f '{{$p := .ImportPath}}{{range .TestImports}}{{println $p .}}{{end}}{{range .XTestImports}}{{println $p .}}{{end}}' ./... |
  awk '$2 ~ /\/internal\/kafkatest$/ {print $1}' | sort -u)
[ ${#packages[@]} -gt 0 ] || die "no package has tests for a real broker"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
go test -p 1 -count=1 -v -timeout 10m "$@" "${packages[@]}" >"$log" 2>&1 || status=$?
if [ $status != 0 ]; then cat "$log"; else grep -E '^(--- |ok|FAIL)|(broker|registry): ' "$log" | sort -u; fi
passed=$(grep -c '^--- PASS' "$log" || true)
skipped=$(grep -c '^--- SKIP' "$log" || true)
echo "real tests: $passed passed, $skipped skipped"
[ "$passed" -gt 0 ] || { echo "none ran"; exit 1; }
exit $status
