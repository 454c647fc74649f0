#!/bin/sh
exec /opt/java/bin/java -Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dlog4j2.configurationFile=/etc/kafka/docker/tools-log4j2.yaml ${KAFKA_OPTS-} -cp '/opt/kafka/libs/*' "$@"
