#!/usr/bin/env python3
"""Runs the system tests against the built binary: real clients, hostile environments, the quickstart itself.

  run.py --gamay target/release/gamay --sample-data perf/data/nycflights13 [--only TEXT]

Each function named test_* of the modules below is one test; it raises to fail and returns a text to be skipped with that
reason. Prints a line a test and 'N passed, N failed, N skipped'.
"""
import argparse
import os
import sys
import time
import traceback

import clients
import environments
import quickstart

parser = argparse.ArgumentParser()
parser.add_argument("--gamay", required=True)
parser.add_argument("--sample-data", required=True)
parser.add_argument("--node-modules", help="folder with node_modules of package.json")
parser.add_argument("--only", default="")
args = parser.parse_args()
args.gamay, args.sample_data = os.path.abspath(args.gamay), os.path.abspath(args.sample_data)

passed, failed, skipped = 0, 0, 0
for module in (quickstart, clients, environments):
    for name, test in vars(module).items():
        if not name.startswith("test_") or args.only not in f"{module.__name__}.{name}":
            continue
        started = time.time()
        try:
            reason = test(args)
        except Exception:
            failed += 1
            print(f"FAIL {module.__name__}.{name}\n{traceback.format_exc()}", flush=True)
            continue
        if reason is None:
            passed += 1
            print(f"ok   {module.__name__}.{name} ({time.time() - started:.1f} s)", flush=True)
        else:
            skipped += 1
            print(f"skip {module.__name__}.{name}: {reason}", flush=True)
print(f"{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(1 if failed or not passed else 0)
