#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Our WebSocket against an independent library and against raw frames.

    ws_conformance.py PATH_TO_ws_echo

Part 1: raw sockets send the hard cases to the echo program, grouped as conformance suites group
them: framing, pings, reserved bits, opcodes, fragmentation, UTF-8, closing, the upgrade, limits.
Part 2: the python3-websockets client and server talk to it. Part 3: our client meets servers that
break the rules. Prints `N passed, M failed`; exit 0 when none failed, 77 when the library is missing.
"""
import asyncio
import base64
import hashlib
import os
import random
import socket
import struct
import subprocess
import sys

try:
    import websockets
except ImportError:
    print("0 passed, 0 failed (skipped: python3-websockets is not installed)")
    sys.exit(77)

TEXT, BINARY, CONT, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
LIMIT = 16 << 20
passed = 0
failures = []


def check(name, condition, note=""):
    global passed
    if condition:
        passed += 1
    else:
        failures.append(name)
        print(f"FAIL {name} {note}")


class Echo:
    """The program under test."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([sys.argv[1], *map(str, arguments)], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        words = self.process.stdout.readline().split()
        assert words[:1] == [b"ready"], words
        self.port = int(words[1])

    def stop(self):
        self.process.terminate()
        return self.process.wait(20)

    def last_line(self):
        line = self.process.stdout.readline().decode()
        self.process.wait(20)
        return line


# ---- raw frames ----

def frame(opcode, payload=b"", fin=True, rsv=0, mask=b"\x37\xfa\x21\x3d", length_bytes=None):
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit = 0x80 if mask is not None else 0
    size = len(payload)
    if length_bytes == 8 or (length_bytes is None and size > 65535):
        head += bytes([bit | 127]) + struct.pack(">Q", size)
    elif length_bytes == 2 or (length_bytes is None and size > 125):
        head += bytes([bit | 126]) + struct.pack(">H", size)
    else:
        head += bytes([bit | size])
    if mask is None:
        return head + payload
    key = (mask * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
    return head + mask + masked


class Raw:
    """A raw peer, whichever side it plays."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(20)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def send(self, data, split=None):
        try:
            if split is None:
                self.sock.sendall(data)
            else:
                for i in range(0, len(data), split):
                    self.sock.sendall(data[i:i + split])
        except OSError:
            pass  # the other side has judged already

    def read(self, size):
        while len(self.rest) < size:
            try:
                got = self.sock.recv(1 << 20)
            except ConnectionError:
                got = b""
            if not got:
                raise EOFError
            self.rest += got
        out, self.rest = self.rest[:size], self.rest[size:]
        return out

    def read_head(self):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.read(1)
        return head

    def read_frame(self):
        b0, b1 = self.read(2)
        size = b1 & 0x7F
        if size == 126:
            size = struct.unpack(">H", self.read(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self.read(8))[0]
        mask = self.read(4) if b1 & 0x80 else None
        payload = self.read(size)
        if mask:
            key = (mask * (size // 4 + 1))[:size]
            payload = bytes(a ^ b for a, b in zip(payload, key))
        return b0 & 0x0F, bool(b0 & 0x80), mask is not None, payload

    def read_all(self):
        """Everything until the end, as (opcode, payload)."""
        frames = []
        try:
            while True:
                opcode, fin, is_masked, payload = self.read_frame()
                frames.append((opcode, payload))
                if not fin or is_masked:
                    frames.append(("bad frame from the server", b""))
        except (EOFError, TimeoutError) as end:
            if isinstance(end, TimeoutError):
                frames.append(("timeout", b""))
        self.sock.close()
        return frames


KEY = base64.b64encode(bytes(range(16))).decode()


def upgrade_text(**changes):
    lines = {"Host": "127.0.0.1", "Connection": "Upgrade", "Upgrade": "websocket",
             "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": KEY}
    lines.update({name.replace("_", "-"): value for name, value in changes.items()})
    head = "GET /chat HTTP/1.1\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
    return (head + "\r\n").encode()


def accept_of(key):
    return base64.b64encode(
        hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()


def connect(port):
    return Raw(socket.create_connection(("127.0.0.1", port), timeout=20))


def open_raw(port):
    raw = connect(port)
    raw.send(upgrade_text())
    assert raw.read_head().startswith(b"HTTP/1.1 101 ")
    return raw


def closes(code):
    return (CLOSE, struct.pack(">H", code) if code else b"")


def talk(port, name, data, expected, split=None):
    """Send bytes and a Close; what comes back must be exactly this."""
    raw = open_raw(port)
    raw.send(data, split)
    frames = raw.read_all()
    check(name, frames == expected, f"got {[(o, p[:40]) for o, p in frames]}")


BYE = frame(CLOSE, struct.pack(">H", 1000))
BYE_BACK = [closes(1000)]


# ---- the groups ----

def group_framing(port):
    for size in (0, 1, 2, 7, 8, 124, 125, 126, 127, 128, 65535, 65536, 1 << 20, LIMIT):
        text = bytes(97 + i % 26 for i in range(min(size, 997)))
        text = (text * (size // max(len(text), 1) + 1))[:size]
        for opcode in (TEXT, BINARY):
            talk(port, f"framing: {size} bytes, opcode {opcode}", frame(opcode, text) + BYE,
                 [(opcode, text)] + BYE_BACK)
    for split in (1, 2, 3, 5, 11):
        data = frame(TEXT, b"hello") + frame(BINARY, bytes(200)) + BYE
        talk(port, f"framing: in pieces of {split}", data,
             [(TEXT, b"hello"), (BINARY, bytes(200))] + BYE_BACK, split)
    for mask in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x01\x00\x00\x00"):
        body = os.urandom(1003)
        talk(port, f"framing: mask {mask.hex()}", frame(BINARY, body, mask=mask) + BYE,
             [(BINARY, body)] + BYE_BACK)
    talk(port, "framing: not masked", frame(TEXT, b"x", mask=None), [closes(1002)])
    talk(port, "framing: ping not masked", frame(PING, b"", mask=None), [closes(1002)])
    talk(port, "framing: 16-bit length for 125", frame(TEXT, bytes(125), length_bytes=2),
         [closes(1002)])
    talk(port, "framing: 64-bit length for 65535", frame(BINARY, bytes(65535), length_bytes=8),
         [closes(1002)])
    talk(port, "framing: top bit of the length",
         b"\x82\xff\x80\0\0\0\0\0\0\x01\0\0\0\0", [closes(1002)])
    many = b"".join(frame(TEXT, str(i).encode()) for i in range(5000))
    talk(port, "framing: 5000 messages at once", many + BYE,
         [(TEXT, str(i).encode()) for i in range(5000)] + BYE_BACK)


def group_pings(port):
    for body in (b"", b"hello", bytes(range(125)), b"\xff\xfe"):
        talk(port, f"pings: {len(body)} bytes", frame(PING, body) + BYE, [(PONG, body)] + BYE_BACK)
    talk(port, "pings: 126 bytes", frame(PING, bytes(126)), [closes(1002)])
    talk(port, "pings: fragmented", frame(PING, b"x", fin=False), [closes(1002)])
    talk(port, "pings: unasked pong", frame(PONG, b"x") + frame(TEXT, b"a") + BYE,
         [(TEXT, b"a")] + BYE_BACK)
    raw = open_raw(port)
    for i in range(10):
        raw.send(frame(PING, str(i).encode()))
        check(f"pings: answer {i}", raw.read_frame() == (PONG, True, False, str(i).encode()))
    raw.sock.close()
    raw = open_raw(port)
    raw.send(frame(PING, b"x") * 500)
    frames = raw.read_all()
    check("pings: a flood is ended with 1008", frames[-1:] == [closes(1008)], frames[-2:])
    talk(port, "pings: byte by byte", frame(PING, b"slow") + BYE, [(PONG, b"slow")] + BYE_BACK, 1)


def group_reserved(port):
    for rsv in range(1, 8):
        for opcode in (TEXT, BINARY, PING, CLOSE):
            talk(port, f"reserved: rsv {rsv}, opcode {opcode}", frame(opcode, b"", rsv=rsv),
                 [closes(1002)])
    talk(port, "reserved: after a good message", frame(TEXT, b"ok") + frame(TEXT, b"no", rsv=4),
         [(TEXT, b"ok"), closes(1002)])
    talk(port, "reserved: between fragments",
         frame(TEXT, b"a", fin=False) + frame(PING, b"", rsv=2), [closes(1002)])


def group_opcodes(port):
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        talk(port, f"opcodes: {opcode}", frame(opcode, b"x"), [closes(1002)])
        talk(port, f"opcodes: {opcode} behind a message", frame(TEXT, b"ok") + frame(opcode),
             [(TEXT, b"ok"), closes(1002)])


def group_fragments(port):
    two = frame(TEXT, b"one ", fin=False) + frame(CONT, b"two")
    talk(port, "fragments: two", two + BYE, [(TEXT, b"one two")] + BYE_BACK)
    for split in (1, 2, 5):
        talk(port, f"fragments: two, in pieces of {split}", two + BYE,
             [(TEXT, b"one two")] + BYE_BACK, split)
    talk(port, "fragments: empty ones",
         frame(BINARY, b"", fin=False) + frame(CONT, b"", fin=False) + frame(CONT, b"") + BYE,
         [(BINARY, b"")] + BYE_BACK)
    talk(port, "fragments: ping between",
         frame(TEXT, b"a", fin=False) + frame(PING, b"p") + frame(CONT, b"b") + BYE,
         [(PONG, b"p"), (TEXT, b"ab")] + BYE_BACK)
    talk(port, "fragments: continuation first", frame(CONT, b"x"), [closes(1002)])
    talk(port, "fragments: continuation first, not final", frame(CONT, b"x", fin=False),
         [closes(1002)])
    talk(port, "fragments: continuation behind a whole message",
         frame(TEXT, b"a") + frame(CONT, b"b"), [(TEXT, b"a"), closes(1002)])
    talk(port, "fragments: text inside a text", frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"),
         [closes(1002)])
    talk(port, "fragments: binary inside a text",
         frame(TEXT, b"a", fin=False) + frame(BINARY, b"b", fin=False), [closes(1002)])
    many = frame(BINARY, b"0", fin=False) + frame(CONT, b"1", fin=False) * 1022 + frame(CONT, b"2")
    talk(port, "fragments: 1024", many + BYE, [(BINARY, b"0" + b"1" * 1022 + b"2")] + BYE_BACK)
    talk(port, "fragments: 1025",
         frame(BINARY, b"0", fin=False) + frame(CONT, b"1", fin=False) * 1024, [closes(1008)])
    body = os.urandom(3 << 20)
    pieces = [body[i:i + 300007] for i in range(0, len(body), 300007)]
    data = b"".join(frame(CONT if i else BINARY, piece, fin=i == len(pieces) - 1)
                    for i, piece in enumerate(pieces))
    talk(port, "fragments: of a large message", data + BYE, [(BINARY, body)] + BYE_BACK)


GOOD_TEXT = ["", "Hello-µ@ßöäüàá-UTF-8!!", "κόσμε", "\x00", "\x7f", "\x80", "\u07ff", "\u0800",
             "\ud7ff", "\ue000", "\ufffd", "\uffff", "\U00010000", "\U0010ffff", "\ufeffbom"]
BAD_TEXT = [b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xc3", b"\xc3\x28", b"\xe0\x80\x80",
            b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xe2\x82", b"\xf0\x80\x80\x80",
            b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80",
            b"\xfc\x84\x80\x80\x80\x80", b"\xfe", b"\xff", b"ok\xce\xba\xed\xa0\x80edited"]


def group_utf8(port):
    for i, text in enumerate(GOOD_TEXT):
        body = text.encode()
        talk(port, f"utf-8: good {i}", frame(TEXT, body) + BYE, [(TEXT, body)] + BYE_BACK)
        cut = b"".join(frame(CONT if j else TEXT, body[j:j + 1], fin=False)
                       for j in range(len(body))) or frame(TEXT, b"", fin=False)
        talk(port, f"utf-8: good {i}, a byte a fragment", cut + frame(CONT, b"") + BYE,
             [(TEXT, body)] + BYE_BACK)
    for i, body in enumerate(BAD_TEXT):
        talk(port, f"utf-8: bad {i}", frame(TEXT, body), [closes(1007)])
        cut = frame(TEXT, body[:1], fin=False) + frame(CONT, body[1:])
        talk(port, f"utf-8: bad {i}, in fragments", cut, [closes(1007)])
        talk(port, f"utf-8: bad {i} as binary", frame(BINARY, body) + BYE,
             [(BINARY, body)] + BYE_BACK)
        talk(port, f"utf-8: bad {i} as a reason",
             frame(CLOSE, struct.pack(">H", 1000) + body), [closes(1007)])


def group_closing(port):
    talk(port, "closing: empty", frame(CLOSE), [closes(0)])
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999):
        talk(port, f"closing: {code}", frame(CLOSE, struct.pack(">H", code)), [closes(code)])
    for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
        talk(port, f"closing: forbidden {code}", frame(CLOSE, struct.pack(">H", code)),
             [closes(1002)])
    talk(port, "closing: one byte", frame(CLOSE, b"\x03"), [closes(1002)])
    talk(port, "closing: longest reason", frame(CLOSE, struct.pack(">H", 1000) + b"r" * 123),
         BYE_BACK)
    talk(port, "closing: reason too long", frame(CLOSE, struct.pack(">H", 1000) + b"r" * 124),
         [closes(1002)])
    talk(port, "closing: nothing is heard behind it", BYE + frame(TEXT, b"x") + frame(PING),
         BYE_BACK)
    talk(port, "closing: inside a fragmented message", frame(TEXT, b"a", fin=False) + BYE, BYE_BACK)
    talk(port, "closing: what was sent comes back first",
         frame(BINARY, bytes(1 << 20)) + BYE, [(BINARY, bytes(1 << 20))] + BYE_BACK)


def group_limits(port, small_port):
    talk(port, "limits: one byte too large, header only",
         b"\x82\xff" + struct.pack(">Q", LIMIT + 1) + b"\0\0\0\0", [closes(1009)])
    talk(port, "limits: 2^62", b"\x82\xff" + struct.pack(">Q", 1 << 62) + b"\0\0\0\0",
         [closes(1009)])
    talk(small_port, "limits: at 1000", frame(TEXT, b"x" * 1000) + BYE,
         [(TEXT, b"x" * 1000)] + BYE_BACK)
    talk(small_port, "limits: at 1001", frame(TEXT, b"x" * 1001), [closes(1009)])
    talk(small_port, "limits: over fragments",
         frame(TEXT, b"x" * 600, fin=False) + frame(CONT, b"x" * 401), [closes(1009)])
    silent = connect(small_port)
    check("limits: a silent peer is ended", silent.read_all() == [])
    half = connect(small_port)
    half.send(upgrade_text()[:40])
    check("limits: half a head is ended", half.read_all() == [])
    unproven = open_raw(small_port)
    check("limits: an upgrade without a message is ended with 1008",
          unproven.read_all() == [closes(1008)])


def group_upgrade(port):
    def answer(data):
        raw = connect(port)
        raw.send(data)
        try:
            head = raw.read_head()
        except (EOFError, TimeoutError):
            head = b""
        raw.sock.close()
        return head.decode("latin-1")

    good = answer(upgrade_text())
    check("upgrade: 101", good.startswith("HTTP/1.1 101 "))
    check("upgrade: accept", f"sec-websocket-accept: {accept_of(KEY)}\r\n" in good, good)
    check("upgrade: names are lower case", all(
        line.split(":")[0].islower() for line in good.split("\r\n")[1:-2]), good)
    offered = answer(upgrade_text(Sec_WebSocket_Protocol="chat",
                                  Sec_WebSocket_Extensions="permessage-deflate"))
    check("upgrade: no subprotocol, no extension",
          offered.startswith("HTTP/1.1 101 ") and "sec-websocket-p" not in offered.lower()
          and "sec-websocket-e" not in offered.lower(), offered)
    check("upgrade: any Origin", " 101 " in answer(upgrade_text(Origin="http://elsewhere")))
    check("upgrade: list in Connection",
          " 101 " in answer(upgrade_text(Connection="keep-alive, upgrade")))
    for name, value in (("Sec_WebSocket_Version", "8"), ("Sec_WebSocket_Version", None)):
        text = answer(upgrade_text(**{name: value}))
        check(f"upgrade: version {value}", text.startswith("HTTP/1.1 426 ")
              and "sec-websocket-version: 13" in text, text)
    for name, value in (("Sec_WebSocket_Key", None), ("Sec_WebSocket_Key", "short"),
                        ("Sec_WebSocket_Key", KEY + "AAAA"), ("Host", None),
                        ("Connection", "close"), ("Content_Length", "4")):
        text = answer(upgrade_text(**{name: value}))
        check(f"upgrade: {name} {value}", text.startswith("HTTP/1.1 400 "), text)
    check("upgrade: HTTP/1.0",
          " 400 " in answer(upgrade_text().replace(b"HTTP/1.1", b"HTTP/1.0")))
    check("upgrade: bare LF", " 400 " in answer(upgrade_text().replace(b"\r\n", b"\n")))
    check("upgrade: huge head",
          " 431 " in answer(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: yyyyyyyyyyyyyy\r\n" * 600))
    check("upgrade: plain GET", " 404 " in answer(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
    check("upgrade: garbage", answer(b"\x00\x01\x02\x03" * 10) == "")
    raw = connect(port)
    raw.send(upgrade_text() + frame(TEXT, b"early") + BYE, 7)
    raw.read_head()
    check("upgrade: frames right behind it", raw.read_all() == [(TEXT, b"early")] + BYE_BACK)


def group_native(port):
    raw = connect(port)
    body = os.urandom(70000)
    raw.send(b"RFLOW/1\n" + struct.pack("<IB", len(body) + 1, BINARY) + body)
    check("native: a message comes back",
          raw.read(5 + len(body)) == struct.pack("<IB", len(body) + 1, BINARY) + body)
    raw.send(struct.pack("<IB", 0, BINARY))
    check("native: a bad length ends it", raw.read_all() == [])


# ---- the library ----

async def library_client(port):
    uri = f"ws://127.0.0.1:{port}/any"
    for compression in (None, "deflate"):
        async with websockets.connect(uri, max_size=None, compression=compression) as ws:
            check("library: nothing was negotiated", ws.extensions == [] and ws.subprotocol is None)
            for size in (0, 1, 125, 126, 65535, 65536, 1 << 20, LIMIT):
                body = random.randbytes(size)
                await ws.send(body)
                check(f"library: binary {size}", await ws.recv() == body)
            for text in GOOD_TEXT:
                await ws.send(text)
                check("library: text", await ws.recv() == text)
            await ws.send(["frag", "men", "ted"])
            check("library: fragments", await ws.recv() == "fragmented")
            await asyncio.wait_for(await ws.ping(b"data"), 10)
            await ws.close(4000, "bye")
            check("library: close", ws.close_code == 4000)
    clients = [await websockets.connect(uri) for _ in range(20)]
    for i, ws in enumerate(clients):
        for j in range(20):
            await ws.send(f"{i} {j}")
    for i, ws in enumerate(clients):
        got = [await ws.recv() for _ in range(20)]
        check("library: 20 clients at once", got == [f"{i} {j}" for j in range(20)])
        await ws.close()


async def library_server():
    """Our client against the library's server."""
    done = asyncio.get_running_loop().create_future()

    async def serve(ws, _path):
        try:
            check("server: path and headers", ws.path == "/"
                  and "Origin" not in ws.request_headers
                  and "Sec-WebSocket-Protocol" not in ws.request_headers
                  and "Sec-WebSocket-Extensions" not in ws.request_headers)
            for size in (0, 1, 125, 126, 65535, 65536, 5 << 20, LIMIT):
                body = random.randbytes(size)
                await ws.send(body)
                check(f"server: binary {size}", await ws.recv() == body)
            await ws.send("τέλος")
            check("server: text", await ws.recv() == "τέλος")
            await asyncio.wait_for(await ws.ping(b"x"), 10)
            await ws.close(1001, "over")
            check("server: close", ws.close_code == 1001)
            done.set_result(None)
        except BaseException as error:
            done.set_exception(error)

    async with websockets.serve(serve, "127.0.0.1", 0, max_size=None) as server:
        echo = Echo("--dial", server.sockets[0].getsockname()[1])
        await asyncio.wait_for(done, 60)
        line = await asyncio.to_thread(echo.last_line)
        check("server: the client tells the end",
              line == "closed RF_ECLOSED closed by the peer (1001: over)\n", line)


# ---- our client against servers that break the rules ----

def bad_server(name, respond, expected):
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(20)
    echo = Echo("--dial", listener.getsockname()[1])
    raw = Raw(listener.accept()[0])
    head = raw.read_head().decode()
    key = next(line.split(": ")[1] for line in head.split("\r\n") if "-Key" in line)
    respond(raw, key)
    line = echo.last_line().strip()
    check(f"client: {name}", expected in line, line)
    raw.sock.close()
    listener.close()


def switching(key, extra=""):
    return (f"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            f"sec-websocket-accept: {accept_of(key)}\r\n{extra}\r\n").encode()


def expect_close(name, code):
    def respond_with(data):
        def respond(raw, key):
            raw.send(switching(key) + data)
            opcode, _fin, is_masked, payload = raw.read_frame()
            check(f"client: {name}, its Close frame",
                  opcode == CLOSE and is_masked and payload == struct.pack(">H", code),
                  (opcode, payload))
        return respond
    return respond_with


def group_client():
    bad_server("200", lambda raw, key: raw.send(b"HTTP/1.1 200 OK\r\n\r\n"), "RF_EPROTO")
    bad_server("wrong accept", lambda raw, key: raw.send(switching("x" * 24)), "Accept")
    bad_server("unasked subprotocol",
               lambda raw, key: raw.send(switching(key, "Sec-WebSocket-Protocol: a\r\n")),
               "not offered")
    bad_server("closed in the upgrade", lambda raw, key: raw.sock.shutdown(socket.SHUT_RDWR),
               "RF_EPROTO")
    bad_server("not HTTP", lambda raw, key: raw.send(b"SSH-2.0\r\n\r\n"), "RF_EPROTO")
    bad_server("masked frame", expect_close("masked frame", 1002)(frame(TEXT, b"x")), "RF_EPROTO")
    bad_server("reserved bit", expect_close("reserved bit", 1002)(frame(TEXT, b"", rsv=4,
                                                                        mask=None)), "RF_EPROTO")
    bad_server("bad text", expect_close("bad text", 1007)(frame(TEXT, b"\xff", mask=None)),
               "RF_EPROTO")
    masks = set()

    def frames_behind_the_head(raw, key):
        raw.send(switching(key) + frame(TEXT, b"early", mask=None) * 50)
        for _ in range(50):
            data = raw.read(2)
            check("client: masked text", data == b"\x81\x85")
            mask = raw.read(4)
            masks.add(mask)
            body = bytes(a ^ b for a, b in zip(raw.read(5), mask + mask))
            check("client: echo", body == b"early")
        raw.send(frame(CLOSE, b"", mask=None))

    bad_server("frames behind the head", frames_behind_the_head, "RF_ECLOSED")
    check("client: a new mask for each frame", len(masks) >= 49)


def main():
    echo = Echo(0, LIMIT)
    small = Echo(0, 1000, 700)
    for group in (group_framing, group_pings, group_reserved, group_opcodes, group_fragments,
                  group_utf8, group_closing, group_upgrade, group_native):
        group(echo.port)
    group_limits(echo.port, small.port)
    asyncio.run(library_client(echo.port))
    asyncio.run(library_server())
    group_client()
    check("the program ends well", echo.stop() == 0 and small.stop() == 0)
    print(f"{passed} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
