# SPDX-License-Identifier: Apache-2.0
"""Captures of 10,000 rules come and go for a minute under full traffic: no packet is lost by it,
every ledger is exact, memory is flat, and each change takes less than a second.

The source gives packets as fast as the worker takes them and never overruns, so every packet that
is missing was lost by the daemon. A capture that runs all the while sees to that: the packets it
takes are numbered, and come again and again in the same order.
"""
import json
import statistics
import struct
import sys
import time

import harness
from harness import (Packet, TestCase, check_workers, endless_port, eventually, read_pcap, traffic,
                     write_pcap)

RULES = 10_000
MARKED_PORT = 7777


def hosts(number):
    """Exact addresses and ports."""
    return {"source_address": "172.%d.%d.%d" % (16 + number // 65536, number // 256 % 256, number % 256),
            "destination_port": number % 60_000}


def ranges(number):
    """Prefixes and ranges that overlap."""
    length = 18 + number % 7
    network = number // 200 % 256 & ~((1 << 24 - length) - 1)
    return {"source_address": "10.%d.%d.0/%d" % (number % 200, network, length),
            "destination_port": "%d-%d" % (20_000 + number, 20_010 + number), "protocol": ["tcp", "udp"]}


def odd(number):
    """Many fields, IPv6 and the packets inside tunnels."""
    rule = {"destination_address": "2001:db8:%x::/48" % (number % 5000), "vlan": number % 4000}
    if number % 3 == 0:
        rule.update(layer="inner")
    if number % 3 == 1:
        rule.update(tcp_flags="syn,!ack")
    return rule


class RuleChurn(TestCase):
    SECONDS = 60
    CHANGE_S_MAX = 1.0 * harness.PATIENCE
    FLAT_BYTES = 8 << 20

    def test_a_minute(self):
        packets = traffic(4000)
        marked = [Packet(number, "10.9.9.9", "192.168.0.1", 40_000, MARKED_PORT, 17, 100)
                  for number in range(4)]
        for number, packet in enumerate(marked):
            packets[number * 1000 + 500] = packet
        source = write_pcap(self.work / "in.pcap", [p.frame for p in packets])
        daemon = self.daemon([endless_port(source)], limits={"max_rules": 20_000})
        whole = daemon.create("full", {"destination_port": str(MARKED_PORT)})
        eventually(lambda: daemon.received() > 10_000, "packets arrive")
        before = daemon.stats()
        bodies = [json.dumps({"type": "simple", "packet_limit": 100,
                              "filters": [rule(n) for n in range(RULES)]})
                  for rule in (hosts, ranges, odd)]
        installed, removed, resident = self._churn(daemon, bodies)
        after = daemon.stats()
        daemon.end(whole)
        capture = daemon.wait(whole)
        self.check_capture(capture)
        self._check_marked(capture, read_pcap(daemon.download(whole)), [p.frame for p in marked])
        for port_before, port in zip(before["ports"], after["ports"]):
            for counter in ("rx_missed", "rx_nombuf", "rx_errors"):
                self.assertEqual(port[counter], port_before[counter], counter)
        self.assertEqual(daemon.stats()["captures"]["running"], 0)
        received = harness.received_by_workers(after) - harness.received_by_workers(before)
        print("%d captures of %d rules; install: median %.3f s, longest %.3f s; removal: median %.3f s, "
              "longest %.3f s; %.1f million packets, %d marked; resident MiB: %s"
              % (len(installed), RULES, statistics.median(installed), max(installed),
                 statistics.median(removed), max(removed), received / 1e6,
                 capture["packets_captured"],
                 " ".join("%d" % (b >> 20) for b in resident[::max(1, len(resident) // 12)])),
              file=sys.stderr)
        self.assertGreater(len(installed), 15)
        self.assertGreater(received, 1_000_000)
        self.assertLess(max(installed), self.CHANGE_S_MAX)
        self.assertLess(max(removed), self.CHANGE_S_MAX)
        half = len(resident) // 2
        self.assertLess(max(resident[half:]) - max(resident[:half]), self.FLAT_BYTES, resident)
        self.finish(daemon)

    def _churn(self, daemon, bodies):
        """Seconds that each install and removal took, and memory after each."""
        installed, removed, resident = [], [], []
        end = time.monotonic() + self.SECONDS
        while time.monotonic() < end:
            start = time.monotonic()
            answer = daemon.call("POST", "/v1/captures", bodies[len(installed) % len(bodies)])
            self.assertEqual(answer.status, 201, answer)
            id = answer.json()["id"]
            eventually(lambda: daemon.show(id)["status"] == "running", "the capture runs")
            installed.append(time.monotonic() - start)
            seen = daemon.received()
            eventually(lambda: daemon.received() > seen + 10_000, "packets pass the rules")
            start = time.monotonic()
            daemon.end(id)
            capture = daemon.wait(id)
            removed.append(time.monotonic() - start)
            self.check_capture(capture)
            self.assertGreater(capture["ledger"]["packets"]["seen"], 0)
            daemon.delete(id)
            resident.append(daemon.stats()["resident_bytes"])
        return installed, removed, resident

    def _check_marked(self, capture, records, marked):
        """All of them, in their order, from the first to the last."""
        door = capture["ledger"]["packets"]
        self.assertEqual(door["captured"], door["matched"])
        self.assertEqual(len(records), door["captured"])
        self.assertGreater(len(records), 1000)
        first = marked.index(records[0].data)
        missing = [n for n, record in enumerate(records)
                   if record.data != marked[(first + n) % len(marked)]]
        self.assertEqual(missing[:1], [], "a packet is missing, of %d" % len(records))
        # As many as the traffic that was seen has; the ends are cut anywhere.
        self.assertAlmostEqual(door["seen"] / 1000, len(records), delta=2)


if __name__ == "__main__":
    harness.main()
