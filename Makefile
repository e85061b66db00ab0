# Patchbay. GNU make 4.3 or later. `make` alone lists the targets.
#
# DESTDIR  root of the installed tree (packagers set it)      default: empty
# PREFIX   where the binary goes                              default: /usr/local
# ARGS     further arguments for `make demo`, `make bench`, `make bench-against`, `make bench-calls-against` and `make bench-sip`
# CALLS    numbers of calls of `make bench-against`          default: 500,2000
# SEEDS    how many seeds `make sim` runs                     default: 2000
# NIGHTLY  how many new seeds `make sim-nightly` runs          default: 50000
# SECONDS  how long `make fuzz` stays with each target         default: 60
# MESSAGES how many messages `make fuzz-traffic` sends         default: 1000000

SHELL      := /bin/bash
PREFIX     ?= /usr/local
DESTDIR    ?=
SEEDS      ?= 2000
NIGHTLY    ?= 50000
FOR        := $(if $(filter command line environment,$(origin SECONDS)),$(SECONDS),60)
MESSAGES   ?= 1000000
ARGS       ?=
CALLS      ?= 500,2000
BIN        := target/release/patchbay
# systemd looks for units and the sysusers/tmpfiles snippets of locally
# installed software in /etc or /usr/local/lib; packages use PREFIX=/usr.
LIBDIR     := $(PREFIX)/lib
UNITDIR    ?= $(LIBDIR)/systemd/system
SYSCONFDIR ?= /etc/patchbay
export PATH := $(HOME)/.cargo/bin:$(PATH)
# What makes the next build faster makes the first one slower: only for those who build by themselves too.
export CARGO_INCREMENTAL ?= $(if $(wildcard target/debug/incremental),1,0)

.DEFAULT_GOAL := help
.PHONY: help demo test unit lint advisories build release release-pgo release-bolt install uninstall bench bench-against bench-calls-against bench-sip sim sim-nightly fuzz fuzz-traffic fmt clean tools-build tools-test

help: ## list the targets
	@echo 'Patchbay: make TARGET'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: release ## a whole centre on loopback with real calls; installs what it lacks
	$(BIN) demo $(ARGS)

test: tools-test ## everything: format, lints, licences, house rules, unit and acceptance tests
	scripts/test

unit: tools-build ## the fast tests only: no process is started, no peer is needed
	scripts/need-cargo-tool cargo-nextest
	cargo nextest run --workspace --exclude patchbay

lint: tools-build ## format check, clippy with warnings as errors, dependency and licence rules
	scripts/need-cargo-tool cargo-deny
	scripts/lint

advisories: tools-build ## known vulnerabilities in our dependencies (asks the RustSec database: needs the internet)
	scripts/need-cargo-tool cargo-deny
	cargo deny --all-features check advisories

build: tools-build ## the binary with debug checks: target/debug/patchbay
	cargo build --locked --workspace --bins

release: tools-build ## the binary as it ships: target/release/patchbay
	cargo build --locked --release --bin patchbay

release-pgo: tools-build ## the same for hosts with many calls, compiled and arranged by what it does most: target/pgo/patchbay (half an hour on two cores; Debian 12)
	scripts/release-pgo

release-bolt: tools-build ## only arranged by it: target/bolt/patchbay (six minutes more than release; Debian 12)
	scripts/release-bolt

install: ## binary, units, users, directories and example configuration, under DESTDIR and PREFIX
	@test -x $(BIN) || { echo "$(BIN) is missing: run 'make release' first (as yourself, not as root)" >&2; exit 1; }
	PATCHBAY_BINARY="$${PATCHBAY_BINARY:-$(BIN)}" scripts/install "$(DESTDIR)" "$(PREFIX)" "$(UNITDIR)" "$(SYSCONFDIR)"

uninstall: ## what install put there, but never configuration or data
	rm -f $(DESTDIR)$(PREFIX)/bin/patchbay
	rm -f $(DESTDIR)$(UNITDIR)/patchbay-control.service $(DESTDIR)$(UNITDIR)/patchbay-relay.service
	rm -f $(DESTDIR)$(LIBDIR)/sysusers.d/patchbay.conf $(DESTDIR)$(LIBDIR)/tmpfiles.d/patchbay.conf

bench: release ## packets, calls and decisions on this machine, with percentiles
	$(BIN) bench packets $(ARGS)
	$(BIN) bench calls
	$(BIN) bench select

bench-against: release ## packets beside rtpengine and a bare loop: tables, JSON and a chart below target/
	@scripts/need-rtpengine
	$(BIN) bench packets --against rtpengine,bare --calls $(CALLS) \
	  --json target/benchmark.json --svg target/benchmark.svg $(ARGS)

bench-calls-against: release ## calls beside Kamailio with rtpengine, one core each: tables and JSON below target/
	@scripts/need-kamailio
	@scripts/need-rtpengine
	$(BIN) bench calls --against kamailio,forwarder --json target/calls.json $(ARGS)

bench-sip: tools-build ## nanoseconds and allocations of reading and re-addressing a SIP message, beside rsip and rsipstack
	cd bench/sip && CARGO_TARGET_DIR=../../target/bench-sip cargo test --locked --quiet
	cd bench/sip && CARGO_TARGET_DIR=../../target/bench-sip cargo bench --locked --bench messages -- $(ARGS)
	cd bench/sip && CARGO_TARGET_DIR=../../target/bench-sip cargo bench --locked --quiet --bench allocations

sim: tools-build ## the distributor in the simulator, SEEDS seeds and a day, every invariant after every step
	scripts/sim $(SEEDS)

sim-nightly: tools-build ## the same for a night: NIGHTLY new seeds, three days of a large centre, other distributors
	scripts/sim-nightly $(NIGHTLY)

fuzz: tools-build ## every fuzz target for SECONDS; what is found is kept as a test
	scripts/fuzz $(FOR) $(TARGET)

fuzz-traffic: tools-build ## MESSAGES that are nearly right at a running centre, while a call goes on
	PATCHBAY_TRAFFIC=$(MESSAGES) cargo test --locked --test acceptance -- \
	  --exact mutated_traffic::nearly_right_messages_hurt_nobody --nocapture

fmt: tools-build ## format the code in place
	cargo fmt --all

clean: ## remove what the build made
	cargo clean

tools-build:
	@scripts/need-apt build-essential pkg-config
	@scripts/need-rust

tools-test: tools-build
	@scripts/need-apt sip-tester baresip-core libsndfile1 tcpdump procps iproute2 ethtool util-linux clang systemd openssl chromium faketime
	@scripts/need-kamailio
	@scripts/need-npm
	@scripts/need-rtpengine
	@scripts/need-cargo-tool cargo-nextest
	@scripts/need-cargo-tool cargo-deny
