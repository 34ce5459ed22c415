# SPDX-License-Identifier: BSD-2-Clause
"""Counts copies of broadcasts, and speaks as a relay that is none.

relay.py send INTERFACE SOURCE COUNT [INTERVAL [DESTINATION]]
                                                 numbered frames, INTERVAL seconds apart, to
                                                 everybody if nothing else is said
relay.py count INTERFACE                         counts them until a line comes on stdin,
                                                 then prints for each source: frames copies
relay.py watch INTERFACE SOURCE                  prints 0 when the first of this source comes,
                                                 and the length of each pause of more than 0.1 s
relay.py beacon INTERFACE MAC [STATE [NUMBER [TYPE]]]   a forged beacon
relay.py flood INTERFACE ADDRESS DST SECONDS STATES NUMBERS
                                                 forged beacons in EtherIP of segment 1, to DST,
                                                 as fast as can be; STATES in turns, NUMBERS one
                                                 or FIRST-LAST; "own": what was heard of DST
"""
import select
import socket
import struct
import sys
import time

TYPE = b"\x88\xb5"
MARK = b"relaytest"


def raw(interface, protocol=0):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
    sock.bind((interface, protocol))
    return sock


def octets(mac):
    return bytes.fromhex(mac.replace(":", ""))


def send(interface, source, count, interval="0.001", destination="ff:ff:ff:ff:ff:ff"):
    sock = raw(interface)
    begin = time.monotonic()
    for n in range(int(count)):
        wait = begin + n * float(interval) - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        sock.send(octets(destination) + octets(source) + TYPE + MARK + struct.pack("!I", n) + bytes(30))


def read(sock):
    """The source and number of one of our frames, or None."""
    data, where = sock.recvfrom(2048)
    if where[2] == socket.PACKET_OUTGOING or data[12:14] != TYPE or data[14:14 + len(MARK)] != MARK:
        return None
    return data[6:12].hex(":"), struct.unpack_from("!I", data, 14 + len(MARK))[0]


def count(interface):
    sock = raw(interface, 0x88B5)
    seen = {}
    print("ready", flush=True)
    stop = False
    while True:
        ready, _, _ = select.select([sock] if stop else [sock, sys.stdin], [], [], 0.5 if stop else None)
        if sys.stdin in ready:
            stop = True
        if stop and not ready:
            break
        if sock in ready:
            got = read(sock)
            if got:
                seen.setdefault(got[0], []).append(got[1])
    for source, numbers in sorted(seen.items()):
        print(source, len(set(numbers)), len(numbers))


def watch(interface, source):
    sock = raw(interface, 0x88B5)
    last = None
    print("ready", flush=True)
    while True:
        got = read(sock)
        if not got or got[0] != source:
            continue
        now = time.monotonic()
        if last is None or now - last > 0.1:
            print(f"{0 if last is None else now - last:.2f}", flush=True)
        last = now


def beacon(interface, mac, state="3", number="1", kind="88b6"):
    sock = raw(interface)
    sock.send(octets("03:52:45:4c:41:59") + octets(mac) + bytes.fromhex(kind) + b"TVDR" +
              struct.pack("!BBBBIQ", 1, int(state), 1, 0, int(number), 0x1234567) + bytes(26))


def checksum(data):
    n = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while n >> 16:
        n = (n & 0xFFFF) + (n >> 16)
    return ~n & 0xFFFF


def heard(sock, address):
    """The last beacon that an address has sent, with its own words."""
    while True:
        data, where = sock.recvfrom(2048)
        if where[2] != socket.PACKET_OUTGOING and data[26:30] == address and octets("03:52:45:4c:41:59") == data[36:42]:
            return data[36:]


def flood(interface, address, to, seconds, states, numbers):
    sock = raw(interface)
    listener = raw(interface, 0x0800)
    source, target = socket.inet_aton(address), socket.inet_aton(to)
    first, _, last = numbers.partition("-")
    with open(f"/sys/class/net/{interface}/address") as file:
        own = octets(file.read().strip())
    listener.settimeout(5)
    example = heard(listener, target)  # it has a MAC address, too
    listener.close()
    neighbour = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    neighbour.sendto(b"", (to, 9))
    mac = b""
    while not mac:
        with open("/proc/net/arp") as file:
            mac = b"".join(octets(line.split()[3]) for line in file if line.split()[0] == to and line.split()[2] != "0x0")
    packets = []
    span = range(int(first), min(int(last or first), int(first) + 4095) + 1)
    for n in span:
        for state in states.split(","):
            if state == "own":
                beacon = example
            else:
                beacon = (octets("03:52:45:4c:41:59") + octets("02:52:00:00:00:66") + b"\x88\xb6TVDR" +
                          struct.pack("!BBBBIQ", 1, int(state), 1, 0, n, 0x1234567) + bytes(26))
            head = struct.pack("!BBHHHBBH", 0x45, 0, 22 + len(beacon), 0, 0, 1, 97, 0) + source + target
            head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
            packets.append(mac + own + b"\x08\x00" + head + b"\x30\x01" + beacon)
    end, sent = time.monotonic() + float(seconds), 0
    while time.monotonic() < end:
        for packet in packets:
            try:
                sock.send(packet)
                sent += 1
            except OSError:
                time.sleep(0.001)
    print(sent)


if __name__ == "__main__":
    {"send": send, "count": count, "watch": watch, "beacon": beacon, "flood": flood}[sys.argv[1]](*sys.argv[2:])
