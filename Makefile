# The commands that people and CI run. The work is done in scripts/, which you can also run directly.

.DEFAULT_GOAL := help
.PHONY: help setup tools build run dashboard example example-js test test-servers test-python-floors lint audit bench coverage leaks fuzz screenshots docs site dist publish-crates clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-19s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: tools ## install missing tools: a C compiler, libclang, a Redis or Valkey server, Node with the packages of js
	@scripts/node js >/dev/null

# All targets need these. Those that need more install it when they run.
tools:
	@scripts/setup

build: tools ## build the module: target/release/libratelog.so
	@scripts/module

run: tools ## start a server with the module on PORT (6379), and show three commands
	@scripts/run

dashboard: tools ## run a server with demo traffic, and the dashboard on PORT (8080)
	@scripts/dashboard

example: tools ## run a FastAPI application with limits on PORT (8000), and a client that waits
	@scripts/example

example-js: tools ## run an Express application with limits and its page on PORT (8000), and a client that waits
	@scripts/example-js

test: tools ## run every test, on the installed server or on SERVER=/path/to/redis-server
	@scripts/test
	@scripts/test-python
	@scripts/test-clients
	@scripts/test-js
	@scripts/test-contrib
	@scripts/test-dashboard

test-servers: tools ## run the server tests on Redis 7.0, Redis 8.2 and Valkey 9.1
	@scripts/test-servers

test-python-floors: tools ## run the Python tests with the lowest versions of the package's dependencies
	@scripts/test-python-floors

lint: tools ## check formatting, lints, types, documentation, dependencies, workflows and scripts
	@scripts/lint

audit: ## check the dependencies for known vulnerabilities (needs the network)
	@scripts/audit

bench: tools ## compare with INCR, Lua and redis-cell; then measure the core and the clients
	@scripts/bench

coverage: tools ## measure test coverage; fails below 100 % for the core, 95 % for the dashboard
	@scripts/coverage
	@scripts/coverage-dashboard

leaks: tools ## run the server tests under valgrind and AddressSanitizer
	@scripts/leaks

fuzz: tools ## run each fuzz target for FUZZ_SECONDS (60)
	@scripts/fuzz

screenshots: tools ## render the pictures of the dashboard: docs/assets/dashboard
	@scripts/screenshots

docs: tools ## build the Rust documentation: target/doc
	@scripts/cargo doc --workspace --no-deps --locked

site: ## build the documentation site: target/site; a broken link fails
	@scripts/site

dist: tools ## build the files of a release: target/dist
	@scripts/dist

publish-crates: tools ## publish the crates on crates.io (see RELEASING.md)
	@scripts/publish-crates

clean: ## remove everything that the other targets made here
	@rm -rf target .venv .servers .cache fuzz/target fuzz/corpus fuzz/artifacts tests/*/node_modules
	@rm -rf js/coverage js/dist js/node_modules js/tests/*/node_modules js/benches/*/node_modules
	@rm -rf python/.*_cache python/.hypothesis python/.coverage* python/ratelog/*.so
	@find . -name __pycache__ -prune -exec rm -rf {} +
	@[ -z "$$CARGO_TARGET_DIR" ] || scripts/rust cargo clean
