CARGO ?= cargo
PYTHON ?= python3

# The Lambda architecture to build for. Building for the machine's own architecture needs no other tools.
HOST_ARCH := $(patsubst aarch64,arm64,$(shell uname -m))
ARCH ?= $(HOST_ARCH)
STACK ?= portcullis
PROFILE_DIR := target/debug
# demo, invoke and test use one set of features, because another set would build the AWS SDK again.
WORKSPACE := --workspace --features ec2-model/serve --locked

RUST_OLDEST := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

export SAM_CLI_TELEMETRY := 0

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

# --- Try it, test it -----------------------------------------------------------------------------------------------

# While one core compiles the AWS SDK, the other installs the tools.
.PHONY: demo
demo: ## See it work on this machine, on an AWS emulator
	@$(MAKE) --no-print-directory --jobs=2 function-and-cli .venv/demo/.installed
	.venv/demo/bin/python tools/demo/demo.py $(PROGRAMS) $(if $(PICTURE),--picture $(PICTURE))

PROGRAMS := --bootstrap $(PROFILE_DIR)/portcullis-lambda --cli $(PROFILE_DIR)/portcullis

# The dashboard in the docs, with what a run of the demo has measured.
.PHONY: picture
picture: ## Draw docs/dashboard.svg anew, from a run of the demo
	@$(MAKE) --no-print-directory demo PICTURE=docs/dashboard.svg

# Each target builds only what it needs, with the same set of features.
.PHONY: function
function: need-cargo
	$(CARGO) build $(WORKSPACE) --bin portcullis-lambda

.PHONY: function-and-cli
function-and-cli: need-cargo
	$(CARGO) build $(WORKSPACE) --bin portcullis-lambda --bin portcullis

.PHONY: function-and-model
function-and-model: need-cargo
	$(CARGO) build $(WORKSPACE) --bin portcullis-lambda --bin ec2-model

.PHONY: invoke
invoke: ## Run the function on an event: EVENT=events/…, JSON=1
	@test -f "$(EVENT)" || { printf 'make: no event "%s": make invoke EVENT=events/NAME.json; there are\n' "$(EVENT)" >&2; \
	  printf '  %s\n' events/*.json >&2; exit 1; }
	@$(MAKE) --no-print-directory --jobs=2 function-and-model .venv/build/.installed
	.venv/build/bin/python tools/demo/invoke.py $(if $(JSON),--json) --programs $(PROFILE_DIR) "$(EVENT)"

# Tests that need something from outside are ignored by default. Those that can run here run first, by name.
OUTSIDE := witness:: $(if $(PORTCULLIS_TEST_RECORDS),corpus::)

.PHONY: test
test: ## Run all tests, against the model and a public mock
	@$(MAKE) --no-print-directory --jobs=2 test-programs .venv/witness/.installed
	@$(MAKE) --no-print-directory --jobs=3 witness doctor tests

# The witness and the doctor wait for their servers most of the time: side by side with the tests they keep two cores busy.
.PHONY: tests
tests: need-cargo
	$(CARGO) test $(WORKSPACE)

.PHONY: witness
witness: need-cargo .venv/witness/.installed
	PORTCULLIS_TEST_MOTO=$(CURDIR)/.venv/witness/bin/moto_server \
	  $(CARGO) test $(WORKSPACE) --test it -- --ignored $(OUTSIDE)

.PHONY: doctor
doctor: function-and-cli .venv/demo/.installed ## Break a stack in 43 ways: does the doctor name each?
	.venv/demo/bin/python tools/doctor/check.py $(PROGRAMS) \
	  $(if $(MEMBERS),--members $(MEMBERS))

.PHONY: test-programs
test-programs: need-cargo
	$(CARGO) test $(WORKSPACE) --no-run

.PHONY: lint
lint: toolchain tamper ## Check format, code, templates, schemas and links
	@$(MAKE) --no-print-directory .venv/build/.installed
	$(CARGO) fmt --all --check
	$(PYTHON) tools/lint/dependencies.py
	$(PYTHON) tools/lint/links.py
	.venv/build/bin/python tools/lint/schemas.py
	.venv/build/bin/python tools/lint/formats.py
	.venv/build/bin/python -m unittest discover --start-directory tools/lint
	.venv/build/bin/python -m unittest discover --start-directory tools/deploy
	.venv/build/bin/cfn-lint $(wildcard *.yaml)
	AWS_DEFAULT_REGION=us-east-1 .venv/build/bin/sam validate --lint --template template.yaml
	AWS_DEFAULT_REGION=us-east-1 .venv/build/bin/sam validate --lint --template member.yaml
	$(CARGO) clippy $(WORKSPACE) --all-targets -- -D warnings

.PHONY: tamper
tamper: .venv/demo/.installed ## Check which calls against Portcullis are reported
	.venv/demo/bin/python tools/tamper/check.py

.PHONY: dependencies
dependencies: need-cargo need-python ## Write down anew what the function is built from
	$(PYTHON) tools/lint/dependencies.py --write

# ADVISORIES=required: fail if the database of advisories cannot be read. Use it on a machine with network access.
.PHONY: deny
deny: need-cargo .venv/deny/.installed ## Check licences, sources and advisories
	PATH="$(CURDIR)/.venv/deny/bin:$$PATH" CARGO=$(CARGO) tools/lint/deny $(ADVISORIES)

.PHONY: check
check: ## The gate: lint, deny and test, as .ci/run does
	.ci/run

# More cases than `make test` runs, on the optimised program with all its checks. Each proof prints how many cases it
# ran.
PROOF_CASES ?= 1000000
PROOF_GROUPS ?= 5000
PROOF_SEEDS ?= 10000
# The first seed. A long proof can be run in parts: make proof-simulation PROOF_FIRST=3800 PROOF_SEEDS=1900. The fights
# take turns among their 19 attacks, with and without a memory: take multiples of 38.
PROOF_FIRST ?= 0
PROOFS := proof-domain proof-z3 proof-simulation

.PHONY: proof
proof: $(PROOFS) ## Prove the judging, in several ways (an hour)

.PHONY: proof-domain
proof-domain: need-cargo
	PORTCULLIS_PROOF_CASES=$(PROOF_CASES) PORTCULLIS_PROOF_WHOLE=1 \
	  $(CARGO) test --profile proof --package portcullis-domain --lib --locked --quiet -- --nocapture naive:: interleavings::

.PHONY: proof-z3
proof-z3: need-cargo .venv/proof/.installed
	@mkdir -p target
	$(CARGO) run --profile proof --package portcullis-domain --example groups --locked --quiet -- $(PROOF_GROUPS) \
	  > target/groups.jsonl
	.venv/proof/bin/python tools/proof/z3_judge.py < target/groups.jsonl

.PHONY: proof-simulation
proof-simulation: need-cargo
	PORTCULLIS_FIRST_SEED=$(PROOF_FIRST) PORTCULLIS_SEEDS=$(PROOF_SEEDS) PORTCULLIS_OPENINGS=$(PROOF_SEEDS) \
	  PORTCULLIS_PROOF_WHOLE=1 $(CARGO) test --profile proof $(WORKSPACE) --test it --quiet -- \
	  --nocapture simulation:: adversary:: faults::every deliveries::a_flood memory::crashes memory::digest

# Two at a time, about an hour for everything. For one file: make mutants MUTANTS="--file crates/domain/src/net.rs".
# Status 3 is a mutant that never ended and was stopped, which counts as caught.
.PHONY: mutants
mutants: need-cargo ## Does each change to the domain's code break a test?
	@command -v cargo-mutants > /dev/null || $(CARGO) install --locked cargo-mutants
	PORTCULLIS_PROOF_CASES=100 $(CARGO) mutants --package portcullis-domain --output target --jobs 2 $(MUTANTS) \
	  || { test $$? -eq 3 && test ! -s target/mutants.out/missed.txt; }

.PHONY: fuzz
fuzz: need-cargo need-python ## Fuzz each target: SECONDS=60
	@command -v cargo-fuzz > /dev/null || $(CARGO) install --locked cargo-fuzz
	$(PYTHON) fuzz/run.py --seconds $(or $(SECONDS),60) $(TARGET)

.PHONY: bench
bench: need-cargo .venv/bench/.installed ## Measure it beside a boto3 handler: BENCH="--rounds 31"
	$(CARGO) build --release --locked --package portcullis --bin portcullis-lambda
	$(CARGO) build --release --locked --package ec2-model --features serve
	$(CARGO) build --release --locked --package portcullis-domain --example harmless
	$(CARGO) build --release --locked --package portcullis-delivery --example scan
	$(CARGO) bench --locked --package portcullis-domain
	.venv/bench/bin/python tools/bench/bench.py $(BENCH)

# --- Ship it -------------------------------------------------------------------------------------------------------

RUST_TARGET := $(patsubst arm64,aarch64,$(ARCH))-unknown-linux-gnu
# SAM asks `cargo lambda` for arm64 by name. For x86_64 it assumes the machine's own architecture.
ifeq ($(HOST_ARCH)-$(ARCH),arm64-x86_64)
  CANNOT_BUILD := an arm64 machine builds for arm64 only: make build ARCH=arm64
endif

.PHONY: build
build: need-cargo .venv/build/.installed ## Build what is deployed (10 to 25 minutes): ARCH=…
	@test -z "$(CANNOT_BUILD)" || { echo "make: $(CANNOT_BUILD)" >&2; exit 1; }
	@test -d "$$(rustc --print target-libdir --target $(RUST_TARGET))" \
	  || { echo "make: $(ARCH) needs its standard library: rustup target add $(RUST_TARGET)" >&2; exit 1; }
	PATH="$(CURDIR)/.venv/build/bin:$$PATH" CARGO_LAMBDA_GLOBAL=$(CURDIR)/tools/cargo-lambda.toml \
	  sam build --template template.yaml --parameter-overrides Architecture=$(ARCH)

# Before the build, deploy prints the account, and the first time it asks three questions. Later it asks nothing, and a
# value that is not given stays as in the stack. With ZIP nothing is compiled, and the zip names its processor.
DEPLOY = .venv/build/bin/python tools/deploy/deploy.py
GIVEN = --stack $(STACK) $(if $(ZIP),--zip $(ZIP),--architecture $(ARCH)) \
  --parameters $(if $(MODE),Mode=$(MODE)) $(PARAMETERS)

.PHONY: deploy
deploy: .venv/build/.installed ## Deploy: MODE=enforce, ZIP=…, PARAMETERS="Key=Value …"
	@$(DEPLOY) prepare $(GIVEN)
	@$(if $(ZIP),,$(MAKE) --no-print-directory build)
	@$(DEPLOY) run $(GIVEN)

# The command line is built separately: the function contains nothing of it, and it contains nothing of the model.
CLI_PROFILE := quick
CLI := target/$(CLI_PROFILE)/portcullis

.PHONY: command-line
command-line: need-cargo
	$(CARGO) build --profile $(CLI_PROFILE) --package portcullis-cli --bin portcullis --locked

# The hunts are a workspace of their own, with its own Cargo.lock: their SQL engine is compiled for nothing else.
HUNT_PROFILE := quick
HUNT := target/hunt/$(HUNT_PROFILE)/portcullis-hunt
HUNT_CARGO := CARGO_TARGET_DIR=$(CURDIR)/target/hunt $(CARGO)

.PHONY: hunt
hunt: need-cargo ## Build the hunts, optimised (long): HUNT_PROFILE=dev
	$(HUNT_CARGO) build --profile $(HUNT_PROFILE) --manifest-path crates/hunt/Cargo.toml --locked

# The pages are looked at in a browser where there is one; elsewhere those tests are reported as ignored.
CHROMIUM := $(shell command -v chromium || command -v chromium-browser)

# The readers' own tests are here too, because only the hunts build them.
.PHONY: hunt-test
hunt-test: need-cargo ## Check and test the hunts (minutes the first time)
	$(CARGO) fmt --manifest-path crates/hunt/Cargo.toml --check
	$(HUNT_CARGO) clippy --manifest-path crates/hunt/Cargo.toml --locked --all-targets -- -D warnings
	$(HUNT_CARGO) test --manifest-path crates/hunt/Cargo.toml --locked
	$(if $(CHROMIUM),PORTCULLIS_TEST_CHROMIUM=$(CHROMIUM) \
	  $(HUNT_CARGO) test --manifest-path crates/hunt/Cargo.toml --locked --test it -- --ignored browser::)
	$(if $(PORTCULLIS_TEST_RECORDS),$(HUNT_CARGO) test --manifest-path crates/hunt/Cargo.toml --locked --test it -- \
	  --ignored corpus::)
	$(HUNT_CARGO) test --package portcullis-delivery --features every --locked -- every:: flowlog:: marks:: places:: skip::

.PHONY: hunt-portable
hunt-portable: need-cargo .venv/hunt/.installed ## Hold the hunts' SQL to Trino and DuckDB: WORLDS=30
	$(HUNT_CARGO) build --manifest-path crates/hunt/Cargo.toml --locked
	.venv/hunt/bin/python tools/hunt/portable.py target/hunt/debug/portcullis-hunt
	.venv/hunt/bin/python tools/hunt/lives.py target/hunt/debug/portcullis-hunt $(WORLDS)

.PHONY: hunt-witnesses
hunt-witnesses: need-cargo .venv/demo/.installed .venv/witness/.installed ## Hold the hunts' use of S3 and Athena's API to two mocks
	$(HUNT_CARGO) build --manifest-path crates/hunt/Cargo.toml --locked
	.venv/demo/bin/python tools/hunt/witnesses.py target/hunt/debug/portcullis-hunt .venv/witness/bin/moto_server

.PHONY: bench-hunt
bench-hunt: hunt .venv/hunt/.installed ## Measure hunts, on an idle machine
	$(HUNT_CARGO) build --profile $(HUNT_PROFILE) --manifest-path crates/hunt/Cargo.toml --locked --example inflate
	.venv/hunt/bin/python tools/bench/hunt.py $(HUNT) target/hunt/$(HUNT_PROFILE)/examples/inflate $(BENCH)

.PHONY: demo-hunt
demo-hunt: need-cargo need-python ## See five hunts tell what happened in a small world
	$(HUNT_CARGO) build --manifest-path crates/hunt/Cargo.toml --locked
	$(PYTHON) tools/demo/hunt.py target/hunt/debug/portcullis-hunt

PREFIX ?= $(HOME)/.local
SHARE ?= $(or $(XDG_DATA_HOME),$(PREFIX)/share)

.PHONY: install
install: command-line $(if $(filter no,$(HUNTS)),,hunt) ## Install into ~/.local: PREFIX=/usr/local, HUNTS=no
	install -D $(CLI) $(PREFIX)/bin/portcullis
	$(if $(filter no,$(HUNTS)),,install -D $(HUNT) $(PREFIX)/bin/portcullis-hunt)
	@mkdir -p $(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions $(SHARE)/fish/vendor_completions.d \
	  $(SHARE)/man/man1
	$(CLI) completions bash > $(SHARE)/bash-completion/completions/portcullis
	$(CLI) completions zsh > $(SHARE)/zsh/site-functions/_portcullis
	$(CLI) completions fish > $(SHARE)/fish/vendor_completions.d/portcullis.fish
	$(CLI) man > $(SHARE)/man/man1/portcullis.1
	@case ":$$PATH:" in *":$(PREFIX)/bin:"*) ;; *) echo "make: $(PREFIX)/bin is not in PATH: add it" >&2;; esac

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p;T;q' Cargo.toml)

# The command line is for the machine's own processor, and for a glibc that is not older than the machine's.
.PHONY: dist
dist: build command-line ## Make dist/: zip, command line, checksums: ARCH=…
	@mkdir -p dist
	install $(CLI) dist/portcullis-$(VERSION)-linux-$(HOST_ARCH)
	$(PYTHON) tools/deploy/package.py .aws-sam/build/Function/bootstrap dist/portcullis-lambda-$(VERSION)-$(ARCH).zip
	@cat dist/SHA256SUMS

# --- Tools ---------------------------------------------------------------------------------------------------------

.PHONY: clean
clean: ## Remove all that make has made
	rm -rf .venv .demo .aws-sam dist target fuzz/artifacts fuzz/corpus fuzz/target

# One environment for each purpose, because their versions of botocore differ. It is rebuilt when its pins change.
.venv/%/.installed: tools/requirements/%.txt | need-python
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes \
	  --requirement $<
	$(@D)/bin/python -m pip --disable-pip-version-check check > /dev/null
	@touch $@

# The .in files have the names, the .txt files all packages with hashes. Versions stay unless NAME.in requires another
# one; UPGRADE=--upgrade takes the newest. Only these packages are installed (--no-deps), and pip check confirms that
# they are enough.
.PHONY: pins
pins: .venv/pins/.installed ## Write the pins of the Python tools anew
	@for purpose in $(basename $(notdir $(wildcard tools/requirements/*.in))); do \
	  .venv/pins/bin/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-annotate \
	    --custom-compile-command 'make pins' $(UPGRADE) \
	    --output-file tools/requirements/$$purpose.txt tools/requirements/$$purpose.in || exit 1; done

.PHONY: need-cargo
need-cargo:
	@command -v $(firstword $(CARGO)) > /dev/null \
	  || { echo "make: cargo is missing: install Rust $(RUST_OLDEST) or newer, https://rustup.rs" >&2; exit 1; }
	@printf '%s\n' "$(RUST_OLDEST)" "$$(rustc --version | cut -d ' ' -f 2)" | sort --check --version-sort 2> /dev/null \
	  || { echo "make: $$(rustc --version) is too old: install Rust $(RUST_OLDEST) or newer, https://rustup.rs" >&2; exit 1; }

# The result of lint depends on the version of the compiler. The version is named, and never downloaded.
RUST_TESTED := $(shell cat .ci/rust-version)

.PHONY: toolchain
toolchain: need-cargo
	@rustc --version | grep --quiet --fixed-strings "rustc $(RUST_TESTED) " \
	  || echo "make: this is checked with Rust $(RUST_TESTED) (.ci/rust-version); here is $$(rustc --version):" \
	    "another clippy may find more, or less" >&2

.PHONY: need-python
need-python:
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2> /dev/null \
	  || { echo "make: python3 is missing, older than 3.10 or without venv: install python3 and python3-venv" >&2; exit 1; }
