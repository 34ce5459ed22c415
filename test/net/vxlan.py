# SPDX-License-Identifier: BSD-2-Clause
"""Sends odd VXLAN packets to host A, for the tests of what is dropped and counted.

vxlan.py INTERFACE MAC WHAT...                  to host A's interface, see WHAT below
"""
import socket
import struct
import sys

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

VNI = 5002  # of a segment with peers; host B is one
INNER = Ether(src="52:54:00:00:00:88", dst="ff:ff:ff:ff:ff:ff", type=0x88B5) / Raw(b"\xa5" * 46)


def header(vni=VNI, flags=8, reserved=0):
    return struct.pack("!II", flags << 24 | reserved, vni << 8 | reserved & 0xFF)


def packet(vxlan, inner=INNER, source="192.0.2.2", destination="192.0.2.1", port=4789):
    return IP(src=source, dst=destination) / UDP(sport=50000, dport=port, chksum=0) / Raw(vxlan + bytes(inner))


def tagged(vid, tpid=0x8100):
    return Ether(src=INNER.src, dst=INNER.dst, type=tpid) / Dot1Q(vlan=vid, type=0x88B5) / Raw(b"\xa5" * 46)


WHAT = {
    "good": lambda: [packet(header())],
    # Reserved bits are ignored: all of them set.
    "reserved": lambda: [packet(header(flags=0xFF, reserved=0xFFFFFF))],
    "short": lambda: [packet(header()[:n], Raw(b"")) for n in range(8)],
    "flags": lambda: [packet(header(flags=n)) for n in (0, 1, 2, 4, 16, 32, 64, 128, 0xF7)],
    "empty": lambda: [packet(header(), bytes(INNER)[:n]) for n in range(14)],
    "unknown": lambda: [packet(header(vni=n)) for n in (0, 1, VNI + 0x10000, VNI << 8 & 0xFFFFFF, 0xFFFFFF)],
    "foreign": lambda: [packet(header(), source=s) for s in ("192.0.2.77", "198.51.100.7")],
    "own": lambda: [packet(header(), source="192.0.2.1")],
    "tagged": lambda: [packet(header(), tagged(v, t)) for v in (1, 102, 4094) for t in (0x8100, 0x88A8)],
    # VNI 5003 is that of a segment that passes tags.
    "passed": lambda: [packet(header(vni=5003), tagged(102))],
    # VNI 5006 is that of a segment over IPv6: by the wrong family, and without a checksum.
    "family": lambda: [packet(header(vni=5006))],
    "checksum6": lambda: [IPv6(src="2001:db8::2", dst="2001:db8::1") / UDP(sport=50000, dport=4789, chksum=0)
                          / Raw(header(vni=5006) + bytes(INNER))],
}

if __name__ == "__main__":
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    out.bind((sys.argv[1], 0))
    for what in sys.argv[3:]:
        for p in WHAT[what]():
            out.send(bytes(Ether(src="02:00:00:00:00:99", dst=sys.argv[2]) / p))
