# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: programs, ports, traffic, and a reader of what comes out.

Environment:
  EDGECAP_BUILD            build directory; default: build/ in the project
  EDGECAP_TEST_HUGEPAGES   auto (default), on or off: what the daemons under test are given
  EDGECAP_TEST_PATIENCE    factor for all deadlines; default 1
"""
import atexit
import contextlib
import http.client
import ipaddress
import itertools
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
BUILD = pathlib.Path(os.environ.get("EDGECAP_BUILD", ROOT / "build")).resolve()
EDGECAPD = BUILD / "control" / "edgecapd"
EDGECAP = BUILD / "control" / "cli" / "edgecap"
HUGEPAGES = os.environ.get("EDGECAP_TEST_HUGEPAGES", "auto")
PATIENCE = float(os.environ.get("EDGECAP_TEST_PATIENCE", "1"))

CORES = sorted(os.sched_getaffinity(0))
WORKER_CORE = CORES[-1]
SENDER_CORE = CORES[0]

GLOBAL_HEADER_BYTES = 24
RECORD_HEADER_BYTES = 16
NANOSECOND_MAGIC = 0xA1B23C4D

_names = itertools.count()

# A shell starts what is in the background with SIGINT ignored, and that is inherited.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_started = []  # processes that must not outlive the tests, however those end


@atexit.register
def _end_started():
    for process in _started:
        if process.poll() is None:
            process.kill()
            process.wait()


def start_process(words, **options):
    _started[:] = [process for process in _started if process.poll() is None]
    process = subprocess.Popen([str(word) for word in words], **options)
    _started.append(process)
    return process


# ---- Waiting ------------------------------------------------------------------------------------

def eventually(condition, what, deadline_s=60.0, interval_s=0.005):
    """The first true value of condition(); fails when there is none before the deadline."""
    end = time.monotonic() + deadline_s * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("not within %g s: %s" % (deadline_s * PATIENCE, what))
        time.sleep(interval_s)


# ---- Traffic ------------------------------------------------------------------------------------

class Packet:
    """An Ethernet frame and what it was made from."""

    def __init__(self, number, source, destination, source_port, destination_port, protocol, size):
        self.number = number
        self.source = ipaddress.ip_address(source)
        self.destination = ipaddress.ip_address(destination)
        self.source_port = source_port
        self.destination_port = destination_port
        self.protocol = protocol
        self.frame = _frame(self, size)


def _checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def _frame(packet, size):
    v6 = packet.source.version == 6
    l4_bytes = 20 if packet.protocol == 6 else 8
    payload_bytes = max(8, size - 14 - (40 if v6 else 20) - l4_bytes)
    payload = (struct.pack("!Q", packet.number) * (payload_bytes // 8 + 1))[:payload_bytes]
    ports = (packet.source_port, packet.destination_port)
    if packet.protocol == 6:
        l4 = struct.pack("!HHIIBBHHH", *ports, packet.number, 0, 0x50, 0x10, 65535, 0, 0)
    else:
        l4 = struct.pack("!HHHH", *ports, 8 + payload_bytes, 0)
    length = l4_bytes + payload_bytes
    if v6:
        ip = struct.pack("!IHBB", 0x60000000, length, packet.protocol, 64)
        ip += packet.source.packed + packet.destination.packed
    else:
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, packet.number & 0xFFFF, 0, 64,
                         packet.protocol, 0) + packet.source.packed + packet.destination.packed
        ip = ip[:10] + struct.pack("!H", _checksum(ip)) + ip[12:]
    ether_type = 0x86DD if v6 else 0x0800
    return b"\x02\0\0\0\0\1\x02\0\0\0\0\2" + struct.pack("!H", ether_type) + ip + l4 + payload


FLOWS = [
    ("10.1.0.1", "192.168.0.1", 40001, 443, 6),
    ("10.1.0.2", "192.168.0.1", 40002, 80, 6),
    ("10.1.200.7", "192.168.5.9", 5353, 53, 17),
    ("10.2.0.1", "192.168.0.1", 40003, 443, 6),
    ("10.2.0.1", "192.168.0.2", 40004, 8080, 6),
    ("10.3.3.3", "192.168.0.1", 40005, 443, 17),
    ("2001:db8:1::5", "2001:db8:f::1", 40006, 443, 6),
    ("2001:db8:2::5", "2001:db8:f::1", 40007, 53, 17),
]


def traffic(count, seed=1, sizes=(60, 60, 60, 590, 1514)):
    """`count` numbered packets of FLOWS in random order. Same arguments, same packets."""
    rng = random.Random(seed)
    return [Packet(number, *rng.choice(FLOWS), rng.choice(sizes)) for number in range(count)]


# Filters and what they mean, for the matrices of filter x sampling.
FILTERS = [
    ({}, lambda p: True),
    ({"source_address": "10.1.0.0/16"},
     lambda p: p.source in ipaddress.ip_network("10.1.0.0/16")),
    ({"destination_port": "443"}, lambda p: p.destination_port == 443),
    ({"protocol": "udp"}, lambda p: p.protocol == 17),
    ({"source_address": "10.2.0.1", "destination_port": "8000-9000", "protocol": "tcp"},
     lambda p: str(p.source) == "10.2.0.1" and p.destination_port == 8080),
    ({"source_address": "2001:db8:1::/48"},
     lambda p: p.source in ipaddress.ip_network("2001:db8:1::/48")),
    ({"destination_address": "192.168.0.1", "protocol": "tcp"},
     lambda p: str(p.destination) == "192.168.0.1" and p.protocol == 6),
    ({"source_address": "203.0.113.9"}, lambda p: False),
]


def sampled(packets, one_in, seed, worker=0):
    """Which of the matched packets a worker takes: the sampler, told once more in Python."""
    if one_in == 1:
        return list(packets)
    mask = (1 << 64) - 1

    def spread(value):
        value = (value + 0x9E3779B97F4A7C15) & mask
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & mask
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & mask
        return value ^ (value >> 31)

    state = spread((spread(seed) + worker) & mask) | 1
    taken = []
    for start in range(0, len(packets), one_in):
        state ^= state >> 12
        state = (state ^ (state << 25)) & mask
        state ^= state >> 27
        place = (((state * 0x2545F4914F6CDD1D) & mask) >> 32) * one_in >> 32
        if start + place < len(packets):
            taken.append(packets[start + place])
    return taken


# ---- Capture files ------------------------------------------------------------------------------

class Record:
    def __init__(self, time_ns, wire_bytes, data):
        self.time_ns, self.wire_bytes, self.data = time_ns, wire_bytes, data


def read_pcap(source):
    """All records of a nanosecond pcap, a path or bytes; fails unless it is whole."""
    data = source if isinstance(source, bytes) else pathlib.Path(source).read_bytes()
    assert len(data) >= GLOBAL_HEADER_BYTES, "%s: only %d bytes" % (source, len(data))
    magic, major, minor, zone, _, snaplen, link = struct.unpack_from("<IHHiIII", data)
    assert (magic, major, minor, zone, link) == (NANOSECOND_MAGIC, 2, 4, 0, 1), data[:24].hex()
    records = []
    at = GLOBAL_HEADER_BYTES
    while at < len(data):
        assert at + RECORD_HEADER_BYTES <= len(data), "cut within a record header at %d" % at
        seconds, nanoseconds, stored, wire = struct.unpack_from("<IIII", data, at)
        at += RECORD_HEADER_BYTES
        assert nanoseconds < 10**9 and stored <= min(snaplen, wire), (nanoseconds, stored, wire)
        assert at + stored <= len(data), "cut within a packet at %d" % at
        records.append(Record(seconds * 10**9 + nanoseconds, wire, data[at:at + stored]))
        at += stored
    return records


def write_pcap(path, frames, start_ns=1_700_000_000_000_000_000, step_ns=1000, link=1):
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", NANOSECOND_MAGIC, 2, 4, 0, 0, 262144, link))
        for number, frame in enumerate(frames):
            seconds, nanoseconds = divmod(start_ns + number * step_ns, 10**9)
            out.write(struct.pack("<IIII", seconds, nanoseconds, len(frame), len(frame)) + frame)
    return path


def need_tool(name):
    if shutil.which(name) is None:
        raise unittest.SkipTest("%s is not installed (scripts/install.sh)" % name)


def run_tool(*words):
    """Runs a foreign program; its standard output. It must succeed and must not complain."""
    need_tool(words[0])
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True,
                          timeout=120 * PATIENCE, check=False)
    complaints = [line for line in done.stderr.splitlines()
                  if line.strip() and "Running as user" not in line
                  and not line.startswith("reading from file")]
    assert done.returncode == 0 and not complaints, \
        "%s: exit code %d, %s" % (words, done.returncode, done.stderr)
    return done.stdout


def opens_everywhere(path, work):
    """tshark, tcpdump, capinfos and mergecap read the file without a complaint."""
    summary = run_tool("capinfos", "-M", path)
    run_tool("tcpdump", "-n", "-r", path, "-w", work / "by_tcpdump.pcap")
    run_tool("tshark", "-n", "-r", path, "-q", "-z", "io,phs")
    run_tool("mergecap", "-w", work / "by_mergecap.pcapng", path)
    return summary


# ---- The ledger ---------------------------------------------------------------------------------

def check_ledger(test, capture):
    """The three sums of a job that has ended, in packets and in bytes."""
    for unit in ("packets", "bytes"):
        door = capture["ledger"][unit]
        test.assertEqual(door["seen"], door["filtered_out"] + door["matched"], (unit, capture))
        test.assertEqual(
            door["matched"],
            door["sampled_out"] + door["over_limit"] + door["no_block"] + door["captured"],
            (unit, capture))
        test.assertEqual(door["captured"], door["written"] + door["lost_on_disk"], (unit, capture))
    if "balanced" in capture["ledger"]:
        test.assertIs(capture["ledger"]["balanced"], True, capture)


def check_workers(test, stats):
    """Exact when no packet arrives: a worker that is at work counts in several steps."""
    for worker in stats["workers"]:
        for unit in ("packets", "bytes"):
            test.assertEqual(worker["received"][unit],
                             worker["unmatched"][unit] + worker["matched"][unit], worker)


def received_by_workers(stats):
    return sum(worker["received"]["packets"] for worker in stats["workers"])


# ---- Processes ----------------------------------------------------------------------------------

class Finished:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __repr__(self):
        return "exit code %d\n%s\n%s" % (self.code, self.out[-2000:], self.err[-2000:])


def run(*words, text=True, timeout_s=60, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, check=False,
                          timeout=timeout_s * PATIENCE, **options)
    out = done.stdout.decode(errors="replace") if text else done.stdout
    return Finished(done.returncode, out, done.stderr.decode(errors="replace"))


def record(*words, **options):
    """`edgecap record`, with little memory and a worker that shares its core."""
    return run(EDGECAP, "record", *words, **options)


def device_options():
    """Options of `record` on a device which keep it small."""
    words = ["--mbufs", "8192", "--blocks", "32", "--idle-sleep-us", "1000"]
    return words + (["--no-huge"] if HUGEPAGES == "off" else [])


def end_process(process, ask=signal.SIGTERM, deadline_s=60):
    """Asks, waits, and if need be insists; the exit code."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(ask)
    try:
        return process.wait(deadline_s * PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError("process %d did not end on signal %d" % (process.pid, ask)) from None


def takes_signal(pid, number):
    """The process has a handler for the signal, or blocks it to receive it otherwise.

    Any thread's word will do: while one is in sigtimedwait(2) the kernel shows what it waits for as
    not blocked.
    """
    masks = 0
    for status in pathlib.Path("/proc/%d/task" % pid).glob("*/status"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for line in status.read_text().splitlines():
                if line.startswith(("SigCgt:", "SigBlk:")):
                    masks |= int(line.split()[1], 16)
    return bool(masks >> (number - 1) & 1)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout_s):
        super().__init__("localhost", timeout=timeout_s)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def message(self):
        return self.json()["error"]["message"]

    def __repr__(self):
        return "%d %r" % (self.status, self.body[:500])


class Daemon:
    """A running edgecapd with its own directory, socket and configuration.

    `settings` is merged over small defaults; `ports` is the list of dataplane.ports.
    """

    def __init__(self, directory, ports, **settings):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.socket = self.directory / "s"
        self.captures = self.directory / "captures"
        self.log = self.directory / "edgecapd.log"
        self.process = None
        self.config = {
            "machine": "m1",
            "dataplane": {"ports": ports, "worker_cores": [WORKER_CORE], "hugepages": HUGEPAGES,
                          "mbufs_per_port": 16384, "idle_sleep_us_max": 500},
            "capture": {"directory": str(self.captures), "block_bytes": 524288, "block_count": 64,
                        "sync": False},
            "limits": {},
            "control": {"socket": str(self.socket)},
        }
        for section, values in settings.items():
            if isinstance(values, dict):
                self.config[section].update(values)
            else:
                self.config[section] = values
        self.socket = pathlib.Path(self.config["control"]["socket"])
        self.captures = pathlib.Path(self.config["capture"]["directory"])

    def write_config(self):
        path = self.directory / "edgecapd.yaml"
        path.write_text(json.dumps(self.config, indent=1))  # JSON is YAML
        return path

    def launch(self, before=()):
        """Starts the process; does not wait for it."""
        with open(self.log, "wb") as log:
            self.process = start_process(
                [*before, EDGECAPD, "--config", self.write_config()],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def start(self, before=()):
        self.launch(before)
        try:
            eventually(self._ready, "edgecapd is ready", 60)
        except BaseException:
            self.kill()
            raise
        return self

    def _ready(self):
        if self.process.poll() is not None:
            raise AssertionError("edgecapd ended with %d:\n%s" % (self.process.returncode,
                                                                 self.words()))
        return "edgecapd: ready" in self.words() and self.call("GET", "/healthz").status == 200

    def words(self):
        return self.log.read_text(errors="replace")

    def stop(self, ask=signal.SIGTERM):
        return end_process(self.process, ask)

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self if self.process is not None else self.start()

    def __exit__(self, kind, *_):
        if kind is not None:
            self.kill()
            return
        code = self.stop()
        assert code == 0, "edgecapd ended with %d:\n%s" % (code, self.words())
        assert "runtime error:" not in self.words(), self.words()

    # HTTP

    def call(self, method, path, body=None, headers=None, timeout_s=60):
        connection = UnixConnection(self.socket, timeout_s * PATIENCE)
        try:
            if body is not None and not isinstance(body, (bytes, str)):
                body = json.dumps(body)
            # A daemon that will not read all of it has answered, and closed its end.
            with contextlib.suppress(BrokenPipeError):
                connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def create(self, kind, filter=None, **fields):
        request = {"type": kind, **fields}
        if filter:
            request["filter"] = filter
        answer = self.call("POST", "/v1/captures", request)
        assert answer.status == 201, answer
        capture = answer.json()
        assert answer.headers["Location"] == "/v1/captures/" + capture["id"], answer.headers
        return capture["id"]

    def show(self, id):
        answer = self.call("GET", "/v1/captures/" + id)
        assert answer.status == 200, answer
        return answer.json()

    def end(self, id):
        answer = self.call("POST", "/v1/captures/" + id + "/stop")
        assert answer.status == 200, answer

    def wait(self, id, deadline_s=60):
        def ended():
            capture = self.show(id)
            return capture if capture["status"] in ("success", "failed") else None
        return eventually(ended, "capture %s has ended" % id, deadline_s)

    def delete(self, id):
        answer = self.call("DELETE", "/v1/captures/" + id)
        assert answer.status == 204, answer

    def download(self, id):
        answer = self.call("GET", "/v1/captures/" + id + "/download", timeout_s=120)
        assert answer.status == 200, answer
        return answer.body

    def stats(self):
        return self.call("GET", "/v1/stats").json()

    def received(self):
        return received_by_workers(self.stats())

    # Command line

    def cli(self, *words, **options):
        return run(EDGECAP, words[0], "--socket", self.socket, *words[1:], **options)

    def visible_files(self):
        return sorted(p for p in self.captures.rglob("*.pcap") if not p.name.startswith("."))

    def hidden_files(self):
        return sorted(p for p in self.captures.rglob(".*") if p.is_file())


class Testpmd:
    """A dpdk-testpmd that sends; driven, and ended, by words on its standard input."""

    def __init__(self, directory, vdevs, forward="txonly", options=(), hugepages=None):
        need_tool("dpdk-testpmd")
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log = self.directory / ("testpmd%d.log" % next(_names))
        if hugepages is None:
            hugepages = HUGEPAGES != "off" and free_hugepages() >= 128
        memory = ["--in-memory", "--single-file-segments", "-m", "192"] if hugepages else \
                 ["--no-huge", "--no-shconf", "-m", "256"]
        # Main and forwarding thread share the sender's core; the daemon's worker has another.
        words = ["stdbuf", "-oL", "dpdk-testpmd",
                 "--lcores", "0@%d,1@%d" % (SENDER_CORE, SENDER_CORE), *memory,
                 "--no-pci", "--no-telemetry", "--log-level=error",
                 *("--vdev=" + vdev for vdev in vdevs), "--", "-i", "--total-num-mbufs=16384",
                 "--no-flush-rx", "--forward-mode=" + forward, *options]
        with open(self.log, "wb") as log:
            self.process = start_process(words, stdin=subprocess.PIPE, stdout=log, stderr=log)
        try:
            eventually(self._prompts, "dpdk-testpmd prompts", 60)
        except BaseException:
            self.kill()
            raise

    def _prompts(self):
        if self.process.poll() is not None:
            raise AssertionError("dpdk-testpmd ended with %d:\n%s" % (self.process.returncode,
                                                                     self.words()))
        return "testpmd>" in self.words()

    def words(self):
        return self.log.read_text(errors="replace")

    def say(self, *lines):
        self.process.stdin.write("".join(line + "\n" for line in lines).encode())
        self.process.stdin.flush()

    def start(self):
        self.say("start")
        return self

    def totals(self):
        """Packets sent and dropped, all ports together, as testpmd's "stop" tells them."""
        return _sum_after(self.words(), "TX-packets:"), _sum_after(self.words(), "TX-dropped:")

    def halt(self):
        """Stops sending; what was sent."""
        self.say("stop")
        eventually(lambda: "Accumulated forward statistics for all ports" in self.words()
                   and self.words().count("TX-dropped:") >= 2, "dpdk-testpmd tells its totals")
        return self.totals()[0]

    def patiently(self):
        """Waits where the link is full, for seconds, before it drops: for forwarding."""
        self.say("set fwd io retry", "set burst tx delay 20 retry 500000")
        return self

    def quit(self):
        with contextlib.suppress(BrokenPipeError):
            self.say("stop", "quit")
            self.process.stdin.close()
        code = self.process.wait(60 * PATIENCE)
        assert code == 0, "dpdk-testpmd ended with %d:\n%s" % (code, self.words())

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None or self.process.poll() is not None:
            self.kill()
        else:
            self.quit()


def _sum_after(text, word):
    # The last line with the word is the sum over all ports.
    numbers = [line.split(word)[1].split()[0] for line in text.splitlines() if word in line]
    return int(numbers[-1]) if numbers else 0


def free_hugepages():
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("HugePages_Free:"):
            return int(line.split()[1])
    return 0


class Veth:
    """A pair of virtual Ethernet interfaces without any traffic of their own: the test sends on
    one end, the daemon receives at the other. Skips where interfaces cannot be made."""

    def __init__(self):
        stem = "ec%d_%d" % (os.getpid() % 100000, next(_names))
        self.near, self.far = stem + "a", stem + "b"
        made = run("ip", "link", "add", self.near, "type", "veth", "peer", "name", self.far) \
            if shutil.which("ip") else None
        if made is None or made.code != 0:
            raise unittest.SkipTest("no veth interfaces can be made here: %s"
                                    % (made.err.strip() if made else "ip is not installed"))
        try:
            for name in (self.near, self.far):
                path = pathlib.Path("/proc/sys/net/ipv6/conf/%s/disable_ipv6" % name)
                with contextlib.suppress(OSError):
                    path.write_text("1")
                run("ip", "link", "set", name, "addrgenmode", "none")
                assert run("ip", "link", "set", name, "arp", "off", "multicast", "off", "up",
                           "mtu", "1500").code == 0
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self.socket.bind((self.near, 0))
        except BaseException:
            run("ip", "link", "del", self.near)
            raise

    def device(self):
        """The daemon's port."""
        return {"device": "net_af_packet0,iface=%s,blocksz=4096,framesz=2048,framecnt=512"
                          % self.far, "name": "veth"}

    def send(self, daemon, packets, batch=100):
        """Sends, never more than the other end's ring holds; returns when the workers have all."""
        done = daemon.received()
        for start in range(0, len(packets), batch):
            part = packets[start:start + batch]
            for packet in part:
                self.socket.send(packet.frame)
            done += len(part)
            eventually(lambda goal=done: daemon.received() >= goal, "the workers have received all")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        run("ip", "link", "del", self.near)


class SmallDisk:
    """A mounted tmpfs of a few pages. Skips where nothing can be mounted."""

    def __init__(self, path, kilobytes=2048, read_only=False):
        self.path = pathlib.Path(path)
        self.path.mkdir(parents=True)
        options = "size=%dk" % kilobytes + (",ro" if read_only else "")
        done = run("mount", "-t", "tmpfs", "-o", options, "edgecap-test", self.path)
        if done.code != 0:
            raise unittest.SkipTest("nothing can be mounted here: " + done.err.strip())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        assert run("umount", self.path).code == 0


class TestCase(unittest.TestCase):
    """A test with a directory of its own, which goes with it."""

    maxDiff = 4000

    def setUp(self):
        for program in (EDGECAPD, EDGECAP):
            if not program.exists():
                self.fail("%s is missing: run scripts/build.sh, or set EDGECAP_BUILD" % program)
        # Short: a socket's path has 107 characters at most.
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="ec-"))
        self.addCleanup(shutil.rmtree, self.work, ignore_errors=True)

    def daemon(self, ports, name="d", **settings):
        """A started daemon that ends with the test."""
        daemon = Daemon(self.work / name, ports, **settings)
        self.addCleanup(daemon.kill)
        return daemon.start()

    def finish(self, daemon):
        """Ends the daemon in order."""
        self.assertEqual(daemon.stop(), 0, daemon.words())
        self.assertNotIn("runtime error:", daemon.words())
        self.assertFalse(daemon.socket.exists())

    def check_capture(self, capture, status="success"):
        self.assertEqual(capture["status"], status, capture)
        check_ledger(self, capture)
        if status == "success":
            self.assertNotIn("error_message", capture)
            self.assertEqual(capture["ledger"]["packets"]["lost_on_disk"], 0)
            self.assertTrue(all(f["whole"] for f in capture["files"]), capture)
            self.assertEqual(sum(f["packets"] for f in capture["files"]),
                             capture["ledger"]["packets"]["written"])

    def check_quiet(self, daemon):
        """With no traffic any more: the port's counters and the workers' agree."""
        stats = daemon.stats()
        check_workers(self, stats)
        self.assertEqual(sum(port["received_packets"] for port in stats["ports"]),
                         received_by_workers(stats), stats)

    def check_order(self, records):
        times = [record.time_ns for record in records]
        self.assertEqual(times, sorted(times))


def null_port(size=64, queues=0):
    return {"device": "net_null0,size=%d" % size, "queues": queues}


class VhostLink:
    """A daemon's port to which a testpmd sends."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def port(self):
        return {"device": "net_vhost0,iface=%s" % self.path, "name": "vhost"}

    def sending_end(self):
        return "net_virtio_user0,path=%s" % self.path


def endless_port(path, number=0):
    """The packets of a capture file, again and again."""
    return {"device": "net_pcap%d,rx_pcap=%s,infinite_rx=1" % (number, path)}


def main():
    unittest.main(verbosity=2)


