# SPDX-License-Identifier: Apache-2.0
"""`edgecap explain`, judged by tcpdump; and the ways to sample, through `edgecap record`."""
import collections
import json
import subprocess

from harness import (EDGECAP, Packet, TestCase, check_ledger, need_tool, read_pcap, record, run, traffic,
                     write_pcap)


def explain(*words):
    return run(EDGECAP, "explain", *words)


class Explain(TestCase):
    def setUp(self):
        super().setUp()
        need_tool("tcpdump")
        self.packets = traffic(3000)
        self.source = write_pcap(self.work / "in.pcap", [p.frame for p in self.packets])

    def tcpdump(self, expression):
        done = subprocess.run(["tcpdump", "--nano", "-r", str(self.source), "-w", "-", expression],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
        return len(read_pcap(done.stdout))

    def test_packets_left_after_each_part_are_those_of_tcpdump(self):
        done = explain("--read", self.source, "--json",
                       "--filter", "{protocol: tcp, port: 443}",
                       "--filter", '{source_port: 1024-40000, bpf: "udp and less 100"}',
                       "--exclude", "{destination_address: 192.168.0.0/17}")
        self.assertEqual(done.code, 0, done)
        read = json.loads(done.out)["read"]
        steps = {(s["place"], s["asked"]): s["packets"] for s in read["steps"]}
        first, second = "tcp and port 443", "src portrange 1024-40000"
        expected = {
            ("filters[0]", "port 443"): "port 443",
            ("filters[0]", "protocol tcp"): first,
            ("filters[1]", "source_port 1024-40000"): second,
            ("filters[1]", "bpf udp and less 100"): f"{second} and udp and less 100",
            ("exclude[0]", "destination_address 192.168.0.0/17"): "dst net 192.168.0.0/17"}
        self.assertEqual(steps, {step: self.tcpdump(words) for step, words in expected.items()})
        wanted = self.tcpdump(f"(({first}) or ({second} and udp and less 100)) and not "
                              "dst net 192.168.0.0/17")
        self.assertEqual((read["packets"], read["wanted"]), (len(self.packets), wanted))
        self.assertTrue(0 < wanted < len(self.packets), "the question is worth asking")

    def test_the_program_in_words(self):
        done = explain("--filter", '{bpf: "tcp port 80", payload: ["(?i)get", "post"]}',
                       "--exclude", "{address: 192.0.2.0/24}")
        self.assertEqual(done.code, 0, done)
        for part in ("ret      #262144", "machine code", "2 expressions", "but not address"):
            self.assertIn(part, done.out)

    def test_a_filter_may_stand_by_itself(self):
        done = explain("{protocol: tcp, port: [80, 443]}", "--read", self.source, "--json")
        self.assertEqual(done.code, 0, done)
        self.assertEqual(json.loads(done.out)["read"]["wanted"],
                         self.tcpdump("tcp and (port 80 or port 443)"))

    def test_local_ends(self):
        words = ("--direction", "in", "--remote-port", "443")
        refused = explain(*words)
        self.assertEqual(refused.code, 1, refused)
        self.assertIn("dataplane.local_prefixes", refused.err)
        done = explain(*words, "--local-prefix", "192.168.0.0/16", "--read", self.source, "--json")
        self.assertEqual(json.loads(done.out)["read"]["wanted"],
                         self.tcpdump("dst net 192.168.0.0/16 and src port 443"))

    def test_what_is_wrong_is_named(self):
        for words, parts in (
                (("--bpf", "tcp prt 80"), ("filters[0].bpf", "character 5", '"prt"')),
                (("--payload", "(a"), ("filters[0].payload", '"(a"')),
                (("--port", "70000"), ("port", "70000", "65535")),
                (("--filter", "{prot: tcp}"), ("prot", "protocol")),
                (("--port", "80", "--read", "/nowhere.pcap"), ("/nowhere.pcap",))):
            with self.subTest(words=words):
                done = explain(*words)
                self.assertIn(done.code, (1, 2), done)
                for part in parts:
                    self.assertIn(part, done.err)


class Samplers(TestCase):
    COUNT = 6000

    def setUp(self):
        super().setUp()
        # 600 flows, both ways.
        self.packets = []
        for number in range(self.COUNT):
            flow = number * 7919 % 600
            ends = [("10.1.0.%d" % (flow % 200), 20000 + flow), ("192.168.0.1", 443)]
            (source, source_port), (destination, port) = ends if number % 5 else ends[::-1]
            self.packets.append(Packet(number, source, destination, source_port, port,
                                       6 if flow % 3 else 17, 90))
        # 1 ms apart: 6 seconds of traffic.
        self.source = write_pcap(self.work / "in.pcap", [p.frame for p in self.packets],
                                 step_ns=1_000_000)
        self.target = self.work / "out.pcap"

    def sample(self, *words):
        done = record("--read", self.source, "-w", self.target, "--force", "--json", *words)
        self.assertEqual(done.code, 0, done)
        report = json.loads(done.out)
        check_ledger(self, report)
        records = read_pcap(self.target)
        self.assertEqual(report["ledger"]["packets"]["written"], len(records))
        times = {r.data: r.time_ns for r in read_pcap(self.source)}
        self.assertEqual([times[r.data] for r in records], [r.time_ns for r in records])
        self.assertEqual(sorted(r.time_ns for r in records), [r.time_ns for r in records])
        return report, records

    def test_a_reservoir_is_full_and_from_the_whole_time(self):
        report, records = self.sample("--reservoir", "--packet-limit", "500", "--seed", "9")
        self.assertEqual(len(records), 500)
        self.assertEqual(report["end_reason"], "end_of_file")
        self.assertAlmostEqual(report["sampling"]["effective_rate"], 500 / self.COUNT)
        # Of 500 out of 6000 without replacement, each sixth of the time has 83 +- 8.
        start = min(r.time_ns for r in read_pcap(self.source))
        sixths = collections.Counter((r.time_ns - start) // 1_000_000_000 for r in records)
        for sixth in range(6):
            self.assertTrue(30 < sixths[sixth] < 140, sixths)

    def test_a_reservoir_holds_all_where_there_are_few(self):
        _, records = self.sample("--reservoir", "--packet-limit", "500", "--protocol", "tcp",
                                 "--source-port", "20000-20050")
        few = [p for p in self.packets if p.protocol == 6 and 20000 <= p.source_port <= 20050]
        self.assertTrue(0 < len(few) < 500)
        self.assertEqual([r.data for r in records], [p.frame for p in few])

    def test_flows_are_taken_whole(self):
        _, records = self.sample("--per-flow", "3", "--seed", "2")

        def flow(packet):
            return frozenset(((packet.source, packet.source_port),
                              (packet.destination, packet.destination_port))), packet.protocol

        taken = {r.data for r in records}
        flows = collections.defaultdict(set)
        for packet in self.packets:
            flows[flow(packet)].add(packet.frame in taken)
        self.assertTrue(all(len(answers) == 1 for answers in flows.values()))
        share = sum(answers == {True} for answers in flows.values()) / len(flows)
        self.assertTrue(0.22 < share < 0.45, share)  # 1/3 +- 0.019, 5.5 sigma

    def test_a_rate_is_kept_by_the_packets_own_times(self):
        _, records = self.sample("--rate", "100", "--rate-burst", "10")
        times = [r.time_ns for r in records]
        for first, last in zip(range(len(times)), range(50, len(times))):
            seconds = (times[last] - times[first]) / 1e9
            self.assertLessEqual(last - first + 1, 100 * seconds + 10 + 1e-6)
        self.assertGreater(len(times), 590)  # 6 s at 100 a second

    def test_a_probability(self):
        _, records = self.sample("--probability", "0.25", "--seed", "3")
        self.assertTrue(1200 < len(records) < 1800, len(records))  # 1500 +- 34, 8 sigma

    def test_one_way_to_sample_at_a_time(self):
        done = record("--read", self.source, "-w", self.target, "--rate", "5", "--per-flow", "2")
        self.assertEqual(done.code, 2, done)
        self.assertIn("rate", done.err)
        self.assertIn("per", done.err)
