# SPDX-License-Identifier: BSD-2-Clause
"""Multicast of guests.

groups.py member GROUP SECONDS   joins, says "ready", then how many packets of the group came
groups.py send GROUP COUNT       sends so many packets to a group, one each 20 ms
"""
import select
import socket
import struct
import sys
import time

PORT = 5999
WORD = b"tvdswitch"


def open_socket(group):
    six = ":" in group
    sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return sock, six


def member(group, seconds):
    sock, six = open_socket(group)
    sock.bind((group, PORT))
    if six:
        index = socket.if_nametoindex("eth0")
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, group) +
                        struct.pack("=I", index))
    else:
        request = struct.pack("=4s4si", socket.inet_aton(group), b"\0" * 4, socket.if_nametoindex("eth0"))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
    print("ready", flush=True)
    end, count = time.monotonic() + float(seconds), 0
    while time.monotonic() < end:
        if select.select([sock], [], [], max(0, end - time.monotonic()))[0]:
            count += sock.recv(100) == WORD
    print("packets", count, flush=True)


def send(group, count):
    sock, six = open_socket(group)
    if six:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex("eth0"))
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 4)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                        struct.pack("=4s4si", b"\0" * 4, b"\0" * 4, socket.if_nametoindex("eth0")))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 4)
    for _ in range(int(count)):
        sock.sendto(WORD, (group, PORT))
        time.sleep(0.02)


if __name__ == "__main__":
    {"member": member, "send": send}[sys.argv[1]](*sys.argv[2:])
