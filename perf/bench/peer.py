#!/usr/bin/env python3
"""One peer in a process of its own: `peer.py NAME CONFIG`, CONFIG as JSON (tables, cache folder, threads).

Speaks the protocol of `gamay-perf in-process`: first a line about itself, then for each statement that comes in a line of
JSON: {"ms": 1.25, "rows": [...]} or {"error": "..."}. The time is that of the peer's own call, from text to its own result;
making rows of JSON is not measured. A process each, so that one peer's crash, threads or allocator do not touch another's.
"""
import importlib
import importlib.metadata
import json
import os
import shutil
import sys
import time

# Run as a script, its own folder would hide modules of other packages.
sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
from bench import answers  # noqa: E402


class Peer:
    """`load` once, then `run` is what is timed and `rows` makes rows of what it returned."""
    module = None

    def __init__(self, config):
        self.config = config
        self.tables = config["tables"]
        self.threads = config["threads"]

    def store(self, end=""):
        """Where the peer keeps its own form of these tables. The name tells data and version, so it is never stale."""
        key = f"{type(self).__name__}-{self.config['key']}-{importlib.metadata.version(self.module)}{end}"
        return os.path.join(self.config["cache"], "peers", key)

    def loaded(self, path, load):
        """Loads into `path` unless that was done before."""
        if os.path.exists(path + ".whole"):
            return
        shutil.rmtree(path, ignore_errors=True)
        if os.path.isfile(path):
            os.remove(path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        load(path)
        open(path + ".whole", "w").close()

    def rows(self, result):
        return result


class DuckDb(Peer):
    module = "duckdb"

    def load(self):
        duckdb = importlib.import_module("duckdb")
        self.loaded(self.store(".duckdb"), lambda path: self.fill(duckdb, path))
        self.connection = duckdb.connect(self.store(".duckdb"), read_only=True, config={"threads": self.threads})
        self.connection.execute("CREATE TEMP MACRO regexp_like(text, pattern) AS regexp_matches(text, pattern)")

    def fill(self, duckdb, path):
        with duckdb.connect(path, config={"threads": self.threads}) as connection:
            for table in self.tables:
                order = ", ".join(table["sort"])
                connection.execute(f"CREATE TABLE {table['name']} AS SELECT * FROM '{table['file']}' ORDER BY {order}")

    def run(self, sql):
        return self.connection.execute(sql).fetchall()


class Hyper(Peer):
    module = "tableauhyperapi"

    def load(self):
        self.api = importlib.import_module("tableauhyperapi")
        parameters = {"hard_concurrent_query_thread_limit": str(self.threads), "log_config": "", "default_database_version": "4"}
        self.server = self.api.HyperProcess(self.api.Telemetry.DO_NOT_SEND_USAGE_DATA_TO_TABLEAU, parameters=parameters)
        self.loaded(self.store(".hyper"), self.fill)
        self.connection = self.api.Connection(self.server.endpoint, self.store(".hyper"), self.api.CreateMode.NONE)

    def fill(self, path):
        with self.api.Connection(self.server.endpoint, path, self.api.CreateMode.CREATE_AND_REPLACE) as connection:
            for table in self.tables:
                order, name = ", ".join(table["sort"]), table["name"]
                connection.execute_command(f"CREATE TABLE {name} AS (SELECT * FROM external('{table['file']}') ORDER BY {order})")

    def run(self, sql):
        with self.connection.execute_query(sql) as result:
            return list(result)

    def rows(self, result):
        # Its own Timestamp and Date print as ISO text.
        return [[str(v) if isinstance(v, (self.api.Timestamp, self.api.Date)) else v for v in row] for row in result]

    def close(self):
        self.connection.close()
        self.server.close()


class ChDb(Peer):
    module = "chdb"
    TYPES = {"int32": "Int32", "int64": "Int64", "double": "Float64", "string": "String", "date32[day]": "Date32",
             "timestamp[ms]": "DateTime64(3, 'UTC')", "timestamp[us]": "DateTime64(6, 'UTC')"}

    def load(self):
        session = importlib.import_module("chdb.session")
        whole = os.path.exists(self.store() + ".whole")
        if not whole:
            shutil.rmtree(self.store(), ignore_errors=True)
        os.makedirs(self.store(), exist_ok=True)
        # One process holds one session, so filling and asking share it.
        self.session = session.Session(self.store())
        self.session.query(f"SET max_threads = {self.threads}")
        if not whole:
            self.fill()
            open(self.store() + ".whole", "w").close()

    def fill(self):
        parquet = importlib.import_module("pyarrow.parquet")
        self.session.query("CREATE FUNCTION IF NOT EXISTS regexp_like AS (text, pattern) -> match(text, pattern)")
        for table in self.tables:
            file = parquet.ParquetFile(table["file"])
            columns = []
            for number, field in enumerate(file.schema_arrow):
                kind = self.TYPES[str(field.type)]
                statistics = [file.metadata.row_group(g).column(number).statistics for g in range(file.metadata.num_row_groups)]
                nulls = any(s is None or not s.has_null_count or s.null_count for s in statistics)
                distinct = self.few(file, field) if kind == "String" else False
                kind = f"Nullable({kind})" if nulls else kind
                columns.append(f"{field.name} LowCardinality({kind})" if distinct else f"{field.name} {kind}")
            order = ", ".join(table["sort"])
            self.session.query(f"CREATE TABLE {table['name']} ({', '.join(columns)}) ENGINE = MergeTree ORDER BY ({order}) "
                               "SETTINGS allow_nullable_key = 1, add_minmax_index_for_numeric_columns = 1")
            self.session.query(f"INSERT INTO {table['name']} SELECT * FROM file('{table['file']}', Parquet)")
            self.session.query(f"OPTIMIZE TABLE {table['name']} FINAL")

    @staticmethod
    def few(file, field):
        """Whether ClickHouse's own advice is a dictionary: fewer than 10,000 different values, by the first rows."""
        return len(file.read_row_group(0, columns=[field.name]).column(0).unique()) < 10_000

    def run(self, sql):
        return self.session.query(sql, "JSONCompact").bytes()

    def rows(self, result):
        # 64-bit integers come as text here.
        table = json.loads(result)
        whole = ["Int" in column["type"] and "Interval" not in column["type"] for column in table["meta"]]
        return [[int(v) if w and v is not None else v for v, w in zip(row, whole)] for row in table["data"]]

    def close(self):
        self.session.close()


class DataFusion(Peer):
    module = "datafusion"

    def load(self):
        datafusion = importlib.import_module("datafusion")
        self.context = datafusion.SessionContext(datafusion.SessionConfig().with_target_partitions(self.threads))
        for table in self.tables:
            self.context.register_parquet("file_" + table["name"], table["file"])
            order, name = ", ".join(table["sort"]), table["name"]
            self.context.sql(f"CREATE TABLE {name} AS SELECT * FROM file_{name} ORDER BY {order}").collect()

    def run(self, sql):
        return self.context.sql(sql).collect()

    def rows(self, result):
        return [row for batch in result for row in zip(*(column.to_pylist() for column in batch.columns))]


class Polars(Peer):
    module = "polars"

    def load(self):
        polars = importlib.import_module("polars")
        # Sums of 32-bit integers overflow silently in 32 bits, so whole columns are widened.
        frames = {
            table["name"]: polars.read_parquet(table["file"]).with_columns(polars.col(polars.Int32).cast(polars.Int64))
            .sort(table["sort"]).rechunk().lazy()
            for table in self.tables
        }
        self.context = polars.SQLContext(frames)

    def run(self, sql):
        return self.context.execute(sql).collect()

    def rows(self, result):
        return result.rows()


PEERS = {"duckdb": DuckDb, "hyper": Hyper, "chdb": ChDb, "datafusion": DataFusion, "polars": Polars}


def serve(name, config):
    out, say = sys.stdout, lambda line: (out.write(json.dumps(line) + "\n"), out.flush())
    kind = PEERS[name]
    try:
        importlib.import_module(kind.module)
    except ImportError as error:
        say({"missing": f"{error}; pip install {kind.module}"})
        return
    peer = kind(config)
    started = time.perf_counter()
    peer.load()
    say({"ready": name, "version": importlib.metadata.version(kind.module), "load_seconds": round(time.perf_counter() - started, 3)})
    for line in sys.stdin:
        try:
            started = time.perf_counter()
            result = peer.run(line)
            taken = time.perf_counter() - started
            say({"ms": taken * 1000, "rows": answers.rows(peer.rows(result))})
        except BaseException as error:  # a peer's engine may raise anything; Polars' panics are no Exception
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            say({"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"})
    if hasattr(peer, "close"):
        peer.close()


if __name__ == "__main__":
    # What an engine prints must not come between the answers.
    answers_to = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = os.fdopen(answers_to, "w")
    os.environ["POLARS_MAX_THREADS"] = str(json.loads(sys.argv[2])["threads"])
    serve(sys.argv[1], json.loads(sys.argv[2]))
    sys.stdout.flush()
    # Embedded engines have been seen to hang while their process ends; all that matters is written.
    os._exit(0)
