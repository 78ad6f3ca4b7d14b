"""Many clients at once: `gamay-perf load` on the node that is running, with a file of values that DuckDB picks."""
import json
import os
import subprocess
import tempfile

from . import engines


def run(lookup, args, running, say):
    """What the load generator says; None where DuckDB is not there to pick the values."""
    if "duckdb" not in running:
        say("load: left out, DuckDB is not there to pick the values")
        return None
    gamay = running["gamay"]
    _, rows = running["duckdb"].ask(lookup.values)
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", delete=False) as file:
        file.writelines("\t".join(str(value) for value in row) + "\n" for row in rows)
    try:
        say(f"load: {lookup.name}")
        done = subprocess.run(
            [args.perf, "load", "--broker", gamay.about["broker"], "--sql", lookup.sql, "--values", file.name, "--canned",
             "--seconds", f"{args.load_seconds:g}", "--pid", str(gamay.process.pid), "--options", engines.OPTIONS],
            stdout=subprocess.PIPE, text=True)
    finally:
        os.unlink(file.name)
    if done.returncode != 0:
        raise SystemExit(f"gamay-perf load failed with exit code {done.returncode}")
    found = json.loads(done.stdout)
    # One client's statements back to back, in DuckDB without HTTP: what the closed loop is set beside.
    times = sorted(running["duckdb"].ask(fill(lookup.sql, row))[0] for row in rows[:200])
    return {"name": lookup.name, "duckdb_one_client_ms": times[len(times) // 2], **found}


def fill(sql, row):
    """The statement with a row's values in its {}."""
    pieces = sql.split("{}")
    return "".join(piece + str(value) for piece, value in zip(pieces, [*row, ""]))
