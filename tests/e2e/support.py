# SPDX-License-Identifier: MIT
"""What the end-to-end tests share: start reflowd, talk HTTP to it, wait for events with a deadline."""
import contextlib
import json
import os
import pathlib
import select
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("REFLOW_BIN", ROOT / "build" / "release" / "bin"))
DEADLINE_S = float(os.environ.get("REFLOW_TEST_DEADLINE_S", "30"))


def wait_until(condition, what, deadline_s=DEADLINE_S):
    """Ask `condition` until it gives something true; the deadline is an error, never a pass. `what` is a text, or
    a function that makes one then."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            what = what() if callable(what) else what
            raise AssertionError(f"not within {deadline_s} s: {what}")
        time.sleep(0.01)


class Node:
    """One reflowd process. `config` is the configuration as a dict; bind_port defaults to 0."""

    def __init__(self, config=None, arguments=(), environment=None, wait=True):
        self.directory = tempfile.TemporaryDirectory(prefix="reflow-e2e-")
        config = {"bind_port": 0, "bind_address": "127.0.0.1", **(config or {})}
        self.path = pathlib.Path(self.directory.name) / "config.json"
        self.path.write_text(json.dumps(config))
        self.log_path = pathlib.Path(self.directory.name) / "log"
        self.log_file = open(self.log_path, "w")
        environment = {k: v for k, v in {**os.environ, **(environment or {})}.items()
                       if not k.startswith("REFLOW_") or k in (environment or {})}
        self.process = subprocess.Popen(
            [BIN / "reflowd", "--config", self.path, *arguments], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=self.log_file, env=environment)
        self.address = None
        self.lines = []
        if wait:
            line = self.read_line()
            words = line.split()
            if len(words) != 3 or words[0] != "ready":
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"no ready line but {line!r}; log:\n{self.log()}")
            self.network, self.address = words[1], words[2]

    @property
    def url(self):
        return f"http://{self.address}"

    @property
    def port(self):
        return int(self.address.rsplit(":", 1)[1])

    def log(self):
        return self.log_path.read_text(errors="replace")

    def read_line(self, deadline_s=DEADLINE_S):
        """One line of stdout, unbuffered, so that select tells the truth."""
        end = time.monotonic() + deadline_s
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise AssertionError(f"no line on stdout within {deadline_s} s; log:\n{self.log()}")
            byte = os.read(self.process.stdout.fileno(), 1)
            if not byte:
                break
            line += byte
        return line.decode(errors="replace").rstrip("\n")

    def call(self, method, path, body=None, headers=None, timeout=DEADLINE_S):
        """Returns (status, parsed JSON or text)."""
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method,
                                         headers=headers or {})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=timeout) as response:
                status, text = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text.decode(errors="replace")

    def status(self):
        return self.call("GET", "/status")[1]

    def link(self, network):
        for link in self.status()["links"]:
            if link["network_id"] == network:
                return link
        return None

    def wait_linked(self, network, deadline_s=DEADLINE_S):
        return wait_until(lambda: (self.link(network) or {}).get("state") == "up",
                          lambda: f"link to {network}\n{self.status()['links']}\n{self.log()}",
                          deadline_s)

    def send(self, actor, port, message):
        status, body = self.call("POST", f"/actors/{actor}/send", {"port": port, "message": message})
        assert status == 202, (status, body)

    def request(self, actor, port, message, timeout_ms=5000):
        return self.call("POST", f"/actors/{actor}/request",
                         {"port": port, "message": message, "timeout_ms": timeout_ms})

    def rss_kib(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
        return 0

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.close()

    def stop(self, deadline_s=DEADLINE_S):
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not end within {deadline_s} s of SIGTERM; log:\n{self.log()}")
        return code

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log_file.close()
        self.directory.cleanup()


class NodeTest(unittest.TestCase):
    """Nodes started with self.node() end with the test, and must not have left a sanitizer report."""

    def node(self, config=None, arguments=(), environment=None):
        node = Node(config, arguments, environment)
        self.addCleanup(node.close)
        return node

    def ctl(self, *arguments, url=None, timeout=60, cwd=None):
        command = [str(BIN / "reflowctl")]
        if url:
            command += ["--url", url]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("REFLOW_")}
        return subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True,
                              timeout=timeout, env=environment, cwd=cwd)


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory(prefix="reflow-e2e-") as name:
        yield pathlib.Path(name)


def main():
    """Run the tests of the calling module; the last line is `N passed, N failed, N skipped`."""
    program = unittest.main(module="__main__", exit=False, verbosity=1)
    result = program.result
    failed = len(result.failures) + len(result.errors)
    skipped = len(result.skipped)
    for _, reason in result.skipped:
        print("skipped:", reason)
    print(f"{result.testsRun - failed - skipped} passed, {failed} failed, {skipped} skipped")
    raise SystemExit(1 if failed else 0)
