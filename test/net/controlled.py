# SPDX-License-Identifier: BSD-2-Clause
"""What guests do at a controlled junction.

controlled.py serve                        echoes TCP on ports 8080 and 8081, UDP on port 53
controlled.py talk ADDRESS STOP-FILE       a TCP connection to port 8080: a line a time, each
                                           written to stdout when it is back, until the file is there
controlled.py connects ADDRESS PORT [SECONDS]
                                           whether a TCP connection with an echo comes about
controlled.py opens ADDRESS COUNT STOP-FILE
                                           a connection each few milliseconds, until there are so
                                           many; when the file is there, whether each has an echo
controlled.py asks ADDRESS                 whether a UDP question is answered
controlled.py refused ADDRESS PORT         whether a UDP question gets an ICMP error
controlled.py bulk ADDRESS BYTES           so many bytes there and back, at once
controlled.py send INTERFACE HEX COUNT     a frame so often, with another source port each time
"""
import os
import socket
import sys
import threading
import time


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def echo(conn):
    with conn:
        try:
            while data := conn.recv(65536):
                conn.sendall(data)
        except OSError:
            pass


def accept(server):
    while True:
        conn, _ = server.accept()
        threading.Thread(target=echo, args=(conn,), daemon=True).start()


def serve():
    for port in 8080, 8081:
        server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
        threading.Thread(target=accept, args=(server,), daemon=True).start()
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    udp.bind(("::", 53))
    print("ready", flush=True)
    while True:
        data, peer = udp.recvfrom(2048)
        udp.sendto(data, peer)


def talk(address, stop):
    with socket.create_connection((address, 8080), timeout=10) as conn:
        conn.settimeout(60)
        lines = conn.makefile("rw")
        n = 0
        while not os.path.exists(stop):
            lines.write(f"{n}\n")
            lines.flush()
            if lines.readline() != f"{n}\n":
                sys.exit("something else comes back")
            print(n, flush=True)
            n += 1
            time.sleep(0.02)


def connects(address, port, patience=10):
    with socket.create_connection((address, int(port)), timeout=float(patience)) as conn:
        conn.sendall(b"hello")
        if conn.recv(5) != b"hello":
            sys.exit("something else comes back")


def opens(address, count, stop):
    conns = []
    for n in range(int(count)):
        conns.append(socket.create_connection((address, 8080), timeout=20))
        time.sleep(0.003)
    while not os.path.exists(stop):
        time.sleep(0.02)
    for n, conn in enumerate(conns):
        conn.sendall(b"still there?")
        try:
            if conn.recv(12, socket.MSG_WAITALL) != b"still there?":
                sys.exit(f"connection {n} of {count}: something else comes back")
        except OSError as error:
            sys.exit(f"connection {n} of {count}: {error}")
    print("all go on", flush=True)


def question(address, port):
    udp = socket.socket(family(address), socket.SOCK_DGRAM)
    udp.settimeout(1)
    udp.connect((address, port))
    return udp


def asks(address):
    udp = question(address, 53)
    for _ in range(5):
        try:
            udp.send(b"question")
            if udp.recv(100) == b"question":
                return
        except (TimeoutError, ConnectionRefusedError):
            pass
    sys.exit("no answer")


def refused(address, port):
    udp = question(address, int(port))
    for _ in range(5):
        try:
            udp.send(b"question")
            udp.recv(100)
        except ConnectionRefusedError:
            return
        except TimeoutError:
            pass
    sys.exit("no error")


def bulk(address, count):
    count = int(count)
    got = 0
    with socket.create_connection((address, 8080), timeout=20) as conn:
        def send():
            conn.sendall(bytes(count))
            conn.shutdown(socket.SHUT_WR)
        threading.Thread(target=send, daemon=True).start()
        while piece := conn.recv(1 << 18):
            got += len(piece)
    if got != count:
        sys.exit(f"{got} of {count} bytes came back")


def send(interface, text, count):
    frame = bytearray.fromhex(text)
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    out.bind((interface, 0))
    for n in range(int(count)):
        frame[34:36] = (1024 + n % 60000).to_bytes(2, "big")  # behind Ethernet and IPv4
        while True:
            try:
                out.send(frame)
                break
            except OSError:  # the queue is full
                time.sleep(0.001)


globals()[sys.argv[1]](*sys.argv[2:])
