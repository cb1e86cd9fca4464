# SPDX-License-Identifier: Apache-2.0
"""`edgecap record`: the engine in one process, from files, pipes and virtual ports."""
import json
import signal
import struct
import subprocess

import harness
from harness import (EDGECAP, FILTERS, TestCase, check_ledger, device_options, end_process,
                     eventually, opens_everywhere, read_pcap, record, run, sampled, takes_signal,
                     traffic, write_pcap)


def filter_words(filter):
    words = []
    for name, value in filter.items():
        words += ["--" + name.replace("_", "-"), value]
    return words


class FromFiles(TestCase):
    def setUp(self):
        super().setUp()
        self.packets = traffic(3000)
        self.source = write_pcap(self.work / "in.pcap", [p.frame for p in self.packets])
        self.target = self.work / "out.pcap"

    def test_filter_by_sampling_matrix(self):
        for number, (filter, wants) in enumerate(FILTERS):
            for one_in, seed, snaplen, limit in ((1, 0, 262144, None), (1, 0, 60, None),
                                                 (2, 5, 262144, None), (100, 11, 100, None),
                                                 (1, 0, 262144, 7), (3, 1, 262144, 5)):
                with self.subTest(filter=filter, one_in=one_in, snaplen=snaplen, limit=limit):
                    target = self.work / ("%d_%d_%d_%s.pcap" % (number, one_in, snaplen, limit))
                    words = ["--one-in", one_in, "--seed", seed, "--snaplen", snaplen]
                    if limit:
                        words += ["--packet-limit", limit]
                    done = record("--read", self.source, "-w", target, "--json", "--blocks", "16",
                                  *filter_words(filter), *words)
                    self.assertEqual(done.code, 0, done)
                    report = json.loads(done.out)
                    check_ledger(self, report)
                    matched = [p for p in self.packets if wants(p)]
                    taken = sampled(matched, one_in, seed)
                    kept = taken[:limit] if limit else taken
                    door = report["ledger"]["packets"]
                    self.assertEqual(door["captured"], len(kept))
                    self.assertEqual(door["no_block"], 0)
                    if not limit:
                        self.assertEqual((door["seen"], door["matched"]),
                                         (len(self.packets), len(matched)))
                        self.assertEqual(report["end_reason"], "end_of_file")
                    elif len(taken) > limit:
                        self.assertEqual(report["end_reason"], "packet_limit")
                    times = {r.data: r.time_ns for r in read_pcap(self.source)}
                    self.assertEqual(
                        [(r.data, r.wire_bytes, r.time_ns) for r in read_pcap(target)],
                        [(p.frame[:snaplen], len(p.frame), times[p.frame]) for p in kept])

    def test_the_whole_file_comes_out_as_it_went_in(self):
        done = record("--read", self.source, "-w", self.target)
        self.assertEqual(done.code, 0, done)
        self.assertIn("3000 packets captured", done.err)
        self.assertEqual(self.target.read_bytes()[24:], self.source.read_bytes()[24:])
        opens_everywhere(self.target, self.work)

    def test_reading_never_drops(self):
        """Far more than the blocks hold: reading waits for the writer."""
        frame = traffic(1, sizes=(1514,))[0].frame
        big = write_pcap(self.work / "big.pcap", (frame for _ in range(60_000)))
        done = record("--read", big, "-w", self.target, "--blocks", "4", "--block-bytes", "266240",
                      "--json")
        self.assertEqual(done.code, 0, done)
        door = json.loads(done.out)["ledger"]["packets"]
        self.assertEqual((door["captured"], door["no_block"]), (60_000, 0))
        self.assertEqual(self.target.stat().st_size, big.stat().st_size)

    def test_byte_limit(self):
        for limit in (1, 60, 61, 5000):
            target = self.work / ("bytes%d.pcap" % limit)
            done = record("--read", self.source, "-w", target, "--byte-limit", limit, "--snaplen",
                          "60", "--json")
            self.assertEqual(done.code, 0, done)
            stored = sum(len(r.data) for r in read_pcap(target))
            self.assertEqual(stored, limit // 60 * 60)

    def test_pipes(self):
        data = self.source.read_bytes()
        done = record("--read", "-", "-w", "-", "-q", input=data, text=False)
        self.assertEqual(done.code, 0, done.err)
        self.assertEqual(done.out[24:], data[24:])
        self.assertEqual(done.err, "")

    def test_report_goes_to_standard_error_with_packets_on_standard_output(self):
        done = record("--read", self.source, "-w", "-", "--json", text=False)
        self.assertEqual(done.code, 0, done.err)
        self.assertEqual(len(read_pcap(done.out)), 3000)
        self.assertEqual(json.loads(done.err[done.err.index("{"):])["packets_captured"], 3000)

    def test_reader_goes_away(self):
        with subprocess.Popen([EDGECAP, "record", "--read", "/dev/zero", "-w", "-"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.stdout.close()
            self.assertEqual(process.wait(60), 1)
        frame = traffic(1, sizes=(1514,))[0].frame
        big = write_pcap(self.work / "big.pcap", (frame for _ in range(20_000)))
        with subprocess.Popen([EDGECAP, "record", "--read", big, "-w", "-"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.stdout.read(100)
            process.stdout.close()
            self.assertEqual(process.wait(60), 1)
            self.assertIn(b"roken pipe", process.stderr.read())

    def test_microseconds_and_the_other_byte_order_are_read(self):
        frame = self.packets[0].frame
        for order, magic in ((">", 0xA1B2C3D4), ("<", 0xA1B2C3D4), (">", 0xA1B23C4D)):
            data = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, 1)
            data += struct.pack(order + "IIII", 7, 5, len(frame), len(frame)) + frame
            self.source.write_bytes(data)
            done = record("--read", self.source, "-w", self.target, "--force", "-q")
            self.assertEqual(done.code, 0, done)
            (only,) = read_pcap(self.target)
            scale = 1000 if magic == 0xA1B2C3D4 else 1
            self.assertEqual((only.data, only.time_ns), (frame, 7 * 10**9 + 5 * scale))

    def test_existing_file_is_refused_unless_forced(self):
        self.target.write_text("precious")
        done = record("--read", self.source, "-w", self.target)
        self.assertEqual(done.code, 1, done)
        self.assertIn(str(self.target), done.err)
        self.assertIn("--force", done.err)
        self.assertEqual(self.target.read_text(), "precious")
        self.assertEqual(record("--read", self.source, "-w", self.target, "--force", "-q").code, 0)
        self.assertEqual(len(read_pcap(self.target)), 3000)

    def test_interrupt_while_waiting_for_a_pipe(self):
        """The part that came is captured, the file is whole."""
        data = self.source.read_bytes()
        with subprocess.Popen([EDGECAP, "record", "--read", "-", "-w", self.target, "--json"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            # More than a block: what is in an unfilled one waits with the worker for the pipe.
            process.stdin.write(data[:-1])
            process.stdin.flush()
            eventually(lambda: takes_signal(process.pid, signal.SIGINT), "record takes SIGINT")
            # Hidden until whole: grows when the flush interval has passed.
            eventually(lambda: any(p.stat().st_size > 1000 for p in self.work.glob(".out.pcap*")),
                       "packets are in the file")
            process.send_signal(signal.SIGINT)
            out = process.stdout.read()
            self.assertEqual(process.wait(60), 0, process.stderr.read())
        report = json.loads(out)
        check_ledger(self, report)
        self.assertEqual(report["end_reason"], "interrupted")
        self.assertEqual(len(read_pcap(self.target)), report["packets_captured"])
        self.assertGreater(report["packets_captured"], 0)


class FromDevices(TestCase):
    def setUp(self):
        super().setUp()
        self.target = self.work / "out.pcap"

    def device(self, *words):
        return record("-w", self.target, "--json", *device_options(), *words)

    def test_net_null_with_packet_limit(self):
        done = self.device("--vdev", "net_null0,size=64", "--packet-limit", "12345")
        self.assertEqual(done.code, 0, done)
        report = json.loads(done.out)
        check_ledger(self, report)
        self.assertEqual(report["end_reason"], "packet_limit")
        records = read_pcap(self.target)
        self.assertEqual(len(records), 12345)
        self.check_order(records)
        opens_everywhere(self.target, self.work)

    def test_net_null_with_time_limit(self):
        done = self.device("--vdev", "net_null0,size=64", "--time-limit", "0.5", "--one-in",
                           "10000")
        self.assertEqual(done.code, 0, done)
        report = json.loads(done.out)
        check_ledger(self, report)
        self.assertEqual(report["end_reason"], "time_limit")
        records = read_pcap(self.target)
        self.assertLess(records[-1].time_ns - records[0].time_ns, 510_000_000)

    def test_byte_limit(self):
        done = self.device("--vdev", "net_null0,size=100", "--byte-limit", "1099")
        self.assertEqual(done.code, 0, done)
        self.assertEqual(json.loads(done.out)["bytes_captured"], 1000)

    def test_discard_keeps_nothing(self):
        done = record("--vdev", "net_null0,size=64", "--discard", "--time-limit", "0.3",
                      *device_options())
        self.assertEqual(done.code, 0, done)
        self.assertEqual(list(self.work.iterdir()), [])

    def test_net_pcap(self):
        packets = traffic(2000)
        source = write_pcap(self.work / "in.pcap", [p.frame for p in packets])
        done = self.device("--vdev", "net_pcap0,rx_pcap=%s,infinite_rx=1" % source, "--protocol",
                           "udp", "--packet-limit", "3000")
        self.assertEqual(done.code, 0, done)
        check_ledger(self, json.loads(done.out))
        matching = [p.frame for p in packets if p.protocol == 17]
        frames = [r.data for r in read_pcap(self.target)]
        first = matching.index(frames[0])
        self.assertEqual(frames, [matching[(first + i) % len(matching)] for i in range(3000)])

    def test_interrupt(self):
        # Under nohup(1) the tests inherit that it is ignored, and record would ignore it too.
        self.addCleanup(signal.signal, signal.SIGHUP,
                        signal.signal(signal.SIGHUP, signal.SIG_DFL))
        for ask in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            target = self.work / ("out%d.pcap" % ask)
            with subprocess.Popen([EDGECAP, "record", "--vdev", "net_null0,size=64", "-w", target,
                                   "--one-in", "5000", "--json", *device_options()],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                eventually(lambda: list(self.work.glob(".out%d.pcap*" % ask)), "a file begins")
                self.assertEqual(end_process(process, ask), 0, process.stderr.read())
                report = json.loads(process.stdout.read())
            check_ledger(self, report)
            self.assertEqual(report["end_reason"], "interrupted")
            self.assertEqual(len(read_pcap(target)), report["packets_captured"])


class Words(TestCase):
    def test_help_and_version(self):
        for words in (["--help"], ["--version"], ["record", "--help"], ["create", "--help"]):
            done = run(EDGECAP, *words)
            self.assertEqual(done.code, 0, done)
            self.assertTrue(done.out)
        self.assertEqual(run(harness.EDGECAPD, "--help").code, 0)
        self.assertIn("dataplane.ports", run(harness.EDGECAPD, "--help-config").out)


if __name__ == "__main__":
    harness.main()
