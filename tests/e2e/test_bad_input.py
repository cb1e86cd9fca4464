# SPDX-License-Identifier: Apache-2.0
"""Whatever is wrong: a message that names it and says what to do, a code, and nothing half done."""
import json
import os
import random
import signal
import socket
import struct
import subprocess
import threading
import time

import harness
from harness import (Daemon, EDGECAP, EDGECAPD, SmallDisk, TestCase, check_ledger,
                     device_options, endless_port, eventually, null_port, read_pcap, record, run,
                     run_tool, takes_signal, traffic, write_pcap)


class Configuration(TestCase):
    def check(self, text, *words, line=None):
        """The configuration is refused, by --check and at start; the message has all words."""
        path = self.work / "bad.yaml"
        path.write_text(text)
        for arguments in (["--check"], []):
            done = run(EDGECAPD, "--config", path, *arguments)
            self.assertEqual(done.code, 1, done)
            for word in words:
                self.assertIn(word, done.err)
            if line is not None:
                self.assertIn("%s:%d" % (path, line), done.err)
        return done.err

    def test_unknown_key(self):
        self.check("dataplane:\n  ports: [net_null0]\n  wurst: 3\n", "wurst", line=3)

    def test_wrong_type(self):
        self.check("dataplane:\n  ports: [net_null0]\n  mbufs_per_port: many\n",
                   "mbufs_per_port", "many", "1024", line=3)

    def test_out_of_range(self):
        self.check("dataplane:\n  ports: [net_null0]\n  idle_sleep_us_max: 99999999\n",
                   "idle_sleep_us_max", "99999999", "10000", line=3)

    def test_wrong_choice(self):
        self.check("dataplane:\n  ports: [net_null0]\n  hugepages: maybe\n",
                   "hugepages", "maybe", "auto", "off", line=3)

    def test_block_size_that_is_no_multiple(self):
        self.check("dataplane:\n  ports: [net_null0]\ncapture:\n  block_bytes: 1048577\n",
                   "block_bytes", "1048577", "4096", line=4)

    def test_too_few_blocks_for_the_workers(self):
        self.check("dataplane:\n  ports: [net_null0]\n  worker_cores: [0, 0, 0, 0]\n"
                   "capture:\n  block_count: 4\n", "block_count", "4")

    def test_no_port(self):
        self.check("machine: m1\n", "dataplane.ports")

    def test_relative_path(self):
        self.check("dataplane:\n  ports: [net_null0]\ncontrol:\n  socket: here\n",
                   "control.socket", "here", line=4)

    def test_socket_path_too_long(self):
        self.check("dataplane:\n  ports: [net_null0]\ncontrol:\n  socket: /%s\n" % ("x" * 120),
                   "control.socket", "107", line=4)

    def test_all_mistakes_at_once(self):
        err = self.check("dataplane:\n  ports: [net_null0]\n  hugepages: maybe\n  wurst: 1\n"
                         "limits:\n  max_running: 0\n", "maybe", "wurst", "max_running")
        self.assertIn(":3", err)
        self.assertIn(":4", err)
        self.assertIn(":6", err)

    def test_no_yaml(self):
        self.check("dataplane: [\n", "bad.yaml")

    def test_given_twice(self):
        self.check("machine: a\nmachine: b\ndataplane:\n  ports: [net_null0]\n", "machine")

    def test_no_such_file(self):
        done = run(EDGECAPD, "--config", self.work / "nothing.yaml")
        self.assertEqual(done.code, 1, done)
        self.assertIn("nothing.yaml", done.err)

    def test_wrong_words(self):
        for words in ([], ["--confg", "x"], ["--config"]):
            done = run(EDGECAPD, *words)
            self.assertEqual(done.code, 2, done)
            self.assertTrue(done.err)


class Start(TestCase):
    """What only shows at start. Each refusal leaves no socket behind."""

    def refused(self, ports, *words, before=(), **settings):
        daemon = Daemon(self.work / "refused", ports, **settings)
        self.addCleanup(daemon.kill)
        existed = daemon.socket.exists()
        daemon.launch(before)
        self.assertEqual(daemon.process.wait(60 * harness.PATIENCE), 1, daemon.words())
        said = [line for line in daemon.words().splitlines()
                if line.startswith("edgecapd: error:")]
        self.assertEqual(len(said), 1, daemon.words())
        for word in words:
            self.assertIn(word, said[0])
        self.assertEqual(daemon.socket.exists(), existed)
        return said[0]

    def test_no_such_driver(self):
        self.refused([{"device": "net_nonsense0"}], "net_nonsense0")

    def test_no_such_file_behind_the_port(self):
        self.refused([{"device": "net_pcap0,rx_pcap=/does/not/exist.pcap"}],
                     "net_pcap0,rx_pcap=/does/not/exist.pcap")

    def test_no_such_card(self):
        self.refused([{"device": "0000:7f:1f.7"}], "0000:7f:1f.7")

    def test_more_queues_than_the_port_has(self):
        source = write_pcap(self.work / "in.pcap", [p.frame for p in traffic(10)])
        self.refused([dict(endless_port(source), queues=100, rx_descriptors=64)], "queues", "100")

    def test_no_such_core(self):
        self.refused([null_port()], "core 1000", dataplane={"worker_cores": [1000]})

    def test_hugepages_on_without_any(self):
        # More than any machine has to spare.
        self.refused([null_port()], "dataplane.hugepages", "nr_hugepages", "auto",
                     dataplane={"hugepages": "on", "memory_mb": 1048576})

    def test_not_enough_memory(self):
        self.refused([null_port()], "dataplane.mbufs_per_port", "dataplane.memory_mb",
                     dataplane={"mbufs_per_port": 131072, "memory_mb": 64, "hugepages": "off"})

    def test_wrong_words_for_eal(self):
        self.refused([null_port()], "dataplane.eal_args", dataplane={"eal_args": ["--no-such"]})

    def test_socket_in_use(self):
        daemon = self.daemon([null_port()])
        id = daemon.create("simple")
        self.refused([null_port()], str(daemon.socket), "another edgecapd",
                     control={"socket": str(daemon.socket)})
        self.assertEqual(daemon.show(id)["status"], "running")
        self.finish(daemon)

    def test_socket_path_is_a_file(self):
        path = self.work / "precious"
        path.write_text("precious")
        self.refused([null_port()], str(path), "not a socket", control={"socket": str(path)})
        self.assertEqual(path.read_text(), "precious")

    def test_no_such_group(self):
        self.refused([null_port()], "control.socket_group", "no_such_group_here",
                     control={"socket_group": "no_such_group_here"})

    def test_directory_below_a_file(self):
        path = self.work / "file"
        path.write_text("")
        self.refused([null_port()], str(path / "captures"), "capture.directory",
                     capture={"directory": str(path / "captures")})

    def test_directory_that_cannot_be_written(self):
        with SmallDisk(self.work / "ro", read_only=True) as disk:
            self.refused([null_port()], str(disk.path), "Read-only", "capture.directory",
                         capture={"directory": str(disk.path)})

    def test_full_disk(self):
        with SmallDisk(self.work / "full", kilobytes=64) as disk:
            _fill(disk.path / "ballast")
            self.refused([null_port()], str(disk.path), "No space left", "capture.directory",
                         capture={"directory": str(disk.path / "captures")})


def _fill(path):
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass


class Requests(TestCase):
    def setUp(self):
        super().setUp()
        self.d = self.daemon([null_port()], limits={"max_running": 4, "max_time_limit_s": 1000},
                             control={"max_body_bytes": 4096, "max_connections": 8})
        self.other = self.d.create("full", {"protocol": "tcp"})

    def tearDown(self):
        # The daemon still answers, and the other capture went on all the time.
        self.assertEqual(self.d.show(self.other)["status"], "running")
        self.assertEqual(len(list(self.d.captures.iterdir())), 1)
        self.d.end(self.other)
        self.check_capture(self.d.wait(self.other))
        self.finish(self.d)

    def refused(self, status, body, *words, path="/v1/captures", method="POST"):
        answer = self.d.call(method, path, body)
        self.assertEqual(answer.status, status, answer)
        self.assertIn("application/json", answer.headers["Content-Type"])
        for word in words:
            self.assertIn(word, answer.message())
        return answer

    def test_malformed_json(self):
        for body in (b"", b"{", b"[]", b"7", b"nonsense", b'{"type": "full"',
                     b'{"type": "full"} x', b'{"type": \xff}', b"\0" * 100):
            with self.subTest(body=body):
                self.refused(400, body, "body")

    def test_deep_and_doubled_json(self):
        self.refused(400, b"[" * 2000 + b"]" * 2000, "deeper")
        self.refused(400, b'{"type": "full", "type": "simple"}', "type", "more than once")

    def test_oversized_json(self):
        answer = self.refused(413, b'{"type": "full", "x": "%s"}' % (b"x" * 5000))
        self.assertIn("4096", answer.message())

    def test_oversized_head(self):
        answer = self.d.call("GET", "/v1/" + "x" * 100_000)
        self.assertIn(answer.status, (413, 414, 431), answer)

    def test_unknown_fields(self):
        self.refused(400, {"type": "full", "wurst": 1}, "wurst", "packet_limit")
        self.refused(400, {"type": "full", "filter": {"wurst": 1}}, "wurst", "source_address")

    def test_type(self):
        self.refused(400, {}, "type", "simple", "full")
        self.refused(400, {"type": "some"}, "some", "simple", "full")
        self.refused(400, {"type": 1}, "type")

    def test_limits_out_of_range(self):
        for field, value in (("packet_limit", 0), ("packet_limit", -1), ("packet_limit", 1.5),
                             ("packet_limit", "7"), ("byte_limit", 0), ("time_limit", 0),
                             ("time_limit", 1001), ("snaplen", 0), ("snaplen", 262145),
                             ("packet_limit", None), ("packet_limit", True),
                             ("byte_limit", 2**64), ("byte_limit", [])):
            with self.subTest(field=field, value=value):
                answer = self.refused(400, {"type": "full", field: value}, field, "from")
                self.assertEqual([d["field"] for d in answer.json()["error"]["details"]], [field])
        self.refused(400, {"type": "simple", "one_in": 0}, "one_in")
        self.refused(400, {"type": "full", "one_in": 5}, "one_in", "simple")

    def test_all_mistakes_at_once(self):
        answer = self.refused(400, {"type": "full", "packet_limit": 0, "wurst": 1,
                                    "filter": {"destination_port": "99999"}})
        fields = {d["field"] for d in answer.json()["error"]["details"]}
        self.assertEqual(fields, {"packet_limit", "wurst", "filter.destination_port"})

    def test_filter_values(self):
        for field, value in (("source_address", "10.0.0.0/33"), ("source_address", "10.0.0"),
                             ("destination_address", "2001:db8::/129"), ("source_port", "65536"),
                             ("destination_port", "9-1"), ("protocol", "wurst"),
                             ("protocol", "256"), ("source_port", "")):
            with self.subTest(field=field, value=value):
                self.refused(400, {"type": "full", "filter": {field: value}}, field, value)
        self.refused(400, {"type": "full", "filter": []}, "filter")
        self.refused(400, {"type": "full", "filter": {"source_port": 1.5}}, "source_port", "1.5")

    def test_filter_that_contradicts_itself(self):
        self.refused(400, {"type": "full", "filter": {"source_address": "10.0.0.1",
                                                      "destination_address": "2001:db8::1"}},
                     "10.0.0.1", "2001:db8::1", "never")
        self.refused(400, {"type": "full", "filter": {"protocol": "icmp",
                                                      "destination_port": "443"}},
                     "icmp", "443", "never")

    def test_unknown_id(self):
        for id in ("0" * 32, "nonsense", "..", "%2e%2e%2f", "0" * 33):
            for method, suffix in (("GET", ""), ("DELETE", ""), ("POST", "/stop"),
                                   ("GET", "/download")):
                with self.subTest(id=id, method=method):
                    answer = self.d.call(method, "/v1/captures/" + id + suffix)
                    self.assertEqual(answer.status, 404, answer)
                    self.assertTrue(answer.message())

    def test_unknown_paths_and_methods(self):
        self.assertEqual(self.d.call("GET", "/v2").status, 404)
        self.assertEqual(self.d.call("PUT", "/v1/captures").status, 405)
        self.assertEqual(self.d.call("POST", "/healthz").status, 405)
        self.assertEqual(self.d.call("GET", "/v1/captures/%s/stop" % self.other).status, 405)

    def test_too_many_captures(self):
        ids = [self.d.create("full", {"protocol": "udp"}) for _ in range(3)]
        self.refused(429, {"type": "full"}, "max_running")
        for id in ids:
            self.d.end(id)
            self.d.wait(id)
            self.d.delete(id)

    def test_no_http(self):
        rng = random.Random(5)
        for data in (b"\0" * 4096, b"GET\r\n\r\n", rng.randbytes(10_000), b"GET / HTTP/9.9\r\n\r\n",
                     b"POST /v1/captures HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
                     b"POST /v1/captures HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"):
            with socket.socket(socket.AF_UNIX) as raw:
                raw.connect(str(self.d.socket))
                try:
                    raw.sendall(data)
                except ConnectionError:
                    pass
            self.assertEqual(self.d.call("GET", "/healthz").status, 200)

    def test_more_connections_than_allowed(self):
        """Those above max_connections wait or are closed; whoever goes makes room."""
        raw = []
        for _ in range(20):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(str(self.d.socket))
            raw.append(connection)
        for connection in raw:
            connection.close()

        def answers():
            try:
                return self.d.call("GET", "/healthz").status == 200
            except OSError:
                return False
        eventually(answers, "the daemon answers again")

    def test_command_line(self):
        d = self.d
        for words, code, said in (
                (["create", "some"], 2, ["some"]),
                (["create", "full", "--packet-limit", "0"], 2, ["packet-limit", "0"]),
                (["create", "full", "--destination-port", "99999"], 2, ["99999"]),
                (["create", "full", "--protocol", "icmp", "--source-port", "1"], 2,
                 ["icmp", "never"]),
                (["create", "full", "--time-limit", "1001"], 1, ["time_limit", "1001", "1000"]),
                (["create", "full", "--wurst"], 2, ["--wurst"]),
                (["show", "0" * 32], 1, ["0" * 32]), (["show", "ffff"], 1, ["ffff"]),
                (["show", "x"], 2, ["x"]), (["show"], 2, []), (["wait", "0" * 32], 1, ["0" * 32]),
                (["stop", "0" * 32], 1, ["0" * 32]), (["delete", "0" * 32], 1, ["0" * 32]),
                (["delete", self.other], 1, ["running", "stop"]),
                (["download", "0" * 32, "-o", self.work / "x.pcap"], 1, ["0" * 32]),
                (["download", self.other, "-o", self.work / "x.pcap"], 1, ["running"]),
                (["download", self.other, "-o", "/does/not/exist/x.pcap"], 1, ["/does/not/exist"]),
        ):
            with self.subTest(words=words):
                done = d.cli(*words)
                self.assertEqual(done.code, code, done)
                self.assertTrue(done.err.startswith("edgecap: "), done)
                for word in said:
                    self.assertIn(word, done.err)
        self.assertFalse((self.work / "x.pcap").exists())
        self.assertEqual(list(self.work.glob(".x*")), [])


class Filters(TestCase):
    """A filter that is wrong: a 4xx that names field and value, and nothing running notices."""

    def setUp(self):
        super().setUp()
        source = write_pcap(self.work / "in.pcap", [p.frame for p in traffic(1000)])
        self.d = self.daemon([endless_port(source)], limits={"max_rules": 100})
        self.other = self.d.create("full", {"destination_port": "53"}, packet_limit=10**9,
                                   snaplen=64)
        eventually(lambda: self.d.show(self.other)["packets_captured"] > 0, "packets are captured")

    def tearDown(self):
        # The other capture went on all the time, and lost nothing by it.
        before = self.d.received()
        eventually(lambda: self.d.received() > before, "packets arrive")
        capture = self.d.show(self.other)
        self.assertEqual(capture["status"], "running")
        self.assertEqual(len(list(self.d.captures.iterdir())), 1)
        self.d.end(self.other)
        capture = self.d.wait(self.other)
        check_ledger(self, capture)
        door = capture["ledger"]["packets"]
        self.assertEqual(door["matched"], door["captured"] + door["over_limit"] + door["no_block"])
        self.finish(self.d)

    def refused(self, fields, *words, status=400):
        """As one of several filters, and as one to exclude; the message says which."""
        for body, place in (({"filters": [{"protocol": "tcp"}, fields]}, "filters[1]"),
                            ({"exclude": [fields]}, "exclude[0]")):
            answer = self.d.call("POST", "/v1/captures", {"type": "full", **body})
            self.assertEqual(answer.status, status, answer)
            for word in (place,) + words:
                self.assertIn(word, answer.message())
            self.assertLess(len(answer.message()), 3000)
        return answer

    def test_an_address_with_a_typo(self):
        for value in ("10.0.0.300", "10.0.0", "10.0.0.1/33", "10.0.0.0/8;10.0.0.l", "2001:db8::g",
                      "10.0.0.1-2001:db8::1"):
            for field in ("source_address", "address", "remote_address"):
                with self.subTest(value=value, field=field):
                    self.refused({field: value}, field, value.split(";")[-1])

    def test_numbers_that_are_none(self):
        for field, value in (("source_port", "70000"), ("port", 70000), ("vlan", 4096),
                             ("dscp", 64), ("icmp_type", 256), ("length", 65536),
                             ("protocol", "tcpp"), ("ether_type", "0x10000"), ("ip_version", 5),
                             ("fragment", "maybe"), ("tcp_flags", "sin"), ("direction", "up"),
                             ("layer", "middle"), ("destination_port", "80;443;x")):
            with self.subTest(field=field, value=value):
                self.refused({field: value}, field, str(value).split(";")[-1])

    def test_ranges_backwards(self):
        for field, value, right in (("port", "2000-1000", "1000-2000"),
                                    ("source_address", "10.0.0.9-10.0.0.1", "10.0.0.1-10.0.0.9"),
                                    ("length", "100-99", "99-100"), ("vlan", "9-1", "1-9")):
            with self.subTest(field=field):
                self.refused({field: value}, field, value, right)

    def test_empty_lists(self):
        for value in ([], "", ";"):
            with self.subTest(value=value):
                self.refused({"source_address": value}, "source_address", "empty")
                self.refused({"port": value}, "port", "empty")
        self.refused({"port": "1;;2"}, "port", "1;;2")

    def test_contradictions(self):
        self.refused({"source_address": "10.0.0.1", "destination_address": "2001:db8::1"},
                     "source_address", "10.0.0.1", "2001:db8::1", "never")
        self.refused({"protocol": "icmp", "port": 443}, "icmp", "443", "never")
        self.refused({"tcp_flags": "syn,!syn"}, "tcp_flags", "syn")
        self.refused({"fragment": "later", "port": 53}, "fragment", "later", "never")
        self.refused({"port_name": "nowhere"}, "port_name", "nowhere")
        self.refused({"direction": "in"}, "direction", "dataplane.local_prefixes")
        self.refused({"remote_port": 53}, "remote_port", "dataplane.local_prefixes")

    def test_bpf_that_is_none(self):
        for text, place, said in (("tcp and prot 80", "character 9", "syntax error"),
                                  ("tcp port 70000", "70000", ""),
                                  ("ip[", "character", "syntax error"),
                                  ("host 10.0.0.300", "10.0.0.300", ""),
                                  ("(tcp or udp", "character", "syntax error"),
                                  ("gateway 10.0.0.1", "gateway", ""), ("inbound", "inbound", "")):
            with self.subTest(text=text):
                self.refused({"bpf": text}, "bpf", place, said)

    def test_patterns_that_explode(self):
        for text in ("(", "a{1,5000}{1,5000}", "(a|b|c){500}{500}", "((a{0,200}b){0,200}c){0,200}",
                     "(?=look)ahead", "(a)\\1", "x*", "[z-a]", "a{2,1}"):
            with self.subTest(text=text):
                start = time.monotonic()
                self.refused({"payload": text}, "payload", text.replace("\\", "\\\\"))
                self.assertLess(time.monotonic() - start, 10 * harness.PATIENCE)

    def test_a_filter_of_a_megabyte(self):
        mega = 1 << 20
        for field, value in (
                ("bpf", "tcp or " * (mega // 7) + "udp"), ("payload", "x" * mega),
                ("source_address", "10.0.0.1;" * (mega // 9)), ("port", "1;" * (mega // 2)),
                ("protocol", "t" * mega), ("port_name", "p" * mega),
                ("payload", ["x%d" % i for i in range(mega // 8)]),
                ("port", list(range(mega // 8)))):
            with self.subTest(field=field):
                self.refused({field: value}, field)
        # Many small ones.
        answer = self.d.call("POST", "/v1/captures", {
            "type": "full", "filters": [{"port": n % 60000} for n in range(mega // 16)]})
        self.assertEqual(answer.status, 400, answer)
        self.assertIn("max_rules", answer.message())
        # And a body beyond what is allowed at all.
        answer = self.d.call("POST", "/v1/captures", b"{" + b" " * (9 * mega))
        self.assertEqual(answer.status, 413, answer)
        self.assertIn("max_body_bytes", answer.message())

    def test_rules_of_all_captures_together(self):
        ids = [self.d.create("simple", filters=[{"port": n} for n in range(30)])
               for _ in range(3)]
        answer = self.d.call("POST", "/v1/captures", {"type": "full",
                                                      "filters": [{"port": n} for n in range(30)]})
        self.assertIn(answer.status, (409, 429), answer)
        self.assertIn("max_rules", answer.message())
        for id in ids:
            self.d.end(id)
            self.check_capture(self.d.wait(id))
            self.d.delete(id)

    def test_the_command_line_says_the_same(self):
        for words, said in ((["--source-address", "10.0.0.300"], ["source_address", "10.0.0.300"]),
                            (["--bpf", "tcp and prot 80"], ["bpf", "character 9"]),
                            (["--payload", "("], ["payload"]),
                            (["--filter", "{prt: 1}"], ["prt"]),
                            (["--exclude", "{port: 70000}"], ["port", "70000"])):
            with self.subTest(words=words):
                for command in (["create", "full", "--socket", self.d.socket],
                                ["record", "-r", self.work / "in.pcap", "-w",
                                 self.work / "out.pcap"]):
                    done = run(EDGECAP, *command, *words)
                    self.assertIn(done.code, (1, 2), done)
                    for word in said:
                        self.assertIn(word, done.err)
        self.assertFalse((self.work / "out.pcap").exists())


class NoDaemon(TestCase):
    def test_command_line_without_a_daemon(self):
        for words in (["list"], ["stats"], ["create", "full"], ["show", "0" * 32]):
            done = run(EDGECAP, words[0], "--socket", self.work / "nobody", *words[1:])
            self.assertEqual(done.code, 1, done)
            self.assertIn(str(self.work / "nobody"), done.err)
        self.assertEqual(run(EDGECAP).code, 2)
        self.assertEqual(run(EDGECAP, "wurst").code, 2)


class FullDisk(TestCase):
    def test_one_capture_fails_the_others_go_on(self):
        with SmallDisk(self.work / "disk", kilobytes=4096) as disk:
            source = write_pcap(self.work / "in.pcap", [p.frame for p in traffic(1000)])
            daemon = self.daemon([endless_port(source)],
                                 capture={"directory": str(disk.path / "c")})
            quiet = daemon.create("full", {"source_address": "203.0.113.9"})
            greedy = daemon.create("full")
            capture = daemon.wait(greedy)
            self.check_capture(capture, "failed")
            self.assertEqual(capture["end_reason"], "error")
            self.assertIn("No space left on device", capture["error_message"])
            self.assertIn(str(disk.path), capture["error_message"])
            self.assertGreater(capture["ledger"]["packets"]["lost_on_disk"], 0)
            waited = daemon.cli("wait", greedy)
            self.assertEqual(waited.code, 1, waited)
            self.assertIn("No space left", waited.err)
            # No new capture while there is no room; the message says where.
            answer = daemon.call("POST", "/v1/captures", {"type": "full"})
            if answer.status == 201:  # the failed one has left a little room
                daemon.wait(answer.json()["id"])
                daemon.delete(answer.json()["id"])
            else:
                self.assertIn(str(disk.path), answer.message())
            self.assertEqual(daemon.show(quiet)["status"], "running")
            # What is visible is whole.
            for path in daemon.visible_files():
                read_pcap(path)
            daemon.delete(greedy)
            small = daemon.create("full", packet_limit=100)
            self.check_capture(daemon.wait(small))
            self.assertEqual(len(read_pcap(daemon.download(small))), 100)
            daemon.end(quiet)
            self.check_capture(daemon.wait(quiet))
            self.finish(daemon)

    def test_record(self):
        with SmallDisk(self.work / "disk", kilobytes=512) as disk:
            frames = [p.frame for p in traffic(3000, sizes=(1514,))]
            source = write_pcap(self.work / "in.pcap", frames)
            target = disk.path / "out.pcap"
            done = record("--read", source, "-w", target, "--json")
            self.assertEqual(done.code, 1, done)
            self.assertIn("No space left on device", done.err)
            self.assertIn(str(disk.path), done.err)
            report = json.loads(done.out)
            check_ledger(self, report)
            self.assertEqual(report["end_reason"], "error")
            # What was written before is kept, and whole; or there was nothing.
            kept = len(read_pcap(target)) if target.exists() else 0
            self.assertEqual(kept, report["ledger"]["packets"]["written"])
            self.assertEqual([p for p in disk.path.iterdir() if p.name.startswith(".")], [])

    def test_download(self):
        daemon = self.daemon([null_port()])
        id = daemon.create("full", packet_limit=20_000)
        daemon.wait(id)
        with SmallDisk(self.work / "disk", kilobytes=256) as disk:
            done = daemon.cli("download", id, "-o", disk.path / "out.pcap")
            self.assertEqual(done.code, 1, done)
            self.assertIn("No space left on device", done.err)
            self.assertEqual(list(disk.path.iterdir()), [])
        with open("/dev/full", "wb") as full:
            shown = subprocess.run([EDGECAP, "show", "--socket", daemon.socket, id], stdout=full,
                                   stderr=subprocess.PIPE, check=False)
        self.assertEqual(shown.returncode, 1)
        self.assertIn(b"No space left", shown.stderr)
        self.finish(daemon)


class InputFiles(TestCase):
    def setUp(self):
        super().setUp()
        self.target = self.work / "out.pcap"

    def refused(self, path, *words, code=1):
        done = record("--read", path, "-w", self.target)
        self.assertEqual(done.code, code, done)
        for word in (str(path), *words):
            self.assertIn(word, done.err)
        return done

    def test_truncated(self):
        packets = traffic(100)
        whole = write_pcap(self.work / "whole.pcap", [p.frame for p in packets]).read_bytes()
        for cut in (1, 10, len(packets[-1].frame), len(packets[-1].frame) + 5):
            with self.subTest(cut=cut):
                path = self.work / "cut.pcap"
                path.write_bytes(whole[:-cut])
                self.refused(path, "truncated", "99 packets")
                # What could be read is there, and whole.
                self.assertEqual([r.data for r in read_pcap(self.target)],
                                 [p.frame for p in packets[:99]])
                run_tool("capinfos", "-M", self.target)
                self.target.unlink()
        path = self.work / "head.pcap"
        for size in (0, 3, 23):
            path.write_bytes(whole[:size])
            self.refused(path)
            self.assertFalse(self.target.exists())

    def test_not_ethernet(self):
        path = write_pcap(self.work / "raw.pcap", [p.frame[14:] for p in traffic(10)], link=101)
        self.refused(path, "RAW", "Ethernet")
        self.assertFalse(self.target.exists())

    def test_not_a_capture_file(self):
        path = self.work / "text.pcap"
        path.write_text("this is no capture file\n" * 10)
        self.refused(path, "not a capture file")
        self.assertFalse(self.target.exists())

    def test_no_such_file_and_a_directory(self):
        self.refused(self.work / "nothing.pcap", "No such file")
        self.refused(self.work)
        self.assertFalse(self.target.exists())

    def test_mad_lengths(self):
        frame = traffic(1)[0].frame
        for stored, wire in ((0xFFFFFFFF, 0xFFFFFFFF), (300_000, 300_000), (0x7FFFFFFF, 60)):
            path = self.work / "mad.pcap"
            path.write_bytes(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1)
                             + struct.pack("<IIII", 0, 0, stored, wire) + frame)
            done = record("--read", path, "-w", self.target, "--force")
            self.assertEqual(done.code, 1, done)
            self.assertIn(str(path), done.err)

    def test_garbage(self):
        """Any bytes behind a right head: an exit code, never a crash, the output whole."""
        rng = random.Random(11)
        head = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1)
        for number in range(30):
            path = self.work / "garbage.pcap"
            frames = b""
            for _ in range(rng.randrange(20)):
                data = rng.randbytes(rng.randrange(120))
                frames += struct.pack("<IIII", 1, 1, len(data), len(data) + rng.randrange(3)) + data
            rest = rng.randbytes(rng.randrange(50)) if number % 2 else b""
            path.write_bytes(head + frames + rest)
            done = record("--read", path, "-w", self.target, "--force", "--protocol", "tcp")
            self.assertIn(done.code, (0, 1), done)
            if self.target.exists():
                read_pcap(self.target)
                self.target.unlink()


class RecordWords(TestCase):
    def test_wrong_command_lines(self):
        source = write_pcap(self.work / "in.pcap", [p.frame for p in traffic(10)])
        target = self.work / "out.pcap"
        from_file = ["--read", source, "-w", target]
        for words, said in (
                ([], ["--read", "--vdev", "--port"]),
                (["--read", source], ["-w", "--discard"]),
                (["-w", target], ["--read"]),
                (from_file + ["--vdev", "net_null0"], ["--read", "--vdev"]),
                (from_file + ["--discard"], ["--discard"]),
                (from_file + ["--time-limit", "5"], ["--time-limit"]),
                (from_file + ["--packet-limit", "0"], ["packet-limit", "0"]),
                (from_file + ["--packet-limit", "-1"], ["-1"]),
                (from_file + ["--snaplen", "262145"], ["snaplen", "262145", "262144"]),
                (from_file + ["--one-in", "0"], ["one-in", "0"]),
                (from_file + ["--byte-limit", "many"], ["byte-limit", "many"]),
                (from_file + ["--source-address", "10.0.0.0/33"],
                 ["source_address", "10.0.0.0/33"]),
                (from_file + ["--source-address", "10.0.0.1", "--destination-address", "::1"],
                 ["never"]),
                (from_file + ["--core", "999"], ["--core", "999"]),
                (from_file + ["--blocks", "1"], ["blocks", "1"]),
                (from_file + ["--block-bytes", "1000"], ["block-bytes", "1000"]),
                (["--port", "eth0", "-w", target], ["--port", "eth0", "--vdev"]),
                (from_file + ["--wurst"], ["--wurst"]),
        ):
            with self.subTest(words=words):
                done = record(*words)
                self.assertEqual(done.code, 2, done)
                for word in said:
                    self.assertIn(word, done.err)
                self.assertFalse(target.exists())

    def test_devices_that_are_not_there(self):
        target = self.work / "out.pcap"
        for words in (["--vdev", "net_nonsense0"], ["--port", "0000:7f:1f.7"],
                      ["--vdev", "net_pcap0,rx_pcap=/does/not/exist"]):
            with self.subTest(words=words):
                done = record(*words, "-w", target, *device_options())
                self.assertEqual(done.code, 1, done)
                self.assertIn(words[1], done.err)
                self.assertEqual(list(self.work.iterdir()), [])

    def test_outputs_that_cannot_be(self):
        source = write_pcap(self.work / "in.pcap", [p.frame for p in traffic(10)])
        fifo = self.work / "fifo"
        os.mkfifo(fifo)
        for target in ("/does/not/exist/out.pcap", str(self.work) + "/", source / "below", fifo,
                       "/dev/null"):
            with self.subTest(target=target):
                done = record("--read", source, "-w", target)
                self.assertEqual(done.code, 1, done)
                self.assertIn(str(target), done.err)
        with SmallDisk(self.work / "ro", read_only=True) as disk:
            done = record("--read", source, "-w", disk.path / "out.pcap")
            self.assertEqual(done.code, 1, done)
            self.assertIn("Read-only", done.err)


class CtrlC(TestCase):
    MOMENTS = 20

    def test_at_random_moments_of_a_live_record(self):
        """From when the program takes the signal to when it has long been capturing."""
        rng = random.Random(20)
        for moment in range(self.MOMENTS):
            target = self.work / ("out%d.pcap" % moment)
            with subprocess.Popen(
                    [EDGECAP, "record", "--vdev", "net_null0,size=64", "-w", target, "--one-in",
                     "2000", "-q", *device_options()], stderr=subprocess.PIPE,
                    stdin=subprocess.DEVNULL) as process:
                eventually(lambda p=process: takes_signal(p.pid, signal.SIGINT), "SIGINT is taken")
                time.sleep(rng.random() ** 2)  # the moment itself, not a wait for anything
                process.send_signal(signal.SIGINT)
                err = process.stderr.read()
                self.assertEqual(process.wait(60 * harness.PATIENCE), 0, err)
            self._whole(target)

    def test_at_random_moments_of_reading_a_file(self):
        frames = [p.frame for p in traffic(200)]
        big = write_pcap(self.work / "big.pcap", (frames[i % 200] for i in range(300_000)))
        rng = random.Random(21)
        for moment in range(self.MOMENTS):
            target = self.work / ("out%d.pcap" % moment)
            with subprocess.Popen([EDGECAP, "record", "--read", big, "-w", target, "-q"],
                                  stderr=subprocess.PIPE) as process:
                eventually(lambda p=process: takes_signal(p.pid, signal.SIGINT)
                           or p.poll() is not None, "SIGINT is taken")
                time.sleep(rng.random() * 0.2)  # the moment itself
                process.send_signal(signal.SIGINT)
                err = process.stderr.read()
                self.assertEqual(process.wait(60 * harness.PATIENCE), 0, err)
            # A run of packets from the first on.
            for index, found in enumerate(self._whole(target)[:1000]):
                self.assertEqual(found.data, frames[index % 200])
            target.unlink()

    def _whole(self, target):
        records = read_pcap(target)
        run_tool("capinfos", "-M", target)
        self.assertEqual([p for p in target.parent.iterdir() if p.name.startswith(".")], [])
        return records

    def test_before_there_is_anything_to_end(self):
        """In the first milliseconds the signal ends the program as usual: there is no file."""
        for _ in range(5):
            target = self.work / "out.pcap"
            process = subprocess.Popen([EDGECAP, "record", "--vdev", "net_null0", "-w", target,
                                        "--one-in", "2000", "-q", *device_options()],
                                       stderr=subprocess.DEVNULL)
            process.send_signal(signal.SIGINT)
            code = process.wait(60 * harness.PATIENCE)
            self.assertIn(code, (0, -signal.SIGINT))
            if code == 0:
                self._whole(target)
                target.unlink()
            self.assertEqual(list(self.work.iterdir()), [])

    def test_of_a_download(self):
        daemon = self.daemon([null_port()])
        id = daemon.create("full", packet_limit=500_000)
        daemon.wait(id)
        rng = random.Random(22)
        for _ in range(10):
            target = self.work / "out.pcap"
            process = subprocess.Popen([EDGECAP, "download", "--socket", daemon.socket, id, "-o",
                                        target], stderr=subprocess.DEVNULL)
            eventually(lambda p=process: takes_signal(p.pid, signal.SIGINT)
                       or p.poll() is not None, "SIGINT is taken")
            time.sleep(rng.random() * 0.1)  # the moment itself
            process.send_signal(signal.SIGINT)
            process.wait(60 * harness.PATIENCE)
            if target.exists():  # done; the signal may still have met the program on its way out
                self.assertIn(process.returncode, (0, -signal.SIGINT))
                self.assertEqual(len(read_pcap(target)), 500_000)
                target.unlink()
            else:
                self.assertNotEqual(process.returncode, 0)
            self.assertEqual(list(self.work.glob(".out*")), [])
        self.finish(daemon)


class ManyClients(TestCase):
    def test_requests_from_many_threads(self):
        daemon = self.daemon([null_port()], limits={"max_running": 100})
        failures = []

        def client():
            try:
                for _ in range(10):
                    id = daemon.create("simple", {"protocol": "tcp"})
                    daemon.call("POST", "/v1/captures", "{")
                    daemon.end(id)
                    self.check_capture(daemon.wait(id))
                    daemon.delete(id)
            except BaseException as error:  # told by the main thread
                failures.append(error)

        threads = [threading.Thread(target=client) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.finish(daemon)


if __name__ == "__main__":
    harness.main()
