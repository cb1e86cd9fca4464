# SPDX-License-Identifier: Apache-2.0
"""The daemon on virtual ports: life of a capture, exact counts, exact limits, order in the end."""
import calendar
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time

import harness
from harness import (CORES, FILTERS, SHARED, TestCase, Veth, WORKER_CORE, endless_port, eventually,
                     null_port, opens_everywhere, read_pcap, run_tool, sampled, traffic, write_pcap)

FOUR_WORKERS = [WORKER_CORE, CORES[0], WORKER_CORE, CORES[0]]


class LifeOfACapture(TestCase):
    def test_full_capture_by_http(self):
        packets = traffic(600)
        source = write_pcap(self.work / "in.pcap", [p.frame for p in packets])
        daemon = self.daemon([endless_port(source)])
        id = daemon.create("full", {"destination_port": "443", "protocol": "tcp"},
                           packet_limit=1000, time_limit=60)
        self.assertRegex(id, "^[0-9a-f]{32}$")
        capture = daemon.wait(id)
        self.check_capture(capture)
        self.assertEqual(capture["type"], "full")
        self.assertEqual(capture["end_reason"], "packet_limit")
        self.assertEqual(capture["packets_captured"], 1000)
        self.assertEqual(capture["filters"], [{"destination_port": "443", "protocol": "tcp"}])
        records = read_pcap(daemon.download(id))
        self.assertEqual(len(records), 1000)
        self.check_order(records)
        # An endless file: what is captured is a run of its matching packets, again and again.
        matching = [p.frame for p in packets if p.destination_port == 443 and p.protocol == 6]
        self.assertEqual(len(set(matching)), len(matching))
        first = matching.index(records[0].data)
        wanted = [matching[(first + i) % len(matching)] for i in range(1000)]
        self.assertEqual([r.data for r in records], wanted)
        daemon.delete(id)
        self.assertEqual(daemon.call("GET", "/v1/captures/" + id).status, 404)
        self.assertEqual(list(daemon.captures.iterdir()), [])
        self.finish(daemon)

    def test_dry_run_starts_nothing(self):
        daemon = self.daemon([null_port()])
        done = daemon.cli("create", "full", "--filter", "{protocol: tcp, port: [80, 443]}",
                          "--exclude", "{vlan: 7}", "--dry-run")
        self.assertEqual(done.code, 0, done)
        self.assertIn("port 80;443, protocol tcp, but not (vlan 7)", done.out)
        done = daemon.cli("create", "full", "--bpf", "tcp port 80 or", "--dry-run")
        self.assertEqual(done.code, 1, done)
        self.assertIn("filters[0].bpf", done.err)
        self.assertEqual(daemon.call("GET", "/v1/captures").json()["captures"], [])
        self.assertEqual(list(daemon.captures.iterdir()), [])
        self.finish(daemon)

    def test_an_ended_capture_is_described_beside_its_files(self):
        daemon = self.daemon([null_port()])
        id = daemon.create("simple", packet_limit=50, time_limit=1)
        capture = daemon.wait(id)
        self.check_capture(capture)
        with open(daemon.captures / id / "job.json") as described:
            self.assertEqual(json.load(described), capture)
        self.assertEqual(capture["sampling"]["method"], "reservoir")
        self.assertAlmostEqual(capture["sampling"]["effective_rate"],
                               50 / capture["ledger"]["packets"]["matched"])
        self.finish(daemon)

    def test_simple_capture_by_command_line(self):
        source = write_pcap(self.work / "in.pcap", [p.frame for p in traffic(500, sizes=(590,))])
        daemon = self.daemon([endless_port(source)])
        created = daemon.cli("create", "simple", "--one-in", "1000", "--packet-limit", "200",
                             "--wait")
        self.assertEqual(created.code, 0, created)
        id = created.out.split()[0]
        shown = daemon.cli("show", id[:8])
        self.assertEqual(shown.code, 0, shown)
        self.assertIn("success", shown.out)
        capture = daemon.show(id)
        self.check_capture(capture)
        self.assertEqual(capture["snaplen"], 160)
        door = capture["ledger"]["packets"]
        self.assertEqual(door["captured"], 200)
        self.assertEqual(door["filtered_out"], 0)
        # One of each run of 1000: the 200th lies in the 200th run.
        taken = door["captured"] + door["over_limit"] + door["no_block"]
        self.assertIn(taken, (door["matched"] // 1000, door["matched"] // 1000 + 1))
        target = self.work / "out.pcap"
        fetched = daemon.cli("download", id, "-o", target)
        self.assertEqual(fetched.code, 0, fetched)
        records = read_pcap(target)
        self.assertEqual({len(r.data) for r in records}, {160})
        self.assertEqual({r.wire_bytes for r in records}, {590})
        self.assertIn("Strict time order:   True",
                      opens_everywhere(target, self.work).replace("\t", " "))
        self.assertIn(id[:8], daemon.cli("list").out)
        self.assertEqual(daemon.cli("stats").code, 0)
        self.assertEqual(daemon.cli("delete", id).code, 0)
        self.assertNotEqual(daemon.cli("show", id).code, 0)
        self.finish(daemon)

    def test_states_stop_and_list_order(self):
        daemon = self.daemon([null_port()])
        first = daemon.create("simple", {"protocol": "tcp"})
        second = daemon.create("full", {"protocol": "udp"}, time_limit=3600)
        self.assertEqual(daemon.show(first)["status"], "running")
        listed = daemon.call("GET", "/v1/captures").json()["captures"]
        self.assertEqual([c["id"] for c in listed], [second, first])
        running = daemon.call("GET", "/v1/captures/%s/download" % first)
        self.assertEqual(running.status, 409, running)
        self.assertEqual(daemon.call("DELETE", "/v1/captures/" + first).status, 409)
        waiting = daemon.cli("wait", first, "--timeout", "0.2")
        self.assertEqual(waiting.code, 3, waiting)
        daemon.end(first)
        capture = daemon.wait(first)
        self.check_capture(capture)
        self.assertTrue(capture["stop_requested"])
        self.assertEqual(daemon.cli("stop", second).code, 0)
        self.assertEqual(daemon.cli("wait", second, "--timeout", "60").code, 0)
        daemon.end(second)  # once more: nothing happens
        self.assertEqual(daemon.show(second)["status"], "success")
        by_status = daemon.stats()["captures"]["by_status"]
        self.assertEqual(by_status, {"pending": 0, "running": 0, "success": 2, "failed": 0})
        self.finish(daemon)

    def test_an_empty_capture_is_a_file_without_packets(self):
        daemon = self.daemon([null_port()])
        id = daemon.create("full", {"source_address": "203.0.113.9"}, time_limit=1)
        capture = daemon.wait(id)
        self.check_capture(capture)
        self.assertEqual(capture["packets_captured"], 0)
        self.assertEqual(read_pcap(daemon.download(id)), [])
        self.finish(daemon)

    def test_shared_traffic(self):
        tool = SHARED / "traffic" / "make_pcap.py"
        if not tool.exists():
            self.skipTest("needs ../shared/traffic/make_pcap.py, which is not here")
        source = self.work / "imix.pcap"
        subprocess.run([sys.executable, tool, source, "2000", "imix", "--ipv6", "0.3",
                        "--vlan", "0.2"], check=True)
        frames = {r.data for r in read_pcap(source)}
        daemon = self.daemon([endless_port(source)])
        id = daemon.create("full", packet_limit=20000)
        capture = daemon.wait(id)
        self.check_capture(capture)
        records = read_pcap(daemon.download(id))
        self.assertEqual(len(records), 20000)
        # Twenty thousand in a row are ten times each packet; blocks never run out that early.
        self.assertEqual({r.data for r in records}, frames)
        self.check_order(records)
        self.finish(daemon)


class ExactCounts(TestCase):
    def test_filter_by_sampling_matrix(self):
        """Every filter with every way to sample, all at once over the same live packets."""
        packets = traffic(2000, seed=3)
        samplings = [("full", {}), ("full", {"snaplen": 60}), ("simple", {"one_in": 1, "seed": 1}),
                     ("simple", {"one_in": 3, "seed": 9}),
                     ("simple", {"one_in": 100, "seed": 7, "snaplen": 96}),
                     ("simple", {"one_in": 50, "seed": 2, "packet_limit": 4})]
        with Veth() as veth:
            daemon = self.daemon([veth.device()])
            jobs = []
            for filter, wants in FILTERS:
                for kind, fields in samplings:
                    id = daemon.create(kind, filter, **fields)
                    jobs.append((id, wants, kind, fields))
            veth.send(daemon, packets)
            for id, *_ in jobs:
                if daemon.show(id)["status"] == "running":
                    daemon.end(id)
            for id, wants, kind, fields in jobs:
                with self.subTest(filter=daemon.show(id)["filters"], kind=kind, **fields):
                    self._check(daemon, id, packets, wants, kind, fields)
            self.check_quiet(daemon)
            self.finish(daemon)

    def _check(self, daemon, id, packets, wants, kind, fields):
        capture = daemon.wait(id)
        self.check_capture(capture)
        matched = [p for p in packets if wants(p)]
        taken = sampled(matched, fields.get("one_in", 1), fields.get("seed", 0))
        kept = taken[:fields.get("packet_limit", len(taken))]
        snaplen = fields.get("snaplen", 160 if kind == "simple" else 262144)
        door = capture["ledger"]["packets"]
        if capture["end_reason"] == "stopped" or not capture.get("packet_limit"):
            self.assertEqual(
                (door["seen"], door["matched"], door["sampled_out"], door["over_limit"]),
                (len(packets), len(matched), len(matched) - len(taken), len(taken) - len(kept)))
            self.assertEqual(capture["ledger"]["bytes"]["matched"],
                             sum(len(p.frame) for p in matched))
        self.assertEqual(door["captured"], len(kept))
        self.assertEqual(capture["ledger"]["bytes"]["captured"], sum(len(p.frame) for p in kept))
        self.assertEqual(capture["bytes_captured"], sum(len(p.frame[:snaplen]) for p in kept))
        records = read_pcap(daemon.download(id))
        self.assertEqual([(r.data, r.wire_bytes) for r in records],
                         [(p.frame[:snaplen], len(p.frame)) for p in kept])

    def test_sparse_traffic_is_in_the_file_within_a_second(self):
        with Veth() as veth:
            daemon = self.daemon([veth.device()], capture={"flush_interval_ms": 500})
            daemon.create("full")
            delays = []
            size = 24
            for packet in traffic(4, sizes=(60,)):
                size += 16 + len(packet.frame)
                sent = time.monotonic()
                veth.socket.send(packet.frame)
                eventually(lambda least=size: sum(
                    path.stat().st_size for path in daemon.hidden_files()) >= least,
                    "the packet is in the file")
                delays.append(time.monotonic() - sent)
            self.assertLess(sorted(delays)[1], 1.0, delays)  # a busy machine may delay two of four
            self.finish(daemon)
            self.assertEqual([len(read_pcap(p)) for p in daemon.visible_files()], [4])


class ExactLimits(TestCase):
    """Four queues and four workers, on two cores or as many as there are."""

    def four_queues(self, size=64, **settings):
        return self.daemon([null_port(size, queues=4)],
                           dataplane={"worker_cores": FOUR_WORKERS}, **settings)

    def test_four_workers_receive(self):
        daemon = self.four_queues()
        eventually(lambda: all(w["received"]["packets"] for w in daemon.stats()["workers"]),
                   "all four workers have received")
        self.assertEqual(len(daemon.stats()["workers"]), 4)
        self.finish(daemon)

    def test_packet_limit(self):
        daemon = self.four_queues()
        for limit in (1, 2, 63, 64, 65, 1000, 99_999):
            with self.subTest(limit=limit):
                id = daemon.create("full", packet_limit=limit, snaplen=20)
                capture = daemon.wait(id)
                self.check_capture(capture)
                self.assertEqual(capture["end_reason"], "packet_limit")
                self.assertEqual(capture["ledger"]["packets"]["captured"]
                                 + capture["ledger"]["packets"]["no_block"], limit)
                self.assertEqual(capture["packets_captured"], limit)
                self.assertEqual(len(read_pcap(daemon.download(id))), limit)
        self.finish(daemon)

    def test_byte_limit(self):
        daemon = self.four_queues()
        for limit, snaplen in ((64, 64), (65, 64), (6400, 262144), (99_999, 64), (1_000_000, 40)):
            with self.subTest(limit=limit, snaplen=snaplen):
                id = daemon.create("full", byte_limit=limit, snaplen=snaplen)
                capture = daemon.wait(id)
                self.check_capture(capture)
                self.assertEqual(capture["end_reason"], "byte_limit")
                stored = min(snaplen, 64)
                self.assertEqual(capture["bytes_captured"], limit // stored * stored)
                records = read_pcap(daemon.download(id))
                self.assertEqual(len(records), limit // stored)
        self.finish(daemon)

    def test_simple_packet_limit(self):
        daemon = self.four_queues()
        id = daemon.create("simple", one_in=777, seed=5, packet_limit=501)
        capture = daemon.wait(id)
        self.check_capture(capture)
        self.assertEqual(capture["packets_captured"], 501)
        self.finish(daemon)

    def test_snaplen(self):
        daemon = self.four_queues(size=1514)
        for snaplen in (1, 17, 1513, 1514, 1515):
            with self.subTest(snaplen=snaplen):
                id = daemon.create("full", snaplen=snaplen, packet_limit=100)
                self.check_capture(daemon.wait(id))
                records = read_pcap(daemon.download(id))
                self.assertEqual({(len(r.data), r.wire_bytes) for r in records},
                                 {(min(snaplen, 1514), 1514)})
        self.finish(daemon)

    def test_time_limit(self):
        """Never a packet later than 10 ms after the limit; the first and the last one within 10 ms
        of start and limit, as soon as the machine leaves the worker its core."""
        daemon = self.daemon([null_port()])
        near = []
        for _ in range(5):
            id = daemon.create("simple", one_in=2000, time_limit=1)
            capture = daemon.wait(id)
            self.check_capture(capture)
            self.assertEqual(capture["end_reason"], "time_limit")
            started, ended = _ns(capture["started"]), _ns(capture["ended"])
            times = [r.time_ns for r in read_pcap(daemon.download(id))]
            late_ms = (times[-1] - started - 10**9) / 1e6
            self.assertLess(late_ms, 10)
            self.assertGreaterEqual(times[0], started)
            span_ms = (times[-1] - times[0]) / 1e6
            taken_ms = (ended - started) / 1e6
            near.append((late_ms, span_ms, taken_ms))
            if late_ms > -10 and span_ms > 990 and taken_ms <= 1010:
                break
        else:
            self.fail("never within 10 ms: %s" % near)
        self.finish(daemon)

    def test_download_is_merged_by_time(self):
        daemon = self.four_queues()
        id = daemon.create("simple", one_in=50, seed=1, packet_limit=50_000)
        capture = daemon.wait(id)
        self.check_capture(capture)
        self.assertGreater(len([f for f in capture["files"] if f["packets"]]), 1, capture["files"])
        target = self.work / "merged.pcap"
        self.assertEqual(daemon.cli("download", id, "-o", target).code, 0)
        records = read_pcap(target)
        self.assertEqual(len(records), 50_000)
        self.check_order(records)
        summary = opens_everywhere(target, self.work)
        self.assertRegex(summary, r"Strict time order:\s+True")
        self.assertRegex(summary, r"Number of packets:\s+50000")
        for shard in daemon.visible_files():
            run_tool("capinfos", "-M", shard)
        self.finish(daemon)


def _ns(text):
    """An RFC 3339 time with milliseconds, to nanoseconds."""
    seconds, milliseconds = text.rstrip("Z").split(".")
    parsed = time.strptime(seconds + " UTC", "%Y-%m-%dT%H:%M:%S %Z")
    return calendar.timegm(parsed) * 10**9 + int(milliseconds) * 10**6


class EndOfTheDaemon(TestCase):
    def test_signals_end_captures_in_order(self):
        source = write_pcap(self.work / "in.pcap", [p.frame for p in traffic(1000)])
        for ask in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(ask=ask):
                daemon = self.daemon([endless_port(source)], name="d%d" % ask,
                                     dataplane={"worker_cores": [WORKER_CORE, CORES[0]]})
                ids = [daemon.create("simple", one_in=500),
                       daemon.create("full", {"source_address": "203.0.113.9"}),
                       daemon.create("simple", {"protocol": "udp"}, one_in=1000, snaplen=40)]
                eventually(lambda: all(daemon.show(id)["ledger"]["packets"]["captured"] > 1000
                                       for id in (ids[0], ids[2])), "packets are captured")
                before = {id: daemon.show(id)["packets_captured"] for id in ids}
                self.assertEqual(daemon.stop(ask), 0, daemon.words())
                self.assertFalse(daemon.socket.exists())
                self.assertEqual(daemon.hidden_files(), [])
                for id in ids:
                    files = [f for f in daemon.visible_files() if id in str(f)]
                    self.assertEqual(bool(files), before[id] > 0)  # no packet, no shard
                    found = 0
                    for path in files:
                        records = read_pcap(path)
                        self.check_order(records)
                        found += len(records)
                        run_tool("capinfos", "-M", path)
                    self.assertGreaterEqual(found, before[id])

    def test_ends_while_a_client_holds_a_connection(self):
        daemon = self.daemon([null_port()])
        with socket.socket(socket.AF_UNIX) as idle:
            idle.connect(str(daemon.socket))
            idle.sendall(b"POST /v1/captures HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
            self.assertEqual(daemon.call("GET", "/healthz").status, 200)
            self.finish(daemon)


class Socket(TestCase):
    def test_mode_and_health(self):
        daemon = self.daemon([null_port()])
        info = os.stat(daemon.socket)
        self.assertTrue(stat.S_ISSOCK(info.st_mode))
        self.assertEqual(stat.S_IMODE(info.st_mode), 0o660)
        self.assertEqual(info.st_uid, os.getuid())
        self.assertEqual(daemon.call("GET", "/healthz").json(), {"status": "ok"})
        self.finish(daemon)

    def test_others_are_refused(self):
        if os.getuid() != 0:
            self.skipTest("needs root, to become somebody else")
        daemon = self.daemon([null_port()])
        self.work.chmod(0o755)
        daemon.directory.chmod(0o755)
        refused = harness.run(sys.executable, "-c", (
            "import os, socket\nos.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            "socket.socket(socket.AF_UNIX).connect(%r)" % str(daemon.socket)))
        self.assertNotEqual(refused.code, 0)
        self.assertIn("PermissionError", refused.err)
        # Somebody who gets past the mode is still refused, by its credentials.
        daemon.socket.chmod(0o666)
        refused = harness.run(sys.executable, "-c", (
            "import os, socket\nos.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            "s = socket.socket(socket.AF_UNIX); s.connect(%r)\n"
            "s.sendall(b'GET /v1/stats HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')\n"
            "print(s.recv(4096))" % str(daemon.socket)))
        self.assertNotIn("workers", refused.out)
        self.assertNotIn("200 OK", refused.out)
        self.finish(daemon)

    def test_two_daemons_side_by_side(self):
        one = self.daemon([null_port()], name="one")
        two = self.daemon([null_port()], name="two")
        ids = [(d, d.create("simple", packet_limit=100, time_limit=1)) for d in (one, two)]
        for daemon, id in ids:
            self.check_capture(daemon.wait(id))
            self.assertEqual(len(daemon.call("GET", "/v1/captures").json()["captures"]), 1)
        self.finish(one)
        self.assertEqual(two.call("GET", "/healthz").status, 200)
        self.finish(two)

    def test_stale_socket_is_replaced(self):
        stale = self.work / "stale"
        with socket.socket(socket.AF_UNIX) as gone:
            gone.bind(str(stale))
        daemon = self.daemon([null_port()], control={"socket": str(stale)})
        self.assertEqual(daemon.call("GET", "/healthz").status, 200)
        self.finish(daemon)

    def test_after_sigkill_the_next_daemon_starts(self):
        daemon = self.daemon([null_port()])
        daemon.create("simple")
        daemon.kill()
        self.assertTrue(daemon.socket.exists())
        daemon.start()
        id = daemon.create("simple", packet_limit=10, time_limit=1)
        self.check_capture(daemon.wait(id))
        self.finish(daemon)


class Ports(TestCase):
    def test_several_ports_and_their_counters(self):
        source = write_pcap(self.work / "in.pcap", [p.frame for p in traffic(300)])
        daemon = self.daemon([null_port(), dict(endless_port(source, 1), name="file"),
                              {"device": "net_null1,size=128"}])
        eventually(lambda: all(p["received_packets"] for p in daemon.stats()["ports"]),
                   "all ports have received")
        ports = daemon.stats()["ports"]
        self.assertEqual([p["name"] for p in ports], ["net_null0", "file", "net_null1"])
        for port in ports:
            self.assertEqual(port["offered_packets"], port["received_packets"] + port["rx_missed"]
                             + port["rx_nombuf"] + port["rx_errors"])
        self.finish(daemon)

    def test_a_file_read_once_is_received_to_its_end(self):
        """net_pcap without infinite_rx ends before a capture can begin; its counters stay right."""
        packets = traffic(5000)
        source = write_pcap(self.work / "in.pcap", [p.frame for p in packets])
        daemon = self.daemon([{"device": "net_pcap0,rx_pcap=%s" % source}])
        eventually(lambda: daemon.received() == 5000, "the file has been received")
        stats = daemon.stats()
        self.assertEqual(stats["workers"][0]["received"]["bytes"],
                         sum(len(p.frame) for p in packets))
        self.assertEqual(stats["workers"][0]["matched"]["packets"], 0)
        self.check_quiet(daemon)
        id = daemon.create("full", time_limit=1)
        capture = daemon.wait(id)
        self.check_capture(capture)
        self.assertEqual(capture["ledger"]["packets"]["seen"], 0)
        self.finish(daemon)


if __name__ == "__main__":
    harness.main()
