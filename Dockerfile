# accrue in a container: one static binary, no shell, user 65532.
#
#   docker build -t accrue:dev .                          compiles in Go's image
#   scripts/image.sh                                      compiles here; needs no image but scratch
#
# Time zones are compiled in, since scratch has none.
# The data folder is a volume; it holds caches that can be rebuilt from Kafka.
ARG ACCRUE_BINARY=compiled

FROM golang:1.26 AS compiled
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /accrue ./cmd/accrue \
    && cp /etc/ssl/certs/ca-certificates.crt /ca-certificates.crt

FROM scratch AS prebuilt
COPY .image/ /

FROM ${ACCRUE_BINARY} AS binary

FROM scratch
COPY --from=binary /accrue /accrue
COPY --from=binary /ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --chown=65532:65532 deploy/data/ /var/lib/accrue/
USER 65532:65532
ENV ACCRUE_DIR=/var/lib/accrue ACCRUE_LISTEN=:8080
VOLUME ["/var/lib/accrue"]
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/accrue", "healthcheck", "--url", "http://127.0.0.1:8080/readyz"]
ENTRYPOINT ["/accrue"]
CMD ["run"]
