# SPDX-License-Identifier: Apache-2.0
"""The frames that inject.py sends and verify.py expects: the same for the same kind, count and
seed. Each ends with its number, in four bytes."""

import random
import struct

KINDS = ("mixed", "small", "tagged")
PROBE_TYPE = 0x88B6  # an experimental EtherType, in no other frame
MIN_BYTES = 60
MAX_BYTES = 1514  # without tags
ETHERNET_BYTES = 14
VLAN, QINQ = 0x8100, 0x88A8


def probe():
    """A frame that only says that there is traffic."""
    return b"\xff" * 6 + bytes.fromhex("025400000001") + struct.pack("!H", PROBE_TYPE) + bytes(46)


def is_probe(frame):
    return frame[12:14] == struct.pack("!H", PROBE_TYPE)


def number_of(frame):
    return struct.unpack("!I", frame[-4:])[0]


def _ipv4(body_bytes, protocol, choice):
    header = bytearray(struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + body_bytes, choice.getrandbits(16), 0x4000, 64, protocol, 0,
        bytes((192, 0, 2, choice.randrange(1, 255))), bytes((198, 51, 100, choice.randrange(1, 255)))))
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    header[10:12] = struct.pack("!H", ~total & 0xFFFF)
    return bytes(header)


def _ipv6(body_bytes, protocol, choice):
    address = bytes.fromhex("20010db8") + bytes(11)
    return struct.pack("!IHBB", 0x60000000, body_bytes, protocol, 64) + b"".join(
        address + bytes((choice.randrange(256),)) for _ in range(2))


def _payload(size, choice):
    """EtherType and `size` bytes behind it: UDP in IPv4 or IPv6, or something unknown."""
    what = choice.random()
    if what < 0.1:
        return 0x88B5, b""
    ether_type, header_bytes, make = (0x86DD, 40, _ipv6) if what < 0.3 else (0x0800, 20, _ipv4)
    udp_bytes = size - header_bytes
    if udp_bytes < 8:
        return 0x88B5, b""
    udp = struct.pack("!HHHH", choice.randrange(1024, 65536), 443, udp_bytes, 0)
    return ether_type, make(udp_bytes, 17, choice) + udp


def _tags(kind, choice):
    if kind != "tagged":
        return b""
    inner = struct.pack("!HH", VLAN, choice.getrandbits(16))
    what = choice.random()
    if what < 0.2:
        return b""
    if what < 0.6:
        return inner
    return struct.pack("!HH", QINQ if what < 0.8 else VLAN, choice.getrandbits(16)) + inner


def _size(kind, number, choice):
    if kind == "small":
        return MIN_BYTES
    return (MIN_BYTES, MAX_BYTES)[number] if number < 2 else choice.randint(MIN_BYTES, MAX_BYTES)


def frames(kind, count, seed):
    """`mixed`: 60 to 1514 bytes; `small`: 60 bytes; `tagged`: mixed with up to two VLAN tags, so
    up to 1522 bytes."""
    choice = random.Random(f"{kind} {seed}")
    noise = choice.randbytes(2 * MAX_BYTES)
    for number in range(count):
        size = _size(kind, number, choice)
        ether_type, start = _payload(size - ETHERNET_BYTES, choice)
        to = b"\x01\x00\x5e\x00\x00\x01" if choice.random() < 0.1 else choice.randbytes(5).rjust(6, b"\x02")
        source = b"\x02\x54" + struct.pack("!I", number)
        frame = to + source + _tags(kind, choice) + struct.pack("!H", ether_type) + start
        rest = size - ETHERNET_BYTES - len(start) - 4
        at = choice.randrange(MAX_BYTES)
        yield frame + noise[at:at + rest] + struct.pack("!I", number)
