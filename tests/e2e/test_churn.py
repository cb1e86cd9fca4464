# SPDX-License-Identifier: Apache-2.0
"""A thousand captures come and go under traffic: every ledger exact, memory flat."""
import harness
from harness import TestCase, Testpmd, VhostLink, eventually, traffic, write_pcap

KINDS = [
    ("simple", None, {"one_in": 5000}),
    ("full", {"source_address": "203.0.113.9"}, {}),
    ("full", {"destination_port": "53"}, {"packet_limit": 500}),
    ("simple", {"protocol": "udp"}, {"one_in": 1000, "snaplen": 64}),
    ("full", {"destination_port": "443", "protocol": "tcp"}, {"byte_limit": 100_000}),
]


class Churn(TestCase):
    COUNT = 1000
    AT_ONCE = 8

    def test_a_thousand_captures(self):
        source = write_pcap(self.work / "in.pcap", [p.frame for p in traffic(1000)])
        link = VhostLink(self.work / "v")
        daemon = self.daemon([link.port()], limits={"max_running": 64})
        eventually(link.path.exists, "the vhost socket is there")
        with Testpmd(self.work, ["net_pcap0,rx_pcap=%s,infinite_rx=1" % source,
                                 link.sending_end()], "io") as sender:
            sender.start()
            eventually(lambda: daemon.received() > 10_000, "packets arrive")
            resident, captured = self._churn(daemon)
            received = daemon.received()
            eventually(lambda: daemon.received() > received, "packets have arrived all the time")
            sent = sender.halt()
            eventually(lambda: daemon.received() == sent, "all that was sent is received")
            # No packet arrives: every sum is exact, and no packet was lost on the way.
            self.check_quiet(daemon)
        self.assertGreater(captured, self.COUNT)
        stats = daemon.stats()
        self.assertEqual(stats["captures"]["running"], 0)
        self.assertEqual(stats["blocks"]["free"], stats["blocks"]["total"])
        # What the first two hundred needed is enough for all that follow.
        self.assertLess(resident[-1] - resident[3], 4 << 20, resident)
        self.assertEqual(list(daemon.captures.iterdir()), [])
        self.finish(daemon)

    def _churn(self, daemon):
        """Memory after every fifty captures, and how many packets were captured in all."""
        running = []
        resident = []
        captured = 0
        for number in range(self.COUNT):
            kind, filter, fields = KINDS[number % len(KINDS)]
            running.append(daemon.create(kind, filter, time_limit=3600, **fields))
            if len(running) == self.AT_ONCE:
                captured += self._end(daemon, running.pop(0))
            if number % 50 == 49:
                resident.append(daemon.stats()["resident_bytes"])
        for id in running:
            captured += self._end(daemon, id)
        return resident, captured

    def _end(self, daemon, id):
        daemon.end(id)
        capture = daemon.wait(id)
        self.check_capture(capture)
        daemon.delete(id)
        return capture["packets_captured"]


if __name__ == "__main__":
    harness.main()
