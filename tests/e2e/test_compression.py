#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compression between two nodes: over a narrow path a text crosses in fewer bytes, and what cannot be compressed
crosses as it is; a wide path, and a peer that does not want it, see no compression at all."""
import os
import random
import socket
import time

from support import NodeTest, folder, main, wait_until
from test_links import Forwarder, graph_file

class NarrowPath(Forwarder):
    """A relay that passes so many bytes a second each way and keeps few of its own, as a slow line does."""
    chunk_bytes = 4096

    def __init__(self, port, bytes_per_s):
        self.bytes_per_s = bytes_per_s
        self.crossed = 0  # from the dialling side
        self.due = {True: 0, False: 0}
        super().__init__(port)
        self.server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)

    def passed(self, chunk, is_from_dialler):
        if is_from_dialler:
            self.crossed += len(chunk)
        due = max(self.due[is_from_dialler], time.monotonic() - 0.01) + len(chunk) / self.bytes_per_s
        self.due[is_from_dialler] = due
        time.sleep(max(0, due - time.monotonic()))  # that is what makes it narrow


def write_text(path, size):
    """Lines such as a log has."""
    chance = random.Random(7)
    words = ["reading", "valve", "pressure", "open", "closed", "sensor", "ok", "late"]
    with open(path, "w") as file:
        left = size
        while left > 0:
            line = f"{chance.randrange(100000)} {' '.join(chance.choice(words) for _ in range(8))}\n"
            left -= file.write(line[:left])


class Compression(NodeTest):
    def transfer(self, directory, text, scheme="tcp", bytes_per_s=2_000_000, chunk=65536, cuts=0, source=None,
                 sink=None):
        """Send a file in chunks through a narrow path; returns the path and the link as both ends see it."""
        out = directory / "out"
        quick = {"reconnect_min_ms": 10, "reconnect_max_ms": 100, "compression": "on"}
        there = self.node({**quick, "network_id": "sink", **(sink or {}), "graphs": [
            graph_file(directory, "sink", {
                "file": {"component": "tpl_file_writer", "metadata": {"path": str(out), "newline": False}}})]})
        narrow = NarrowPath(there.port, bytes_per_s)
        self.addCleanup(narrow.close)
        here = self.node({**quick, "network_id": "source", "connect": [f"{scheme}://127.0.0.1:{narrow.port}"],
                          **(source or {}), "graphs": [graph_file(directory, "source", {
                              "reader": {"component": "tpl_file_reader",
                                         "metadata": {"mode": "chunks", "chunk_bytes": chunk}},
                              "far": {"component": "file@sink"}}, [("reader.output", "far.input")])]})
        here.wait_linked("sink")
        size = text.stat().st_size
        here.send("reader", "path", str(text))
        for i in range(cuts):
            wait_until(lambda: out.exists() and out.stat().st_size > size * (i + 1) // (cuts + 2), "progress")
            self.assertEqual(narrow.cut(), 1)
            here.wait_linked("sink")
        wait_until(lambda: out.exists() and out.stat().st_size >= size,
                   lambda: f"all of it\n{here.link('sink')}\n{there.link('source')}")
        self.assertEqual(out.read_bytes(), text.read_bytes())
        return narrow, here.link("sink"), there.link("source")

    def check_text(self, scheme, chunk):
        with folder() as directory:
            text = directory / "text"
            write_text(text, 6 << 20)
            narrow, here, there = self.transfer(directory, text, scheme, chunk=chunk)
            self.assertEqual((here["compression"], there["compression"]), ("zstd", "zstd"))
            self.assertLess(narrow.crossed, text.stat().st_size * 0.6, here)
            sent, received = here["compressed"], there["compressed"]
            self.assertGreater(sent["sent_plain_bytes"], text.stat().st_size // 2)
            self.assertLess(sent["sent_bytes"], sent["sent_plain_bytes"] // 2)
            self.assertEqual(sent["sent_plain_bytes"], received["received_plain_bytes"])
            self.assertEqual(sent["sent_bytes"], received["received_bytes"])

    def test_small_messages_of_a_text_over_tcp(self):
        self.check_text("tcp", 1000)

    def test_messages_that_are_written_from_where_they_lie(self):
        self.check_text("tcp", 1 << 20)

    def test_large_messages_over_websocket(self):
        self.check_text("ws", 1 << 20)

    def test_random_bytes_go_as_they_are(self):
        with folder() as directory:
            noise = directory / "noise"
            noise.write_bytes(os.urandom(4 << 20))
            narrow, here, _ = self.transfer(directory, noise)
            self.assertEqual(here["compression"], "zstd")
            self.assertEqual(here["compressed"]["sent_plain_bytes"], 0)
            self.assertLess(narrow.crossed, noise.stat().st_size * 1.01)

    def test_resume_after_cuts(self):
        with folder() as directory:
            text = directory / "text"
            write_text(text, 6 << 20)
            _, here, _ = self.transfer(directory, text, cuts=3)
            self.assertGreater(here["sessions"], 3)
            self.assertGreater(here["compressed"]["sent_plain_bytes"], 0)

    def test_only_where_both_want_it(self):
        for source, sink in (({"compression": "off"}, {}), ({}, {"compression": "off"}),
                             ({"compression": "auto"}, {})):  # which leaves loopback out
            with self.subTest(source=source, sink=sink), folder() as directory:
                text = directory / "text"
                write_text(text, 1 << 20)
                _, here, there = self.transfer(directory, text, source=source, sink=sink)
                self.assertEqual((here["compression"], there["compression"]), (None, None))
                self.assertEqual(set(here["compressed"].values()), {0})


if __name__ == "__main__":
    main()
