# SPDX-License-Identifier: BSD-2-Clause
"""Packets as they might be on the wire of an accelerator, and another user of XDP.

accel.py send INTERFACE MAC GUEST-MAC WHAT...	to a host's MAC address, for a guest behind it
accel.py xdp INTERFACE				an XDP program of somebody else, until its end
accel.py detach PROGRAM				takes the program of this number from where it is attached
"""
import ctypes
import os
import platform
import signal
import socket
import struct
import sys

from scapy.all import ICMP, IP, TCP, UDP, Dot1Q, Ether, Raw, fragment  # pylint: disable=no-name-in-module

PEER, HOST = "192.0.2.1", "192.0.2.2"
ETHERIP = b"\x30\x01"
CALL = {"x86_64": 321, "aarch64": 280}.get(platform.machine(), -1)


def segments(guest, count=3, size=200, port=4000):
    """Consecutive segments of one flow to a closed port of the guest."""
    for number in range(count):
        yield (Ether(dst=guest, src="52:54:00:00:00:01")
               / IP(src="10.0.0.1", dst="10.0.0.2", id=100 + number, flags="DF")
               / TCP(sport=port, dport=9, seq=1 + number * size, ack=1, flags="A", window=1000)
               / Raw(bytes(number + 1 for _ in range(size))))


def outer(mac, inner, header=ETHERIP, src=PEER, dst=HOST, **more):
    return Ether(dst=mac, src="02:00:00:00:00:99") / IP(src=src, dst=dst, proto=97, **more) / Raw(header + bytes(inner))


def wrong(frame):
    """One bit of the payload flipped on the way, and no checksum says so."""
    data = bytearray(bytes(frame))
    data[-1] ^= 1
    return bytes(data)


def packets(what, mac, guest):
    first, second, third = segments(guest)
    if what == "good":
        return [outer(mac, each) for each in (first, second, third)]
    if what == "corrupt":
        return [outer(mac, first), outer(mac, wrong(second)), outer(mac, third)]
    if what == "plain":  # what the XDP program would leave, without its mark
        return [first, second, third, Ether(dst=mac, src="02:00:00:00:00:99") / first.payload,
                Ether(dst=guest) / IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(),
                bytes(16) + bytes(first), b"\x00" * 8 + socket.inet_aton(PEER) + ETHERIP + bytes(first)]
    if what == "foreign":
        return [outer(mac, first, src="198.51.100.7")]
    if what == "unknown":
        return [outer(mac, first, header=b"\x30\x07")]
    if what == "version":
        return [outer(mac, first, header=b"\x40\x01")]
    if what == "elsewhere":  # another host's address
        return [outer(mac, first, dst="192.0.2.3")]
    if what == "tagged":
        packet = outer(mac, first)
        return [Ether(dst=mac, src=packet.src) / Dot1Q(vlan=5) / packet.payload]
    if what == "options":
        return [outer(mac, first, options=b"\x01\x01\x01\x01")]
    if what == "fragments":
        return [Ether(dst=mac, src="02:00:00:00:00:99") / each
                for each in fragment(outer(mac, first).payload, fragsize=120)]
    if what == "padded":
        return [bytes(outer(mac, first)) + bytes(10)]
    if what == "cut":
        return [bytes(outer(mac, first))[:-10]]
    if what == "badsum":
        return [outer(mac, first, chksum=0x1234)]
    if what == "udp":
        return [outer(mac, Ether(dst=guest) / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(dport=9) / Raw(bytes(100)))]
    if what == "inner-tag":
        return [outer(mac, Ether(dst=guest) / Dot1Q(vlan=7) / first.payload)]
    if what == "flood":  # more than a TAP holds, of flows that nobody merges
        return [outer(mac, each) for port in range(1000, 2500) for each in segments(guest, 1, 10, port)]
    if what == "short":
        return [bytes(outer(mac, b""))[:length] for length in range(14, 90)]
    raise SystemExit("what is " + what)


def send(interface, mac, guest, *words):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((interface, 0))
    for what in words:
        for packet in packets(what, mac, guest):
            sock.send(bytes(packet))


def bpf(command, layout, *values):
    """bpf(2), which no library is needed for."""
    attr = struct.pack(layout, *values).ljust(144, b"\0")
    fd = ctypes.CDLL(None, use_errno=True).syscall(CALL, command, ctypes.c_char_p(attr), len(attr))
    if fd < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return fd


def xdp(interface):
    """Passes everything on: r0 = 2; exit."""
    code = ctypes.create_string_buffer(struct.pack("=BBhiBBhi", 0xb7, 0, 0, 2, 0x95, 0, 0, 0))
    text = ctypes.create_string_buffer(b"BSD")
    program = bpf(5, "=IIQQ", 6, 2, ctypes.addressof(code), ctypes.addressof(text))  # BPF_PROG_LOAD
    bpf(28, "=IIII", program, socket.if_nametoindex(interface), 37, 4)  # BPF_LINK_CREATE, in the driver
    print("attached", flush=True)
    signal.pause()


def detach(program):
    """Links have no names: looks for that of the program."""
    number = 0
    while True:
        attr = ctypes.create_string_buffer(struct.pack("=II", number, 0), 144)
        if ctypes.CDLL(None, use_errno=True).syscall(CALL, 31, attr, len(attr)) < 0:  # BPF_LINK_GET_NEXT_ID
            raise SystemExit("no link has program " + program)
        number = struct.unpack("=II", attr.raw[:8])[1]
        fd = bpf(30, "=I", number)  # BPF_LINK_GET_FD_BY_ID
        info = ctypes.create_string_buffer(64)
        bpf(15, "=IIQ", fd, len(info), ctypes.addressof(info))  # BPF_OBJ_GET_INFO_BY_FD
        if struct.unpack("=I", info.raw[8:12])[0] == int(program):
            bpf(34, "=I", fd)  # BPF_LINK_DETACH
            return
        os.close(fd)


if __name__ == "__main__":
    {"send": send, "xdp": xdp, "detach": detach}[sys.argv[1]](*sys.argv[2:])
