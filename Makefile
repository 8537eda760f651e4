# What people run, and CI with them. The work is done in scripts/, which can be run by themselves.

.DEFAULT_GOAL := help
.PHONY: help setup build run example test test-servers lint bench coverage leaks fuzz docs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing: a C compiler, libclang, a Redis or Valkey server (quick when all are there)
	@scripts/setup

build: setup ## build the module: target/release/libratelog.so
	@scripts/module

run: setup ## start a server with the module on PORT (6379) and show three commands
	@scripts/run

example: setup ## a FastAPI application with limits on PORT (8000), and a client that waits them out
	@scripts/example

test: setup ## every test, on the machine's own server or on SERVER=/path/to/redis-server
	@scripts/test
	@scripts/test-python

test-servers: setup ## the suites that talk to servers, on Redis 7.0, Redis 8.2 and Valkey 9.1
	@scripts/test-servers

lint: setup ## formatting, clippy, ruff, mypy, documentation, scripts; a warning is an error
	@scripts/lint

bench: setup ## side by side with INCR, Lua and redis-cell, as ratios; then the core, and the clients
	@scripts/bench

coverage: setup ## the coverage of the core (100 %) and of the Python package; what is under its bar fails
	@scripts/coverage
	@scripts/coverage-python

leaks: setup ## the server suite under valgrind and AddressSanitizer; anything found in the module fails
	@scripts/leaks

fuzz: setup ## each fuzz target for FUZZ_SECONDS (60)
	@scripts/fuzz

docs: setup ## the Rust documentation: target/doc
	@scripts/cargo doc --workspace --no-deps --locked

clean: ## remove everything that the other targets made here
	@scripts/cargo clean
	@rm -rf .venv .servers fuzz/target
