#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Numbered frames, and how often each arrives.

count.py send INTERFACE DESTINATION COUNT   sends them, a hundred a second
count.py hear INTERFACE READY   counts until SIGTERM; writes the file READY when it listens;
                                then prints how many numbers came, and the most of one
count.py tell INTERFACE READY   the same of each sender: a line with its address in front
"""
import collections
import os
import signal
import socket
import struct
import sys
import time

ETHERTYPE = 0x88B5  # IEEE 802 local experimental


def send(interface, destination, count):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((interface, 0))
    source = sock.getsockname()[4]
    head = bytes.fromhex(destination.replace(":", "")) + source + struct.pack("!H", ETHERTYPE)
    for number in range(count):
        sock.send(head + struct.pack("!I", number) + bytes(46))
        time.sleep(0.01)


class Stop(Exception):
    pass


def stop(*_):
    raise Stop


def hear(interface, ready, each):
    seen = collections.defaultdict(collections.Counter)
    signal.signal(signal.SIGTERM, stop)
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE))
    sock.bind((interface, ETHERTYPE))
    with open(ready, "w", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")
    try:
        while True:
            data = sock.recv(2048)
            seen[data[6:12].hex(":") if each else ""][struct.unpack("!I", data[14:18])[0]] += 1
    except Stop:
        for sender in sorted(seen) if each else [""]:
            numbers = seen[sender]
            print(f"{sender} {len(numbers)} {max(numbers.values(), default=0)}".strip(), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        hear(sys.argv[2], sys.argv[3], sys.argv[1] == "tell")
