#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Guests under load: those who make it, and those who must not suffer from it.

load.py deaf PATH                connects to a port's stream socket and reads nothing
load.py flood IFNAME FROM TO     small frames to a station, as fast as it can
load.py say IFNAME FROM COUNT    numbered broadcasts, one a millisecond
load.py hear IFNAME COUNT        prints "ready", and how many of those it has heard when all
                                 are there or none has come for a while
"""
import socket
import struct
import sys
import time

LOAD, NUMBERED = b"\x88\xb5", b"\x88\xb6"
SO_RCVBUFFORCE = 33


def octets(mac):
    return bytes.fromhex(mac.replace(":", ""))


def packets(interface, ethertype=0):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ethertype))
    sock.bind((interface, ethertype))
    return sock


def deaf(path):
    while True:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(path)
            break
        except OSError:
            time.sleep(0.05)
    time.sleep(1000)


def flood(interface, source, destination):
    sock = packets(interface)
    frame = octets(destination) + octets(source) + LOAD + bytes(46)
    while True:
        try:
            sock.send(frame)
        except OSError:  # its own queue is full
            pass


def say(interface, source, count):
    sock = packets(interface)
    for number in range(int(count)):
        sock.send(b"\xff" * 6 + octets(source) + NUMBERED + struct.pack(">I", number) + bytes(1400))
        time.sleep(0.001)


def hear(interface, count):
    sock = packets(interface, int.from_bytes(NUMBERED, "big"))
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
    sock.settimeout(10)
    numbers = set()
    print("ready", flush=True)
    try:
        while len(numbers) < int(count):
            numbers.add(struct.unpack(">I", sock.recv(2048)[14:18])[0])
    except TimeoutError:
        pass
    print("heard", len(numbers), flush=True)


if __name__ == "__main__":
    {"deaf": deaf, "flood": flood, "say": say, "hear": hear}[sys.argv[1]](*sys.argv[2:])
