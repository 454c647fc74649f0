#!/usr/bin/env bash
# Makes a Docker engine answer, and prints what the environment needs:
#
#   eval "$(scripts/docker-engine.sh)"     use it
#   scripts/docker-engine.sh stop          end the engine that this script started
#
# Where an engine answers already, it is used. Elsewhere, as root on Debian, the
# engine is installed and dockerd started by hand, without systemd.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

RUN=${ACCRUE_DOCKER_RUN:-/run/accrue-docker}
DATA=${ACCRUE_DOCKER_DATA:-/var/lib/accrue-docker}
SOCKET=$RUN/docker.sock

if [ "${1:-}" = stop ]; then
  [ -e "$RUN/pid" ] || die "no engine of ours runs"
  pid=$(cat "$RUN/pid")
  kill "$pid"
  while kill -0 "$pid" 2>/dev/null; do sleep 0.2; done
  exit
fi

answers() { docker info >/dev/null 2>&1; }

say() {
  [ -z "${1:-}" ] || echo "export DOCKER_HOST=$1"
  # Ryuk's image cannot be had everywhere; what it does, the tests do themselves.
  echo "export TESTCONTAINERS_RYUK_DISABLED=true"
  # Inside a container testcontainers-go would take the gateway for the host of mapped ports.
  [ ! -e /.dockerenv ] || echo "export TESTCONTAINERS_HOST_OVERRIDE=localhost"
}

if command -v docker >/dev/null 2>&1; then
  if answers; then say "${DOCKER_HOST:-}"; exit; fi
  if [ -S "$SOCKET" ] && DOCKER_HOST=unix://$SOCKET answers; then say "unix://$SOCKET"; exit; fi
fi

[ "$(id -u)" = 0 ] || die "no Docker engine answers, and starting one takes root"
for pair in dockerd:docker.io containerd:containerd runc:runc iptables:iptables; do need "${pair%:*}" "${pair#*:}"; done
mkdir -p "$RUN" "$DATA"
rm -f "$RUN/pid"
setsid nohup dockerd --data-root "$DATA" --exec-root "$RUN/exec" --pidfile "$RUN/pid" -H "unix://$SOCKET" \
  >"$RUN/log" 2>&1 </dev/null &
for _ in $(seq 300); do
  if DOCKER_HOST=unix://$SOCKET answers; then say "unix://$SOCKET"; exit; fi
  sleep 0.2
done
tail -20 "$RUN/log" >&2
die "dockerd did not answer within 60 s; its log is $RUN/log"
