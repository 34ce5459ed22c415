# SPDX-License-Identifier: BSD-2-Clause
"""Sends data through guests' real stacks and compares what comes back.

transfer.py serve                       echoes TCP and UDP on port 5000
transfer.py check ADDRESS...            tests TCP, UDP and UDP superframes with each

TCP data is sent and echoed at the same time, in pieces that make the stack build
segments and superframes of many sizes. A datagram with a wrong checksum never
arrives, so an echo that is missing three times in a row is an error.
"""
import hashlib
import random
import socket
import sys
import threading
import time

PORT = 5000
SIZE = 400_000
DEADLINE = 10  # seconds for one transfer; they take a small part of one
UDP_SEGMENT = 103  # linux/udp.h
DATAGRAMS = [1, 2, 3, 17, 59, 60, 61, 500, 1199, 1400, 4000, 9000]


def echo_tcp(conn):
    with conn:
        while data := conn.recv(65536):
            conn.sendall(data)


def echo_udp(sock):
    while True:
        data, peer = sock.recvfrom(65536)
        sock.sendto(hashlib.sha256(data).digest(), peer)


def serve():
    tcp = socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    udp.bind(("::", PORT))
    threading.Thread(target=echo_udp, args=(udp,), daemon=True).start()
    print("ready", flush=True)
    while True:
        threading.Thread(target=echo_tcp, args=(tcp.accept()[0],), daemon=True).start()


def check_tcp(address):
    data = random.randbytes(SIZE)
    end = time.monotonic() + DEADLINE
    with socket.create_connection((address, PORT), timeout=DEADLINE) as conn:
        def send():
            at = 0
            try:
                while at < len(data):
                    piece = random.choice((1, 100, 1460, 5000, 65536))
                    conn.sendall(data[at:at + piece])
                    at += piece
                conn.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the reader reports it

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        back = bytearray()
        while piece := conn.recv(65536):
            back += piece
            if time.monotonic() > end:
                raise ValueError(f"only {len(back)} bytes came back in {DEADLINE} s")
        sender.join()
    if back != data:
        raise ValueError(f"sent {len(data)} bytes, {len(back)} came back, or others")


def check_udp(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(1)
        sock.connect((address, PORT))
        for size in DATAGRAMS:
            data = random.randbytes(size)
            for _ in range(3):
                sock.send(data)
                try:
                    if sock.recv(100) == hashlib.sha256(data).digest():
                        break
                except TimeoutError:
                    pass
            else:
                raise ValueError(f"a datagram of {size} bytes does not arrive")


def check_udp_superframe(address):
    """One send that the stack, or whoever comes later, cuts into datagrams: large ones, and a few
    so small that all of them are shorter than the shortest frame of an Ethernet."""
    superframe(address, 5 * 1000 + 333, 1000)
    superframe(address, 5, 2)


def superframe(address, length, size):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(1)
        sock.connect((address, PORT))
        data = random.randbytes(length)
        expected = {hashlib.sha256(data[at:at + size]).digest() for at in range(0, len(data), size)}
        for _ in range(3):
            try:
                sock.sendmsg([data], [(socket.SOL_UDP, UDP_SEGMENT, size.to_bytes(2, sys.byteorder))])
            except OSError as error:
                if error.errno == 5:  # EIO: no UDP_SEGMENT without checksum offload
                    return
                raise
            seen = set()
            try:
                while not seen >= expected:
                    seen.add(sock.recv(100))
                if seen > expected:
                    raise ValueError(f"of a superframe of {length} bytes comes what was never sent")
                return
            except TimeoutError:
                pass
        raise ValueError(f"of a superframe's {len(expected)} datagrams {len(seen & expected)} arrive")


def check(addresses):
    failed = False
    for address in addresses:
        for what in (check_tcp, check_udp, check_udp_superframe):
            try:
                what(address)
            except (OSError, ValueError) as error:
                print(f"{what.__name__} {address}: {error}")
                failed = True
    return failed


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    sys.exit(check(sys.argv[2:]))
