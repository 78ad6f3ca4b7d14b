"""A run as text: what was skipped, a table a suite, ratios, shares of the memory's limit."""
from . import figures

ORDER = ("gamay", "gamay http", "duckdb", "hyper", "chdb", "datafusion", "polars")
GB = 1e9


def engines_of(suite):
    return [name for name in ORDER if any(name in query["in_turn"] for query in suite["queries"])]


def memory_limit(run):
    """Bytes a second that all cores can read from memory, as measured in this run."""
    return run.get("limits", {}).get("memory", {}).get("dram_all_cores_bytes_per_second")


def share(query, limit, measure="in_turn"):
    """What part of the memory's bandwidth a scan used, of the bytes that Gamay says it read."""
    if not limit or not query["bytes"] or "gamay" not in query[measure]:
        return None
    return query["bytes"] / (query[measure]["gamay"]["median_ms"] / 1000) / limit


def slower_than(query, measure="in_turn"):
    """The peers that answered this query faster than Gamay in process."""
    times = query[measure]
    if "gamay" not in times:
        return []
    return [name for name in ORDER[2:] if name in times and times[name]["median_ms"] < times["gamay"]["median_ms"]]


def _ms(value):
    return "-" if value is None else f"{value:.3f}" if value < 10 else f"{value:.1f}"


def wrong(run):
    """A line for every answer of Gamay that is not DuckDB's."""
    return [
        f"{name} {query['name']}, {engine}: {said}"
        for name, suite in run["suites"].items()
        for query in suite["queries"]
        for engine, said in query["answers"].items()
        if engine.startswith("gamay") and (said.startswith("different") or said.startswith("failed"))
    ]


def suite_table(run, suite, measure):
    names, limit = engines_of(suite), memory_limit(run)
    head = ["query", *names, "p95 gamay", "duckdb/gamay", "MB read", "of memory limit"]
    body = []
    for query in suite["queries"]:
        times = query[measure]
        ratio = times["duckdb"]["median_ms"] / times["gamay"]["median_ms"] if {"duckdb", "gamay"} <= times.keys() else None
        part = share(query, limit, measure)
        body.append([
            query["name"], *(_ms(times[n]["median_ms"]) if n in times else "-" for n in names),
            _ms(times["gamay"]["p95_ms"]) if "gamay" in times else "-", f"{ratio:.1f}x" if ratio else "-",
            f"{query['bytes'] / 1e6:.2f}" if query["bytes"] is not None else "-", f"{part:.0%}" if part is not None else "-",
        ])
    means = suite["geomean_ms_" + measure]
    body.append(["geomean", *(_ms(means.get(n)) for n in names), "", "", "", ""])
    ratios = suite["ratios_" + measure]
    body.append(["times Gamay's", *(f"{ratios[n]['ratio']:.2f}x" if n in ratios else "" for n in names), "", "", "", ""])
    return figures.table(head, body)


def load_table(found):
    head = ["loop", "clients", "asked QPS", "QPS", "p50 ms", "p99 ms", "p99.9 ms", "errors", "node us/query", "canned QPS", "canned p50"]
    body = [
        [r["loop"], r["clients"], f"{r['rate']:.0f}" if r.get("rate") else "-", f"{r['qps']:.0f}", _ms(r["p50_ms"]), _ms(r["p99_ms"]),
         _ms(r["p999_ms"]), r["errors"], f"{r['cpu_us_per_query']:.0f}" if r.get("cpu_us_per_query") is not None else "-",
         *((f"{r['canned']['qps']:.0f}", _ms(r["canned"]["p50_ms"])) if "canned" in r else ("-", "-"))]
        for r in found["runs"]
    ]
    return figures.table(head, body)


def text(run):
    m = run["machine"]
    out = [f"{run['made']}  {m['cpu']}, {m['cores']} cores"]
    if "limits" in run:
        memory, disk = run["limits"]["memory"], run["limits"].get("disk", {})
        out.append("memory read, GB/s: " + ", ".join(
            f"{name.replace('_bytes_per_second', '').replace('_', ' ')} {value / GB:.1f}"
            for name, value in memory.items() if name.endswith("_bytes_per_second")))
        if isinstance(disk, list):
            for pattern in ("sequential", "random"):
                out.append(f"disk read, {pattern}, GB/s at depth: " + ", ".join(
                    f"{d['depth']}: {d['bytes_per_second'] / GB:.2f}" for d in disk if d["pattern"] == pattern))
        else:
            out.append(f"disk: not measured, {disk.get('refused', 'no folder')}")
    if "kernels" in run:
        out.append("kernels, share of the read limit in cache: " + ", ".join(
            f"{name} {1 / places['cached']['over_limit']:.0%}" for name, places in run["kernels"]["each"].items()))
    for name, suite in run["suites"].items():
        out.append(f"\n== {name}, in turn, median ms")
        out.extend(f"skipped {engine}: {why}" for engine, why in suite["skipped"].items())
        for table, facts in suite["tables"].items():
            g = facts["gamay"]
            out.append(f"{table}: {facts['rows']} rows, {g['segments']} segments, {g['bytes_per_row']} bytes a row "
                       f"(Parquet {facts['parquet_bytes'] / facts['rows']:.1f}), loaded at {g['rows_per_second']} rows/s")
        out.append(suite_table(run, suite, "in_turn"))
        out.append(f"\n-- {name}, back to back, median ms")
        out.append(suite_table(run, suite, "back_to_back"))
        out.extend(f"slower than {', '.join(behind)}: {query['name']}"
                   for query in suite["queries"] if (behind := slower_than(query)))
        out.extend(f"{query['name']}, {engine}: {said}" for query in suite["queries"] for engine, said in query["answers"].items()
                   if said != "equal")
        others = [said for query in suite["queries"] for engine, said in query["answers"].items() if engine != "duckdb"]
        out.append(f"answers equal to DuckDB's: {others.count('equal')} of {len(others)}")
        if suite.get("load"):
            out.append(f"\n-- {name}, load: {suite['load']['sql'][0]}")
            out.append(load_table(suite["load"]))
    return "\n".join(out)
