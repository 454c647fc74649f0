#!/usr/bin/env bash
# Builds every image of docker-compose.yml locally, from Maven Central, Debian and
# this tree, where images cannot be pulled. Prints the variables that name them:
#
#   eval "$(scripts/docker-engine.sh)"; eval "$(scripts/compose-images.sh)"
#   docker compose up --wait
#
# The registry is then Apicurio 3.0.9, the last line that runs on Java 17, and
# Prometheus is Debian's.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
exists() { docker image inspect "$1" >/dev/null 2>&1; }

KAFKA=$("$SCRIPTS/kafka-image/build.sh")
echo "export KAFKA_IMAGE=$KAFKA"

# The registry stands on the Kafka image for its Java runtime and shell.
REGISTRY=local/apicurio:$APICURIO_VERSION
if ! exists "$REGISTRY"; then
  mkdir "$WORK/registry"
  cp -r "$("$SCRIPTS/registry-jars.sh")" "$WORK/registry/app"
  cat >"$WORK/registry/Dockerfile" <<DOCKERFILE
FROM $KAFKA
COPY app /opt/apicurio
WORKDIR /opt/apicurio
EXPOSE 8080
CMD ["java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-jar", "apicurio-registry-app-$APICURIO_VERSION-runner.jar"]
DOCKERFILE
  docker_build "$REGISTRY" "$WORK/registry"
fi
echo "export REGISTRY_IMAGE=$REGISTRY"

need_file /usr/bin/prometheus prometheus
PROMETHEUS=local/prometheus:$(/usr/bin/prometheus --version 2>&1 | awk 'NR == 1 {sub(/[+].*/, "", $3); print $3}')
if ! exists "$PROMETHEUS"; then
  mkdir "$WORK/prometheus"
  cp /usr/bin/prometheus "$WORK/prometheus/"
  cp -rL /usr/share/prometheus "$WORK/prometheus/share"
  cat >"$WORK/prometheus/Dockerfile" <<DOCKERFILE
FROM $KAFKA
COPY prometheus /bin/prometheus
COPY share /usr/share/prometheus
WORKDIR /tmp
EXPOSE 9090
CMD ["/bin/prometheus", "--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/tmp/prometheus"]
DOCKERFILE
  docker_build "$PROMETHEUS" "$WORK/prometheus"
fi
echo "export PROMETHEUS_IMAGE=$PROMETHEUS"

"$SCRIPTS/image.sh" "${ACCRUE_IMAGE:-accrue:dev}" >&2
echo "export ACCRUE_IMAGE=${ACCRUE_IMAGE:-accrue:dev}"
