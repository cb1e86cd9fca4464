#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Judges one round: the file against the frames that were sent, the ledger and the port's counters
against both. Prints every violation, one a line; exit code 1 when there is one.

Reads in the folder: sent.N (inject.py), N.pcap, and N.job.json with N.stats.json (edgecap show and
edgecap stats), or N.record.json (edgecap record --json)."""

import argparse
import json
import os
import struct
import sys

import frames

PCAP_NANOSECONDS = 0xA1B23C4D
LINKTYPE_ETHERNET = 1
SHOWN_BYTES = 48
FCS_BYTES = 4

problems = []


def expect(right, message):
    if not right:
        problems.append(message)


def read_pcap(path):
    """Every record as (time, frame); a file that is cut off or no pcap is an error."""
    with open(path, "rb") as file:
        data = file.read()
    magic, _, _, _, _, _, link = struct.unpack_from("<IHHiIII", data, 0)
    expect(magic == PCAP_NANOSECONDS, f"the file's magic is {magic:#x}")
    expect(link == LINKTYPE_ETHERNET, f"the file's link type is {link}")
    records, at = [], 24
    while at < len(data):
        seconds, nanoseconds, stored, original = struct.unpack_from("<IIII", data, at)
        at += 16
        expect(stored == original, f"record {len(records)}: {stored} of {original} bytes")
        expect(nanoseconds < 10**9, f"record {len(records)}: {nanoseconds} nanoseconds")
        if at + stored > len(data):
            expect(False, f"the file is cut off in record {len(records)}")
            break
        records.append((seconds * 10**9 + nanoseconds, data[at:at + stored]))
        at += stored
    return records


def difference(frame, sent):
    at = next((i for i, (a, b) in enumerate(zip(frame, sent)) if a != b), min(len(frame), len(sent)))
    return (f"{len(frame)} bytes for {len(sent)}, first different at {at}:\n"
            f"  file {frame[:SHOWN_BYTES].hex()}\n  sent {sent[:SHOWN_BYTES].hex()}")


def check_frames(captured, sent, lossless):
    """Each captured frame is one that was sent, whole and in order; with `lossless`, all are there."""
    if lossless:
        expect(len(captured) == len(sent), f"{len(captured)} of {len(sent)} frames are in the file")
        expected = range(len(sent))
    else:
        expected = [frames.number_of(f) for f in captured]
        expect(all(a < b for a, b in zip(expected, expected[1:])), "the frames are not in order")
    for frame, number in zip(captured, expected):
        if number >= len(sent) or frame != sent[number]:
            what = difference(frame, sent[number]) if number < len(sent) else frame.hex()
            expect(False, f"frame {number} is not what was sent: {what}")
            return


def check_job(ledger, captured):
    expect(ledger.get("balanced") is True, "the job's ledger does not say that it is balanced")
    totals = {"packets": len(captured), "bytes": sum(map(len, captured))}
    for unit, total in totals.items():
        l = ledger[unit]
        expect(l["seen"] == l["filtered_out"] + l["matched"] and
               l["matched"] == l["sampled_out"] + l["over_limit"] + l["no_block"] + l["captured"] and
               l["captured"] == l["written"] + l["lost_on_disk"], f"the job's {unit}: {l}")
        expect(l["written"] == total, f"the job's written {unit}: {l['written']}, in file: {total}")
        # No filter, no limit, and blocks for all: each frame seen is in the file.
        expect(l["seen"] == total, f"the job's seen {unit}: {l['seen']}, in the file: {total}")


def check_port(port, ledger, sent, lossless, live):
    offered = port["received_packets"] + port["rx_missed"] + port["rx_nombuf"] + port["rx_errors"]
    expect(port["offered_packets"] == offered, f"the port's counters do not add up: {port}")
    expect(port["rx_nombuf"] == 0 and port["rx_errors"] == 0, f"the port counts errors: {port}")
    if lossless:
        expect(port["rx_missed"] == 0, f"the card says that it missed frames: {port}")
    else:
        expect(port["rx_missed"] > 0, f"the flood was none, the card missed nothing: {port}")
        expect(port["received_packets"] > 0, f"nothing was received: {port}")
    if live:  # No probes, so nothing came before the job.
        expect(offered == sent["frames"], f"sent: {sent['frames']}, offered: {offered}: {port}")
        seen = {unit: ledger[unit]["seen"] for unit in ("packets", "bytes")}
        expect(port["received_packets"] == seen["packets"],
               f"the port received {port['received_packets']} packets, the job saw {seen['packets']}")
        # Some drivers count the frame check sequence, which is not in the file: net_e1000_em.
        expect(port["received_bytes"] - seen["bytes"] in (0, FCS_BYTES * seen["packets"]),
               f"the port received {port['received_bytes']} bytes, the job saw {seen['bytes']}")
    else:
        before = port["received_packets"] - ledger["packets"]["seen"]
        expect(0 <= before <= sent["probes"],
               f"{before} frames received before the job, of {sent['probes']} probes")


def check_workers(workers, port):
    received = 0
    for worker in workers:
        for unit in ("packets", "bytes"):
            expect(worker["received"][unit] == worker["unmatched"][unit] + worker["matched"][unit],
                   f"worker: {worker}")
        received += worker["received"]["packets"]
    expect(received == port["received_packets"],
           f"the workers received {received} packets, the port {port['received_packets']}")


def load(options, name):
    with open(os.path.join(options.folder, name), encoding="utf-8") as file:
        return json.load(file)


def check_round(options):
    number = options.round
    sent = load(options, f"sent.{number}")
    records = read_pcap(os.path.join(options.folder, f"{number}.pcap"))
    times = [time for time, _ in records]
    expect(times == sorted(times), "the times in the file go backwards")
    captured = [frame for _, frame in records]
    main = [frame for frame in captured if not frames.is_probe(frame)]
    expect(len(captured) - len(main) <= sent["probes"], "more probes in the file than were sent")
    check_frames(main, list(frames.frames(options.kind, options.count, number)), options.lossless)
    live = not os.path.exists(os.path.join(options.folder, f"{number}.record.json"))
    if live:
        job = load(options, f"{number}.job.json")
        stats = load(options, f"{number}.stats.json")
        expect(job["status"] == "success", f"the job is {job['status']}: {job}")
        check_workers(stats["workers"], stats["ports"][0])
        ports = stats["ports"]
    else:
        job = load(options, f"{number}.record.json")
        ports = job["ports"]
    expect(len(ports) == 1, f"there is not one port: {ports}")
    check_job(job["ledger"], captured)
    check_port(ports[0], job["ledger"], sent, options.lossless, live)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", choices=frames.KINDS, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--round", type=int, default=1)
    loss = parser.add_mutually_exclusive_group(required=True)
    loss.add_argument("--lossless", action="store_true", help="every frame must be there")
    loss.add_argument("--flooded", action="store_true", help="some must be there, some missed")
    parser.add_argument("folder")
    options = parser.parse_args()
    try:
        check_round(options)
    except (OSError, ValueError, KeyError, struct.error) as error:
        problems.append(f"{type(error).__name__}: {error}")
    for problem in problems[:20]:
        print(problem)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
