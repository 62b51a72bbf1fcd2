#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The one port: WebSocket, native TCP and HTTP side by side, bad bytes, limits, admin rules. The WebSocket
client is python3-websockets, which acts as a Rust peer; the HTTP client is curl."""
import asyncio
import json
import re
import socket
import subprocess
import time
import uuid

import websockets

from support import NodeTest, main, wait_until

TIMESTAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6}|\.\d{9})?Z$")


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + ".123456789Z"


def handshake(network="peer", token=None):
    return json.dumps({"network_id": network, "instance_id": network + "-1",
                       "protocol_version": "1.0", "auth_token": token,
                       "capabilities": ["actor_messaging"]}, separators=(",", ":"))


def remote_message(target, payload, source="peer", actor="echo", port="in"):
    return json.dumps({"message_id": str(uuid.uuid4()), "source_network": source,
                       "source_actor": "", "target_network": target, "target_actor": actor,
                       "target_port": port, "payload": payload, "timestamp": now()})


async def next_frame(ws, wanted, deadline_s=10):
    """The next text frame for which `wanted` is true; heartbeats and the like are passed over."""
    end = asyncio.get_running_loop().time() + deadline_s
    while True:
        text = await asyncio.wait_for(ws.recv(), end - asyncio.get_running_loop().time())
        frame = json.loads(text)
        if wanted(frame):
            return frame


GRAPH = {"processes": {"echo": {"component": "tpl_echo"},
                       "out": {"component": "recorder@peer"}},
         "connections": [{"src": {"process": "echo", "port": "out"},
                          "tgt": {"process": "out", "port": "in"}}]}

KINDS = [{"type": "Flow"}, {"type": "Event", "data": {"data": [123, 125]}},
         {"type": "Boolean", "data": True}, {"type": "Integer", "data": -9007199254740993},
         {"type": "Float", "data": 1.0}, {"type": "Float", "data": 0.1},
         {"type": "String", "data": "h\u00e9llo \"world\"\n\u0001\U0001F600"},
         {"type": "Object", "data": {"data": list(b'{"k":1}')}},
         {"type": "Array", "data": [{"data": [49]}, {"data": [34, 97, 34]}]},
         {"type": "Bytes", "data": [0, 1, 127, 128, 255]}, {"type": "Optional", "data": None},
         {"type": "Optional", "data": {"data": [49]}}, {"type": "Any", "data": {"data": [50]}},
         {"type": "Error", "data": "went wrong"},
         {"type": "RemoteReference", "data": {"network_id": "n", "actor_id": "a", "port": "p"}},
         {"type": "NetworkEvent", "data": {"event_type": "ActorRegistered",
                                           "data": {"data": [123, 125]}}},
         {"type": "StreamHandle", "data": {"stream_id": 7, "origin_actor": "a", "origin_port": "o",
                                           "content_type": None, "size_hint": 9}}]


class RustWire(NodeTest):
    def start(self, **config):
        import pathlib
        node = self.node({"network_id": "c", "heartbeat_interval_ms": 1000, **config})
        path = pathlib.Path(node.directory.name) / "graph.json"
        path.write_text(json.dumps(GRAPH))
        status, body = node.call("POST", "/graphs", path.read_bytes())
        self.assertIn(status, (200, 201), body)
        return node

    def test_handshake_to_the_byte_and_every_kind_unchanged(self):
        node = self.start()
        instance = node.status()["instance_id"]

        async def talk():
            async with websockets.connect(f"ws://{node.address}") as ws:
                await ws.send(handshake())
                self.assertEqual(await ws.recv(), json.dumps(
                    {"success": True, "network_id": "c", "instance_id": instance, "error": None},
                    separators=(",", ":")))
                for payload in KINDS:
                    await ws.send(remote_message("c", payload))
                    frame = await next_frame(ws, lambda f: "message_id" in f)
                    self.assertEqual(list(frame), ["message_id", "source_network", "source_actor",
                                                   "target_network", "target_actor", "target_port",
                                                   "payload", "timestamp"])
                    self.assertEqual(frame["payload"], payload)
                    self.assertEqual((frame["source_network"], frame["target_network"],
                                      frame["target_actor"], frame["target_port"]),
                                     ("c", "peer", "recorder", "in"))
                    self.assertRegex(frame["timestamp"], TIMESTAMP)
                    self.assertEqual(uuid.UUID(frame["message_id"]).version, 4)

        asyncio.run(talk())

    def test_heartbeats_and_true_actor_list(self):
        node = self.start()

        async def talk():
            async with websockets.connect(f"ws://{node.address}") as ws:
                await ws.send(handshake())
                await ws.recv()
                beat = await next_frame(ws, lambda f: set(f) == {"network_id", "timestamp"})
                self.assertEqual(beat["network_id"], "c")
                await ws.send(json.dumps({"request_id": "r1", "requesting_network": "peer"}))
                answer = await next_frame(ws, lambda f: "actors" in f)
                self.assertEqual(answer, {"request_id": "r1", "network_id": "c", "actors": [
                    {"actor_id": "echo", "capabilities": ["actor_messaging"], "description": None}]})

        asyncio.run(talk())

    def test_quirks_do_not_hurt(self):
        node = self.start()

        async def talk():
            async with websockets.connect(f"ws://{node.address}") as ws:
                await ws.send(handshake())
                await ws.recv()
                for text in ("not json", "[1,2]", '["x","2026-01-01T00:00:00Z"]', "{}", handshake(),
                             remote_message("c", {"type": "Nope", "data": 1}),
                             remote_message("c", {"type": "Integer", "data": 5.0}),
                             remote_message("c", {"type": "Flow"}, actor="nobody"),
                             '{"network_id":"x","network_id":"x","timestamp":"2026-01-01T00:00:00Z"}'):
                    await ws.send(text)
                await ws.send(b"binary is ignored")
                await ws.send(remote_message("c", {"type": "Integer", "data": 42}))
                frame = await next_frame(ws, lambda f: "message_id" in f)
                self.assertEqual(frame["payload"], {"type": "Integer", "data": 42})
                pong = await ws.ping()
                await asyncio.wait_for(pong, 5)

        asyncio.run(talk())

    def test_token(self):
        node = self.start(auth_token="the-right-secret-token")

        async def talk(token):
            async with websockets.connect(f"ws://{node.address}") as ws:
                await ws.send(handshake(token=token))
                return json.loads(await ws.recv())

        for token in (None, "", "the-wrong-secret-token", "the-right-secret-toke"):
            answer = asyncio.run(talk(token))
            self.assertFalse(answer["success"])
            self.assertEqual(answer["error"], "auth_token mismatch")
        self.assertTrue(asyncio.run(talk("the-right-secret-token"))["success"])
        self.assertNotIn("the-right-secret-token", node.log() + json.dumps(node.status()))

    def test_duplicate_network_id(self):
        node = self.start()

        async def talk():
            async with websockets.connect(f"ws://{node.address}") as first:
                await first.send(handshake())
                await first.recv()
                async with websockets.connect(f"ws://{node.address}") as second:
                    await second.send(handshake())
                    answer = json.loads(await asyncio.wait_for(second.recv(), 10))
                    self.assertFalse(answer["success"])
                    self.assertIn("duplicate_network_id", answer["error"])
                await first.send(remote_message("c", {"type": "Integer", "data": 1}))
                frame = await next_frame(first, lambda f: "message_id" in f)
                self.assertEqual(frame["payload"]["data"], 1)

        asyncio.run(talk())

    def test_max_connections(self):
        node = self.start(max_connections=1)

        async def talk():
            async with websockets.connect(f"ws://{node.address}") as first:
                await first.send(handshake("p1"))
                self.assertTrue(json.loads(await first.recv())["success"])
                async with websockets.connect(f"ws://{node.address}") as second:
                    await second.send(handshake("p2"))
                    answer = json.loads(await second.recv())
                    self.assertFalse(answer["success"])
                    self.assertIn("max_connections", answer["error"])

        asyncio.run(talk())


class Http(NodeTest):
    def curl(self, *arguments):
        return subprocess.run(["curl", "-sS", "--max-time", "10", "--noproxy", "*", *arguments],
                              capture_output=True, text=True)

    def test_curl_beside_websocket(self):
        node = self.node({"network_id": "c"})

        async def talk():
            async with websockets.connect(f"ws://{node.address}") as ws:
                await ws.send(handshake())
                self.assertTrue(json.loads(await ws.recv())["success"])
                for path in ("/health", "/ready", "/status"):
                    result = await asyncio.to_thread(self.curl, "-f", node.url + path)
                    self.assertEqual(result.returncode, 0, result.stderr)
                    json.loads(result.stdout)
                self.assertEqual(json.loads((await asyncio.to_thread(
                    self.curl, node.url + "/health")).stdout)["status"], "healthy")

        asyncio.run(talk())

    def test_admin_rules(self):
        node = self.node({"network_id": "c", "admin_token": "an-admin-token-of-32-bytes-here!"})
        node.call("POST", "/graphs", GRAPH)
        body = {"port": "in", "message": 1}
        self.assertEqual(node.call("POST", "/actors/echo/send", body)[0], 202)
        foreign = {"Origin": "http://evil.example"}
        self.assertIn(node.call("POST", "/actors/echo/send", body, foreign)[0], (401, 403))
        self.assertIn(node.call("POST", "/actors/echo/send", body,
                                {**foreign, "Authorization": "Bearer wrong"})[0], (401, 403))
        self.assertEqual(node.call("POST", "/actors/echo/send", body, {
            **foreign, "Authorization": "Bearer an-admin-token-of-32-bytes-here!"})[0], 202)

    def test_registry_shapes(self):
        node = self.node({"network_id": "reg", "registry": True, "registry_ttl_ms": 60000})
        entry = {"network_id": "alpha", "instance_id": "alpha-1", "endpoint": "0.0.0.0:9100",
                 "capabilities": ["actor_messaging"]}
        for instance in ("alpha-1", "alpha-2"):
            status, _ = node.call("POST", "/register", {**entry, "instance_id": instance})
            self.assertEqual(status, 200)
        found = [n for n in node.call("GET", "/networks")[1] if n["network_id"] == "alpha"]
        self.assertEqual([n["instance_id"] for n in found], ["alpha-1", "alpha-2"])
        for network in found:
            self.assertEqual(network["endpoint"], "127.0.0.1:9100")
            self.assertEqual(network["capabilities"], ["actor_messaging"])
            self.assertRegex(network["last_seen"], TIMESTAMP)
        self.assertEqual(node.call("DELETE", "/networks/alpha?instance_id=alpha-1")[0] // 100, 2)
        self.assertEqual(node.call("DELETE", "/networks/alpha")[0] // 100, 2)
        self.assertEqual(node.call("DELETE", "/networks/alpha")[0], 404)
        for bad in (b"", b"{", b"[]", b'{"network_id":1}', b'{"network_id":"a"}'):
            self.assertEqual(node.call("POST", "/register", bad)[0], 400, bad)

    def test_errors(self):
        node = self.node()
        self.assertEqual(node.call("GET", "/nope")[0], 404)
        self.assertEqual(node.call("DELETE", "/health")[0], 405)
        status, body = node.call("POST", "/actors/nobody/send", {"port": "in", "message": 1})
        self.assertEqual((status, body["error"]["code"]), (404, "RF_ENOACTOR"))
        self.assertEqual(node.call("POST", "/actors/nobody/send", b'{"port":')[0], 400)


class BadBytes(NodeTest):
    def test_nothing_disturbs_the_others(self):
        node = self.node({"network_id": "c", "handshake_timeout_ms": 500})
        node.call("POST", "/graphs", GRAPH)
        upgrade = (b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        attacks = [b"\x16\x03\x01\x02\x00\x01\x00", b"\0" * 64, b"SSH-2.0-x\r\n", b"GET",
                   b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 4000, b"RFLOW/2\n", b"RFLOW/1\n\xff\xff\xff\xff",
                   b"RFLOW/1\n" + b"\x10\0\0\0\x02" + b"x" * 15,
                   upgrade + b"\x81\x05hello", upgrade + b"\xc1\x80\0\0\0\0",
                   upgrade + b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",
                   upgrade + b"\x89\xfe\x00\x7e\0\0\0\0", upgrade, b""]

        async def talk():
            async with websockets.connect(f"ws://{node.address}") as ws:
                await ws.send(handshake())
                await ws.recv()
                sockets = []
                for attack in attacks:
                    sock = socket.create_connection(("127.0.0.1", node.port))
                    sock.sendall(attack)
                    sockets.append(sock)
                for i in range(100):
                    await ws.send(remote_message("c", {"type": "Integer", "data": i}))
                    frame = await next_frame(ws, lambda f: "message_id" in f)
                    self.assertEqual(frame["payload"]["data"], i)
                for attack, sock in zip(attacks, sockets):
                    sock.settimeout(10)
                    try:
                        while sock.recv(65536):
                            pass
                    except ConnectionResetError:
                        pass
                    except socket.timeout:
                        self.fail(f"still open: {attack[:40]!r}")
                    sock.close()

        asyncio.run(talk())
        self.assertEqual(node.call("GET", "/health")[0], 200)
        self.assertEqual(node.stop(), 0)


if __name__ == "__main__":
    main()
