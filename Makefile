# make help lists what there is to make. Every target does its own set-up (see scripts/).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PREFIX ?= /usr/local
SEED ?=
KEEP ?=
PYTHON ?=
export PYTHON

# Sibling modules must be declared to be imported: an import that builds by luck is an error.
STRICT := --explicit-target-dependency-import-check error
RELEASE := -c release $(STRICT) --static-swift-stdlib
BINARY := .build/release/openclaw
COLLECTIVES := .build/release/libopenclaw_collectives.so
BENCHES := openclaw-allocations openclaw-analysis openclaw-appends openclaw-bandits openclaw-scheduling
SWIFT_FILES := Package.swift Sources Tests $(wildcard Benchmarks)

.PHONY: help build test demo picture bench validate install format lint clean setup-build setup-test setup-demo setup-bench

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: setup-build ## .build/release/openclaw (and clawdbot, its second name), and the library that training scripts load
	swift build $(RELEASE) --product openclaw
	swift build $(RELEASE) --product openclaw_collectives
	@ln -sf openclaw .build/release/clawdbot

test: setup-build setup-test ## builds and runs every test
	@scripts/run-tests.sh $(STRICT)

demo: build setup-demo ## a model trained through a kill and promoted, two bad ones rolled back, a better prompt found, on live traffic (SEED=n, KEEP=1)
	@.venv/bin/python examples/fraud/demo.py --openclaw $(BINARY) $$([ -f .build/torch/made-from ] && echo --torch .build/torch/bin/python) $(if $(SEED),--seed $(SEED)) $(if $(KEEP),--keep)
	@.venv/bin/python examples/support/demo.py --openclaw $(BINARY) $(if $(SEED),--seed $(SEED))

picture: ## docs/demo.svg, of what make demo prints (SEED=7)
	@$(MAKE) demo SEED=$(or $(SEED),7) > .demo-picture.txt || { cat .demo-picture.txt; rm -f .demo-picture.txt; exit 1; }
	@python3 scripts/picture.py .demo-picture.txt docs/demo.svg "make demo SEED=$(or $(SEED),7)" && rm -f .demo-picture.txt

bench: build setup-bench ## the promised figures, measured here beside nginx, haproxy, LiteLLM, MABWiser, Vowpal Wabbit (BENCH="--only ROW...")
	@for product in $(BENCHES); do swift build $(RELEASE) --product $$product || exit 1; done
	@python3 Benchmarks/bench.py --openclaw $(BINARY) $(BENCH)

validate: setup-build ## false alarms and detection times of the gates, simulated with the product's own code
	swift build $(RELEASE) --product openclaw-validate
	@.build/release/openclaw-validate $(VALIDATE)

install: build ## the binary, the library and the Python adapter, below PREFIX (/usr/local)
	install -d "$(DESTDIR)$(PREFIX)/bin"
	install -m 0755 $(BINARY) "$(DESTDIR)$(PREFIX)/bin/openclaw"
	ln -sf openclaw "$(DESTDIR)$(PREFIX)/bin/clawdbot"
	install -d "$(DESTDIR)$(PREFIX)/lib"
	install -m 0755 $(COLLECTIVES) "$(DESTDIR)$(PREFIX)/lib/libopenclaw_collectives.so"
	cd adapters/python && find hook openclaw -name '*.py' -exec \
		install -D -m 0644 {} "$(abspath $(DESTDIR)$(PREFIX))/share/openclaw/python/{}" \;

format: ## formats all Swift files in place
	swift format -i -p -r $(SWIFT_FILES)

lint: ## what `make format` would change, and what it cannot mend
	swift format lint --strict -p -r $(SWIFT_FILES)

clean: ## removes what was built, and the demo's and benchmarks' leftovers (.venv stays)
	rm -rf .build .demo .bench

setup-build:
	@scripts/setup-system.sh build
	@scripts/check-swift.sh

# What cannot be had here is gone without: the tests that need it are skipped, and say so.
setup-test:
	@scripts/setup-system.sh test || echo "(make test goes on without: what needs them is skipped)" >&2

setup-demo:
	@scripts/setup-system.sh demo
	@scripts/setup-python.sh
	@scripts/setup-torch.sh || echo "the demo goes on without the training on ranks"

setup-bench:
	@scripts/setup-system.sh bench
