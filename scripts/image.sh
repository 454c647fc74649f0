#!/usr/bin/env bash
# Builds the image accrue:dev from a binary compiled here, so that no other image
# is needed.
#
#   scripts/image.sh [IMAGE]
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

IMAGE=${1:-${ACCRUE_IMAGE:-accrue:dev}}
VERSION=${VERSION:-$(git describe --tags --always --dirty 2>/dev/null || echo dev)}
CERTIFICATES=/etc/ssl/certs/ca-certificates.crt
need_file "$CERTIFICATES" ca-certificates

# The context is only what the prebuilt stage copies; the legacy builder, which
# builds every stage, gets a Dockerfile without the one that compiles.
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
mkdir -p "$context/.image" "$context/deploy"
CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o "$context/.image/accrue" ./cmd/accrue
cp "$CERTIFICATES" "$context/.image/"
cp -r deploy/data "$context/deploy/"
sed '/ AS compiled$/,/^$/d; s/^ARG ACCRUE_BINARY=.*/ARG ACCRUE_BINARY=prebuilt/' Dockerfile >"$context/Dockerfile"
docker_build "$IMAGE" "$context"
docker image inspect --format "$IMAGE: {{.Size}} bytes, user {{.Config.User}}" "$IMAGE"
