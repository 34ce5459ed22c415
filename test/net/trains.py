# SPDX-License-Identifier: BSD-2-Clause
"""Sends runs of frames to 192.0.2.1 as a peer would.

trains.py tcp           VXLAN of VNI 5001 in trains, datagrams that the kernel joins or cuts:
                        TCP segments to 10.0.0.1 (52:54:00:00:00:01), some with a bit turned
                        in the payload; prints how many are bad, and how many good
trains.py odd SECONDS   trains of all sizes, whole, cut, garbage; prints how many
trains.py etherip ID MAC IP
trains.py vlan VID MAC IP
                        one burst of such segments to that guest, packet by packet: EtherIP
                        with that identifier, or frames on eth0 with that VLAN's tag
trains.py flood ID COUNT
trains.py vxflood COUNT
                        so many packets of EtherIP, or of VXLAN, as fast as they go
"""
import random
import socket
import struct
import sys
import time

TO = ("192.0.2.1", 4789)
UDP_SEGMENT = 103
GUEST, STRANGER = bytes.fromhex("525400000001"), bytes.fromhex("525400000077")
VXLAN = struct.pack("!II", 8 << 24, 5001 << 8)
OVERHEAD = len(VXLAN) + 14 + 40


def checksum(data):
    data += bytes(len(data) % 2)
    n = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while n >> 16:
        n = (n & 0xFFFF) + (n >> 16)
    return ~n & 0xFFFF


def segment(port, seq, payload, bad, mac=GUEST, to="10.0.0.1"):
    src, dst = socket.inet_aton("10.0.0.77"), socket.inet_aton(to)
    tcp = bytearray(struct.pack("!HHIIBBHHH", port, 80, seq & 0xFFFFFFFF, 1, 0x50, 0x10, 500, 0, 0) + payload)
    pseudo = src + dst + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(tcp))
    struct.pack_into("!H", tcp, 16, checksum(pseudo + bytes(tcp)))
    if bad:
        tcp[random.randrange(20, len(tcp))] ^= 1 << random.randrange(8)
    ip = bytearray(struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, socket.IPPROTO_TCP, 0) + src + dst)
    struct.pack_into("!H", ip, 10, checksum(bytes(ip)))
    return mac + STRANGER + b"\x08\x00" + bytes(ip) + bytes(tcp)


def send(sock, data, size):
    sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, size)
    sock.sendto(data, TO)


def tcp(sock):
    bad = good = 0
    for n in range(300):
        size = random.choice((1, 7, 100, 500, 1000))
        seq, train = random.getrandbits(32), b""
        for _ in range(random.randrange(2, min(60, 60000 // (size + OVERHEAD)))):
            wrong = random.random() < 0.2
            train += VXLAN + segment(1000 + n, seq, random.randbytes(1) * size, wrong)
            seq += size
            bad += wrong
            good += not wrong
        send(sock, train, size + OVERHEAD)
        time.sleep(0.002)
    print(bad, good)


def burst(mac, to):
    """Segments of a few flows, each in order, one behind the other."""
    bad = good = 0
    for flow in range(4):
        seq = random.getrandbits(32)
        port = random.randrange(2000, 60000)
        for _ in range(60):
            wrong = random.random() < 0.2
            yield segment(port, seq, bytes([flow]) * 1000, wrong, bytes.fromhex(mac.replace(":", "")), to)
            seq += 1000
            bad += wrong
            good += not wrong
    print(bad, good)


def etherip(_, number, mac, to):
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, 97)
    for frame in burst(mac, to):
        sock.sendto(struct.pack("!H", 0x3000 | int(number)) + frame, ("192.0.2.1", 0))


def vlan(_, vid, mac, to):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind(("eth0", 0))
    for frame in burst(mac, to):
        sock.send(frame[:12] + struct.pack("!HH", 0x8100, int(vid)) + frame[12:])


def flood(_, number, count):
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, 97)
    packet = struct.pack("!H", 0x3000 | int(number)) + bytes.fromhex("525400000066") + STRANGER + b"\x88\xb5" + bytes(60)
    for _ in range(int(count)):
        sock.sendto(packet, ("192.0.2.1", 0))


def vxflood(sock, count):
    packet = VXLAN + bytes.fromhex("525400000066") + STRANGER + b"\x88\xb5" + bytes(60)
    for _ in range(int(count)):
        sock.sendto(packet, TO)


def odd(sock, seconds):
    end, n = time.monotonic() + float(seconds), 0
    while time.monotonic() < end:
        size = random.choice((0, 1, 2, 7, 8, 9, 21, 22, 23, 50, 100, 1400, 1472))
        length = random.choice((0, 1, 7, 8, 22, 3 * size, 60 * size + 1, random.randrange(65508), 65507))
        if size:
            length = min(length, 60 * size)
        data = bytearray(random.randbytes(length))
        for at in range(0, length - len(VXLAN), max(size, 22)):
            if random.random() < 0.8:
                data[at:at + len(VXLAN)] = VXLAN
        try:
            send(sock, data, size)
            n += 1
        except OSError:
            pass
    print(n)


if __name__ == "__main__":
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
    {"tcp": tcp, "odd": odd, "etherip": etherip, "vlan": vlan, "flood": flood,
     "vxflood": vxflood}[sys.argv[1]](out, *sys.argv[2:])
