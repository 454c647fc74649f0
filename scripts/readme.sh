#!/usr/bin/env bash
# Runs the commands of README.md as a reader would: each ```sh block right after
# the comment <!-- run -->, in order, in one folder, from one shell, with -e.
#
#   scripts/readme.sh [FILE]         run them
#   scripts/readme.sh --list [FILE]  print them
#
# Temporary files go into a folder that is removed; what a block leaves running in
# the background is ended. A README without such a block is an error, so that the
# check cannot pass by running nothing.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

list=
[ "${1:-}" != --list ] || { list=1; shift; }
FILE=${1:-$ROOT/README.md}
[ -e "$FILE" ] || die "there is no $FILE"

script=$(awk '
  /^<!-- run -->[[:space:]]*$/ { armed = 1; next }
  armed && /^```sh[[:space:]]*$/ { inside = 1; armed = 0; printf "echo \"--- line %d\"\n", NR + 1; next }
  inside && /^```[[:space:]]*$/ { inside = 0; next }
  inside { print; next }
  armed && NF { armed = 0 }
' "$FILE")
[ -n "$script" ] || die "$FILE marks no block with <!-- run -->"
if [ -n "$list" ]; then echo "$script"; exit; fi

TMPDIR=$(mktemp -d)
export TMPDIR
cd "$ROOT"
# A process group of its own, so that what the blocks leave running ends with them.
setsid bash -euo pipefail -x -c "$script" &
pid=$!
# Ended processes may still be writing as they go.
trap 'kill -- -$pid 2>/dev/null || true; sleep 2; kill -9 -- -$pid 2>/dev/null || true; rm -rf "$TMPDIR" || true' EXIT
wait $pid
