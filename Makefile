# Copyright The Sallyport Authors
# SPDX-License-Identifier: Apache-2.0

# Nothing is checked here that "go test ./..." and test/scripts/check do not
# check as well; this file is the index of what one can ask for.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# An absolute path, or the cache of a checkout is the checkout's own.
export SALLYPORT_CACHE ?= $(CURDIR)/.cache
FUZZTIME ?= 20s

# Builds are for the processor that they are made on. For any other of amd64: GOAMD64=v1.
export GOAMD64 ?= $(shell test/scripts/goamd64)

# Packages whose tests run a second time under the race detector: those with
# goroutines that share state. The whole tree under it takes too long on two
# cores for every change.
RACE := ./internal/ledger/... ./internal/session/... ./internal/connector/... ./internal/grant/... \
	./internal/identity/... ./internal/record/... ./internal/server/... ./internal/detector/... ./internal/witness/... \
	./internal/ship/... ./internal/retention/... ./internal/httpgate/... ./internal/googleauth/... ./internal/derived/... ./internal/sidecar/... ./internal/analyze/googlesql/lineage/... ./internal/terminal/... ./internal/door/...

TOOLS := $(SALLYPORT_CACHE)/bin/.installed
CLIENTS := test/clients/node_modules/.installed

.PHONY: help
help: ## This list
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r t d; do printf '%-16s %s\n' "$$t" "$$d"; done

.PHONY: demo
demo: demo-deps build ## See it work: a throw-away clinic behind the gateway (DEMOFLAGS=--keep leaves it running)
	test/scripts/demo $(DEMOFLAGS)

.PHONY: demo-kubernetes
demo-kubernetes: ## What the demo's chapter of Kubernetes needs: etcd, and the API server and kubectl, compiled once (about eight minutes of CPU)
	test/scripts/install-system kubernetes
	test/scripts/install-kubernetes

.PHONY: test
test: test-deps ## Every test, with the corpora of the fuzz targets, and concurrent packages under -race
	go test ./... -count=1 -timeout 30m -p 2
	CGO_ENABLED=1 go test -race -count=1 -timeout 30m -p 2 $(RACE)

.PHONY: redteam
redteam: test-deps ## Ways round the gateway before a cluster and a host with SSH, tried one by one
	go test -count=1 -v ./test/redteam

.PHONY: check
check: $(TOOLS) ## Formatting, vet, staticcheck, errcheck, house rules, known vulnerabilities
	test/scripts/check

.PHONY: bench-postgres
bench-postgres: ## Speed through the gateway beside PgBouncer and none, as JSON lines
	test/scripts/install-system test
	go run -pgo=$(PGO) ./test/bench postgres $(BENCHFLAGS)

.PHONY: bench-mask
bench-mask: ## Speed of the masks on one core beside a copy and regular expressions, as JSON lines
	GOMAXPROCS=1 go run -pgo=$(PGO) ./test/bench mask $(BENCHFLAGS)

.PHONY: bench-bundle
bench-bundle: ## Verification of a bundle of a million events on one core, as JSON lines
	go run ./test/bench bundle $(BENCHFLAGS)

.PHONY: bench-ledger
bench-ledger: ## Durable records a second beside a bare loop, Pebble and etcd's log, as JSON lines
	mkdir -p $(SALLYPORT_CACHE)
	cd test/ledgerbench && go run . $(BENCHFLAGS)

.PHONY: bench-google
bench-google: test-deps ## BigQuery and Cloud Storage through the gateway beside their counterparts without one, as JSON lines
	go test -c -tags bench -o bin/googlebench.test ./test/googlebench
	cd test/googlebench && ../../bin/googlebench.test -test.timeout 30m

.PHONY: bench-kubernetes
bench-kubernetes: ## Kubernetes through the gateway beside its own API server, as JSON lines
	test/scripts/install-system test
	test/scripts/install-kubernetes
	go test -c -tags bench -o bin/kubebench.test ./test/kubebench
	cd test/kubebench && ../../bin/kubebench.test -test.timeout 30m $(BENCHFLAGS)

.PHONY: bench-ssh
bench-ssh: ## Commands and files over SSH through the gateway beside OpenSSH's server, as JSON lines
	test/scripts/install-system test
	go test -c -tags bench -o bin/sshbench.test ./test/sshbench
	cd test/sshbench && ../../bin/sshbench.test -test.timeout 30m $(BENCHFLAGS)

.PHONY: live-google
live-google: test-deps ## The gateway before Google's own BigQuery and Cloud Storage, with a project of yours: see test/livegoogle/doc.go
	go test -tags live -count=1 -v ./test/livegoogle

.PHONY: fault
fault: ## Every fault that the ledger and its evidence must survive or find, each proved to have happened
	test/scripts/install-system test
	test/scripts/install-postgres
	go test -c -o bin/fault.test ./test/fault
	cd test/fault && ../../bin/fault.test -test.timeout 20m -full $(FAULTFLAGS)

# The profile that builds of the command are guided by, which go finds by its name.
PGO := cmd/sallyport/default.pgo
.PHONY: pgo
pgo: ## The profile that builds are guided by, made anew
	test/scripts/pgo $(PGO)

DATA ?=
.PHONY: eval-phi
eval-phi: ## Recall and precision of the scanner on DATA (a file of labelled sentences)
	go run ./test/evalphi $(if $(DATA),-data $(DATA)) $(EVALFLAGS)

.PHONY: fuzz
fuzz: ## Every fuzz target for FUZZTIME (20s); goes on after a find, fails at the end
	FUZZTIME=$(FUZZTIME) test/scripts/fuzz

.PHONY: format
format: $(TOOLS) ## Rewrite Go files in the form that check wants
	git ls-files --cached --others --exclude-standard '*.go' | xargs $(SALLYPORT_CACHE)/bin/gofumpt -w -modpath github.com/sallyport-dev/sallyport

.PHONY: build
build: ## bin/sallyport and bin/sallyport-verify
	CGO_ENABLED=1 go build -trimpath -o bin/ ./cmd/...

.PHONY: demo-deps
demo-deps:
	test/scripts/install-system demo

.PHONY: test-deps
test-deps: $(CLIENTS) ## What the tests need: PostgreSQL 14 to 18, PgBouncer, rsyslog, Node.js clients, the analyser of GoogleSQL, Kubernetes
	test/scripts/install-system test
	test/scripts/install-postgres
	cd test/fhirvalid && go mod download
	cd test/witnesspeer && go mod download
	cd test/ledgerbench && go mod download
	cd test/googleclients/goclient && go mod download
	cd test/bigquerypeer/readapi && go mod download
	cd test/googlelogin/goclient && go mod download
	test/scripts/install-bqanalyzer
	cd test/kubepeer/kubelet && go mod download
	cd test/kubeclients/helm && go mod download
	test/scripts/install-kubernetes

# npm itself may have to be installed first.
$(CLIENTS): test/clients/package.json test/clients/package-lock.json
	test/scripts/install-system test
	cd test/clients && npm ci --silent
	touch $@

$(TOOLS): tools/go.mod tools/go.sum
	mkdir -p $(@D)
	cd tools && GOBIN=$(@D) go install tool
	touch $@

.PHONY: clean
clean: ## Remove what was built; the cache of downloads stays
	rm -rf bin
