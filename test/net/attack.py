# SPDX-License-Identifier: BSD-2-Clause
"""What a hostile guest, or a careless client of the control socket, may do.

attack.py lies INTERFACE SOURCE DESTINATION COUNT   virtio-net headers that lie
attack.py super INTERFACE SOURCE DESTINATION SIZE SECONDS
                             TCP superframes of 60,000 bytes in segments of SIZE
attack.py macs INTERFACE DESTINATION COUNT          frames, each from another source
attack.py storm INTERFACE SOURCE SECONDS            broadcasts as fast as possible
attack.py ask SOCKET SECONDS     asks for the status; prints the longest wait in ms
attack.py stall SOCKET SECONDS   subscribes to events, and reads none of them
"""
import random
import socket
import struct
import sys
import time

SOL_PACKET = 263
PACKET_VNET_HDR = 15
FILL = b"\xa5"
NEEDS_CSUM = 1
GSO = (0, 1, 3, 4, 5, 0x81, 0x84)
GSO_TCP4 = 1
TCP_CSUM = 16


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def guest_socket(interface, vnet=False):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    if vnet:
        sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    sock.bind((interface, 0))
    return sock


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(source, destination, protocol, payload):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0,
                         socket.inet_aton("10.0.0.1"), socket.inet_aton("10.0.0.99"))
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return mac(destination) + mac(source) + b"\x08\x00" + header + payload


def ipv6(source, destination, protocol, payload):
    header = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + bytes(15) + b"\1" + bytes(15) + b"\2"
    return mac(destination) + mac(source) + b"\x86\xdd" + header + payload


def tcp(length):
    return struct.pack("!HHIIBBHHH", 1234, 80, 1, 1, 5 << 4, 0x10, 1000, 0, 0) + FILL * length


def udp(length):
    return struct.pack("!HHHH", 1, 2, 8 + length, 0) + FILL * length


def header(flags, gso, size, start, offset, length=54):
    return struct.pack("=BBHHHH", flags, gso, length, size, start, offset)


def frames(source, destination):
    for length in (0, 1, 100, 1400, 8000):
        yield ipv4(source, destination, 6, tcp(length))
        yield ipv4(source, destination, 17, udp(length))
        yield ipv6(source, destination, 6, tcp(length))
        yield mac(destination) + mac(source) + b"\x88\xb5" + FILL * length
    whole = ipv4(source, destination, 6, tcp(3000))
    yield whole[:12] + b"\x81\x00\x00\x05" + whole[12:]
    yield whole[:12] + b"\x81\x00\x00\x00" + whole[12:]
    yield ipv6(source, destination, 0, b"\x06\x00" + bytes(6) + tcp(3000))
    yield ipv6(source, destination, 44, b"\x06\x00" + bytes(6) + tcp(3000))


def lies(interface, source, destination, count):
    """Many are refused by the guest's kernel; what it lets through is ours to judge."""
    sock = guest_socket(interface, vnet=True)
    honest = list(frames(source, destination))
    dice = random.Random(1)
    sent = 0
    for _ in range(int(count)):
        frame = bytearray(dice.choice(honest))
        for _ in range(dice.choice((0, 0, 1, 3))):
            frame[dice.randrange(12, min(len(frame), 80))] = dice.randrange(256)
        lie = header(dice.randrange(4), dice.choice(GSO), dice.choice((0, 1, 2, 8, 536, 1448, 9000, 65535)),
                     dice.choice((0, 14, 34, 54, len(frame) - 2, len(frame), 65535)),
                     dice.choice((0, 6, 10, 16, 16, 65535)), dice.choice((0, 14, 34, 54, 200)))
        try:
            sock.send(lie + bytes(frame))
            sent += 1
        except OSError:
            pass
    print(sent)


def superframes(interface, source, destination, size, seconds):
    sock = guest_socket(interface, vnet=True)
    data = header(NEEDS_CSUM, GSO_TCP4, int(size), 34, TCP_CSUM)
    data += ipv4(source, destination, 6, tcp(60000))
    flood(sock, [data], float(seconds))


def flood(sock, messages, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for message in messages:
            try:
                sock.send(message)
            except OSError:
                pass


def macs(interface, destination, count):
    sock = guest_socket(interface)
    for i in range(int(count)):
        try:
            sock.send(mac(destination) + b"\x02\x66" + struct.pack("!I", i) + b"\x88\xb5" + FILL * 46)
        except OSError:
            pass


def storm(interface, source, seconds):
    data = b"\xff" * 6 + mac(source) + b"\x88\xb5" + FILL * 46
    flood(guest_socket(interface), [data] * 64, float(seconds))


def connect(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(30)
    sock.connect(path)
    return sock


def ask(path, seconds):
    end = time.monotonic() + float(seconds)
    worst = 0
    while time.monotonic() < end:
        begin = time.monotonic()
        with connect(path) as sock:
            sock.sendall(b'{"do":"status"}\n')
            answer = b""
            while not answer.endswith(b"\n"):
                more = sock.recv(65536)
                if not more:
                    sys.exit("no answer")
                answer += more
        worst = max(worst, time.monotonic() - begin)
        time.sleep(0.01)
    print(int(worst * 1000))


def stall(path, seconds):
    with connect(path) as sock:
        sock.sendall(b'{"do":"monitor"}\n')
        time.sleep(float(seconds))


if __name__ == "__main__":
    {"lies": lies, "super": superframes, "macs": macs, "storm": storm, "ask": ask,
     "stall": stall}[sys.argv[1]](*sys.argv[2:])
