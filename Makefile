# What people run. `make demo` and `make test` need Debian 12 with rustup, make
# and a C compiler; what else they need they install (tests/make/tools).
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.PHONY: help build demo dist test sdk crash flood simulate bench fuzz fmt lint doc unit deny install clean-demo

STAGE := tests/make/stage
# Where Cargo builds: $CARGO_TARGET_DIR is honoured, as Cargo honours it.
BUILT := $(or $(CARGO_TARGET_DIR),target)
export PATH := $(CURDIR)/target/tools/bin:$(PATH)

help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build the one binary, target/release/riposte
	@$(STAGE) "build (release)" cargo build --release --locked -p riposte

# One file for every Linux of this architecture, whatever its C library.
STATIC := x86_64-unknown-linux-musl

dist: ## Static binary, unit and example as an archive: dist/riposte-VERSION-x86_64-linux.tar.gz
	@tests/make/tools dist
	@$(STAGE) "build (release, static)" cargo build --release --locked -p riposte --target $(STATIC)
	@$(STAGE) "archive" tests/make/dist $(BUILT)/$(STATIC)/release/riposte
	@$(STAGE) "archive, as installed" tests/dist/check
	@$(STAGE) "demo (static)" tests/demo/run $(BUILT)/$(STATIC)/release/riposte

demo: ## Real alerts, real kernel firewall, in a private namespace: nothing of this host changes
	@tests/make/tools demo
	@$(STAGE) "build (release)" cargo build --release --locked -p riposte
	@tests/demo/run $(BUILT)/release/riposte

test: ## Everything CI runs
	@tests/make/tools test
	@$(STAGE) "format" cargo fmt --all --check
	@$(STAGE) "format (components)" tests/make/components fmt --all --check
	@$(STAGE) "build" cargo build --workspace --all-targets --locked
	@$(STAGE) "clippy" cargo clippy --workspace --all-targets --locked -- -D warnings
	@$(STAGE) "check (FreeBSD)" tests/make/elsewhere x86_64-unknown-freebsd
	@$(STAGE) "check (Windows)" tests/make/elsewhere x86_64-pc-windows-gnu
	@RUSTDOCFLAGS="-D warnings" $(STAGE) "docs" cargo doc --workspace --no-deps --locked --document-private-items
	@$(STAGE) "sdk (tools)" tests/make/sdk tools
	@$(STAGE) "sdk (native tests)" tests/make/sdk native
	@$(STAGE) "tests" tests/make/sdk with cargo test --workspace --locked --no-fail-fast
	@CARGO_TARGET_DIR=$(CURDIR)/target/components $(STAGE) "clippy (components)" tests/make/components clippy --all-targets --locked -- -D warnings
	@CARGO_TARGET_DIR=$(CURDIR)/target/components $(STAGE) "tests (components)" tests/make/components test --locked
	@$(STAGE) "deny (bans, licences, sources)" cargo deny --log-level error check bans licenses sources
	@$(STAGE) "deny (advisories)" tests/make/advisories

crash: ## Kill and fail the real engine at POINTS system calls (10000): docs/crash.md
	@tests/make/tools crash
	@$(STAGE) "build" cargo build --locked -p riposte -p riposte-crash
	@$(BUILT)/debug/riposte-crash --points $(or $(POINTS),10000) $(if $(SEED),--seed $(SEED))

sdk: ## Build every example of every SDK with its real tools, and play the scenarios: WORDS="python block" for some
	@tests/make/tools sdk
	@$(STAGE) "sdk (tools)" tests/make/sdk tools
	@$(STAGE) "sdk (conformance)" tests/make/sdk conformance $(WORDS)

bench: ## Ratios against what users run today, measured in one run
	@tests/make/tools bench
	@tests/make/tools sdk
	@$(STAGE) "sdk (tools)" tests/make/sdk tools
	@$(STAGE) "build (release)" cargo build --release --locked -p riposte -p riposte-bench
	@tests/bench/run $(BUILT)/release

fuzz: ## Fuzz every reader for TIME seconds each (600): docs/fuzzing.md
	@tests/make/tools fuzz
	@TIME=$(or $(TIME),600) tests/make/fuzz

flood: ## A million alerts against a script that hangs and a component that fails: docs/floods.md
	@tests/make/tools test
	@$(STAGE) "build (release)" cargo build --release --locked -p riposte
	@$(STAGE) "build (flood)" cargo test --release --locked -p riposte-tests --test flood --no-run
	@RIPOSTE_FLOOD=$(or $(ALERTS),1000000) cargo test --release --locked -p riposte-tests --test flood -- --nocapture

simulate: ## Simulate crashes, torn writes and clocks: SEEDS runs (1000000) from FROM (0) on: docs/simulation.md
	@$(STAGE) "build (simulator, release)" cargo build --release --locked -p riposte-simulate
	@$(STAGE) "simulate" $(BUILT)/release/riposte-simulate --seeds $(or $(SEEDS),1000000) --from $(or $(FROM),0)

fmt: ## Format everything
	cargo fmt --all
	tests/make/components fmt --all

install: build ## Install to /usr/local/bin
	install -m 0755 $(BUILT)/release/riposte /usr/local/bin/riposte
