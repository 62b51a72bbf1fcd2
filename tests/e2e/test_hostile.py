#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hostile input from outside, while two good nodes exchange messages: nothing may disturb them, nothing may stay
behind. The client is raw sockets; frames of both wires are written by hand, right and wrong."""
import collections
import json
import os
import random
import re
import socket
import struct
import threading
import time

from support import NodeTest, folder, main, wait_until
from test_links import graph_file

UPGRADE = (b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
TOKEN = "an-admin-token-of-32-bytes-here!"
SECRET = "the-link-secret-of-this-test-run"
MASK = b"\1\2\3\4"
QUICK = {"handshake_timeout_ms": 1000, "http_idle_timeout_ms": 1000, "heartbeat_interval_ms": 300,
         "reconnect_max_ms": 100}


def ws_frame(opcode, payload, is_last=True, is_masked=True, reserved=0, size=None):
    """A frame of a client; `size` may lie."""
    size = len(payload) if size is None else size
    head = bytes([(0x80 if is_last else 0) | reserved << 4 | opcode])
    mask = 0x80 if is_masked else 0
    if size < 126:
        head += bytes([mask | size])
    elif size < 65536:
        head += bytes([mask | 126]) + struct.pack(">H", size)
    else:
        head += bytes([mask | 127]) + struct.pack(">Q", size)
    if is_masked:
        head += MASK
        payload = bytes(c ^ MASK[i % 4] for i, c in enumerate(payload))
    return head + payload


def hello(network, **members):
    return json.dumps({"network_id": network, "instance_id": network[:100] + "-1",
                       "protocol_version": "1.0", "auth_token": None,
                       "capabilities": ["actor_messaging"], **members}).encode()


def native_hello(network, **members):
    native = {"version": 1, "incarnation": network.encode().hex().ljust(32, "0")[:32], "boot": 1,
              "cursor": 0, "cursor_of": "0" * 32, "max_message_bytes": 16777216, **members}
    return hello(network, capabilities=["actor_messaging", "reflow.native.1"],
                 reflow_native=native)


def tcp_frame(payload, kind=2):
    return struct.pack("<IB", len(payload) + 1, kind) + payload


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def text(name):
    return varint(len(name)) + name


def record(kind, body):
    return bytes([kind]) + varint(len(body)) + body


def stored(payload):
    """A zstd frame that holds the bytes as they are."""
    block = struct.pack("<I", len(payload) << 3 | 1)[:3]
    return b"\x28\xb5\x2f\xfd\x60" + struct.pack("<H", len(payload) - 256) + block + payload


def repeated(byte, count):
    """A zstd frame of 13 bytes that gives `count` of them."""
    return b"\x28\xb5\x2f\xfd\0\x58" + struct.pack("<I", count << 3 | 3)[:3] + byte


def part(size, zstd, flags=0):
    return bytes([0x81, flags]) + varint(size) + zstd


def native_frame(number, seq, records, ack=0):
    return b"\1" + struct.pack("<IQQ", number, seq, ack) + records


def run(flow, bodies, kind=5, flags=0):
    out = b"\1" + varint(flow) + bytes([kind, flags]) + struct.pack("<H", len(bodies))
    return out + b"".join(varint(len(b)) + b for b in bodies)


SETTINGS = record(2, varint(4096) + varint(1 << 20) + varint(1000))


def open_flow(flow, actor=b"echo", port=b"in", source=b""):
    return record(3, varint(flow) + b"\1" + text(source) + text(actor) + text(port))


def exchange(port, data, deadline_s=5.0, until=None, host="127.0.0.1"):
    """Send, read until the end, or until `until` has come; "open" when neither happened in time."""
    end = time.monotonic() + deadline_s
    out = b""
    with socket.create_connection(("127.0.0.1", port), source_address=(host, 0)) as sock:
        try:
            sock.sendall(data)
            while until is None or until not in out:
                sock.settimeout(max(0.01, end - time.monotonic()))
                chunk = sock.recv(65536)
                if not chunk:
                    return out, "end"
                out += chunk
            return out, "found"
        except socket.timeout:
            return out, "open"
        except OSError:
            return out, "end"


def descriptors(node):
    return len(os.listdir(f"/proc/{node.process.pid}/fd"))


class Hostile(NodeTest):
    """Each test has a good pair, `one` under attack and `two`, whose requests must all be answered."""

    def pair(self, **config):
        directory = self.enterContext(folder()) if hasattr(self, "enterContext") else None
        if directory is None:
            context = folder()
            directory = context.__enter__()
            self.addCleanup(context.__exit__, None, None, None)
        self.one = self.node({"network_id": "one", "graphs": [graph_file(
            directory, "one", {"echo": {"component": "tpl_echo"}})], **QUICK, **config})
        token = {"auth_token": config["auth_token"]} if "auth_token" in config else {}
        self.two = self.node({"network_id": "two", "heartbeat_interval_ms": 300,
                              "connect": [f"ws://{self.one.address}"], **token})
        self.two.wait_linked("one")
        self.ask(0)
        self.baseline = descriptors(self.one)
        self.is_over = threading.Event()
        self.asked, self.trouble = 0, []
        self.asker = threading.Thread(target=self.keep_asking, daemon=True)
        self.asker.start()
        return self.one.port

    def ask(self, number):
        status, body = self.two.request("echo@one", "in", number)
        if (status, body.get("answer")) != (200, number):
            raise AssertionError((status, body))

    def keep_asking(self):
        while not self.is_over.is_set():
            self.asked += 1
            try:
                self.ask(self.asked)
            except Exception as error:  # pylint: disable=broad-except
                self.trouble.append(repr(error))

    def check_undisturbed(self):
        """The pair never noticed, no descriptor stayed open, and the log has no forged line and no report."""
        before = self.asked
        wait_until(lambda: self.asked > before + 2 or self.trouble, "more answers")
        self.is_over.set()
        self.asker.join()
        self.assertEqual(self.trouble, [])
        wait_until(lambda: descriptors(self.one) <= self.baseline + 2,
                   "the descriptors are back at their baseline")
        self.assertEqual(self.one.link("two")["sessions"], 1)
        self.assertEqual((self.two.stop(), self.one.stop()), (0, 0))
        log = self.one.log()  # which leaves out some when there are many
        for line in log.splitlines():
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT[0-9:.]+Z (error|warn|info|debug) [A-Z-]+")
            self.assertNotRegex(line, r"[\x00-\x1f\x7f\u202e]")
        self.assertNotIn("Sanitizer", log)
        self.assertNotIn(TOKEN, log)
        self.assertNotIn(SECRET, log)

    def test_handshakes_of_every_wrong_shape(self):
        port = self.pair(auth_token=SECRET)
        good = hello("stranger", auth_token=SECRET)
        for first in (
                b"", b"hello", b"1", b"null", b"[]", b'["a","b","1.0",null,[],1]',
                b'{"x":' + b"[" * 1900 + b"]" * 1900 + b"}", hello("deep", x=[[[[[[1]]]]]]),
                hello("big", x="a" * 5000), good[:-1] + b',"network_id":"again"}', good + b"x",
                b"\xef\xbb\xbf" + good, hello("q", capabilities="x"), hello("q", capabilities=[1]),
                hello("q", capabilities=["a"] * 65), hello("q", capabilities=["a" * 65]),
                hello("q", instance_id=None), hello("q", protocol_version=1.0),
                hello("q", auth_token=5), hello("q", auth_token="a" * 1025),
                hello("q", auth_token=SECRET + "\0"), hello("a\0b"), hello("a" * 129),
                hello("q", auth_token="x" + SECRET), hello("q", auth_token=SECRET[:-1]),
                hello("q", auth_token=""), hello("q"),
                hello("", auth_token=SECRET), hello("a b", auth_token=SECRET),
                hello("a@b", auth_token=SECRET), hello(".a", auth_token=SECRET),
                hello("a\n2026-01-01T00:00:00Z info FORGED x=\x1b[31m\u202e", auth_token=SECRET),
                hello('a reason="fine" network=two', auth_token=SECRET),
                hello("a" * 10000, auth_token=SECRET), hello("one", auth_token=SECRET),
                hello("two", auth_token=SECRET),
                native_hello("q", cursor=-1), native_hello("q", cursor=1.5),
                native_hello("q", boot=2 ** 64), native_hello("q", incarnation="zz" * 16)):
            answer, _ = exchange(port, UPGRADE + ws_frame(1, first), until=b"\x88")
            self.assertNotIn(b'"success":true', answer, first[:80])
            self.assertIn(b"\x88", answer, first[:80])
            self.assertNotIn(SECRET.encode(), answer)
        answer, _ = exchange(port, UPGRADE + ws_frame(1, hello(
            "forger", auth_token=SECRET, instance_id='x address=9.9.9.9:1 wire=forged "')),
            until=b'"success"')
        self.assertIn(b'"success":true', answer)
        self.assertNotRegex(self.one.log(), 'wire=forged|network=a reason="fine"')
        for first in (native_hello("q"), hello("q", auth_token=SECRET)):
            answer, end = exchange(port, b"RFLOW/1\n" + tcp_frame(first, 1))
            self.assertNotIn(b'"success":true', answer)
            self.assertEqual(end, "end")
        self.assertNotIn(SECRET, json.dumps(self.one.status()))
        self.check_undisturbed()

    def test_websocket_violations_after_the_handshake(self):
        port = self.pair()
        cases = {
            "not masked": ws_frame(1, b"hi", is_masked=False), "reserved": ws_frame(1, b"a", reserved=4),
            "opcode 3": ws_frame(3, b"a"), "opcode 11": ws_frame(11, b""),
            "continues nothing": ws_frame(0, b"x"),
            "text inside": ws_frame(1, b"a", False) + ws_frame(1, b"b"),
            "control in parts": ws_frame(9, b"a", False), "control of 126": ws_frame(9, b"a" * 126),
            "64 bits": ws_frame(2, b"", size=1 << 63), "huge": ws_frame(2, b"", size=1 << 62),
            "size in 2 bytes": b"\x81\xfe\0\5" + MASK + b"aaaaa",
            "size in 8 bytes": b"\x81\xff" + bytes(7) + b"\5" + MASK + b"aaaaa",
            "no UTF-8": ws_frame(1, b"\xff"), "surrogate": ws_frame(1, b"\xed\xa0\x80"),
            "UTF-8 over parts": ws_frame(1, b"\xe2\x82", False) + ws_frame(0, b"A"),
            "close of 1": ws_frame(8, b"a"), "close 1005": ws_frame(8, b"\3\xed"),
            "close, no UTF-8": ws_frame(8, b"\3\xe8\xff"),
            "parts": ws_frame(1, b"a", False) + ws_frame(0, b"a", False) * 2000,
            "pings": ws_frame(9, b"a" * 125) * 2000,
        }
        for number, (what, frames) in enumerate(cases.items()):
            answer, end = exchange(port, UPGRADE + ws_frame(1, hello(f"peer{number}")) + frames,
                                   until=b"\x88\x02")
            self.assertEqual(end, "found", (what, answer[-80:]))
        reason = b"\3\xe8bye\n2026-01-01T00:00:00Z info FORGED x\x1b[31m\xe2\x80\xae"
        exchange(port, UPGRADE + ws_frame(1, hello("bye")) + ws_frame(8, reason), until=b"\x88")
        self.check_undisturbed()

    def test_native_frames_that_break_the_rules(self):
        port = self.pair(flow_credit_messages=16, max_connections=1000)
        start = SETTINGS + open_flow(0)
        cases = {
            "twice": [native_frame(1, 1, start), native_frame(1, 1, b"")],
            "hole": [native_frame(1, 1, start), native_frame(3, 1, b"")],
            "later seq": [native_frame(1, 9, start)], "ack": [native_frame(1, 1, start, ack=5)],
            "settings twice": [native_frame(1, 1, SETTINGS + SETTINGS)],
            "settings of 0": [native_frame(1, 1, record(2, b"\0\0\0"))],
            "credit": [native_frame(1, 1, start + record(6, b"\3\x7f\x7f"))],
            "reject": [native_frame(1, 1, start + record(7, b"\0\1\0\5"))],
            "closed": [native_frame(1, 1, start + record(5, b"\1"))],
            "close twice": [native_frame(1, 1, start + record(4, b"\0") * 2)],
            "flow number": [native_frame(1, 1, SETTINGS + open_flow(1 << 40))],
            "bad name": [native_frame(1, 1, SETTINGS + open_flow(0, b"a\nb"))],
            "no name": [native_frame(1, 1, SETTINGS + open_flow(0, b""))],
            "long name": [native_frame(1, 1, SETTINGS + open_flow(0, b"a" * 129))],
            "not open": [native_frame(1, 1, SETTINGS + run(7, [b"x"]))],
            "kind": [native_frame(1, 1, start + run(0, [b"x"], kind=99))],
            "flags": [native_frame(1, 1, start + run(0, [b"x"], flags=0x80))],
            "empty run": [native_frame(1, 1, start + run(0, []))],
            "no array": [native_frame(1, 1, start + run(0, [b"\xff" * 8], kind=7))],
            "no handle": [native_frame(1, 1, start + run(0, [b"\xff" * 12], kind=9))],
            "no UTF-8": [native_frame(1, 1, start + run(0, [b"\xff"]))],
            "size": [native_frame(1, 1, start + b"\1\0\5\0\1\0" + b"\xff" * 9 + b"\1")],
            "varint": [native_frame(1, 1, start + b"\1" + b"\xff" * 11)],
            "credit used up": [native_frame(1, 1, start + run(0, [b"x"] * 4000))],
            "heartbeat": [native_frame(1, 1, SETTINGS + record(10, b"\1\x63"))],
            "fatal record": [native_frame(1, 1, SETTINGS + record(0x80, b""))],
            "fatal frame": [b"\x80"], "short": [b"\1\1\0"], "empty": [b""],
        }
        for number, (what, frames) in enumerate(cases.items()):
            answer, end = exchange(port, b"RFLOW/1\n" + tcp_frame(native_hello(f"p{number}"), 1) +
                                   b"".join(map(tcp_frame, frames)))
            self.assertIn(b'"success":true', answer, what)
            self.assertEqual(end, "end", what)
        self.check_undisturbed()

    def test_large_bodies_that_never_come(self):
        """Announced and not sent, half sent, and sent byte by byte, on both wires: nothing is held that did not come, and
        what did come whole is taken."""
        port = self.pair(max_connections=1000, heartbeat_interval_ms=5000)
        before = self.one.rss_kib()
        body = random.Random(3).randbytes(300000)
        size = (16 << 20) - 100
        held = []
        for number in range(60):
            is_tcp = number % 2 == 0
            frame = tcp_frame if is_tcp else lambda payload, kind=2: ws_frame(kind, payload)
            start = b"RFLOW/1\n" if is_tcp else UPGRADE
            sock = socket.create_connection(("127.0.0.1", port))
            sock.settimeout(10)
            sock.sendall(start + frame(native_hello(f"large{number}"), 1))
            answer = b""
            while b'"success":true' not in answer:
                answer += sock.recv(65536)
            head = native_frame(2, 1, b"\1\0\x08\0\1\0" + varint(size))
            whole = 1 + len(head) + size
            announced = struct.pack("<IB", whole, 2) + head if is_tcp else ws_frame(
                2, head, size=len(head) + size)
            here = (0, 1, 70000, len(body))[number // 2 % 4]
            sock.sendall(frame(native_frame(1, 1, SETTINGS + open_flow(0))) + announced +
                         body[:here])
            if number % 3 == 0:
                sock.shutdown(socket.SHUT_WR)
            elif number % 3 == 1:
                sock.close()
            held.append(sock)
        self.assertLess(self.one.rss_kib() - before, 60 * 1024)
        for sock in held:
            sock.close()
        for is_tcp in (True, False):
            self.drip(port, is_tcp, body[:40000])
        self.check_undisturbed()

    def drip(self, port, is_tcp, body):
        """A large message whose bytes come one by one is taken: the node acknowledges it."""
        frame = tcp_frame if is_tcp else lambda payload, kind=2: ws_frame(kind, payload)
        start = b"RFLOW/1\n" if is_tcp else UPGRADE
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.settimeout(10)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(start + frame(native_hello(f"drip{is_tcp}"), 1) +
                         frame(native_frame(1, 1, SETTINGS + open_flow(0))))
            data = frame(native_frame(2, 1, run(0, [body], kind=8)))
            sock.sendall(data[:200])
            for at in range(200, len(data)):
                sock.send(data[at:at + 1])
            answer = b""
            while not re.search(rb"\x01.{12}\x01\x00{7}", answer, re.S):
                chunk = sock.recv(65536)
                self.assertTrue(chunk, answer)
                answer += chunk

    def test_compressed_frames_that_break_the_rules(self):
        port = self.pair(max_connections=1000, compression="on")
        good = native_frame(1, 1, SETTINGS + record(0x70, b"x" * 300))
        half = part(131071, repeated(b"\1", 131071), flags=1)
        wrong_end = tcp_frame(native_frame(9, 9, b""))
        cases = {
            "not agreed on": [part(len(good), stored(good))],
            "cut short": [part(len(good), stored(good)[:-1])], "no zstd": [part(9, b"x" * 9)],
            "bombs without end": [half] * 200, "in between": [part(len(good), stored(good), flags=1), good],
            "large": [part(131073, repeated(b"\1", 131073))], "bomb": [part(100, repeated(b"\1", 131071))],
            "less": [part(len(good) + 1, stored(good))], "more": [part(len(good) - 1, stored(good))],
            "nothing": [part(0, stored(good))],
            "no size": [b"\x81\0"], "no flags": [b"\x81"], "a long size": [b"\x81\0" + b"\xff" * 11],
            "flags": [part(len(good), stored(good), flags=2)], "two": [part(len(good), stored(good) * 2)],
            "compressed twice": [part(len(half) + 256, stored(half + b"\0" * 256))],
            "wrong inside": [part(len(good), stored(good)), wrong_end],
        }
        before = self.one.rss_kib()
        for number, (what, frames) in enumerate(cases.items()):
            offer = ["actor_messaging", "reflow.native.1"] + ["reflow.native.zstd"] * (what != "not agreed on")
            first = json.loads(native_hello(f"z{number}"))
            answer, end = exchange(port, b"RFLOW/1\n" + tcp_frame(json.dumps({**first, "capabilities": offer}).encode(), 1)
                                   + b"".join(map(tcp_frame, frames)))
            self.assertIn(b'"success":true', answer, what)
            self.assertEqual(b"reflow.native.zstd" in answer, what != "not agreed on", what)
            self.assertEqual(end, "end", what)
        log = self.one.log()
        for reason in ("a frame of an unknown, required type", "its parts are more than a frame may have",
                       "a part is missing", "a part is not one whole zstd frame", "a part is larger than parts may be"):
            self.assertIn(reason, log)
        self.assertLess(self.one.rss_kib() - before, 64 << 10, "what a peer can make us hold is bounded by a frame")
        self.check_undisturbed()

    def test_native_frames_changed_at_random(self):
        port = self.pair(max_connections=1000)
        rng = random.Random(7)
        frames = [native_frame(1, 1, SETTINGS + open_flow(0) + run(0, [b"a", b"bc"])),
                  native_frame(2, 3, run(0, [struct.pack("<q", 5)], kind=3) + open_flow(1)),
                  native_frame(3, 4, run(1, [b"\2\0\0\0{}"], kind=7) + record(8, b"\1\4echo\3out")),
                  native_frame(4, 5, run(1, [b"\1" + b"[1]"], kind=11) + record(10, b"\1\0")),
                  native_frame(5, 6, record(4, b"\0") + record(11, b'{"request_id":"x"}'))]
        for number in range(1200):
            changed = [bytearray(frame) for frame in frames]
            for _ in range(rng.choice((1, 1, 2, 4))):
                at = rng.randrange(len(changed))
                frame = changed[at]
                action = rng.randrange(5)
                if action == 0:
                    frame[rng.randrange(21, len(frame)) if len(frame) > 21 else 0] ^= 1 << rng.randrange(8)
                elif action == 1:
                    del frame[rng.randrange(1, len(frame)) if len(frame) > 1 else 0:]
                elif action == 2:
                    place = rng.randrange(len(frame) + 1)
                    frame[place:place] = rng.randbytes(rng.choice((1, 2, 9)))
                elif action == 3:
                    other = rng.randrange(len(changed))
                    changed[at], changed[other] = changed[other], changed[at]
                else:
                    changed.insert(at, bytearray(frame))
                if not changed[at]:
                    changed[at] = bytearray(b"\1")
            data = b"RFLOW/1\n" + tcp_frame(native_hello(f"r{number}"), 1)
            with socket.create_connection(("127.0.0.1", port)) as sock:
                try:
                    sock.sendall(data + b"".join(tcp_frame(bytes(frame)) for frame in changed))
                except OSError:
                    pass
        self.check_undisturbed()

    def test_a_thousand_names_do_not_shut_out_the_next_one(self):
        port = self.pair(max_connections=4, heartbeat_interval_ms=100)
        frame = tcp_frame(native_frame(1, 1, SETTINGS + open_flow(0) + run(0, [b"x"])))
        for number in range(1200):
            exchange(port, b"RFLOW/1\n" + tcp_frame(native_hello(f"name{number}"), 1) + frame,
                     until=b'"success"', deadline_s=2)

        def is_welcome():
            answer, _ = exchange(port, b"RFLOW/1\n" + tcp_frame(native_hello("newcomer"), 1),
                                 until=b'"success"')
            return b'"success":true' in answer
        wait_until(is_welcome, "a network that nobody met before is taken", 10)
        self.check_undisturbed()

    def test_one_silent_address_does_not_shut_out_others(self):
        port = self.pair(handshake_timeout_ms=3000)
        sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(300)]
        answer, end = exchange(port, b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n", until=b"}",
                               host="127.0.0.2", deadline_s=2)
        for sock in sockets:
            sock.close()
        self.assertEqual((answer[:12], end), (b"HTTP/1.1 200", "found"))
        wait_until(lambda: descriptors(self.one) <= self.baseline + 3, "they are closed")
        self.check_undisturbed()

    def test_slow_clients_meet_their_deadlines(self):
        port = self.pair()
        begins = (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", UPGRADE[:60], UPGRADE + b"\x81",
                  UPGRADE + ws_frame(1, b'{"network_id":')[:8], b"RFLOW/1\n\x40\0\0\0\1{")
        ends = collections.Counter()

        def drip(begin):
            with socket.create_connection(("127.0.0.1", port)) as sock:
                sock.settimeout(0.1)
                end = time.monotonic() + 5
                try:
                    sock.sendall(begin)
                    while time.monotonic() < end:
                        sock.sendall(b" ")
                        try:
                            if not sock.recv(4096):
                                ends["closed"] += 1
                                return
                        except socket.timeout:
                            pass
                    ends[begin] += 1
                except OSError:
                    ends["closed"] += 1
        threads = [threading.Thread(target=drip, args=(begin,)) for begin in begins]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(ends, {"closed": len(begins)})
        self.check_undisturbed()

    def test_http_requests_that_could_be_read_in_two_ways(self):
        port = self.pair(admin_token=TOKEN)
        host = b"Host: 127.0.0.1\r\n"
        post = b"POST /graphs/validate HTTP/1.1\r\n" + host
        get = b"GET /health HTTP/1.1\r\n"
        bearer = b"GET /actors HTTP/1.1\r\nHost: evil.example\r\nAuthorization: "
        cases = [
            (400, post + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + get),
            (400, post + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}"),
            (400, post + b"Content-Length: -1\r\n\r\n{}"), (400, post + b"Content-Length: +2\r\n\r\n{}"),
            (400, post + b"Content-Length: 0x2\r\n\r\n{}"), (400, post + b"Content-Length: 2, 2\r\n\r\n{}"),
            (413, post + b"Content-Length: 9223372036854775808\r\n\r\n{}"),
            (413, post + b"Content-Length: 99999999999999999999999\r\n\r\n{}"),
            (400, post + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
            (400, post + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
            (400, post + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            (400, post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"),
            (400, post + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n"),
            (400, get + b"\r\n"), (400, get + b"Host: a\r\nHost: b\r\n\r\n"),
            (400, get + b"Host: a b\r\n\r\n"), (400, get + b"Host : a\r\n\r\n"),
            (400, get + b"Host: a\r\nX: b\r\n c\r\n\r\n"), (400, get + b"Host: a\r\nX: b\0c\r\n\r\n"),
            (400, b"GET /health HTTP/1.1\nHost: a\n\n"), (400, get + b"Host: a\rX: b\r\n\r\n"),
            (400, b"GET /health HTTP/1.2\r\nHost: a\r\n\r\n"),
            (400, b"GET http://evil/health HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
            (405, b"OPTIONS /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
            (400, b"GET /actors/%zz HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, b"GET /actors/%00 HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, b"GET /actors/%ff HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, b"GET /actors/%2e%2e/health HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, b"GET //health HTTP/1.1\r\nHost: a\r\n\r\n"),
            (404, b"GET /%68ealth HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
            (414, b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
            (431, get + b"Host: a\r\n" + b"X: y\r\n" * 70 + b"\r\n"),
            (431, get + b"Host: a\r\nX: " + b"a" * 20000 + b"\r\n\r\n"),
            (401, b"GET /actors HTTP/1.1\r\nOrigin: null\r\nConnection: close\r\n" + host + b"\r\n"),
            (401, b"GET /actors HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\nConnection: close\r\n\r\n"),
            (401, bearer + b"Bearer \r\nConnection: close\r\n\r\n"),
            (401, bearer + b"Bearer " + TOKEN[:-1].encode() + b"\r\nConnection: close\r\n\r\n"),
            (401, bearer + b"Bearer " + TOKEN.encode() + b"x\r\nConnection: close\r\n\r\n"),
            (401, bearer + b"Basic " + TOKEN.encode() + b"\r\nConnection: close\r\n\r\n"),
            (400, bearer + b"x\r\nAuthorization: Bearer " + TOKEN.encode() + b"\r\n\r\n"),
            (200, bearer + b"Bearer " + TOKEN.encode() + b"\r\nConnection: close\r\n\r\n"),
        ]
        refusals = set()
        for status, request in cases:
            answer, end = exchange(port, request)
            found = re.findall(rb"HTTP/1\.1 (\d+)", answer)
            self.assertEqual(found, [str(status).encode()], (request[:120], answer[:200]))
            self.assertEqual(end, "end", request[:120])
            self.assertNotIn(TOKEN.encode(), answer)
            if status == 401:
                refusals.add(re.sub(rb"Date: [^\r]*", b"", answer))
        self.assertEqual(len(refusals), 1, "one answer, whatever is wrong with the token")
        self.assertNotIn(TOKEN, json.dumps(self.one.status()))
        self.check_undisturbed()

    def test_many_http_connections_and_clients_that_go_away(self):
        port = self.pair(http_connections_max=64)
        sockets = []
        for number in range(400):
            sock = socket.create_connection(("127.0.0.1", port))
            try:
                sock.sendall(b"GET /ready HTTP/1.1\r\nHost: a\r\n\r\n")
            except OSError:
                pass
            sockets.append(sock)
            if number == 200:  # the limit is reached: it is told, and links go on
                wait_until(lambda: descriptors(self.one) >= self.baseline + 60, "kept connections")
        for sock in sockets:
            sock.close()
        wait_until(lambda: descriptors(self.one) <= self.baseline + 2, "all are closed")
        body = b'{"port":"in","message":1,"timeout_ms":500}'
        request = (b"POST /actors/one/request HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n"
                   % len(body)).replace(b"one", b"nobody@nowhere") + body
        for number in range(60):
            with socket.create_connection(("127.0.0.1", port)) as sock:
                if number % 2:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.sendall(request)
        self.check_undisturbed()

    def test_registration_flood(self):
        self.pair(registry=True, registry_entries_per_address_max=50)
        entry = {"network_id": "n0", "instance_id": "i", "endpoint": "1.2.3.4:80"}
        answers = collections.Counter()
        for number in range(80):
            answers[self.one.call("POST", "/register", {**entry, "network_id": f"n{number}",
                                                        "x": "y" * 4000})[0]] += 1
        # The node itself is the 50th.
        self.assertEqual(answers, {200: 49, 429: 31})
        for endpoint in ("", "host", "h:0", "h:65536", "h:-1", "h:+80", "a b:1", "[::1:80", "::1:80",
                         "http://x:1", "ws://u:p@h:1", "h:1/path", "h\n:1", "h\0:1", "x" * 300 + ":1",
                         5, None, ["a"], "h\u202e:1"):
            self.assertEqual(self.one.call("POST", "/register", {**entry, "endpoint": endpoint})[0],
                             400, endpoint)
        deep = json.dumps({**entry, "a": "X"}).replace('"X"', "[" * 100 + "]" * 100).encode()
        for status, body in ((413, b"x" * 1000000), (413, b"[" * 9000), (400, b"[" * 8000), (400, deep),
                             (400, b"\xff"), (400, json.dumps({**entry, "network_id": "a@b"}).encode()),
                             (400, json.dumps(entry)[:-1].encode() + b',"network_id":"n1"}')):
            self.assertEqual(self.one.call("POST", "/register", body)[0], status, body[:60])
        self.check_undisturbed()


if __name__ == "__main__":
    main()
