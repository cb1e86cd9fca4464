#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sends frames into an emulated card through QEMU's stream socket (a length of four bytes, then the
frame), in rounds, each in step with the guest by files in one folder:

    the guest makes  start.N   probes are sent now, ten a second,
    the guest makes  ready.N   until this; then the frames of round N,
    we make          sent.N    {"frames": ..., "bytes": ..., "probes": ...}: QEMU has read them all.

Stays connected until QEMU ends: QEMU 7.2 crashes when its peer leaves earlier."""

import argparse
import fcntl
import json
import os
import socket
import struct
import sys
import termios
import threading
import time

import frames

POLL_S = 0.02
PROBE_INTERVAL_S = 0.1
PACE_S = 0.001
BURST_FRAMES = 5000  # several times what a receive queue holds
BURST_PAUSE_S = 0.02


class Injector:
    def __init__(self, path, deadline):
        self.deadline = deadline
        self.gone = threading.Event()
        self.socket = self._connect(path)
        threading.Thread(target=self._drain, daemon=True).start()

    def check(self):
        if self.gone.is_set():
            sys.exit("inject.py: QEMU has ended before all was sent")
        if time.monotonic() > self.deadline:
            sys.exit("inject.py: out of time")

    def _connect(self, path):
        while True:
            peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                peer.connect(path)
                return peer
            except OSError:
                peer.close()
                self.check()
                time.sleep(POLL_S)

    # What the guest sends is read and forgotten, or QEMU would wait.
    def _drain(self):
        try:
            while self.socket.recv(1 << 16):
                pass
        except OSError:
            pass
        self.gone.set()

    def send(self, data):
        self.check()
        try:
            self.socket.sendall(data)
        except OSError:
            self.gone.set()
            self.check()

    def wait_for(self, path, meanwhile=lambda: None):
        while not os.path.exists(path):
            self.check()
            meanwhile()
            time.sleep(POLL_S)

    def wait_until_read(self):
        while struct.unpack("i", fcntl.ioctl(self.socket, termios.TIOCOUTQ, b"\0" * 4))[0] > 0:
            self.check()
            time.sleep(POLL_S)

    def wait_for_end(self):
        self.gone.wait(max(0.0, self.deadline - time.monotonic()))


class Prober:
    def __init__(self, injector):
        self.injector = injector
        self.sent = 0
        self.next = 0.0

    def __call__(self):
        if time.monotonic() < self.next:
            return
        self.injector.send(wired(frames.probe()))
        self.sent += 1
        self.next = time.monotonic() + PROBE_INTERVAL_S


def wired(frame):
    return struct.pack("!I", len(frame)) + frame


# Unthrottled, but for pauses in which the guest comes to receive: else it gets one queue full.
def flood(injector, all_frames):
    for at in range(0, len(all_frames), BURST_FRAMES):
        injector.send(b"".join(all_frames[at:at + BURST_FRAMES]))
        time.sleep(BURST_PAUSE_S)


# Never faster: what a busy machine missed is not made good by a burst.
def pace(injector, all_frames, kpps):
    step = max(1, round(kpps * 1000 * PACE_S))
    next_time = time.monotonic()
    for at in range(0, len(all_frames), step):
        injector.send(b"".join(all_frames[at:at + step]))
        next_time = max(next_time + PACE_S, time.monotonic())
        time.sleep(max(0.0, next_time - time.monotonic()))


def run_round(injector, options, number):
    here = lambda name: os.path.join(options.folder, f"{name}.{number}")
    all_frames = [wired(f) for f in frames.frames(options.kind, options.count, number)]
    prober = Prober(injector)
    injector.wait_for(here("start"))
    injector.wait_for(here("ready"), prober)
    if options.kpps == 0:
        flood(injector, all_frames)
    else:
        pace(injector, all_frames, options.kpps)
    injector.wait_until_read()
    report = {"frames": len(all_frames), "bytes": sum(len(f) - 4 for f in all_frames),
              "probes": prober.sent}
    with open(here("sending"), "w", encoding="utf-8") as file:
        json.dump(report, file)
    os.rename(here("sending"), here("sent"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", choices=frames.KINDS, required=True)
    parser.add_argument("--count", type=int, required=True, help="frames in a round")
    parser.add_argument("--kpps", type=float, default=0, help="thousands a second; 0: a flood")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=150, help="seconds, for everything")
    parser.add_argument("socket")
    parser.add_argument("folder")
    options = parser.parse_args()
    injector = Injector(options.socket, time.monotonic() + options.timeout)
    for number in range(1, options.rounds + 1):
        run_round(injector, options, number)
    injector.wait_for_end()


if __name__ == "__main__":
    main()
