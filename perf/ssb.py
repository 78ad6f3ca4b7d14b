#!/usr/bin/env python3
"""SSB flat: Gamay beside DuckDB, query by query in turn, on the same rows in the same order.

  perf/ssb.py --parquet ssb.parquet --in-process target/release/gamay-perf DATA_DIR   a node without HTTP
  perf/ssb.py --parquet ssb.parquet --broker http://127.0.0.1:8099                    a running node

DuckDB holds the rows sorted by lo_orderdate in memory, two threads. Every answer is compared with DuckDB's. Prints one JSON
document; times are medians in milliseconds.
"""
import argparse
import json
import math
import os
import statistics
import subprocess
import time
import urllib.request

import duckdb

HERE = os.path.dirname(os.path.abspath(__file__))
parser = argparse.ArgumentParser()
parser.add_argument("--parquet", required=True)
parser.add_argument("--table", default="lineorder_flat")
parser.add_argument("--sort", default="lo_orderdate")
parser.add_argument("--queries", default=os.path.join(HERE, "queries", "ssb_flat.sql"))
parser.add_argument("--broker")
parser.add_argument("--in-process", nargs=2, metavar=("GAMAY_PERF", "DATA_DIR"))
parser.add_argument("--runs", type=int, default=9)
args = parser.parse_args()


def statements():
    with open(args.queries) as f:
        for line in f:
            if line.strip():
                name, sql = line.strip()[2:].split("*/", 1)
                yield name.strip(), sql.strip().rstrip(";")


class Http:
    def __init__(self, broker):
        self.url = broker + "/query/sql"

    def ask(self, sql):
        body = json.dumps({"sql": sql, "queryOptions": "useMultistageEngine=true"}).encode()
        started = time.perf_counter()
        with urllib.request.urlopen(urllib.request.Request(self.url, body, {"Content-Type": "application/json"})) as answer:
            text = answer.read()
        taken = time.perf_counter() - started
        answer = json.loads(text)
        assert answer["exceptions"] == [], answer["exceptions"]
        return taken, answer["resultTable"]["rows"]


class InProcess:
    def __init__(self, program, data_dir):
        self.node = subprocess.Popen([program, "in-process", "--data-dir", data_dir], text=True,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, sql):
        self.node.stdin.write(" ".join(sql.split()) + "\n")
        self.node.stdin.flush()
        line = json.loads(self.node.stdout.readline())
        assert line["answer"]["exceptions"] == [], line["answer"]["exceptions"]
        return line["ms"] / 1000, line["answer"]["resultTable"]["rows"]


class DuckDb:
    def __init__(self):
        self.connection = duckdb.connect(config={"threads": 2})
        self.connection.execute(f"CREATE TABLE {args.table} AS SELECT * FROM '{args.parquet}' ORDER BY {args.sort}")

    def ask(self, sql):
        started = time.perf_counter()
        rows = self.connection.execute(sql).fetchall()
        return time.perf_counter() - started, [list(row) for row in rows]


def same(a, b):
    if isinstance(a, float) or isinstance(b, float):
        return a is not None and b is not None and math.isclose(a, b, rel_tol=1e-9)
    return a == b


def geomean(values):
    return math.exp(statistics.fmean(math.log(v) for v in values))


doors = {"duckdb": DuckDb()}
if args.in_process:
    doors["in process"] = InProcess(*args.in_process)
if args.broker:
    doors["http"] = Http(args.broker)
report, wrong = [], []
for name, sql in statements():
    times = {door: [] for door in doors}
    answers = {}
    for _ in range(args.runs):
        for door, engine in doors.items():
            taken, answers[door] = engine.ask(sql)
            times[door].append(taken * 1000)
    for door, rows in answers.items():
        want = answers["duckdb"]
        if len(rows) != len(want) or not all(len(r) == len(w) and all(map(same, r, w)) for r, w in zip(rows, want)):
            wrong.append({"query": name, "door": door, "rows": rows[:3], "duckdb": want[:3]})
    report.append({"query": name, **{door: round(statistics.median(t), 3) for door, t in times.items()}})
summary = {door: round(geomean([r[door] for r in report]), 3) for door in doors}
ratios = {f"duckdb / {door}": round(summary["duckdb"] / summary[door], 2) for door in doors if door != "duckdb"}
print(json.dumps({"queries": report, "geomean_ms": summary, "ratios": ratios, "wrong": wrong}, indent=1))
