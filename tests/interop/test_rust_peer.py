#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Against a real node of the Rust Reflow (crate reflow_network 0.2.1). Needs cargo; skipped without it. The
program in rust-peer/ is built into REFLOW_RUST_TARGET (default build/rust-peer)."""
import json
import os
import pathlib
import select
import shutil
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from support import DEADLINE_S, ROOT, NodeTest, main, wait_until  # noqa: E402

HEARTBEAT_MS = 300
TARGET = pathlib.Path(os.environ.get("REFLOW_RUST_TARGET", ROOT / "build" / "rust-peer"))
PROGRAM = TARGET / "release" / "rust-peer"

# Every kind that can cross the wire, as the Rust node writes it.
KINDS = [{"type": "Flow"}, {"type": "Event", "data": {"data": list(b'{"what":"happened"}')}},
         {"type": "Boolean", "data": True}, {"type": "Integer", "data": -9007199254740993},
         {"type": "Float", "data": 1.0}, {"type": "Float", "data": 0.1},
         {"type": "Float", "data": 1e300}, {"type": "String", "data": "h\u00e9llo \"w\"\n\u0001\U0001F600"},
         {"type": "Object", "data": {"data": list(b'{"k":1,"n":{"a":[1,2.5,null]}}')}},
         {"type": "Array", "data": [{"data": [49]}, {"data": list(b'"a"')}]},
         {"type": "Array", "data": []}, {"type": "Bytes", "data": [0, 1, 127, 128, 255]},
         {"type": "Bytes", "data": []}, {"type": "Optional", "data": None},
         {"type": "Optional", "data": {"data": list(b'"maybe"')}},
         {"type": "Any", "data": {"data": [50]}}, {"type": "Error", "data": "went wrong"},
         {"type": "RemoteReference", "data": {"network_id": "n", "actor_id": "a", "port": "p"}},
         {"type": "NetworkEvent", "data": {"event_type": "ActorRegistered",
                                           "data": {"data": list(b'{"id":1}')}}},
         {"type": "StreamHandle", "data": {"stream_id": 7, "origin_actor": "a", "origin_port": "o",
                                           "content_type": None, "size_hint": 9}}]

GRAPH = {"processes": {"echo": {"component": "tpl_echo"}, "sink": {"component": "tpl_passthrough"},
                       "back": {"component": "recorder@rust"}},
         "connections": [{"src": {"process": "echo", "port": "out"},
                          "tgt": {"process": "back", "port": "in"}}]}


def build():
    """None when the program is there, else why not."""
    if shutil.which("cargo") is None:
        return "no cargo here: the tests against a Rust node did not run"
    result = subprocess.run(["cargo", "build", "--release", "--quiet"], capture_output=True, text=True,
                            cwd=pathlib.Path(__file__).parent / "rust-peer",
                            env={**os.environ, "CARGO_TARGET_DIR": str(TARGET)})
    if result.returncode != 0:
        raise SystemExit("the Rust peer does not build:\n" + result.stderr)
    return None


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class RustPeer:
    def __init__(self, port, discovery=None, network="rust"):
        arguments = [PROGRAM, network, str(port), str(HEARTBEAT_MS)] + ([discovery] if discovery else [])
        self.endpoint = f"127.0.0.1:{port}"
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        self.buffer = b""
        self.waiting = []
        self.next(lambda event: event["event"] == "ready")

    def next(self, wanted, deadline_s=DEADLINE_S):
        """The next event for which `wanted` is true; the others are kept for later."""
        for i, event in enumerate(self.waiting):
            if wanted(event):
                return self.waiting.pop(i)
        end = time.monotonic() + deadline_s
        while True:
            while b"\n" in self.buffer:
                line, self.buffer = self.buffer.split(b"\n", 1)
                event = json.loads(line)
                if wanted(event):
                    return event
                self.waiting.append(event)
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise AssertionError(f"the Rust node said nothing fitting within {deadline_s} s; "
                                     f"it said {self.waiting}")
            chunk = os.read(self.process.stdout.fileno(), 65536)
            if not chunk:
                raise AssertionError("the Rust node ended")
            self.buffer += chunk

    def do(self, what, **arguments):
        self.process.stdin.write(json.dumps({"do": what, **arguments}).encode() + b"\n")
        self.process.stdin.flush()
        return self.next(lambda event: event["event"] == "done")

    def message(self):
        return self.next(lambda event: event["event"] == "message")

    def close(self):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


WHY_NOT = build()


@unittest.skipIf(WHY_NOT, WHY_NOT)
class RustInterop(NodeTest):
    def ours(self, **config):
        node = self.node({"network_id": "c", "heartbeat_interval_ms": HEARTBEAT_MS,
                          "reconnect_max_ms": 500, **config})
        status, body = node.call("POST", "/graphs", GRAPH)
        self.assertEqual(status // 100, 2, body)
        return node

    def rust(self, port=None, discovery=None):
        peer = RustPeer(port or free_port(), discovery)
        self.addCleanup(peer.close)
        return peer

    def exchange(self, node, peer, kinds=KINDS):
        """From the Rust node to our echo, and from its wire back to the Rust recorder."""
        for kind in kinds:
            done = peer.do("send", network="c", actor="echo", port="in", message=kind)
            self.assertTrue(done["ok"], done)
            event = peer.message()
            self.assertEqual((event["port"], event["message"]), ("in", kind))

    def test_it_dials_us_and_every_kind_goes_both_ways(self):
        node, peer = self.ours(), self.rust()
        done = peer.do("connect", endpoint=node.address)
        self.assertTrue(done["ok"], done)
        node.wait_linked("rust")
        self.exchange(node, peer)

    def test_we_dial_it(self):
        peer = self.rust()
        node = self.ours(connect=[peer.endpoint])
        node.wait_linked("rust")
        self.exchange(node, peer)
        node.send("recorder@rust", "in", {"k": 1})
        self.assertEqual(peer.message()["message"],
                         {"type": "Object", "data": {"data": list(b'{"k":1}')}})

    def test_it_finds_our_registry_and_we_find_it_there(self):
        registry = self.node({"network_id": "registry", "registry": True})
        peer = self.rust(discovery=registry.url)
        # Not dialled by address: the proxy `recorder@rust` makes our node look it up.
        node = self.ours(discovery_endpoints=[registry.url], discovery_refresh_ms=500)
        node.wait_linked("rust")
        networks = peer.do("networks")
        self.assertTrue(networks["ok"], networks)
        found = {network["network_id"]: network for network in networks["value"]}
        self.assertEqual(found["c"]["endpoint"], node.address)
        self.assertEqual(found["rust"]["endpoint"], peer.endpoint)
        self.exchange(node, peer, KINDS[:3])

    def test_both_ask_for_actors(self):
        node, peer = self.ours(), self.rust()
        peer.do("connect", endpoint=node.address)
        node.wait_linked("rust")
        actors = peer.do("actors", network="c")
        self.assertTrue(actors["ok"], actors)
        self.assertEqual(actors["value"], [
            {"actor_id": name, "capabilities": ["actor_messaging"], "description": None}
            for name in ("echo", "sink")])
        status, body = node.call("GET", "/networks/rust/actors")
        self.assertEqual(status, 200, body)
        self.assertEqual(body["actors"], ["recorder"])

    def test_ten_heartbeat_intervals_without_traffic(self):
        for dialled_by_us in (False, True):
            peer = self.rust()
            node = self.ours(connect=[peer.endpoint] if dialled_by_us else [])
            if not dialled_by_us:
                peer.do("connect", endpoint=node.address)
            node.wait_linked("rust")
            before = node.link("rust")
            end = time.monotonic() + 10 * HEARTBEAT_MS / 1000
            while time.monotonic() < end:
                self.assertEqual(node.link("rust")["state"], "up")
                select.select([], [], [], HEARTBEAT_MS / 1000)
            self.assertEqual(node.link("rust")["since"], before["since"], "the link was made anew")
            self.exchange(node, peer, KINDS[:2])
            node.close()
            peer.close()

    def test_it_survives_our_restart(self):
        peer = self.rust()
        port = free_port()
        for _ in range(2):
            node = self.ours(bind_port=port, connect=[peer.endpoint])
            node.wait_linked("rust")
            self.exchange(node, peer, KINDS[:3])
            node.kill()

    def test_we_survive_its_restart(self):
        port = free_port()
        peer = self.rust(port)
        node = self.ours(connect=[peer.endpoint])
        node.wait_linked("rust")
        self.exchange(node, peer, KINDS[:2])
        peer.close()
        wait_until(lambda: node.link("rust")["state"] != "up", "the loss is seen")
        peer = self.rust(port)
        node.wait_linked("rust")
        self.exchange(node, peer, KINDS[:2])


if __name__ == "__main__":
    main()
