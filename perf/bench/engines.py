"""The engines under measurement, each a process of its own that answers statements one by one, and Gamay over HTTP.

Every engine has `name`, `ask(sql)`, which returns milliseconds and rows or raises `Failed`, and `close()`.
"""
import http.client
import json
import os
import selectors
import subprocess
import sys
import time
import urllib.parse

from . import answers

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = ("duckdb", "hyper", "chdb", "datafusion", "polars")
# Pinot's classic single-stage engine turns sums into floats; the other one answers as the peers do.
OPTIONS = "useMultistageEngine=true"
# Hyper gives the average of integers as a decimal of six digits, so that no more than these can be compared.
TOLERANCES = {"hyper": 1e-5}
LOAD_SECONDS, ASK_SECONDS = 900, 120


class Missing(Exception):
    """The engine is not here; the text says what to install."""


class Failed(Exception):
    """The engine did not answer a statement."""


class Process:
    """Lines in, lines of JSON out. One that does not answer in time is ended."""

    def __init__(self, name, command):
        self.name, self.buffer = name, b""
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)
        self.about = self.line(LOAD_SECONDS)
        if "missing" in self.about:
            self.close()
            raise Missing(self.about["missing"])

    def line(self, seconds):
        until = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            if not self.selector.select(max(0, until - time.monotonic())):
                self.process.kill()
                raise Failed(f"no answer in {seconds} s; its process was ended")
            part = os.read(self.process.stdout.fileno(), 1 << 20)
            if not part:
                raise Failed(f"its process ended with exit code {self.process.wait()}")
            self.buffer += part
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def ask(self, sql):
        try:
            self.process.stdin.write(" ".join(sql.split()).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Failed("its process has ended") from None
        return self.result(self.line(ASK_SECONDS))

    def result(self, line):
        if "error" in line:
            raise Failed(line["error"])
        return line["ms"], line["rows"]

    def memory(self):
        """Bytes that the process and its children hold in memory."""
        return sum(_resident(pid) for pid in _family(self.process.pid))

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def _family(pid):
    yield pid
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            children = file.read().split()
    except FileNotFoundError:
        return
    for child in children:
        yield from _family(int(child))


def _resident(pid):
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:
        return 0


def _pinot_rows(answer):
    if answer["exceptions"]:
        raise Failed("; ".join(str(e.get("message", e)) for e in answer["exceptions"])[:300])
    return answers.rows(answer["resultTable"]["rows"])


class InProcess(Process):
    """A node in a process of its own, asked through the call that its HTTP handler makes."""

    def __init__(self, perf, data_dir):
        super().__init__("gamay", [perf, "in-process", "--data-dir", data_dir, "--option", OPTIONS])

    def result(self, line):
        return line["ms"], _pinot_rows(line["answer"])


class Http:
    """The same node through one keep-alive connection."""
    name = "gamay http"

    def __init__(self, broker):
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(broker).netloc, timeout=ASK_SECONDS)

    def ask(self, sql):
        body = json.dumps({"sql": sql, "queryOptions": OPTIONS}).encode()
        started = time.perf_counter()
        self.connection.request("POST", "/query/sql", body, {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        text = answer.read()
        taken = time.perf_counter() - started
        if answer.status != 200:
            raise Failed(f"HTTP {answer.status}: {text[:300]!r}")
        return taken * 1000, _pinot_rows(json.loads(text))

    def close(self):
        self.connection.close()


def peer(name, config):
    return Process(name, [sys.executable, os.path.join(HERE, "peer.py"), name, json.dumps(config)])


def load_gamay(gamay, data_dir, tables, log, segments=6):
    """Fills a new data folder by `gamay ingest` into a running node; returns what each ingest said."""
    command = [gamay, "start", "--data-dir", data_dir, "--controller-port", "0", "--broker-port", "0"]
    with open(log, "wb") as file:
        node = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file)
    try:
        controller = _controller(node, log)
        reports = {}
        for table in tables:
            count = table["rows"]
            done = subprocess.run(
                [gamay, "ingest", table["file"], "--table", table["name"], "--sort", ",".join(table["sort"]),
                 "--rows-per-segment", str(max(1, -(-count // segments))), "--controller", controller, "--json"],
                capture_output=True, text=True)
            if done.returncode != 0:
                raise SystemExit(f"gamay ingest of {table['file']} failed: {done.stderr[-600:]}")
            report = json.loads(done.stdout)
            reports[table["name"]] = {
                "rows": report["rows"], "segments": report["segments"], "bytes": report["bytes"],
                "bytes_per_row": round(report["bytesPerRow"], 2), "seconds": round(report["seconds"], 3),
                "rows_per_second": round(report["rowsPerSecond"]),
            }
        return reports
    finally:
        node.terminate()
        node.wait(60)


def _controller(node, log):
    """The address that a starting node prints."""
    for line in node.stdout:
        word, _, address = line.decode().strip().partition(" ")
        if word == "controller":
            return address.strip()
    with open(log) as file:
        raise SystemExit(f"the node did not start: {file.read()[-600:]}")
