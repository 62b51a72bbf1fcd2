#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""reflowd and reflowctl as their users meet them: configuration, ready line, signals, exit codes."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

from support import BIN, ROOT, Node, NodeTest, folder, main, wait_until


def reflowd(*arguments, environment=None, text=None, timeout=30):
    environment = {**{k: v for k, v in os.environ.items() if not k.startswith("REFLOW_")},
                   **(environment or {})}
    return subprocess.run([str(BIN / "reflowd"), *map(str, arguments)], capture_output=True,
                          text=True, env=environment, input=text, timeout=timeout)


class Reflowd(NodeTest):
    def test_help_and_version(self):
        self.assertIn("usage: reflowd", reflowd("--help").stdout)
        self.assertRegex(reflowd("--version").stdout, r"^reflowd \d+\.\d+\.\d+\n$")

    def test_usage_errors(self):
        for arguments in (["--nope"], ["extra"], ["--mode", "x"], ["--set", "x"]):
            result = reflowd(*arguments)
            self.assertEqual(result.returncode, 2, arguments)
            self.assertIn("reflowd", result.stderr)

    def test_unknown_key_names_the_nearest_and_its_place(self):
        with folder() as directory:
            path = directory / "c.json"
            path.write_text('{\n  "network_id": "a",\n  "bind_prot": 1\n}\n')
            result = reflowd("--config", path, "--check")
            self.assertEqual(result.returncode, 1)
            self.assertIn(f"{path}:3:3", result.stderr)
            self.assertIn("bind_port", result.stderr)

    def test_environment_and_flags_override(self):
        with folder() as directory:
            path = directory / "c.json"
            path.write_text('{"network_id": "file", "max_connections": 7, /* comment */ "bind_port": 1}')
            result = reflowd("--config", path, "--print-config", "--port", "9",
                             environment={"REFLOW_NETWORK_ID": "env", "REFLOW_BIND_PORT": "5"})
            config = json.loads(result.stdout)
            self.assertEqual((config["network_id"], config["bind_port"], config["max_connections"]),
                             ("env", 9, 7))

    def test_a_variable_of_reflowctl_is_let_through(self):
        result = reflowd("--check", environment={"REFLOW_URL": "http://127.0.0.1:1"})
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_unknown_environment_variable(self):
        result = reflowd("--check", environment={"REFLOW_BIND_PROT": "1"})
        self.assertEqual(result.returncode, 1)
        self.assertIn("REFLOW_BIND_PORT", result.stderr)

    def test_secrets_are_not_printed(self):
        result = reflowd("--print-config", environment={"REFLOW_AUTH_TOKEN": "a-very-secret-token"})
        self.assertNotIn("a-very-secret-token", result.stdout)
        self.assertEqual(json.loads(result.stdout)["auth_token"], "***")

    def test_check_finds_a_mistake_in_a_graph(self):
        with folder() as directory:
            (directory / "g.json").write_text(
                '{"processes":{"a":{"component":"tpl_passthru"}},"connections":[]}')
            (directory / "c.json").write_text('{"graphs":["g.json"]}')
            result = reflowd("--config", directory / "c.json", "--check")
            self.assertEqual(result.returncode, 1)
            self.assertIn("tpl_passthrough", result.stderr)

    def test_address_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            result = reflowd("--port", server.getsockname()[1])
            self.assertEqual(result.returncode, 1)
            self.assertIn("Address already in use", result.stderr)

    def test_modes(self):
        registry = self.node({"network_id": "reg"}, ["--mode", "discovery"])
        worker = self.node({"network_id": "w"}, ["--mode", "worker", "--discovery", registry.url])
        wait_until(lambda: any(n["network_id"] == "w" for n in registry.call("GET", "/networks")[1]),
                   "the worker is registered")
        self.assertEqual(worker.call("POST", "/register", {})[0], 404)
        listed = {n["network_id"]: n["capabilities"] for n in registry.call("GET", "/networks")[1]}
        self.assertIn("reflow.native.1", listed["reg"])
        wait_until(lambda: {n["network_id"]: n["capabilities"]
                            for n in worker.call("GET", "/networks")[1]}.get("reg") == listed["reg"],
                   "the worker shows what the registry was told")
        worker.stop()
        wait_until(lambda: not any(n["network_id"] == "w"
                                   for n in registry.call("GET", "/networks")[1]),
                   "the worker is unregistered")

    def test_ready_in_good_time_and_sigterm_ends_with_zero(self):
        node = self.node({"network_id": "quick"})
        self.assertEqual(node.network, "quick")
        self.assertEqual(node.stop(), 0)

    def test_sigterm_drains(self):
        with folder() as directory:
            out = directory / "out.txt"
            graph = {"processes": {"w": {"component": "tpl_file_writer",
                                         "metadata": {"path": str(out)}},
                                   "p": {"component": "tpl_passthrough"}},
                     "connections": [{"src": {"process": "p", "port": "output"},
                                      "tgt": {"process": "w", "port": "input"}}]}
            (directory / "g.json").write_text(json.dumps(graph))
            node = self.node({"graphs": [str(directory / "g.json")]})
            for i in range(200):
                node.send("p", "input", f"line {i}")
            self.assertEqual(node.stop(), 0)
            self.assertEqual(out.read_text().splitlines(), [f"line {i}" for i in range(200)])

    def test_second_sigterm_ends_at_once(self):
        with folder() as directory:
            # A message that goes round for ever keeps the drain waiting.
            graph = {"processes": {"a": {"component": "tpl_passthrough"},
                                   "b": {"component": "tpl_passthrough"}},
                     "connections": [{"src": {"process": "a", "port": "output"},
                                      "tgt": {"process": "b", "port": "input"}},
                                     {"src": {"process": "b", "port": "output"},
                                      "tgt": {"process": "a", "port": "input"}},
                                     {"data": 1, "tgt": {"process": "a", "port": "input"}}]}
            (directory / "g.json").write_text(json.dumps(graph))
            node = self.node({"drain_timeout_ms": 600000, "graphs": [str(directory / "g.json")]})
            wait_until(lambda: node.status()["network"]["received"] > 100, "the loop runs")
            node.process.send_signal(signal.SIGTERM)
            wait_until(lambda: node.call("GET", "/ready")[0] == 503, "draining")
            node.process.send_signal(signal.SIGTERM)
            self.assertEqual(node.process.wait(10), 0)
            self.assertIn("NODE-ENDED-AT-ONCE", node.log())

    def test_sighup_reloads_what_can_be_reloaded(self):
        node = self.node({"network_id": "r", "log_level": "info"})
        node.path.write_text(json.dumps({"network_id": "r", "bind_address": "127.0.0.1",
                                         "bind_port": 0, "log_level": "debug"}))
        node.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "NODE-RELOADED" in node.log(), "reloaded")
        node.path.write_text(json.dumps({"network_id": "other", "bind_address": "127.0.0.1",
                                         "bind_port": 0}))
        node.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "NODE-RELOAD-REFUSED" in node.log() and "network_id" in node.log(),
                   "refused")
        self.assertEqual(node.call("GET", "/health")[0], 200)


class Reflowctl(NodeTest):
    @classmethod
    def setUpClass(cls):
        cls.directory = folder()
        path = cls.directory.__enter__() / "g.json"
        path.write_text(json.dumps({
            "processes": {"echo": {"component": "tpl_echo"},
                          "upper": {"component": "tpl_data_transformer",
                                    "metadata": {"operation": "to_uppercase"}}},
            "connections": []}))
        cls.one = Node({"network_id": "one", "graphs": [str(path)]})

    @classmethod
    def tearDownClass(cls):
        cls.one.close()
        cls.directory.__exit__(None, None, None)

    def test_every_command_and_json(self):
        for command in ("status", "networks", "actors", "components"):
            plain = self.ctl(command, url=self.one.url)
            self.assertEqual(plain.returncode, 0, plain.stderr)
            as_json = self.ctl(command, "--json", url=self.one.url)
            json.loads(as_json.stdout)
        self.assertIn("echo", self.ctl("actors", url=self.one.url).stdout)
        self.assertIn("tpl_switch", self.ctl("components", url=self.one.url).stdout)
        branch = self.ctl("components", "tpl_if_branch", url=self.one.url).stdout
        for name in ("true_output", "also: true-out", "condition_field"):
            self.assertIn(name, branch)

    def test_send_and_request(self):
        self.assertEqual(self.ctl("send", "echo", "in", '"x"', url=self.one.url).returncode, 0)
        answer = self.ctl("request", "upper", "input", '"hello"', url=self.one.url)
        self.assertEqual(answer.stdout, '"HELLO"\n', answer.stderr)

    def test_exit_codes(self):
        self.assertEqual(self.ctl().returncode, 2)
        self.assertEqual(self.ctl("nope").returncode, 2)
        self.assertEqual(self.ctl("send", "a").returncode, 2)
        self.assertEqual(self.ctl("send", "echo", "in", "{bad", url=self.one.url).returncode, 2)
        self.assertEqual(self.ctl("status", url="http://127.0.0.1:9").returncode, 3)
        missing = self.ctl("send", "ecoh", "in", "1", url=self.one.url)
        self.assertEqual(missing.returncode, 1)
        self.assertIn("RF_ENOACTOR", missing.stderr)
        self.assertEqual(self.ctl("send", "echo", "nope", "1", url=self.one.url).returncode, 1)

    def test_graph_validate(self):
        good = ROOT / "examples" / "wordcount" / "text.graph.json"
        self.assertEqual(self.ctl("graph", "validate", good, url=self.one.url).returncode, 0)
        self.assertEqual(self.ctl("graph", "validate", good).returncode, 0)
        with folder() as directory:
            bad = directory / "bad.json"
            bad.write_text('{"processes":{"a":{"component":"tpl_mrege"}},\n "connections":[]}')
            for url in (self.one.url, None):
                result = self.ctl("graph", "validate", bad, url=url)
                self.assertEqual(result.returncode, 1)
                self.assertIn("tpl_merge", result.stdout)
                result = self.ctl("graph", "validate", bad, "--json", url=url)
                self.assertEqual(result.returncode, 1)
                finding, = json.loads(result.stdout)["findings"]
                self.assertEqual((finding["line"], finding["is_error"]), (1, True))
                self.assertIn("tpl_merge", finding["text"])

    def test_request_to_another_network(self):
        two = self.node({"network_id": "two", "connect": [self.one.address]})
        two.wait_linked("one")
        answer = self.ctl("request", "upper@one", "input", '"far"', url=two.url)
        self.assertEqual(answer.stdout, '"FAR"\n', answer.stderr)
        # Found by no registry, linked all the same.
        network, = json.loads(self.ctl("networks", "--json", url=two.url).stdout)
        self.assertEqual((network["network_id"], network["connected"]), ("one", True))


if __name__ == "__main__":
    main()
