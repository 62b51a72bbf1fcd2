#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The main job: `reflowctl demo` counts words exactly as tr, sort and uniq do, with flat memory."""
import collections
import json
import os
import pathlib
import random
import signal
import subprocess
import threading
import time
import unittest
import urllib.request

from support import BIN, ROOT, NodeTest, folder, main, wait_until

LICENSE = pathlib.Path("/usr/share/common-licenses/GPL-3")
RSS_MAX_KIB = 64 * 1024
SPACE = b" \t\n\v\f\r"


def true_counts(path):
    """The counts of `tr -s '[:space:]' '\\n' <FILE | sort | uniq -c`."""
    counts = collections.Counter()
    rest = b""
    with open(path, "rb") as stream:
        while chunk := stream.read(1 << 20):
            chunk = rest + chunk
            words = chunk.translate(bytes.maketrans(SPACE, b"\n" * len(SPACE))).split(b"\n")
            rest = words.pop()
            counts.update(word for word in words if word)
    if rest:
        counts[rest] += 1
    return {word.decode(): count for word, count in counts.items()}


def children_of(pid):
    """The pids of the nodes that a demo started, by name of their configuration."""
    found = {}
    for directory in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if f"\nPPid:\t{pid}\n" not in (directory / "status").read_text():
                continue
            words = (directory / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"--config" in words:
            config = words[words.index(b"--config") + 1].decode()
            found[pathlib.Path(config).stem] = (int(directory.name), [w.decode() for w in words if w])
    return found


def peak_rss_kib(pid):
    try:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


class WordCount(NodeTest):
    def demo(self, path, directory, *extra):
        """Run the demo; returns its result and the highest peak of resident memory of each node."""
        out = directory / "counts.json"
        process = subprocess.Popen([BIN / "reflowctl", "demo", path, "--out", out, *extra],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        peaks = collections.Counter()
        done = threading.Event()

        def watch():
            while not done.wait(0.05):
                for name, (pid, _) in children_of(process.pid).items():
                    peaks[name] = max(peaks[name], peak_rss_kib(pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            stdout, stderr = process.communicate(timeout=300)
        finally:
            done.set()
            watcher.join()
            if process.poll() is None:
                process.kill()
                process.wait()
        return process.returncode, stdout, stderr, out, peaks

    def check_counts(self, path):
        with folder() as directory:
            code, stdout, stderr, out, peaks = self.demo(path, directory)
            self.assertEqual(code, 0, stdout + stderr)
            text = out.read_text(encoding="utf-8")
            counts = json.loads(text, object_pairs_hook=self.no_duplicates)
            self.assertEqual(counts, true_counts(path))
            for name, peak in peaks.items():
                self.assertLess(peak, RSS_MAX_KIB, f"resident memory of {name}")
            return stdout, peaks

    def no_duplicates(self, pairs):
        self.assertEqual(len(pairs), len(dict(pairs)), "a word stands twice in the counts")
        return dict(pairs)

    @unittest.skipUnless(LICENSE.exists(), "no common-licenses here")
    def test_default_file_and_output(self):
        with folder() as directory:
            result = self.ctl("demo", cwd=directory, timeout=120)
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
            counts = json.loads((directory / "wordcount.json").read_text())
            self.assertEqual(counts, true_counts(LICENSE))
            self.assertIn("/health", result.stdout)
            self.assertIn("/status", result.stdout)
            self.assertIn("words/s", result.stdout)
            self.assertIn("messages/s", result.stdout)
            top = max(counts, key=lambda word: (counts[word], word))
            self.assertIn(top, result.stdout)

    def test_awkward_text(self):
        words = ["a", "A", "ä", "日本語", "\U0001F600", "x" * 70000, "\"quoted\\", "nul\0inside",
                 "\u2028", "\u00a0", "tab", "emoji\u200d", "{}", "\x01\x1f"]
        random.seed(7)
        text = "".join(random.choice(words) + random.choice([" ", "\t", "\n", "\v\f\r", "  "])
                       for _ in range(20000))
        with folder() as directory:
            path = directory / "awkward.txt"
            path.write_bytes(b"  \n" + text.encode() + b"last")
            self.check_counts(path)

    def test_one_line_of_10_mb(self):
        with folder() as directory:
            path = directory / "line.txt"
            path.write_bytes(b" ".join(b"word%d" % (i % 5000) for i in range(1100000)))
            self.assertGreater(path.stat().st_size, 9_000_000)
            self.check_counts(path)

    def test_one_word_of_10_mb(self):
        with folder() as directory:
            path = directory / "word.txt"
            path.write_bytes(b"before " + b"x" * 10_000_000 + b" after")
            self.check_counts(path)

    def test_100_mb(self):
        with folder() as directory:
            path = directory / "large.txt"
            block = LICENSE.read_bytes() if LICENSE.exists() else b"some words to count \n" * 1700
            with open(path, "wb") as stream:
                size = 0
                while size < 100_000_000:
                    size += stream.write(block)
            stdout, peaks = self.check_counts(path)
            print(stdout.strip().splitlines()[-2:], dict(peaks))

    def test_bad_files(self):
        with folder() as directory:
            empty = directory / "empty"
            empty.touch()
            blank = directory / "blank"
            blank.write_text(" \n\t ")
            for path, word in [(directory / "missing", "no such file"), (directory, "folder"),
                               (empty, "empty"), (blank, "white space")]:
                result = self.ctl("demo", path, "--out", directory / "out.json")
                self.assertEqual(result.returncode, 1, path)
                self.assertIn(word, result.stderr)
                self.assertFalse((directory / "out.json").exists())

    def test_bytes_that_are_not_utf8(self):
        with folder() as directory:
            path = directory / "latin1"
            path.write_bytes(b"caf\xe9 ok ok")
            code, stdout, stderr, out, _ = self.demo(path, directory)
            self.assertEqual(code, 0, stdout + stderr)
            self.assertIn("not UTF-8", stderr)
            self.assertEqual(json.loads(out.read_text(encoding="utf-8")), {"caf\ufffd": 1, "ok": 2})

    def test_usage(self):
        for arguments in (["demo", "--nope"], ["demo", "a", "b"], ["demo", "a", "--out"],
                          ["demo", "a", "--out", ""]):
            self.assertEqual(self.ctl(*arguments).returncode, 2)

    def test_bad_places_for_the_counts(self):
        with folder() as directory:
            path = directory / "text"
            path.write_text("one two")
            (directory / "link").symlink_to(path)
            for out, word in [(directory, "is a folder"), (directory / "no" / "x", "not there"),
                              (path, "is the file to count"),
                              (directory / "link", "is the file to count"),
                              (directory / ("n" * 255), "too long")]:
                result = self.ctl("demo", path, "--out", out)
                self.assertEqual(result.returncode, 1, out)
                self.assertIn(word, result.stderr)
                self.assertNotIn("incomplete", result.stderr)
                self.assertEqual(path.read_text(), "one two")

    def test_a_pipe_is_refused_at_once(self):
        with folder() as directory:
            path = directory / "pipe"
            os.mkfifo(path)
            result = self.ctl("demo", path, "--out", directory / "out.json", timeout=10)
            self.assertEqual(result.returncode, 1)
            self.assertIn("not a regular file", result.stderr)

    def test_ctrl_c_leaves_no_process(self):
        with folder() as directory:
            path = directory / "text"
            path.write_bytes(b"one two three four five six seven eight nine ten\n" * 2_000_000)
            process = subprocess.Popen([BIN / "reflowctl", "demo", path, "--out", directory / "out"],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                       start_new_session=True, env={**os.environ,
                                                                    "TMPDIR": str(directory)})
            try:
                while "wires" not in process.stdout.readline():
                    pass
                nodes = children_of(process.pid)
                self.assertEqual(len(nodes), 3)
                os.killpg(process.pid, signal.SIGINT)  # what a terminal does
                _, stderr = process.communicate(timeout=60)
            finally:
                if process.poll() is None:
                    process.kill()
                    process.communicate()
            self.assertEqual(process.returncode, 1, stderr)
            self.assertIn("interrupted", stderr)
            for pid, _ in nodes.values():
                self.assertFalse(pathlib.Path(f"/proc/{pid}").exists())
            logs = "".join(log.read_text() for log in directory.glob("reflow-demo-*/*.log"))
            self.assertEqual(logs, "", "logs of an interrupted demo are removed")
            self.assertFalse((directory / "out").exists())

    def test_keep_says_how_to_stop_the_nodes(self):
        with folder() as directory:
            path = directory / "text"
            path.write_text("one two one")
            result = self.ctl("demo", path, "--out", directory / "out", "--keep")
            self.assertEqual(result.returncode, 0, result.stderr)
            pids = [int(word) for word in result.stdout.split("kill ")[1].split("\n")[0].split()]
            try:
                self.assertEqual(len(pids), 3)
                for line in result.stdout.splitlines():
                    if "/health" in line:
                        url = line.split()[0]
                        self.assertEqual(json.load(urllib.request.urlopen(url))["status"], "healthy")
                # A file that cannot be read ends the run with the reason, instead of never.
                url = url.removesuffix("/health")
                sent = self.ctl("send", "reader", "path", json.dumps(str(directory / "missing")), url=url)
                self.assertEqual(sent.returncode, 0, sent.stderr)
                wait_until(lambda: "No such file" in self.ctl("request", "report", "wait", "null",
                                                              url=url).stdout,
                           "the failure is reported")
            finally:
                for pid in pids:
                    os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not any(pathlib.Path(f"/proc/{pid}/exe").exists() for pid in pids),
                       "the nodes have ended")

    def test_count_killed_and_started_again(self):
        """The workflow goes on with a new `count`; what was lost is said and counted in /status."""
        with folder() as directory:
            path = directory / "text"
            path.write_bytes(b"one two three four five six seven eight nine ten\n" * 600_000)
            out = directory / "counts.json"
            process = subprocess.Popen([BIN / "reflowctl", "demo", path, "--out", out],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            revived = None
            try:
                nodes = wait_until(lambda: (lambda n: n if len(n) == 3 else None)(
                    children_of(process.pid)), "three nodes")
                lines = []
                while not any("wires" in line for line in lines):
                    lines.append(process.stdout.readline())
                url = next(line.split("/health")[0].strip() for i, line in enumerate(lines)
                           if i > 0 and lines[i - 1].startswith("count"))
                wait_until(lambda: json.load(urllib.request.urlopen(url + "/status"))["network"]
                           ["received"] > 100_000, "count is at work")
                pid, command = nodes["count"]
                os.kill(pid, 9)
                environment = {k: v for k, v in os.environ.items() if not k.startswith("REFLOW_")}
                revived = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                                           stderr=subprocess.DEVNULL, env=environment)
                self.assertTrue(revived.stdout.readline().startswith("ready count "))
                stdout, stderr = process.communicate(timeout=120)
            finally:
                if process.poll() is None:
                    process.kill()
                    process.communicate()
                if revived:
                    revived.terminate()
                    revived.communicate(timeout=30)
            self.assertEqual(process.returncode, 1, stdout + stderr)
            self.assertIn("the counts are incomplete", stderr)
            counts = json.loads(out.read_text())
            total = sum(counts.values())
            self.assertGreater(total, 0)
            self.assertLess(total, 6_000_000)


if __name__ == "__main__":
    main()
