#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`edgecap record --read` against tcpdump, and against a second parser.

What is compared with what
--------------------------
Inputs: ../shared/corpus/tcpdump-ether.pcap (3,950 packets that parsers trip over); four outputs of
../shared/traffic/make_pcap.py (IMIX; with IPv6; with VLAN tags; with both; 5,000 packets each); and
"odd", 4,000 packets made of the corpus' IP packets by what it has too little of: up to ten tags of
all kinds, extension headers, wrong versions and header lengths, later fragments, all cut anywhere.
Filters: drawn from a fixed seed, every combination of the five fields several times, prefixes of
every class of length, values that occur in the input. At least half of the filters of each
comparison match something, and some match nothing. Each comparison is of the whole output, byte for
byte: all records with their times and both lengths, and the file header's magic, version and link
type (its snaplen is the writer's own).

1. WORDS. `tcpdump --nano -r IN -w OUT EXPRESSION` in tcpdump's own words: `ip src net`, `tcp dst
   port`, once for each of no, one and two VLAN tags (`E or (vlan and (E or (vlan and E)))`: each
   `vlan` moves the offsets of what is behind it). Where tcpdump's words mean something else than
   ours the packets are taken out of the input of both programs first (Packet.words_differ says
   which and why); generated traffic has none of them. UDP-Lite and DCCP ports, which tcpdump has no
   words for, are byte accesses.
2. BYTES. The corpus and "odd", our definition (filter/packet_parser.h) written out as byte accesses,
   `ether[...]`, with up to 8 tags of all four kinds, header length, version, truncation and later
   fragments, compiled with `tcpdump -O` so that no load is optimized away (a load beyond the packet
   rejects it). BPF has no loops: IPv6 packets with extension headers alone are taken out first.
3. REFERENCE. Every packet of every input, none taken out: which packets a filter takes is told by
   the parser below, written from RFC 791, 8200, 4302 and IEEE 802.1Q, and from the limits stated in
   filter/packet_parser.h, sharing no code with the product.

And: what is written opens without a complaint in tshark, capinfos, tcpdump and mergecap; records
that were cut in the input stay as they are; --snaplen cuts; pcapng, microsecond and byte-swapped
inputs are read with the right times.

Needs tcpdump, tshark, capinfos, editcap, mergecap and ../shared; skips, saying so, where one of
them is missing. EDGECAP_BUILD names the build directory (default: build in the project).
"""

import concurrent.futures
import dataclasses
import ipaddress
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

PROJECT = pathlib.Path(__file__).resolve().parents[2]
SHARED = PROJECT.parent / "shared"
CORPUS = SHARED / "corpus" / "tcpdump-ether.pcap"
MAKE_PCAP = SHARED / "traffic" / "make_pcap.py"
EDGECAP = pathlib.Path(os.environ.get("EDGECAP_BUILD", PROJECT / "build")) / "control/cli/edgecap"
TOOLS = ("tcpdump", "tshark", "capinfos", "editcap", "mergecap")

SEED = 20240607
PROCESSES = 2
FILTERS_TOTAL_MIN = 400
CORPUS_ROUNDS = 4  # filters for each of the 31 combinations of fields
GENERATED_ROUNDS = 3
ODD_PACKETS = 4000
GENERATED = {
    "imix": [],
    "ipv6": ["--ipv6", "0.5"],
    "vlan": ["--vlan", "0.5"],
    "both": ["--ipv6", "0.5", "--vlan", "0.5"],
}

NANOSECOND_MAGIC = 0xA1B23C4D
MICROSECOND_MAGIC = 0xA1B2C3D4
FILE_HEADER = struct.Struct("<IHHiIII")
RECORD_HEADER = struct.Struct("<IIII")


def setUpModule():
    missing = [str(p) for p in (CORPUS, MAKE_PCAP, EDGECAP) if not p.exists()]
    missing += [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        reason = "SKIPPED: comparison with tcpdump: missing " + ", ".join(missing)
        print(reason, file=sys.stderr)
        raise unittest.SkipTest(reason)


# ---- Capture files ------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Record:
    seconds: int
    nanoseconds: int
    wire: int
    data: bytes

    def packed(self):
        return RECORD_HEADER.pack(self.seconds, self.nanoseconds, len(self.data), self.wire) + self.data


def read_pcap(path):
    """Records of a little-endian pcap file, times in nanoseconds whatever the file's."""
    content = pathlib.Path(path).read_bytes()
    magic = FILE_HEADER.unpack_from(content)[0]
    assert magic in (NANOSECOND_MAGIC, MICROSECOND_MAGIC), hex(magic)
    scale = 1 if magic == NANOSECOND_MAGIC else 1000
    records = []
    at = FILE_HEADER.size
    while at < len(content):
        seconds, fraction, stored, wire = RECORD_HEADER.unpack_from(content, at)
        at += RECORD_HEADER.size
        records.append(Record(seconds, fraction * scale, wire, content[at : at + stored]))
        at += stored
    assert at == len(content)
    return records


def write_pcap(path, records, order="<"):
    with open(path, "wb") as out:
        out.write(struct.pack(order + "IHHiIII", NANOSECOND_MAGIC, 2, 4, 0, 0, 262144, 1))
        for r in records:
            out.write(struct.pack(order + "IIII", r.seconds, r.nanoseconds, len(r.data), r.wire))
            out.write(r.data)


# ---- The reference parser: how a packet is seen -------------------------------------------------

TAG_TYPES = (0x8100, 0x88A8, 0x9100, 0x9200)
TAGS_MAX = 8
EXTENSIONS_MAX = 16
EXTENSIONS = (0, 43, 44, 51, 60, 135, 139, 140)
WITH_PORTS = (6, 17, 33, 132, 136)


@dataclasses.dataclass(frozen=True)
class Key:
    version: int
    protocol: int
    source: int
    destination: int
    ports: tuple  # () where there are none


class Packet:
    """key: what a filter sees, None where the packet is not IP. words_differ: why tcpdump's words
    would see it otherwise, or ""."""

    def __init__(self, data):
        self.data = data
        self.key = None
        self.words_differ = ""
        self.extensions = 0
        if len(data) >= 14:
            self._ethernet()

    def _word(self, at):
        return int.from_bytes(self.data[at : at + 2], "big")

    def _ethernet(self):
        tags = []
        at = 14
        kind = self._word(12)
        while kind in TAG_TYPES:
            if len(tags) == TAGS_MAX or len(self.data) < at + 4:
                self.words_differ = "too many tags, or a tag cut short"
                return
            tags.append(kind)
            kind = self._word(at + 2)
            at += 4
        if kind not in (0x0800, 0x86DD):
            return
        if len(tags) > 2 or 0x9200 in tags:
            self.words_differ = "tags that the expression does not look behind"
        if kind == 0x0800:
            self._ipv4(at)
        else:
            self._ipv6(at)
        if self.key is None:
            self.words_differ = "tcpdump believes the Ethernet type without a look at the IP header"

    def _ports(self, protocol, at):
        if protocol not in WITH_PORTS:
            return ()
        if len(self.data) < at + 4:
            self.words_differ = "tcpdump looks at one port, we at both: one is not there"
            return ()
        return (self._word(at), self._word(at + 2))

    def _ipv4(self, at):  # RFC 791, 3.1
        d = self.data[at:]
        if len(d) < 20 or d[0] >> 4 != 4 or d[0] & 15 < 5:
            return
        first_fragment = self._word(at + 6) % 8192 == 0
        ports = self._ports(d[9], at + 4 * (d[0] & 15)) if first_fragment else ()
        self.key = Key(4, d[9], int.from_bytes(d[12:16], "big"), int.from_bytes(d[16:20], "big"), ports)

    def _ipv6(self, at):  # RFC 8200, 3 and 4
        d = self.data[at:]
        if len(d) < 40 or d[0] >> 4 != 6:
            return
        source, destination = int.from_bytes(d[8:24], "big"), int.from_bytes(d[24:40], "big")
        header, ports = self._chain(d[6], at + 40)
        self.key = Key(6, header, source, destination, ports)

    def _chain(self, header, at):
        """The protocol behind the extension headers, or the header the chain broke off in; and the
        ports."""
        while header in EXTENSIONS:
            self.words_differ = "tcpdump looks at the first next header only"
            self.extensions += 1
            if self.extensions > EXTENSIONS_MAX or len(self.data) < at + 2:
                return header, ()
            following, length = self.data[at], self.data[at + 1]
            if header == 44:  # RFC 8200, 4.5: fixed size
                size = 8
            elif header == 51:  # RFC 4302, 2.2: in words of 4 bytes, less 2
                size = 4 * (length + 2)
            else:  # in words of 8 bytes, less 1
                size = 8 * (length + 1)
            if len(self.data) < at + size:
                return header, ()
            if header == 44 and self._word(at + 2) >> 3 != 0:
                return following, ()
            header, at = following, at + size
        return header, self._ports(header, at)


# ---- Odd packets --------------------------------------------------------------------------------


def odd_records(records):
    """Packets of `records` with tags, extension headers and faults that real traffic rarely has."""
    r = random.Random("%d odd" % SEED)
    plain = [x for x in records if x.data[12:14] in (b"\x08\x00", b"\x86\xdd") and len(x.data) >= 34]
    made = []
    for number in range(ODD_PACKETS):
        data = bytearray(r.choice(plain).data)
        if data[12:14] == b"\x86\xdd" and len(data) >= 54 and r.random() < 0.7:
            for _ in range(r.choice((1, 1, 2, 3, 8, 15, 16, 16, 17))):
                add_extension(r, data)
        fault = r.random()
        if fault < 0.1:
            data[14] = r.randrange(256)  # version and header length
        elif fault < 0.2:
            data[20 + r.randrange(2)] = r.randrange(256)  # fragment
        elif fault < 0.4 and data[12] == 8:
            data[23] = r.choice(WITH_PORTS)
        tags = r.choice((0, 0, 1, 1, 2, 2, 3, 7, 8, 9, 10))
        kinds = r.choice(((0x8100,), (0x88A8, 0x8100), TAG_TYPES))
        data[12:12] = b"".join(struct.pack("!HH", r.choice(kinds), r.randrange(4096)) for _ in range(tags))
        wire = len(data)
        if r.random() < 0.4:
            del data[r.randrange(min(len(data), 160) + 1) :]
        made.append(Record(number // 1000, number % 1000 * 1_000_007 % 10**9, wire, bytes(data)))
    return made


def add_extension(r, data):
    """Puts an extension header behind the IPv6 header of an untagged packet."""
    kind = r.choice(EXTENSIONS)
    size = 8 * r.choice((1, 1, 2, 4))
    body = bytearray([data[20]]) + r.randbytes(size - 1)
    body[1] = size // 4 - 2 if kind == 51 else size // 8 - 1
    if kind == 44:
        body[1:4] = r.choice((b"\0\0\0", b"\0\0\1", b"\x50\0\0", b"\0\0\x08"))
        del body[8:]
    if r.random() < 0.05:
        body[1] = 255  # beyond the end
    data[20] = kind
    data[54:54] = body


# ---- Filters ------------------------------------------------------------------------------------

FIELDS = ("source_address", "destination_address", "source_port", "destination_port", "protocol")
NAMES = {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 47: "gre", 58: "icmpv6", 89: "ospf", 132: "sctp"}
LENGTHS = {
    4: (0, 1, 7, 8, 9, 15, 16, 17, 23, 24, 25, 30, 31, 32),
    6: (0, 1, 16, 31, 32, 33, 47, 48, 63, 64, 65, 96, 127, 128),
}


@dataclasses.dataclass(frozen=True)
class Filter:
    source_address: object = None  # ipaddress network
    destination_address: object = None
    source_port: tuple = None  # first, last
    destination_port: tuple = None
    protocol: int = None
    named: bool = False  # write the protocol's name

    @property
    def versions(self):
        network = self.source_address or self.destination_address
        return (network.version,) if network else (4, 6)

    def options(self):
        options = []
        for field in FIELDS:
            value = getattr(self, field)
            if value is None:
                continue
            if field.endswith("address"):
                full = value.prefixlen == value.max_prefixlen
                text = str(value.network_address) if full else str(value)
            elif field.endswith("port"):
                text = str(value[0]) if value[0] == value[1] else "%d-%d" % value
            else:
                text = NAMES.get(value, str(value)) if self.named else str(value)
            options += ["--" + field.replace("_", "-"), text]
        return options

    def holds(self, key):
        if key is None or key.version not in self.versions:
            return False
        for network, address in ((self.source_address, key.source), (self.destination_address, key.destination)):
            if network is not None:
                free = network.max_prefixlen - network.prefixlen
                if address >> free != int(network.network_address) >> free:
                    return False
        for side, ports in enumerate((self.source_port, self.destination_port)):
            if ports is not None and not (key.ports and ports[0] <= key.ports[side] <= ports[1]):
                return False
        return self.protocol is None or self.protocol == key.protocol

    # -- In tcpdump's words --

    def words(self):
        one = " or ".join("(%s)" % self._words_of(version) for version in self.versions)
        return "(%s) or (vlan and ((%s) or (vlan and (%s))))" % (one, one, one)

    def _words_of(self, version):
        ip = "ip" if version == 4 else "ip6"
        terms = [ip]
        for side, network in (("src", self.source_address), ("dst", self.destination_address)):
            if network is not None:
                terms.append("%s %s net %s" % (ip, side, network))
        if self.protocol is not None:
            terms.append("%s proto %d" % (ip, self.protocol))
        for offset, side, ports in ((0, "src", self.source_port), (2, "dst", self.destination_port)):
            if ports is not None:
                terms.append("(%s)" % self._port_words(ip, offset, side, ports))
        return " and ".join(terms)

    def _port_words(self, ip, offset, side, ports):
        words = "port %d" % ports[0] if ports[0] == ports[1] else "portrange %d-%d" % ports
        if self.protocol in (6, 17, 132):
            return "%s %s %s" % (NAMES[self.protocol], side, words)
        if ip == "ip":
            place = "ip[((ip[0] & 15) << 2) + %d:2]" % offset
            others = "(ip proto 33 or ip proto 136) and ip[6:2] & 0x1fff = 0"
        else:
            place = "ip6[%d:2]" % (40 + offset)
            others = "(ip6 proto 33 or ip6 proto 136)"
        return "%s %s or (%s and %s >= %d and %s <= %d)" % (side, words, others, place, ports[0], place, ports[1])

    # -- In byte accesses --

    def byte_accesses(self, tags=0):
        kind = "ether[%d:2]" % (12 + 4 * tags)
        choices = []
        if 4 in self.versions:
            choices.append("(%s = 0x0800 and %s)" % (kind, self._bytes4(14 + 4 * tags)))
        if 6 in self.versions:
            choices.append("(%s = 0x86dd and %s)" % (kind, self._bytes6(14 + 4 * tags)))
        if tags < TAGS_MAX:
            tagged = " or ".join("%s = 0x%x" % (kind, tag) for tag in TAG_TYPES)
            choices.append("((%s) and %s)" % (tagged, self.byte_accesses(tags + 1)))
        return "(%s)" % " or ".join(choices)

    def _bytes4(self, at):
        terms = ["ether[%d] & 0xf0 = 0x40" % at, "ether[%d] & 15 >= 5" % at, "ether[%d] >= 0" % (at + 19)]
        terms += self._address_bytes(at + 12, at + 16)
        first_fragment = "ether[%d:2] & 0x1fff = 0" % (at + 6)
        transport = "%d + ((ether[%d] & 15) << 2)" % (at, at)
        terms += self._transport_bytes(at + 9, first_fragment, transport)
        return " and ".join(terms)

    def _bytes6(self, at):
        terms = ["ether[%d] & 0xf0 = 0x60" % at, "ether[%d] >= 0" % (at + 39)]
        terms += self._address_bytes(at + 8, at + 24)
        terms += self._transport_bytes(at + 6, None, str(at + 40))
        return " and ".join(terms)

    def _address_bytes(self, source_at, destination_at):
        for at, network in ((source_at, self.source_address), (destination_at, self.destination_address)):
            if network is None:
                continue
            masks, values = network.netmask.packed, network.network_address.packed
            for word in range(0, len(masks), 4):
                mask, value = masks[word : word + 4].hex(), values[word : word + 4].hex()
                yield "ether[%d:4] & 0x%s = 0x%s" % (at + word, mask, value)

    def _transport_bytes(self, protocol_at, first_fragment, transport):
        if self.protocol is not None:
            yield "ether[%d] = %d" % (protocol_at, self.protocol)
        if self.source_port is None and self.destination_port is None:
            return
        yield "(%s)" % " or ".join("ether[%d] = %d" % (protocol_at, p) for p in WITH_PORTS)
        if first_fragment:
            yield first_fragment
        yield "ether[%s:4] >= 0" % transport  # both ports are there
        for offset, ports in ((0, self.source_port), (2, self.destination_port)):
            if ports is not None:
                yield "ether[%s + %d:2] >= %d" % (transport, offset, ports[0])
                yield "ether[%s + %d:2] <= %d" % (transport, offset, ports[1])


class FilterMaker:
    def __init__(self, name, keys):
        self.random = random.Random("%d %s" % (SEED, name))
        known = sorted({k for k in keys if k is not None}, key=dataclasses.astuple)
        self.all = known
        # Protocols alike, so that the rare ones are not lost among TCP and UDP.
        self.with_ports = self._by_kind(k for k in known if k.ports)
        self.any = self._by_kind(known)
        self.lengths_used = set()
        self.turn = 0

    @staticmethod
    def _by_kind(keys):
        kinds = {}
        for key in keys:
            kinds.setdefault((key.version, key.protocol), []).append(key)
        return list(kinds.values())

    def make(self, rounds):
        filters = []
        for round_number in range(rounds):
            for combination in range(1, 1 << len(FIELDS)):
                fields = [f for i, f in enumerate(FIELDS) if combination >> i & 1]
                filters.append(self._one(fields, round_number))
        return filters

    def _one(self, fields, round_number):
        r = self.random
        wants_ports = any(f.endswith("port") for f in fields)
        kinds = self.with_ports if wants_ports else self.any
        self.turn += 1
        key = r.choice(kinds[self.turn % len(kinds)])
        values = {f: self._value(f, key) for f in fields}
        twist = r.random()
        if twist < 0.15:  # one field of another packet: often matches nothing
            field = r.choice(fields)
            others = [k for k in self.all if k.version == key.version and (k.ports or not wants_ports)]
            values[field] = self._value(field, r.choice(others))
        elif twist < 0.25:  # surely nothing in the captures
            address = [f for f in fields if f.endswith("address")]
            if address:
                nothing = {4: "203.0.113.64/26", 6: "2001:db8:dead:beef:f00d::/80"}[key.version]
                values[address[0]] = ipaddress.ip_network(nothing)
            elif "protocol" in fields and not wants_ports:
                values["protocol"] = 253  # RFC 3692: for experiments
        return Filter(named=r.random() < 0.5, **values)

    def _value(self, field, key):
        r = self.random
        if field == "protocol":
            return key.protocol
        if field.endswith("port"):
            port = key.ports[0 if field == "source_port" else 1]
            form = r.randrange(4)
            if form == 0:
                return (port, port)
            if form == 1:
                return (max(0, port - r.randrange(1000)), min(65535, port + r.randrange(1000)))
            if form == 2:
                return r.choice([(0, port), (port, 65535)])
            return r.choice([(0, 65535), (port, min(65535, port + 1)), (port & ~15, port | 15)])
        bits = 32 if key.version == 4 else 128
        unused = [n for n in LENGTHS[key.version] if (key.version, n) not in self.lengths_used]
        length = r.choice(unused or LENGTHS[key.version])
        self.lengths_used.add((key.version, length))
        address = key.source if field == "source_address" else key.destination
        address = address >> (bits - length) << (bits - length)
        make = ipaddress.IPv4Network if key.version == 4 else ipaddress.IPv6Network
        return make((address, length))


# ---- Programs -----------------------------------------------------------------------------------


def run(command):
    """Standard output and error of a program that must succeed."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise AssertionError("%s: exit code %d\n%s" % (command, done.returncode, done.stderr))
    return done.stdout, done.stderr


def record(source, out, *options):
    stdout, stderr = run([EDGECAP, "record", "--quiet", "--force", "--read", source, "-w", out, *options])
    if stdout or stderr:
        raise AssertionError("edgecap record --quiet says: %r %r" % (stdout, stderr))


def tcpdump(source, out, expression, *options):
    user = ["-Z", "root"] if os.geteuid() == 0 else []
    run(["tcpdump", "--nano", *user, *options, "-r", source, "-w", out, expression])


class Input:
    def __init__(self, path):
        self.path = path
        self.records = read_pcap(path)
        self.packets = [Packet(r.data) for r in self.records]

    def reduced(self, path, keep):
        write_pcap(path, [r for r, p in zip(self.records, self.packets) if keep(p)])
        return Input(path)


class Comparison(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.room = tempfile.TemporaryDirectory(prefix="edgecap-compare-")
        cls.addClassCleanup(cls.room.cleanup)
        cls.folder = pathlib.Path(cls.room.name)
        cls.corpus = Input(CORPUS)
        cls.inputs = {"corpus": cls.corpus}
        odd = cls.folder / "odd.pcap"
        write_pcap(odd, odd_records(cls.corpus.records))
        cls.inputs["odd"] = Input(odd)
        for name, options in GENERATED.items():
            path = cls.folder / (name + ".pcap")
            run([sys.executable, MAKE_PCAP, path, 5000, "imix", "--seed", 7, *options])
            cls.inputs[name] = Input(path)
        cls.filters, cls.makers = {}, {}
        for name, capture in cls.inputs.items():
            maker = FilterMaker(name, [p.key for p in capture.packets])
            cls.filters[name] = maker.make(CORPUS_ROUNDS if name == "corpus" else GENERATED_ROUNDS)
            cls.makers[name] = maker

    def compare(self, capture, filters, make_expected):
        """Records `capture` with each filter; the output is what make_expected(filter, path) writes
        to path. At least half of the filters match something."""

        def one(number):
            chosen = filters[number]
            ours, theirs = (self.folder / ("%s-%d" % (who, number)) for who in ("ours", "theirs"))
            record(capture.path, ours, "--blocks", 8, *chosen.options())  # starts in half the time
            make_expected(chosen, theirs)
            difference = self.difference(ours.read_bytes(), theirs.read_bytes())
            size = ours.stat().st_size
            ours.unlink()
            theirs.unlink()
            return size > FILE_HEADER.size, difference

        with concurrent.futures.ThreadPoolExecutor(PROCESSES) as pool:
            results = list(pool.map(one, range(len(filters))))
        wrong = [
            "%s: %s" % (" ".join(chosen.options()), difference)
            for chosen, (_, difference) in zip(filters, results)
            if difference
        ]
        self.assertEqual(wrong[:5], [], "%d of %d filters differ" % (len(wrong), len(filters)))
        matched = sum(found for found, _ in results)
        self.assertGreaterEqual(matched, len(filters) / 2, "most filters match nothing: this proves little")
        self.assertLess(matched, len(filters), "some filters should match nothing")

    @staticmethod
    def difference(ours, theirs):
        if ours[:8] != theirs[:8] or ours[20:24] != theirs[20:24]:
            return "file headers: ours %s, expected %s" % (ours[:24].hex(), theirs[:24].hex())
        if ours[24:] == theirs[24:]:
            return ""
        at = 24
        number = 0
        while at < min(len(ours), len(theirs)):
            stored = RECORD_HEADER.unpack_from(theirs, at)[2]
            end = at + RECORD_HEADER.size + stored
            if ours[at:end] != theirs[at:end]:
                pieces = (ours[at : at + 96].hex(" ", 4), theirs[at : at + 96].hex(" ", 4))
                return "output record %d begins: ours %s, expected %s" % (number, *pieces)
            at, number = end, number + 1
        return "ours has %d bytes, expected %d; the first %d records are equal" % (len(ours), len(theirs), number)

    def test_the_filters_cover_what_there_is(self):
        every = [f for filters in self.filters.values() for f in filters]
        self.assertGreaterEqual(len(every), FILTERS_TOTAL_MIN)
        combinations = {tuple(getattr(f, name) is not None for name in FIELDS) for f in every}
        self.assertEqual(len(combinations), 31)
        lengths = set().union(*(maker.lengths_used for maker in self.makers.values()))
        self.assertEqual(lengths, {(v, n) for v, all_of in LENGTHS.items() for n in all_of})
        for protocol in (1, 6, 17, 58, 132):
            self.assertIn(protocol, {f.protocol for f in every})

    def test_tcpdump_in_words_on_generated_traffic(self):
        for name in GENERATED:
            capture = self.inputs[name]
            self.assertEqual({p.words_differ for p in capture.packets}, {""})
            with self.subTest(name):
                self.compare(
                    capture, self.filters[name], lambda f, out: tcpdump(capture.path, out, f.words())
                )

    def test_tcpdump_in_words_on_the_corpus(self):
        capture = self.corpus.reduced(self.folder / "words.pcap", lambda p: not p.words_differ)
        self.assertGreater(len(capture.records), 0.8 * len(self.corpus.records))
        filters = FilterMaker("words", [p.key for p in capture.packets]).make(CORPUS_ROUNDS)
        self.compare(capture, filters, lambda f, out: tcpdump(capture.path, out, f.words()))

    def test_tcpdump_in_byte_accesses(self):
        for name, share in (("corpus", 0.9), ("odd", 0.5)):
            whole = self.inputs[name]
            capture = whole.reduced(self.folder / (name + "-bytes.pcap"), lambda p: p.extensions == 0)
            self.assertGreater(len(capture.records), share * len(whole.records))
            with self.subTest(name):
                self.compare(
                    capture,
                    self.filters[name],
                    lambda f, out: tcpdump(capture.path, out, f.byte_accesses(), "-O"),
                )

    def test_the_reference_parser_on_all_packets(self):
        for name, capture in self.inputs.items():

            def expected(f, out):
                holds = {key: f.holds(key) for key in {p.key for p in capture.packets}}
                pairs = zip(capture.records, capture.packets)
                write_pcap(out, [r for r, p in pairs if holds[p.key]])

            with self.subTest(name):
                self.compare(capture, self.filters[name], expected)

    def test_the_inputs_have_what_parsers_trip_over(self):
        packets = self.corpus.packets + self.inputs["odd"].packets
        self.assertEqual(len({p.words_differ for p in packets}), 6)
        self.assertGreater(sum(p.extensions > 0 for p in self.corpus.packets), 50)
        self.assertGreater(sum(p.extensions >= EXTENSIONS_MAX for p in packets), 10)
        self.assertGreater(sum(len(r.data) < r.wire for r in self.corpus.records), 50)


class Files(unittest.TestCase):
    """What is written, read by others; what is read, in other forms."""

    @classmethod
    def setUpClass(cls):
        cls.room = tempfile.TemporaryDirectory(prefix="edgecap-files-")
        cls.addClassCleanup(cls.room.cleanup)
        cls.folder = pathlib.Path(cls.room.name)
        cls.traffic = cls.folder / "traffic.pcap"
        made = cls.folder / "made.pcap"
        run([sys.executable, MAKE_PCAP, made, 2000, "imix", "--ipv6", 0.3, "--vlan", 0.3])
        # Times with nanoseconds that microseconds cannot hold.
        records = [
            dataclasses.replace(r, seconds=1_700_000_000 + n // 500, nanoseconds=n * 1_234_567 % 10**9)
            for n, r in enumerate(read_pcap(made))
        ]
        write_pcap(cls.traffic, sorted(records, key=lambda r: (r.seconds, r.nanoseconds)))

    def assert_only(self, text, *allowed):
        """Of a program's standard error nothing is left without the lines it always writes."""
        left = [line for line in text.splitlines() if line and not line.startswith(allowed)]
        self.assertEqual(left, [])

    def assert_records(self, path, expected):
        """The file's records are those expected, also where one claims fewer bytes on the wire than
        it holds."""
        records = read_pcap(path)
        self.assertEqual(len(records), len(expected))
        wrong = [(n, r, e) for n, (r, e) in enumerate(zip(records, expected)) if r != e]
        self.assertEqual(wrong[:1], [], "%d records differ" % len(wrong))

    def assert_opens(self, path):
        root = 'Running as user "root" and group "root"'
        self.assert_only(run(["tshark", "-r", path, "-w", os.devnull])[1], root)
        self.assert_only(run(["tshark", "-n", "-r", path, "-c", 200])[1], root)
        self.assert_only(run(["capinfos", path])[1])
        self.assert_only(run(["tcpdump", "-n", "--nano", "-r", path, "-c", 200])[1], "reading from file ")
        merged = self.folder / "merged.pcap"
        self.assert_only(run(["mergecap", "-F", "nsecpcap", "-w", merged, path, self.traffic])[1])
        self.assertEqual(len(read_pcap(merged)), len(read_pcap(path)) + len(read_pcap(self.traffic)))

    def test_outputs_open_without_a_complaint(self):
        cases = {
            "everything": (CORPUS,),
            "nothing": (CORPUS, "--source-address", "203.0.113.1"),
            "some": (CORPUS, "--protocol", "udp"),
            "cut": (CORPUS, "--snaplen", "60"),
            "generated": (self.traffic, "--destination-port", "443"),
            "sampled": (self.traffic, "--one-in", "10"),
            "limited": (self.traffic, "--packet-limit", "7"),
        }
        for name, (source, *options) in cases.items():
            with self.subTest(name):
                out = self.folder / (name + ".pcap")
                record(source, out, *options)
                self.assert_opens(out)

    def test_records_that_were_cut_stay_as_they_are(self):
        out = self.folder / "whole.pcap"
        record(CORPUS, out)
        expected = read_pcap(CORPUS)
        self.assertGreater(sum(len(r.data) < r.wire for r in expected), 50)
        self.assert_records(out, expected)

    def test_snaplen_cuts_and_keeps_the_length_on_the_wire(self):
        for source in (CORPUS, self.traffic):
            for snaplen in (1, 14, 60, 1000, 262144):
                with self.subTest(source=source.name, snaplen=snaplen):
                    out = self.folder / "snaplen.pcap"
                    record(source, out, "--snaplen", snaplen)
                    expected = [
                        dataclasses.replace(r, data=r.data[:snaplen]) for r in read_pcap(source)
                    ]
                    self.assert_records(out, expected)

    def check_input(self, source, expected):
        out = self.folder / "converted.pcap"
        record(source, out)
        self.assertEqual(FILE_HEADER.unpack_from(out.read_bytes())[0], NANOSECOND_MAGIC)
        self.assert_records(out, expected)

    def test_pcapng_input(self):
        source = self.folder / "in.pcapng"
        run(["editcap", "-F", "pcapng", self.traffic, source])
        self.check_input(source, read_pcap(self.traffic))

    def test_pcapng_input_with_microseconds(self):
        source = self.folder / "in.pcapng"
        run(["editcap", "-F", "pcapng", CORPUS, source])
        self.check_input(source, read_pcap(CORPUS))

    def test_microsecond_input(self):
        source = self.folder / "in-us.pcap"
        run(["editcap", "-F", "pcap", self.traffic, source])
        self.assertEqual(FILE_HEADER.unpack_from(source.read_bytes())[0], MICROSECOND_MAGIC)
        expected = [
            dataclasses.replace(r, nanoseconds=r.nanoseconds // 1000 * 1000) for r in read_pcap(self.traffic)
        ]
        self.check_input(source, expected)

    def test_byte_swapped_input(self):
        source = self.folder / "in-swapped.pcap"
        expected = read_pcap(self.traffic)
        write_pcap(source, expected, order=">")
        self.check_input(source, expected)


if __name__ == "__main__":
    unittest.main(verbosity=2)
