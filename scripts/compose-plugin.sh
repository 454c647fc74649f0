#!/usr/bin/env bash
# Makes `docker compose` (v2) work: where it does not yet, builds the plugin from
# the module's source into the cache, once (five minutes on a busy machine), and
# links it for this user. `go install` refuses the module for its exclude lines.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

if docker compose version >/dev/null 2>&1; then docker compose version; exit; fi
BIN=$CACHE/docker-compose-$COMPOSE_VERSION
if [ ! -x "$BIN" ]; then
  mkdir -p "$CACHE"
  work=$(mktemp -d)
  trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
  cd "$work"
  dir=$(go mod download -json "github.com/docker/compose/v2@$COMPOSE_VERSION" | sed -n 's/^[[:space:]]*"Dir": "\(.*\)",*$/\1/p')
  cp -r "$dir" src
  chmod -R u+w src
  (cd src && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X github.com/docker/compose/v2/internal.Version=$COMPOSE_VERSION" -o "$BIN" ./cmd)
fi
mkdir -p "${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins"
ln -sf "$BIN" "${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins/docker-compose"
docker compose version
