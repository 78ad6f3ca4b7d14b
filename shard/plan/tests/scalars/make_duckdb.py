"""Writes duckdb.txt: for each pair the answer that DuckDB gives, in the text that CAST AS STRING has here.

Run with a Python that has the package duckdb; the answers are committed, the package is not needed to test.
"""
import datetime
import math
import pathlib

import duckdb

STAMPS = ["1969-12-31 23:59:59.5", "1960-02-29 12:34:56.789", "1970-01-01 00:00:00", "2000-02-29 23:59:59.999",
          "2020-12-31 12:00:00", "2021-01-03 23:59:59.999", "2024-03-10 07:30:00", "1901-01-01 00:00:01"]


def pairs():
    for stamp in STAMPS:
        for unit in ["second", "minute", "hour", "day", "week", "month", "quarter", "year"]:
            yield f"datetrunc('{unit}', ts'{stamp}')", f"date_trunc('{unit}', TIMESTAMP '{stamp}')::TIMESTAMP"
        for name, other in [("year", "year"), ("quarter", "quarter"), ("month", "month"), ("week", "week"),
                            ("yearofweek", "isoyear"), ("dayofyear", "dayofyear"), ("day", "day"),
                            ("dayofweek", "isodow"), ("hour", "hour"), ("minute", "minute")]:
            yield f"{name}(ts'{stamp}')", f"{other}(TIMESTAMP '{stamp}')"
        for months in [1, -1, 11, -37]:
            yield (f"timestampadd('month', {months}, ts'{stamp}')",
                   f"TIMESTAMP '{stamp}' + INTERVAL ({months}) MONTH")
        for unit in ["hour", "day", "month", "year"]:
            yield (f"timestampdiff('{unit}', ts'{stamp}', ts'2010-07-15 10:00:00')",
                   f"date_sub('{unit}', TIMESTAMP '{stamp}', TIMESTAMP '2010-07-15 10:00:00')")
    for zone in ["America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "EST"]:
        for ms in [1730606400000, 1730613599999, 1656644400000, -14400001, 1712419200000]:
            for unit in ["day", "month"]:
                local = f"(epoch_ms({ms}) AT TIME ZONE 'UTC') AT TIME ZONE '{zone}'"
                yield (f"datetrunc('{unit}', {ms}L, 'MILLISECONDS', '{zone}')",
                       f"epoch_ms(date_trunc('{unit}', {local})::TIMESTAMP AT TIME ZONE '{zone}')")
    for a, b in [(7, 2), (-7, 2), (7, -2), (-7, -2), (0, 3), (9, 4)]:
        yield f"intdiv({a}, {b})", f"{a} // {b}"
        yield f"mod({a}, {b})", f"{a} % {b}"
        yield f"divide({a}, {b})", f"({a})::DOUBLE / {b}"
    for x in [0.5, 1.5, -2.25, 10.0, 1e-3, 123456.789]:
        for name, other in [("sqrt", "sqrt"), ("floor", "floor"), ("ceil", "ceil"), ("abs", "abs")]:
            if name != "sqrt" or x >= 0:
                yield f"{name}({x})", f"{other}({x}::DOUBLE)"
    for text in ["Hello", "naïve café", "  pad ", "", "東京"]:
        for name, other in [("upper", "upper"), ("lower", "lower"), ("length", "length"), ("reverse", "reverse"),
                            ("trim", "trim"), ("ltrim", "ltrim"), ("rtrim", "rtrim"), ("octetlength", "strlen")]:
            yield f"{name}('{text}')", f"{other}('{text}')"
        for start, count in [(1, 2), (2, 100), (0, 2), (3, 0)]:
            yield f"substring('{text}', {start}, {count})", f"substring('{text}', {start}, {count})"
        yield f"left('{text}', 2)", f"left('{text}', 2)"
        yield f"right('{text}', 2)", f"right('{text}', 2)"
        yield f"replace('{text}', 'l', 'LL')", f"replace('{text}', 'l', 'LL')"
    for a, b in [("abc", "abd"), ("b", "a"), ("é", "z"), ("", "a"), ("a", "a")]:
        yield f"greatest('{a}', '{b}')", f"greatest('{a}', '{b}')"
        yield f"startswith('{a}', '{b}')", f"starts_with('{a}', '{b}')"
        yield f"levenshteindistance('{a}', '{b}')", f"levenshtein('{a}', '{b}')"


def java_double(v):
    if math.isnan(v):
        return "NaN"
    if math.isinf(v):
        return "Infinity" if v > 0 else "-Infinity"
    if v == 0 or 1e-3 <= abs(v) < 1e7:
        return repr(v)
    raise ValueError(v)


def shown(v):
    if v is None:
        return "NULL"
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, float):
        return java_double(v)
    if isinstance(v, datetime.datetime):
        fraction = f"{v.microsecond // 1000:03}".rstrip("0") or "0"
        return v.strftime("%Y-%m-%d %H:%M:%S.") + fraction
    return str(v)


def main():
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    lines = ["# Answers of DuckDB " + duckdb.__version__ + ", written by make_duckdb.py."]
    for ours, theirs in pairs():
        (answer,) = con.execute(f"SELECT {theirs}").fetchone()
        lines.append(f"{ours} => {shown(answer)}")
    pathlib.Path(__file__).with_name("duckdb.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
