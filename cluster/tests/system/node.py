"""Starts the `gamay` binary as a person would, and talks to it over HTTP. Standard library only."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request


def free_ports(n):
    held = [socket.socket() for _ in range(n)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


class Node:
    """One running node. `verb` is start or quickstart; `wrap` a command in front (taskset, prlimit ...)."""

    def __init__(self, gamay, verb, args=(), data_dir=None, wrap=(), env=None, preexec=None, wait_s=120):
        self.own_dir = data_dir is None
        self.data_dir = data_dir or tempfile.mkdtemp(prefix="gamay-test-")
        controller, broker = free_ports(2)
        self.controller, self.broker = f"http://127.0.0.1:{controller}", f"http://127.0.0.1:{broker}"
        self.log_path = self.data_dir.rstrip("/") + ".log"
        self.log = open(self.log_path, "ab")
        self.process = subprocess.Popen(
            [*wrap, gamay, verb, "--data-dir", self.data_dir, "--controller-port", str(controller),
             "--broker-port", str(broker), *args],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})},
            preexec_fn=preexec)
        self.wait_until(lambda: self.text("GET", self.broker + "/health") == "OK", wait_s)

    def wait_until(self, ready, wait_s):
        end = time.time() + wait_s
        while time.time() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"gamay ended with {self.process.returncode}:\n{self.output()}")
            try:
                if ready():
                    return
            except (OSError, urllib.error.URLError):
                pass
            time.sleep(0.05)
        self.process.kill()
        raise AssertionError(f"gamay was not ready after {wait_s} s:\n{self.output()}")

    def output(self):
        self.log.flush()
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def wait_for_output(self, pattern, wait_s=120):
        self.wait_until(lambda: re.search(pattern, self.output()) is not None, wait_s)

    @staticmethod
    def text(method, url, body=None, headers=None, timeout=60):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json", **(headers or {})}, method=method)
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.read().decode()

    def query(self, sql, options=None, path="/query/sql", timeout=60):
        body = {"sql": sql}
        if options:
            body["queryOptions"] = options
        return json.loads(self.text("POST", self.broker + path, body, timeout=timeout))

    def rows(self, sql, options=None):
        answer = self.query(sql, options)
        assert answer["exceptions"] == [], answer["exceptions"]
        return answer["resultTable"]["rows"]

    def stop(self, wait_s=20):
        """SIGTERM, and the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(wait_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"gamay did not stop within {wait_s} s of SIGTERM")
        finally:
            self.log.close()
            if self.own_dir:
                shutil.rmtree(self.data_dir, ignore_errors=True)
            os.unlink(self.log_path)
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None or not self.log.closed:
            self.stop()
