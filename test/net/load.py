#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Guests under load: those who make it, and those who must not suffer from it.

load.py deaf PATH                connects to a port's stream socket and reads nothing
load.py deaf_dgram OWN PEER      the same of a pair of UNIX datagram sockets
load.py deaf_udp OWN PEER        and of UDP, on two ports of 127.0.0.1
load.py deaf_tap IFNAME          and of a TAP that it makes
load.py flood IFNAME FROM TO     small frames to a station, as fast as it can
load.py say IFNAME FROM COUNT    numbered broadcasts, one a millisecond
load.py hear IFNAME COUNT        prints "ready", and how many of those it has heard when all
                                 are there or none has come for a while
"""
import fcntl
import os
import socket
import struct
import subprocess
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


HELLO = b"\xff" * 6 + b"\x52\x54\0\0\0\x77" + LOAD + bytes(46)


def deaf_dgram(own, peer):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(own)
    sock.sendto(HELLO, peer)
    time.sleep(1000)


def deaf_udp(own, peer):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", int(own)))
    sock.sendto(HELLO, ("127.0.0.1", int(peer)))
    time.sleep(1000)


def deaf_tap(name):
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x1002))  # TAP, no header
    subprocess.run(["ip", "link", "set", name, "up"], check=True)
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
    {"deaf": deaf, "deaf_dgram": deaf_dgram, "deaf_udp": deaf_udp, "deaf_tap": deaf_tap, "flood": flood,
     "say": say, "hear": hear}[sys.argv[1]](*sys.argv[2:])
