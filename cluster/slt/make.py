#!/usr/bin/env python3
"""Makes the sqllogictest files duckdb_*.slt: every expected answer comes from DuckDB, none from Gamay.

  pip install duckdb==2.0.1 pyarrow && python3 cluster/slt/make.py

Tables: nycflights13 (perf/data/nycflights13) and the small edge tables that `edge_tables` below writes to data/*.parquet.
The queries keep to what both dialects mean alike: ORDER BY says NULLS FIRST or LAST, a LIMIT is explicit, divisions are of
DOUBLEs. What is Pinot's own stands in pinot_*.slt, written by hand with the rule quoted.

Values are written as the runner writes Gamay's: NULL, (empty) for an empty text, true/false, DOUBLE in Rust's `{:.9e}`,
TIMESTAMP as yyyy-MM-dd HH:mm:ss.S, text with spaces as they are.
"""
import datetime
import decimal
import math
import os

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

HERE = os.path.dirname(os.path.abspath(__file__))
NYC = os.path.join(HERE, "..", "..", "perf", "data", "nycflights13")
DATA = os.path.join(HERE, "data")


def edge_tables():
    """name -> Arrow table: NULLs, extremes, NaN, signed zero, empty and odd texts, long texts, decimals, bytes."""
    ts = lambda *a: datetime.datetime(*a)
    D = decimal.Decimal
    types = pa.table({
        "id": pa.array(range(1, 13), pa.int32()),
        "i": pa.array([0, 1, -1, 2147483647, -2147483647, None, 42, 7, 7, None, 100, -100], pa.int32()),
        "l": pa.array([0, 9007199254740993, 9007199254740992, 9223372036854775807, -9223372036854775807, None, 42, 7, -7,
                       None, 4611686018427387904, 1], pa.int64()),
        "f": pa.array([0.0, 1.5, -1.5, 3.25, None, 0.125, -0.125, 1e10, None, 2.5, 1024.0, 0.5], pa.float32()),
        "d": pa.array([0.0, 1.5, -1.5, 1e308, -1e308, None, 3.141592653589793, 1e-300, 2.5, None, 1.1, -0.25], pa.float64()),
        "b": pa.array([True, False, None, True, True, False, None, False, True, False, True, None], pa.bool_()),
        "s": pa.array(["", "a", "A", "abc", "null", None, "Straße", "日本", "a b", "it's", None, "zz"], pa.string()),
        "t": pa.array([ts(1970, 1, 1), ts(1969, 12, 31, 23, 59, 59, 999000), ts(2024, 2, 29, 12, 30, 15, 250000), None,
                       ts(1900, 1, 1), ts(2262, 4, 11, 23, 47, 16), ts(2021, 1, 3, 23, 59, 59), ts(2021, 1, 4), None,
                       ts(2000, 12, 31, 23, 0, 0), ts(1999, 12, 31), ts(2013, 7, 4, 5, 6, 7, 8000)], pa.timestamp("ms")),
        "m": pa.array([D("0.0001"), D("-3.1700"), D("99999999.9999"), D("-99999999.9999"), D("1.0000"), None, D("8.2300"),
                       D("8.2300"), D("0.0000"), None, D("12.5000"), D("-0.5000")], pa.decimal128(12, 4)),
    })
    nulls = pa.table({
        "k": pa.array(["a", "a", "b", "b", None, None, "c"], pa.string()),
        "v": pa.array([None, None, 1, None, 2, None, 3], pa.int32()),
        "w": pa.array([1.0, None, None, 2.0, None, 4.0, None], pa.float64()),
        "n": pa.array([None] * 7, pa.int32()),
    })
    n = 3000
    groups = pa.table({
        "id": pa.array(range(n), pa.int32()),
        "g": pa.array([f"g{(i * 7919) % 97:02d}" for i in range(n)], pa.string()),
        "h": pa.array([(i * 31) % 13 if i % 17 else None for i in range(n)], pa.int32()),
        "u": pa.array([f"user-{(i * 104729) % 1511}" for i in range(n)], pa.string()),
        "v": pa.array([(i * i) % 1009 - 500 for i in range(n)], pa.int32()),
        "w": pa.array([((i * 613) % 2003) / 8.0 if i % 11 else None for i in range(n)], pa.float64()),
        "x": pa.array([i * 1000003 for i in range(n)], pa.int64()),
    })
    texts = pa.table({
        "id": pa.array(range(1, 15), pa.int32()),
        "s": pa.array(["disk 50% full", "disk 50 full", "a_b", "axb", "v1.2", "v1x2", "[x](y)+", "", None, "line one",
                       "the end", "ends with tail", "x" * 300, "Ünïcödé"], pa.string()),
    })
    joins_l = pa.table({"id": pa.array([1, 2, 3, 4, 5, 6], pa.int32()), "k": pa.array(["a", "b", None, "c", "a", "b"], pa.string()),
                        "v": pa.array([10, 20, 30, None, 50, 1], pa.int32())})
    joins_r = pa.table({"rid": pa.array([1, 2, 3, 4, 5, 6, 7], pa.int32()),
                        "k": pa.array(["a", "a", "b", None, "d", "b", "a"], pa.string()),
                        "w": pa.array([100, 200, 300, 400, None, 15, 5], pa.int32())})
    one = pa.table({"id": pa.array([1], pa.int32()), "s": pa.array(["only"], pa.string())})
    return {"types": types, "nulls": nulls, "groups": groups, "texts": texts, "jl": joins_l, "jr": joins_r, "one": one}


def value(v, kind):
    if v is None:
        return "NULL"
    if kind in ("FLOAT", "DOUBLE"):
        if math.isnan(v):
            return "NaN"
        if math.isinf(v):
            return "Infinity" if v > 0 else "-Infinity"
        mantissa, exponent = f"{v + 0.0:.9e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, datetime.datetime):
        text = v.strftime("%Y-%m-%d %H:%M:%S.") if v.year >= 1000 else v.isoformat(" ")
        return text + (f"{v.microsecond // 1000:03d}".rstrip("0") or "0")
    if isinstance(v, datetime.date):
        return v.isoformat() + " 00:00:00.0"
    if isinstance(v, decimal.Decimal):
        text = format(v, "f")
        return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
    if v == "":
        return "(empty)"
    return str(v).replace("\n", "\\n")


LETTER = {"FLOAT": "R", "DOUBLE": "R", "VARCHAR": "T"}


class File:
    def __init__(self, connection, name, about):
        self.connection, self.name, self.count = connection, name, 0
        self.lines = [f"# {about}", "# Made by make.py: the answers are DuckDB's.", ""]

    def add(self, sql, oracle=None, sort=None):
        """`sort`: None when the query orders totally, else rowsort."""
        cursor = self.connection.execute(oracle or sql)
        kinds = [str(c[1]) for c in cursor.description]
        rows = cursor.fetchall()
        letters = "".join(LETTER.get(k, "I" if "INT" in k else "T") for k in kinds)
        out = [" ".join(value(v, k) for v, k in zip(r, kinds)) for r in rows]
        if sort is None and "order by" not in sql.lower() and len(rows) > 1:
            sort = "rowsort"
        if sort:
            out.sort()
        self.lines += [f"query {letters}{' ' + sort if sort else ''}", sql, "----", *out, ""]
        self.count += 1

    def write(self):
        with open(os.path.join(HERE, f"duckdb_{self.name}.slt"), "w", encoding="utf-8") as f:
            f.write("\n".join(self.lines))
        print(f"{self.name}: {self.count} queries")
        return self.count


def main():
    os.makedirs(DATA, exist_ok=True)
    connection = duckdb.connect()
    connection.execute("SET TimeZone='UTC'")
    for name, table in edge_tables().items():
        path = os.path.join(DATA, name + ".parquet")
        pq.write_table(table, path, compression="zstd")
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM '{path}'")
    for name in ("flights", "airlines", "airports", "planes", "weather"):
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM '{NYC}/{name}.parquet'")
    total = 0

    f = File(connection, "filter", "Predicates, three-valued logic, ranges, lists, LIKE.")
    for predicate in (
            "i = 42", "i <> 42", "i < 0", "i <= 0", "i > 7", "i >= 7", "NOT (i > 7)", "i IS NULL", "i IS NOT NULL", "i IN (7, 42)",
            "i NOT IN (7, 42)", "i IN (7, NULL)", "i NOT IN (7, NULL)", "i BETWEEN 0 AND 50", "i NOT BETWEEN 0 AND 50",
            "i = 7 AND d > 0", "i = 7 OR d > 0", "NOT (i = 7 OR d > 0)", "NOT (i = 7 AND d > 0)", "i = 5.5", "i > 6.5", "i BETWEEN 6.5 AND 42.5",
            "l = 9007199254740993", "l > 9007199254740992", "l < -9223372036854775806", "l = 9223372036854775807", "l IN (7, -7, 42)",
            "f = 1.5", "f > 0.5", "f < 0", "f IS NULL", "d = 1.5", "d > 1e300", "d < -1e300", "d BETWEEN -2 AND 2", "d IN (1.5, 2.5)", "d = 0",
            "b", "NOT b", "b = true", "b IS NULL", "b = false AND i > 0", "b OR i = 42", "s = ''", "s = 'a'", "s <> 'a'", "s > 'a'", "s >= 'abc'",
            "s < 'b'", "s IS NULL", "s IN ('', 'zz', 'it''s')", "s = 'null'", "s BETWEEN 'a' AND 'b'", "s LIKE 'a%'", "s LIKE '%a%'", "s LIKE '_'",
            "s NOT LIKE 'a%'", "s LIKE '%ß%'", "s LIKE '日_'", "t = '2021-01-04 00:00:00'", "t < '1970-01-01 00:00:00'", "t >= '2000-01-01 00:00:00' AND t < '2025-01-01 00:00:00'",
            "t IS NULL", "t IN (CAST('2021-01-04 00:00:00' AS TIMESTAMP), CAST('1999-12-31 00:00:00' AS TIMESTAMP))", "i = l", "i < l", "i = id", "i <> id", "i > d", "id + 1 = 4", "id * 2 > 10", "id % 3 = 0", "id % 3 = 1 AND i IS NULL",
            "i IS DISTINCT FROM 7", "i IS NOT DISTINCT FROM NULL", "CASE WHEN i > 0 THEN 'p' ELSE 'n' END = 'p'", "COALESCE(i, -5) = -5", "(i > 0) = b",
            "i IS NULL AND l IS NULL", "i IS NULL OR s IS NULL", "1 = 1", "1 = 0", "i = NULL", "NULL", "id IN (1, 2, 3) AND NOT (s = 'a')", "upper(s) = 'ABC'", "length(s) = 2", "abs(i) = 100",
            "i IS DISTINCT FROM 7 AND id > 3", "i IS NOT DISTINCT FROM 7 OR id = 1", "id = 2 OR i IS NOT DISTINCT FROM 6 + 1", "b IS DISTINCT FROM true AND id < 6",
            "NOT i IS DISTINCT FROM 7 AND id > 8"):
        f.add(f"SELECT id FROM types WHERE {predicate} ORDER BY id")
        f.add(f"SELECT COUNT(*), COUNT(i), SUM(id) FROM types WHERE {predicate}")
    for predicate in ("s LIKE '%50!%%' ESCAPE '!'", "s LIKE 'v1.2'", "s LIKE '[x](%)+'", "s LIKE '%'", "s LIKE ''", "s LIKE 'a!_b' ESCAPE '!'", "s LIKE 'x%x%x%x%x'",
                      "s LIKE '%end'", "s LIKE 'the%'", "s LIKE '%e%e%'", "s NOT LIKE '%e%'", "s LIKE 'Ü%é'", "s LIKE '_n_c%'"):
        f.add(f"SELECT id FROM texts WHERE {predicate} ORDER BY id")
    for predicate in ("carrier = 'UA'", "carrier IN ('UA', 'AA', 'XX')", "carrier NOT IN ('UA', 'AA')", "dep_delay > 60", "dep_delay BETWEEN -5 AND 5", "dep_delay IS NULL",
                      "arr_delay IS NOT NULL AND arr_delay < -60", "dest LIKE 'S%'", "dest LIKE '%A'", "tailnum LIKE 'N1%5'", "tailnum IS NULL", "distance > 2500 OR air_time < 30",
                      "NOT (distance > 500 AND carrier = 'UA')", "month = 7 AND day = 4", "month IN (1, 2) AND origin = 'JFK' AND dest <> 'LAX'", "hour >= 22", "dep_time < sched_dep_time AND arr_delay > 100",
                      "time_hour >= '2013-12-31 20:00:00'", "time_hour < '2013-01-02 00:00:00' AND origin = 'EWR'", "year = 2014", "flight = 1545", "flight BETWEEN 1 AND 3", "carrier > 'VX'", "carrier = 'ua'", "arr_delay > dep_delay + 60", "air_time * 2 > distance"):
        f.add(f"SELECT COUNT(*), SUM(distance), MIN(dep_delay), MAX(arr_delay), AVG(air_time) FROM flights WHERE {predicate}")
    total += f.write()

    f = File(connection, "aggregate", "Aggregates, with and without groups, over NULLs, filtered, distinct.")
    aggregates = ("COUNT(*)", "COUNT({c})", "SUM({c})", "MIN({c})", "MAX({c})", "AVG({c})", "COUNT(DISTINCT {c})", "SUM(DISTINCT {c})",
                  "STDDEV_POP({c})", "STDDEV_SAMP({c})", "VAR_POP({c})", "VAR_SAMP({c})")
    for a in aggregates:
        for c in ("v", "w", "n"):
            f.add(f"SELECT {a.format(c=c)} FROM nulls")
            f.add(f"SELECT k, {a.format(c=c)} FROM nulls GROUP BY k ORDER BY k NULLS LAST")
        for c in ("v", "w", "h", "x"):
            if a.startswith(("STDDEV", "VAR")) and c == "x":
                continue
            f.add(f"SELECT {a.format(c=c)} FROM groups WHERE id % 2 = 0")
            f.add(f"SELECT g, {a.format(c=c)} AS a FROM groups GROUP BY g ORDER BY g LIMIT 12")
            f.add(f"SELECT h, {a.format(c=c)} AS a FROM groups WHERE v > 0 GROUP BY h ORDER BY h NULLS FIRST")
        for c in ("dep_delay", "distance"):
            f.add(f"SELECT {a.format(c=c)} FROM flights")
            f.add(f"SELECT origin, {a.format(c=c)} AS a FROM flights GROUP BY origin ORDER BY origin")
            f.add(f"SELECT carrier, month, {a.format(c=c)} AS a FROM flights WHERE origin = 'JFK' GROUP BY carrier, month ORDER BY carrier, month LIMIT 40")
    for sql in ("SELECT MIN(s), MAX(s), COUNT(DISTINCT s) FROM types", "SELECT MIN(t), MAX(t), COUNT(DISTINCT t) FROM types", "SELECT MIN(l), MAX(l) FROM types",
                "SELECT MIN(d), MAX(d) FROM types", "SELECT MIN(f), MAX(f), COUNT(f) FROM types", "SELECT COUNT(DISTINCT b), COUNT(b) FROM types",
                "SELECT MIN(m), MAX(m), SUM(m), COUNT(DISTINCT m) FROM types", "SELECT b, COUNT(*), SUM(i) FROM types WHERE i < 2000000000 AND i > -2000000000 GROUP BY b ORDER BY b NULLS FIRST",
                "SELECT m, COUNT(*) FROM types GROUP BY m ORDER BY m NULLS LAST", "SELECT t, COUNT(*) FROM types GROUP BY t ORDER BY t NULLS LAST", "SELECT d, COUNT(*) FROM types GROUP BY d ORDER BY d NULLS LAST",
                "SELECT SUM(i) FILTER (WHERE i > 0 AND i < 1000), COUNT(*) FILTER (WHERE s IS NULL), AVG(id) FROM types", "SELECT COUNT(*) FILTER (WHERE 1 = 0) FROM types",
                "SELECT g, SUM(v) FILTER (WHERE h = 3) AS a, COUNT(*) FILTER (WHERE h IS NULL) AS b FROM groups GROUP BY g ORDER BY g LIMIT 20",
                "SELECT COUNT(DISTINCT u), COUNT(DISTINCT g) FROM groups", "SELECT h, COUNT(DISTINCT u) AS c FROM groups GROUP BY h ORDER BY h NULLS LAST",
                "SELECT COUNT(*), SUM(v), AVG(v), MIN(v), MAX(v) FROM groups WHERE g = 'none'", "SELECT g, COUNT(*) FROM groups WHERE g = 'none' GROUP BY g",
                "SELECT SUM(v + 1), SUM(v) + 1, SUM(v * 2) - SUM(v), MAX(v) - MIN(v) FROM groups", "SELECT SUM(CASE WHEN v > 0 THEN 1 ELSE 0 END), COUNT(CASE WHEN v > 0 THEN 1 END) FROM groups",
                "SELECT COUNT(DISTINCT tailnum), COUNT(DISTINCT dest), COUNT(DISTINCT carrier) FROM flights", "SELECT SUM(dep_delay + arr_delay) FROM flights", "SELECT AVG(CAST(distance AS DOUBLE) / air_time) FROM flights",
                "SELECT month, COUNT(DISTINCT tailnum) AS c FROM flights GROUP BY month ORDER BY month", "SELECT SUM(l) FROM types WHERE id IN (2, 3)", "SELECT AVG(l) FROM types WHERE id IN (4, 11)",
                "SELECT COUNT(DISTINCT g, h) FROM groups WHERE h IS NOT NULL"):
        f.add(sql, oracle=sql.replace("COUNT(DISTINCT g, h)", "COUNT(DISTINCT (g, h))"))
    total += f.write()

    f = File(connection, "group", "GROUP BY of columns, expressions, aliases, ordinals; HAVING; DISTINCT.")
    for sql in ("SELECT carrier, COUNT(*) AS c FROM flights GROUP BY carrier HAVING COUNT(*) > 10000 ORDER BY c DESC", "SELECT carrier, AVG(arr_delay) AS a FROM flights GROUP BY carrier ORDER BY a DESC NULLS LAST LIMIT 7",
                "SELECT carrier, AVG(arr_delay) FROM flights GROUP BY 1 ORDER BY 2 DESC NULLS LAST, 1 LIMIT 5", "SELECT origin, dest, COUNT(*) AS c FROM flights GROUP BY origin, dest ORDER BY c DESC, origin, dest LIMIT 25",
                "SELECT origin AS o, COUNT(*) FROM flights GROUP BY o ORDER BY o", "SELECT month % 4 AS q, SUM(distance) FROM flights GROUP BY month % 4 ORDER BY q", "SELECT month % 4 AS q, SUM(distance) FROM flights GROUP BY q ORDER BY q",
                "SELECT CASE WHEN dep_delay > 60 THEN 'late' WHEN dep_delay IS NULL THEN 'gone' ELSE 'fine' END AS s, COUNT(*) FROM flights GROUP BY CASE WHEN dep_delay > 60 THEN 'late' WHEN dep_delay IS NULL THEN 'gone' ELSE 'fine' END ORDER BY s",
                "SELECT lower(carrier) AS c, upper(origin) AS o, COUNT(*) FROM flights GROUP BY lower(carrier), upper(origin) ORDER BY c, o LIMIT 30", "SELECT date_trunc('month', time_hour) AS m, COUNT(*) FROM flights GROUP BY date_trunc('month', time_hour) ORDER BY m",
                "SELECT date_trunc('day', time_hour) AS d, COUNT(*), AVG(dep_delay) FROM flights WHERE month = 2 GROUP BY date_trunc('day', time_hour) ORDER BY d", "SELECT extract(year FROM time_hour) AS y, extract(month FROM time_hour) AS m, COUNT(*) FROM flights GROUP BY 1, 2 ORDER BY 1, 2",
                "SELECT tailnum, COUNT(*) AS c FROM flights GROUP BY tailnum ORDER BY c DESC, tailnum NULLS LAST LIMIT 10", "SELECT tailnum, COUNT(*) AS c FROM flights WHERE tailnum IS NOT NULL GROUP BY tailnum HAVING COUNT(*) = 1 ORDER BY tailnum LIMIT 10",
                "SELECT DISTINCT origin FROM flights ORDER BY origin", "SELECT DISTINCT carrier, origin FROM flights WHERE dest = 'LAX' ORDER BY carrier, origin", "SELECT DISTINCT month FROM flights WHERE carrier = 'OO' ORDER BY month", "SELECT DISTINCT h FROM groups ORDER BY h NULLS FIRST",
                "SELECT COUNT(*) FROM (SELECT DISTINCT origin, dest FROM flights) x", "SELECT carrier FROM flights GROUP BY carrier ORDER BY carrier", "SELECT carrier FROM flights GROUP BY carrier ORDER BY COUNT(*) DESC LIMIT 3", "SELECT COUNT(*) FROM flights GROUP BY origin ORDER BY 1",
                "SELECT origin, COUNT(*) FROM flights GROUP BY origin HAVING AVG(dep_delay) > 12.5 ORDER BY origin", "SELECT origin, SUM(distance) / COUNT(*) > 1000 AS far FROM flights GROUP BY origin ORDER BY origin", "SELECT g, h, COUNT(*), SUM(v) FROM groups GROUP BY g, h ORDER BY g, h NULLS LAST LIMIT 50",
                "SELECT g, h, COUNT(*), SUM(v) FROM groups GROUP BY g, h ORDER BY g DESC, h DESC NULLS LAST LIMIT 50", "SELECT u, SUM(x) AS s FROM groups GROUP BY u ORDER BY s DESC, u LIMIT 20", "SELECT id % 10 AS k, MIN(u), MAX(u) FROM groups GROUP BY id % 10 ORDER BY k",
                "SELECT v > 0 AS p, h IS NULL AS n, COUNT(*) FROM groups GROUP BY v > 0, h IS NULL ORDER BY p, n", "SELECT s, COUNT(*) FROM types GROUP BY s ORDER BY s NULLS FIRST", "SELECT length(s) AS n, COUNT(*) FROM types GROUP BY length(s) ORDER BY n NULLS LAST",
                "SELECT dest, hour, COUNT(*) AS c FROM flights WHERE carrier IN ('UA', 'DL') AND distance > 1000 GROUP BY dest, hour ORDER BY c DESC, dest, hour LIMIT 10", "SELECT year, month, day, COUNT(*) AS c FROM flights GROUP BY year, month, day ORDER BY c, year, month, day LIMIT 5",
                "SELECT carrier, flight, origin, dest, COUNT(*) AS c FROM flights GROUP BY carrier, flight, origin, dest ORDER BY c DESC, carrier, flight, origin, dest LIMIT 15", "SELECT COUNT(*) AS c, carrier FROM flights GROUP BY carrier HAVING c < 1000 ORDER BY c",
                "SELECT g AS a, g AS b, COUNT(*) AS c FROM groups GROUP BY a, b ORDER BY a LIMIT 5", "SELECT g, COUNT(*), SUM(v), h, g FROM groups WHERE h = 3 GROUP BY g, h, g ORDER BY g LIMIT 5",
                "SELECT x.a, x.b, x.c FROM (SELECT h AS a, h AS b, MAX(v) AS c FROM groups GROUP BY h, h) x JOIN one ON x.a > one.id ORDER BY x.a LIMIT 4"):
        f.add(sql)
    for key in ("origin", "carrier", "dest", "month", "hour", "tailnum", "flight"):
        for agg in ("COUNT(*)", "SUM(distance)", "AVG(dep_delay)", "MAX(arr_delay)", "COUNT(DISTINCT dest)"):
            f.add(f"SELECT {key}, {agg} AS a FROM flights WHERE day = 15 GROUP BY {key} ORDER BY a DESC NULLS LAST, {key} NULLS LAST LIMIT 10")
    total += f.write()

    f = File(connection, "order", "Rows, ORDER BY, LIMIT, OFFSET.")
    for sql in ("SELECT id, i FROM types ORDER BY i NULLS FIRST, id", "SELECT id, i FROM types ORDER BY i DESC NULLS LAST, id DESC", "SELECT id, s FROM types ORDER BY s NULLS LAST, id", "SELECT id, s FROM types ORDER BY s DESC NULLS FIRST, id",
                "SELECT id, d FROM types ORDER BY d DESC NULLS LAST, id", "SELECT id, l FROM types ORDER BY l NULLS FIRST, id", "SELECT id, t FROM types ORDER BY t NULLS LAST, id", "SELECT id, b FROM types ORDER BY b NULLS LAST, id", "SELECT id, m FROM types ORDER BY m NULLS LAST, id",
                "SELECT id FROM types ORDER BY id LIMIT 3", "SELECT id FROM types ORDER BY id LIMIT 3 OFFSET 4", "SELECT id FROM types ORDER BY id OFFSET 10", "SELECT id FROM types ORDER BY id LIMIT 0", "SELECT id FROM types ORDER BY id LIMIT 5 OFFSET 100",
                "SELECT id, i + 1 AS j FROM types WHERE i < 1000 ORDER BY j DESC, id LIMIT 4", "SELECT s FROM types ORDER BY length(s) NULLS FIRST, s NULLS FIRST LIMIT 6", "SELECT id FROM types ORDER BY -id LIMIT 3", "SELECT id, i, l, f, d, b, s, t FROM types ORDER BY id",
                "SELECT year, month, day, dep_time, carrier, flight FROM flights ORDER BY dep_delay DESC NULLS LAST, flight LIMIT 10", "SELECT carrier, flight, time_hour FROM flights WHERE dest = 'HNL' ORDER BY time_hour, carrier, flight LIMIT 12",
                "SELECT flight, tailnum, arr_delay FROM flights WHERE carrier = 'F9' ORDER BY arr_delay DESC NULLS LAST, flight, tailnum, time_hour LIMIT 8", "SELECT time_hour, flight FROM flights ORDER BY time_hour DESC, flight LIMIT 5 OFFSET 3",
                "SELECT dep_delay FROM flights ORDER BY dep_delay NULLS FIRST LIMIT 2", "SELECT distance, air_time FROM flights WHERE air_time IS NOT NULL ORDER BY distance, air_time LIMIT 5", "SELECT COUNT(*) FROM (SELECT flight FROM flights LIMIT 1000) x",
                "SELECT u, v FROM groups ORDER BY v, id LIMIT 10", "SELECT id, w FROM groups ORDER BY w DESC NULLS LAST, id LIMIT 10", "SELECT id FROM groups WHERE g = 'g05' ORDER BY x DESC LIMIT 5", "SELECT * FROM one", "SELECT faa, lat, lon FROM airports WHERE tzone = 'America/Anchorage' ORDER BY lat DESC, faa LIMIT 6",
                "SELECT id, id, id + 0 AS id FROM types WHERE id < 3 ORDER BY 1", "SELECT manufacturer, model, seats FROM planes ORDER BY seats DESC, manufacturer, model, tailnum LIMIT 6"):
        f.add(sql)
    total += f.write()

    f = File(connection, "expression", "Arithmetic, strings, dates, CASE, CAST.")
    for e in ("i + 1", "i - 1", "i * 2", "id % 5", "-id", "id + l % 10", "d * 2", "d + id", "CAST(id AS DOUBLE) / 4", "abs(i)", "ceil(f)", "floor(f)", "sqrt(id)", "ln(id)", "exp(CAST(id AS DOUBLE) / 1000)", "power(id, 2)", "greatest(id, 5)", "least(id, 5)", "floor(-f)",
              "lower(s)", "length(s)", "reverse(s)", "replace(s, 'a', 'o')", "substring(s, 1, 2)", "trim(s)", "lpad(s, 8, '*')", "rpad(s, 8, '*')", "starts_with(s, 'a')",
              "CASE WHEN i > 0 THEN 'pos' WHEN i < 0 THEN 'neg' ELSE 'none' END", "CASE id WHEN 1 THEN 'one' WHEN 2 THEN 'two' END", "COALESCE(i, id)", "COALESCE(s, 'nothing')", "NULLIF(id, 3)", "NULLIF(s, 'a')", "CAST(id AS VARCHAR)", "CAST(id AS DOUBLE)", "CAST(floor(f) AS BIGINT)", "CAST(b AS INT)", "CAST(id AS BIGINT) * 3000000000",
              "i > 5", "i IS NULL", "b AND i > 0", "b OR i > 0", "NOT b", "s LIKE 'a%'", "i BETWEEN 0 AND 50", "i IN (7, 42)", "date_trunc('hour', t)", "date_trunc('day', t)", "date_trunc('month', t)", "date_trunc('year', t)", "date_trunc('week', t)", "date_trunc('quarter', t)", "date_trunc('minute', t)",
              "extract(year FROM t)", "extract(month FROM t)", "extract(day FROM t)", "extract(hour FROM t)", "extract(minute FROM t)", "extract(quarter FROM t)", "year(t)", "month(t)", "week(t)", "m + 1", "m * 2", "m - m", "-m", "-(m - 1)", "m > 1", "i = i", "1 + 2 * 3", "(1 + 2) * 3", "'x'", "NULL", "CAST(1.5 AS DOUBLE)", "true"):
        where = "WHERE i BETWEEN -1000 AND 1000 OR i IS NULL" if e[0] == "i" or "(i" in e else ""
        where = "WHERE id <> 4 AND id <> 5" if e.startswith("d ") else where
        oracle = f"SELECT id, {e.replace('starts_with', 'starts_with')} AS e FROM types {where} ORDER BY id"
        f.add(f"SELECT id, {e} AS e FROM types {where} ORDER BY id", oracle=oracle)
    for sql in ("SELECT 1 AS x", "SELECT 1 + 1 AS x, 'a' AS y, CAST(2.5 AS DOUBLE) AS z, true AS b", "SELECT CAST('12' AS INT) AS x", "SELECT CAST('2024-01-02 03:04:05' AS TIMESTAMP) AS x", "SELECT COUNT(*) FROM flights WHERE CAST(flight AS VARCHAR) LIKE '1%5'",
                "SELECT AVG(dep_delay * 60) FROM flights", "SELECT origin, AVG(CAST(distance AS DOUBLE) / CAST(air_time AS DOUBLE) * 60) AS mph FROM flights WHERE air_time IS NOT NULL GROUP BY origin ORDER BY origin", "SELECT concat(carrier, CAST(flight AS VARCHAR)) AS f, COUNT(*) AS c FROM flights GROUP BY 1 ORDER BY c DESC, f LIMIT 5"):
        f.add(sql, oracle=sql)
    total += f.write()

    f = File(connection, "above", "Joins, subqueries, CTEs, windows, set operations.")
    for sql in ("SELECT l.id, r.rid FROM jl l JOIN jr r ON l.k = r.k ORDER BY l.id, r.rid", "SELECT l.id, r.rid FROM jl l LEFT JOIN jr r ON l.k = r.k ORDER BY l.id, r.rid NULLS LAST", "SELECT l.id, r.rid FROM jl l RIGHT JOIN jr r ON l.k = r.k ORDER BY r.rid, l.id NULLS LAST",
                "SELECT l.id, r.rid FROM jl l FULL OUTER JOIN jr r ON l.k = r.k ORDER BY l.id NULLS LAST, r.rid NULLS LAST", "SELECT COUNT(*) FROM jl CROSS JOIN jr", "SELECT l.id, COUNT(r.rid) AS c, SUM(r.w) AS s FROM jl l LEFT JOIN jr r ON l.k = r.k GROUP BY l.id ORDER BY l.id",
                "SELECT l.id FROM jl l WHERE EXISTS (SELECT 1 FROM jr r WHERE r.k = l.k) ORDER BY l.id", "SELECT l.id FROM jl l WHERE NOT EXISTS (SELECT 1 FROM jr r WHERE r.k = l.k) ORDER BY l.id", "SELECT id FROM jl WHERE k IN (SELECT k FROM jr) ORDER BY id", "SELECT id FROM jl WHERE k NOT IN (SELECT k FROM jr WHERE k IS NOT NULL) ORDER BY id",
                "SELECT id FROM jl WHERE k NOT IN (SELECT k FROM jr) ORDER BY id", "SELECT id, (SELECT MAX(w) FROM jr) AS m FROM jl ORDER BY id", "SELECT id FROM jl WHERE v > (SELECT AVG(v) FROM jl) ORDER BY id", "SELECT l.id, r.rid FROM jl l JOIN jr r ON l.k = r.k AND r.w > l.v ORDER BY l.id, r.rid",
                "SELECT l.id, r.rid FROM jl l JOIN jr r ON l.v < r.w ORDER BY l.id, r.rid", "SELECT a.name, COUNT(*) AS c FROM flights f JOIN airlines a ON f.carrier = a.carrier GROUP BY a.name ORDER BY c DESC LIMIT 5", "SELECT p.manufacturer, COUNT(*) AS c, AVG(f.arr_delay) AS d FROM flights f JOIN planes p ON f.tailnum = p.tailnum GROUP BY p.manufacturer ORDER BY c DESC, p.manufacturer LIMIT 8",
                "SELECT f.origin, AVG(w.temp) AS t, COUNT(*) AS c FROM flights f JOIN weather w ON f.origin = w.origin AND f.time_hour = w.time_hour WHERE f.dep_delay > 120 GROUP BY f.origin ORDER BY f.origin", "SELECT COUNT(*) FROM flights f LEFT JOIN planes p ON f.tailnum = p.tailnum WHERE p.tailnum IS NULL",
                "WITH c AS (SELECT carrier, COUNT(*) AS n FROM flights GROUP BY carrier) SELECT carrier, n FROM c WHERE n > (SELECT AVG(n) FROM c) ORDER BY n DESC", "WITH a AS (SELECT origin, month, COUNT(*) AS n FROM flights GROUP BY origin, month) SELECT x.origin, x.month, x.n, y.n FROM a x JOIN a y ON x.month = y.month AND x.origin = 'EWR' AND y.origin = 'LGA' ORDER BY x.month",
                "SELECT origin, m FROM (SELECT origin, MAX(dep_delay) AS m FROM flights GROUP BY origin) q WHERE m > 1000 ORDER BY origin", "SELECT id, ROW_NUMBER() OVER (ORDER BY id) AS r FROM jl ORDER BY id", "SELECT id, k, ROW_NUMBER() OVER (PARTITION BY k ORDER BY id) AS r FROM jl ORDER BY id",
                "SELECT id, RANK() OVER (ORDER BY k NULLS LAST) AS r, DENSE_RANK() OVER (ORDER BY k NULLS LAST) AS d FROM jl ORDER BY id", "SELECT id, SUM(v) OVER (ORDER BY id) AS s FROM jl ORDER BY id", "SELECT id, SUM(v) OVER (PARTITION BY k) AS s, COUNT(*) OVER () AS c FROM jl ORDER BY id", "SELECT id, LAG(v) OVER (ORDER BY id) AS a, LEAD(v, 2) OVER (ORDER BY id) AS b FROM jl ORDER BY id",
                "SELECT id, AVG(v) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS a FROM jl ORDER BY id", "SELECT id, FIRST_VALUE(v) OVER (PARTITION BY k ORDER BY id) AS a, NTILE(2) OVER (ORDER BY id) AS n FROM jl ORDER BY id",
                "SELECT carrier, n, RANK() OVER (ORDER BY n DESC) AS r FROM (SELECT carrier, COUNT(*) AS n FROM flights GROUP BY carrier) q ORDER BY r LIMIT 6", "SELECT k FROM jl UNION SELECT k FROM jr ORDER BY k NULLS LAST", "SELECT k FROM jl UNION ALL SELECT k FROM jr ORDER BY k NULLS LAST", "SELECT k FROM jl INTERSECT SELECT k FROM jr ORDER BY k NULLS LAST",
                "SELECT k FROM jl EXCEPT SELECT k FROM jr ORDER BY k NULLS LAST", "SELECT origin FROM flights WHERE month = 1 UNION SELECT dest FROM flights WHERE month = 1 AND dest LIKE 'A%' ORDER BY 1", "SELECT COUNT(*) FROM (SELECT carrier FROM flights UNION ALL SELECT carrier FROM airlines) u",
                "SELECT x.c FROM (SELECT COUNT(*) AS c FROM flights) x", "SELECT carrier FROM airlines WHERE carrier NOT IN (SELECT carrier FROM flights WHERE month = 1) ORDER BY carrier", "SELECT a.faa, a.name FROM airports a WHERE a.faa IN (SELECT dest FROM flights GROUP BY dest ORDER BY COUNT(*) DESC LIMIT 3) ORDER BY a.faa",
                "SELECT dest FROM flights f WHERE NOT EXISTS (SELECT 1 FROM airports a WHERE a.faa = f.dest) GROUP BY dest ORDER BY dest", "SELECT l.id, r.rid FROM jl l, jr r WHERE l.k = r.k AND l.id < 3 ORDER BY l.id, r.rid", "SELECT COUNT(*) FROM jl l JOIN jr r ON l.k = r.k JOIN jl m ON m.k = r.k",
                "SELECT t.k, COUNT(*) FROM (SELECT k FROM jl UNION ALL SELECT k FROM jr) t GROUP BY t.k HAVING COUNT(*) > 2 ORDER BY t.k", "SELECT f.id FROM jl f JOIN (SELECT k, MAX(v) AS mv FROM jl GROUP BY k) s ON f.k = s.k AND f.v = s.mv ORDER BY f.id"):
        f.add(sql)
    # IN and EXISTS outside of a plain conjunction: three-valued, in values, correlated, of the same table.
    for sql in ("SELECT id FROM jl WHERE k NOT IN (SELECT k FROM jr) OR id = 1 ORDER BY id", "SELECT id FROM jl WHERE NOT (k IN (SELECT k FROM jr WHERE k IS NOT NULL) AND id < 5) ORDER BY id", "SELECT id FROM jl WHERE (k IN (SELECT k FROM jr)) IS NULL ORDER BY id",
                "SELECT id FROM jl WHERE (k IN (SELECT k FROM jr WHERE k <> 'a')) = false ORDER BY id", "SELECT id FROM jl WHERE (k NOT IN (SELECT k FROM jr)) IS NOT TRUE ORDER BY id", "SELECT id, k IN (SELECT k FROM jr) AS f FROM jl ORDER BY id",
                "SELECT id, k NOT IN (SELECT k FROM jr WHERE k IS NOT NULL) AS f FROM jl ORDER BY id", "SELECT id, k NOT IN (SELECT k FROM jr WHERE w > 1000) AS f FROM jl ORDER BY id", "SELECT id, EXISTS (SELECT 1 FROM jr r WHERE r.k = l.k) AS f FROM jl l ORDER BY id",
                "SELECT id, CASE WHEN NOT EXISTS (SELECT 1 FROM jr r WHERE r.k = l.k AND r.w > 100) THEN 'none' ELSE 'some' END AS f FROM jl l ORDER BY id", "SELECT COUNT(*) FILTER (WHERE k IN (SELECT k FROM jr)) AS c FROM jl",
                "SELECT SUM(CASE WHEN EXISTS (SELECT 1 FROM jr r WHERE r.k = l.k) THEN 1 ELSE 0 END) AS c FROM jl l", "SELECT k IN (SELECT k FROM jr) AS f, COUNT(*) AS c FROM jl GROUP BY k IN (SELECT k FROM jr) ORDER BY 1 NULLS LAST",
                "SELECT id FROM jl l WHERE v NOT IN (SELECT w FROM jr r WHERE r.k = l.k) ORDER BY id", "SELECT id FROM jl l WHERE k NOT IN (SELECT k FROM jr r WHERE r.w > l.v) ORDER BY id", "SELECT id FROM jl l WHERE k IN (SELECT k FROM jr r WHERE r.w > l.v) ORDER BY id",
                "SELECT id FROM jl l WHERE EXISTS (SELECT COUNT(*) FROM jr r WHERE r.k = l.k) ORDER BY id", "SELECT id FROM jl l WHERE NOT EXISTS (SELECT MAX(w) FROM jr r WHERE r.k = l.k) ORDER BY id", "SELECT id FROM jl WHERE k = ANY (SELECT k FROM jr) ORDER BY id",
                "SELECT id FROM jl WHERE k <> ALL (SELECT k FROM jr WHERE k IS NOT NULL) ORDER BY id", "SELECT id FROM jl WHERE k NOT IN (SELECT k FROM jl WHERE v > 20) OR v = 1 ORDER BY id", "SELECT id FROM jl WHERE NULL NOT IN (SELECT k FROM jr) ORDER BY id",
                "SELECT id FROM jl WHERE NULL NOT IN (SELECT k FROM jr WHERE w > 1000) ORDER BY id", "SELECT k FROM jl EXCEPT ALL SELECT k FROM jr LIMIT 100", "SELECT s FROM types WHERE id < 9 EXCEPT ALL SELECT trim(s) FROM types WHERE id > 5 LIMIT 100"):
        f.add(sql)
    total += f.write()
    print(f"{total} queries")


main()
