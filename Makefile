# `make check` is what continuous integration runs first; `bash .ci/run` is all of it.

CGO_ENABLED ?= 0
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
BINARY      := accrue
export ACCRUE_CACHE ?= $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/accrue

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## the static binary, ./accrue
	CGO_ENABLED=$(CGO_ENABLED) go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $(BINARY) ./cmd/accrue

.PHONY: check
check: fmt vet lint floorplan test ## format, vet, linter, floor plan, tests

.PHONY: fmt
fmt: ## refuse files that gofmt would change
	@files=$$(git ls-files -z '*.go' | xargs -0 gofmt -l); [ -z "$$files" ] || { echo "run gofmt -w on:"; echo "$$files"; exit 1; }

.PHONY: vet
vet:
	go vet ./...

.PHONY: tools
tools: ## install the linter at its pinned version
	@scripts/tools.sh

.PHONY: lint
lint: ## golangci-lint, where `make tools` has installed it
	@scripts/lint.sh

.PHONY: floorplan
floorplan: ## who may import whom
	go test -count=1 ./internal/floorplan

.PHONY: test
test: ## all tests that need nothing but Go
	go test ./...
	@[ -n "$$ACCRUE_KAFKA" ] || echo "The real-broker tests did not run: make test-jvm, make test-container."

.PHONY: race
race: ## the same under the race detector
	CGO_ENABLED=1 go test -race ./...

.PHONY: test-jvm
test-jvm: ## the real-broker tests on Apache Kafka and Apicurio on this machine's Java
	@scripts/kafka-jars.sh && scripts/registry-jars.sh
	ACCRUE_KAFKA=jvm ACCRUE_TEST_REGISTRY=jvm ACCRUE_REQUIRE_KAFKA=1 ACCRUE_REQUIRE_REGISTRY=1 scripts/test-real.sh -run '^TestReal' -skip '^TestReal(Shops|ForeignProducers)'

.PHONY: lanes
lanes: ## real shops' histories, and producers in other languages, on a real broker
	@scripts/lane.sh shops
	@scripts/lane.sh foreign

.PHONY: test-container
test-container: ## the real-broker tests on KAFKA_IMAGE (default apache/kafka:4.3.1)
	ACCRUE_KAFKA=container ACCRUE_REQUIRE_KAFKA=1 scripts/test-real.sh

.PHONY: bench
bench: ## benchmarks, six runs each, for benchstat
	go test -run '^$$' -bench . -benchmem -count 6 ./...

.PHONY: image
image: ## the container image accrue:dev
	scripts/image.sh

.PHONY: up
up: image ## the whole system: docker compose up
	docker compose up -d --wait
