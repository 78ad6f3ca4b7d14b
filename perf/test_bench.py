#!/usr/bin/env python3
"""Tests of the harness's Python: `python3 perf/test_bench.py`. Seconds; needs no engine and no built Gamay."""
import datetime
import decimal
import html.parser
import math
import sys
import types

from bench import answers, engines, figures, measure, report, show, suites


def test_values_of_engines_become_the_same():
    midnight = 1357016400000
    same = [datetime.datetime(2013, 1, 1, 5), "2013-01-01 05:00:00.0", "2013-01-01 05:00:00", "2013-01-01T05:00:00Z",
            datetime.datetime(2013, 1, 1, 5, tzinfo=datetime.timezone.utc)]
    assert [answers.plain(v) for v in same] == [midnight] * len(same)
    assert answers.plain(datetime.date(1970, 1, 2)) == answers.plain("1970-01-02") == 86_400_000
    assert answers.plain(decimal.Decimal("12.00")) == 12 and answers.plain(decimal.Decimal("0.5")) == 0.5
    assert answers.plain(True) == 1 and answers.plain("2013") == "2013" and answers.plain(None) is None
    assert answers.plain("2013-01-01 and more") == "2013-01-01 and more"
    assert answers.plain(math.nan) == "NaN"


def test_floats_are_compared_within_a_tolerance_and_nothing_else_is():
    assert answers.same_value(1.0, 1.0 + 5e-10) and not answers.same_value(1.0, 1.0 + 5e-9)
    assert answers.same_value(1e18, 1e18 + 1024.0) and answers.same_value(3, 3.0)
    assert not answers.same_value(10**17, 10**17 + 1), "whole numbers are exact"
    assert not answers.same_value(None, 0) and not answers.same_value(None, "") and answers.same_value(None, None)
    assert not answers.same_value("1", 1) and not answers.same_value("a", "A")
    assert answers.same_value([1, 2.0], [1, 2.0 + 1e-12]) and not answers.same_value([1], [1, 2])
    assert answers.same_value(1.0, 1.000004, tolerance=1e-5)


def test_order_counts_only_where_the_statement_orders():
    want, turned = [[1, "a"], [2, "b"], [None, "c"]], [[None, "c"], [2, "b"], [1, "a"]]
    assert answers.difference(want, turned, ordered=False) is None
    assert "row 0" in answers.difference(want, turned, ordered=True)
    assert answers.difference(want, want[:2], ordered=False) == "3 rows expected, 2 came"
    assert answers.difference([[1, 1], [1, 1], [2, 2]], [[1, 1], [2, 2], [2, 2]], ordered=False)
    # Rows whose floats differ in the last digit keep their places.
    assert answers.difference([[0.1 + 0.2, "x"], [0.7, "y"]], [[0.7, "y"], [0.3, "x"]], ordered=False) is None
    assert answers.difference([[1, 2]], [[1]], ordered=True)


def test_only_the_outermost_order_by_counts():
    assert answers.is_ordered("SELECT a FROM t ORDER BY a LIMIT 3")
    assert answers.is_ordered("SELECT 1 FROM (SELECT a FROM t) order  by 1")
    assert not answers.is_ordered("SELECT a FROM (SELECT a FROM t ORDER BY a LIMIT 3)")
    assert not answers.is_ordered("SELECT SUM(a) OVER (PARTITION BY b ORDER BY c) FROM t")
    assert not answers.is_ordered("SELECT ') ORDER BY' FROM t")


def test_medians_and_ratios():
    assert figures.quantile([5, 1, 2, 3, 4], 0.95) == 5 and figures.quantile([1, 2, 3, 4], 0.5) == 2
    assert figures.summary([3.0, 1.0, 2.0])["median_ms"] == 2.0
    assert math.isclose(figures.geomean([1, 100]), 10)

    def query(**ms):
        return {"in_turn": {engine: {"median_ms": value} for engine, value in ms.items()}}

    queries = [query(gamay=1.0, duckdb=4.0, hyper=2.0), query(gamay=2.0, duckdb=50.0)]
    ratios = figures.ratios(queries, "in_turn", "gamay")
    assert ratios["duckdb"] == {"ratio": 10.0, "queries": 2} and ratios["hyper"] == {"ratio": 2.0, "queries": 1}
    # A mean over fewer queries would be compared with one over all, so it is not told.
    assert set(figures.geomeans(queries, "in_turn")) == {"gamay", "duckdb"}
    assert figures.table(["a", "b"], [["x", 10], ["long", 2]]) == "a      b\nx     10\nlong   2"


class Fake:
    """An engine that answers after a script of times."""

    def __init__(self, log, name, rows=((1,),), error=None):
        self.log, self.name, self.rows, self.error = log, name, rows, error

    def ask(self, sql):
        self.log.append(self.name)
        if self.error:
            raise engines.Failed(self.error)
        if sql.startswith("EXPLAIN ANALYZE"):
            return 1.0, [["LEAVES(docsScanned:5, bytes:1200, segmentsQueried:6)", "x"], ["LEAVES(bytes:34)", "y"]]
        return 2.0, [list(row) for row in self.rows]


def sample_suite():
    log = []
    running = {"gamay": Fake(log, "gamay"), "gamay http": Fake(log, "gamay http", rows=((2,),)), "duckdb": Fake(log, "duckdb"),
               "hyper": Fake(log, "hyper", error="syntax <error>")}
    of = types.SimpleNamespace(name="sample", statements=lambda: [("Q1", "SELECT 1"), ("Q2", "SELECT 2 ORDER BY 1")])
    queries = measure.statements(of, types.SimpleNamespace(runs=3), running, lambda text: None)
    found = {"tables": {"t": {"rows": 10, "parquet_bytes": 50, "gamay": {"segments": 6, "bytes_per_row": 4.5, "rows_per_second": 9}}},
             "engines": {}, "memory_bytes": {"gamay": 1e6}, "skipped": {"polars": "not <here>"}, "queries": queries}
    for what in ("in_turn", "back_to_back"):
        found["geomean_ms_" + what] = figures.geomeans(queries, what)
        found["ratios_" + what] = figures.ratios(queries, what, "gamay")
    curve = [[0.0, 0.1], [0.5, 0.2], [0.99, 1.5], [0.9999, 9.0], [1.0, 20.0]]
    line = {"qps": 900.0, "p50_ms": 0.2, "p99_ms": 1.5, "p999_ms": 5.0, "errors": 0, "curve": curve, "clients": 8}
    found["load"] = {"name": "small", "sql": ["SELECT {} < 1"], "duckdb_one_client_ms": 1.0, "runs": [
        {**line, "loop": "closed", "canned": line, "cpu_us_per_query": 50.0}, {**line, "loop": "open", "rate": 450.0}]}
    return found, log


def sample_run(made="2026-01-02T03:04:05+00:00"):
    return {"made": made, "machine": {"cpu": "a & b", "cores": 2}, "scale": 1.0, "runs": 3, "threads": 2,
            "limits": {"memory": {"form": "AVX2", "dram_all_cores_bytes_per_second": 3e10}, "disk": {"refused": "no O_DIRECT"}},
            "kernels": {"each": {"range-8": {p: {"over_limit": 1.6, "rows_per_second": 2e10} for p in ("cached", "memory")}}},
            "suites": {"sample": sample_suite()[0]}}


def test_engines_take_turns_and_are_compared():
    suite, log = sample_suite()
    query = suite["queries"][0]
    assert query["answers"]["gamay"] == "equal" and query["answers"]["gamay http"].startswith("different: row 0")
    assert query["answers"]["hyper"] == "failed: syntax <error>" and "duckdb" not in query["answers"]
    assert log[:13] == ["gamay", "gamay http", "duckdb", "hyper", "gamay", "gamay http", "duckdb", "gamay http", "duckdb", "gamay",
                        "duckdb", "gamay", "gamay http"], log[:13]
    assert query["in_turn"]["gamay"]["runs"] == 3 and "hyper" not in query["in_turn"] and query["bytes"] == 1234


def test_an_engine_that_breaks_on_the_way_has_no_times():
    class Breaks(Fake):
        def ask(self, sql):
            if self.log.count(self.name) == 2:
                self.error = "out of memory"
            return super().ask(sql)

    log = []
    running = {"gamay": Fake(log, "gamay"), "duckdb": Fake(log, "duckdb"), "chdb": Breaks(log, "chdb")}
    of = types.SimpleNamespace(name="sample", statements=lambda: [("Q1", "SELECT 1"), ("Q2", "SELECT 2")])
    queries = measure.statements(of, types.SimpleNamespace(runs=3), running, lambda text: None)
    for query in queries:
        assert query["answers"]["chdb"] == "failed: out of memory", query["answers"]
        assert set(query["in_turn"]) == set(query["back_to_back"]) == {"gamay", "duckdb"}


def test_what_is_wrong_or_slow_is_told():
    run = sample_run()
    assert len(show.wrong(run)) == 2 and "gamay http" in show.wrong(run)[0]
    query = run["suites"]["sample"]["queries"][0]
    assert show.slower_than(query) == []
    query["in_turn"]["duckdb"]["median_ms"] = 0.5
    assert show.slower_than(query) == ["duckdb"]
    assert math.isclose(show.share(query, 1234 / 0.002), 1.0)
    text = show.text(run)
    for part in ("skipped polars: not <here>", "slower than duckdb: Q1", "answers equal to DuckDB's: 2 of 6", "geomean", "closed",
                 "no O_DIRECT"):
        assert part in text, f"{part}\n{text}"


class Balanced(html.parser.HTMLParser):
    VOID = {"meta", "rect", "line", "circle", "polyline", "br"}

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        assert not any(name.startswith("on") or name in ("src", "href") for name, _ in attributes), "nothing is fetched or run"
        if tag not in self.VOID or tag in ("rect", "circle", "polyline", "line"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag


def test_the_report_is_whole():
    text = report.html([sample_run("2026-01-01T00:00:00+00:00"), sample_run()])
    page = Balanced()
    page.feed(text)
    # Their end tags may be left out.
    assert set(page.open) <= {"html", "body"}, page.open
    assert "script" not in page.seen and page.seen.count("svg") == 2 + 2 + 1, "bars, curves, history"
    for part in ("a &amp; b", "not &lt;here&gt;", "different: row 0", "History", "prefers-color-scheme:dark", "SELECT {} &lt; 1"):
        assert part in text, part
    assert "<error>" not in text
    other = {**sample_run("2026-01-01T00:00:00+00:00"), "scale": 0.1}
    assert "History" not in report.html([other, sample_run()]), "runs of another scale are no history of this one"


def test_suites_have_statements_that_can_be_told_apart():
    for suite in suites.SUITES.values():
        names = [name for name, _ in suite.statements()]
        assert len(names) >= 7 and len(set(names)) == len(names), suite.name
    assert len(suites.SUITES["ssb"].statements()) == 13


if __name__ == "__main__":
    tests = [test for name, test in list(globals().items()) if name.startswith("test_")]
    for test in tests:
        test()
        print(f"ok {test.__name__}")
    print(f"{len(tests)} passed")
    sys.exit(0)
