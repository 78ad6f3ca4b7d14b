#!/usr/bin/env python3
"""Measures Gamay beside other engines and beside what the machine can do: one run, one JSON document, one report.

  perf/bench.py --target target/release --out run.json --html report.html        everything
  perf/bench.py --target target/release --suites ssb --peers duckdb --no-load    one suite, one peer, no load

Data is made once and kept in --cache. Each suite is loaded into a fresh Gamay node (6 segments a table) and into every peer
that is installed; a missing one is skipped and said so. Every statement is asked of all engines in turn and of each back to
back; every answer is compared with DuckDB's. Times are milliseconds, and only ratios of one run mean anything: the machine's
limits are measured in the same run. Exit code 1: an answer of Gamay is wrong or missing, or the gate found a regression.

Needs python3 with duckdb, numpy and pyarrow; peers: tableauhyperapi, chdb, datafusion, polars.
"""
import argparse
import datetime
import glob
import json
import os
import subprocess
import sys

from bench import engines, measure, report, show, suites


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="target/release", help="folder with the built gamay and gamay-perf")
    parser.add_argument("--cache", default=os.path.expanduser("~/.cache/gamay/bench"), help="folder for data; takes some GB")
    parser.add_argument("--suites", default=",".join(suites.SUITES), help="which suites, by comma")
    parser.add_argument("--peers", default=",".join(engines.PEERS), help="which peers, by comma")
    parser.add_argument("--scale", type=float, default=1.0, help="1: 6 M rows of SSB, 5 M hits, 3 M flights")
    parser.add_argument("--runs", type=int, default=9, help="runs of each statement, in turn and again back to back")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="threads of each peer")
    parser.add_argument("--no-load", dest="load", action="store_false", help="leave the load of many clients out")
    parser.add_argument("--no-limits", dest="limits", action="store_false", help="leave the machine's limits and the kernels out")
    parser.add_argument("--load-seconds", type=float, default=5.0, help="length of each load run")
    parser.add_argument("--out", help="where the run goes as JSON")
    parser.add_argument("--html", help="where the report goes")
    parser.add_argument("--history", metavar="FOLDER", help="earlier runs, for the report")
    parser.add_argument("--baselines", metavar="FOLDER", help="compare the run with this machine's baseline")
    args = parser.parse_args()
    args.gamay, args.perf = (os.path.join(args.target, name) for name in ("gamay", "gamay-perf"))
    for program in (args.gamay, args.perf):
        if not os.access(program, os.X_OK):
            parser.error(f"{program} is not there: cargo build --release --locked --workspace, or --target FOLDER")
    args.suites = [name for name in args.suites.split(",") if name]
    args.peers = [name for name in args.peers.split(",") if name]
    for name in args.suites:
        if name not in suites.SUITES:
            parser.error(f"--suites: {name} is none of {', '.join(suites.SUITES)}")
    for name in args.peers:
        if name not in engines.PEERS:
            parser.error(f"--peers: {name} is none of {', '.join(engines.PEERS)}")
    if args.baselines and not args.out:
        parser.error("--baselines needs --out, the run that is compared")
    if args.runs < 1 or args.scale <= 0:
        parser.error("--runs and --scale must be positive")
    args.cache = os.path.abspath(args.cache)
    os.makedirs(args.cache, exist_ok=True)
    return args


def own(args, *command):
    """The JSON that a sub-command of gamay-perf prints."""
    done = subprocess.run([args.perf, *command], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"gamay-perf {' '.join(command)} failed with exit code {done.returncode}")
    return json.loads(done.stdout)


def earlier(args):
    """The runs of the history's folder, by date; not the one that was just written there."""
    paths = glob.glob(os.path.join(args.history, "*.json")) if args.history else []
    runs = []
    for path in paths:
        if not (args.out and os.path.exists(args.out) and os.path.samefile(path, args.out)):
            with open(path) as file:
                runs.append(json.load(file))
    return sorted(runs, key=lambda run: run["made"])


def say(text):
    print(f"{datetime.datetime.now():%H:%M:%S} {text}", file=sys.stderr, flush=True)


def main():
    args = arguments()
    run = {"made": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "machine": own(args, "machine"),
           "scale": args.scale, "runs": args.runs, "threads": args.threads, "suites": {}}
    if args.limits:
        say("limits of the machine")
        run["limits"] = own(args, "limits", "--dir", args.cache)
        run["kernels"] = own(args, "kernels")["kernels"]
    for name in args.suites:
        run["suites"][name] = measure.suite(suites.SUITES[name], args, say)
        if args.out:
            # After each suite, so that a run that is broken off leaves what it has.
            with open(args.out, "w") as file:
                json.dump(run, file, indent=1)
                file.write("\n")
    print(show.text(run))
    if args.html:
        with open(args.html, "w") as file:
            file.write(report.html([*earlier(args), run]))
    wrong = show.wrong(run)
    for line in wrong:
        say(line)
    slower = args.out and args.baselines and subprocess.run([args.perf, "gate", args.baselines, args.out]).returncode != 0
    return 1 if wrong or slower else 0


if __name__ == "__main__":
    sys.exit(main())
