# SPDX-License-Identifier: Apache-2.0
"""Inputs and generated expressions for the comparison with tcpdump and tshark.

Bpf writes expressions over libpcap's language for Ethernet (pcap-filter(7)); the values in them are
taken from the packets of an input, so that a good share matches something, nothing, or everything.
Everything is drawn from a seed: same seed, same expressions.
"""
import dataclasses
import ipaddress
import random
import struct

import test_compare_tcpdump as basics
from test_compare_tcpdump import Record


def word(data, at, size=2):
    return int.from_bytes(data[at:at + size], "big")


# ---- Packets ------------------------------------------------------------------------------------

class PacketMaker:
    """Ethernet packets with tags, MPLS, PPPoE, tunnels in tunnels and fragments, whose headers are
    right, so that every dissector agrees on them. `plain`: only what all judges of tunnels know."""

    ADDRESSES4 = ["10.0.0.1", "10.0.0.2", "10.1.2.3", "192.0.2.7", "198.51.100.9", "224.0.0.251"]
    ADDRESSES6 = ["2001:db8::1", "2001:db8::2", "2001:db8:5::9", "fe80::1", "ff02::fb"]
    PORTS = [22, 53, 80, 443, 5000, 5001, 8080, 40000, 65535]

    def __init__(self, seed, plain=False):
        self.r = random.Random("%s packets" % seed)
        self.plain = plain

    def records(self, count):
        made = []
        for number in range(count):
            data = self.ethernet(0)
            made.append(Record(1_700_000_000 + number // 100, number % 100 * 7_000_003, len(data), data))
        return made

    def ethernet(self, depth):
        r = self.r
        macs = [b"\2\0\0\0\0\1", b"\2\0\0\0\0\2", b"\2\0\0\0\0\3"]
        there = r.choice(macs + ([b"\xff" * 6, b"\1\0\x5e\0\0\xfb"] if depth == 0 else []))
        head = there + r.choice(macs)
        for _ in range(r.choice((0, 0, 0, 1, 1, 2)) if depth == 0 else r.choice((0, 0, 1))):
            kind = 0x8100 if depth or self.plain else r.choice((0x8100, 0x8100, 0x88A8))
            head += struct.pack("!HH", kind, r.choice((1, 7, 100, 4094)) | r.choice((0, 0x6000)))
        choice = r.random()
        if choice < 0.04 and not self.plain:
            arp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, r.choice((1, 2)))
            arp += macs[0] + self.address(4) + macs[1] + self.address(4)
            return head + struct.pack("!H", r.choice((0x0806, 0x0806, 0x8035))) + arp + bytes(18)
        if choice < 0.06 and not self.plain:
            return head + struct.pack("!H", 38) + b"\x42\x42\3" + bytes(35)
        if choice < 0.12:
            return head + struct.pack("!H", 0x8847) + self.mpls(depth)
        if choice < 0.16 and not self.plain:
            version, body = self.ip(depth)
            session = struct.pack("!BBHHH", 0x11, 0, r.choice((3, 9)), len(body) + 2,
                                  0x0021 if version == 4 else 0x0057)
            return head + struct.pack("!H", 0x8864) + session + body
        version, body = self.ip(depth)
        return head + struct.pack("!H", 0x0800 if version == 4 else 0x86DD) + body

    def mpls(self, depth):
        labels = b""
        count = self.r.choice((1, 1, 2, 3))
        for number in range(count):
            bottom = number == count - 1
            labels += struct.pack("!I", self.r.choice((16, 100, 1000)) << 12 | bottom << 8 | 64)
        return labels + self.ip(depth)[1]

    def address(self, version):
        return ipaddress.ip_address(
            self.r.choice(self.ADDRESSES4 if version == 4 else self.ADDRESSES6)).packed

    def ip(self, depth, version=None):
        r = self.r
        version = version or r.choice((4, 4, 6))
        protocol, body = self.transport(depth, version)
        traffic_class = r.choice((0, 0, 46 << 2, 10 << 2 | 1))
        if version == 4:
            fragment = r.choice((0, 0x4000))
            if r.random() < 0.08 and not self.plain:
                fragment = r.choice((0x2000, 0x2000 | 100, 185))
            options = bytes([1] * 4 * r.choice((0, 0, 0, 0, 1, 3)))
            head = struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, traffic_class,
                               20 + len(options) + len(body), r.randrange(65536), fragment,
                               r.choice((1, 64)), protocol, 0)
            return 4, head + self.address(4) + self.address(4) + options + body
        first = protocol
        if r.random() < 0.2:
            options = bytes([protocol, 0, 1, 4, 0, 0, 0, 0])
            first, body = r.choice((0, 60)), options + body
        if r.random() < 0.08 and not self.plain:
            fragment = struct.pack("!BBHI", first, 0, r.choice((1, 9, 8)), 77)
            first, body = 44, fragment + body
        head = struct.pack("!IHBB", 0x60000000 | traffic_class << 20, len(body), first, 64)
        return 6, head + self.address(6) + self.address(6) + body

    def transport(self, depth, version):
        r = self.r
        if depth < 3 and r.random() < (0.6 if self.plain else 0.3):
            return self.tunnel(depth + 1)
        ports = struct.pack("!HH", r.choice(self.PORTS), r.choice(self.PORTS))
        text = r.choice((b"", b"hello", bytes(40), b"GET / HTTP/1.1\r\n", r.randbytes(30)))
        choice = r.random()
        if choice < 0.5:
            flags = r.choice((0x02, 0x12, 0x10, 0x18, 0x11, 0x04))
            return 6, ports + struct.pack("!IIBBHHH", 1, 2, 0x50, flags, 512, 0, 0) + text
        if choice < 0.75 or self.plain:
            return 17, ports + struct.pack("!HH", 8 + len(text), 0) + text
        if choice < 0.82:
            return 132, ports + bytes(8) + text
        if choice < 0.95:
            kind = r.choice((0, 3, 8, 11) if version == 4 else (1, 128, 129, 135))
            return (1 if version == 4 else 58), struct.pack("!BBHI", kind, r.choice((0, 1, 3)), 0, 1) + text
        return r.choice((2, 50, 89, 103, 112)), bytes(12) + text

    def tunnel(self, depth):
        r = self.r
        udp = lambda port, body: (17, struct.pack("!HHHH", 50000, port, 8 + len(body), 0) + body)
        kind = r.randrange(6 if self.plain else 7)
        if kind == 0:  # VXLAN
            return udp(4789, struct.pack("!II", 0x08000000, r.choice((5, 6)) << 8) + self.ethernet(depth))
        if kind == 1:  # Geneve
            if r.random() < 0.5:
                head = struct.pack("!BBHI", 0, 0, 0x6558, r.choice((5, 6)) << 8)
                return udp(6081, head + self.ethernet(depth))
            version, body = self.ip(depth)
            kind = 0x0800 if version == 4 else 0x86DD
            return udp(6081, struct.pack("!BBHI", 1, 0, kind, 7 << 8) + bytes(4) + body)
        if kind == 2:  # GRE
            version, body = self.ip(depth)
            flags = r.choice((0, 0x2000, 0x3000))
            options = bytes(4 * bin(flags).count("1"))
            return 47, struct.pack("!HH", flags, 0x0800 if version == 4 else 0x86DD) + options + body
        if kind == 3:
            return 4, self.ip(depth, 4)[1]
        if kind == 4:
            return 41, self.ip(depth, 6)[1]
        if kind == 5:  # GTP-U
            body = self.ip(depth)[1]
            return udp(2152, struct.pack("!BBHI", 0x30, 255, len(body), 9) + body)
        return udp(6635, self.mpls(depth))


class Seen:
    """What occurs in some packets, for values in expressions."""

    def __init__(self, records):
        self.macs, self.ether_types, self.vlans, self.labels, self.sessions = [], [], [], [], []
        self.addresses = {4: [], 6: []}
        self.ports, self.protocols, self.lengths = [], [], []
        for record in records:
            self._packet(record.data)
            self.lengths.append(record.wire)
        for values, otherwise in (
                (self.vlans, 7), (self.labels, 16), (self.sessions, 3), (self.ports, 80),
                (self.protocols, 6), (self.ether_types, 0x0800), (self.lengths, 100),
                (self.macs, b"\2\0\0\0\0\1"), (self.addresses[4], ipaddress.ip_address("10.0.0.1")),
                (self.addresses[6], ipaddress.ip_address("2001:db8::1"))):
            if not values:
                values.append(otherwise)

    def _packet(self, d):
        if len(d) < 14:
            return
        self.macs += [d[0:6], d[6:12]]
        at, kind = 12, word(d, 12)
        while kind in (0x8100, 0x88A8, 0x9100) and len(d) >= at + 6:
            self.vlans.append(word(d, at + 2) & 4095)
            at += 4
            kind = word(d, at)
        self.ether_types.append(kind)
        d = d[at + 2:]
        if kind == 0x8847 and len(d) >= 4:
            self.labels.append(word(d, 0, 4) >> 12)
        if kind == 0x8864 and len(d) >= 8:
            self.sessions.append(word(d, 2))
        if kind == 0x0806 and len(d) >= 28:
            self.addresses[4].append(ipaddress.IPv4Address(d[14:18]))
        if kind == 0x0800 and len(d) >= 24:
            self.addresses[4] += [ipaddress.IPv4Address(d[12:16]), ipaddress.IPv4Address(d[16:20])]
            self._transport(d[9], d[4 * (d[0] & 15):])
        if kind == 0x86DD and len(d) >= 44:
            self.addresses[6] += [ipaddress.IPv6Address(d[8:24]), ipaddress.IPv6Address(d[24:40])]
            self._transport(d[6], d[40:])

    def _transport(self, protocol, d):
        self.protocols.append(protocol)
        if protocol in (6, 17, 132) and len(d) >= 4:
            self.ports += [word(d, 0), word(d, 2)]


# ---- tcpdump's language -------------------------------------------------------------------------

class Bpf:
    """Expressions; `kinds` counts the primitives that were drawn."""

    ETHER_NAMES = ("ip", "ip6", "arp", "rarp", "atalk", "aarp", "iso", "stp", "ipx", "netbeui",
                   "decnet", "lat", "moprc", "mopdl", "loopback")
    IP_NAMES = ("icmp", "icmp6", "igmp", "igrp", "pim", "ah", "esp", "vrrp", "udp", "tcp", "sctp")
    WORDS = ("and", "or", "not", "src", "dst", "host", "net", "port", "(", ")", "[", "]", ":", "=",
             "proto", "ether", "ip", "1", "0x10", "&", "-", "vlan", "tcp", "mask", "less", "dir",
             "type", "wlan", "ra", "gateway", "70000", "10.0.0.300", "1.2.3.4/33", "fddi",
             "2001:db8::/129", "2001:db8::1", "radio[0]", "lane", "portrange", "9-1", "%", "^", "!")

    def __init__(self, seed, seen):
        self.r = random.Random("%s bpf" % seed)
        self.seen = seen
        self.kinds = {}

    def make(self):
        depth = self.r.choice((0, 0, 1, 1, 2, 3))
        text = self.expression(depth)
        if self.r.random() < 0.05:
            return self.geneve(text)
        if self.r.random() < 0.08:
            text = self.spoil(text)
        return text

    def expression(self, depth):
        if depth == 0:
            return self.primitive()
        r = self.r
        form = r.random()
        if form < 0.4:
            return "%s and %s" % (self.side(depth), self.side(depth))
        if form < 0.8:
            return "%s or %s" % (self.side(depth), self.side(depth))
        return "%s %s" % (r.choice(("not", "!")), self.side(depth))

    def geneve(self, text):
        """Only where nothing but `and` is around it: with `or`, libpcap 1.10 makes programs that read
        memory which they have not written. Differences in test_compare_expressions.py has one."""
        self.kinds["geneve"] = self.kinds.get("geneve", 0) + 1
        geneve = "geneve" + self.of(("", "", "", " 5", " 0x6"))
        return self.of((geneve, "(%s) and %s" % (text, geneve), "%s and %s" % (geneve, self.primitive()),
                        "(%s) and %s and %s" % (text, geneve, self.primitive())))

    def side(self, depth):
        inner = self.expression(self.r.randrange(depth))
        return "(%s)" % inner if " and " in inner or " or " in inner or self.r.random() < 0.3 else inner

    def spoil(self, text):
        r = self.r
        words = text.split(" ")
        at = r.randrange(len(words))
        form = r.randrange(4)
        if form == 0:
            del words[at]
        elif form == 1:
            words.insert(at, r.choice(self.WORDS))
        elif form == 2:
            words[at] = r.choice(self.WORDS)
        else:
            other = r.randrange(len(words))
            words[at], words[other] = words[other], words[at]
        return " ".join(words)

    def primitive(self):
        kind = self.r.choice(("ether", "tag", "family", "host", "host", "net", "port", "port",
                              "portrange", "proto", "protochain", "cast", "length", "relation",
                              "relation", "relation", "flags", "names"))
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        return getattr(self, "_" + kind)()

    # -- values

    def of(self, values):
        return self.r.choice(values)

    def number(self, number, most):
        r = self.r
        if r.random() < 0.15:
            number = r.randrange(most + 1)
        return r.choice(("%d", "%d", "0x%x")) % number

    def side_word(self):
        return self.of(("", "", "src ", "dst ", "src or dst ", "src and dst "))

    # -- primitives

    def _ether(self):
        mac = self.of(self.seen.macs).hex(self.of(":-") if self.r.random() < 0.9 else ".")
        mac = mac if len(mac) == 17 else mac.replace(".", ":")
        form = self.r.randrange(4)
        if form == 0:
            return "ether proto %s" % self.number(self.of(self.seen.ether_types), 65535)
        if form == 1:
            return "ether proto \\%s" % self.of(self.ETHER_NAMES)
        if form == 2:
            return "ether %shost %s" % (self.of(("", "src ", "dst ")), mac.replace("-", ":"))
        return "ether %s %s" % (self.of(("src", "dst")), mac.replace("-", ":"))

    def _tag(self):
        r = self.r
        tag = self.of(("vlan", "vlan", "mpls", "pppoes", "pppoed"))
        if tag == "vlan" and r.random() < 0.6:
            tag += " " + self.number(self.of(self.seen.vlans), 4095)
        if tag == "mpls" and r.random() < 0.6:
            tag += " " + self.number(self.of(self.seen.labels), 1048575)
        if tag == "pppoes" and r.random() < 0.5:
            tag += " %d" % self.of(self.seen.sessions)
        return "%s and %s" % (tag, self.primitive()) if r.random() < 0.6 else tag

    def _family(self):
        return self.of(self.IP_NAMES + ("ip", "ip6", "arp", "rarp", "ip", "ip6"))

    def address(self, version):
        return self.of(self.seen.addresses[version])

    def _host(self):
        version = self.of((4, 4, 6))
        family = self.of(("", "", "ip " if version == 4 else "ip6 ", "arp " if version == 4 else ""))
        return "%s%s%s%s" % (family, self.side_word(), self.of(("host ", "host ", "")),
                             self.address(version))

    def _net(self):
        version = self.of((4, 4, 6))
        bits = 32 if version == 4 else 128
        length = self.of((0, 8, 16, 24, 31, 32) if version == 4 else (0, 16, 32, 48, 64, 127, 128))
        if self.r.random() < 0.2:
            length = self.r.randrange(bits + 1)
        network = ipaddress.ip_network((self.address(version), length), strict=False)
        side = self.of(("", "ip " if version == 4 else "ip6 ")) + self.side_word()
        if version == 4 and self.r.random() < 0.3:
            if length in (8, 16, 24):
                short = ".".join(str(network.network_address).split(".")[:length // 8])
                return "%snet %s" % (side, short)
            return "%snet %s mask %s" % (side, network.network_address, network.netmask)
        return "%snet %s" % (side, network)

    def transport(self):
        if self.r.random() < 0.03:
            return self.of(("ip ", "ip6 ", "arp "))  # which libpcap refuses
        return self.of(("", "", "tcp ", "udp ", "sctp "))

    def _port(self):
        return "%s%sport %s" % (self.transport(), self.side_word(),
                                self.number(self.of(self.seen.ports), 65535))

    def _portrange(self):
        port = self.of(self.seen.ports)
        first, last = max(0, port - self.r.randrange(100)), min(65535, port + self.r.randrange(100))
        return "%s%sportrange %d-%d" % (self.transport(), self.side_word(), first, last)

    def _proto(self):
        which = self.of(("ip proto", "ip6 proto", "proto", "proto"))
        if self.r.random() < 0.3:
            return "%s \\%s" % (which, self.of(("tcp", "udp", "icmp", "icmp6", "igmp", "pim", "esp")))
        return "%s %s" % (which, self.number(self.of(self.seen.protocols), 255))

    def _protochain(self):
        which = self.of(("ip protochain", "ip6 protochain", "protochain"))
        return "%s %d" % (which, self.of(self.seen.protocols))

    def _cast(self):
        return self.of(("broadcast", "multicast", "ether broadcast", "ether multicast",
                        "ip multicast", "ip6 multicast"))

    def _length(self):
        length = self.number(self.of(self.seen.lengths), 1600)
        return "%s %s" % (self.of(("less", "greater", "len <", "len >=", "len =", "len !=")), length)

    def _flags(self):
        flag = "tcp-" + self.of(("fin", "syn", "rst", "push", "ack", "urg", "ece", "cwr"))
        other = "tcp-" + self.of(("syn", "ack"))
        return self.of((
            "tcp[tcpflags] & %s != 0" % flag,
            "tcp[tcpflags] & (%s|%s) = %s" % (flag, other, other),
            "tcp[tcpflags] = %s" % flag,
            "icmp[icmptype] = %s" % self.of(("icmp-echo", "icmp-echoreply", "icmp-unreach", "8")),
            "icmp[icmpcode] = %d" % self.of((0, 1, 3)),
            "icmp6[icmp6type] = %s" % self.of(("icmp6-echo", "icmp6-neighborsolicit", "128")),
            "icmp6[icmp6code] = 0",
            "tcp[13] & 0x%x %s %d" % (self.r.randrange(1, 256), self.of(("=", "!=")), self.of((0, 2, 16))),
        ))

    def _names(self):
        return self.of((
            "port domain", "tcp port http", "udp src port domain", "tcp dst port https",
            "ip proto \\udp", "stp", "iso", "netbeui", "ipx", "atalk", "aarp", "decnet src 1.2", "lat",
            "llc", "llc i", "llc u", "esis", "isis", "clnp", "ether proto \\arp", "igrp", "carp",
            "vrrp", "mopdl", "moprc", "link[0] & 1 = 0", "ip6 proto \\icmp6", "port 80 or 443 or 53",
            "host 10.0.0.1 or 10.0.0.2", "tcp or udp", "src 10.0.0.1 and dst 10.0.0.2",
            "not ip6 multicast and not arp"))

    # -- relations

    HEADERS = (("ether", 40), ("ether", 40), ("ip", 30), ("ip", 30), ("ip6", 50), ("tcp", 24),
               ("udp", 12), ("icmp", 8), ("icmp6", 8), ("arp", 28), ("sctp", 12), ("igmp", 8),
               ("link", 14), ("pim", 4), ("vrrp", 4), ("rarp", 28))

    def access(self, simple=False):
        header, most = self.of(self.HEADERS)
        size = self.of((1, 1, 2, 4))
        offset = str(self.r.randrange(most + 1))
        if not simple and self.r.random() < 0.2:
            offset = self.of((
                "(ip[0] & 15) << 2", "(ip[0] & 0xf) * 4 + %s" % offset, "len - %s" % offset,
                "%s + %d" % (offset, self.r.randrange(9)), "ip[9] & 7", "ether[15] %% 32"))
            offset = offset.replace("%%", "%")
        return "%s[%s%s]" % (header, offset, "" if size == 1 and self.r.random() < 0.7 else ":%d" % size)

    def arithmetic(self, depth):
        r = self.r
        form = r.random()
        if depth == 0 or form < 0.3:
            return self.access() if r.random() < 0.8 else "len"
        if form < 0.95:
            operator = self.of(("+", "-", "*", "&", "&", "|", "^", "<<", ">>", "/", "%"))
            right = self.number(r.choice((1, 2, 3, 4, 7, 8, 15, 255, 1000)), 8)
            if operator in ("<<", ">>"):
                right = str(r.choice((0, 1, 2, 4, 8, 31)))
            if operator not in ("<<", ">>", "/", "%") and r.random() < 0.3:
                right = self.arithmetic(depth - 1)
            if operator in ("/", "%") and r.random() < 0.3:
                right = self.access(simple=True)  # may be zero
            if operator in ("/", "%") and right in ("0", "0x0") and r.random() < 0.8:
                right = "3"
            return "(%s %s %s)" % (self.arithmetic(depth - 1), operator, right)
        return "-%s" % self.access()

    def _relation(self):
        relation = self.of(("=", "==", "!=", ">", "<", ">=", "<="))
        left = self.arithmetic(self.of((0, 0, 1, 1, 2, 3)))
        right = self.of((str(self.of((0, 1, 2, 4, 6, 17, 64, 69, 128, 255, 2048, 34525))),
                         str(self.of(self.seen.lengths)), self.arithmetic(self.of((0, 0, 1)))))
        return "%s %s %s" % (left, relation, right)
