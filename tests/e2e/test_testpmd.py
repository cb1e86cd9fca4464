# SPDX-License-Identifier: Apache-2.0
"""A live dpdk-testpmd sends to the daemon through vhost-user."""
import unittest

import harness
from harness import (TestCase, Testpmd, VhostLink, check_workers, eventually, free_hugepages,
                     opens_everywhere, read_pcap, sampled, traffic, write_pcap)


class Vhost(TestCase):
    hugepages = False

    def start_daemon(self, **settings):
        dataplane = {"hugepages": "on" if self.hugepages else "off", "mbufs_per_port": 16384}
        self.link = VhostLink(self.work / "v")
        daemon = self.daemon([self.link.port()], dataplane={**dataplane, **settings})
        eventually(self.link.path.exists, "the vhost socket is there")
        return daemon

    def sender(self, forward="txonly", vdevs=(), **options):
        sender = Testpmd(self.work, [*vdevs, self.link.sending_end()], forward,
                         hugepages=self.hugepages, **options)
        self.addCleanup(sender.kill)
        return sender

    def test_live_captures_with_exact_ledgers(self):
        daemon = self.start_daemon()
        full = daemon.create("full", {"protocol": "udp"}, packet_limit=50_000)
        nothing = daemon.create("full", {"source_port": "1"})
        simple = daemon.create("simple", one_in=1000)
        with self.sender() as sender:
            sender.start()
            self.check_capture(daemon.wait(full))
            eventually(lambda: daemon.show(simple)["packets_captured"] >= 20, "a sample grows")
            sent = sender.halt()
            eventually(lambda: daemon.received() == sent, "all that was sent is received")
            self.check_quiet(daemon)
            for id in (nothing, simple):
                daemon.end(id)
                capture = daemon.wait(id)
                self.check_capture(capture)
                self.assertEqual(capture["ledger"]["packets"]["seen"], sent)
        self.assertEqual(daemon.show(full)["packets_captured"], 50_000)
        self.assertEqual(daemon.show(nothing)["packets_captured"], 0)
        target = self.work / "full.pcap"
        target.write_bytes(daemon.download(full))
        self.assertEqual(len(read_pcap(target)), 50_000)
        self.assertRegex(opens_everywhere(target, self.work), r"Strict time order:\s+True")
        self.finish(daemon)

    def test_every_packet_of_a_forwarded_file(self):
        self.check_forwarded_file()

    def test_packets_in_several_pieces(self):
        """Buffers of 256 bytes: most packets are chains of them."""
        self.check_forwarded_file(mbuf_bytes=256)

    def check_forwarded_file(self, **dataplane):
        """testpmd plays a file into the link, and waits where the link is full: what arrives is
        the file, byte for byte."""
        packets = traffic(5000, sizes=(60, 590, 1514))
        source = write_pcap(self.work / "in.pcap", [p.frame for p in packets])
        daemon = self.start_daemon(**dataplane)
        whole = daemon.create("full")
        sample = daemon.create("simple", {"destination_port": "443"}, one_in=10, seed=4,
                               snaplen=100)
        with self.sender("io", ["net_pcap0,rx_pcap=%s" % source]) as sender:
            sender.patiently().start()
            eventually(lambda: daemon.received() >= len(packets), "the file has arrived")
            daemon.end(whole)
            daemon.end(sample)
        for id, wanted, snaplen in (
                (whole, packets, 262144),
                (sample, sampled([p for p in packets if p.destination_port == 443], 10, 4), 100)):
            capture = daemon.wait(id)
            self.check_capture(capture)
            self.assertEqual(capture["ledger"]["packets"]["seen"], len(packets))
            self.assertEqual([r.data for r in read_pcap(daemon.download(id))],
                             [p.frame[:snaplen] for p in wanted])
        self.finish(daemon)

    def test_sender_is_killed(self):
        """The peer dies under traffic: the daemon goes on, and so does the next peer."""
        daemon = self.start_daemon()
        id = daemon.create("simple", one_in=100)
        for _ in range(3):
            before = daemon.received()
            sender = self.sender().start()
            eventually(lambda: daemon.received() > before + 10_000, "packets arrive")
            sender.kill()
            self.assertEqual(daemon.call("GET", "/healthz").status, 200)
            self.assertEqual(daemon.show(id)["status"], "running")
        daemon.end(id)
        capture = daemon.wait(id)
        self.check_capture(capture)
        check_workers(self, daemon.stats())
        self.assertEqual(capture["ledger"]["packets"]["seen"], daemon.received())
        self.assertEqual(len(read_pcap(daemon.download(id))), capture["packets_captured"])
        self.finish(daemon)

    def test_sender_comes_and_goes_without_a_capture(self):
        daemon = self.start_daemon()
        with self.sender() as sender:
            sender.start()
            eventually(lambda: daemon.received() > 1000, "packets arrive")
        self.assertEqual(daemon.stats()["workers"][0]["matched"]["packets"], 0)
        self.finish(daemon)


class VhostWithHugepages(Vhost):
    hugepages = True

    def setUp(self):
        super().setUp()
        if harness.HUGEPAGES == "off":
            self.skipTest("EDGECAP_TEST_HUGEPAGES is off")
        if free_hugepages() < 256:
            self.skipTest("needs 256 free hugepages of 2 MiB, there are %d (scripts/hugepages.sh)"
                          % free_hugepages())


if __name__ == "__main__":
    unittest.main(verbosity=2)
