#!/usr/bin/env bash
# Builds an image with the contract of apache/kafka (KAFKA_* variables,
# /etc/kafka/docker/run, /opt/kafka/bin, user appuser, port 9092) where no image
# registry can be reached: from Maven Central's jars, a runtime cut out of the
# machine's JDK, and a static busybox.
#
#   scripts/kafka-image/build.sh [IMAGE]      default local/kafka:4.3.1
#
# It is not the public image (Debian's libc, Java 17, busybox, fewer tools) and
# is therefore not called by its name. SSL and SASL were not tried. An image that
# exists is left alone; remove it to build anew.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

IMAGE=${1:-local/kafka:$KAFKA_VERSION}
HERE=$SCRIPTS/kafka-image
if docker image inspect "$IMAGE" >/dev/null 2>&1; then echo "$IMAGE"; exit; fi
docker info >/dev/null 2>&1 || die "no Docker engine answers: eval \"\$(scripts/docker-engine.sh)\""

JARS=$("$SCRIPTS/kafka-jars.sh")
need jlink openjdk-17-jdk-headless
JDK=$(dirname "$(dirname "$(readlink -f "$(command -v jlink)")")")
mkdir -p "$CACHE"
WORK=$(mktemp -d "$CACHE/kafka-image.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
R=$WORK/root
mkdir -p "$R"/{bin,etc/kafka/docker,etc/kafka/secrets,lib,lib64,tmp,opt/kafka/{bin,config,libs,logs},mnt/shared/config,usr/{bin,sbin,lib,logs},var/lib/kafka/data,home/appuser,root,proc,sys,dev}

cp "$JARS"/*.jar "$R/opt/kafka/libs/"
"$JDK/bin/jlink" --output "$R/opt/java" --strip-java-debug-attributes --no-header-files --no-man-pages --compress=0 \
  --add-modules java.se,jdk.unsupported,jdk.crypto.ec,jdk.management,jdk.management.agent,jdk.security.auth,jdk.security.jgss,jdk.naming.dns,jdk.net,jdk.zipfs,jdk.jcmd

# The shell and its tools: one static binary. It has no bash, which some scripts
# name, and a link under that name would fail; two lines do.
BUSYBOX=$(command -v busybox || true)
if [ -z "$BUSYBOX" ] || ldd "$BUSYBOX" >/dev/null 2>&1; then
  (cd "$WORK" && { apt-get download -qq busybox-static || { apt-get update -qq && apt-get download -qq busybox-static; }; } >/dev/null 2>&1 &&
    dpkg-deb -x busybox-static_*.deb bb) || die "busybox-static could not be downloaded"
  BUSYBOX=$(find "$WORK/bb" -path '*/bin/busybox' -type f)
fi
cp "$BUSYBOX" "$R/bin/busybox"
for applet in $("$R/bin/busybox" --list); do [ "$applet" = busybox ] || ln -sf busybox "$R/bin/$applet"; done
printf '#!/bin/sh\nexec /bin/sh "$@"\n' >"$R/bin/bash"
chmod 755 "$R/bin/bash"
ln -sf ../../bin/busybox "$R/usr/bin/env"

# The shared libraries that the Java runtime needs. Those of java.desktop are
# removed first: they would bring X11 with them, and a broker draws nothing.
(cd "$R/opt/java/lib" && rm -f libawt*.so libjawt.so libsplashscreen.so libjsound.so libfontmanager.so libfreetype.so liblcms.so libjavajpeg.so libmlib_image.so)
"$R/opt/java/bin/java" -Xshare:dump >/dev/null 2>&1 || true
{ find "$R/opt/java" -type f \( -name '*.so' -o -path '*/bin/java' \) -exec ldd {} + 2>/dev/null; ldd /bin/sh; } |
  awk '/=> \//{print $3} /^\t\/lib64/{print $1}' | grep -v "^$WORK" | sort -u | while read -r f; do
    case $f in /lib64/*) cp -L "$f" "$R/lib64/" ;; *) cp -L "$f" "$R/lib/" ;; esac
  done
cp -L /lib/x86_64-linux-gnu/libnss_{files,dns}.so.2 "$R/lib/" 2>/dev/null || true
printf 'root:x:0:0:root:/root:/bin/sh\nappuser:x:1000:1000::/home/appuser:/bin/sh\n' >"$R/etc/passwd"
printf 'root:x:0:\nappuser:x:1000:\n' >"$R/etc/group"
echo 'hosts: files dns' >"$R/etc/nsswitch.conf"

cp "$HERE"/etc-kafka-docker/* "$R/etc/kafka/docker/"
cp "$HERE"/etc-kafka-docker/{server.properties,log4j2.yaml,tools-log4j2.yaml} "$R/opt/kafka/config/"
cp "$HERE/kafka-run-class.sh" "$R/opt/kafka/bin/"
while read -r tool class; do
  printf '#!/bin/sh\nexec /opt/kafka/bin/kafka-run-class.sh %s "$@"\n' "$class" >"$R/opt/kafka/bin/kafka-$tool.sh"
done <<'TOOLS'
topics org.apache.kafka.tools.TopicCommand
broker-api-versions org.apache.kafka.tools.BrokerApiVersionsCommand
consumer-groups org.apache.kafka.tools.consumer.group.ConsumerGroupCommand
configs kafka.admin.ConfigCommand
console-producer org.apache.kafka.tools.ConsoleProducer
console-consumer org.apache.kafka.tools.consumer.ConsoleConsumer
storage kafka.tools.StorageTool
metadata-quorum org.apache.kafka.tools.MetadataQuorumCommand
get-offsets org.apache.kafka.tools.GetOffsetShell
transactions org.apache.kafka.tools.TransactionsCommand
reassign-partitions org.apache.kafka.tools.reassign.ReassignPartitionsCommand
acls org.apache.kafka.tools.AclCommand
cluster org.apache.kafka.tools.ClusterTool
delete-records org.apache.kafka.tools.DeleteRecordsCommand
dump-log org.apache.kafka.tools.DumpLogSegments
TOOLS
chmod 755 "$R"/opt/kafka/bin/*.sh "$R/etc/kafka/docker/run"
chmod 1777 "$R/tmp"

own=(./opt/kafka ./mnt ./usr/logs ./var/lib/kafka ./etc/kafka ./home) # appuser's; the rest is root's
mkdir "$WORK/ctx"
tar -C "$R" --owner=0 --group=0 --numeric-owner -cf "$WORK/ctx/rootfs.tar" "${own[@]/#/--exclude=}" .
tar -C "$R" --owner=1000 --group=1000 --numeric-owner -rf "$WORK/ctx/rootfs.tar" "${own[@]}"
cp "$HERE/Dockerfile" "$WORK/ctx/"
docker_build "$IMAGE" "$WORK/ctx"
echo "$IMAGE"
