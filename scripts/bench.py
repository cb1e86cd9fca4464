#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures edgecap beside its peers and prints the ratios.

Cases (one worker core, one writer thread):
  P1   full capture to disk             peers: dd oflag=direct, dpdk-dumpcap
  P2   full capture, blocks discarded   peer: testpmd rxonly
  P3   one exact 5-tuple, no match      peer: testpmd rxonly
  P4   64 captures at once with 1,000 mixed rules, no match, in the daemon
                                        peer: testpmd rxonly
  P5   10,000 mixed rules, no match, in the daemon; and how long it takes, with traffic flowing, to
       start and to stop a capture of 10,000 rules
                                        peer: testpmd rxonly
  P6   BPF `tcp port 80 and host 10.1.2.3`, no match
                                        peer: testpmd rxonly
  P7   200 payload patterns behind a 5-tuple filter that all packets pass, no match; Gbit/s of
       payload                          peer: testpmd rxonly
  P8   sample of 1 in 1,000             peer: testpmd rxonly
  P12  live testpmd traffic to disk, highest rate without loss (RFC 2544 binary search)
                                        peer: testpmd rxonly on the same link
  stages  cycles a packet of each stage by itself: parser, filters, samplers, copy (tests/bench)
                                        peers: rte_acl, libpcap

Ours and the peer run in turn, --rounds times; each line is the median of the rounds:

  P3 64B ratio=0.91 ours=82.10Mpps peer=90.20Mpps (testpmd rxonly) rounds=0.90..0.93 goal=0.85

The stages are one run and have lines of their own; here too a ratio above 1 is ours being faster:

  stage=classifier_1000 cycles=20.95
  peer=rte_acl stage=classifier_1000 cycles=19.02 ratio=0.91

The packet source of all but P12 is DPDK's net_pcap with infinite_rx: the same for both. P6 has TCP
packets, so that the expression has to look at ports; those of P7 carry text like that of HTTP.
"""
import argparse
import json
import os
import random
import re
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time

SIZES = {"64B": [60], "IMIX": [60] * 7 + [590] * 4 + [1514], "1514B": [1514]}
EXACT = ["--source-address", "203.0.113.7", "--destination-address", "203.0.113.9",
         "--source-port", "4321", "--destination-port", "8765", "--protocol", "tcp"]


BPF_EXPRESSION = "tcp port 80 and host 10.1.2.3"


def log(text):
    print(f"# {text}", file=sys.stderr, flush=True)


def write_traffic(path, sizes, tcp=False, text=False, count=2040):
    """A pcap of packets of many flows, sizes in turn: UDP or TCP, with zeros or text."""
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
        for number in range(count):
            size = sizes[number * 7 % len(sizes)]
            ip = struct.pack("!BBHHHBBHBBBBBBBB", 0x45, 0, size - 14, number, 0, 64,
                             6 if tcp else 17, 0,
                             10, 0, number >> 8, number & 255, 192, 168, number >> 8, number & 255)
            frame = b"\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0" + ip
            frame += struct.pack("!HH", 1024 + number, 443)
            frame += (struct.pack("!IIBBHHH", number, 0, 0x50, 0x10, 65535, 0, 0) if tcp else
                      struct.pack("!HH", size - 34, 0))
            rest = size - len(frame)
            frame += http_text(rest, number) if text else bytes(rest)
            out.write(struct.pack("<IIII", 0, number, size, size) + frame)


def payload_bytes(sizes):
    """Payload of an average UDP packet."""
    return sum(size - 42 for size in sizes) / len(sizes)


def http_text(size, seed):
    """Bytes like those of HTTP: the head of a request, then words."""
    rng = random.Random(seed)
    words = ("the capture packet network index html image content length value window data service "
             "status request server session update report message system user login page").split()
    text = (f"GET /{rng.choice(words)}/{rng.choice(words)}.html?id={rng.randrange(10**6)} HTTP/1.1\r\n"
            f"Host: www.{rng.choice(words)}.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"
            f"Accept: text/html,*/*;q=0.8\r\nCookie: session={rng.getrandbits(128):032x}\r\n\r\n")
    while len(text) < size:
        text += rng.choice(words) + rng.choice((" ", " ", " ", ", ", ". ", '="', '">'))
    return text[:size].encode("ascii")


def payload_patterns(count=200, seed=7):
    """Expressions like those of intrusion detection: words, some with classes, bounded gaps or bytes
    in hex. q and z never meet in http_text(), so none of them matches."""
    rng = random.Random(seed)

    def word(low, high):
        return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz")
                       for _ in range(rng.randint(low, high)))

    def rare():
        return word(2, 5) + "qz" + word(2, 5)

    kinds = [
        lambda: rare() + word(0, 6),
        lambda: rare() + word(2, 8),
        lambda: rare(),
        lambda: word(2, 4) + rare(),
        lambda: f"(?i)user-agent: {rare()}/[0-9]\\.[0-9]",
        lambda: f"(?i){rare()}=[0-9a-f]{{{rng.choice((8, 16, 32))}}}",
        lambda: f"{rare()}.{{0,{rng.choice((16, 32, 64))}}}{word(4, 8)}",
        lambda: f"/{word(4, 8)}/{rare()}\\.(php|aspx?|jsp|cgi)\\?",
        lambda: "\\x%02x\\x%02x\\x%02x%s" % (rng.randrange(128, 256), rng.randrange(256),
                                              rng.randrange(128, 256), word(2, 4)),
        lambda: f"(?:cmd|exec|system)\\s*\\(\\s*[\"']{rare()}",
    ]
    return [kinds[i % len(kinds)]() for i in range(count)]


def mixed_rules(count, seed=7):
    """Filters that test two to five fields: prefixes of 16 to 32 bits, ports and ranges, protocols.
    Traffic comes from 10/8 and goes to 192.168/16, which no address in here covers."""
    rng = random.Random(seed)

    def prefix():
        bits = rng.choice((32, 32, 24, 24, 24, 20, 16, 28))
        address = rng.randrange(20, 180) << 24 | rng.getrandbits(24)
        address &= ~((1 << 32 - bits) - 1)
        return ".".join(str(address >> shift & 255) for shift in (24, 16, 8, 0)) + f"/{bits}"

    rules = []
    for _ in range(count):
        rule = {}
        kind = rng.randrange(4)
        if kind != 0:
            rule["source_address"] = prefix()
        if kind == 0 or rng.random() < 0.5:
            rule["destination_address"] = prefix()
        port = rng.randrange(60000)
        if rng.random() < 0.5:
            rule["destination_port"] = rng.choice((str(port), f"{port}-{port + 4999}"))
        if rng.random() < 0.25:
            rule["source_port"] = f"{port}-{port + 4999}"
        if rng.random() < 0.5:
            rule["protocol"] = rng.choice(("tcp", "udp"))
        rules.append(rule)
    return rules


class Testpmd:
    """A testpmd that is told what to do, and leaves when it is told to."""

    def __init__(self, eal, app):
        self.process = subprocess.Popen(
            ["stdbuf", "-oL", "dpdk-testpmd", *eal, "--", "-i", *app], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.text = ""
        self.commands = 0
        self.wait_for("testpmd> ", 60)

    def wait_for(self, what, seconds):
        deadline = time.monotonic() + seconds
        while what not in self.text:
            if not select.select([self.process.stdout], [], [], deadline - time.monotonic())[0]:
                raise RuntimeError(f"testpmd does not answer with {what!r}: {self.text[-2000:]}")
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise RuntimeError(f"testpmd ended: {self.text[-2000:]}")
            self.text += data.decode(errors="replace")
        answer, self.text = self.text.split(what, 1)
        return answer

    def tell(self, command):
        # It echoes what it reads, in order: the marker's echo says that the command is done.
        self.commands += 1
        marker = f"# done {self.commands}"
        self.process.stdin.write(f"{command}\n{marker}\n".encode())
        self.process.stdin.flush()
        return self.wait_for(marker, 60)

    def counter(self, name, port=0):
        return int(re.search(rf"{name}:\s+(\d+)", self.tell(f"show port stats {port}")).group(1))

    def quit(self):
        try:
            self.process.stdin.write(b"stop\nquit\n")
            self.process.stdin.flush()
            self.process.communicate(timeout=60)
        finally:
            self.process.kill()


class Daemon:
    """edgecapd on a net_pcap port, asked through its socket."""

    def __init__(self, bench, traffic):
        self.directory = tempfile.TemporaryDirectory(prefix="daemon-", dir=bench.work.name)
        self.socket = os.path.join(self.directory.name, "control.sock")
        config = os.path.join(self.directory.name, "edgecapd.yaml")
        with open(config, "w") as out:
            json.dump({"machine": "bench",
                       "dataplane": {"ports": [f"net_pcap0,rx_pcap={traffic},infinite_rx=1"],
                                     "worker_cores": [bench.worker_core], "idle_sleep_us_max": 0,
                                     "hugepages": "on" if bench.hugepages else "off"},
                       "capture": {"directory": self.directory.name},
                       "limits": {"max_running": 128},
                       "control": {"socket": self.socket}}, out)
        self.process = subprocess.Popen([bench.edgecapd, "--config", config],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: os.path.exists(self.socket) or self.process.poll() is not None)
        if self.process.poll() is not None:
            raise RuntimeError(f"edgecapd ended: {self.process.stderr.read()}")

    def call(self, method, path, body=None):
        command = ["curl", "-sS", "--fail-with-body", "-X", method, "--unix-socket", self.socket,
                   f"http://edgecap{path}", "-w", "\n%{time_total}"]
        if body is not None:
            command += ["--data-binary", "@-"]
        done = subprocess.run(command, input=None if body is None else json.dumps(body).encode(),
                              stdout=subprocess.PIPE, check=True)
        text, seconds = done.stdout.decode().rsplit("\n", 1)
        return json.loads(text) if text.strip() else None, float(seconds)

    def begin(self, rules):
        return self.call("POST", "/v1/captures", {"type": "full", "time_limit": 600,
                                                  "filters": rules})

    def received(self):
        return self.call("GET", "/v1/stats")[0]["workers"][0]["received"]["packets"]

    def rate(self, seconds):
        """Mpps that the worker receives."""
        before, begin = self.received(), time.monotonic()
        time.sleep(seconds)  # the measured interval
        after, end = self.received(), time.monotonic()
        return (after - before) / (end - begin) / 1e6

    def close(self):
        self.process.terminate()
        self.process.communicate(timeout=60)
        self.directory.cleanup()


class Bench:
    def __init__(self, arguments):
        self.edgecap = os.path.join(arguments.build, "control", "cli", "edgecap")
        self.edgecapd = os.path.join(arguments.build, "control", "edgecapd")
        self.stages_program = os.path.join(arguments.build, "tests", "bench", "stages")
        self.rounds = arguments.rounds
        self.seconds = arguments.seconds
        self.directory = arguments.directory
        self.work = tempfile.TemporaryDirectory(prefix="edgecap-bench-", dir=self.directory)
        cores = sorted(os.sched_getaffinity(0))
        self.worker_core, self.other_core = cores[-1], cores[0]
        self.hugepages = free_hugepages_mb() >= 1024
        self.memory = ["--in-memory"] if self.hugepages else ["--no-huge", "--no-shconf", "-m", "512"]
        simd = ["--force-max-simd-bitwidth=512"] if "avx512f" in open("/proc/cpuinfo").read() else []
        self.memory += simd
        self.traffic = {}
        for name, sizes in SIZES.items():
            self.traffic[name] = os.path.join(self.work.name, name + ".pcap")
            write_traffic(self.traffic[name], sizes)
        self.traffic["64B TCP"] = self.path("tcp.pcap")
        write_traffic(self.traffic["64B TCP"], SIZES["64B"], tcp=True)
        self.traffic["IMIX text"] = self.path("text.pcap")
        write_traffic(self.traffic["IMIX text"], SIZES["IMIX"], text=True)
        log(f"worker on core {self.worker_core}, the rest on core {self.other_core}; "
            f"{'hugepages' if self.hugepages else 'no hugepages: ordinary memory'}; "
            f"files in {self.work.name}")

    def vdev(self, size):
        return f"net_pcap0,rx_pcap={self.traffic[size]},infinite_rx=1"

    def path(self, name):
        return os.path.join(self.work.name, name)

    # ---- one measurement each ----

    def record(self, arguments):
        command = [self.edgecap, "record", "--json", "--quiet", "--core", str(self.worker_core),
                   "--idle-sleep-us", "0", "--time-limit", str(self.seconds), *arguments]
        if not self.hugepages:
            command.append("--no-huge")
        result = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        return json.loads(result.stdout)

    def seen_rate(self, size, arguments):
        report = self.record(["--vdev", self.vdev(size), *arguments])
        return report["ledger"]["packets"]["seen"] / self.seconds / 1e6

    def captured_rate(self, size, arguments):
        report = self.record(["--vdev", self.vdev(size), *arguments])
        return report["ledger"]["packets"]["written"] / self.seconds / 1e6

    def rxonly_rate(self, size):
        # The same number of buffers as ours: their memory and no more is walked through.
        pmd = Testpmd(["-l", f"{self.other_core},{self.worker_core}", "--no-pci", *self.memory,
                       "--vdev", self.vdev(size)],
                      ["--forward-mode=rxonly", "--total-num-mbufs=65536"])
        try:
            pmd.tell("start")
            pmd.counter("RX-packets")
            before, begin = pmd.counter("RX-packets"), time.monotonic()
            time.sleep(self.seconds)  # the measured interval
            after, end = pmd.counter("RX-packets"), time.monotonic()
        finally:
            pmd.quit()
        return (after - before) / (end - begin) / 1e6

    def disk_rate(self):
        """GB/s of dd with O_DIRECT, for as much as --seconds of it."""
        path = self.path("dd.out")
        blocks = int(1500 * self.seconds)
        result = subprocess.run(["dd", "if=/dev/zero", f"of={path}", "bs=1M", f"count={blocks}",
                                 "oflag=direct"], stderr=subprocess.PIPE, check=True, text=True)
        os.unlink(path)
        amount, seconds = re.search(r"(\d+) bytes.*, ([\d.e+-]+) s,", result.stderr).groups()
        return int(amount) / float(seconds) / 1e9

    def file_rate(self, size):
        """GB/s and Mpps that reach a file on disk, until it is synced and closed."""
        path = self.path("p1.pcap")
        begin = time.monotonic()
        report = self.record(["--vdev", self.vdev(size), "-w", path])
        elapsed = time.monotonic() - begin
        os.unlink(path)
        packets = report["ledger"]["packets"]["written"]
        amount = report["files"][0]["bytes"]
        # What was written after the time limit was written by then: the longer time counts.
        elapsed = max(self.seconds, min(elapsed, report["elapsed_s"]))
        return amount / elapsed / 1e9, packets / elapsed / 1e6

    def dumpcap_rate(self, size):
        """GB/s and Mpps of dpdk-dumpcap attached to testpmd rxonly, file on the same disk."""
        linked = subprocess.run(["readelf", "-d", "/usr/bin/dpdk-testpmd"], stdout=subprocess.PIPE,
                                check=True, text=True).stdout
        # Drivers in testpmd's order, else the two processes disagree about the mempool's.
        preload = ":".join(name for name in re.findall(r"NEEDED.*\[(.*)\]", linked)
                           if re.search(r"rte_(net_|bus_|mempool_|common)", name))
        prefix = f"edgecapbench{os.getpid()}"
        pmd = Testpmd(["-l", f"{self.other_core},{self.worker_core}", "--no-pci",
                       f"--file-prefix={prefix}", "--vdev", self.vdev(size)],
                      ["--forward-mode=rxonly", "--total-num-mbufs=65536"])
        path = self.path("dumpcap.pcapng")
        open(path, "w").close()
        try:
            pmd.tell("start")
            subprocess.run(["dpdk-dumpcap", f"--file-prefix={prefix}", "-i", "0", "-w", path,
                            "-a", f"duration:{int(self.seconds)}"],
                           env={**os.environ, "LD_PRELOAD": preload}, check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
        finally:
            pmd.quit()
        amount = os.path.getsize(path)
        info = subprocess.run(["capinfos", "-c", "-M", "-T", "-r", path], check=True, text=True,
                              stdout=subprocess.PIPE).stdout
        os.unlink(path)
        return amount / self.seconds / 1e9, int(info.split()[-1]) / self.seconds / 1e6

    # ---- P12: a live link, RFC 2544 ----

    def send(self, socket, reads):
        """64-byte packets into a vhost-user link: their Mpps, those lost before the link in the
        measured time, and all that went into the link.

        testpmd forwards what net_null makes; so many memory reads a packet slow it down."""
        pmd = Testpmd(["--lcores", f"0@{self.other_core},1@{self.other_core}", "--no-pci",
                       *self.memory, "--single-file-segments",
                       f"--file-prefix=edgecapsend{os.getpid()}", "--vdev", "net_null0,size=64",
                       "--vdev", f"net_virtio_user0,path={socket},queue_size=1024"],
                      ["--forward-mode=noisy", f"--noisy-lkup-num-reads={reads}",
                       "--noisy-lkup-memory=1", "--total-num-mbufs=32768",
                       # net_null never runs dry: flushing it would count as lost packets
                       "--no-flush-rx"])
        try:
            # The two sides are still talking about the link: what comes now is not measured.
            pmd.tell("start")
            wait_until(lambda: pmd.counter("TX-packets", port=1) > 0)
            pmd.tell("stop")
            sent = pmd.counter("TX-packets", port=1)
            pmd.tell("clear port stats all")
            pmd.tell("start")
            begin = time.monotonic()
            time.sleep(self.seconds)  # the measured interval
            pmd.tell("stop")
            elapsed = time.monotonic() - begin
            offered = pmd.counter("RX-packets", port=0)
            taken = pmd.counter("TX-packets", port=1)
        finally:
            pmd.quit()
        return offered / elapsed / 1e6, offered - taken, sent + taken

    def live_ours(self, reads):
        """Mpps offered and packets lost, full capture to disk."""
        socket, path = self.path("link.sock"), self.path("p12.pcap")
        command = [self.edgecap, "record", "--json", "--quiet", "--core", str(self.worker_core),
                   "--idle-sleep-us", "0", "--vdev", f"net_vhost0,iface={socket}", "-w", path]
        if not self.hugepages:
            command.append("--no-huge")
        receiver = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            wait_until(lambda: os.path.exists(socket))
            rate, lost, sent = self.send(socket, reads)
        finally:
            receiver.send_signal(signal.SIGINT)
            report = json.loads(receiver.communicate(timeout=60)[0])
            os.unlink(path)
        return rate, lost + sent - report["ledger"]["packets"]["written"]

    def live_peer(self, reads):
        """The same with testpmd rxonly as the receiver."""
        socket = self.path("link.sock")
        pmd = Testpmd(["-l", f"{self.other_core},{self.worker_core}", "--no-pci", *self.memory,
                       f"--file-prefix=edgecaprecv{os.getpid()}",
                       "--vdev", f"net_vhost0,iface={socket}"],
                      ["--forward-mode=rxonly", "--total-num-mbufs=65536"])
        try:
            pmd.tell("start")
            rate, lost, sent = self.send(socket, reads)
            received = pmd.counter("RX-packets")
        finally:
            pmd.quit()
        return rate, lost + sent - received

    def highest_lossless(self, trial):
        """Binary search over the slowing of the sender: more reads, fewer packets."""
        lossy, lossless, best = -1, 256, 0.0
        while lossless - lossy > 1:
            reads = (lossy + lossless) // 2
            rate, lost = trial(reads)
            log(f"P12: {rate:.2f} Mpps offered, {lost} lost")
            if lost == 0:
                lossless, best = reads, max(best, rate)
            else:
                lossy = reads
        return best

    def p12(self):
        self.compare("P12", "64B", lambda: self.highest_lossless(self.live_ours),
                     lambda: self.highest_lossless(self.live_peer), "Mpps",
                     "testpmd rxonly, vhost-user link", 0.8)

    # ---- cases ----

    def compare(self, case, size, ours, peer, unit, peer_name, goal):
        mine, theirs = [], []
        for _ in range(self.rounds):
            theirs.append(peer())
            mine.append(ours())
        if 0 in theirs:
            print(f"{case} {size} ratio=none ours={statistics.median(mine):.2f}{unit} "
                  f"peer=0{unit} ({peer_name}): the peer never took all, on this machine as busy as "
                  f"it is", flush=True)
            return
        ratios = sorted(a / b for a, b in zip(mine, theirs))
        print(f"{case} {size} ratio={statistics.median(ratios):.2f} "
              f"ours={statistics.median(mine):.2f}{unit} "
              f"peer={statistics.median(theirs):.2f}{unit} ({peer_name}) "
              f"rounds={ratios[0]:.2f}..{ratios[-1]:.2f} goal={goal}", flush=True)

    def p1(self):
        for size in ("64B", "IMIX"):
            self.compare("P1", size, lambda: self.file_rate(size)[0], self.disk_rate, "GB/s",
                         "dd oflag=direct", 0.95)
            if not self.hugepages:
                log("P1: dpdk-dumpcap needs hugepages to attach to testpmd; not measured")
                continue
            which, unit = (1, "Mpps") if size == "64B" else (0, "GB/s")
            self.compare("P1", size, lambda: self.file_rate(size)[which],
                         lambda: self.dumpcap_rate(size)[which], unit, "dpdk-dumpcap", 8)

    def p2(self):
        for size, goal in (("64B", 0.5), ("IMIX", 0.45), ("1514B", "none")):
            self.compare("P2", size, lambda: self.captured_rate(size, ["--discard"]),
                         lambda: self.rxonly_rate(size), "Mpps", "testpmd rxonly", goal)

    def p3(self):
        for size in SIZES:
            self.compare("P3", size, lambda: self.seen_rate(size, ["--discard", *EXACT]),
                         lambda: self.rxonly_rate(size), "Mpps", "testpmd rxonly", 0.85)

    def rules_rate(self, filters_of_captures):
        """Mpps of the daemon with a capture for each list of filters."""
        daemon = Daemon(self, self.traffic["64B"])
        try:
            for rules in filters_of_captures:
                daemon.begin(rules)
            return daemon.rate(self.seconds)
        finally:
            daemon.close()

    def p4(self):
        rules = mixed_rules(1000)
        self.compare("P4", "64B", lambda: self.rules_rate([rules[i::64] for i in range(64)]),
                     lambda: self.rxonly_rate("64B"), "Mpps", "testpmd rxonly", 0.35)

    def p5(self):
        rules = mixed_rules(10000)
        self.compare("P5", "64B", lambda: self.rules_rate([rules]),
                     lambda: self.rxonly_rate("64B"), "Mpps", "testpmd rxonly", "10Mpps")
        daemon = Daemon(self, self.traffic["64B"])
        installs, removals = [], []
        try:
            daemon.begin([{"source_address": "203.0.113.7"}])
            for _ in range(5 * self.rounds):
                capture, seconds = daemon.begin(rules)
                installs.append(seconds)
                removals.append(daemon.call("POST", f"/v1/captures/{capture['id']}/stop")[1])
            received = daemon.received()
        finally:
            daemon.close()
        for what, times in (("install", installs), ("remove", removals)):
            print(f"P5 {what} of 10,000 rules: median={statistics.median(times):.3f}s "
                  f"longest={max(times):.3f}s goal=1s with {received} packets received "
                  f"meanwhile", flush=True)

    def p6(self):
        self.compare("P6", "64B",
                     lambda: self.seen_rate("64B TCP", ["--discard", "--bpf", BPF_EXPRESSION]),
                     lambda: self.rxonly_rate("64B TCP"), "Mpps", "testpmd rxonly", 0.6)

    def p7(self):
        gigabits = payload_bytes(SIZES["IMIX"]) * 8 / 1000
        patterns = [word for pattern in payload_patterns() for word in ("--payload", pattern)]
        self.compare("P7", "IMIX",
                     lambda: gigabits * self.seen_rate(
                         "IMIX text", ["--discard", "--protocol", "udp", "--destination-port",
                                       "443", *patterns]),
                     lambda: gigabits * self.rxonly_rate("IMIX text"), "Gbit/s", "testpmd rxonly",
                     "19Gbit/s")

    def p8(self):
        for size in SIZES:
            self.compare("P8", size,
                         lambda: self.seen_rate(size, ["--discard", "--one-in", "1000",
                                                       "--snaplen", "160"]),
                         lambda: self.rxonly_rate(size), "Mpps", "testpmd rxonly", 0.85)

    def stages(self):
        subprocess.run(["taskset", "-c", str(self.worker_core), self.stages_program], check=True)


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("waited in vain")
        time.sleep(0.01)


def free_hugepages_mb():
    text = open("/proc/meminfo").read()
    return (int(re.search(r"HugePages_Free:\s+(\d+)", text).group(1)) *
            int(re.search(r"Hugepagesize:\s+(\d+)", text).group(1)) // 1024)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="default: all")
    parser.add_argument("--build", default="build", help="build directory (default: build)")
    parser.add_argument("--rounds", type=int, default=3, help="of ours and peer in turn (default: 3)")
    parser.add_argument("--seconds", type=float, default=2, help="of one measurement (default: 2)")
    parser.add_argument("--directory", default="/var/tmp", help="where files go (default: /var/tmp)")
    arguments = parser.parse_args()
    known = ["P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P12", "stages"]
    if unknown := [case for case in arguments.cases if case not in known]:
        parser.error(f"no case {unknown[0]}; there are {' '.join(known)}")
    bench = Bench(arguments)
    for case in arguments.cases or known:
        getattr(bench, case.lower())()


if __name__ == "__main__":
    main()
