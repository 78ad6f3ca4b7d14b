"""One suite: its data, its engines, every statement in turn and back to back, every answer compared with DuckDB's."""
import os
import re
import shutil

import pyarrow.parquet

from . import answers, engines, figures, suites

# The engine whose answers the others are compared with.
ORACLE = "duckdb"
# An engine repeats a statement for about this long, but at least so many times, and at most as often as is asked for.
REPEAT_MS, RUNS_MIN = 2000, 3


def suite(of, args, say):
    """Everything measured for one suite, as it goes into the run's JSON."""
    tables = [
        {"name": t.name, "sort": list(t.sort), "file": os.path.abspath(suites.parquet(t, args.scale, args.cache, say))}
        for t in of.tables
    ]
    for table in tables:
        table["rows"] = pyarrow.parquet.read_metadata(table["file"]).num_rows
    config = {"tables": tables, "cache": os.path.abspath(args.cache), "threads": args.threads, "key": f"{of.name}-{args.scale:g}"}
    data_dir = os.path.join(args.cache, f"gamay-{of.name}-{args.scale:g}")
    shutil.rmtree(data_dir, ignore_errors=True)
    say(f"{of.name}: loading Gamay")
    ingest = engines.load_gamay(args.gamay, data_dir, tables, os.path.join(args.cache, "node.log"))
    running, skipped = start(of, args, config, data_dir, say)
    try:
        queries = statements(of, args, running, say)
        memory = {name: e.memory() for name, e in running.items() if isinstance(e, engines.Process)}
        about = {name: e.about for name, e in running.items() if isinstance(e, engines.Process)}
        found = {
            "tables": {t["name"]: {"rows": t["rows"], "parquet_bytes": os.path.getsize(t["file"]), "gamay": ingest[t["name"]]}
                       for t in tables},
            "engines": about, "memory_bytes": memory, "skipped": skipped, "queries": queries,
        }
        for measure in ("in_turn", "back_to_back"):
            found["geomean_ms_" + measure] = figures.geomeans(queries, measure)
            found["ratios_" + measure] = figures.ratios(queries, measure, "gamay")
        if of.lookup and args.load:
            from . import load
            found["load"] = load.run(of.lookup, args, running, say)
        return found
    finally:
        for engine in running.values():
            engine.close()
        shutil.rmtree(data_dir, ignore_errors=True)


def start(of, args, config, data_dir, say):
    """The engines that could be started, and why the others could not."""
    running, skipped = {}, {}
    gamay = running["gamay"] = engines.InProcess(args.perf, data_dir)
    running["gamay http"] = engines.Http(gamay.about["broker"])
    for name in engines.PEERS:
        if name not in args.peers:
            skipped[name] = "not asked for"
            continue
        say(f"{of.name}: loading {name}")
        try:
            running[name] = engines.peer(name, config)
        except (engines.Missing, engines.Failed) as error:
            skipped[name] = str(error)
            say(f"{of.name}: {name} is skipped: {error}")
    return running, skipped


def statements(of, args, running, say):
    queries = []
    for name, sql in of.statements():
        say(f"{of.name}: {name}")
        first, runs, failed = {}, {}, {}
        for engine, door in running.items():
            try:
                taken, first[engine] = door.ask(sql)
                runs[engine] = min(args.runs, max(RUNS_MIN, int(REPEAT_MS / max(taken, 0.001))))
            except engines.Failed as error:
                failed[engine] = str(error)
        query = {"name": name, "sql": sql, "answers": compare(sql, first, failed)}
        # An engine that fails later, by running out of memory, say, has no times for this statement.
        broken = {}
        query["in_turn"] = in_turn(sql, running, runs, broken)
        query["back_to_back"] = back_to_back(sql, running, runs, broken)
        for engine, error in broken.items():
            query["answers"][engine] = f"failed: {error}"
            query["in_turn"].pop(engine, None)
            query["back_to_back"].pop(engine, None)
        query["bytes"] = bytes_read(sql, running["gamay"]) if "gamay" in runs else None
        queries.append(query)
    return queries


def in_turn(sql, running, runs, broken):
    """Every engine once a round; each round begins with another one, so that none always follows the same."""
    times = {engine: [] for engine in runs}
    order = list(runs)
    for number in range(max(runs.values(), default=0)):
        shift = number % len(order)
        for engine in order[shift:] + order[:shift]:
            if number < runs[engine] and engine not in broken:
                repeat(sql, running, engine, times[engine], broken)
    return {engine: figures.summary(taken) for engine, taken in times.items() if taken}


def back_to_back(sql, running, runs, broken):
    times = {engine: [] for engine in runs}
    for engine, count in runs.items():
        for _ in range(count):
            if engine not in broken:
                repeat(sql, running, engine, times[engine], broken)
    return {engine: figures.summary(taken) for engine, taken in times.items() if taken}


def repeat(sql, running, engine, times, broken):
    try:
        times.append(running[engine].ask(sql)[0])
    except engines.Failed as error:
        broken[engine] = str(error)


def compare(sql, first, failed):
    """What became of each engine's answer: equal, different, failed; the oracle's is the standard."""
    said = {engine: f"failed: {error}" for engine, error in failed.items()}
    for engine, rows in first.items():
        if ORACLE not in first:
            said[engine] = "not compared: DuckDB did not answer"
        elif engine != ORACLE:
            tolerance = engines.TOLERANCES.get(engine, answers.TOLERANCE)
            wrong = answers.difference(first[ORACLE], rows, answers.is_ordered(sql), tolerance)
            said[engine] = f"different: {wrong}" if wrong else "equal"
    return said


def bytes_read(sql, gamay):
    """Bytes of pages that the scan's leaves read, as EXPLAIN ANALYZE tells them; None where it tells nothing."""
    try:
        _, rows = gamay.ask("EXPLAIN ANALYZE " + sql)
    except engines.Failed:
        return None
    text = "\n".join(str(value) for row in rows for value in row)
    found = re.findall(r"LEAVES\([^)]*\bbytes:(\d+)", text)
    return sum(map(int, found)) if found else None
