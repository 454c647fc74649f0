# Shared by the scripts in this folder; sourced, not run.
# shellcheck shell=bash

KAFKA_VERSION=${KAFKA_VERSION:-4.3.1}
APICURIO_VERSION=${APICURIO_VERSION:-3.0.9}
GOLANGCI_VERSION=${GOLANGCI_VERSION:-v2.15.0}
COMPOSE_VERSION=${COMPOSE_VERSION:-v2.40.3}

SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(dirname "$SCRIPTS")

# Where jars and tools are kept; internal/kafkatest looks in the same place.
CACHE=${ACCRUE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/accrue}

die() { echo "$*" >&2; exit 1; }

# need TOOL PACKAGE: installs a Debian package where the tool is missing and we may.
need() { command -v "$1" >/dev/null 2>&1 || install_package "$1" "$2"; }

# need_file PATH PACKAGE: the same for a file.
need_file() { [ -e "$1" ] || install_package "$1" "$2"; }

install_package() {
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || die "$1 is missing: install it (Debian: $2)"
  echo "installing $2" >&2
  export DEBIAN_FRONTEND=noninteractive
  { apt-get install -y -qq --no-install-recommends "$2" || { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$2"; }; } >/dev/null 2>&1 ||
    die "installing $2 did not work: apt-get install $2"
}

# docker_build IMAGE CONTEXT: the legacy builder, which needs no image for itself.
docker_build() {
  local out
  out=$(DOCKER_BUILDKIT=0 docker build -q -t "$1" "$2" 2>&1) || die "building $1: $out"
}
