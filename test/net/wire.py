# SPDX-License-Identifier: BSD-2-Clause
"""Sends odd frames and packets, for the tests of what is dropped and counted.

wire.py guest INTERFACE SOURCE DESTINATION      frames of 14 to 70 bytes from a guest
wire.py wire INTERFACE WHAT...                  IPv4 packets from the wire, see WIRE

Every byte that is not a header is 0xA5: whatever else arrives was never sent.
"""
import socket
import sys

from scapy.layers.inet import IP, fragment
from scapy.layers.l2 import Ether
from scapy.packet import Raw

FILL = b"\xa5"
HOST_A = "192.0.2.1"
FROM = Ether(src="02:00:00:00:00:99")


def raw_socket(interface):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((interface, 0))
    return sock


def frame(destination, source, length):
    header = bytes.fromhex(destination.replace(":", "") + source.replace(":", "")) + b"\x88\xb5"
    return (header + FILL * 70)[:length]


def guest(interface, source, destination):
    sock = raw_socket(interface)
    for length in range(14, 71):
        sock.send(frame(destination, source, length))


INNER = frame("ff:ff:ff:ff:ff:ff", "52:54:00:00:00:88", 60)
GROUP = "239.192.0.1"


def packet(payload, destination=GROUP, source="192.0.2.9", **more):
    return FROM / IP(src=source, dst=destination, proto=97, ttl=1, **more) / Raw(payload)


def lengths():
    """EtherIP with inner frames of 0 to 70 bytes."""
    for length in range(0, 71):
        yield packet(b"\x30\x01" + frame("ff:ff:ff:ff:ff:ff", "52:54:00:00:00:88", length))


def fragments():
    """A whole EtherIP packet in two outer fragments."""
    yield from fragment(packet(b"\x30\x01" + INNER, id=77), fragsize=40)


WIRE = {
    "lengths": lengths,
    "truncated": lambda: [packet(b""), packet(b"\x30")],
    "version": lambda: [packet(bytes([n << 4 | 0]) + b"\x01" + INNER) for n in range(16) if n != 3],
    "unknown": lambda: [packet((0x3000 | n).to_bytes(2, "big") + INNER) for n in (0, 7, 256, 4095)],
    "foreign": lambda: [packet(b"\x30\x01" + INNER, source="198.51.100.7")],
    "own": lambda: [packet(b"\x30\x01" + INNER, source=HOST_A)],
    "source": lambda: [packet(b"\x30\x01" + frame("ff:ff:ff:ff:ff:ff", s, 60))
                       for s in ("00:00:00:00:00:00", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff")],
    "reserved": lambda: [packet(b"\x30\x01" + frame(f"01:80:c2:00:00:{n:02x}", "52:54:00:00:00:88", 60))
                         for n in range(16)],
    "fragments": fragments,
    "good": lambda: [packet(b"\x30\x01" + INNER)],
}

if __name__ == "__main__":
    if sys.argv[1] == "guest":
        guest(*sys.argv[2:5])
    else:
        out = raw_socket(sys.argv[2])
        for what in sys.argv[3:]:
            for p in WIRE[what]():
                last = p[IP]
                # A group's Ethernet address, or the one that is asked for on the command line.
                p[Ether].dst = "01:00:5e:40:00:01"
                del last.chksum
                out.send(bytes(p))
