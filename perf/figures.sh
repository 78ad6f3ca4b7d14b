#!/bin/sh
# The figures of README.md that perf/bench.py does not give, measured anew: kernels, footer, small queries beside slow ones.
# Needs python3 with numpy and pyarrow; takes some minutes and 1 GB in a temporary folder.
set -eu
target=${CARGO_TARGET_DIR:-target}
work=$(mktemp -d)
controller=http://127.0.0.1:29000 broker=http://127.0.0.1:28099
trap 'kill "$node" 2>/dev/null || true; wait "$node" 2>/dev/null || true; rm -rf "$work"' EXIT
node=

cargo build --release --locked -p cluster --bin gamay -p perf
cargo run --release --locked -q -p shard --example filter_figures
cargo bench --locked -q -p segfmt --bench footer

python3 perf/data/gen_ssb.py --sf 1 --out "$work/ssb.parquet"
python3 perf/data/gen_slow.py --out "$work/slow.parquet"
"$target/release/gamay" start --data-dir "$work/data" --controller-port 29000 --broker-port 28099 2>"$work/node.log" &
node=$!
until curl -sf "$broker/health" >/dev/null; do sleep 0.2; done
"$target/release/gamay" ingest "$work/ssb.parquet" --table lineorder_flat --sort lo_orderdate --rows-per-segment 1000368 --controller "$controller"
"$target/release/gamay" ingest "$work/slow.parquet" --table slow --controller "$controller"
"$target/release/gamay-perf" isolation --broker "$broker" \
    --small "SELECT COUNT(*), SUM(lo_revenue) FROM lineorder_flat WHERE lo_custkey = {}" \
    --slow "SELECT COUNT(*) FROM slow WHERE REGEXP_LIKE(text, 'm[a-z]+ .*o[a-z]k .*(fir|elm) p')" \
    --slow "SELECT name, COUNT(*) FROM slow GROUP BY name ORDER BY COUNT(*) DESC, name LIMIT 10"
