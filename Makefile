CARGO ?= cargo
PYTHON ?= python3

# The Lambda architecture to build for; the machine's own needs nothing more than is here.
HOST_ARCH := $(patsubst aarch64,arm64,$(shell uname -m))
ARCH ?= $(HOST_ARCH)
STACK ?= portcullis
PROFILE_DIR := target/debug
# One set of features for demo, invoke and test: each other set would build the AWS SDK again.
WORKSPACE := --workspace --features ec2-model/serve --locked

export SAM_CLI_TELEMETRY := 0

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

# --- Try it, test it -----------------------------------------------------------------------------------------------

.PHONY: demo
demo: ## See it work on this machine: alert, enforce, then a hub with members, on an AWS emulator
	@$(MAKE) --no-print-directory --jobs=2 programs .venv/demo/.installed
	.venv/demo/bin/python tools/demo/demo.py --bootstrap $(PROFILE_DIR)/portcullis-lambda

# While one core compiles the AWS SDK, the other installs the tools.
.PHONY: programs
programs: need-cargo
	$(CARGO) build $(WORKSPACE) --all-targets

.PHONY: invoke
invoke: need-cargo .venv/build/.installed ## Run the function on one event: make invoke EVENT=events/NAME.json
	@test -f "$(EVENT)" || { echo "make: which event? make invoke EVENT=events/NAME.json" >&2; exit 1; }
	@$(MAKE) --no-print-directory programs
	.venv/build/bin/python tools/demo/invoke.py --programs $(PROFILE_DIR) "$(EVENT)"

.PHONY: test
test: need-cargo .venv/witness/.installed ## Run all tests, against the model and a public mock
	PORTCULLIS_TEST_MOTO=$(CURDIR)/.venv/witness/bin/moto_server $(CARGO) test $(WORKSPACE)

.PHONY: lint
lint: need-cargo .venv/build/.installed tamper ## Check format, code and templates
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(WORKSPACE) --all-targets -- -D warnings
	.venv/build/bin/cfn-lint template.yaml member.yaml tamper-us-east-1.yaml
	AWS_DEFAULT_REGION=us-east-1 .venv/build/bin/sam validate --lint --template template.yaml
	AWS_DEFAULT_REGION=us-east-1 .venv/build/bin/sam validate --lint --template member.yaml

.PHONY: tamper
tamper: .venv/demo/.installed ## Check which calls against Portcullis the templates' rules tell of
	.venv/demo/bin/python tools/tamper/check.py

.PHONY: deny
deny: need-cargo ## Check licences and sources of all dependencies (installs cargo-deny once)
	@command -v cargo-deny > /dev/null || $(CARGO) install --locked cargo-deny
	$(CARGO) deny check licenses bans sources

# More cases than `make test` takes, on the optimised program with all its checks in. Each line that a proof prints says
# how many cases it was.
PROOF_CASES ?= 1000000
PROOF_GROUPS ?= 5000
PROOF_SEEDS ?= 10000
PROOFS := proof-domain proof-z3 proof-simulation

.PHONY: proof
proof: $(PROOFS) ## Prove the judging: a naive definition, every small world, z3, a simulated world (an hour)

.PHONY: proof-domain
proof-domain: need-cargo
	PORTCULLIS_PROOF_CASES=$(PROOF_CASES) PORTCULLIS_PROOF_WHOLE=1 \
	  $(CARGO) test --profile proof --package portcullis-domain --lib --locked --quiet naive:: -- --nocapture

.PHONY: proof-z3
proof-z3: need-cargo .venv/proof/.installed
	@mkdir -p target
	$(CARGO) run --profile proof --package portcullis-domain --example groups --locked --quiet -- $(PROOF_GROUPS) \
	  > target/groups.jsonl
	.venv/proof/bin/python tools/proof/z3_judge.py < target/groups.jsonl

.PHONY: proof-simulation
proof-simulation: need-cargo
	PORTCULLIS_SEEDS=$(PROOF_SEEDS) PORTCULLIS_PROOF_WHOLE=1 $(CARGO) test $(WORKSPACE) --test it --quiet -- \
	  --nocapture simulation:: faults::every_pair deliveries::a_flood

# Two at a time, an hour or so in all; of one file: make mutants MUTANTS="--file crates/domain/src/net.rs". Status 3 is a mutant
# that never ends and was stopped, which is caught as well.
.PHONY: mutants
mutants: need-cargo ## Test the domain's tests: does each change to the code break one? (installs cargo-mutants once)
	@command -v cargo-mutants > /dev/null || $(CARGO) install --locked cargo-mutants
	PORTCULLIS_PROOF_CASES=100 $(CARGO) mutants --package portcullis-domain --output target --jobs 2 $(MUTANTS) \
	  || { test $$? -eq 3 && test ! -s target/mutants.out/missed.txt; }

.PHONY: fuzz
fuzz: need-cargo need-python ## Fuzz each target (installs cargo-fuzz once): make fuzz SECONDS=60
	@command -v cargo-fuzz > /dev/null || $(CARGO) install --locked cargo-fuzz
	$(PYTHON) fuzz/run.py --seconds $(or $(SECONDS),60) $(TARGET)

.PHONY: bench
bench: need-cargo .venv/bench/.installed ## Measure starts, memory and size beside boto3: BENCH="--rounds 31"
	$(CARGO) build --release --locked --bin portcullis-lambda
	$(CARGO) build --release --locked --package ec2-model --features serve
	$(CARGO) build --release --locked --package portcullis-domain --example harmless
	$(CARGO) build --release --locked --package portcullis-delivery --example scan
	$(CARGO) bench --locked --package portcullis-domain
	.venv/bench/bin/python tools/bench/bench.py $(BENCH)

# --- Ship it -------------------------------------------------------------------------------------------------------

RUST_TARGET := $(patsubst arm64,aarch64,$(ARCH))-unknown-linux-gnu
# SAM asks `cargo lambda` for arm64 by name, but takes x86_64 to be the machine's own.
ifeq ($(HOST_ARCH)-$(ARCH),arm64-x86_64)
  CANNOT_BUILD := an arm64 machine builds for arm64 only: make build ARCH=arm64
endif

.PHONY: build
build: need-cargo .venv/build/.installed ## Build what is deployed, into .aws-sam (10 to 25 minutes): ARCH=x86_64|arm64
	@test -z "$(CANNOT_BUILD)" || { echo "make: $(CANNOT_BUILD)" >&2; exit 1; }
	@test -d "$$(rustc --print target-libdir --target $(RUST_TARGET))" \
	  || { echo "make: $(ARCH) needs its standard library: rustup target add $(RUST_TARGET)" >&2; exit 1; }
	PATH="$(CURDIR)/.venv/build/bin:$$PATH" CARGO_LAMBDA_GLOBAL=$(CURDIR)/tools/cargo-lambda.toml \
	  sam build --template template.yaml --parameter-overrides Architecture=$(ARCH)

# The first time SAM asks for every parameter (Mode is alert unless told otherwise) and keeps the answers in
# samconfig.toml; after that it asks nothing. What is not given here keeps the value that the stack has.
.PHONY: deploy
deploy: build ## Deploy with SAM, in alert mode at first: MODE=enforce, PARAMETERS="Key=Value …", STACK=name
	.venv/build/bin/sam deploy --stack-name $(STACK) --capabilities CAPABILITY_IAM \
	  $(if $(wildcard samconfig.toml),,--guided) \
	  --parameter-overrides Architecture=$(ARCH) $(if $(MODE),Mode=$(MODE)) $(PARAMETERS)

# --- Tools ---------------------------------------------------------------------------------------------------------

.PHONY: clean
clean: ## Remove all that make has made
	rm -rf .venv .demo .aws-sam target fuzz/artifacts fuzz/corpus fuzz/target

# One environment a purpose, made again when its pins change: they do not agree on their botocore.
.venv/%/.installed: tools/requirements/%.txt | need-python
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --requirement $<
	@touch $@

.PHONY: need-cargo
need-cargo:
	@command -v $(firstword $(CARGO)) > /dev/null \
	  || { echo "make: cargo is missing: install Rust 1.94.1 or newer, https://rustup.rs" >&2; exit 1; }

.PHONY: need-python
need-python:
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2> /dev/null \
	  || { echo "make: python3 is missing, older than 3.10 or without venv: install python3 and python3-venv" >&2; exit 1; }
