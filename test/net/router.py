# SPDX-License-Identifier: BSD-2-Clause
"""A guest that routes IPv4 between VLANs on one interface, for the tests of trunk ports.

router.py INTERFACE MAC VID:ADDRESS...     VID 0 stands for frames without a tag

Each address is the router's in a /24. Superframes and checksums that are not filled in
pass as they are, with the virtio-net header of the packet socket. Prints "ready", and
then a line "VID segments SIZE" for the first superframe of each VLAN.
"""
import socket
import struct
import sys

from vlan import AUXDATA, SOL_PACKET, checksum, mac

VNET_HDR = 15
IGNORE_OUTGOING = 23
HEADER = "<BBHHHH"  # flags, GSO type, header length, GSO size, checksum start and offset
HEADER_LEN = struct.calcsize(HEADER)
NEEDS_CSUM = 1


class Router:
    def __init__(self, interface, own, places):
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        for option in (AUXDATA, VNET_HDR, IGNORE_OUTGOING):
            self.sock.setsockopt(SOL_PACKET, option, 1)
        self.sock.bind((interface, 3))
        self.own = mac(own)
        self.places = {}  # by VID
        for place in places:
            vid, _, text = place.partition(":")
            self.places[int(vid)] = socket.inet_aton(text)
        self.neighbours = {}  # MAC addresses by VID and address
        self.told = set()

    def send(self, vid, frame, header=(0, 0, 0, 0, 0, 0)):
        """With the tag of the VLAN, and the offsets behind it."""
        header = list(header)
        if vid:
            frame = frame[:12] + struct.pack("!HH", 0x8100, vid) + frame[12:]
            if header[2]:
                header[2] += 4
            if header[0] & NEEDS_CSUM:
                header[4] += 4
        try:
            self.sock.send(struct.pack(HEADER, *header) + frame)
        except OSError as error:
            print(f"cannot send in VLAN {vid}: {error}", file=sys.stderr, flush=True)

    def arp(self, vid, operation, target_mac, target):
        body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + self.own + self.places[vid]
        to = b"\xff" * 6 if operation == 1 else target_mac
        self.send(vid, to + self.own + b"\x08\x06" + body + target_mac + target + bytes(18))

    def heard_arp(self, vid, body):
        operation = struct.unpack("!H", body[6:8])[0]
        self.neighbours[vid, body[14:18]] = body[8:14]
        if operation == 1 and body[24:28] == self.places[vid]:
            self.arp(vid, 2, body[8:14], body[14:18])

    def echo(self, vid, frame):
        """Answers a ping to the router itself."""
        body = bytearray(frame[14:])
        del body[struct.unpack("!H", body[2:4])[0]:]
        if body[9] != 1 or body[20] != 8:
            return
        body[12:16], body[16:20] = body[16:20], body[12:16]
        body[20] = 0
        body[22:24] = b"\0\0"
        icmp = bytes(body[20:]) + b"\0" * (len(body) % 2)
        body[22:24] = struct.pack("!H", checksum(icmp))
        self.send(vid, frame[6:12] + self.own + frame[12:14] + bytes(body))

    def route(self, vid, frame, header):
        ip = bytearray(frame[14:34])
        to = bytes(ip[16:20])
        if to in self.places.values():
            self.echo(vid, frame)
            return
        for out, place in self.places.items():
            if place[:3] != to[:3]:
                continue
            there = self.neighbours.get((out, to))
            if not there:
                self.arp(out, 1, bytes(6), to)
                return
            ip[8] -= 1
            ip[10:12] = b"\0\0"
            ip[10:12] = struct.pack("!H", checksum(bytes(ip)))
            self.send(out, there + self.own + frame[12:14] + bytes(ip) + frame[34:], header)

    def take(self):
        data, control, _, _ = self.sock.recvmsg(70000, 256)
        header, frame, vid = struct.unpack(HEADER, data[:HEADER_LEN]), data[HEADER_LEN:], 0
        for level, kind, aux in control:
            if level == SOL_PACKET and kind == AUXDATA:
                status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", aux[:20])
                if status & 0x10:
                    vid = tci & 0xFFF if tpid == 0x8100 else None
        if vid not in self.places or len(frame) < 42:
            return
        if header[1] and vid not in self.told:
            self.told.add(vid)
            print(vid, "segments", header[3], flush=True)
        if frame[12:14] == b"\x08\x06":
            self.heard_arp(vid, frame[14:])
        elif frame[12:14] == b"\x08\x00" and frame[:6] == self.own and frame[14] == 0x45:
            self.neighbours.setdefault((vid, frame[26:30]), frame[6:12])
            self.route(vid, frame, header)


if __name__ == "__main__":
    router = Router(sys.argv[1], sys.argv[2], sys.argv[3:])
    print("ready", flush=True)
    while True:
        router.take()
