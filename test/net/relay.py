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


if __name__ == "__main__":
    {"send": send, "count": count, "watch": watch, "beacon": beacon}[sys.argv[1]](*sys.argv[2:])
