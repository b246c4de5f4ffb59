# pgvigil: the commands of everyday work. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help deps test-deps swift build run deb test lint bench format clean

PACKAGES := libpq-dev libmicrohttpd-dev libcurl4-openssl-dev libyaml-dev libssl-dev zlib1g-dev pkg-config \
    postgresql-15 postgresql-client-15 tzdata
TEST_PACKAGES := postgresql-15-pgtap postgresql-15-plpgsql-check prometheus prometheus-postgres-exporter \
    prometheus-alertmanager pgbouncer openssl patchelf libfaketime shellcheck git debian-archive-keyring \
    python3 python3-venv python3-prometheus-client python3-aiosmtpd ca-certificates

# The second PostgreSQL of the tests, where the server's own unprivileged user can read it.
POSTGRESQL_17 ?= /var/cache/pgvigil/postgresql-17
# The cluster of `make run`. As root it lies where the unprivileged user that runs the server can reach it.
STATE ?= $(if $(filter 0,$(shell id -u)),/var/lib/pgvigil,$(or $(XDG_STATE_HOME),$(HOME)/.local/state)/pgvigil)
LISTEN ?= 127.0.0.1:9877
# Where `make run` has a receiver of messages, and the key that secrets are sealed with.
RECEIVER ?= 127.0.0.1:9878
KEY ?= $(STATE).key
JOBS ?= $(wildcard jobs.yml)
RELEASE := swift build -c release --static-swift-stdlib

help: ## Show these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

deps: swift ## Install the Debian packages that building and running need
	@scripts/install-packages $(PACKAGES)

test-deps: deps ## Install what only the tests and the lint need, PostgreSQL 17 and packages of PyPI among it
	@scripts/install-packages $(TEST_PACKAGES)
	@scripts/fetch-postgresql trixie 17 $(POSTGRESQL_17)
	@scripts/install-python .build/python

swift:
	@command -v swift >/dev/null || { echo 'make: swift is not in PATH; install Swift 6.2 or newer from swift.org/install' >&2; exit 1; }

build: deps ## Build the program, optimised, as .build/release/pgvigil
	@$(RELEASE) --product pgvigil

run: build ## Start a private PostgreSQL and pgvigil on it, and show an alert arrive (LISTEN, STATE, JOBS, RECEIVER=)
	@mkdir -p '$(dir $(STATE))'
	@test -e '$(KEY)' || .build/release/pgvigil key new --output '$(KEY)' >/dev/null
	@exec .build/release/pgvigil serve --embedded '$(STATE)' --listen '$(LISTEN)' $(if $(JOBS),--jobs '$(JOBS)') \
	    --key-file '$(KEY)' $(if $(RECEIVER),--demo '$(RECEIVER)' --allow-networks 127.0.0.1/32)

deb: build ## Pack program, systemd unit and documents as a Debian package in .build
	@scripts/build-deb .build/release/pgvigil .build

test: test-deps ## Build, and run the whole suite on PostgreSQL 15 and on 17
	@scripts/run-tests 15=/usr/lib/postgresql/15/bin 17=$(POSTGRESQL_17)/bin

lint: test-deps ## Check the style and the house rules of Swift, SQL, shell and documents
	@scripts/lint

bench: test-deps ## Run the benches and print their figures beside the budgets (BENCH=name for one)
	@scripts/run-benches $(BENCH)

format: ## Format the Swift sources
	@swift format format --in-place --parallel --recursive Sources Tests Plugins Package.swift

clean: ## Delete what was built; the cluster of `make run` stays
	@rm -rf .build
