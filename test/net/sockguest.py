# SPDX-License-Identifier: BSD-2-Clause
"""A guest on a socket, as QEMU would be, or one that misbehaves.

sockguest.py guest NETNS MAC WAY ADDRESS...   a TAP eth0 in NETNS, joined to a socket:
    stream-connect AT | stream-listen AT | dgram OWN PEER | udp OWN PEER
    where an address is a path or HOST:PORT; connections are made again when lost
sockguest.py odd WHAT AT                      a stream's peer, see ODD
sockguest.py foreign AT COUNT                 datagrams of a stranger to a UNIX socket
sockguest.py halves, late, shout, listen_for_host   see there
"""
import ctypes
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys
import time

FRAME = b"\xff" * 6 + b"\x52\x54\0\0\0\x99" + b"\x88\xb5" + b"\xa5" * 46
CLONE_NEWNET = 0x40000000


def address(text):
    if text.startswith("/"):
        return socket.AF_UNIX, text
    host, port = text.rsplit(":", 1)
    return socket.AF_INET, (host, int(port))


def connect(text):
    family, where = address(text)
    sock = socket.socket(family, socket.SOCK_STREAM)
    while True:
        try:
            sock.connect(where)
            return sock
        except OSError:
            time.sleep(0.05)


def listen(text):
    family, where = address(text)
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(where)
    sock.listen()
    return sock


def whole(sock, count):
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


class Stream:
    def __init__(self, again):
        self.again = again
        self.sock = again()

    def fileno(self):
        return self.sock.fileno()

    def lost(self):
        print("lost", flush=True)
        self.sock.close()
        self.sock = self.again()

    def recv(self):
        try:
            return whole(self.sock, struct.unpack(">I", whole(self.sock, 4))[0])
        except (EOFError, OSError):
            self.lost()
            return b""

    def send(self, frame):
        try:
            self.sock.sendall(struct.pack(">I", len(frame)) + frame)
        except OSError:
            self.lost()


class Datagrams:
    def __init__(self, own, peer):
        family, self.own = address(own)
        self.peer = address(peer)[1]
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.bind(self.own)

    def fileno(self):
        return self.sock.fileno()

    def recv(self):
        try:
            return self.sock.recv(70000)
        except OSError as error:
            print("refused", error, flush=True)
            return b""

    def send(self, frame):
        try:
            self.sock.sendto(frame, self.peer)
        except OSError as error:
            print("refused", error, flush=True)  # the switch is away: QEMU goes on, too


def enter(path):
    with open(path) as f:
        if ctypes.CDLL(None, use_errno=True).setns(f.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


def tap(netns, mac):
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    enter(f"/run/netns/{netns}")
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", b"eth0", 0x1002))  # TAP, no header
    subprocess.run(["ip", "link", "set", "eth0", "address", mac, "up"], check=True)
    enter(f"/proc/self/fd/{home}")  # where connections are made
    return fd


def guest(netns, mac, way, *at):
    if way == "stream-connect":
        sock = Stream(lambda: connect(at[0]))
    elif way == "stream-listen":
        listener = listen(at[0])
        print("ready", flush=True)
        sock = Stream(lambda: listener.accept()[0])
    else:
        sock = Datagrams(*at)
    fd = tap(netns, mac)
    print("up", flush=True)
    while True:
        for ready in select.select([sock, fd], [], [])[0]:
            if ready == fd:
                sock.send(os.read(fd, 70000))
            elif frame := sock.recv():
                try:
                    os.write(fd, frame)
                except OSError:
                    pass


GOOD = struct.pack(">I", len(FRAME)) + FRAME
ODD = {
    "zero": GOOD + b"\0\0\0\0" + GOOD,
    "huge": GOOD + b"\xff\xff\xff\xff" + GOOD,
    "longer": struct.pack(">I", 65601) + FRAME,
    "half": GOOD + struct.pack(">I", 1000) + FRAME,
    "header": GOOD + b"\0\0",
    "short": struct.pack(">I", 5) + b"short" + GOOD,
    "good": GOOD * 3,
    "nothing": b"",
}


def odd(what, at):
    """Says it, then waits to be disconnected; prints "closed", or "open" after 3 seconds:
    longer than the switch pauses after connections that were short."""
    sock = connect(at)
    sock.settimeout(3)
    try:
        sock.sendall(ODD[what])
        while sock.recv(65536):
            pass
        print("closed")
    except TimeoutError:
        print("open")
    except OSError:
        print("closed")


def stay(what, at):
    """Says it, and keeps the connection without reading."""
    sock = connect(at)
    sock.sendall(ODD[what])
    print("up", flush=True)
    while True:
        time.sleep(100)


def halves(at, middle):
    """Says half a frame and reads nothing, until the file `middle` is there; then the
    other half, and reads all that has come. Prints how many frames came, if each is
    whole and numbered in order, as those of shout() are."""
    sock = connect(at)
    sock.sendall(GOOD[:30])
    print("half", flush=True)
    while not os.path.exists(middle):
        time.sleep(0.02)
    sock.sendall(GOOD[30:] + GOOD)
    count, last = 0, -1
    sock.settimeout(2)
    try:
        while True:
            frame = whole(sock, struct.unpack(">I", whole(sock, 4))[0])
            if frame[12:14] != b"\x88\xb5":
                continue
            number = struct.unpack(">I", frame[14:18])[0]
            assert len(frame) == 1014 and number > last, (len(frame), number, last)
            count, last = count + 1, number
    except TimeoutError:
        print("frames", count, flush=True)


def late(own, peer, begin, count):
    """A guest of datagrams that says something, and reads nothing until the file `begin`
    is there; then `count` frames of shout(). Prints how many, if they are in order."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(own)
    sock.sendto(FRAME, peer)
    print("up", flush=True)
    while not os.path.exists(begin):
        time.sleep(0.02)
    numbers = []
    sock.settimeout(5)
    try:
        while len(numbers) < int(count):
            frame = sock.recv(70000)
            if frame[12:14] == b"\x88\xb5" and len(frame) == 1014:
                numbers.append(struct.unpack(">I", frame[14:18])[0])
    except TimeoutError:
        pass
    assert numbers == sorted(set(numbers)), numbers
    print("frames", len(numbers), flush=True)


def shout(interface, count, first=0):
    """Broadcasts numbered frames."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((interface, 0))
    for number in range(int(first), int(first) + int(count)):
        sock.send(FRAME[:14] + struct.pack(">I", number) + bytes(996))


def listen_for_host(interface, target, stop):
    """Asks by ARP for an address of the switch's host all the time until the file `stop`
    is there; prints how often, and how many answers came."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    sock.bind((interface, 0x0806))
    sock.settimeout(0.001)
    mac = sock.getsockname()[4]
    ask = (b"\xff" * 6 + mac + b"\x08\x06\0\1\x08\0\6\4\0\1" + mac + bytes([10, 0, 0, 99]) +
           bytes(6) + socket.inet_aton(target))
    asked = answers = 0
    print("ready", flush=True)
    while not os.path.exists(stop):
        sock.send(ask)
        asked += 1
        try:
            data = sock.recv(2000)
            answers += data[20:22] == b"\0\2" and data[28:32] == socket.inet_aton(target)
        except TimeoutError:
            pass
    print("asked", asked, "answers", answers, flush=True)


def foreign(at, count):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    for _ in range(int(count)):
        sock.sendto(FRAME, at)
    sock.bind(at + ".x")
    for _ in range(int(count)):
        sock.sendto(FRAME, at)


if __name__ == "__main__":
    {"guest": guest, "odd": odd, "stay": stay, "foreign": foreign, "halves": halves, "late": late,
     "shout": shout, "listen_for_host": listen_for_host}[sys.argv[1]](*sys.argv[2:])
