#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""reflow-bench: every workload at a tiny scale, the forms of its output, its errors, and the comparison with peers
that are scripts here. Nothing depends on how fast anything is."""
import csv
import io
import json
import os
import re
import subprocess
import unittest
import xml.etree.ElementTree

from support import BIN, DEADLINE_S, folder, main

TINY = ["--scale", "1", "--warmup-ms", "0", "--measure-ms", "0"]
LINE = re.compile(r"^[a-z0-9-]+ [a-z0-9_.]+ -?[0-9]+(\.[0-9]+)? \S+$")

# Stands in for bench/peers/run. Rates and times, a limit, one that fails, one that hangs, one without results.
FAKE_RUN = r"""#!/bin/bash
case $1 in
    list)
        echo 'quick: local_ring local_pingpong'
        echo 'slow: local_ring local_pingpong'
        echo 'raw-fake: local_ring local_pingpong'
        echo 'broken: local_stream'
        echo 'mute: local_stream'
        echo 'stuck: local_fanin'
        echo 'elsewhere: only_theirs' ;;
    missing) echo 'absent: there is no language for it' ;;
    measure)
        echo "a word of the program itself"
        echo "$2 $3 $BENCH_SCALE $BENCH_LIMIT_S" >>"$FAKE_LOG"
        case "$2 $3" in
            'quick local_ring') echo 'quick local_ring 1000000000000 hops/s' ;;
            'slow local_ring') echo 'slow local_ring 2 hops/s' ;;
            'raw-fake local_ring') echo 'raw-fake local_ring 4000000000000 hops/s' ;;
            'quick local_pingpong') echo 'quick local_pingpong 0.001 ns' ;;
            'slow local_pingpong') echo 'slow local_pingpong 1000000000 ns' ;;
            'raw-fake local_pingpong') echo 'raw-fake local_pingpong 0.0001 ns' ;;
            'broken local_stream') echo 'broken local_stream 5 msgs/s'; echo 'out of luck' >&2; exit 3 ;;
            'mute local_stream') ;;
            'stuck local_fanin') exec sleep 1000 ;;
            'elsewhere only_theirs') echo 'elsewhere only_theirs 5 widgets' ;;
        esac ;;
esac
"""


def bench(*arguments, environment=None, timeout=4 * DEADLINE_S):
    environment = {**{k: v for k, v in os.environ.items() if not k.startswith("BENCH_")},
                   **(environment or {})}
    return subprocess.run([str(BIN / "reflow-bench"), *map(str, arguments)], capture_output=True, text=True,
                          env=environment, timeout=timeout, stdin=subprocess.DEVNULL)


def workloads():
    return [line.split()[0] for line in bench("--list").stdout.splitlines()]


class CommandLine(unittest.TestCase):
    def refused(self, *arguments, environment=None):
        result = bench(*arguments, environment=environment)
        self.assertEqual(result.returncode, 2, (arguments, result.stdout, result.stderr))
        self.assertEqual(result.stdout, "")
        self.assertTrue(result.stderr.startswith("reflow-bench: "), result.stderr)
        self.assertIn("try: reflow-bench --help", result.stderr)
        return result.stderr

    def test_help_version_and_list(self):
        usage = bench("--help")
        self.assertEqual(usage.returncode, 0)
        for word in ("usage: reflow-bench", "compare", "--scale PERCENT", "--transport tcp|ws", "--rounds N"):
            self.assertIn(word, usage.stdout)
        self.assertEqual(bench("-h").stdout, usage.stdout)
        self.assertRegex(bench("--version").stdout, r"^reflow-bench \d+\.\d+\.\d+\n$")
        self.assertIn("local_pingpong", workloads())
        self.assertEqual(len(workloads()), len(set(workloads())))

    def test_unknown_workload_names_the_nearest(self):
        self.assertIn('no workload "local_pingpog"; did you mean local_pingpong?', self.refused("local_pingpog"))
        self.assertIn("--list", self.refused("qqqqqqqqqqqq"))

    def test_unknown_option_names_the_nearest(self):
        self.assertIn("did you mean --workers?", self.refused("--wokers", "2"))
        self.assertIn("no option -x", self.refused("-x"))

    def test_numbers_say_what_they_take(self):
        for value in ("abc", "0", "-1", "1.5", "99999999999999999999", "", " 5", "5x"):
            self.assertIn("--scale takes a whole number from 1 to 10000", self.refused(f"--scale={value}"))
        self.assertIn("BENCH_SCALE", self.refused("--list", environment={"BENCH_SCALE": "much"}))

    def test_choices_and_names_say_what_they_take(self):
        self.assertIn('--transport takes tcp|ws, not "udp"', self.refused("--transport", "udp"))
        self.assertIn('not ""', self.refused("--transport="))
        self.assertIn("reliable|fast", self.refused("--delivery", "tcp"))
        self.assertIn("--peer takes letters", self.refused("--peer", "a b"))

    def test_a_value_that_is_missing_or_too_many(self):
        self.assertIn("--scale needs a value: --scale PERCENT", self.refused("local_ring", "--scale"))
        self.assertIn("--json takes no value", self.refused("--json=yes"))

    def test_options_that_do_not_go_together(self):
        self.assertIn("exclude each other", self.refused("--json", "--csv"))
        self.assertIn("belongs to compare", self.refused("local_ring", "--rounds", "3"))
        self.assertIn("compare itself", self.refused("compare", "--transport", "ws"))
        self.assertIn("--workloads local_ring", self.refused("compare", "local_ring"))
        self.assertIn("--samples FILE", self.refused("compare", "--rounds", "0"))


class Run(unittest.TestCase):
    def test_every_workload_gives_result_lines(self):
        for workload in workloads():
            with self.subTest(workload=workload):
                result = bench(workload, *TINY, "--peer", "me", "--workers", "2")
                if f"left out: {workload}, since" in result.stderr:  # it needs a program that is not built here
                    self.assertEqual(result.returncode, 1)
                    self.assertEqual(result.stdout, "")
                    continue
                self.assertEqual(result.returncode, 0, result.stderr)
                lines = result.stdout.splitlines()
                self.assertGreater(len(lines), 0)
                for line in lines:
                    self.assertRegex(line, LINE)
                    peer, name, _, _ = line.split()
                    self.assertEqual(peer, "me")
                    self.assertTrue(name.startswith(workload), line)

    def test_json_and_csv_say_the_same(self):
        names = ["local_ring", "local_pingpong"]
        objects = json.loads(bench(*names, *TINY, "--json").stdout)
        rows = list(csv.DictReader(io.StringIO(bench(*names, *TINY, "--csv").stdout)))
        for results in (objects, rows):
            self.assertEqual([r["workload"] for r in results], names)
            self.assertEqual([r["unit"] for r in results], ["hops/s", "ns"])
            self.assertEqual({r["peer"] for r in results}, {"reflow"})
            for result in results:
                self.assertGreater(float(result["value"]), 0)

    def test_the_summary_has_every_workload_or_names_it(self):
        result = bench("--scale", "1", "--warmup-ms", "0", "--measure-ms", "0")
        self.assertEqual(result.returncode, 0, result.stderr)
        for workload in workloads():
            self.assertTrue(re.search(rf"^reflow {workload}", result.stdout, re.M) or
                            f"left out: {workload}" in result.stderr, (workload, result.stdout, result.stderr))

    def test_a_measurement_that_takes_too_long_fails_by_name(self):
        result = bench("local_stream", "--measure-ms", "600000", "--timeout-s", "1")
        self.assertEqual(result.returncode, 1)
        self.assertIn("local_stream failed: not finished within 1 s", result.stderr)

    def test_workloads_at_a_fixed_rate(self):
        for workload in ("remote_rtt", "remote_stream", "remote_stream_1k", "remote_fanin", "local_pingpong",
                         "local_stream", "local_pipeline"):
            with self.subTest(workload):
                result = bench(workload, "--rate", "2000", "--measure-ms", "200")
                self.assertEqual(result.returncode, 0, result.stderr)
                lines = [line.split()[1:] for line in result.stdout.splitlines()]
                self.assertEqual([(name, unit) for name, _, unit in lines],
                                 [(f"{workload}_{what}", "us") for what in ("p50", "p99", "p99.9")]
                                 + [(f"{workload}_rate", "msgs/s")])
                p50, p99, p999, rate = (float(value) for _, value, _ in lines)
                self.assertTrue(0 < p50 <= p99 <= p999, lines)
                self.assertTrue(0 < rate <= 2020, "none before it was planned")

    def test_a_rate_that_is_too_high_shows_in_the_times(self):
        """The loop does not wait for a receiver that is behind: the times grow, and the reached rate is told."""
        result = bench("remote_stream", "--rate", "1000000000", "--measure-ms", "1")
        self.assertEqual(result.returncode, 0, result.stderr)
        values = {line.split()[1]: float(line.split()[2]) for line in result.stdout.splitlines()}
        self.assertLess(values["remote_stream_rate"], 1e9 / 2)
        self.assertGreater(values["remote_stream_p50"], 1000, "a million messages of one millisecond")

    def test_a_rate_is_refused_where_there_is_no_open_loop(self):
        result = bench("local_ring", *TINY, "--rate", "1000")
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("local_ring has no open loop", result.stderr)

    def test_plot(self):
        with folder() as directory:
            path = directory / "plot.svg"
            self.assertEqual(bench("local_ring", *TINY, "--plot", path).returncode, 0)
            texts = "".join(xml.etree.ElementTree.parse(path).getroot().itertext())
            self.assertIn("local_ring", texts)
            result = bench("local_ring", *TINY, "--plot", directory / "none" / "plot.svg")
            self.assertEqual(result.returncode, 1)
            self.assertIn("none/plot.svg", result.stderr)


class Compare(unittest.TestCase):
    def setUp(self):
        context = folder()
        self.directory = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        self.log = self.directory / "log"
        run = self.directory / "run"
        run.write_text(FAKE_RUN)
        run.chmod(0o755)

    def compare(self, *arguments, rounds=1):
        return bench("compare", "--rounds", rounds, *TINY, *arguments,
                     environment={"BENCH_PEERS": str(self.directory), "FAKE_LOG": str(self.log)})

    def rows(self, result):
        return {(row["workload"], row["peer"]): row for row in json.loads(result.stdout)}

    def test_ratios_point_the_right_way_for_rates_and_for_times(self):
        cases = (("quick,raw-fake", "quick", lambda ratio: 0 < ratio < 1),
                 ("slow,raw-fake", "slow", lambda ratio: ratio > 1),
                 ("slow,quick", "quick", lambda ratio: 0 < ratio < 1))
        for peers, best, holds in cases:
            result = self.compare("--json", "--peers", peers, "--workloads", "local_ring,local_pingpong")
            self.assertEqual(result.returncode, 0, result.stderr)
            rows = self.rows(result)
            for workload, unit in (("local_ring", "hops/s"), ("local_pingpong", "ns")):
                ours = rows[workload, "reflow"]
                self.assertEqual((ours["unit"], ours["best_peer"], ours["samples"]), (unit, best, 1))
                self.assertTrue(holds(ours["ratio_to_best_peer"]), (peers, ours))
                theirs = rows[workload, best]
                self.assertNotIn("ratio_to_best_peer", theirs)
                expected = ours["median"] / theirs["median"]
                if unit == "ns":
                    expected = 1 / expected
                self.assertAlmostEqual(ours["ratio_to_best_peer"] / expected, 1, places=4)
                if "raw-fake" in peers:
                    self.assertEqual(rows[workload, "raw-fake"]["kind"], "limit")
                    self.assertEqual(ours["raw"], "raw-fake")
                    self.assertTrue(0 < ours["ratio_to_raw"] < 1)
                else:
                    self.assertIsNone(ours["ratio_to_raw"])

    def test_rounds_interleave_and_pass_the_scale_on(self):
        result = self.compare("--json", "--peers", "quick,slow", "--workloads", "local_ring", "--timeout-s", "50",
                              rounds=3)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.log.read_text().splitlines(),
                         ["quick local_ring 1 50", "slow local_ring 1 50"] * 3)
        row = self.rows(result)["local_ring", "reflow"]
        self.assertEqual(row["samples"], 3)
        self.assertTrue(row["min"] <= row["median"] <= row["max"])
        for key in ("workload", "peer", "median", "min", "max", "unit", "samples", "others_percent"):
            self.assertIn(key, row)

    def test_without_choices_it_takes_all_that_a_peer_does(self):
        result = self.compare("--json", "--peers", "quick,slow,raw-fake,elsewhere,absent")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual({workload for workload, _ in self.rows(result)},
                         {"local_ring", "local_pingpong", "only_theirs"})
        self.assertIn("left out: absent: there is no language for it", result.stderr)
        self.assertIn("left out: reflow only_theirs: reflow-bench does not have this workload", result.stderr)

    def test_failures_are_named_and_the_others_stay(self):
        result = self.compare("--json", "--workloads", "local_stream,local_fanin,local_ring", "--timeout-s", "1")
        self.assertEqual(result.returncode, 0, result.stderr)  # ours went well
        self.assertIn("failed: broken local_stream (1 of 1): exit code 3: out of luck", result.stderr)
        self.assertIn("failed: mute local_stream (1 of 1): it gave no result", result.stderr)
        self.assertIn("failed: stuck local_fanin (1 of 1): not finished within", result.stderr)
        rows = self.rows(result)
        self.assertNotIn(("local_stream", "broken"), rows)
        self.assertIsNone(rows["local_stream", "reflow"]["ratio_to_best_peer"])
        self.assertIn(("local_ring", "quick"), rows)

    def test_text_has_ratios_origin_and_who_is_left_out(self):
        result = self.compare("--workloads", "local_ring")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"\| local_ring +\| raw-fake \(limit\) +\|")
        self.assertRegex(result.stdout, r"\| local_ring +\| reflow .*\(quick\) +\| .*\(raw-fake\) +\|")
        for text in ("made by: reflow-bench compare --rounds 1 --scale 1 --workloads local_ring",
                     "left out: absent: there is no language for it", "aeron-ipc"):
            self.assertIn(text, result.stdout)
        self.assertEqual(len({line.count("|") for line in result.stdout.splitlines() if "|" in line}), 1)

    def test_csv(self):
        rows = list(csv.DictReader(io.StringIO(self.compare("--csv", "--workloads", "local_ring").stdout)))
        self.assertEqual({row["peer"] for row in rows}, {"reflow", "quick", "slow", "raw-fake"})
        ours = next(row for row in rows if row["peer"] == "reflow")
        self.assertEqual(ours["best_peer"], "quick")
        self.assertGreater(float(ours["ratio_to_best_peer"]), 0)

    def test_samples_add_up_over_runs(self):
        path = self.directory / "samples.txt"
        for count in (1, 2):
            result = self.compare("--json", "--workloads", "local_ring", "--samples", path)
            self.assertEqual(self.rows(result)["local_ring", "reflow"]["samples"], count, result.stderr)
        again = self.compare("--json", "--samples", path, rounds=0)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(self.rows(again)["local_ring", "quick"]["samples"], 2)
        with path.open("a") as file:
            file.write("zmq local_ring failed - 3\nrubbish\n")
        broken = self.compare("--json", "--samples", path, rounds=0)
        self.assertEqual(broken.returncode, 1)
        self.assertRegex(broken.stderr, r"samples\.txt:\d+: not a sample: \"rubbish\"")

    def test_names_that_nobody_has(self):
        for option, word, meant in (("--peers", "quik", "quick"), ("--rows", "reflow-tpc", "reflow-tcp"),
                                    ("--workloads", "local_rign", "local_ring")):
            result = self.compare(option, word)
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertIn(f'"{word}"; did you mean {meant}?', result.stderr)

    def test_a_folder_without_peers(self):
        result = bench("compare", "--peers-dir", self.directory / "nowhere", *TINY)
        self.assertEqual(result.returncode, 1)
        self.assertIn("--peers-dir", result.stderr)
        alone = bench("compare", "--peers", "-", "--rounds", "1", "--workloads", "local_ring", "--json", *TINY)
        self.assertEqual(alone.returncode, 0, alone.stderr)
        self.assertEqual(list(self.rows(alone)), [("local_ring", "reflow")])

    def test_plot_has_ours_and_the_peers(self):
        path = self.directory / "plot.svg"
        self.compare("--workloads", "local_*", "--peers", "quick,slow,raw-fake", "--plot", path, rounds=2)
        root = xml.etree.ElementTree.parse(path).getroot()
        texts = [text.strip() for text in root.itertext() if text.strip()]
        for text in ("local_ring", "local_pingpong", "reflow", "quick", "raw-fake", "hops/s, higher is better",
                     "ns, lower is better"):
            self.assertIn(text, texts)
        namespace = "{http://www.w3.org/2000/svg}"
        bars = root.findall(f".//{namespace}rect")
        self.assertTrue(all(float(bar.get("width").rstrip("%")) >= 0 for bar in bars))


if __name__ == "__main__":
    main()
