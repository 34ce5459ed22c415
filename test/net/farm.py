#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What guests of a farm send and hear, for the tests of MAC rewriting.

farm.py sink ADDRESS PORT, source ADDRESS PORT BYTES     one TCP connection
farm.py listen GROUP PORT OWN, send GROUP PORT TTL OWN   a datagram to a group or to all
farm.py ethertype INTERFACE TYPE COUNT                   frames that are not IP
farm.py spoof INTERFACE FROM TO MAC                      a datagram with another's source
farm.py forge INTERFACE FROM TO MAC COUNT                the same, many times
farm.py claim INTERFACE ADDRESS                          ARP: "the address is mine"
farm.py rarp INTERFACE                                   as QEMU says that a guest has moved
"""
import socket
import struct
import sys
import time

ALL = "255.255.255.255"


def sink(address, port):
    with socket.create_server((address, int(port))) as server:
        print("ready", flush=True)
        connection, _ = server.accept()
        total = 0
        while data := connection.recv(1 << 20):
            total += len(data)
        connection.sendall(str(total).encode())
        connection.close()


def source(address, port, count):
    with socket.create_connection((address, int(port)), timeout=15) as connection:
        connection.sendall(b"\xa5" * int(count))
        connection.shutdown(socket.SHUT_WR)
        if connection.recv(32) != count.encode():
            sys.exit("not all arrived")


def listen(group, port, own):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("" if group == ALL else group, int(port)))
    if group != ALL:
        request = socket.inet_aton(group) + socket.inet_aton(own)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
    sock.settimeout(1.5)
    print("ready", flush=True)
    try:
        print("heard", sock.recvfrom(100)[1][0], flush=True)
    except socket.timeout:
        pass


def send(group, port, ttl, own):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((own, 0))
    if group == ALL:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, int(ttl))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own))
    sock.sendto(b"hello", (group, int(port)))


def raw_socket(interface):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((interface, 0))
    return sock, sock.getsockname()[4]


def ethertype(interface, kind, count):
    sock, own = raw_socket(interface)
    for _ in range(int(count)):
        sock.send(b"\xff" * 6 + own + bytes.fromhex(kind) + b"\xa5" * 46)


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def spoof(interface, origin, to, mac):
    sock, own = raw_socket(interface)
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 36, 0, 0, 64, 17, 0,
                       socket.inet_aton(origin), socket.inet_aton(to))
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    datagram = struct.pack("!HHHH", 1000, 5003, 16, 0) + b"\xa5" * 8
    sock.send(bytes.fromhex(mac.replace(":", "")) + own + b"\x08\x00" + head + datagram)


def forge(interface, origin, to, mac, count):
    for _ in range(int(count)):
        spoof(interface, origin, to, mac)


def rarp(interface):
    sock, own = raw_socket(interface)
    head = b"\x00\x01\x08\x00\x06\x04\x00\x03"
    sock.send(b"\xff" * 6 + own + b"\x80\x35" + head + own + bytes(4) + own + bytes(4 + 18))
    time.sleep(0.2)


def claim(interface, address):
    sock, own = raw_socket(interface)
    address = socket.inet_aton(address)
    arp = b"\x00\x01\x08\x00\x06\x04\x00\x01" + own + address + bytes(6) + address
    sock.send(b"\xff" * 6 + own + b"\x08\x06" + arp + bytes(18))
    time.sleep(0.2)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
