# libperceptis. The two commands to know: `make deck` and `make test`.

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
LEAST_RUST := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
CARGO ?= cargo
CC ?= cc
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
RELEASE := $(TARGET)/release
VENV := $(TARGET)/venv
PYTHON := $(VENV)/bin/python

# A released library does not say in whose home it was built: the paths in the messages of panics, two hundred of
# them, begin at the crate's folder. A user with RUSTFLAGS of their own keeps those flags, and the whole paths.
CRATES := $(or $(CARGO_HOME),$(HOME)/.cargo)/registry/src/
RELEASING := $(if $(RUSTFLAGS)$(CARGO_ENCODED_RUSTFLAGS),,CARGO_ENCODED_RUSTFLAGS='--remap-path-prefix=$(CRATES)=') $(CARGO)

.PHONY: help deck test lint lint-rust lint-c lint-python lint-words least-rust format test-rust test-python \
	test-long fuzz bench header library install uninstall clean

## help: this list
help:
	@sed -n 's/^## \([^:]*\): \(.*\)/\1~\2/p' $(firstword $(MAKEFILE_LIST)) \
		| awk -F~ '{ printf "make %-37s %s\n", $$1, $$2 }'

## library: the shared library, as it is released
library:
	@$(RELEASING) build --locked --release --package perceptis
	@ln -sf libperceptis.so $(RELEASE)/libperceptis.so.0

# ---- a deck ------------------------------------------------------------------------------------------------

PROMPT ?= Why teams adopt Rust: memory safety without a garbage collector. Fearless concurrency. One tool for \
building, testing and publishing. A compiler that explains itself.
OUT ?= out
SANDBOX ?= 1
# A minute of the sandbox takes a second: a deck takes 5 to 15 seconds.
SPEED ?= 60
export PROMPT

# The prompt goes through the environment: whatever it holds, no shell reads it.
## deck [PROMPT='...'] [OUT=out]: a real deck, made by the local sandbox
## deck SANDBOX=0: the same by the real service; needs PERCEPTIS_API_KEY
deck: library
ifneq ($(SANDBOX),0)
	@$(RELEASING) build --locked --release --package perceptis-sandbox
endif
	@$(CC) -std=c11 -O2 -Wall -Wextra -Iinclude bindings/c/examples/deck.c \
		-L$(RELEASE) -lperceptis -Wl,-rpath,$(RELEASE) -o $(RELEASE)/perceptis-deck
	@mkdir -p "$(OUT)"
ifneq ($(SANDBOX),0)
	@$(RELEASE)/perceptis-sandbox exec --speed $(SPEED) -- $(RELEASE)/perceptis-deck "$$PROMPT" "$(OUT)"
else
	@test -n "$$PERCEPTIS_API_KEY" || { echo "SANDBOX=0 needs PERCEPTIS_API_KEY: every slide is billed to it" >&2; exit 1; }
	@$(RELEASE)/perceptis-deck "$$PROMPT" "$(OUT)"
endif

# ---- tests -------------------------------------------------------------------------------------------------

# The property tests play the same cases in each run, so that a change passes or fails by what it changes; `make
# test-long` plays other ones.
PROPERTY_SEED ?= 1

# No test sees a key of the user, or a host that is not this machine: all other hosts are behind a proxy that does not
# exist. Nothing is written outside the tree and a temporary directory.
CLEAN := unset $$(env | sed -n 's/^\(PERCEPTIS_[A-Za-z0-9_]*\)=.*/\1/p'); \
	export http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 all_proxy=http://127.0.0.1:9; \
	export HTTP_PROXY=$$http_proxy HTTPS_PROXY=$$https_proxy ALL_PROXY=$$all_proxy; \
	unset no_proxy NO_PROXY; \
	XDG_STATE_HOME=$$(mktemp -d) && export XDG_STATE_HOME && trap 'rm -rf "$$XDG_STATE_HOME"' EXIT;

## test: everything that a merge needs; installs what it needs
test: lint test-rust test-python

## lint: formats, warnings, documentation, dependencies, C, C++, Python and spelling
lint: lint-rust lint-c lint-python lint-words

# The module that the fuzz targets use is checked, too.
DOORS := --features perceptis-core/fuzzing
lint-rust:
	@tests/tools.sh
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets $(DOORS) -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" \
		$(CARGO) doc --quiet --locked --no-deps --workspace --document-private-items $(DOORS)
	python3 tests/dependencies.py
	@$(MAKE) --no-print-directory least-rust LEAST_RUST_OPTIONAL=1

# Where the compiler is that version, each build is this build.
## least-rust: a build with the least Rust that Cargo.toml promises
least-rust:
	@case "$$(rustc --version)" in "rustc $(LEAST_RUST)."*) exit 0;; esac; \
	if $(CARGO) +$(LEAST_RUST) --version >/dev/null 2>&1; then \
		$(CARGO) +$(LEAST_RUST) check --locked --workspace --target-dir $(TARGET)/least; \
	else \
		echo "not built with Rust $(LEAST_RUST), which is not installed" >&2; test -n "$(LEAST_RUST_OPTIONAL)"; \
	fi

# The programs of tests/callers must stay byte for byte what they are, and the headers of tests/abi and
# include/perceptis.h are generated. More headers of include can be added once they have the format.
FORMATTED_HEADERS ?= include/perceptis.hpp
FORMATTED := $(sort $(FORMATTED_HEADERS) $(shell find benches bindings core tests -name target -prune -o \
	-path tests/callers -prune -o -path tests/abi -prune -o \( -name '*.[ch]' -o -name '*.cpp' -o -name '*.hpp' \) -print))
CHECKED_C := $(filter %.c,$(FORMATTED))
# It includes perceptis.hpp, as a program of a user does.
CHECKED_CPP := tests/callers/one_deck.cpp

lint-c: $(VENV)/made
	@tests/tools.sh
	@echo clang-format $(words $(FORMATTED)) files
	@$(VENV)/bin/clang-format --dry-run -Werror $(FORMATTED)
	@echo clang-tidy $(words $(CHECKED_C) $(CHECKED_CPP)) files
	@printf '%s\n' $(CHECKED_C) | xargs -P "$$(nproc)" -I FILE $(VENV)/bin/clang-tidy --quiet FILE -- -std=c11 -Iinclude
	@$(VENV)/bin/clang-tidy --quiet --header-filter='include/perceptis.*' $(CHECKED_CPP) -- -std=c++20 -Iinclude

lint-python: $(VENV)/made
	$(VENV)/bin/ruff check --quiet
	$(VENV)/bin/ruff format --quiet --check
	cd bindings/python && $(VENV)/bin/mypy --cache-dir $(TARGET)/mypy && $(VENV)/bin/pyright

lint-words: $(VENV)/made
	$(VENV)/bin/typos

## format: applies every format that `make lint` checks
format: $(VENV)/made
	$(CARGO) fmt --all
	$(VENV)/bin/clang-format -i $(FORMATTED)
	$(VENV)/bin/ruff check --quiet --fix --select I
	$(VENV)/bin/ruff format --quiet

## test-rust: the tests of the core, the shared library and the sandbox, and C and C++ programs
test-rust: library
	@tests/tools.sh
	$(CARGO) build --locked --workspace
	$(CARGO) test --locked --workspace --no-run
	@$(CLEAN) export PERCEPTIS_TEST_RELEASE_LIBRARY=$(RELEASE)/libperceptis.so PROPTEST_RNG_SEED=$(PROPERTY_SEED); \
		$(CARGO) test --locked --offline --workspace

$(VENV)/made: tests/python/requirements.txt
	@tests/tools.sh
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --requirement tests/python/requirements.txt
	@touch $@

# The wheel carries the release build's library; the tests see what a user installs.
## test-python: the Python package, the sandbox's page and decks, and clients without the library
test-python: library $(VENV)/made
	$(CARGO) build --locked --workspace
	rm -rf $(TARGET)/wheel
	PERCEPTIS_LIBRARY_FILE=$(RELEASE)/libperceptis.so $(VENV)/bin/pip wheel --quiet --no-deps --no-build-isolation \
		--wheel-dir $(TARGET)/wheel bindings/python
	$(VENV)/bin/pip install --quiet --no-deps --force-reinstall $(TARGET)/wheel/*.whl
	@$(CLEAN) TEST_SANDBOX=$(TARGET)/debug/perceptis-sandbox TEST_LIBRARY=$(RELEASE)/libperceptis.so \
		$(PYTHON) -m pytest -q -n 4 -p no:cacheprovider tests/python

# ---- benches -----------------------------------------------------------------------------------------------

# Where the measured downloads go: a disk, and memory.
BENCH_DIRECTORIES ?= $(TARGET)/bench /dev/shm
# Where files are made by the thousand. On ext4 the search for a free place among files that were just deleted is a
# third of a run.
CURVE_DIRECTORY ?= /dev/shm
BENCH_CC = $(CC) -std=c11 -O2 -Wall -Wextra -Wpedantic -Werror -pthread -Iinclude
BENCH_LD = -L$(RELEASE) -lperceptis -Wl,-rpath,$(RELEASE)

# Tables without a verdict: other work of the machine is in them, too. The two sides of each table take turns.
## bench: tables of what the library costs, beside libcurl; installs what it needs
bench: library
	@tests/tools.sh benches
	@$(RELEASING) build --locked --release --package perceptis-sandbox
	@mkdir -p $(TARGET)/bench
	@$(BENCH_CC) benches/call.c $(BENCH_LD) -lcurl -o $(RELEASE)/bench-call
	@$(BENCH_CC) benches/start.c -ldl -Wl,-rpath,$(RELEASE) -o $(RELEASE)/bench-start
	@$(BENCH_CC) benches/download.c benches/deck.c benches/file_server.c benches/floor.c $(BENCH_LD) -lcurl -lcrypto \
		-o $(RELEASE)/bench-download
	@$(CLEAN) for program in call start; do for tls in "" --tls; do \
		$(RELEASE)/perceptis-sandbox exec $$tls -- $(RELEASE)/bench-$$program || exit 1; done; done
	@$(BENCH_CC) -Wno-overlength-strings benches/polls.c $(BENCH_LD) -lcurl -o $(RELEASE)/bench-polls
	@$(CLEAN) for jobs in 100 1000 10000; do $(RELEASE)/perceptis-sandbox exec \
		--speed $$((40000 / jobs)) -- $(RELEASE)/bench-polls $$jobs 10 0 || exit 1; done
	@$(BENCH_CC) benches/runs.c $(BENCH_LD) -lcurl -o $(RELEASE)/bench-runs
	@$(CLEAN) mkdir "$$XDG_STATE_HOME/runs"; for jobs in 1000 10000; do $(RELEASE)/perceptis-sandbox exec --speed 1 -- \
		$(RELEASE)/bench-runs $$jobs "$$XDG_STATE_HOME/runs" || exit 1; done
	@$(BENCH_CC) benches/curve.c $(BENCH_LD) -lcurl -o $(RELEASE)/bench-curve
	@$(CLEAN) for jobs in 100 1000 10000 100 1000 10000; do $(RELEASE)/perceptis-sandbox exec --speed $$((55000 / jobs)) -- \
		$(RELEASE)/bench-curve $$jobs 2000 "$(CURVE_DIRECTORY)" || exit 1; done
	@$(CLEAN) for jobs in 100 1000 10000; do $(RELEASE)/perceptis-sandbox exec --speed 5 -- \
		$(RELEASE)/bench-curve $$jobs 100 "$(CURVE_DIRECTORY)" || exit 1; done
	@$(BENCH_CC) -rdynamic benches/ledger.c $(BENCH_LD) -lsqlite3 -o $(RELEASE)/bench-ledger
	@$(CLEAN) $(RELEASE)/perceptis-sandbox exec --speed 1 -- $(RELEASE)/bench-ledger $(TARGET)/bench
	@$(RELEASING) build --locked --release --package perceptis --features unhashed --target-dir $(TARGET)/unhashed
	@$(CLEAN) export BENCH_UNHASHED=$(TARGET)/unhashed/release/libperceptis.so; \
		for directory in $(BENCH_DIRECTORIES); do $(RELEASE)/bench-download $$directory || exit 1; done

# ---- long tests --------------------------------------------------------------------------------------------

# Runs under random mixtures of faults (a seed that fails is printed with the command that plays it again), histories
# of several processes with an oracle, every order of events with more preemptions, the library under ThreadSanitizer
# and AddressSanitizer, and random input to each parser.
SEEDS ?= 2000
SEQUENCES ?= 20000
PROPERTY_CASES ?= 20000
SANITIZER_SEEDS ?= 20
## test-long: tests that take minutes: random faults, crashes, storms, sanitizers, fuzzing
test-long: library
	@tests/tools.sh
	$(CARGO) build --locked --workspace
	$(CARGO) test --locked --test faults --test crashes --test ledger_hosts --test sequences --no-run
	@$(CLEAN) export PROPTEST_CASES=$(PROPERTY_CASES); $(CARGO) test --locked --offline --package perceptis-core --lib
	@$(CLEAN) export TEST_SEEDS=$(SEEDS); $(CARGO) test --locked --offline --test faults mixtures
	@$(CLEAN) export SEQUENCES_COUNT=$(SEQUENCES); $(CARGO) test --locked --offline --test sequences
	@$(CLEAN) export TEST_LONG=1 PERCEPTIS_TEST_RELEASE_LIBRARY=$(RELEASE)/libperceptis.so; \
		$(CARGO) test --locked --offline --test crashes --test ledger_hosts
	@$(CLEAN) LOOM_MAX_PREEMPTIONS=5 $(CARGO) test --locked --offline --package perceptis-loom
	@$(CLEAN) CARGO_TARGET_DIR=$(TARGET) tests/sanitizers.sh $(SANITIZER_SEEDS)
	@$(MAKE) --no-print-directory fuzz

SECONDS ?= 60
TARGETS ?=
## fuzz [SECONDS=60] [TARGETS='...']: random input to each fuzz target for so many seconds
fuzz:
	@CARGO_TARGET_DIR=$(TARGET) tests/fuzz.sh $(SECONDS) $(TARGETS)

# ---- the rest ----------------------------------------------------------------------------------------------

## header: renews include/perceptis.h from the sources
header:
	$(CARGO) build --locked --package perceptis
	cp "$$($(CARGO) build --locked --package perceptis --message-format json 2>/dev/null \
		| sed -n 's/.*"reason":"build-script-executed".*"PERCEPTIS_GENERATED_HEADER","\([^"]*\)".*/\1/p' | tail -n 1)" \
		include/perceptis.h

PREFIX ?= /usr/local
LIBDIR ?= lib
## install [PREFIX=/usr/local]: the library, its header, pkg-config and CMake files
install: library
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" LIBDIR="$(LIBDIR)" bindings/c/install.sh install $(RELEASE)/libperceptis.so $(VERSION)

## uninstall [PREFIX=/usr/local]: removes them again
uninstall:
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" LIBDIR="$(LIBDIR)" bindings/c/install.sh uninstall - $(VERSION)

## clean: removes all that was built
clean:
	$(CARGO) clean
