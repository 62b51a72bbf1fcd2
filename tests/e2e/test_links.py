#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Nodes as processes: found through registries, linked over both wires, stopped, killed and started again."""
import json
import os
import pathlib
import signal
import socket
import threading

from support import Node, NodeTest, folder, main, wait_until


class Forwarder:
    """A TCP relay that can cut what passes through it."""
    chunk_bytes = 65536

    def __init__(self, port):
        self.port_behind = port
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.pairs = []
        self.is_open = True
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while self.is_open:
            try:
                client, _ = self.server.accept()
                behind = socket.create_connection(("127.0.0.1", self.port_behind))
            except OSError:
                continue
            self.pairs.append((client, behind))
            for source, target in ((client, behind), (behind, client)):
                threading.Thread(target=self.pump, args=(source, target, source is client), daemon=True).start()

    def passed(self, chunk, is_from_dialler):
        """For relays that do more with it."""

    def pump(self, source, target, is_from_dialler):
        try:
            while chunk := source.recv(self.chunk_bytes):
                target.sendall(chunk)
                self.passed(chunk, is_from_dialler)
        except OSError:
            pass
        for sock in (source, target):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for sock in pair:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                sock.close()
        return len(pairs)

    def close(self):
        self.is_open = False
        self.server.close()
        self.cut()


def graph_file(directory, name, processes, connections=()):
    path = pathlib.Path(directory) / f"{name}.json"
    path.write_text(json.dumps({"processes": processes, "connections": [
        {"src": dict(zip(("process", "port"), a.split("."))),
         "tgt": dict(zip(("process", "port"), b.split(".")))} for a, b in connections]}))
    return str(path)


class Links(NodeTest):
    def test_found_through_a_registry_with_a_dead_endpoint_beside_it(self):
        registry = self.node({"network_id": "registry", "registry": True})
        urls = ["http://127.0.0.1:9", registry.url + "/"]
        with folder() as directory:
            there = self.node({"network_id": "there", "discovery_endpoints": urls, "graphs": [
                graph_file(directory, "there", {"echo": {"component": "tpl_echo"}})]})
            here = self.node({"network_id": "here", "discovery_endpoints": urls, "graphs": [
                graph_file(directory, "here", {"far": {"component": "echo@there"}})]})
            here.wait_linked("there")
            status, body = here.request("echo@there", "in", {"k": [1, "a"]})
            self.assertEqual((status, body.get("answer")), (200, {"k": [1, "a"]}), body)
            self.assertEqual(here.call("GET", "/health")[1]["status"], "healthy")
            there.stop()

    def check_wire(self, scheme, wire):
        with folder() as directory:
            one = self.node({"network_id": "one", "graphs": [
                graph_file(directory, "one", {"echo": {"component": "tpl_echo"}})]})
            out = pathlib.Path(directory) / "out.txt"
            two = self.node({"network_id": "two", "connect": [f"{scheme}://{one.address}"], "graphs": [
                graph_file(directory, "two", {
                    "start": {"component": "tpl_passthrough"}, "far": {"component": "echo@one"},
                    "file": {"component": "tpl_file_writer", "metadata": {"path": str(out)}}},
                    [("start.output", "far.in"), ("far.out", "file.input")])]})
            two.wait_linked("one")
            self.assertEqual(two.link("one")["wire"], wire)
            self.assertEqual(two.link("one")["delivery"], "reliable")
            for i in range(500):
                two.send("start", "input", f"m{i}")
            wait_until(lambda: out.exists() and out.read_text().count("\n") >= 500, "500 echoes")
            self.assertEqual(out.read_text().splitlines(), [f"m{i}" for i in range(500)])

    def test_websocket_wire(self):
        self.check_wire("ws", "native-ws")

    def test_tcp_wire(self):
        self.check_wire("tcp", "native-tcp")

    def test_rust_wire_on_demand(self):
        """A node with "wire": "json" neither offers the native wire nor takes it."""
        told = self.node({"network_id": "told", "wire": "json"})
        plain = self.node({"network_id": "plain", "connect": [told.address]})
        plain.wait_linked("told")
        self.assertEqual(plain.link("told")["wire"], "rust-json")
        other = self.node({"network_id": "other", "wire": "json", "connect": [plain.address]})
        other.wait_linked("plain")
        self.assertEqual(other.link("plain")["wire"], "rust-json")
        self.assertEqual(plain.link("other")["wire"], "rust-json")

    def test_link_cut_under_load_loses_and_doubles_nothing(self):
        with folder() as directory:
            text = pathlib.Path(directory) / "text"
            lines = 60000
            text.write_text("".join(f"{i}\n" for i in range(lines)))
            out = pathlib.Path(directory) / "out.txt"
            sink = self.node({"network_id": "sink", "graphs": [graph_file(directory, "sink", {
                "file": {"component": "tpl_file_writer", "metadata": {"path": str(out)}}})]})
            relay = Forwarder(sink.port)
            self.addCleanup(relay.close)
            source = self.node({"network_id": "source", "reconnect_max_ms": 200,
                                "connect": [f"127.0.0.1:{relay.port}"],
                                "graphs": [graph_file(directory, "source", {
                                    "reader": {"component": "tpl_file_reader"},
                                    "far": {"component": "file@sink"}},
                                    [("reader.output", "far.input")])]})
            source.wait_linked("sink")
            source.send("reader", "path", str(text))
            cuts = 0
            for part in (0.1, 0.3, 0.5, 0.7):
                wait_until(lambda: sink.status()["network"]["received"] > part * lines, "progress")
                cuts += relay.cut()
            wait_until(lambda: out.exists() and out.read_text().count("\n") >= lines, "all lines")
            self.assertEqual(out.read_text(), text.read_text())
            self.assertGreater(cuts, 0)

    def test_both_dial_at_once_and_end_with_one_link(self):
        def free_port():
            with socket.create_server(("127.0.0.1", 0)) as server:
                return server.getsockname()[1]
        for _ in range(3):
            ports = free_port(), free_port()
            nodes = [None, None]

            def start(i):
                nodes[i] = self.node({"network_id": f"n{i}", "bind_port": ports[i],
                                      "reconnect_max_ms": 200,
                                      "connect": [f"127.0.0.1:{ports[1 - i]}"]})
            threads = [threading.Thread(target=start, args=(i,)) for i in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            nodes[0].wait_linked("n1")
            nodes[1].wait_linked("n0")
            for i, node in enumerate(nodes):
                links = [x for x in node.status()["links"] if x["network_id"] == f"n{1 - i}"]
                self.assertEqual(len(links), 1)
            for node in nodes:
                node.close()

    def test_second_claimant_of_a_live_network_id_is_refused(self):
        one = self.node({"network_id": "one"})
        first = self.node({"network_id": "twin", "connect": [one.address]})
        first.wait_linked("one")
        second = self.node({"network_id": "twin", "connect": [one.address]})
        wait_until(lambda: "duplicate_network_id" in second.log(), "the reason is in the log")
        self.assertEqual(first.link("one")["state"], "up")

    def test_wrong_token_is_refused(self):
        one = self.node({"network_id": "one", "auth_token": "a-token-of-enough-length"})
        two = self.node({"network_id": "two", "auth_token": "another-token-of-length",
                         "connect": [one.address]})
        wait_until(lambda: "auth_token mismatch" in two.log(), "the reason is in the log")
        three = self.node({"network_id": "three", "auth_token": "a-token-of-enough-length",
                           "connect": [one.address]})
        three.wait_linked("one")

    def test_message_to_a_network_that_comes_later(self):
        with folder() as directory:
            out = pathlib.Path(directory) / "out.txt"
            registry = self.node({"network_id": "registry", "registry": True})
            here = self.node({"network_id": "here", "discovery_endpoints": [registry.url],
                              "discovery_refresh_ms": 300, "reconnect_max_ms": 300})
            for i in range(10):
                here.send("file@late", "input", f"early {i}")
            self.node({"network_id": "late", "discovery_endpoints": [registry.url], "graphs": [
                graph_file(directory, "late", {"file": {"component": "tpl_file_writer",
                                                        "metadata": {"path": str(out)}}})]})
            wait_until(lambda: out.exists() and out.read_text().count("\n") == 10, "all ten")
            self.assertEqual(out.read_text().splitlines(), [f"early {i}" for i in range(10)])

    def test_unknown_actor_is_counted(self):
        one = self.node({"network_id": "one"})
        two = self.node({"network_id": "two", "connect": [one.address]})
        two.wait_linked("one")
        two.send("nobody@one", "in", 1)
        wait_until(lambda: two.status()["dead_letters"].get("unknown_actor", 0) >= 1 or
                   one.status()["dead_letters"].get("unknown_actor", 0) >= 1, "counted")
        status, body = two.request("nobody@one", "in", 1)
        self.assertEqual((status, body["error"]["code"]), (404, "RF_ENOACTOR"))

    def test_stopped_peer_is_noticed_and_found_again(self):
        one = self.node({"network_id": "one", "heartbeat_interval_ms": 200})
        two = self.node({"network_id": "two", "heartbeat_interval_ms": 200, "reconnect_max_ms": 200,
                         "connect": [one.address]})
        two.wait_linked("one")
        one.process.send_signal(signal.SIGSTOP)
        try:
            wait_until(lambda: two.link("one")["state"] != "up", "down is noticed", 5)
        finally:
            one.process.send_signal(signal.SIGCONT)
        two.wait_linked("one")

    def test_half_open_peer_is_dropped(self):
        node = self.node({"network_id": "one", "handshake_timeout_ms": 300})
        with socket.create_connection(("127.0.0.1", node.port)) as sock:
            sock.settimeout(10)
            self.assertEqual(sock.recv(1), b"")


if __name__ == "__main__":
    main()
