#!/usr/bin/env bash
# Makes a Python environment with Confluent's client in the cache, once for each state of lane-python.txt, and prints its
# python. internal/lanes uses it by ACCRUE_PYTHON.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

DIR=$CACHE/python-$(sha256sum <"$SCRIPTS/lane-python.txt" | cut -c1-12)
if [ ! -e "$DIR/complete" ]; then
  need python3 python3
  python3 -c 'import ensurepip, venv' 2>/dev/null || install_package python3-venv python3-venv
  mkdir -p "$CACHE"
  exec 9>"$DIR.lock"
  flock 9 # the paths in an environment are its own, so it cannot be made aside and moved
  if [ ! -e "$DIR/complete" ]; then
    python3 -m venv --clear "$DIR" >&2
    "$DIR/bin/pip" install -q --disable-pip-version-check --only-binary :all: -r "$SCRIPTS/lane-python.txt" >&2
    touch "$DIR/complete"
  fi
fi
echo "$DIR/bin/python"
