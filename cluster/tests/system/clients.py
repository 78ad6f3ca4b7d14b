"""Clients that people already use, unchanged, against the quickstart."""
import os
import subprocess
import urllib.parse

from node import Node

HERE = os.path.dirname(os.path.abspath(__file__))


def sample_node(args):
    node = Node(args.gamay, "quickstart", ["--sample-data", args.sample_data])
    node.wait_for_output(r"(?s)(SELECT.*){3}")
    return node


def test_pinotdb(args):
    import pinotdb
    with sample_node(args) as node:
        port = urllib.parse.urlparse(node.broker).port
        connection = pinotdb.connect(host="127.0.0.1", port=port, path="/query/sql", scheme="http")
        cursor = connection.cursor()
        cursor.execute("SELECT carrier, COUNT(*) AS c FROM flights GROUP BY carrier ORDER BY c DESC LIMIT 3")
        assert [list(r) for r in cursor] == [["UA", 58665], ["B6", 54635], ["EV", 54173]]
        cursor.execute("SELECT tailnum FROM flights WHERE tailnum IS NULL LIMIT 1")
        assert [list(r) for r in cursor] == [[None]]
        cursor.execute("SELECT COUNT(*) FROM flights WHERE carrier = %(c)s", {"c": "AA"})
        assert [list(r) for r in cursor] == [[32729]]
        try:
            cursor.execute("SELECT nothing FROM flights")
            raise AssertionError("an unknown column was answered")
        except pinotdb.exceptions.DatabaseError as e:
            assert "nothing" in str(e), e
        multistage = pinotdb.connect(host="127.0.0.1", port=port, path="/query/sql", scheme="http", use_multistage_engine=True)
        cursor = multistage.cursor()
        cursor.execute("SELECT a.name, COUNT(*) AS c FROM flights f JOIN airlines a ON f.carrier = a.carrier "
                       "GROUP BY a.name ORDER BY c DESC LIMIT 1")
        assert [list(r) for r in cursor] == [["United Air Lines Inc.", 58665]]


def test_pinotdb_sqlalchemy(args):
    import pinotdb
    from sqlalchemy import create_engine, inspect, text
    with sample_node(args) as node:
        url = f"pinot://{urllib.parse.urlparse(node.broker).netloc}/query/sql?controller={node.controller}/"
        engine = create_engine(url)
        names = inspect(engine).get_table_names()
        assert "flights" in names, names
        columns = {c["name"] for c in inspect(engine).get_columns("flights")}
        assert {"carrier", "arr_delay", "time_hour"} <= columns, columns
        with engine.connect() as connection:
            assert connection.execute(text("SELECT COUNT(*) FROM airlines")).fetchall() == [(16,)]


def test_pinot_client_for_node(args):
    if not args.node_modules:
        return "no --node-modules folder was given"
    with sample_node(args) as node:
        env = {**os.environ, "NODE_PATH": os.path.join(args.node_modules, "node_modules"), "CONTROLLER": node.controller}
        run = subprocess.run(["node", os.path.join(HERE, "pinot_client.js")], env=env, capture_output=True, text=True, timeout=120)
        assert run.returncode == 0, run.stdout + run.stderr
        assert "UA 58665" in run.stdout, run.stdout
