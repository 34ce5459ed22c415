# SPDX-License-Identifier: BSD-2-Clause
"""EtherIP packets by hand, right and wrong.

outer.py INTERFACE MAC SOURCE DESTINATION ID [KEY=VALUE]...

Sends one packet of protocol 97 in a frame to MAC, of IPv4 or IPv6 as the addresses are.
The frame inside has a group address as its source, so that who takes the packet counts
a drop of bad_source, and does nothing else. Keys:

size=N      bytes of the frame inside (default 60)
count=N     so many packets
cut=N       as fragments, of N bytes of payload each but for the last
options=N   so many bytes of IP options
sum=N       added to the checksum
total=N     added to the length in the IP header
protocol=N  instead of 97
vlan=N      with a tag of this VLAN (0: a priority alone)
pad=N       bytes behind the packet
"""
import ipaddress
import socket
import struct
import sys


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def fragments(payload, cut):
    """Offset, whether more follow, and bytes of each part."""
    step = cut or len(payload)
    for offset in range(0, len(payload), step):
        yield offset, offset + step < len(payload), payload[offset:offset + step]


def ipv4(source, destination, payload, keys, number):
    options = bytes([1] * keys["options"])  # no operation
    for offset, more, part in fragments(payload, keys["cut"]):
        header = struct.pack("!BBHHHBBH4s4s", 0x45 + len(options) // 4, 0,
                             20 + len(options) + len(part) + keys["total"], number, more << 13 | offset // 8, 64,
                             keys["protocol"], 0, source.packed, destination.packed) + options
        value = (checksum(header) + keys["sum"]) & 0xFFFF
        yield header[:10] + struct.pack("!H", value) + header[12:] + part


def ipv6(source, destination, payload, keys, number):
    for offset, more, part in fragments(payload, keys["cut"]):
        following = keys["protocol"]
        if keys["cut"]:
            part = struct.pack("!BBHI", following, 0, offset | more, number) + part
            following = 44
        yield struct.pack("!IHBB", 6 << 28, len(part) + keys["total"], following,
                          64) + source.packed + destination.packed + part


def main():
    keys = {"size": 60, "count": 1, "cut": 0, "options": 0, "sum": 0, "total": 0, "protocol": 97, "vlan": -1, "pad": 0}
    interface, mac, source, destination, network = sys.argv[1:6]
    for word in sys.argv[6:]:
        key, value = word.split("=")
        keys[key] = int(value)
    source, destination = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    inner = bytes.fromhex("525400000001" + "030000000001" + "88b5") + bytes(keys["size"] - 14)
    payload = struct.pack("!H", 0x3000 | int(network)) + inner
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((interface, 0))
    ethernet = bytes.fromhex(mac.replace(":", "")) + sock.getsockname()[4]
    if keys["vlan"] >= 0:
        ethernet += struct.pack("!HH", 0x8100, keys["vlan"])
    make, kind = (ipv6, b"\x86\xdd") if source.version == 6 else (ipv4, b"\x08\x00")
    for number in range(1, keys["count"] + 1):
        for packet in make(source, destination, payload, keys, number):
            sock.send(ethernet + kind + packet + bytes(keys["pad"]))


main()
