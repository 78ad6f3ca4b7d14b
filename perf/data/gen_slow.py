#!/usr/bin/env python3
"""Writes the table `slow`: what makes two queries of seconds each beside a stream of small ones.

  pip install numpy pyarrow && python3 perf/data/gen_slow.py --rows 4000000 --out slow.parquet

id INT; text STRING, about 80 bytes, nearly all distinct (kept raw: no dictionary); name STRING with 1,000,000 distinct values;
v INT. Same --rows and --seed: the same values.
"""
import argparse

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

parser = argparse.ArgumentParser()
parser.add_argument("--rows", type=int, default=4_000_000)
parser.add_argument("--names", type=int, default=1_000_000)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--out", required=True)
args = parser.parse_args()

random = np.random.default_rng(args.seed)
words = np.array(["alder", "birch", "cedar", "dogwood", "elm", "fir", "ginkgo", "hazel", "iron", "juniper", "katsura", "larch",
                  "maple", "nutmeg", "oak", "pine"])
schema = pa.schema([("id", pa.int32()), ("text", pa.string()), ("name", pa.string()), ("v", pa.int32())])
with pq.ParquetWriter(args.out, schema, compression="zstd") as writer:
    for start in range(0, args.rows, 500_000):
        n = min(500_000, args.rows - start)
        ids = np.arange(start, start + n, dtype=np.int32)
        text = np.char.mod("%010d ", random.integers(0, 10**10, n))
        for _ in range(10):
            text = np.char.add(np.char.add(text, words[random.integers(0, len(words), n)]), " ")
        name = np.char.add("name-", random.integers(0, args.names, n).astype(str))
        writer.write_table(pa.table([pa.array(ids), pa.array(text), pa.array(name),
                                     pa.array(random.integers(0, 1000, n, dtype=np.int32))], schema=schema))
