#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`edgecap record --read` with thousands of generated filters, against tcpdump and tshark.

1. BPF. `edgecap record --bpf EXPRESSION` against `tcpdump EXPRESSION`, 10,000 expressions over the
   whole language (tests/e2e/expressions.py) with values that occur in the input. The inputs: the
   corpus of ../shared in six parts, packets of ../shared/traffic/make_pcap.py, and made ones with
   tags, MPLS, PPPoE, tunnels in tunnels, fragments, extension headers. Both write the same bytes; or
   both refuse, and we say what libpcap says.
2. WORDS. Our own fields against the same question in tcpdump's words: lists, ranges and prefixes of
   addresses and ports, on either side; protocol, vlan, tcp_flags, icmp_type, icmp_code, ip_version,
   dscp, length, fragment, ether_type; several filters in one capture, and those to exclude. Packets
   that tcpdump's words see otherwise are taken out first, as in test_compare_tcpdump.py, which says
   why each of them is; packets that end within the headers too, since a load beyond the end of a
   packet ends a whole program of tcpdump's, whatever its other words are.
3. LAYERS. `layer: inner` and `any` against tshark's dissection of made tunnels: which addresses,
   ports, TCP flags and VLAN ids each layer has.

Where BPF differs from tcpdump, on purpose, has tests of its own: class Differences.

Needs tcpdump, tshark and ../shared; skips, saying so, where one of them is missing.
"""

import concurrent.futures
import ipaddress
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time
import unittest

import expressions
import test_compare_tcpdump as basics
from expressions import word
from test_compare_tcpdump import CORPUS, EDGECAP, MAKE_PCAP, read_pcap, write_pcap

SEED = 20261121
PROCESSES = 2
BPF_EXPRESSIONS = 10_000
WORD_FILTERS = 1_500
LAYER_FILTERS = 150
NOTHING = "expression rejects all packets"  # libpcap
NEVER = re.compile("can never hold together|no packet can match")  # edgecap

setUpModule = basics.setUpModule


def record(source, out, *words):
    return subprocess.run(
        [str(w) for w in (EDGECAP, "record", "-q", "--force", "--blocks", 4, "--block-bytes",
                          266240, "-r", source, "-w", out,
                          *words)],
        capture_output=True, text=True, timeout=120, check=False)


def tcpdump(source, out, expression):
    return subprocess.run(
        ["tcpdump", "--nano", "-Z", "root", "-r", str(source), "-w", str(out), "--", expression],
        capture_output=True, text=True, timeout=120, check=False)


class Room(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        room = tempfile.TemporaryDirectory(prefix="edgecap-expressions-")
        cls.addClassCleanup(room.cleanup)
        cls.folder = pathlib.Path(room.name)

    @classmethod
    def corpus(cls):
        records = read_pcap(CORPUS)
        random.Random(SEED).shuffle(records)
        return records

    @classmethod
    def synthetic(cls, count):
        path = cls.folder / "synthetic.pcap"
        basics.run([sys.executable, MAKE_PCAP, path, count, "imix", "--ipv6", 0.4, "--vlan", 0.4])
        return read_pcap(path)

    def input(self, name, records):
        path = self.folder / (name + ".pcap")
        write_pcap(path, records)
        return path

    def in_parallel(self, compare, jobs):
        with concurrent.futures.ThreadPoolExecutor(PROCESSES) as pool:
            return list(pool.map(lambda job: compare(*job), jobs))

    def same_file(self, number, source, words, expression, nothing=False):
        """Runs both. (how many bytes tcpdump wrote, what it said when it refused, difference)

        `nothing`: where tcpdump refuses because no packet can match, we are to find none."""
        ours, theirs = (self.folder / ("%s%d" % (who, number)) for who in ("ours", "theirs"))
        judge = tcpdump(source, theirs, expression)
        done = record(source, ours, *words)
        try:
            if judge.returncode != 0:
                said = [line[len("tcpdump: "):] for line in judge.stderr.splitlines()
                        if line.startswith("tcpdump: ")][-1]
                said = said.removeprefix("can't parse filter expression: ")
                if nothing and said == NOTHING:
                    found = read_pcap(ours) if done.returncode == 0 else done.stderr
                    return basics.FILE_HEADER.size, said, "tcpdump: %s; edgecap: %s" % (said, found) if found else ""
                if done.returncode not in (1, 2):
                    return 0, said, "tcpdump refuses: %s; edgecap: exit code %d" % (said, done.returncode)
                if said not in done.stderr:
                    return 0, said, "tcpdump says: %s; edgecap: %s" % (said, done.stderr)
                return 0, said, ""
            if done.returncode != 0 and nothing and NEVER.search(done.stderr):
                return 0, NEVER.pattern, ""
            if done.returncode != 0:
                return 0, "", "edgecap: exit code %d, %s" % (done.returncode, done.stderr)
            expected = theirs.read_bytes()
            return len(expected), "", basics.Comparison.difference(ours.read_bytes(), expected)
        finally:
            ours.unlink(missing_ok=True)
            theirs.unlink(missing_ok=True)


# ---- 1. BPF -------------------------------------------------------------------------------------

class BpfAgainstTcpdump(Room):
    def inputs(self):
        corpus = self.corpus()
        part = len(corpus) // 6 + 1
        for number in range(6):
            yield "corpus%d" % number, corpus[number * part:(number + 1) * part]
        for number in range(3):
            yield "made%d" % number, expressions.PacketMaker("%d %d" % (SEED, number)).records(300)
        yield "synthetic", self.synthetic(300)

    def test_ten_thousand_expressions(self):
        start = time.monotonic()
        jobs, kinds, sizes = [], {}, {}
        inputs = list(self.inputs())
        for name, records in inputs:
            path = self.input(name, records)
            sizes[path] = path.stat().st_size
            maker = expressions.Bpf("%d %s" % (SEED, name), expressions.Seen(records))
            drawn = set()
            while len(drawn) < BPF_EXPRESSIONS // len(inputs):
                expression = maker.make()
                if expression and expression not in drawn:
                    drawn.add(expression)
                    jobs.append((len(jobs), path, ["--bpf=" + expression], expression))
            for kind, count in maker.kinds.items():
                kinds[kind] = kinds.get(kind, 0) + count
        results = self.in_parallel(self.same_file, jobs)
        wrong = ["%s on %s: %s" % (job[3], job[1].name, difference)
                 for job, (_, _, difference) in zip(jobs, results) if difference]
        refused = sum(bool(said) for _, said, _ in results)
        nothing = sum(size == basics.FILE_HEADER.size for size, _, _ in results)
        everything = sum(size == sizes[job[1]] for job, (size, _, _) in zip(jobs, results))
        some = len(jobs) - refused - nothing - everything
        print("%d expressions in %d s: %d match some packets, %d all, %d none; %d are refused, in %d "
              "ways" % (len(jobs), time.monotonic() - start, some, everything, nothing, refused,
                        len({said for _, said, _ in results})), file=sys.stderr)
        self.assertEqual(wrong[:10], [], "%d of %d expressions differ" % (len(wrong), len(jobs)))
        self.assertGreaterEqual(len(jobs), 10_000)
        self.assertGreater(some, len(jobs) * 0.4)
        self.assertGreater(nothing, len(jobs) * 0.05)
        self.assertGreater(everything, len(jobs) * 0.01)
        self.assertGreater(refused, len(jobs) * 0.03)
        self.assertLess(refused, len(jobs) * 0.3)
        self.assertGreater(min(kinds.values()), 300, kinds)


# ---- 2. Our words -------------------------------------------------------------------------------

TAGS = (0x8100, 0x88A8, 0x9100)
NAMES = {1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 58: "icmpv6", 132: "sctp"}


class Fields:
    """What a packet has, read from its bytes; only of packets that tcpdump's words see as we do."""

    def __init__(self, record):
        d = record.data
        self.length = record.wire
        self.key = basics.Packet(d).key
        self.vlan, self.ether_type, self.dscp = None, None, None
        self.flags, self.icmp = None, None
        self.whole = len(d) >= 26
        at = 12
        while self.whole and word(d, at) in TAGS and len(d) >= at + 14:
            if self.vlan is None:
                self.vlan = word(d, at + 2) & 4095
            at += 4
        kind = word(d, at)
        if kind >= 0x600:
            self.ether_type = kind
        at += 2
        if self.key is None:
            # Words about IP look at its header where the type says IP.
            self.whole = self.whole and kind not in (0x0800, 0x86DD)
            return
        transport = at + (40 if self.key.version == 6 else 4 * (d[at] & 15))
        self.whole = self.whole and len(d) >= transport + 14
        if not self.whole:
            return
        self.dscp = word(d, at) >> 6 & 63 if self.key.version == 6 else d[at + 1] >> 2
        if self.key.version == 6 or word(d, at + 6) & 0x1FFF == 0:
            if self.key.protocol == 6:
                self.flags = d[transport + 13]
            if self.key.protocol in (1, 58):
                self.icmp = (d[transport], d[transport + 1])


def between(what, ranges):
    """Some value lies in any of the ranges."""
    return "(%s)" % " or ".join(
        "%s = %d" % (what, first) if first == last else "(%s >= %d and %s <= %d)" % (what, first, what, last)
        for first, last in ranges)


def numbers(ranges):
    return ";".join(str(first) if first == last else "%d-%d" % (first, last) for first, last in ranges)


class Filter:
    """Fields of ours with their texts, and for each what tcpdump says: a function of the family of a
    packet (4, 6, or 0 for neither) and the number of its tags, which gives words, or None where no
    such packet has the field."""

    def __init__(self, rng, packet, others):
        self.r = rng
        self.packet = packet
        self.others = others
        self.texts = {}
        self.words = []
        makers = [self._length]
        if packet.ether_type is not None:
            makers.append(self._ether_type)
        if packet.vlan is not None:
            makers += [self._vlan] * 2
        if packet.key is not None:
            makers += [self._ip_version, self._dscp, self._fragment, self._protocol] + 2 * [
                self._addresses("source_address"), self._addresses("destination_address"),
                self._addresses("address")]
            if packet.key.ports:
                makers += 2 * [self._ports("source_port"), self._ports("destination_port"),
                               self._ports("port")]
            makers += [self._flags] * 3 if packet.flags is not None else []
            makers += [self._icmp] * 4 if packet.icmp is not None else []
        for make in self.r.sample(makers, min(len(makers), self.r.choice((1, 1, 2, 2, 3, 4)))):
            make()

    def expression(self, family, tags):
        said = [words(family, tags) for words in self.words]
        return None if None in said else " and ".join(said)

    # -- numbers

    def _ranges(self, value, most, spread):
        """One to three ranges with the value in one of them, mostly."""
        r = self.r
        ranges = []
        for center in [value] + [r.randrange(most + 1) for _ in range(r.choice((0, 0, 1, 2)))]:
            first = max(0, center - r.choice((0, 0, 1, spread)))
            last = min(most, center + r.choice((0, 0, 1, spread)))
            ranges.append((first, last))
        r.shuffle(ranges)
        return ranges

    def _set(self, field, ranges, words):
        if field not in self.texts:
            self.texts[field] = numbers(ranges)
            self.words.append(words)

    def _length(self):
        ranges = self._ranges(min(self.packet.length, 65535), 65535, 100)
        longest = 2**32 - 1  # which counts as 65535
        theirs = [(first, longest if last == 65535 else last) for first, last in ranges]
        self._set("length", ranges, lambda family, tags: between("len", theirs))

    def _ether_type(self):
        ranges = self._ranges(self.packet.ether_type, 65535, 16)

        def words(family, tags):
            kind = "ether[%d:2]" % (12 + 4 * tags)
            return "%s >= 0x600 and %s" % (kind, between(kind, ranges))
        self._set("ether_type", ranges, words)

    def _vlan(self):
        ranges = self._ranges(self.packet.vlan, 4095, 20)
        self._set("vlan", ranges, lambda family, tags:
                  between("ether[14:2] & 4095", ranges) if tags else None)

    def _ip_version(self):
        versions = self.r.choice(((self.packet.key.version,), (4,), (6,), (4, 6)))
        self._set("ip_version", [(v, v) for v in versions], lambda family, tags:
                  "len >= 0" if family in versions else None)

    def _dscp(self):
        ranges = self._ranges(self.packet.dscp, 63, 5)
        places = {4: "ip[1] >> 2", 6: "ip6[0:2] >> 6 & 63"}
        self._set("dscp", ranges, lambda family, tags:
                  between("(%s)" % places[family], ranges) if family else None)

    def _fragment(self):
        which = self.r.choice(("no", "no", "first", "later", "yes"))
        said = {"no": "ip[6:2] & 0x3fff = 0", "first": "ip[6:2] & 0x3fff = 0x2000",
                "later": "ip[6:2] & 0x1fff != 0", "yes": "ip[6:2] & 0x3fff != 0"}[which]
        if "fragment" not in self.texts:
            self.texts["fragment"] = which
            self.words.append(lambda family, tags: "(%s)" % said if family == 4 else
                              "len >= 0" if family == 6 and which == "no" else None)

    def _protocol(self):
        ranges = self._ranges(self.packet.key.protocol, 255, 4)
        places = {4: "ip[9]", 6: "ip6[6]"}
        self._set("protocol", ranges, lambda family, tags:
                  between(places[family], ranges) if family else None)
        if len(ranges) == 1 and ranges[0][0] == ranges[0][1] and self.r.random() < 0.5:
            self.texts["protocol"] = NAMES.get(ranges[0][0], self.texts["protocol"])

    # -- addresses and ports

    def _addresses(self, field):
        def make():
            if field in self.texts:
                return
            side = {"source_address": "src ", "destination_address": "dst ", "address": ""}[field]
            items = [self._address(self.packet, field)]
            while self.r.random() < 0.4:
                items.append(self._address(self.r.choice(self.others), field))
            self.texts[field] = ";".join(text for text, _, _ in items)

            def words(family, tags):
                said = [of(side) for _, version, of in items if version == family]
                return "(%s)" % " or ".join(said) if said else None
            self.words.append(words)
        return make

    def _address(self, packet, field):
        """Text, IP version, and tcpdump's words for a side."""
        r, key = self.r, packet.key
        first = key.source if field != "destination_address" else key.destination
        if field == "address" and r.random() < 0.5:
            first = key.destination
        ip, bits = ("ip", 32) if key.version == 4 else ("ip6", 128)
        make = ipaddress.IPv4Address if bits == 32 else ipaddress.IPv6Address
        form = r.random()
        if form < 0.4:
            return str(make(first)), key.version, lambda side: "%s %shost %s" % (ip, side, make(first))
        if form < 0.8 or key.version == 6:
            length = r.choice((bits, bits - 1, bits // 2, bits // 4, r.randrange(bits + 1), 0))
            network = ipaddress.ip_network((make(first), length), strict=False)
            return str(network), key.version, lambda side: "%s %snet %s" % (ip, side, network)
        last = min(2**32 - 1, first + r.randrange(70_000))
        first = max(0, first - r.randrange(70_000))
        places = {"src ": ("ip[12:4]",), "dst ": ("ip[16:4]",), "": ("ip[12:4]", "ip[16:4]")}
        return "%s-%s" % (make(first), make(last)), 4, lambda side: "(%s)" % " or ".join(
            between(place, [(first, last)]) for place in places[side])

    def _ports(self, field):
        def make():
            r = self.r
            port = self.packet.key.ports[field == "destination_port" or
                                         field == "port" and r.random() < 0.5]
            ranges = self._ranges(port, 65535, 500)
            side = {"source_port": "src ", "destination_port": "dst ", "port": ""}[field]
            places = {"source_port": (0,), "destination_port": (2,), "port": (0, 2)}[field]

            def words(family, tags):
                if family == 0:
                    return None
                said = ["%sportrange %d-%d" % (side, first, last) for first, last in ranges]
                # UDP-Lite and DCCP, for which there are no words.
                if family == 4:
                    at = "ip[((ip[0] & 15) << 2) + %d:2]"
                    others = "(ip proto 33 or ip proto 136) and ip[6:2] & 0x1fff = 0"
                else:
                    at = "ip6[40 + %d:2]"
                    others = "(ip6 proto 33 or ip6 proto 136)"
                said += ["(%s and %s)" % (others, between(at % place, ranges)) for place in places]
                return "(%s)" % " or ".join(said)
            self._set(field, ranges, words)
        return make

    def _flags(self):
        tests, texts = [], []
        for _ in range(self.r.choice((1, 1, 2))):
            if self.r.random() < 0.5:
                mask = self.r.randrange(1, 256)
                value = self.packet.flags & mask
                texts.append("0x%x/%d" % (value, mask))
            else:
                names = self.r.sample(("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"), 2)
                bits = [1 << ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr").index(n) for n in names]
                mask, value = sum(bits), self.packet.flags & sum(bits)
                texts.append(",".join(("" if value & bit else "!") + n for n, bit in zip(names, bits)))
            tests.append((mask, value))
        places = {4: "(ip proto 6 and ip[6:2] & 0x1fff = 0 and ip[((ip[0] & 15) << 2) + 13] & %d = %d)",
                  6: "(ip6 proto 6 and ip6[53] & %d = %d)"}
        if "tcp_flags" not in self.texts:
            self.texts["tcp_flags"] = ";".join(texts)
            self.words.append(lambda family, tags: "(%s)" % " or ".join(
                places[family] % test for test in tests) if family else None)

    def _icmp(self):
        which = self.r.randrange(2)
        ranges = self._ranges(self.packet.icmp[which], 255, 3)
        first = {4: "(ip proto 1 or ip proto 58) and ip[6:2] & 0x1fff = 0",
                 6: "(ip6 proto 1 or ip6 proto 58)"}
        at = {4: "ip[((ip[0] & 15) << 2) + %d]" % which, 6: "ip6[%d]" % (40 + which)}
        self._set(("icmp_type", "icmp_code")[which], ranges, lambda family, tags:
                  "%s and %s" % (first[family], between(at[family], ranges)) if family else None)


def in_words(filters, exclude):
    """One expression for all: each `vlan` moves the offsets of what is behind it, so what is asked
    of packets with no, one and two tags is said one after the other."""
    def of_depth(tags):
        kind = "ether[%d:2]" % (12 + 4 * tags)
        choices = []
        for family, words in ((4, "ip"), (6, "ip6"), (0, "not ip and not ip6")):
            wanted = [e for e in (f.expression(family, tags) for f in filters) if e is not None]
            kept_out = [e for e in (f.expression(family, tags) for f in exclude) if e is not None]
            if not wanted:
                continue
            said = "%s and (%s)" % (words, " or ".join("(%s)" % e for e in wanted))
            if kept_out:
                said += " and not (%s)" % " or ".join("(%s)" % e for e in kept_out)
            choices.append("(%s)" % said)
        untagged = " and ".join("%s != 0x%x" % (kind, tag) for tag in TAGS)
        return "(%s and (%s))" % (untagged, " or ".join(choices) if choices else "len < 0")
    return "%s or (vlan and (%s or (vlan and %s)))" % tuple(of_depth(tags) for tags in range(3))


class WordsAgainstTcpdump(Room):
    FIELDS = {"source_address", "destination_address", "address", "source_port", "destination_port",
              "port", "protocol", "vlan", "tcp_flags", "icmp_type", "icmp_code", "ip_version", "dscp",
              "length", "fragment", "ether_type"}

    def inputs(self):
        yield "corpus", self.corpus()
        yield "made", expressions.PacketMaker(SEED).records(1500)
        yield "synthetic", self.synthetic(1000)

    def test_our_fields_in_its_words(self):
        jobs, used = [], {}
        inputs = list(self.inputs())
        for name, records in inputs:
            records = [r for r in records
                       if not basics.Packet(r.data).words_differ and Fields(r).whole]
            self.assertGreater(len(records), 500, name)
            path = self.input(name, records)
            jobs += self.filters(name, path, [Fields(r) for r in records], len(jobs),
                                 WORD_FILTERS // len(inputs), used)
        results = self.in_parallel(self.same_file, jobs)
        wrong = ["%s: %s: %s" % (job[1].name, job[2], difference)
                 for job, (_, said, difference) in zip(jobs, results) if difference]
        refused = [(job[2], said) for job, (_, said, _) in zip(jobs, results)
                   if said not in ("", NOTHING, NEVER.pattern)]
        never = sum(said == NEVER.pattern for _, said, _ in results)
        nothing = sum(size == basics.FILE_HEADER.size for size, _, _ in results)
        several = sum(job[2].count("--filter") > 1 for job in jobs)
        excluding = sum("--exclude" in job[2] for job in jobs)
        print("%d filters: %d match nothing, %d are of several parts, %d exclude; fields: %s"
              % (len(jobs), nothing, several, excluding, used), file=sys.stderr)
        self.assertEqual(wrong[:5], [], "%d of %d filters differ" % (len(wrong), len(jobs)))
        self.assertEqual(refused[:5], [])
        self.assertLess(never, len(jobs) * 0.05)
        self.assertGreater(nothing, len(jobs) * 0.01)
        self.assertLess(nothing, len(jobs) * 0.3)
        self.assertGreater(several, len(jobs) * 0.3)
        self.assertGreater(excluding, len(jobs) * 0.3)
        self.assertEqual(set(used), self.FIELDS)
        self.assertGreater(min(used.values()), 30, used)

    def filters(self, name, path, packets, first, count, used):
        rng = random.Random("%d words %s" % (SEED, name))
        # Rare packets as often as others.
        kinds = {}
        for packet in packets:
            kind = (packet.key and (packet.key.version, packet.key.protocol), packet.vlan is None)
            kinds.setdefault(kind, []).append(packet)
        kinds = list(kinds.values())
        others = [p for p in packets if p.key]

        def one():
            made = Filter(rng, rng.choice(rng.choice(kinds)), others)
            for field in made.texts:
                used[field] = used.get(field, 0) + 1
            return made

        jobs = []
        while len(jobs) < count:
            filters = [one() for _ in range(rng.choice((1, 1, 2, 3, 6)))]
            exclude = [one() for _ in range(rng.choice((0, 0, 1, 2)))]
            if len(filters) == 1 and rng.random() < 0.7:
                words = [x for field, text in filters[0].texts.items()
                         for x in ("--" + field.replace("_", "-"), text)]
            else:
                words = [x for f in filters for x in ("--filter", json.dumps(f.texts))]
            words += [x for f in exclude for x in ("--exclude", json.dumps(f.texts))]
            expression = in_words(filters, exclude)
            # We refuse what can never be, mostly; where tcpdump finds nothing.
            if any(self.contradicts(f) for f in filters + exclude):
                continue
            jobs.append((first + len(jobs), path, words, expression, True))
        return jobs

    @staticmethod
    def contradicts(f):
        """Fields that no packet has together: refused by us, while tcpdump finds nothing."""
        return all(f.expression(family, 1) is None for family in (0, 4, 6)) or (
            f.texts.get("fragment") == "later" and
            {"source_port", "destination_port", "port", "tcp_flags", "icmp_type", "icmp_code"} & set(f.texts))


# ---- 3. Layers ----------------------------------------------------------------------------------

class LayersAgainstTshark(Room):
    COLUMNS = ("frame.protocols", "vlan.id", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst",
               "tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport", "tcp.flags")

    def dissect(self, path):
        """The layers of each packet as tshark tells them: dictionaries of our fields."""
        words = ["tshark", "-n", "-r", path, "-T", "fields", "-E", "occurrence=a", "-E", "separator=|",
                 "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE",
                 "-o", "tcp.desegment_tcp_streams:FALSE"]
        for column in self.COLUMNS:
            words += ["-e", column]
        for line in basics.run(words)[0].splitlines():
            protocols, *columns = line.split("|")
            values = {name: iter(column.split(",")) for name, column in zip(self.COLUMNS[1:], columns)}
            layers = []
            for protocol in protocols.split(":"):
                if protocol == "eth":
                    layers.append({"behind": "eth"})
                elif protocol == "vlan" and "vlan" not in layers[-1]:
                    layers[-1]["vlan"] = int(next(values["vlan.id"]))
                elif protocol == "vlan":
                    next(values["vlan.id"])
                elif protocol in ("ip", "ipv6"):
                    if layers[-1]["behind"] != "eth":
                        layers.append({})
                    layers[-1].update(
                        behind="ip", source=ipaddress.ip_address(next(values[protocol + ".src"])),
                        destination=ipaddress.ip_address(next(values[protocol + ".dst"])))
                elif protocol in ("tcp", "udp"):
                    layers[-1]["ports"] = (int(next(values[protocol + ".srcport"])),
                                           int(next(values[protocol + ".dstport"])))
                    if protocol == "tcp":
                        layers[-1]["flags"] = int(next(values["tcp.flags"]), 16) & 255
                elif protocol in ("mpls", "gre", "vxlan", "geneve", "gtp"):
                    layers[-1]["behind"] = protocol
            yield layers[:4]  # as deep as we look

    def test_inner_layers(self):
        records = expressions.PacketMaker(SEED, plain=True).records(2500)
        path = self.input("tunnels", records)
        packets = list(self.dissect(path))
        self.assertEqual(len(packets), len(records))
        for count in (1, 2, 3, 4):
            self.assertGreater(sum(len(p) == count for p in packets), 100, count)
        rng = random.Random("%d layers" % SEED)
        deep = [p for p in packets if len(p) > 1]
        matched, jobs = 0, []
        for number in range(LAYER_FILTERS):
            jobs.append((number, path, records, packets, *self.question(rng, deep)))
        for words, found, difference in self.in_parallel(self.compare, jobs):
            self.assertEqual(difference, "", words)
            matched += found > 0
        print("%d filters on layers, %d match something" % (len(jobs), matched), file=sys.stderr)
        self.assertGreater(matched, len(jobs) * 0.7)
        self.assertLess(matched, len(jobs))

    def question(self, rng, deep):
        """Words, and what they mean of one layer."""
        packet = rng.choice(deep)
        layer = rng.choice(packet[1:])
        tests, words = [], ["--layer", rng.choice(("inner", "inner", "any"))]
        fields = [f for f in ("source", "destination", "vlan", "ports", "flags") if f in layer]
        for field in rng.sample(fields, min(len(fields), rng.choice((0, 1, 2, 2, 3)))):
            value = layer[field]
            if rng.random() < 0.1:
                value = rng.choice([p[0] for p in deep if field in p[0]] or [layer])[field]
            if field in ("source", "destination"):
                words += ["--%s-address" % field, str(value)]
            elif field == "vlan":
                words += ["--vlan", str(value)]
            elif field == "ports":
                words += ["--destination-port", str(value[1])]
                tests.append(lambda l, v=value[1]: "ports" in l and l["ports"][1] == v)
                continue
            else:
                words += ["--tcp-flags", "%d/255" % value]
            tests.append(lambda l, f=field, v=value: l.get(f) == v)
        return words, tests

    def compare(self, number, path, records, packets, words, tests):
        out = self.folder / ("layers%d" % number)
        done = record(path, out, *words)
        if done.returncode != 0:
            # Both addresses may be of different packets: that one filter can never hold.
            never = "never hold together" in done.stderr
            return words, 0, "" if never else done.stderr
        first = 1 if words[1] == "inner" else 0
        expected = [r for r, layers in zip(records, packets)
                    if any(all(test(layer) for test in tests) for layer in layers[first:])]
        found = read_pcap(out)
        out.unlink()
        if found == expected:
            return words, len(found), ""
        return words, len(found), "%d packets, tshark has %d; first of one alone: %s" % (
            len(found), len(expected), next(
                (("ours " if r in found else "tshark ") + r.data.hex()
                 for r in records if (r in found) != (r in expected)), ""))


# ---- Where BPF differs from tcpdump, on purpose --------------------------------------------------

class Differences(Room):
    def setUp(self):
        self.records = expressions.PacketMaker(SEED).records(300)
        self.path = self.input("few", self.records)
        self.out = self.folder / "out"

    def refused(self, expression, *said):
        done = record(self.path, self.out, "--bpf=" + expression)
        self.assertIn(done.returncode, (1, 2), done)
        for text in said:
            self.assertIn(text, done.stderr)

    def found(self, expression):
        done = record(self.path, self.out, "--bpf=" + expression)
        self.assertEqual(done.returncode, 0, done)
        return read_pcap(self.out)

    def test_an_expression_with_too_many_words_is_refused(self):
        """Compiling takes time that grows faster than the expression. tcpdump takes this one."""
        long = " or ".join("port %d" % port for port in range(340))
        basics.run(["tcpdump", "-O", "-d", "-y", "EN10MB", long])
        self.refused(long, "bpf", "1019 words")

    def test_no_netmask_is_known(self):
        """tcpdump takes 0.0.0.0 for it when it reads a file, and takes 255.255.255.255 and 0.0.0.0
        alone for broadcast addresses."""
        basics.run(["tcpdump", "-r", self.path, "-w", self.out, "ip broadcast"])
        self.refused("ip broadcast", "bpf", "netmask")

    def test_what_only_a_kernel_knows(self):
        for expression in ("inbound", "outbound", "ifindex 1", "tcp and inbound"):
            self.refused(expression, "bpf", expression.split()[-1 if "and" in expression else 0])

    def test_memory_that_a_program_has_not_written_is_zero(self):
        """libpcap 1.10 compiles `or` behind geneve to a program that reads such memory; tcpdump then
        finds whatever its stack had there. We find the same every time, and what was meant when the
        sides change places."""
        mac = self.records[0].data[6:12].hex(":")
        sent = [r for r in self.records if r.data[6:12].hex(":") == mac]
        self.assertGreater(len(sent), 10)
        first = self.found("(geneve and tcp) or ether src host " + mac)
        for _ in range(3):
            self.assertEqual(self.found("(geneve and tcp) or ether src host " + mac), first)
        self.assertTrue(set(sent) <= set(self.found("ether src host %s or (geneve and tcp)" % mac)))

    def test_the_place_of_an_error_is_told(self):
        for expression, place in (("tcp and porrt 80", 9), ("tcp port 80 and (udp", 20),
                                  ("host 10.0.0.1 and net 10.0.0.1/33", None)):
            done = record(self.path, self.out, "--bpf=" + expression)
            self.assertNotEqual(done.returncode, 0)
            told = re.search(r"character (\d+)", done.stderr)
            self.assertTrue(told, done.stderr)
            if place:
                self.assertLessEqual(abs(int(told.group(1)) - place), 1, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
