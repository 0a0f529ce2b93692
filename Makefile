# What one does with a clone of Stanchion. `make` alone lists it. README.md lists what must be there already.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.ONESHELL:

CARGO ?= cargo
NPM ?= npm
TARGET := $(or $(CARGO_TARGET_DIR),target)
# In CI the lock file is what was reviewed; at a desk cargo may complete it.
LOCKED := $(if $(CI),--locked)

WEB := web-client
WEB_MODULES := $(WEB)/node_modules/.package-lock.json
WEB_DIST := $(WEB)/dist/index.html
OPENAPI_TYPES := $(WEB)/openapi
OPENAPI_TYPES_MODULES := $(OPENAPI_TYPES)/node_modules/.package-lock.json
SDK_PACKAGING := $(WEB)/packaging
SDK_PACKAGING_MODULES := $(SDK_PACKAGING)/node_modules/.package-lock.json
WEB_SOURCES := $(shell find $(WEB) \( -name node_modules -o -name dist \) -prune -o -type f -print 2>/dev/null)
BROWSER := tests/browser
BROWSER_MODULES := $(BROWSER)/node_modules/.package-lock.json

say = @printf '\n== %s\n' '$(1)'
need = command -v $(1) >/dev/null || { echo "$(1) is not here; tests/services/install brings it"; exit 1; }

.PHONY: help
help: ## list these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: run
run: release ## build and run everything in one process: http://localhost:8080
	exec "$(TARGET)/release/stanchion" --dev-tokens

.PHONY: build
build: $(WEB_DIST) ## build the web client, then the binary with it inside, for development
	$(CARGO) build $(LOCKED) -p stanchion

.PHONY: release
release: $(WEB_DIST) ## the same, optimized: target/release/stanchion
	$(CARGO) build $(LOCKED) --release -p stanchion

# Everything at once, so that cargo settles each dependency's features once for the binary and all tests.
.PHONY: test-binary
test-binary: $(WEB_DIST)
	$(CARGO) build $(LOCKED) --workspace --all-targets

.PHONY: test
test: services test-web test-rust test-contract test-faults-short test-compose test-proxies test-k6 test-browser ## every test; starts its own servers and ends them
	@printf '\n== all tests passed\n'

.PHONY: services
services: ## provide what tests and check need: Redis, PostgreSQL, NATS, proxies, Chromium, k6, Schemathesis, promtool, cargo-machete
	$(call say,services)
	tests/services/install

.PHONY: test-web
test-web: $(WEB_MODULES) ## the web client's tests
	$(call say,web client)
	$(NPM) --prefix $(WEB) test

.PHONY: test-rust
test-rust: services test-binary ## the workspace's tests, with real servers beside them
	$(call say,workspace)
	export STANCHION_BIN="$$(realpath "$(TARGET)/debug/stanchion")"
	if $(CARGO) nextest --version >/dev/null 2>&1; then
		tests/services/run $(CARGO) nextest run $(LOCKED) --workspace --no-fail-fast
		$(CARGO) test $(LOCKED) --workspace --doc
	else
		tests/services/run $(CARGO) test $(LOCKED) --workspace --no-fail-fast
	fi

.PHONY: test-contract
test-contract: services test-binary ## every route of docs/openapi.json, asked right and wrong; CONTRACT_SEED=random, CONTRACT_SECONDS=600
	$(call say,contract)
	STANCHION_BIN="$(TARGET)/debug/stanchion" tests/contract/run

# A small crowd: these scenarios meet what broke most promises before. RUNS and FAULTS size the whole table.
RUNS ?= 20
FAULTS ?= all
FAULT_USERS ?= 300
.PHONY: test-faults-short
test-faults-short: services test-binary ## a sale under three faults, audited: the short form of test-faults
	$(call say,faults in short)
	STANCHION_BIN="$$(realpath "$(TARGET)/debug/stanchion")" tests/services/run "$(TARGET)/debug/stanchion-faults" \
		run any-killed redis-flushed postgres-stopped-short --users 100 --hurry

.PHONY: test-faults
test-faults: services release ## a sale under every fault, RUNS times each, audited: hours; FAULTS names some of them
	$(call say,faults)
	$(CARGO) build $(LOCKED) --release -p stanchion-faults
	STANCHION_BIN="$$(realpath "$(TARGET)/release/stanchion")" tests/services/run "$(TARGET)/release/stanchion-faults" \
		run $(FAULTS) --runs $(RUNS) --users $(FAULT_USERS)

.PHONY: test-compose
test-compose: services ## the compose stack's proxy and settings, as far as that goes without Docker
	$(call say,compose)
	compose/check

.PHONY: test-proxies
test-proxies: services test-binary ## the settings of docs/proxies with the real nginx, Caddy, Envoy, HAProxy, Apache, Varnish, Traefik
	$(call say,proxies)
	STANCHION_BIN="$$(realpath "$(TARGET)/debug/stanchion")" node --test tests/proxies/proxies.test.mjs tests/proxies/shipped.test.mjs

.PHONY: test-k6
test-k6: services test-binary ## k6: reservations, the virtual queue, a herd, a client of the earlier system, in short forms
	$(call say,k6)
	STANCHION_BIN="$(TARGET)/debug/stanchion" tests/k6/run

.PHONY: test-browser
test-browser: services test-binary $(BROWSER_MODULES) ## the whole journey in a real browser, against the embedded server
	$(call say,browser)
	STANCHION_BIN="$(TARGET)/debug/stanchion" tests/services/embedded $(NPM) --prefix $(BROWSER) test

FUZZ_SECONDS ?= 600

.PHONY: fuzz
fuzz: services ## what comes from outside, in every form: wire, tokens, configuration, Lua arguments; FUZZ_SECONDS for each (600)
	export BOLERO_RANDOM_TEST_TIME_MS=$$(($(FUZZ_SECONDS) * 1000)) BOLERO_RANDOM_ITERATIONS=1000000000
	tests/services/run $(CARGO) test $(LOCKED) -p stanchion-fuzz
	$(CARGO) test $(LOCKED) -p stanchion a_file_of_any_content

.PHONY: bench-strategies
bench-strategies: services release ## four ways to bring a pass to its user, side by side: table and plot in docs/benchmarks/strategies.md
	$(CARGO) build $(LOCKED) --release -p stanchion-strategies
	STANCHION_BIN="$(abspath $(TARGET))/release/stanchion" tests/services/run "$(TARGET)/release/stanchion-strategies" \
		--runs 3 --table docs/benchmarks/strategies.md --plot docs/performance/strategies.svg

.PHONY: check
check: $(WEB_DIST) $(OPENAPI_TYPES_MODULES) $(SDK_PACKAGING_MODULES) ## formatting, lints, unused dependencies, documentation, types, metrics; warnings are errors
	$(call say,format)
	$(CARGO) fmt --all --check
	$(call say,lints)
	$(CARGO) clippy $(LOCKED) --workspace --all-targets --features gateway/measure -- -D warnings
	$(call say,unused dependencies)
	PATH="$$PWD/.venv/bin:$$PATH"
	$(call need,cargo-machete)
	cargo-machete
	$(call say,documentation)
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc $(LOCKED) --workspace --no-deps
	$(call say,types)
	$(NPM) --prefix $(WEB) run check
	$(NPM) --prefix $(OPENAPI_TYPES) run check
	$(call say,package of the SDK)
	$(NPM) --prefix $(SDK_PACKAGING) run check
	$(call say,shell scripts)
	if command -v shellcheck >/dev/null; then
		{ git grep -lE '^#!.*\b(ba)?sh$$'; git ls-files '*.bash'; } | sort -u | xargs shellcheck -x
	else
		echo "shellcheck is not here; tests/services/install brings it"
	fi
	$(call say,metrics)
	$(call need,promtool)
	$(CARGO) build $(LOCKED) -p stanchion
	STANCHION_BIN="$(TARGET)/debug/stanchion" tests/services/embedded tests/services/check-metrics

.PHONY: documents
documents: $(OPENAPI_TYPES_MODULES) $(WEB_MODULES) $(SDK_PACKAGING_MODULES) ## write docs/openapi.json, docs/asyncapi.json, docs/observability.md, the client's types and the SDK's reference from the code
	UPDATE_DOCS=1 $(CARGO) test $(LOCKED) -p stanchion --test interface --test observability
	$(NPM) --prefix $(OPENAPI_TYPES) run generate
	$(NPM) --prefix $(SDK_PACKAGING) run reference

.PHONY: clean
clean: ## remove what was built and what was installed into this clone
	$(CARGO) clean
	rm -rf $(WEB)/dist $(WEB)/node_modules $(OPENAPI_TYPES)/node_modules $(SDK_PACKAGING)/node_modules $(BROWSER)/node_modules .venv

$(WEB_DIST): $(WEB_MODULES) $(WEB_SOURCES)
	$(call say,web client)
	$(NPM) --prefix $(WEB) run build
	touch $@

%/node_modules/.package-lock.json: %/package.json %/package-lock.json
	$(NPM) ci --prefix $* --no-audit --no-fund
	touch $@
