#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What README.md and docs/http.md show is true: the C example is the one that is compiled, and the curl lines work."""
import os
import re
import signal
import socket
import subprocess
import tempfile
import unittest

from support import BIN, ROOT, main, wait_until

README = (ROOT / "README.md").read_text()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def is_listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Readme(unittest.TestCase):
    def test_c_example_is_in_the_compiled_program(self):
        shown = re.search(r"```c\n(.*?)```", README, re.S).group(1)
        self.assertIn(shown, (ROOT / "examples" / "hello.c").read_text())
        result = subprocess.run([BIN / "example_hello"], capture_output=True, text=True, timeout=30)
        self.assertEqual(result.stdout, "hello!\n")

    def test_every_curl_line_of_the_http_page(self):
        page = (ROOT / "docs" / "http.md").read_text()
        lines = [line for line in re.findall(r"^    (curl .*)$", page, re.M) if "node.example" not in line]
        self.assertGreater(len(lines), 15)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("REFLOW_")}
        with tempfile.TemporaryDirectory() as directory:
            demo = subprocess.run([BIN / "reflowctl", "demo", ROOT / "README.md", "--keep", "--out",
                                   f"{directory}/counts.json"], env=environment, timeout=120,
                                  capture_output=True, text=True)
        self.assertEqual(demo.returncode, 0, demo.stderr)
        pids = re.search(r"kill ([\d ]+)", demo.stdout).group(1).split()
        try:
            urls = re.findall(r"^ +(http://\S+)/health", demo.stdout, re.M)
            variables = dict(zip("RCB", urls))
            for line in lines:
                command = re.sub("^curl (-f )?", "curl -sS --fail-with-body ", line)
                result = subprocess.run(["bash", "-c", command],
                                        env={**environment, **variables}, cwd=ROOT, timeout=60,
                                        capture_output=True, text=True)
                self.assertEqual(result.returncode, 0, (line, result.stdout, result.stderr))
                self.assertIn(result.stdout[:1], ("{", "["), line)
        finally:
            for pid in pids:
                os.kill(int(pid), signal.SIGTERM)

    def test_two_nodes_and_curl(self):
        block = next(b for b in re.findall(r"```sh\n(.*?)```", README, re.S) if "curl" in b)
        ports = {"7001": str(free_port()), "7002": str(free_port())}
        for shown, used in ports.items():
            block = block.replace(shown, used)
        starts = [line for line in block.splitlines() if line.startswith("reflowd")]
        rest = block[block.index("# give"):]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("REFLOW_")}
        environment["PATH"] = f"{BIN}:{environment['PATH']}"
        nodes = []
        try:
            for line in starts:
                words = line.split("&")[0].split()
                nodes.append(subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL,
                                              stderr=subprocess.DEVNULL))
            for port in ports.values():
                wait_until(lambda: is_listening(int(port)), f"port {port}")
            result = subprocess.run(["bash", "-e", "-c", rest], env=environment, timeout=60,
                                    capture_output=True, text=True)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn('"answer":"HELLO"', result.stdout.replace(" ", ""))
            self.assertIn('"healthy"', result.stdout)
            self.assertIn("there", result.stdout)
        finally:
            for node in nodes:
                node.terminate()
            for node in nodes:
                node.wait(30)


if __name__ == "__main__":
    main()
